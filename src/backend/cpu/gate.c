/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gate.c - which waves of a program can run while the model's file is still being fetched.
 *
 * A step needs its weights whole, but for a table of which it takes rows: of that, these rows. */
#include "backend/cpu/program.h"

#include "base/check.h"

#define WAIT_MS 100 /* until it is looked whether the run was cancelled */

/* One contiguous piece of a weight that a step reads, then the next. */
typedef struct reading {
    const kw_step *step;
    const kw_exec *exec;
    int src;
    int64_t piece;
} reading;

/* The rows that a gather takes of its table. */
static bool next_row(reading *r, const void **data, size_t *bytes)
{
    const kw_step *step = r->step;
    const kw_operand *table = &step->src[0];
    const int32_t *index = kw_operand_in(r->exec, &step->src[1]);
    while (r->piece < kw_step_rows(step, r->exec->args)) {
        const int32_t row = index[r->piece++];
        if (row < 0 || row >= table->rows)
            continue;
        *bytes = step->weight_row_bytes;
        *data = (const unsigned char *)table->data + (size_t)row * *bytes;
        return true;
    }
    return false;
}

/* Experts may lie apart. */
static bool next_part(reading *r, const kw_node *weight, const void **data, size_t *bytes)
{
    const void *const *parts = weight->weight.parts;
    const int64_t n = parts ? weight->shape.dim[0] : 1;
    size_t all = 0;
    if (r->piece == n || !kw_tensor_bytes(weight->dtype, weight->shape, &all))
        return false;
    *bytes = all / (size_t)n;
    *data = parts ? parts[r->piece] : weight->weight.data;
    r->piece++;
    return true;
}

static bool next_piece(reading *r, const void **data, size_t *bytes)
{
    const kw_node *node = r->step->node;
    for (; r->src < node->n_src; r->src++, r->piece = 0) {
        const kw_node *weight = kw_graph_node(r->exec->program->graph, node->src[r->src]);
        if (weight->op != KW_OP_WEIGHT)
            continue;
        const bool rows = node->op == KW_OP_GATHER && r->step->src[1].place == KW_AT_INPUT;
        if (rows ? next_row(r, data, bytes) : next_part(r, weight, data, bytes))
            return true;
    }
    return false;
}

static bool is_ready(const kw_exec *exec, const kw_step *step)
{
    const kw_weight_gate *gate = exec->args->gate;
    reading r = {.step = step, .exec = exec};
    const void *data;
    size_t bytes;
    while (next_piece(&r, &data, &bytes))
        if (gate->ask(gate->user, data, bytes, 0) != KW_ARRIVED)
            return false;
    return true;
}

uint32_t kw_waves_ready(const kw_exec *exec, uint32_t first)
{
    const kw_program *p = exec->program;
    for (uint32_t s = p->first[first]; s < p->n_steps; s++)
        if (!is_ready(exec, &p->steps[s]))
            return p->steps[s].wave;
    return p->n_waves;
}

static kw_status await(const kw_exec *exec, const void *data, size_t bytes, kw_error *err)
{
    const kw_run_args *args = exec->args;
    for (;;) {
        switch (args->gate->ask(args->gate->user, data, bytes, WAIT_MS)) {
        case KW_ARRIVED:
            return KW_OK;
        case KW_ARRIVES_NEVER:
            return kw_fail(err, KW_E_IO, "cpu: %zu bytes of a weight will not come", bytes);
        case KW_ARRIVES_LATER:
            break;
        }
        if (args->cancel && atomic_load_explicit(args->cancel, memory_order_relaxed))
            return kw_fail(err, KW_E_CANCELLED, "cpu: the run was cancelled");
    }
}

kw_status kw_wave_await(const kw_exec *exec, uint32_t wave, kw_error *err)
{
    const kw_program *p = exec->program;
    for (uint32_t s = p->first[wave]; s < p->first[wave + 1]; s++) {
        reading r = {.step = &p->steps[s], .exec = exec};
        const void *data;
        size_t bytes;
        while (next_piece(&r, &data, &bytes))
            KW_TRY(await(exec, data, bytes, err));
    }
    return KW_OK;
}
