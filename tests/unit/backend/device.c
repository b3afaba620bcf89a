/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* device.c - the CPU as a device: which instruction sets and types it has, what it says of nodes it
 * cannot run, sizes of values and states, and that its measured limits are numbers. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/program.h"
#include "backend/registry.h"

#include "base/check.h"
#include "os/system.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const kw_backend *const cpu = &kw_cpu_backend;

static kw_device *open_cpu(int n_threads, const char *isa)
{
    kw_device *device = NULL;
    kw_error err = {0};
    const kw_device_config config = {.n_threads = n_threads, .isa = isa};
    if (cpu->open(&config, &device, &err) != KW_OK)
        fail_msg("%s", err.message);
    return device;
}

static void backends_are_found_by_name(void **state)
{
    (void)state;
    assert_non_null(kw_backends[0]);
    assert_ptr_equal(kw_backend_by_name("CPU"), cpu);
    assert_ptr_equal(kw_backend_by_name(cpu->name), cpu);
    assert_null(kw_backend_by_name("cpu "));
    assert_null(kw_backend_by_name(""));
}

/* Scalar is always there; every other name opens or is refused, and nothing else opens. */
static void instruction_sets_open_by_name(void **state)
{
    size_t n;
    const char *const *names = kw_cpu_isa_names(&n);
    kw_system system;
    (void)state;
    kw_system_query(&system);
    assert_string_equal(names[0], "scalar");
    const char *best = "scalar";
    for (size_t i = 0; i < n; i++) {
        kw_cpu_kernels kernels;
        int n_workers = 0;
        if (!kw_cpu_kernels_select(&kernels, system.features, names[i]))
            continue;
        assert_string_equal(kernels.isa, names[i]);
        assert_int_equal(kernels.needs & ~system.features, 0);
        if (strcmp(names[i], "avx512bf16") != 0 || system.features & KW_CPU_BF16_RATE)
            best = names[i]; /* not taken unasked where it loses */
        kw_device *device = open_cpu(2, names[i]);
        assert_string_equal(cpu->describe(device, &n_workers), names[i]);
        assert_int_equal(n_workers, 2);
        cpu->close(device);
    }
    int n_workers = 0;
    kw_device *device = open_cpu(0, NULL);
    assert_string_equal(cpu->describe(device, &n_workers), best);
    assert_in_range(n_workers, 1, 256);
    cpu->close(device);
    cpu->close(NULL);
    kw_cpu_kernels kernels;
    assert_true(kw_cpu_kernels_select(&kernels, 0, NULL));
    assert_string_equal(kernels.isa, "scalar");
    assert_false(kw_cpu_kernels_select(&kernels, system.features, "scalar2"));
    for (size_t i = 1; i < n; i++)
        assert_false(kw_cpu_kernels_select(&kernels, 0, names[i]));
}

static kw_node node_of(kw_op op, kw_dtype dtype, kw_shape shape)
{
    return (kw_node){.op = op, .dtype = dtype, .shape = shape};
}

static void activations_follow_the_weight(void **state)
{
    kw_device *device = open_cpu(1, NULL);
    (void)state;
    assert_int_equal(cpu->activation(device, KW_Q4_0, 1), KW_Q8_A32);
    assert_int_equal(cpu->activation(device, KW_Q8_0, 100), KW_Q8_A32);
    assert_int_equal(cpu->activation(device, KW_Q4_K, 1), KW_Q8_A256);
    assert_int_equal(cpu->activation(device, KW_Q6_K, 100), KW_Q8_A256);
    assert_int_equal(cpu->activation(device, KW_F16, KW_FEW_TOKENS), KW_F32);
    assert_int_equal(cpu->activation(device, KW_I32, 100), KW_F32); /* refused by supports */
    cpu->close(device);
}

static void sizes_are_counted_and_saturate(void **state)
{
    kw_device *device = open_cpu(1, NULL);
    const size_t columns = kw_cpu_device_kernels(device)->columns;
    (void)state;
    kw_node n = node_of(KW_OP_MAP, KW_F32, SHAPE(7, 5));
    assert_int_equal(cpu->value_bytes(device, &n), 7 * 5 * 4);
    n = node_of(KW_OP_CAST, KW_Q8_A32, SHAPE(1, 64));
    assert_int_equal(cpu->value_bytes(device, &n), 2 * KW_ACT_BLOCK);
    n = node_of(KW_OP_CAST, KW_Q8_A32, SHAPE(64));
    assert_int_equal(cpu->value_bytes(device, &n), 2 * KW_ACT_BLOCK);
    n = node_of(KW_OP_CAST, KW_Q8_A32, SHAPE(KW_FEW_TOKENS, 64)); /* plain rows */
    assert_int_equal(cpu->value_bytes(device, &n), KW_FEW_TOKENS * 2 * KW_ACT_BLOCK);
    const int64_t few = KW_MAX((int64_t)KW_FEW_TOKENS, cpu->small_tokens(device));
    n = node_of(KW_OP_CAST, KW_Q8_A32, SHAPE(few + 1, 64)); /* whole tiles */
    const size_t tiles = ((size_t)few + columns) / columns;
    assert_int_equal(cpu->value_bytes(device, &n), tiles * columns * 2 * KW_ACT_BLOCK);
    n = node_of(KW_OP_CAST, KW_Q8_A256, SHAPE(2 * (int64_t)columns + 1, 256));
    assert_int_equal(cpu->value_bytes(device, &n), 3 * columns * 8 * KW_ACT_BLOCK);
    n = node_of(KW_OP_MAP, KW_F32, SHAPE(INT64_MAX / 4, 4));
    assert_true(cpu->value_bytes(device, &n) == SIZE_MAX);
    n = node_of(KW_OP_STATE, KW_F16, SHAPE(17, 32)); /* tiles of 64 positions */
    n.state.kv_heads = 2;
    n.state.head_dim = 16;
    assert_int_equal(cpu->state_bytes(device, &n), 64 * 32 * 2);
    n = node_of(KW_OP_STATE, KW_F32, SHAPE(INT64_MAX / 64, 64));
    n.state.kv_heads = 1;
    n.state.head_dim = 64;
    assert_true(cpu->state_bytes(device, &n) == SIZE_MAX);
    cpu->close(device);
}

static void memory_is_zeroed_or_refused(void **state)
{
    kw_device *device = open_cpu(1, NULL);
    (void)state;
    unsigned char *memory = cpu->alloc(device, 100000);
    assert_non_null(memory);
    assert_int_equal((uintptr_t)memory % 64, 0);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(memory[i], 0);
    cpu->free(device, memory, 100000);
    cpu->free(device, NULL, 0);
    assert_null(cpu->alloc(device, SIZE_MAX));
    assert_null(cpu->alloc(device, SIZE_MAX / 2));
    cpu->close(device);
}

static void limits_are_measured(void **state)
{
    kw_device *device = open_cpu(2, NULL);
    kw_limits limits = {0};
    kw_error err = {0};
    (void)state;
    if (cpu->measure(device, 0.02, &limits, &err) != KW_OK)
        fail_msg("%s", err.message);
    const double figures[] = {limits.read_gbps_1, limits.read_gbps_n,  limits.int8_gops_1,
                              limits.int8_gops_n, limits.f32_gflops_1, limits.f32_gflops_n};
    for (size_t i = 0; i < KW_COUNT(figures); i++)
        assert_true(figures[i] > 0.001 && figures[i] < 1e7);
    cpu->close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backends_are_found_by_name),
        cmocka_unit_test(instruction_sets_open_by_name),
        cmocka_unit_test(activations_follow_the_weight),
        cmocka_unit_test(sizes_are_counted_and_saturate),
        cmocka_unit_test(memory_is_zeroed_or_refused),
        cmocka_unit_test(limits_are_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
