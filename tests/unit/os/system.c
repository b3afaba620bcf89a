/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* system.c - what is said of the machine, against what libc and the compiler's run time say, and
 * the limits of control groups in trees made for the purpose. */
#include "os/system.h"

#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/cgroup.h"

static void clock_is_monotonic_and_counts_nanoseconds(void **state)
{
    (void)state;
    uint64_t before = kw_clock_ns();
    for (int i = 0; i < 10000; i++) {
        const uint64_t now = kw_clock_ns();
        assert_true(now >= before);
        before = now;
    }
    const struct timespec nap = {.tv_sec = 0, .tv_nsec = 20000000};
    const uint64_t start = kw_clock_ns();
    nanosleep(&nap, NULL);
    const uint64_t took = kw_clock_ns() - start;
    assert_true(took >= 20000000 && took < UINT64_C(10000000000));
}

static void counts_are_plausible(void **state)
{
    (void)state;
    kw_system system;
    memset(&system, 0x55, sizeof(system));
    kw_system_query(&system);
    assert_in_range(system.n_cpus, 1, sysconf(_SC_NPROCESSORS_ONLN));
    assert_in_range(system.n_cores, 1, system.n_cpus);
    assert_in_range(system.n_fast, 1, system.n_cores);
    const uint64_t physical = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    assert_true(system.memory_bytes > 0 && system.memory_bytes <= physical);
    assert_true(system.available_bytes > 0 && system.available_bytes <= system.memory_bytes);
    assert_true(strlen(system.cpu_name) < sizeof(system.cpu_name));
    print_message("\"%s\", %d processors, %d cores, features %03x\n", system.cpu_name,
                  system.n_cpus, system.n_cores, system.features);
}

static void affinity_limits_the_processors(void **state)
{
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++) {
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    }
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    kw_system system;
    kw_system_query(&system);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(system.n_cpus, 1);
    assert_int_equal(system.n_cores, 1);
}

static void features_are_those_of_the_processor(void **state)
{
    (void)state;
    kw_system system;
    kw_system_query(&system);
#if defined(__x86_64__)
#define AGREES(bit, name)                                                                          \
    assert_int_equal((system.features & (bit)) != 0, __builtin_cpu_supports(name) != 0)
    AGREES(KW_CPU_AVX2, "avx2");
    AGREES(KW_CPU_AVX512, "avx512bw");
    AGREES(KW_CPU_AVX512_VNNI, "avx512vnni");
    AGREES(KW_CPU_AVX512_VBMI, "avx512vbmi");
    AGREES(KW_CPU_GFNI, "gfni");
    assert_true((system.features & (KW_CPU_NEON | KW_CPU_DOTPROD | KW_CPU_I8MM)) == 0);
    assert_true(system.cpu_name[0] != '\0');
#elif defined(__aarch64__)
    assert_true((system.features & KW_CPU_NEON) != 0);
    assert_true((system.features & (KW_CPU_AVX2 | KW_CPU_AVX512)) == 0);
#else
    print_message("skipped: no features are known of this architecture\n");
    skip();
#endif
    assert_true((system.features & KW_CPU_WASM_SIMD) == 0);
}

static void every_feature_has_its_own_name(void **state)
{
    (void)state;
    for (uint32_t a = 1; a <= KW_CPU_BF16_RATE; a <<= 1) {
        assert_non_null(kw_cpu_feature_name(a));
        for (uint32_t b = 1; b < a; b <<= 1)
            assert_string_not_equal(kw_cpu_feature_name(a), kw_cpu_feature_name(b));
    }
    assert_string_equal(kw_cpu_feature_name(KW_CPU_AVX512_VNNI), "avx512-vnni");
    assert_null(kw_cpu_feature_name(0));
    assert_null(kw_cpu_feature_name(KW_CPU_AVX2 | KW_CPU_SHA));
    assert_null(kw_cpu_feature_name(1u << 31));
}

static void pages_are_zeroed_aligned_and_counted(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 4096, 100000, (size_t)4 << 20, ((size_t)32 << 20) + 5};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        unsigned char *pages = kw_pages_alloc(sizes[i]);
        assert_non_null(pages);
        assert_int_equal((uintptr_t)pages % 4096, 0);
        for (size_t at = 0; at < sizes[i]; at += 511)
            assert_true(pages[at] == 0);
        memset(pages, 0xA5, sizes[i]);
        assert_int_equal(pages[sizes[i] - 1], 0xA5);
        kw_pages_free(pages, sizes[i]);
    }
    const uint64_t peak = kw_peak_rss_bytes();
    if (peak == 0) {
        print_message("skipped: the peak of resident memory is unknown here\n");
        skip();
    }
    assert_true(peak >= (uint64_t)32 << 20);
}

static void impossible_pages_are_refused(void **state)
{
    (void)state;
    assert_null(kw_pages_alloc(0));
    assert_null(kw_pages_alloc(SIZE_MAX / 4));
    kw_pages_free(NULL, 0);
}

static char tree[64];

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", tree, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static const char *const tree_files[] = {
    "self",           "a/memory.max",       "a/memory.current", "a/cpu.max",       "a/memory.stat",
    "a/b/memory.max", "a/b/memory.current", "a/b/cpu.max",      "a/b/memory.stat",
};

static int make_tree(void **state)
{
    (void)state;
    char path[128];
    strcpy(tree, "/tmp/kw-cgroup-XXXXXX");
    if (!mkdtemp(tree))
        return -1;
    snprintf(path, sizeof(path), "%s/a", tree);
    if (mkdir(path, 0777) != 0)
        return -1;
    snprintf(path, sizeof(path), "%s/a/b", tree);
    return mkdir(path, 0777);
}

static int remove_tree(void **state)
{
    (void)state;
    char path[256];
    for (size_t i = 0; i < sizeof(tree_files) / sizeof(tree_files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", tree, tree_files[i]);
        remove(path);
    }
    static const char *const folders[] = {"/a/b", "/a", ""};
    int status = 0;
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s%s", tree, folders[i]);
        status |= rmdir(path);
    }
    return status;
}

static kw_cgroup read_tree(void)
{
    char self[128];
    snprintf(self, sizeof(self), "%s/self", tree);
    kw_cgroup limit;
    kw_cgroup_read(self, tree, &limit);
    return limit;
}

static void without_limits_nothing_is_limited(void **state)
{
    (void)state;
    kw_cgroup limit = read_tree(); /* not even a file that names the group */
    assert_true(limit.memory_bytes == UINT64_MAX && limit.available_bytes == UINT64_MAX);
    assert_int_equal(limit.n_cpus, INT_MAX);
    put("self", "4:memory:/a/b\n0::/a/b\n");
    put("a/b/memory.max", "max\n");
    put("a/b/cpu.max", "max 100000\n");
    limit = read_tree();
    assert_true(limit.memory_bytes == UINT64_MAX && limit.available_bytes == UINT64_MAX);
    assert_int_equal(limit.n_cpus, INT_MAX);
}

static void the_least_of_all_groups_counts(void **state)
{
    (void)state;
    put("self", "0::/a/b\n");
    put("a/b/memory.max", "4000000000\n");
    put("a/b/memory.current", "1500000000\n");
    put("a/b/memory.stat", "anon 1\nfile 900\ninactive_file 300000000\nactive_file 200000000\n");
    put("a/b/cpu.max", "400000 100000\n");
    kw_cgroup limit = read_tree();
    assert_true(limit.memory_bytes == 4000000000);
    assert_true(limit.available_bytes == 4000000000 - 1000000000);
    assert_int_equal(limit.n_cpus, 4);

    put("a/memory.max", "3000000000\n");
    put("a/memory.current", "3500000000\n");
    put("a/cpu.max", "150000 100000\n");
    limit = read_tree();
    assert_true(limit.memory_bytes == 3000000000);
    assert_true(limit.available_bytes == 0);
    assert_int_equal(limit.n_cpus, 2); /* one and a half */

    put("a/cpu.max", "1000 100000\n");
    assert_int_equal(read_tree().n_cpus, 1);
}

static void nonsense_limits_nothing(void **state)
{
    (void)state;
    put("self", "0::/a/b\n");
    put("a/b/memory.max", "many\n");
    put("a/b/cpu.max", "100000 0\n");
    put("a/cpu.max", "\n");
    put("a/memory.max", "");
    kw_cgroup limit = read_tree();
    assert_true(limit.memory_bytes == UINT64_MAX && limit.n_cpus == INT_MAX);
    put("self", "0::a/b\n1:name=x:/a\n");
    put("a/b/memory.max", "5\n");
    limit = read_tree();
    assert_true(limit.memory_bytes == UINT64_MAX);
}

static void fields_are_found_by_key(void **state)
{
    (void)state;
    put("self", "MemTotal:       24684092 kB\nMemFree: 7 kB\nMemAvailable:\t9 kB\n");
    char path[128];
    snprintf(path, sizeof(path), "%s/self", tree);
    assert_int_equal(kw_field_read(path, "MemTotal:"), 24684092);
    assert_int_equal(kw_field_read(path, "MemAvailable:"), 9);
    assert_int_equal(kw_field_read(path, "SwapTotal:"), 0);
    assert_int_equal(kw_field_read("/no/such/file", "a"), 0);
}

#define WITH_TREE(test) cmocka_unit_test_setup_teardown(test, make_tree, remove_tree)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_is_monotonic_and_counts_nanoseconds),
        cmocka_unit_test(counts_are_plausible),
        cmocka_unit_test(affinity_limits_the_processors),
        cmocka_unit_test(features_are_those_of_the_processor),
        cmocka_unit_test(every_feature_has_its_own_name),
        cmocka_unit_test(pages_are_zeroed_aligned_and_counted),
        cmocka_unit_test(impossible_pages_are_refused),
        WITH_TREE(without_limits_nothing_is_limited),
        WITH_TREE(the_least_of_all_groups_counts),
        WITH_TREE(nonsense_limits_nothing),
        WITH_TREE(fields_are_found_by_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
