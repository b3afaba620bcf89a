/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* device.c - the CPU as a device: which nodes it runs, how large their values are. */
#include "backend/cpu/cpu.h"

#include "backend/cpu/compile.h"
#include "backend/cpu/convert.h"
#include "backend/cpu/measure.h"
#include "backend/cpu/program.h"
#include "base/check.h"
#include "os/system.h"
#include "os/thread.h"

#include <stdlib.h>

#define MAX_WORKERS 256

static void cpu_close(kw_device *device)
{
    if (!device)
        return;
    kw_pool_close(device->pool);
    free(device);
}

/* One thread a core as long as there are cores, and fast ones as long as there are those. */
static const kw_cpus *placement(const kw_system *system, int n_workers)
{
    if (n_workers <= system->n_fast)
        return &system->fast;
    return n_workers <= system->n_cores ? &system->cores : NULL;
}

static kw_status cpu_open(const kw_device_config *config, kw_device **out, kw_error *err)
{
    kw_system system;
    kw_system_query(&system);
    int n =
        config->n_threads > 0 ? config->n_threads : KW_MIN(KW_MAX(system.n_fast, 1), MAX_WORKERS);
    if (n > MAX_WORKERS)
        return kw_fail(err, KW_E_ARG, "cpu: %d threads asked, the limit is %d", n, MAX_WORKERS);
    if (!kw_thread_available())
        n = 1;
    kw_device *device = calloc(1, sizeof *device);
    if (!device)
        return kw_fail(err, KW_E_NOMEM, "cpu: no memory for the device");
    device->n_workers = n;
    device->fast = config->fast;
    kw_status status = KW_OK;
    if (!kw_cpu_kernels_select(&device->kernels, system.features, config->isa))
        status = kw_fail(err, KW_E_UNSUPPORTED,
                         "cpu: instruction set \"%s\" is not in this build or processor",
                         config->isa ? config->isa : "(best)");
    if (status == KW_OK)
        status = kw_pool_open(n, placement(&system, n), &device->pool, err);
    if (status != KW_OK) {
        cpu_close(device);
        return status;
    }
    *out = device;
    return KW_OK;
}

static const char *cpu_describe(const kw_device *device, int *n_workers)
{
    *n_workers = device->n_workers;
    return device->kernels.isa;
}

static int64_t cpu_small_tokens(const kw_device *device)
{
    return (int64_t)device->kernels.few_tokens;
}

const kw_cpu_kernels *kw_cpu_device_kernels(const kw_device *device)
{
    return &device->kernels;
}

static kw_dtype cpu_activation(const kw_device *device, kw_dtype weight, int64_t rows)
{
    const kw_matmul_kernels *kernels = kw_batch_kernels(device, weight, rows);
    return rows <= KW_FEW_TOKENS && kernels->weight_class == KW_CLASS_F ? KW_F32
                                                                        : kernels->activation;
}

static bool cpu_supports(const kw_device *device, const kw_graph *graph, const kw_node *node)
{
    if (node->shape.rank > 2) /* steps walk the rows of one leading dimension */
        return false;
    switch (node->op) {
    case KW_OP_MATMUL:
    case KW_OP_EXPERTS:
        return device->kernels.matmul[kw_graph_node(graph, node->src[1])->dtype].weight_class !=
               KW_CLASS_NONE;
    case KW_OP_GATHER:
        return kw_dtype_info(kw_graph_node(graph, node->src[0])->dtype)->decode != NULL;
    case KW_OP_CAST:
        return kw_dtype_is_activation(node->dtype);
    case KW_OP_STORE:
        return node->dtype == KW_F16 || node->dtype == KW_BF16 || node->dtype == KW_F32 ||
               node->dtype == KW_Q8_0;
    case KW_OP_ATTENTION:
        return node->attention.head_dim <= KW_MAX_HEAD_DIM;
    case KW_OP_NONE:
    case KW_N_OPS:
        return false;
    default:
        return true;
    }
}

static bool cpu_lingers(const kw_device *device, const kw_graph *graph, const kw_node *node)
{
    (void)graph;
    return kw_cpu_redoes(device, node);
}

/* Saturates: the planner refuses sums that do not fit, the allocator what the machine lacks. */
static size_t times(size_t a, size_t b)
{
    size_t product;
    return kw_mul_size(a, b, &product) ? product : SIZE_MAX;
}

static size_t cpu_value_bytes(const kw_device *device, const kw_node *node)
{
    const int rank = node->shape.rank;
    const size_t n = (size_t)node->shape.dim[rank - 1];
    size_t rows = 1;
    for (int d = 0; d + 1 < rank; d++)
        rows = times(rows, (size_t)node->shape.dim[d]);
    if (!kw_dtype_is_activation(node->dtype))
        return times(times(rows, n), kw_dtype_info(node->dtype)->block_bytes);
    const size_t cols =
        kw_activation_cols(device, node->dtype, (int64_t)KW_MIN(rows, (size_t)INT64_MAX));
    if (n > SIZE_MAX / 64)
        return SIZE_MAX;
    return times(rows / cols + (rows % cols != 0), kw_activation_bytes(node->dtype, n, cols));
}

static size_t cpu_state_bytes(const kw_device *device, const kw_node *node)
{
    (void)device;
    const size_t tiles = kw_align_up((size_t)node->shape.dim[0], KW_ATTN_TILE) / KW_ATTN_TILE;
    return times(times(tiles, (size_t)node->state.kv_heads),
                 kw_attn_tile_bytes(node->dtype, (size_t)node->state.head_dim));
}

static void *cpu_alloc(kw_device *device, size_t bytes)
{
    (void)device;
    return kw_pages_alloc(bytes);
}

static void cpu_free(kw_device *device, void *memory, size_t bytes)
{
    (void)device;
    if (memory)
        kw_pages_free(memory, bytes);
}

/* The caller's thread is worker 0, so submit has done the work when it returns. */
static kw_status cpu_sync(kw_device *device, kw_error *err)
{
    (void)device;
    (void)err;
    return KW_OK;
}

const kw_backend kw_cpu_backend = {
    .name = "CPU",
    .few_tokens = KW_FEW_TOKENS,
    .small_tokens = cpu_small_tokens,
    .open = cpu_open,
    .close = cpu_close,
    .describe = cpu_describe,
    .supports = cpu_supports,
    .lingers = cpu_lingers,
    .activation = cpu_activation,
    .value_bytes = cpu_value_bytes,
    .state_bytes = cpu_state_bytes,
    .alloc = cpu_alloc,
    .free = cpu_free,
    .compile = kw_cpu_compile,
    .submit = kw_cpu_submit,
    .sync = cpu_sync,
    .program_free = kw_cpu_program_free,
    .program_bytes = kw_cpu_program_bytes,
    .program_print = kw_cpu_program_print,
    .measure = kw_cpu_measure,
    .convert = kw_cpu_convert,
};
