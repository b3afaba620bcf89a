/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ops.c - the op table: how each op infers its shape, and what each composite means. */
#include "graph/graph.h"

#include "base/check.h"

#include <float.h>
#include <string.h>

static const kw_node *src(const kw_graph *g, const kw_node *node, int i)
{
    return kw_graph_node(g, node->src[i]);
}

static kw_status bad(const kw_node *node, kw_error *err, const char *rule, const kw_node *a,
                     const kw_node *b)
{
    char sa[64] = "-", sb[64] = "-";
    if (a)
        (void)kw_shape_print(a->shape, sa, sizeof sa);
    if (b)
        (void)kw_shape_print(b->shape, sb, sizeof sb);
    return kw_fail(err, KW_E_ARG, "graph: %s: %s: got %s%s%s and %s%s%s", kw_op_get(node->op)->name,
                   rule, a ? a->name : "", a && a->name[0] ? " " : "", sa, b ? b->name : "",
                   b && b->name[0] ? " " : "", sb);
}

/* Shape, extents and dtype as those of a. */
static void like(kw_node *node, const kw_node *a)
{
    node->shape = a->shape;
    node->dtype = a->dtype;
    memcpy(node->extent, a->extent, sizeof node->extent);
}

static int64_t last_dim(const kw_node *a)
{
    return a->shape.rank > 0 ? a->shape.dim[a->shape.rank - 1] : 1;
}

/* Plain f32 rows: a state is laid out as its backend likes, and read by attention alone. */
static bool is_f32(const kw_node *a)
{
    return a->dtype == KW_F32 && a->op != KW_OP_STATE && a->op != KW_OP_STORE;
}

/* i32 [t], one for each row of x. */
static bool is_index(const kw_node *a, const kw_node *x)
{
    return a->dtype == KW_I32 && a->shape.rank == 1 && a->shape.dim[0] == x->shape.dim[0] &&
           a->extent[0] == x->extent[0];
}

static bool is_rows(const kw_node *a, int64_t n)
{
    return a->shape.rank == 2 && a->shape.dim[1] == n;
}

/* Leaves carry what their builder gave them; a live dimension holds the graph's bound. */
static kw_status infer_leaf(const kw_graph *g, kw_node *node, kw_error *err)
{
    int64_t count;
    bool ok = node->shape.rank > 0 && kw_shape_count(node->shape, &count) && count > 0;
    for (int d = 0; ok && d < node->shape.rank; d++)
        ok = node->extent[d] == KW_EXTENT_STATIC ||
             (node->extent[d] < KW_N_EXTENTS && node->shape.dim[d] == g->bound[node->extent[d]]);
    return ok ? KW_OK : bad(node, err, "a leaf needs a shape of positive size", node, NULL);
}

static kw_status infer_gather(const kw_graph *g, kw_node *node, kw_error *err)
{
    const kw_node *table = src(g, node, 0), *index = src(g, node, 1);
    if (table->shape.rank != 2 || index->shape.rank != 1 || index->dtype != KW_I32)
        return bad(node, err, "needs a table [rows, n] and i32 indices [t]", table, index);
    node->dtype = KW_F32;
    node->shape = SHAPE(index->shape.dim[0], table->shape.dim[1]);
    memset(node->extent, 0, sizeof node->extent);
    node->extent[0] = index->extent[0];
    return KW_OK;
}

/* A table that follows positions, when a rotation was fused in. */
static bool rope_fits(const kw_graph *g, const kw_node *node, int n_plain)
{
    if (node->rope.n_rot == 0)
        return node->n_src == n_plain;
    return node->n_src == n_plain + 1 && src(g, node, n_plain)->op == KW_OP_ROPE_TABLE &&
           last_dim(src(g, node, n_plain)) == node->rope.n_rot &&
           is_index(src(g, src(g, node, n_plain), 0), src(g, node, n_plain == 3));
}

static kw_status infer_store(const kw_graph *g, kw_node *node, kw_error *err)
{
    const kw_node *state = src(g, node, 0), *rows = src(g, node, 1);
    if (state->op != KW_OP_STATE || !is_f32(rows) || !is_rows(rows, last_dim(state)) ||
        !is_index(src(g, node, 2), rows) || !rope_fits(g, node, 3))
        return bad(node, err, "needs a state, f32 rows of its width and their positions", state,
                   rows);
    like(node, state);
    node->state = state->state;
    return KW_OK;
}

static kw_status infer_columns(const kw_graph *g, kw_node *node, kw_error *err)
{
    const kw_node *x = src(g, node, 0);
    const int64_t n = node->shape.rank == 2 ? node->shape.dim[1] : 0, width = node->columns.width;
    const int64_t first = node->columns.first, stride = node->columns.stride;
    bool ok = is_f32(x) && x->shape.rank == 2 && width > 0 && n > 0 && n % width == 0 &&
              first >= 0 && first <= last_dim(x) - width && stride >= width;
    /* The last run begins (n / width - 1) * stride columns later. */
    ok = ok && n / width - 1 <= (last_dim(x) - width - first) / stride;
    if (!ok)
        return bad(node, err, "needs f32 [t, n] that has the columns", x, node);
    like(node, x);
    node->shape.dim[1] = n;
    return KW_OK;
}

static kw_status infer_cast(const kw_graph *g, kw_node *node, kw_error *err)
{
    const kw_node *x = src(g, node, 0);
    const kw_dtype to = node->dtype;
    if (!is_f32(x) || last_dim(x) % kw_dtype_info(to)->block_elems != 0)
        return bad(node, err, "needs f32 rows of whole blocks of the new type", x, NULL);
    like(node, x);
    node->dtype = to;
    return KW_OK;
}

/* A source of rank 1 repeats along rows, one whose last dimension is 1 along the row. */
static bool broadcasts(const kw_node *a, const kw_node *to)
{
    if (!is_f32(a))
        return false;
    if (a->shape.rank == 1 && a->extent[0] == KW_EXTENT_STATIC)
        return a->shape.dim[0] == last_dim(to) || a->shape.dim[0] == 1;
    if (a->shape.rank != to->shape.rank)
        return false;
    for (int d = 0; d < a->shape.rank; d++) {
        const bool column = d == a->shape.rank - 1 && a->shape.dim[d] == 1;
        if (!column && (a->shape.dim[d] != to->shape.dim[d] || a->extent[d] != to->extent[d]))
            return false;
    }
    return true;
}

static kw_status infer_map(const kw_graph *g, kw_node *node, kw_error *err)
{
    if (!node->program || !kw_map_valid(node->program) || node->program->n_src != node->n_src ||
        node->n_src == 0)
        return bad(node, err, "needs a valid program and its sources", node, NULL);
    const kw_node *widest = src(g, node, 0);
    int64_t best = 0;
    for (int i = 0; i < node->n_src; i++) {
        int64_t count = 0;
        if (kw_shape_count(src(g, node, i)->shape, &count) &&
            (count > best || (count == best && src(g, node, i)->shape.rank > widest->shape.rank))) {
            widest = src(g, node, i);
            best = count;
        }
    }
    for (int i = 0; i < node->n_src; i++)
        if (!broadcasts(src(g, node, i), widest))
            return bad(node, err, "sources do not fit each other", widest, src(g, node, i));
    const kw_dtype dtype = node->dtype;
    like(node, widest);
    node->dtype = dtype;
    return KW_OK;
}

static kw_status infer_reduce(const kw_graph *g, kw_node *node, kw_error *err)
{
    const kw_node *x = src(g, node, 0);
    if (!is_f32(x))
        return bad(node, err, "needs f32 [.., n]", x, NULL);
    like(node, x);
    node->shape.dim[node->shape.rank - 1] = 1;
    return KW_OK;
}

static kw_status infer_matmul(const kw_graph *g, kw_node *node, kw_error *err)
{
    const kw_node *x = src(g, node, 0), *w = src(g, node, 1);
    const bool rows = is_f32(x) || kw_dtype_is_activation(x->dtype);
    if (!rows || x->shape.rank != 2 || w->shape.rank != 2 || last_dim(x) != last_dim(w) ||
        w->extent[0] != KW_EXTENT_STATIC)
        return bad(node, err, "needs x [t, k] and w [n, k]", x, w);
    node->dtype = KW_F32;
    node->shape = SHAPE(x->shape.dim[0], w->shape.dim[0]);
    memset(node->extent, 0, sizeof node->extent);
    node->extent[0] = x->extent[0];
    if (!node->program)
        return node->n_src == 2 ? KW_OK : bad(node, err, "needs two sources", x, w);
    if (!kw_map_valid(node->program) || node->program->n_src != node->n_src - 1 ||
        node->program_slot >= node->program->n_src)
        return bad(node, err, "its epilogue does not fit its sources", x, w);
    for (int i = 2; i < node->n_src; i++)
        if (!broadcasts(src(g, node, i), node) || last_dim(src(g, node, i)) != last_dim(node))
            return bad(node, err, "an epilogue source does not fit", node, src(g, node, i));
    return KW_OK;
}

static kw_status infer_norm(const kw_graph *g, kw_node *node, kw_error *err)
{
    const kw_node *x = src(g, node, 0);
    const int64_t parts = node->norm.parts ? node->norm.parts : 1;
    if (!is_f32(x) || parts < 1 || last_dim(x) % parts != 0)
        return bad(node, err, "needs f32 [.., n], in equal parts", x, NULL);
    for (int i = 1; i < node->n_src; i++)
        if (src(g, node, i)->shape.rank != 1 || !is_f32(src(g, node, i)) ||
            src(g, node, i)->shape.dim[0] * parts != last_dim(x))
            return bad(node, err, "needs an f32 weight of the row's length", x, src(g, node, i));
    const kw_dtype dtype = node->dtype;
    like(node, x);
    node->dtype = dtype;
    return KW_OK;
}

static kw_status infer_rope_table(const kw_graph *g, kw_node *node, kw_error *err)
{
    const kw_node *positions = src(g, node, 0);
    if (positions->dtype != KW_I32 || positions->shape.rank != 1 || node->rope_table.n_rot <= 0 ||
        node->rope_table.n_rot % 2 != 0)
        return bad(node, err, "needs i32 positions [t] and an even number of dimensions", positions,
                   NULL);
    node->dtype = KW_F32;
    node->shape = SHAPE(positions->shape.dim[0], node->rope_table.n_rot);
    memset(node->extent, 0, sizeof node->extent);
    node->extent[0] = positions->extent[0];
    return KW_OK;
}

static bool rope_attr_ok(const kw_rope_attr *attr)
{
    return attr->head_dim > 0 && attr->n_rot > 0 && attr->n_rot % 2 == 0 &&
           attr->n_rot <= attr->head_dim;
}

static kw_status infer_rope(const kw_graph *g, kw_node *node, kw_error *err)
{
    const kw_node *x = src(g, node, 0), *table = src(g, node, 1);
    if (!is_f32(x) || x->shape.rank != 2 || !rope_attr_ok(&node->rope) ||
        last_dim(x) % node->rope.head_dim != 0 || !is_rows(table, node->rope.n_rot) ||
        x->extent[0] != table->extent[0])
        return bad(node, err, "needs x [t, heads * head_dim] and a table [t, n_rot]", x, table);
    like(node, x);
    return KW_OK;
}

/* Keys and values of one cache: what a store made of it, or as another graph left it. */
static bool is_cache(const kw_attention_attr *a, const kw_node *k, const kw_node *v)
{
    return (k->op == KW_OP_STORE || k->op == KW_OP_STATE) && v->op == k->op &&
           k->state.kind == KW_STATE_KEYS && v->state.kind == KW_STATE_VALUES &&
           kw_shape_eq(k->shape, v->shape) && k->dtype == v->dtype &&
           last_dim(k) == (int64_t)a->kv_heads * a->head_dim && k->state.head_dim == a->head_dim;
}

static bool bias_fits(const kw_graph *g, const kw_node *node)
{
    const kw_node *bias = src(g, node, 4);
    return node->n_src >= 6 && bias->op == KW_OP_WEIGHT && bias->dtype == KW_F32 &&
           bias->shape.rank == 2 && bias->shape.dim[0] == node->attention.heads &&
           bias->shape.dim[1] <= INT32_MAX && is_index(src(g, node, 5), src(g, node, 0));
}

static kw_status infer_attention(const kw_graph *g, kw_node *node, kw_error *err)
{
    const kw_attention_attr *a = &node->attention;
    const kw_node *q = src(g, node, 0), *k = src(g, node, 1), *v = src(g, node, 2);
    if (a->heads <= 0 || a->kv_heads <= 0 || a->heads % a->kv_heads != 0 || a->head_dim <= 0 ||
        a->window < 0)
        return bad(node, err, "query heads must be a multiple of key/value heads", q, k);
    if (!(a->softcap >= 0 && a->softcap <= FLT_MAX))
        return bad(node, err, "needs a finite softcap, 0 or more", q, k);
    if (!is_f32(q) || !is_rows(q, (int64_t)a->heads * a->head_dim))
        return bad(node, err, "needs queries f32 [t, heads * head_dim]", q, k);
    if (!is_cache(a, k, v))
        return bad(node, err, "needs stored keys and values [positions, kv_heads * head_dim]", k,
                   v);
    if (a->biased && !bias_fits(g, node))
        return bad(node, err, "needs an f32 bias [heads, n] and its queries' own positions", q,
                   src(g, node, 4));
    const int first = a->biased ? 6 : 4, n_src = first + a->begins;
    if (a->begins && (node->n_src <= first || !is_index(src(g, node, first), q)))
        return bad(node, err, "needs the first position of each of its queries", q, k);
    if (!is_index(src(g, node, 3), q) || !rope_fits(g, node, n_src))
        return bad(node, err, "needs the positions of its queries", q, src(g, node, 3));
    like(node, q);
    return KW_OK;
}

#define MAX_EXPERTS 4096 /* an index is exact in f32 */

static kw_status infer_route(const kw_graph *g, kw_node *node, kw_error *err)
{
    const kw_node *x = src(g, node, 0);
    const int64_t n = node->shape.rank == 2 ? node->shape.dim[1] : 0;
    if (!is_f32(x) || x->shape.rank != 2 || n < 2 || n % 2 != 0 || n / 2 > last_dim(x) ||
        last_dim(x) > MAX_EXPERTS)
        return bad(node, err, "needs f32 [t, experts] and takes some of them", x, node);
    like(node, x);
    node->shape.dim[1] = n;
    return KW_OK;
}

/* A route over rows like those of x. */
static bool is_route(const kw_node *route, const kw_node *x)
{
    return route->op == KW_OP_ROUTE && route->shape.dim[0] == x->shape.dim[0] &&
           route->extent[0] == x->extent[0];
}

static kw_status infer_experts(const kw_graph *g, kw_node *node, kw_error *err)
{
    const kw_node *x = src(g, node, 0), *w = src(g, node, 1), *route = src(g, node, 2);
    const bool rows = is_f32(x) || kw_dtype_is_activation(x->dtype);
    if (!rows || x->shape.rank != 2 || w->op != KW_OP_WEIGHT || w->shape.rank != 3)
        return bad(node, err, "needs x [t, k] and w [experts, n, k]", x, w);
    const int64_t used = last_dim(route) / 2, k = w->shape.dim[2];
    if (used < 1 || !is_route(route, x) || last_dim(src(g, route, 0)) != w->shape.dim[0])
        return bad(node, err, "needs a route of its tokens to its experts", w, route);
    if (last_dim(x) != k && (last_dim(x) % used != 0 || last_dim(x) / used != k))
        return bad(node, err, "needs one row of k for each token or for each expert", x, w);
    int64_t count;
    if (!kw_shape_count(SHAPE(used, w->shape.dim[1]), &count))
        return bad(node, err, "has too many rows", w, route);
    node->dtype = KW_F32;
    node->shape = SHAPE(x->shape.dim[0], count);
    memset(node->extent, 0, sizeof node->extent);
    node->extent[0] = x->extent[0];
    return KW_OK;
}

static kw_status infer_mix(const kw_graph *g, kw_node *node, kw_error *err)
{
    const kw_node *y = src(g, node, 0), *route = src(g, node, 1);
    const int64_t used = last_dim(route) / 2;
    if (!is_f32(y) || y->shape.rank != 2 || used < 1 || !is_route(route, y) ||
        last_dim(y) % used != 0)
        return bad(node, err, "needs f32 [t, used * n] and its route", y, route);
    const int64_t n = last_dim(y) / used;
    like(node, y);
    node->shape.dim[1] = n;
    return KW_OK;
}

/* ---- what composites mean -------------------------------------------------------------------- */

/* y = x * rsqrt(mean(x^2) + eps) * w: sum of squares, then two maps. */
static kw_ref lower_norm(kw_graph *g, const kw_node *node)
{
    const kw_ref x = {node->src[0]};
    const float n = (float)last_dim(kw_graph_node(g, x.id));
    kw_ref centred = x;
    if (node->norm.parts > 1) { /* a sum is over a whole row */
        if (g->error.code == KW_OK)
            (void)kw_fail(&g->error, KW_E_UNSUPPORTED, "graph: a norm in parts has no lowering");
        return KW_NONE;
    }
    if (node->norm.kind == KW_NORM_LAYER) {
        /* x - sum / n */
        const kw_map_program centre = {
            2, 3, {{KW_MAP_CONST, 0, 0, n}, {KW_MAP_DIV, 1, 2, 0}, {KW_MAP_SUB, 0, 3, 0}}};
        centred = kw_pointwise(g, &centre, (kw_ref[]){x, kw_reduce(g, x, KW_REDUCE_SUM)}, 2);
    }
    const kw_map_program square = {1, 1, {{KW_MAP_MUL, 0, 0, 0}}};
    const kw_ref sum = kw_reduce(g, kw_pointwise(g, &square, &centred, 1), KW_REDUCE_SUM);
    /* x * rsqrt(sum / n + eps) */
    const kw_map_program scale = {2,
                                  6,
                                  {{KW_MAP_CONST, 0, 0, n},
                                   {KW_MAP_DIV, 1, 2, 0},
                                   {KW_MAP_CONST, 0, 0, node->norm.eps},
                                   {KW_MAP_ADD, 3, 4, 0},
                                   {KW_MAP_RSQRT, 5, 0, 0},
                                   {KW_MAP_MUL, 0, 6, 0}}};
    kw_ref y = kw_pointwise(g, &scale, (kw_ref[]){centred, sum}, 2);
    if (node->n_src > 1)
        y = kw_mul(g, y, (kw_ref){node->src[1]});
    if (node->n_src > 2)
        y = kw_add(g, y, (kw_ref){node->src[2]});
    return node->dtype == KW_F32 ? y : kw_cast(g, y, node->dtype);
}

static const kw_op_info ops[KW_N_OPS] = {
    [KW_OP_NONE] = {"none", infer_leaf, NULL, 0, 0},
    [KW_OP_INPUT] = {"input", infer_leaf, NULL, 0, 0},
    [KW_OP_WEIGHT] = {"weight", infer_leaf, NULL, 0, 0},
    [KW_OP_STATE] = {"state", infer_leaf, NULL, 0, 0},
    [KW_OP_GATHER] = {"gather", infer_gather, NULL, 2, 2},
    [KW_OP_STORE] = {"store", infer_store, NULL, 3, 4},
    [KW_OP_COLUMNS] = {"columns", infer_columns, NULL, 1, 1},
    [KW_OP_CAST] = {"cast", infer_cast, NULL, 1, 1},
    [KW_OP_MAP] = {"map", infer_map, NULL, 0, KW_MAP_MAX_SRC},
    [KW_OP_REDUCE] = {"reduce", infer_reduce, NULL, 1, 1},
    [KW_OP_MATMUL] = {"matmul", infer_matmul, NULL, 2, 1 + KW_MAP_MAX_SRC},
    [KW_OP_NORM] = {"norm", infer_norm, lower_norm, 1, 3},
    [KW_OP_ROPE_TABLE] = {"rope_table", infer_rope_table, NULL, 1, 1},
    [KW_OP_ROPE] = {"rope", infer_rope, NULL, 2, 2},
    [KW_OP_ROUTE] = {"route", infer_route, NULL, 1, 1},
    [KW_OP_EXPERTS] = {"experts", infer_experts, NULL, 3, 3},
    [KW_OP_MIX] = {"mix", infer_mix, NULL, 2, 2},
    [KW_OP_ATTENTION] = {"attention", infer_attention, NULL, 4, 8},
};

const kw_op_info *kw_op_get(kw_op op)
{
    kw_assert(op < KW_N_OPS);
    return &ops[op];
}
