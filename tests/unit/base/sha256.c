/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sha256.c - FIPS 180-4's examples by every kernel of this machine, and all kernels alike. */
#include "base/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

/* base may not ask os what the processor has; the compiler's run-time answers here. */
static bool has_extension(void)
{
#if defined(__x86_64__)
    unsigned a = 7, b = 0, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return (b >> 29 & 1) != 0;
#elif defined(__aarch64__)
    uint64_t features;
    __asm__ volatile("mrs %0, ID_AA64ISAR0_EL1" : "=r"(features)); /* emulated by Linux */
    return (features >> 12 & 15) != 0;
#else
    return false;
#endif
}

static void hex_of(kw_sha256_fn kernel, const void *data, size_t len, char out[65])
{
    kw_sha256 hash;
    uint8_t digest[32];
    kw_sha256_init(&hash, kernel);
    kw_sha256_update(&hash, data, len);
    kw_sha256_final(&hash, digest);
    kw_sha256_hex(digest, out);
}

static void known_answers_of(kw_sha256_fn kernel)
{
    static const struct {
        const char *text, *digest;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
         "lmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    char hex[65];
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        hex_of(kernel, cases[i].text, strlen(cases[i].text), hex);
        assert_string_equal(hex, cases[i].digest);
    }
    static char million[1000000];
    memset(million, 'a', sizeof(million));
    hex_of(kernel, million, sizeof(million), hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void scalar_known_answers(void **state)
{
    (void)state;
    known_answers_of(kw_sha256_kernel(false));
}

static void extension_known_answers(void **state)
{
    (void)state;
    if (!has_extension()) {
        print_message("skipped: this processor has no SHA-256 instructions\n");
        skip();
    }
    assert_true(kw_sha256_kernel(true) != kw_sha256_kernel(false));
    known_answers_of(kw_sha256_kernel(true));
}

static void kernels_agree_at_every_length(void **state)
{
    (void)state;
    if (!has_extension()) {
        print_message("skipped: this processor has no SHA-256 instructions\n");
        skip();
    }
    uint8_t data[301];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * i * 7 + i * 13 + 5);
    for (size_t len = 0; len <= 300; len++) {
        char a[65], b[65];
        hex_of(kw_sha256_kernel(false), data + 1, len, a);
        hex_of(kw_sha256_kernel(true), data + 1, len, b);
        assert_string_equal(a, b);
    }
}

static void chunks_do_not_matter(void **state)
{
    (void)state;
    uint8_t data[300];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 31 + 1);
    char whole[65];
    hex_of(kw_sha256_kernel(false), data, sizeof(data), whole);
    for (size_t step = 1; step <= sizeof(data); step++) {
        kw_sha256 hash;
        uint8_t digest[32];
        char hex[65];
        kw_sha256_init(&hash, kw_sha256_kernel(false));
        for (size_t at = 0; at < sizeof(data); at += step)
            kw_sha256_update(&hash, data + at, KW_MIN(step, sizeof(data) - at));
        kw_sha256_update(&hash, NULL, 0);
        kw_sha256_final(&hash, digest);
        kw_sha256_hex(digest, hex);
        assert_string_equal(hex, whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalar_known_answers),
        cmocka_unit_test(extension_known_answers),
        cmocka_unit_test(kernels_agree_at_every_length),
        cmocka_unit_test(chunks_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
