/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cpu_x86.c - features by cpuid, and by xgetbv what of them the OS preserves.
 * Source: Intel SDM volume 1 section 13.3 and 14.3 (detection), volume 2 CPUID. */
#include "os/cpu.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <stdbool.h>
#include <string.h>

#include "os/system.h"

typedef struct registers {
    unsigned a, b, c, d;
} registers;

/* Zeros where the leaf does not exist. */
static registers leaf(unsigned number, unsigned sub)
{
    registers r = {0, 0, 0, 0};
    if (!__get_cpuid_count(number, sub, &r.a, &r.b, &r.c, &r.d))
        return (registers){0, 0, 0, 0};
    return r;
}

static bool bit(unsigned word, int index)
{
    return (word >> index & 1) != 0;
}

/* XCR0, the register sets that the OS saves; 0 when it saves none by xsave. */
static unsigned saved_sets(unsigned leaf1_c)
{
    if (!bit(leaf1_c, 27))
        return 0;
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* AMD's processors with AVX512_BF16 (Zen 4 and later) begin a VDPBF16PS as often as a fused
 * multiply-add; Intel's (Cooper Lake, Sapphire Rapids) a quarter as often, and so lose by it.
 * No flag says so. Source: uops.info. */
static uint32_t bf16_rate(void)
{
    const registers zero = leaf(0, 0);
    char vendor[12];
    memcpy(vendor, &zero.b, 4);
    memcpy(vendor + 4, &zero.d, 4);
    memcpy(vendor + 8, &zero.c, 4);
    return memcmp(vendor, "AuthenticAMD", sizeof vendor) == 0 ? KW_CPU_BF16_RATE : 0;
}

uint32_t kw_cpu_features(void)
{
    const registers one = leaf(1, 0), seven = leaf(7, 0);
    const registers seven_one = seven.a >= 1 ? leaf(7, 1) : (registers){0, 0, 0, 0};
    const unsigned saved = saved_sets(one.c);
    const bool ymm = (saved & 0x06) == 0x06; /* sse, avx */
    const bool zmm = (saved & 0xE6) == 0xE6; /* and opmask, upper halves, zmm16 to 31 */
    uint32_t features = 0;
    if (bit(seven.b, 29) && bit(one.c, 19) && bit(one.c, 9)) /* sha, sse4.1, ssse3 */
        features |= KW_CPU_SHA;
    const bool avx2 = ymm && bit(one.c, 28) && bit(seven.b, 5) && bit(one.c, 12) &&
                      bit(one.c, 29) && bit(seven.b, 3) && bit(seven.b, 8);
    if (!avx2)
        return features;
    features |= KW_CPU_AVX2;
    if (bit(seven_one.a, 4))
        features |= KW_CPU_AVX_VNNI;
    if (bit(seven.c, 8))
        features |= KW_CPU_GFNI;
    const bool avx512 =
        zmm && bit(seven.b, 16) && bit(seven.b, 17) && bit(seven.b, 30) && bit(seven.b, 31);
    if (!avx512)
        return features;
    features |= KW_CPU_AVX512;
    if (bit(seven.c, 11))
        features |= KW_CPU_AVX512_VNNI;
    if (bit(seven.c, 1))
        features |= KW_CPU_AVX512_VBMI;
    if (bit(seven_one.a, 5))
        features |= KW_CPU_AVX512_BF16 | bf16_rate();
    const bool tiles = (saved >> 17 & 3) == 3; /* their configuration and their data */
    const bool amx = tiles && bit(seven.d, 24) && bit(seven.d, 25) && bit(seven.d, 22);
    if (amx && kw_cpu_ask_for_tiles())
        features |= KW_CPU_AMX;
    return features;
}

void kw_cpu_name(char name[KW_CPU_NAME_SIZE])
{
    char brand[3 * sizeof(registers) + 1];
    memset(brand, 0, sizeof(brand));
    for (unsigned i = 0; i < 3; i++) {
        const registers r = leaf(0x80000002u + i, 0);
        memcpy(brand + i * sizeof(r), &r, sizeof(r));
    }
    const char *start = brand + strspn(brand, " ");
    size_t len = strlen(start);
    while (len > 0 && start[len - 1] == ' ')
        len--;
    memcpy(name, start, len);
    name[len] = '\0';
}

#endif
