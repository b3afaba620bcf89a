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
#include <time.h>

#include "base/check.h"
#include "os/cgroup.h"
#include "os/cpu.h"

#define HUGE_BYTES ((size_t)2 << 20)
#define CPU_SETS 8 /* of CPU_SETSIZE processors each */

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

uint64_t kw_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The first of the processors that share a core with this one, or SIZE_MAX. */
static size_t first_sibling(size_t cpu)
{
    char path[96];
    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%zu/topology/thread_siblings_list",
             cpu);
    FILE *file = fopen(path, "re");
    if (!file)
        return SIZE_MAX;
    size_t first;
    const int n = fscanf(file, "%zu", &first);
    fclose(file);
    return n == 1 ? first : SIZE_MAX;
}

/* Cores that the processors of the set belong to; 0 when unknown. */
static int count_cores(const cpu_set_t *set, size_t bytes)
{
    cpu_set_t first[CPU_SETS];
    CPU_ZERO_S(sizeof(first), first);
    for (size_t cpu = 0; cpu < bytes * CHAR_BIT; cpu++) {
        if (!CPU_ISSET_S(cpu, bytes, set))
            continue;
        const size_t sibling = first_sibling(cpu);
        if (sibling >= sizeof(first) * CHAR_BIT)
            return 0;
        CPU_SET_S(sibling, sizeof(first), first);
    }
    return CPU_COUNT_S(sizeof(first), first);
}

static void count_processors(kw_system *out, int limit)
{
    cpu_set_t set[CPU_SETS];
    CPU_ZERO_S(sizeof(set), set);
    out->n_cpus = 1;
    out->n_cores = 1;
    if (sched_getaffinity(0, sizeof(set), set) != 0)
        return;
    const int n = CPU_COUNT_S(sizeof(set), set);
    out->n_cpus = KW_MAX(KW_MIN(n, limit), 1);
    const int cores = count_cores(set, sizeof(set));
    out->n_cores = cores > 0 ? KW_MIN(cores, out->n_cpus) : out->n_cpus;
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
