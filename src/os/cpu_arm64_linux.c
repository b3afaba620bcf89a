/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cpu_arm64_linux.c - features from the kernel's hardware capabilities.
 * Source: Linux Documentation/arch/arm64/elf_hwcaps.rst. */
#include "os/cpu.h"

#if defined(__aarch64__)

#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "os/system.h"

#define CAP_ASIMD (1ul << 1)
#define CAP_SHA2 (1ul << 6)
#define CAP_ASIMDHP (1ul << 10)
#define CAP_ASIMDDP (1ul << 20)
#define CAP2_I8MM (1ul << 13)

uint32_t kw_cpu_features(void)
{
    const unsigned long caps = getauxval(AT_HWCAP), caps2 = getauxval(AT_HWCAP2);
    uint32_t features = 0;
    if ((caps & CAP_ASIMD) == 0)
        return 0;
    features |= KW_CPU_NEON;
    /* Kernels for dotprod also use half floats, which every such processor has. */
    if ((caps & CAP_ASIMDDP) != 0 && (caps & CAP_ASIMDHP) != 0)
        features |= KW_CPU_DOTPROD;
    if ((caps2 & CAP2_I8MM) != 0)
        features |= KW_CPU_I8MM;
    if ((caps & CAP_SHA2) != 0)
        features |= KW_CPU_SHA;
    return features;
}

/* The processor has no name of its own; the board's is what a person knows. */
void kw_cpu_name(char name[KW_CPU_NAME_SIZE])
{
    name[0] = '\0';
    FILE *file = fopen("/proc/device-tree/model", "re");
    if (!file)
        return;
    if (!fgets(name, KW_CPU_NAME_SIZE, file))
        name[0] = '\0';
    name[strcspn(name, "\r\n")] = '\0';
    fclose(file);
}

#endif
