/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* system_linux.c - the machine as Linux shows it in /proc, /sys and the control group (version 2).
 *
 * A process in a container sees the whole machine in /proc; what it may use is the least of the
 * limits of its group and of every group above it. Whatever cannot be read is left unknown. */
#include "os/system.h"

#include <assert.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/check.h"
#include "os/cpu.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define HUGE_BYTES ((size_t)4 << 20)
#define CPU_SETS 8 /* of CPU_SETSIZE processors each */
#define PATH_BYTES 1024

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

/* Calls line(user, text) for each line of a small file until it returns false. */
static void each_line(const char *path, bool (*line)(void *user, const char *text), void *user)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    char text[PATH_BYTES];
    while (fgets(text, (int)sizeof(text), file)) {
        text[strcspn(text, "\n")] = '\0';
        if (!line(user, text))
            break;
    }
    fclose(file);
}

typedef struct wanted {
    const char *key; /* with its separator: "MemTotal:" */
    uint64_t value;
    bool found;
} wanted;

static bool match_line(void *user, const char *text)
{
    wanted *want = user;
    const size_t n = strlen(want->key);
    if (strncmp(text, want->key, n) != 0)
        return true;
    char *end;
    const char *digits = text + n;
    want->value = strtoull(digits, &end, 10);
    want->found = end != digits;
    return !want->found;
}

/* The number after `key` at the start of a line, or 0. */
static uint64_t read_field(const char *path, const char *key)
{
    wanted want = {.key = key};
    each_line(path, match_line, &want);
    return want.found ? want.value : 0;
}

static bool group_line(void *user, const char *text)
{
    char *path = user;
    if (strncmp(text, "0::", 3) != 0)
        return true;
    /* A path that does not fit is cut; its ancestors may still be read. */
    if (snprintf(path, PATH_BYTES, "%s%s", CGROUP_ROOT, text + 3) < 0)
        path[0] = '\0';
    return false;
}

typedef struct limits {
    uint64_t memory_bytes;    /* UINT64_MAX: none */
    uint64_t available_bytes; /* UINT64_MAX: unknown */
    int n_cpus;               /* INT_MAX: none */
} limits;

static bool cpu_line(void *user, const char *text)
{
    limits *limit = user;
    char *end;
    const unsigned long long quota = strtoull(text, &end, 10);
    if (end == text) /* "max" */
        return false;
    const unsigned long long period = strtoull(end, NULL, 10);
    if (period == 0 || quota == 0)
        return false;
    const unsigned long long cpus = (quota - 1) / period + 1;
    if (cpus < (unsigned long long)limit->n_cpus)
        limit->n_cpus = (int)cpus;
    return false;
}

/* Lowers the limits by those of one group. Its pages of files are given back when others need them,
 * so they count as free. */
static void read_group(const char *group, limits *limit)
{
    char path[PATH_BYTES + 32];
    snprintf(path, sizeof(path), "%s/cpu.max", group);
    each_line(path, cpu_line, limit);
    snprintf(path, sizeof(path), "%s/memory.max", group);
    const uint64_t most = read_field(path, "");
    if (most == 0)
        return;
    limit->memory_bytes = KW_MIN(limit->memory_bytes, most);
    snprintf(path, sizeof(path), "%s/memory.current", group);
    uint64_t used = read_field(path, "");
    snprintf(path, sizeof(path), "%s/memory.stat", group);
    const uint64_t files = read_field(path, "inactive_file ") + read_field(path, "active_file ");
    used -= KW_MIN(used, files);
    limit->available_bytes = KW_MIN(limit->available_bytes, most - KW_MIN(most, used));
}

static limits read_limits(void)
{
    limits limit = {UINT64_MAX, UINT64_MAX, INT_MAX};
    char group[PATH_BYTES];
    group[0] = '\0';
    each_line("/proc/self/cgroup", group_line, group);
    const size_t root = sizeof(CGROUP_ROOT) - 1;
    while (strlen(group) >= root) {
        read_group(group, &limit);
        char *slash = strrchr(group + root, '/');
        if (!slash)
            break;
        *slash = '\0';
    }
    return limit;
}

/* Physical cores among the processors of the set: those that are the first of their siblings. */
static int count_cores(const cpu_set_t *set, size_t bytes)
{
    cpu_set_t first[CPU_SETS];
    CPU_ZERO_S(sizeof(first), first);
    for (size_t cpu = 0; cpu < bytes * CHAR_BIT; cpu++) {
        if (!CPU_ISSET_S(cpu, bytes, set))
            continue;
        char path[128];
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%zu/topology/thread_siblings_list",
                 cpu);
        wanted want = {.key = ""};
        each_line(path, match_line, &want);
        if (!want.found || want.value >= bytes * CHAR_BIT)
            return 0;
        CPU_SET_S((size_t)want.value, sizeof(first), first);
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
    memset(out, 0, sizeof(*out));
    static_assert(sizeof(out->cpu_name) == KW_CPU_NAME_SIZE, "kw_cpu_name fills it");
    const limits limit = read_limits();
    out->features = kw_cpu_features();
    kw_cpu_name(out->cpu_name);
    count_processors(out, limit.n_cpus);
    const uint64_t total = read_field("/proc/meminfo", "MemTotal:") * 1024;
    const uint64_t available = read_field("/proc/meminfo", "MemAvailable:") * 1024;
    out->memory_bytes = total != 0 ? KW_MIN(total, limit.memory_bytes) : 0;
    out->available_bytes = available != 0 ? KW_MIN(available, limit.available_bytes) : 0;
}

uint64_t kw_peak_rss_bytes(void)
{
    return read_field("/proc/self/status", "VmHWM:") * 1024;
}

void *kw_pages_alloc(size_t bytes)
{
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    if (bytes >= HUGE_BYTES)
        (void)madvise(pages, bytes, MADV_HUGEPAGE);
    return pages;
}

void kw_pages_free(void *pages, size_t bytes)
{
    if (pages)
        munmap(pages, bytes);
}
