/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* graph.h - the one intermediate representation: values are indices, nodes are in topological
 * order.
 *
 * Builders check and infer shapes; the first failure sticks to the graph and later calls do
 * nothing, so model code reads like the paper and asks once, with kw_graph_finish.
 *
 * A dimension may live at run time: its extent names a run parameter, and the shape holds the bound
 * that the graph (later the plan's bucket) was made for. Inner dimensions are always static. */
#ifndef KW_GRAPH_GRAPH_H
#define KW_GRAPH_GRAPH_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "graph/map.h"
#include "tensor/dtype.h"

#include <stdbool.h>
#include <stdint.h>

/* 0 is no value. */
typedef struct kw_ref {
    uint32_t id;
} kw_ref;

#define KW_NONE ((kw_ref){0})

/* Run parameters that a dimension may follow. */
typedef enum kw_extent {
    KW_EXTENT_STATIC,
    KW_EXTENT_TOKENS,  /* tokens of this step */
    KW_EXTENT_OUTPUTS, /* rows of which logits are wanted */
    KW_N_EXTENTS
} kw_extent;

typedef enum kw_op {
    KW_OP_NONE,
    /* leaves */
    KW_OP_INPUT,
    KW_OP_WEIGHT,
    KW_OP_STATE, /* lives between runs: a cache of rows, one per position */
    /* movement */
    KW_OP_GATHER,  /* rows of a table by index, decoded to f32 */
    KW_OP_STORE,   /* writes rows into a state at positions; its value is the state after it */
    KW_OP_COLUMNS, /* equal runs of columns, at equal distances, side by side */
    KW_OP_CAST,    /* to another dtype; to an activation dtype: quantised */
    /* compute */
    KW_OP_MAP,
    KW_OP_REDUCE, /* over the last dimension, which becomes 1 */
    KW_OP_MATMUL,
    /* composites */
    KW_OP_NORM,
    KW_OP_ROPE_TABLE, /* cos and sin of every position's angles */
    KW_OP_ROPE,
    KW_OP_ATTENTION,
    KW_OP_ROUTE,   /* which experts a token goes to, and with what weight */
    KW_OP_EXPERTS, /* products with the matrices of those experts */
    KW_OP_MIX,     /* their weighted sum */
    KW_N_OPS
} kw_op;

typedef enum kw_reduce_kind { KW_REDUCE_SUM, KW_REDUCE_MAX } kw_reduce_kind;
typedef enum kw_norm_kind { KW_NORM_RMS, KW_NORM_LAYER } kw_norm_kind;
typedef enum kw_state_kind { KW_STATE_KEYS, KW_STATE_VALUES } kw_state_kind;

typedef struct kw_rope_attr {
    int head_dim;
    int n_rot;     /* leading dimensions of a head that rotate; even */
    bool adjacent; /* pairs (2i, 2i+1); else (i, i + n_rot / 2) */
} kw_rope_attr;

typedef struct kw_attention_attr {
    int heads, kv_heads, head_dim;
    float scale;
    int window;    /* positions a query sees, up to its last; 0: all */
    float softcap; /* scores s become softcap * tanh(s / softcap); 0: as they are */
    /* Scores have something added to them that depends on how far the key is from the query: see
     * kw_attention_biased. bias_first is the distance of the bias's first column. */
    bool biased;
    int bias_first;
    bool begins; /* what a query sees begins somewhere: see kw_attention_from */
} kw_attention_attr;

#define KW_MAX_SRC 8

#define KW_ATTENTION_LANES 16
#define KW_ATTENTION_TILE 64
#define KW_ATTENTION_SPLIT 512

typedef struct kw_node {
    kw_op op;
    kw_dtype dtype;
    kw_shape shape;
    uint8_t extent[KW_MAX_RANK]; /* kw_extent of each dimension */
    uint8_t n_src;
    uint32_t src[KW_MAX_SRC];
    const char *name; /* of leaves; "" otherwise. In the graph's arena. */
    union {
        struct {
            const void *data; /* borrowed, unless owned: then in the graph's arena */
            bool owned;
            /* rank 3: the matrix of each expert, [shape.dim[0]] in the arena; NULL: data */
            const void *const *parts;
            /* Rows of a larger matrix: where they begin, and how many that has; whole 0: all. */
            int64_t first, whole;
        } weight;
        struct {
            kw_state_kind kind;
            int kv_heads, head_dim;
            int slot; /* index among the graph's states */
        } state;
        struct {
            int slot; /* index among the graph's inputs */
        } input;
        kw_reduce_kind reduce;
        struct {
            kw_norm_kind kind;
            int parts; /* a row is so many equal parts, each normed by itself; 0 counts as 1 */
            float eps;
        } norm;
        struct {
            int64_t first, width, stride; /* columns; their number of runs is that of the shape */
        } columns;
        struct {
            int n_rot;
            float magnitude;        /* cos and sin are multiplied by it (YaRN) */
            const double *inv_freq; /* [n_rot / 2] radians per position, in the arena */
        } rope_table;
        kw_attention_attr attention;
        struct {
            bool renormalise; /* the weights of the chosen sum to 1 */
        } route;
    };
    /* MAP: its program. MATMUL: applied to the result when set; register `program_slot` is the
     * result, the others are the sources from src[2] on, in order. */
    const kw_map_program *program;
    uint8_t program_slot;
    /* ROPE: how. STORE and ATTENTION: rotation of the stored rows or the queries, after fusion
     * (n_rot > 0), with the table as last source, behind those that the op has without it. */
    kw_rope_attr rope;
} kw_node;

typedef struct kw_graph {
    kw_arena arena;
    kw_node *nodes; /* [n_nodes], nodes[0] unused */
    uint32_t n_nodes, cap_nodes;
    int64_t bound[KW_N_EXTENTS];
    uint32_t *outputs;
    uint32_t n_outputs, cap_outputs;
    int n_states, n_inputs;
    kw_error error; /* sticky */
} kw_graph;

/* bound[KW_EXTENT_TOKENS] and so on: the largest live values; entry 0 is unused. */
kw_status kw_graph_create(const int64_t bound[KW_N_EXTENTS], kw_graph **out, kw_error *err);
void kw_graph_free(kw_graph *graph);
/* A copy with other bounds. Weights stay borrowed. */
kw_status kw_graph_copy(const kw_graph *graph, const int64_t bound[KW_N_EXTENTS], kw_graph **out,
                        kw_error *err);
/* The first failure of any builder, or what kw_graph_verify finds. */
kw_status kw_graph_finish(kw_graph *graph, kw_error *err);
/* Every node: sources before it, as many as its op takes, programs valid, shape and dtype equal to
 * what its rule infers. Outputs are computed f32 values or stores, each named once. */
kw_status kw_graph_verify(const kw_graph *graph, kw_error *err);
/* One line a node; json: an array of objects. */
void kw_graph_print(const kw_graph *graph, bool json, kw_buf *out);

/* ---- builders: sources in, value out; shapes at the right ------------------------------------ */

/* i32 vector whose length is the live extent. */
kw_ref kw_input_leaf(kw_graph *g, const char *name, kw_extent extent);
/* data: rows packed as the dtype says, borrowed for the life of every plan. */
kw_ref kw_weight_leaf(kw_graph *g, const char *name, kw_dtype dtype, kw_shape shape,
                      const void *data);
/* An f32 weight that no file has: its values are copied, into the copies of the graph too. */
kw_ref kw_constant(kw_graph *g, const char *name, kw_shape shape, const float *values);
/* [positions, kv_heads * head_dim] of f16 or f32. */
kw_ref kw_state(kw_graph *g, const char *name, kw_state_kind kind, kw_dtype dtype,
                int64_t positions, int kv_heads, int head_dim);
/* table [rows, n] at indices [t] -> f32 [t, n] */
kw_ref kw_gather(kw_graph *g, kw_ref table, kw_ref indices);
/* state with rows [t, n] written at positions [t] -> the state after it */
kw_ref kw_store(kw_graph *g, kw_ref state, kw_ref rows, kw_ref positions);
/* x [t, n] -> [t, runs * width]: columns first + r * stride + (0 .. width - 1) of each run r */
kw_ref kw_columns(kw_graph *g, kw_ref x, int64_t first, int64_t width, int64_t stride,
                  int64_t runs);
kw_ref kw_cast(kw_graph *g, kw_ref x, kw_dtype dtype);
/* program over sources of one shape; a source of rank 1 ([n] or [1]), or with a last dimension of
 * 1, is repeated along what it lacks -> shape of the largest */
kw_ref kw_pointwise(kw_graph *g, const kw_map_program *program, const kw_ref *src, int n_src);
/* [.., n] -> [.., 1] */
kw_ref kw_reduce(kw_graph *g, kw_ref x, kw_reduce_kind kind);
/* [.., k] x [n, k]^T -> [.., n] */
kw_ref kw_matmul(kw_graph *g, kw_ref x, kw_ref w);
/* [.., n] with weight [n] (or none), bias [n] (or none) -> [.., n] */
kw_ref kw_norm(kw_graph *g, kw_norm_kind kind, kw_ref x, kw_ref w, kw_ref b, float eps);
/* RMS norm of each of `parts` equal parts of a row, with weight [n / parts] -> [.., n] */
kw_ref kw_norm_parts(kw_graph *g, kw_ref x, kw_ref w, int parts, float eps);
/* positions [t] -> f32 [t, n_rot]: cos, sin of each pair. inv_freq is copied. */
kw_ref kw_rope_table(kw_graph *g, kw_ref positions, const double *inv_freq, int n_rot,
                     float magnitude);
/* x [t, heads * head_dim], table [t, n_rot] -> as x */
kw_ref kw_rope(kw_graph *g, kw_ref x, kw_ref table, const kw_rope_attr *attr);
/* q [t, heads * head_dim], keys and values (a store's value, or a state that nothing in this graph
 * stores into), last [t] -> [t, heads * head_dim]. Query i sees the positions of the cache up to
 * last[i] >= 0, all of which must hold something by then: a decoder gives each token's own
 * position, an encoder that of its last token to all of them, cross-attention that of the source's
 * last. A window counts back from last[i]. */
kw_ref kw_attention(kw_graph *g, kw_ref q, kw_ref keys, kw_ref values, kw_ref last,
                    const kw_attention_attr *attr);
/* The same with bias[h][clamp(key position - own[i] - bias_first, 0, n - 1)] added to each score of
 * head h, after the softcap. bias: f32 weight [heads, n]; own [t]: positions of the queries
 * themselves, which are those of `last` in a decoder. Sets attr's biased. */
kw_ref kw_attention_biased(kw_graph *g, kw_ref q, kw_ref keys, kw_ref values, kw_ref last,
                           kw_ref bias, kw_ref own, const kw_attention_attr *attr);

/* The same as a node of attention that was just made, but that query i sees nothing before position
 * first[i] <= last[i]. Positions are taken in tiles of KW_ATTENTION_TILE, in lanes of
 * KW_ATTENTION_LANES within one, and in splits of KW_ATTENTION_SPLIT, all at multiples of these: a
 * row of positions that is shifted without being cut otherwise gives the same bits. */
kw_ref kw_attention_from(kw_graph *g, kw_ref attention, kw_ref first);

/* As kw_weight_leaf, shape [experts, n, k], with each expert's matrix at its own place; the array
 * is copied. */
kw_ref kw_experts_leaf(kw_graph *g, const char *name, kw_dtype dtype, kw_shape shape,
                       const void *const *parts);
/* logits [t, experts] -> f32 [t, 2 * used]: the softmax of the `used` largest (equal ones by index)
 * in falling order, over all or over the chosen; then which they are */
kw_ref kw_route(kw_graph *g, kw_ref logits, int used, bool renormalise);
/* x [t, k], or [t, used * k] with a part for each, w [experts, n, k], route -> [t, used * n]: the
 * product with the matrix of each expert of a token, in the order of its route */
kw_ref kw_experts(kw_graph *g, kw_ref x, kw_ref w, kw_ref route);
/* y [t, used * n], route -> [t, n]: the sum of the parts times their weights, in order */
kw_ref kw_mix(kw_graph *g, kw_ref y, kw_ref route);

kw_ref kw_rms_norm(kw_graph *g, kw_ref x, kw_ref w, float eps);
kw_ref kw_add(kw_graph *g, kw_ref a, kw_ref b);
kw_ref kw_mul(kw_graph *g, kw_ref a, kw_ref b);
kw_ref kw_scale(kw_graph *g, kw_ref a, float factor);
/* cap * tanh(a / cap) */
kw_ref kw_softcap(kw_graph *g, kw_ref a, float cap);
/* silu(gate) * up, silu(x) = x / (1 + exp(-x)) */
kw_ref kw_silu_mul(kw_graph *g, kw_ref gate, kw_ref up);

/* A computed f32 value, or a store that must happen although only another graph reads the state;
 * each once. */
void kw_graph_output(kw_graph *g, kw_ref value);

/* ---- the op table ---------------------------------------------------------------------------- */

typedef struct kw_op_info {
    const char *name;
    /* Fills shape, extent and dtype of a node from its sources, or fails. */
    kw_status (*infer)(const kw_graph *g, kw_node *node, kw_error *err);
    /* The same value by compute ops, appended to the graph: what a composite means, and what a
     * backend without it runs. NULL: none. */
    kw_ref (*lower)(kw_graph *g, const kw_node *node);
    uint8_t min_src, max_src;
} kw_op_info;

const kw_op_info *kw_op_get(kw_op op);
/* Appends a node whose sources are set; infers and checks it. For rewrites and lower(). */
kw_ref kw_graph_add(kw_graph *g, const kw_node *node);
/* Appends a node of another graph whose sources are already ids of g; what it points to in the
 * other graph's arena is copied, bounds are taken anew. */
kw_ref kw_graph_adopt(kw_graph *g, const kw_node *node);

static inline const kw_node *kw_graph_node(const kw_graph *g, uint32_t id)
{
    return &g->nodes[id];
}

#endif
