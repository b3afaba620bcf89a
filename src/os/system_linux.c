/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* system_linux.c - the machine as Linux shows it in /proc and /sys, within the limits of the
 * container. What cannot be read is left unknown. */
#include "os/system.h"

#include <assert.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "os/cgroup.h"
#include "os/cpu.h"
#include "os/topology.h"

#define HUGE_BYTES ((size_t)2 << 20)
#define CPU_SETS (KW_MAX_CPUS / CPU_SETSIZE)

#if !defined(__x86_64__) && !defined(__aarch64__)
uint32_t kw_cpu_features(void)
{
    return 0;
}

void kw_cpu_name(char name[KW_CPU_NAME_SIZE])
{
    name[0] = '\0';
}
#endif

#if defined(__x86_64__)
/* arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA), Linux 5.16: Documentation/arch/x86/xstate.
 */
bool kw_cpu_ask_for_tiles(void)
{
    return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}
#endif

uint64_t kw_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void count_processors(kw_system *out, int limit)
{
    cpu_set_t set[CPU_SETS];
    kw_cpus allowed = {{0}};
    kw_topology cores;
    CPU_ZERO_S(sizeof(set), set);
    out->n_cpus = 1;
    out->n_cores = 1;
    out->n_fast = 1;
    if (sched_getaffinity(0, sizeof(set), set) != 0)
        return;
    for (size_t cpu = 0; cpu < KW_MAX_CPUS; cpu++)
        if (CPU_ISSET_S(cpu, sizeof(set), set))
            kw_cpus_add(&allowed, cpu);
    kw_topology_read("/sys/devices/system/cpu", &allowed, &cores);
    const int n = CPU_COUNT_S(sizeof(set), set);
    out->n_cpus = KW_MAX(KW_MIN(n, limit), 1);
    out->n_cores = cores.n_cores > 0 ? KW_MIN(cores.n_cores, out->n_cpus) : out->n_cpus;
    out->n_fast = cores.n_fast > 0 ? KW_MIN(cores.n_fast, out->n_cpus) : out->n_cpus;
    out->cores = cores.cores;
    out->fast = cores.fast;
}

void kw_system_query(kw_system *out)
{
    static_assert(sizeof(out->cpu_name) == KW_CPU_NAME_SIZE, "kw_cpu_name fills it");
    memset(out, 0, sizeof(*out));
    kw_cgroup limit;
    kw_cgroup_read("/proc/self/cgroup", "/sys/fs/cgroup", &limit);
    out->features = kw_cpu_features();
    kw_cpu_name(out->cpu_name);
    count_processors(out, limit.n_cpus);
    const uint64_t total = kw_field_read("/proc/meminfo", "MemTotal:") * 1024;
    const uint64_t available = kw_field_read("/proc/meminfo", "MemAvailable:") * 1024;
#ifdef _SC_LEVEL3_CACHE_SIZE
    out->cache_bytes = (uint64_t)KW_MAX(sysconf(_SC_LEVEL3_CACHE_SIZE), 0L);
#endif
    out->memory_bytes = total != 0 ? KW_MIN(total, limit.memory_bytes) : 0;
    out->available_bytes = available != 0 ? KW_MIN(available, limit.available_bytes) : 0;
}

uint64_t kw_peak_rss_bytes(void)
{
    return kw_field_read("/proc/self/status", "VmHWM:") * 1024;
}

void *kw_pages_alloc(size_t bytes)
{
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    /* What is only begun costs the pages that it touches: a model has a cache for each layer, and a
     * short text uses little of any. */
    if (bytes >= 2 * HUGE_BYTES)
        (void)madvise((char *)pages + HUGE_BYTES, bytes - HUGE_BYTES, MADV_HUGEPAGE);
    return pages;
}

void kw_pages_free(void *pages, size_t bytes)
{
    if (pages)
        munmap(pages, bytes);
}
