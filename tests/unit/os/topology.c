/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* topology.c - cores and fast cores, in trees made as sysfs is. */
#include "os/topology.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { N_CPUS = 8 };

static char tree[64];

static const char *const folders[] = {"", "/topology", "/cpufreq"};
static const char *const files[] = {"/topology/thread_siblings_list", "/cpu_capacity",
                                    "/cpufreq/cpuinfo_max_freq"};
enum { SIBLINGS, CAPACITY, FREQUENCY };

static const char *path_of(int cpu, const char *name)
{
    static char path[160];
    snprintf(path, sizeof(path), "%s/cpu%d%s", tree, cpu, name);
    return path;
}

static int make_tree(void **state)
{
    (void)state;
    strcpy(tree, "/tmp/kw-topology-XXXXXX");
    if (!mkdtemp(tree))
        return -1;
    int status = 0;
    for (int cpu = 0; cpu < N_CPUS; cpu++)
        for (int i = 0; i < 3; i++)
            status |= mkdir(path_of(cpu, folders[i]), 0777);
    return status;
}

static int remove_tree(void **state)
{
    (void)state;
    int status = 0;
    for (int cpu = 0; cpu < N_CPUS; cpu++) {
        for (int i = 0; i < 3; i++)
            remove(path_of(cpu, files[i]));
        for (int i = 2; i >= 0; i--)
            status |= rmdir(path_of(cpu, folders[i]));
    }
    return status | rmdir(tree);
}

static void put(int cpu, int file, const char *text)
{
    FILE *out = fopen(path_of(cpu, files[file]), "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static kw_topology read_tree(uint64_t allowed)
{
    kw_topology t;
    memset(&t, 0x55, sizeof(t));
    kw_topology_read(tree, &(kw_cpus){{allowed}}, &t);
    for (size_t i = 1; i < KW_MAX_CPUS / 64; i++)
        assert_true(t.cores.bits[i] == 0 && t.fast.bits[i] == 0);
    return t;
}

static void nothing_known_is_said(void **state)
{
    (void)state;
    const kw_topology t = read_tree(0xff);
    assert_int_equal(t.n_cores, 0);
    assert_int_equal(t.n_fast, 0);
    assert_true(t.cores.bits[0] == 0 && t.fast.bits[0] == 0);
}

static void each_processor_a_core(void **state)
{
    (void)state;
    for (int cpu = 0; cpu < N_CPUS; cpu++)
        put(cpu, SIBLINGS, (char[]){(char)('0' + cpu), '\n', '\0'});
    const kw_topology t = read_tree(0xf3);
    assert_int_equal(t.n_cores, 6);
    assert_int_equal(t.n_fast, 6);
    assert_true(t.cores.bits[0] == 0 && t.fast.bits[0] == 0); /* all that are allowed */
}

/* Siblings are neighbours (0-1) or half the machine apart (0,4): both are written. */
static void one_processor_of_each_core(void **state)
{
    (void)state;
    static const char *const near[] = {"0-1\n", "0-1\n", "2-3\n", "2-3\n",
                                       "4-5\n", "4-5\n", "6-7\n", "6-7\n"};
    for (int cpu = 0; cpu < N_CPUS; cpu++)
        put(cpu, SIBLINGS, near[cpu]);
    kw_topology t = read_tree(0xff);
    assert_int_equal(t.n_cores, 4);
    assert_true(t.cores.bits[0] == 0x55 && t.fast.bits[0] == 0x55);
    t = read_tree(0x2a); /* the first of a pair need not be allowed */
    assert_int_equal(t.n_cores, 3);
    assert_true(t.cores.bits[0] == 0);

    static const char *const far[] = {"0,4\n", "1,5\n", "2,6\n", "3,7\n",
                                      "0,4\n", "1,5\n", "2,6\n", "3,7\n"};
    for (int cpu = 0; cpu < N_CPUS; cpu++)
        put(cpu, SIBLINGS, far[cpu]);
    t = read_tree(0xf8);
    assert_int_equal(t.n_cores, 4);
    assert_true(t.cores.bits[0] == 0x78); /* 3 and its sibling 7 are one */
}

/* Two cores with two threads each, and four small ones. */
static void fast_cores_are_told_apart(void **state)
{
    (void)state;
    static const char *const siblings[] = {"0-1\n", "0-1\n", "2-3\n", "2-3\n",
                                           "4\n",   "5\n",   "6\n",   "7\n"};
    static const char *const capacity[] = {"1024\n", "1024\n", "990\n", "990\n",
                                           "600\n",  "600\n",  "600\n", "600\n"};
    for (int cpu = 0; cpu < N_CPUS; cpu++) {
        put(cpu, SIBLINGS, siblings[cpu]);
        put(cpu, FREQUENCY, cpu < 4 ? "5200000\n" : "3900000\n");
    }
    for (int round = 0; round < 2; round++) { /* by frequency, then by capacity */
        const kw_topology t = read_tree(0xff);
        assert_int_equal(t.n_cores, 6);
        assert_int_equal(t.n_fast, 2);
        assert_true(t.cores.bits[0] == 0xf5);
        assert_true(t.fast.bits[0] == 0x05);
        const kw_topology small = read_tree(0xf0); /* the fastest of those that are allowed */
        assert_int_equal(small.n_fast, 4);
        assert_true(small.fast.bits[0] == 0);
        for (int cpu = 0; cpu < N_CPUS; cpu++)
            put(cpu, CAPACITY, capacity[cpu]);
    }
}

static void nonsense_is_unknown(void **state)
{
    (void)state;
    for (int cpu = 0; cpu < N_CPUS; cpu++)
        put(cpu, CAPACITY, "fast\n");
    put(4, FREQUENCY, "");
    kw_topology t = read_tree(0xff);
    assert_int_equal(t.n_fast, 3); /* what is not known to be slow is fast */
    put(5, SIBLINGS, "none\n");
    t = read_tree(0xff);
    assert_int_equal(t.n_cores, 0);
    assert_true(t.cores.bits[0] == 0);
    put(5, SIBLINGS, "99999\n");
    assert_int_equal(read_tree(0xff).n_cores, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_known_is_said),      cmocka_unit_test(each_processor_a_core),
        cmocka_unit_test(one_processor_of_each_core), cmocka_unit_test(fast_cores_are_told_apart),
        cmocka_unit_test(nonsense_is_unknown),
    };
    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
