/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* topology_linux.c - cores and their speed, as sysfs shows them.
 *
 * A core is known by the first of its processors. Its speed is what the scheduler takes it for
 * (cpu_capacity), or the highest frequency; where neither is known, all cores are fast. The margin
 * keeps cores together that differ only in how far their makers let them turbo.
 * Source: Linux Documentation/admin-guide/cputopology.rst, Documentation/ABI/testing. */
#include "os/topology.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

#define FAST_PERCENT 80

/* The first number in a file of a processor, or -1. */
static long long number_in(const char *root, size_t cpu, const char *name)
{
    char path[512];
    const int len = snprintf(path, sizeof(path), "%s/cpu%zu/%s", root, cpu, name);
    if (len < 0 || (size_t)len >= sizeof(path))
        return -1;
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    long long number;
    const int n = fscanf(file, "%lld", &number);
    fclose(file);
    return n == 1 && number >= 0 && number < 1LL << 40 ? number : -1;
}

static long long speed_of(const char *root, size_t cpu)
{
    const long long capacity = number_in(root, cpu, "cpu_capacity");
    return capacity >= 0 ? capacity : number_in(root, cpu, "cpufreq/cpuinfo_max_freq");
}

/* One allowed processor of each core; their number, 0 when unknown. */
static int find_cores(const char *root, const kw_cpus *allowed, kw_cpus *cores)
{
    kw_cpus seen = {{0}};
    int n = 0;
    for (size_t cpu = 0; cpu < KW_MAX_CPUS; cpu++) {
        if (!kw_cpus_has(allowed, cpu))
            continue;
        const long long first = number_in(root, cpu, "topology/thread_siblings_list");
        if (first < 0 || first >= KW_MAX_CPUS)
            return 0;
        if (kw_cpus_has(&seen, (size_t)first))
            continue;
        kw_cpus_add(&seen, (size_t)first);
        kw_cpus_add(cores, cpu);
        n++;
    }
    return n;
}

/* Those among the cores that are fast; their number. */
static int find_fast(const char *root, const kw_cpus *cores, kw_cpus *fast)
{
    long long best = 0;
    int n = 0;
    for (size_t cpu = 0; cpu < KW_MAX_CPUS; cpu++)
        if (kw_cpus_has(cores, cpu))
            best = KW_MAX(best, speed_of(root, cpu));
    for (size_t cpu = 0; cpu < KW_MAX_CPUS; cpu++) {
        if (!kw_cpus_has(cores, cpu))
            continue;
        const long long speed = best > 0 ? speed_of(root, cpu) : -1;
        if (speed >= 0 && speed * 100 < best * FAST_PERCENT)
            continue;
        kw_cpus_add(fast, cpu);
        n++;
    }
    return n;
}

static void empty_if_equal(kw_cpus *set, const kw_cpus *all)
{
    if (memcmp(set, all, sizeof(*set)) == 0)
        memset(set, 0, sizeof(*set));
}

void kw_topology_read(const char *root, const kw_cpus *allowed, kw_topology *out)
{
    memset(out, 0, sizeof(*out));
    out->n_cores = find_cores(root, allowed, &out->cores);
    if (out->n_cores == 0) {
        memset(&out->cores, 0, sizeof(out->cores));
        return;
    }
    out->n_fast = find_fast(root, &out->cores, &out->fast);
    empty_if_equal(&out->cores, allowed);
    empty_if_equal(&out->fast, allowed);
}
