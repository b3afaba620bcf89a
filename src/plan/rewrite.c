/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rewrite.c - each pass walks the live nodes of one graph and emits them into a new one; a rule may
 * change a node on its way, absorbing sources that nobody else uses. Absorbed nodes are dead in the
 * next pass. Invariant: rules only shrink the graph or add casts, so the fixpoint is reached. */
#include "plan/rewrite.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define N_ACTIVATIONS (KW_N_DTYPES - KW_Q8_A32)

typedef struct pass {
    const kw_graph *from;
    kw_graph *to;
    const kw_backend *backend;
    const kw_device *device;
    uint32_t *uses;                   /* [from->n_nodes] users and outputs; 0: dead */
    uint32_t *map;                    /* [from->n_nodes] id in `to` */
    uint32_t (*casts)[N_ACTIVATIONS]; /* [from->n_nodes] casts of this value in `to` */
    bool changed;
} pass;

typedef bool (*rule_fn)(pass *p, kw_node *node);

static const kw_node *old(const pass *p, uint32_t id)
{
    return kw_graph_node(p->from, id);
}

static bool same_rows(const kw_node *a, const kw_node *b)
{
    return kw_shape_eq(a->shape, b->shape) && memcmp(a->extent, b->extent, sizeof a->extent) == 0;
}

static kw_map_program *new_program(pass *p)
{
    kw_map_program *program = kw_arena_alloc(&p->to->arena, sizeof *program);
    if (!program && p->to->error.code == KW_OK)
        (void)kw_fail(&p->to->error, KW_E_NOMEM, "plan: no memory for a program");
    return program;
}

/* map(.., map(..), ..) -> one map of both programs. */
static bool map_into_map(pass *p, kw_node *node)
{
    if (node->op != KW_OP_MAP)
        return false;
    for (int slot = 0; slot < node->n_src; slot++) {
        const kw_node *inner = old(p, node->src[slot]);
        kw_map_program joined;
        if (inner->op != KW_OP_MAP || p->uses[node->src[slot]] != 1 || inner->dtype != KW_F32 ||
            !same_rows(inner, node) ||
            !kw_map_compose(node->program, slot, inner->program, &joined))
            continue;
        kw_map_program *program = new_program(p);
        if (!program)
            return false;
        *program = joined;
        node->program = program;
        const int kept = node->n_src - 1;
        for (int i = slot; i < kept; i++)
            node->src[i] = node->src[i + 1];
        for (int i = 0; i < inner->n_src; i++)
            node->src[kept + i] = inner->src[i];
        node->n_src = program->n_src;
        return true;
    }
    return false;
}

/* A second matmul of the same input among the sources: both should run side by side instead. */
static bool has_sibling(const pass *p, const kw_node *node, int slot)
{
    const kw_node *mm = old(p, node->src[slot]);
    for (int i = 0; i < node->n_src; i++) {
        const kw_node *other = old(p, node->src[i]);
        if (i != slot && other->op == KW_OP_MATMUL && other->src[0] == mm->src[0])
            return true;
    }
    return false;
}

/* map(matmul, others..) -> matmul with the map as its epilogue. */
static bool map_into_matmul(pass *p, kw_node *node)
{
    if (node->op != KW_OP_MAP || node->dtype != KW_F32 || node->n_src + 1 > KW_MAX_SRC)
        return false;
    for (int slot = 0; slot < node->n_src; slot++) {
        const kw_node *mm = old(p, node->src[slot]);
        bool fits = mm->op == KW_OP_MATMUL && p->uses[node->src[slot]] == 1 && !mm->program &&
                    same_rows(mm, node) && !has_sibling(p, node, slot);
        for (int i = 0; fits && i < node->n_src; i++) {
            const kw_node *other = old(p, node->src[i]);
            fits = other->shape.dim[other->shape.rank - 1] == node->shape.dim[1] &&
                   (i == slot || node->src[i] != node->src[slot]);
        }
        if (!fits)
            continue;
        kw_node fused = *mm;
        fused.program = node->program;
        fused.program_slot = (uint8_t)slot;
        for (int i = 0; i < node->n_src; i++)
            if (i != slot)
                fused.src[fused.n_src++] = node->src[i];
        *node = fused;
        return true;
    }
    return false;
}

/* attention(rope(q, table), ..) and store(state, rope(k, table), ..) rotate on the way. */
static bool rope_into_prologue(pass *p, kw_node *node)
{
    const int slot = node->op == KW_OP_ATTENTION ? 0 : 1;
    if ((node->op != KW_OP_ATTENTION && node->op != KW_OP_STORE) || node->rope.n_rot > 0)
        return false;
    const kw_node *rope = old(p, node->src[slot]);
    const int head_dim =
        node->op == KW_OP_ATTENTION ? node->attention.head_dim : node->state.head_dim;
    if (rope->op != KW_OP_ROPE || p->uses[node->src[slot]] != 1 ||
        rope->rope.head_dim != head_dim || old(p, rope->src[1])->op != KW_OP_ROPE_TABLE)
        return false;
    node->rope = rope->rope;
    node->src[slot] = rope->src[0];
    node->src[node->n_src++] = rope->src[1];
    return true;
}

/* The norm or map writes the activation type itself. */
static bool cast_into_producer(pass *p, kw_node *node)
{
    if (node->op != KW_OP_CAST)
        return false;
    const kw_node *producer = old(p, node->src[0]);
    if ((producer->op != KW_OP_NORM && producer->op != KW_OP_MAP) || p->uses[node->src[0]] != 1 ||
        producer->dtype != KW_F32)
        return false;
    const kw_dtype dtype = node->dtype;
    *node = *producer;
    node->dtype = dtype;
    return true;
}

static const rule_fn map_rules[] = {map_into_map};
static const rule_fn fusion_rules[] = {map_into_matmul, rope_into_prologue};
static const rule_fn cast_rules[] = {cast_into_producer};

static void emit(pass *p, uint32_t id, const kw_node *node)
{
    kw_node moved = *node;
    for (int i = 0; i < moved.n_src; i++)
        moved.src[i] = p->map[moved.src[i]];
    p->map[id] = kw_graph_adopt(p->to, &moved).id;
}

/* What the device lacks is replaced by its meaning. */
static void emit_supported(pass *p, uint32_t id, const kw_node *node)
{
    const kw_op_info *info = kw_op_get(node->op);
    const bool leaf = node->n_src == 0;
    if (p->to->error.code != KW_OK)
        return; /* lower() looks at its sources, which are no values then */
    if (leaf || p->backend->supports(p->device, p->from, node) || !info->lower) {
        emit(p, id, node);
        return;
    }
    kw_node moved = *node;
    for (int i = 0; i < moved.n_src; i++)
        moved.src[i] = p->map[moved.src[i]];
    p->map[id] = info->lower(p->to, &moved).id;
    p->changed = true;
}

/* Gives a matmul the activations that its weight type wants; siblings share one cast. */
static void emit_quantized(pass *p, uint32_t id, const kw_node *node)
{
    /* A batch for experts is gathered before it is quantised. */
    const bool few = node->op == KW_OP_EXPERTS && node->shape.dim[0] <= p->backend->few_tokens;
    const kw_dtype wanted =
        node->op == KW_OP_MATMUL || few
            ? p->backend->activation(p->device, old(p, node->src[1])->dtype, node->shape.dim[0])
            : KW_F32;
    if (wanted == KW_F32 || old(p, node->src[0])->dtype != KW_F32) {
        emit(p, id, node);
        return;
    }
    uint32_t *cast = &p->casts[node->src[0]][wanted - KW_Q8_A32];
    if (*cast == 0)
        *cast = kw_cast(p->to, (kw_ref){p->map[node->src[0]]}, wanted).id;
    kw_node moved = *node;
    moved.src[0] = *cast;
    for (int i = 1; i < moved.n_src; i++)
        moved.src[i] = p->map[moved.src[i]];
    p->map[id] = kw_graph_adopt(p->to, &moved).id;
    p->changed = true;
}

static void count_uses(pass *p)
{
    for (uint32_t i = 0; i < p->from->n_outputs; i++)
        p->uses[p->from->outputs[i]]++;
    for (uint32_t id = p->from->n_nodes - 1; id > 0; id--) {
        const kw_node *node = old(p, id);
        for (int i = 0; p->uses[id] > 0 && i < node->n_src; i++)
            p->uses[node->src[i]]++;
    }
}

typedef void (*emit_fn)(pass *p, uint32_t id, const kw_node *node);

static void walk(pass *p, const rule_fn *rules, size_t n_rules, emit_fn emit_node)
{
    for (uint32_t id = 1; id < p->from->n_nodes; id++) {
        if (p->uses[id] == 0)
            continue;
        kw_node node = *old(p, id);
        for (size_t r = 0; r < n_rules; r++)
            if (rules[r](p, &node)) {
                p->changed = true;
                break; /* uses have changed: one rule a node and pass */
            }
        emit_node(p, id, &node);
    }
    for (uint32_t i = 0; i < p->from->n_outputs; i++)
        kw_graph_output(p->to, (kw_ref){p->map[p->from->outputs[i]]});
}

/* One pass over *graph, which is replaced. */
static kw_status run_pass(kw_graph **graph, const kw_backend *backend, const kw_device *device,
                          const rule_fn *rules, size_t n_rules, emit_fn emit_node, bool *changed,
                          kw_error *err)
{
    const size_t n = (*graph)->n_nodes;
    pass p = {.from = *graph, .backend = backend, .device = device};
    kw_status status = KW_OK;
    p.uses = calloc(n, sizeof *p.uses);
    p.map = calloc(n, sizeof *p.map);
    p.casts = calloc(n, sizeof *p.casts);
    if (!p.uses || !p.map || !p.casts)
        status = kw_fail(err, KW_E_NOMEM, "plan: no memory to rewrite %zu nodes", n);
    if (status == KW_OK)
        status = kw_graph_create((*graph)->bound, &p.to, err);
    if (status == KW_OK) {
        p.to->n_states = (*graph)->n_states;
        p.to->n_inputs = (*graph)->n_inputs;
        count_uses(&p);
        walk(&p, rules, n_rules, emit_node);
        status = kw_graph_finish(p.to, err);
    }
    free(p.uses);
    free(p.map);
    free(p.casts);
    if (status != KW_OK) {
        kw_graph_free(p.to);
        return status;
    }
    kw_graph_free(*graph);
    *graph = p.to;
    *changed = p.changed;
    return KW_OK;
}

static kw_status to_fixpoint(kw_graph **graph, const kw_backend *backend, const kw_device *device,
                             const rule_fn *rules, size_t n_rules, kw_error *err)
{
    bool changed = true;
    while (changed)
        KW_TRY(run_pass(graph, backend, device, rules, n_rules, emit, &changed, err));
    return KW_OK;
}

kw_status kw_rewrite(const kw_graph *graph, const kw_backend *backend, const kw_device *device,
                     const int64_t bound[KW_N_EXTENTS], kw_graph **out, kw_error *err)
{
    kw_graph *g;
    bool changed;
    kw_status status = kw_graph_copy(graph, bound, &g, err);
    if (status != KW_OK)
        return status;
    KW_GOTO(status, run_pass(&g, backend, device, NULL, 0, emit_supported, &changed, err));
    /* Chains of maps first, so that a matmul takes the whole chain and not its first link. */
    KW_GOTO(status, to_fixpoint(&g, backend, device, map_rules, KW_COUNT(map_rules), err));
    KW_GOTO(status, to_fixpoint(&g, backend, device, fusion_rules, KW_COUNT(fusion_rules), err));
    KW_GOTO(status, run_pass(&g, backend, device, NULL, 0, emit_quantized, &changed, err));
    KW_GOTO(status, to_fixpoint(&g, backend, device, cast_rules, KW_COUNT(cast_rules), err));
    *out = g;
    return KW_OK;
fail:
    kw_graph_free(g);
    return status;
}
