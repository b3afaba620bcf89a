/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* compile.c - turns a laid-out unit into steps, and replays them.
 *
 * All decisions are taken here, once: kernel, operand places, chunking, scratch. A run fills the
 * number of chunks of each wave and hands the job to the pool; it allocates nothing. */
#include "backend/cpu/compile.h"

#include "backend/cpu/program.h"
#include "base/check.h"
#include "os/file.h"
#include "os/system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXEC_BYTES ((size_t)4 << 20) /* of all arenas: the shorter a run, the more of them fit */
#define MAX_EXECS 4
#define PAGE_TABLE_BYTES ((size_t)2 << 20) /* that one table maps, with pages of 4 KiB */

static int output_index(const kw_graph *g, uint32_t id)
{
    for (uint32_t i = 0; i < g->n_outputs; i++)
        if (g->outputs[i] == id)
            return (int)i;
    return -1;
}

static kw_operand operand(const kw_device *device, const kw_unit *unit, const kw_graph *g,
                          uint32_t id)
{
    const kw_node *node = kw_graph_node(g, id);
    const int rank = node->shape.rank;
    kw_operand o = {.place = KW_AT_ARENA,
                    .index = unit->offset[id],
                    .dtype = node->dtype,
                    .n = node->shape.dim[rank - 1],
                    .cols = 1,
                    .per_row = rank > 1};
    o.scalar_row = o.n == 1;
    o.rows = rank > 1 ? node->shape.dim[0] : 1;
    if (kw_dtype_is_activation(node->dtype))
        o.cols = kw_activation_cols(device, node->dtype, o.rows);
    if (node->op == KW_OP_WEIGHT) {
        o.place = KW_AT_CONST;
        o.data = node->weight.data;
    } else if (node->op == KW_OP_INPUT) {
        o.place = KW_AT_INPUT;
        o.index = (size_t)node->input.slot;
    } else if (node->op == KW_OP_STATE || node->op == KW_OP_STORE) {
        o.place = KW_AT_STATE;
        o.index = (size_t)node->state.slot;
    } else if (output_index(g, id) >= 0) {
        o.place = KW_AT_OUTPUT;
        o.index = (size_t)output_index(g, id);
    }
    return o;
}

void *kw_operand_at(const kw_exec *exec, const kw_operand *o)
{
    switch (o->place) {
    case KW_AT_ARENA:
        return exec->arena + o->index;
    case KW_AT_STATE:
        return exec->args->states[o->index];
    case KW_AT_OUTPUT:
        return exec->args->outputs[o->index];
    case KW_AT_CONST:
    case KW_AT_INPUT:
        break;
    }
    kw_assert(false); /* read-only places have kw_operand_in */
    return NULL;
}

const void *kw_operand_in(const kw_exec *exec, const kw_operand *o)
{
    if (o->place == KW_AT_CONST)
        return o->data;
    if (o->place == KW_AT_INPUT)
        return exec->args->inputs[o->index];
    return kw_operand_at(exec, o);
}

const float *kw_operand_row(const kw_exec *exec, const kw_operand *o, int64_t row)
{
    const float *base = kw_operand_in(exec, o);
    return o->per_row ? base + row * o->n : base;
}

int64_t kw_step_rows(const kw_step *step, const kw_run_args *args)
{
    return step->extent == KW_EXTENT_STATIC ? step->rows_bound : args->live[step->extent];
}

static kw_status fill_step(kw_device *device, const kw_unit *unit, const kw_graph *g, uint32_t id,
                           kw_step *step, kw_error *err)
{
    const kw_node *node = kw_graph_node(g, id);
    const bool rows = node->shape.rank > 1;
    *step = (kw_step){.node = node, .wave = unit->wave[id], .n_src = node->n_src};
    step->out = operand(device, unit, g, id);
    /* A store's leading dimension is the cache; its rows are those it is given. */
    const kw_node *lead = node->op == KW_OP_STORE ? kw_graph_node(g, node->src[1]) : node;
    step->extent = rows ? (kw_extent)lead->extent[0] : KW_EXTENT_STATIC;
    step->rows_bound = rows ? lead->shape.dim[0] : 1;
    for (int i = 0; i < node->n_src; i++)
        step->src[i] = operand(device, unit, g, node->src[i]);
    switch (node->op) {
    case KW_OP_MATMUL:
        return kw_step_matmul(device, step, err);
    case KW_OP_ATTENTION:
        return kw_step_attention(device, step, err);
    case KW_OP_STORE:
        return kw_step_store(device, step, err);
    case KW_OP_EXPERTS:
        return kw_step_experts(device, step, kw_graph_node(g, node->src[1]), err);
    default:
        return kw_step_rowwise(device, step, err);
    }
}

/* Chunks of a step for the live extents. */
static uint32_t count_chunks(const kw_step *step, const kw_exec *exec)
{
    const int64_t rows = kw_step_rows(step, exec->args);
    if (step->count)
        return step->count(step, exec);
    if (step->rows_per_chunk == 0)
        return rows > 0 ? step->weight_chunks : 0;
    return (uint32_t)((rows + step->rows_per_chunk - 1) / step->rows_per_chunk);
}

/* The step that a chunk of a wave belongs to; *chunk becomes its index in the step. */
static const kw_step *step_of(const kw_exec *exec, uint32_t wave, uint32_t *chunk)
{
    uint32_t s = exec->program->first[wave];
    while (*chunk >= exec->step_chunks[s])
        *chunk -= exec->step_chunks[s++];
    return &exec->program->steps[s];
}

static void commit_chunk(void *user, uint32_t wave, uint32_t chunk, int worker)
{
    const kw_exec *exec = user;
    const kw_program *p = exec->program;
    const kw_step *step = step_of(exec, exec->first_wave + wave, &chunk);
    step->commit(step, exec, chunk, p->scratch + (size_t)worker * p->scratch_bytes);
}

/* In a program's first run: gives the pages of a weight their entries before they are read. Threads
 * that fault side by side within one page table wait for each other, and a fault maps 16 pages; so
 * each table is filled by one call, ahead of its readers: the first two of a stretch by its first
 * chunk, any later one by the chunk in which the table before it begins. */
static void map_ahead(const kw_step *step, uint32_t chunk)
{
    const kw_row_range rows = kw_matmul_rows(step, chunk);
    const size_t row_bytes = step->weight_row_bytes, unit = PAGE_TABLE_BYTES;
    const unsigned char *start = step->src[1].data;
    const size_t all = (size_t)step->out.n * row_bytes;
    const size_t second = unit - (uintptr_t)start % unit; /* where the second table begins */
    const size_t here = rows.first * row_bytes, past = here + rows.n * row_bytes;
    size_t at = second + (here > second ? kw_align_up(here - second, unit) : 0);
    if (rows.begins && here < past)
        kw_pages_map(start + here, KW_MIN(at + unit, all) - here);
    for (; at < past && at + unit < all; at += unit)
        kw_pages_map(start + at + unit, KW_MIN(unit, all - at - unit));
}

static bool is_cancelled(const kw_run_args *args)
{
    return args->cancel && atomic_load_explicit(args->cancel, memory_order_relaxed);
}

static void run_chunk(void *user, uint32_t wave, uint32_t chunk, int worker)
{
    const kw_exec *exec = user;
    const kw_program *p = exec->program;
    unsigned char *scratch = p->scratch + (size_t)worker * p->scratch_bytes;
    if (is_cancelled(exec->args))
        return;
    wave += exec->first_wave;
    const kw_step *step = step_of(exec, wave, &chunk);
    if (exec->first_run && step->node->op == KW_OP_MATMUL)
        map_ahead(step, chunk);
    step->run(step, exec, chunk, scratch);
    if (step->commit && !p->redo[wave])
        step->commit(step, exec, chunk, scratch);
}

/* Waves [first, end), as one job. */
static void run_waves(kw_exec *exec, uint32_t first, uint32_t end)
{
    const kw_program *p = exec->program;
    exec->first_wave = first;
    exec->job = kw_pool_run(p->device->pool, &(kw_job){.n_waves = end - first,
                                                       .chunks = exec->chunks + first,
                                                       .run = run_chunk,
                                                       .user = exec,
                                                       .redo = p->redo + first,
                                                       .commit = commit_chunk});
}

/* A model that is still being fetched: runs as far as its weights are here, waits for those of the
 * next wave, and so on. */
static kw_status run_as_they_come(kw_exec *exec, kw_error *err)
{
    const kw_program *p = exec->program;
    for (uint32_t first = 0, end; first < p->n_waves && !is_cancelled(exec->args); first = end) {
        end = kw_waves_ready(exec, first);
        if (end == first) {
            KW_TRY(kw_wave_await(exec, first, err));
            end = KW_MAX(kw_waves_ready(exec, first), first + 1);
        }
        kw_pool_await(p->device->pool, exec->job); /* late workers read what is set next */
        run_waves(exec, first, end);
    }
    return KW_OK;
}

kw_status kw_cpu_submit(kw_device *device, kw_program *p, const kw_run_args *args, kw_error *err)
{
    for (int e = KW_EXTENT_STATIC + 1; e < KW_N_EXTENTS; e++)
        if (args->live[e] < 0 || args->live[e] > p->graph->bound[e])
            return kw_fail(err, KW_E_ARG, "cpu: run parameter %d is %lld, the bound is %lld", e,
                           (long long)args->live[e], (long long)p->graph->bound[e]);
    kw_exec *exec = &p->execs[p->n_runs++ % p->n_execs];
    kw_pool_await(device->pool, exec->job);
    exec->run_args = *args;
    exec->first_run = p->n_runs == 1;
    for (uint32_t w = 0; w < p->n_waves; w++) {
        exec->chunks[w] = 0;
        for (uint32_t s = p->first[w]; s < p->first[w + 1]; s++) {
            exec->step_chunks[s] = count_chunks(&p->steps[s], exec);
            exec->chunks[w] += exec->step_chunks[s];
        }
    }
    if (args->gate)
        KW_TRY(run_as_they_come(exec, err));
    else
        run_waves(exec, 0, p->n_waves);
    if (is_cancelled(args))
        return kw_fail(err, KW_E_CANCELLED, "cpu: the run was cancelled");
    return KW_OK;
}

void kw_cpu_program_free(kw_device *device, kw_program *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; p->execs && i < p->n_execs; i++)
        kw_pool_await(device->pool, p->execs[i].job);
    if (p->arena)
        kw_pages_free(p->arena, p->n_execs * p->arena_bytes);
    if (p->scratch)
        kw_pages_free(p->scratch, (size_t)device->n_workers * p->scratch_bytes);
    if (p->parts)
        kw_pages_free(p->parts, p->parts_bytes);
    kw_graph_free(p->graph);
    free(p->steps);
    free(p->first);
    free(p->redo);
    free(p->execs);
    free(p->counts);
    free(p);
}

size_t kw_cpu_program_bytes(const kw_program *p)
{
    return p->n_execs * p->arena_bytes + (size_t)p->device->n_workers * p->scratch_bytes +
           p->parts_bytes;
}

/* The waves that may be redone, and one exec a run that a late worker may still read for. */
static kw_status allocate_execs(kw_program *p, kw_error *err)
{
    bool any = false;
    for (uint32_t w = 0; w < p->n_waves; w++) {
        p->redo[w] = p->device->n_workers > 1;
        for (uint32_t s = p->first[w]; s < p->first[w + 1]; s++)
            p->redo[w] = p->redo[w] && p->steps[s].commit;
        any = any || p->redo[w];
    }
    p->n_execs = any ? (uint32_t)KW_MIN(KW_MAX(EXEC_BYTES / p->arena_bytes, 1), MAX_EXECS) : 1;
    const size_t n_counts = (size_t)p->n_waves + p->n_steps;
    p->execs = calloc(p->n_execs, sizeof *p->execs);
    p->counts = calloc(p->n_execs * n_counts + 1, sizeof *p->counts);
    p->arena = kw_pages_alloc(p->n_execs * p->arena_bytes);
    if (!p->execs || !p->counts || !p->arena)
        return kw_fail(err, KW_E_NOMEM, "cpu: no memory for %u times %zu bytes of work space",
                       (unsigned)p->n_execs, p->arena_bytes);
    for (uint32_t i = 0; i < p->n_execs; i++) {
        kw_exec *exec = &p->execs[i];
        *exec = (kw_exec){.program = p,
                          .args = &exec->run_args,
                          .arena = p->arena + i * p->arena_bytes,
                          .chunks = p->counts + i * n_counts};
        exec->step_chunks = exec->chunks + p->n_waves;
    }
    return KW_OK;
}

/* The second steps of those from `begin` on, in a wave of their own; how many there are. */
static uint32_t add_merges(kw_program *p, uint32_t begin)
{
    uint32_t n = 0;
    size_t at = 0;
    for (uint32_t s = begin; s < p->n_steps; s++) {
        p->steps[s].parts_at = at;
        if (!kw_step_merge(&p->steps[s], &p->steps[p->n_steps + n]))
            continue;
        p->steps[p->n_steps + n++].wave++;
        at += p->steps[s].parts_bytes;
    }
    p->n_steps += n;
    p->parts_bytes = KW_MAX(p->parts_bytes, at);
    return n;
}

/* A step a node, in its wave, and the second steps of a wave between it and the next. */
static kw_status fill_steps(kw_device *device, kw_program *p, const kw_unit *unit, kw_error *err)
{
    uint32_t begin = 0, n_between = 0;
    for (uint32_t i = 0; i < unit->n_order; i++) {
        const uint32_t id = unit->order[i];
        kw_step *step = &p->steps[p->n_steps++];
        KW_TRY(fill_step(device, unit, p->graph, id, step, err));
        step->wave += n_between;
        if (i + 1 < unit->n_order && unit->wave[unit->order[i + 1]] == unit->wave[id])
            continue;
        n_between += add_merges(p, begin) > 0;
        begin = p->n_steps;
    }
    p->n_waves = unit->n_waves + n_between;
    return KW_OK;
}

static kw_status allocate(kw_device *device, kw_program *p, const kw_unit *unit, kw_error *err)
{
    const size_t most = 2 * (size_t)unit->n_order + 1; /* every step may have a second one */
    KW_TRY(kw_graph_copy(unit->graph, unit->graph->bound, &p->graph, err));
    p->steps = calloc(most, sizeof *p->steps);
    p->first = calloc(most + 1, sizeof *p->first);
    p->redo = calloc(most + 1, sizeof *p->redo);
    if (!p->steps || !p->first || !p->redo)
        return kw_fail(err, KW_E_NOMEM, "cpu: no memory for %u steps", (unsigned)unit->n_order);
    KW_TRY(fill_steps(device, p, unit, err));
    for (uint32_t s = 0; s < p->n_steps; s++) {
        p->scratch_bytes = KW_MAX(p->scratch_bytes, p->steps[s].scratch_bytes);
        p->first[p->steps[s].wave + 1]++;
    }
    for (uint32_t w = 0; w < p->n_waves; w++)
        p->first[w + 1] += p->first[w];
    kw_steps_follow(p->steps, p->n_steps);
    p->scratch_bytes = kw_align_up(p->scratch_bytes + 64, 4096);
    p->arena_bytes = KW_MAX(kw_align_up(unit->arena_bytes, 64), (size_t)64);
    p->scratch = kw_pages_alloc((size_t)device->n_workers * p->scratch_bytes);
    if (p->parts_bytes > 0)
        p->parts = kw_pages_alloc(p->parts_bytes);
    if (!p->scratch || (p->parts_bytes > 0 && !p->parts))
        return kw_fail(err, KW_E_NOMEM, "cpu: no memory for %d times %zu bytes of scratch",
                       device->n_workers, p->scratch_bytes);
    return allocate_execs(p, err);
}

kw_status kw_cpu_compile(kw_device *device, const kw_unit *unit, kw_program **out, kw_error *err)
{
    kw_program *p = calloc(1, sizeof *p);
    if (!p)
        return kw_fail(err, KW_E_NOMEM, "cpu: no memory for a program");
    p->device = device;
    const kw_status status = allocate(device, p, unit, err);
    if (status != KW_OK) {
        kw_cpu_program_free(device, p);
        return status;
    }
    *out = p;
    return KW_OK;
}

static void print_step(const kw_step *step, bool json, kw_buf *out)
{
    const kw_node *node = step->node;
    /* A matmul's kernel is chosen by the type of its weight. */
    const bool matmul = node->op == KW_OP_MATMUL || node->op == KW_OP_EXPERTS;
    const char *type = matmul ? kw_dtype_info(step->src[1].dtype)->name : "";
    char kernel[64];
    (void)snprintf(kernel, sizeof kernel, "%s%s%s%s", step->kernel, matmul ? "_" : "", type,
                   matmul && node->program ? "+epilogue" : "");
    char shape[64];
    (void)kw_shape_print(node->shape, shape, sizeof shape);
    if (json)
        kw_buf_printf(out,
                      "{\"wave\":%u,\"op\":\"%s\",\"kernel\":\"%s\",\"dtype\":\"%s\","
                      "\"shape\":%s}",
                      (unsigned)step->wave, kw_op_get(node->op)->name, kernel,
                      kw_dtype_info(node->dtype)->name, shape);
    else
        kw_buf_printf(out, "  wave %-4u %-10s %-8s %-16s %s\n", (unsigned)step->wave,
                      kw_op_get(node->op)->name, kw_dtype_info(node->dtype)->name, shape, kernel);
}

void kw_cpu_program_print(const kw_program *p, bool json, kw_buf *out)
{
    if (json)
        kw_buf_add(out, "[", 1);
    else
        kw_buf_printf(out, "  %s: %u steps in %u waves, arena %zu bytes, scratch %zu bytes x %d\n",
                      p->device->kernels.isa, (unsigned)p->n_steps, (unsigned)p->n_waves,
                      p->arena_bytes, p->scratch_bytes, p->device->n_workers);
    for (uint32_t s = 0; s < p->n_steps; s++) {
        if (json && s > 0)
            kw_buf_add(out, ",\n", 2);
        print_step(&p->steps[s], json, out);
    }
    if (json)
        kw_buf_add(out, "]", 1);
}
