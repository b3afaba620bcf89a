/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kernels.h - the CPU kernel table: one slot per operation and weight type.
 *
 * The scalar functions are the definition (docs/numerics.md); every ISA fills the slots it has and
 * each equals scalar bit for bit, whatever the tile, the batch or the alignment. Kernels touch
 * nothing but their arguments: no allocation, no threads, no globals. Pointers need no alignment
 * beyond that of their element type unless said otherwise.
 *
 * Weight classes:
 *   S32  one scale per 32 (q4_0, q4_1, mxfp4, ...): activations KW_Q8_A32
 *   K    superblocks of 256 (q2_k, iq4_xs, ...): activations KW_Q8_A256
 *   F    f32, f16, bf16: activations f32, in a batch KW_F32_A or, for fast kernels, KW_BF16_A
 *
 * Activation tile: `cols` tokens side by side, in blocks of 32 elements of KW_ACT_BLOCK * cols
 * bytes:
 *   int8  q[8][cols][4]  element i of column c at (i / 4) * 4 * cols + 4 * c + i % 4
 *   float d[cols]        at 32 * cols; A256: the superblock's scale, repeated in its eight blocks
 *   int16 s[cols][2]     at 36 * cols; sums of q[0..15] and of q[16..31]
 * With cols = 1 this is the row of the dtypes KW_Q8_A32 and KW_Q8_A256. With KW_WIDE_COLUMNS an
 * A256 tile keeps each kind together in a superblock, so that 64 elements of the columns are one
 * run of memory: int8 q[64][cols][4], float d[8][cols] at 256 * cols, int16 s[8][cols][2] at 288 *
 * cols.
 *
 * Floats of one token, and all of them in the scalar table, are plain rows [token][k]. In tiles,
 * where k is rounded up by zeros:
 *   KW_F32_A   as gemm reads it, which is the table's own (kernels/gemm_f.inc.h)
 *   KW_BF16_A  bf16 x[steps][KW_BF16_COLUMNS][32], steps = k / 32 */
#ifndef KW_BACKEND_CPU_KERNELS_H
#define KW_BACKEND_CPU_KERNELS_H

#include "graph/map.h"
#include "tensor/dtype.h"

#include <stddef.h>
#include <stdint.h>

#define KW_ACT_BLOCK 40    /* bytes of 32 quantised activations of one column */
#define KW_WIDE_COLUMNS 16 /* of a tile whose superblocks lie in runs */
#define KW_BF16_COLUMNS 16 /* of a tile of KW_BF16_A */
#define KW_PANEL_ROWS 32   /* weight rows of a panel of the integer classes */
#define KW_FEW_COLUMNS 64  /* most of one call of few */
#define KW_ATTN_TILE 64    /* positions that share one step of the running maximum */
#define KW_ATTN_BLOCK 16   /* positions that are stored together in the cache */
#define KW_ATTN_SPLIT 512  /* positions of one partial result; a multiple of the tile */
#define KW_MAX_HEAD_DIM 512

/* Bytes of a tile of cols columns, or of as many rows of plain floats. */
static inline size_t kw_activation_bytes(kw_dtype dtype, size_t k, size_t cols)
{
    if (dtype == KW_F32)
        return cols * k * sizeof(float);
    if (dtype == KW_F32_A)
        return cols * ((k + 15) / 16 * 16) * sizeof(float);
    if (dtype == KW_BF16_A)
        return cols * ((k + 31) / 32 * 32) * sizeof(uint16_t);
    return cols * (k / 32) * KW_ACT_BLOCK;
}

typedef enum kw_weight_class {
    KW_CLASS_NONE,
    KW_CLASS_S32,
    KW_CLASS_K,
    KW_CLASS_F
} kw_weight_class;

/* out[c * out_stride + r] = row r . column c, for n_rows <= panel_rows, n_cols <= columns. */
typedef struct kw_gemm_args {
    float *out;
    size_t out_stride;
    const void *panel;
    /* Activation tiles of the kernels' activation type, one after the other; all of their columns
     * are readable, those beyond n_cols hold anything. KW_F32: rows x[c * k]. */
    const void *x;
    void *work; /* [work_bytes], 64-byte aligned */
    size_t k, n_rows, n_cols;
    /* Weights that the caller will convert next: prefetched to L2 during the call; NULL: none. */
    const void *next;
    size_t next_bytes;
} kw_gemm_args;

/* out[c * out_stride + r] = row r . column c, for n_cols <= KW_FEW_COLUMNS columns (activation
 * tiles with cols = 1, x_stride bytes apart) and n_rows rows of the weight, row_bytes apart. */
typedef struct kw_few_args {
    float *out;
    size_t out_stride;
    const void *w;
    size_t row_bytes, n_rows;
    const void *x;
    size_t x_stride, n_cols, k;
    const void *next; /* as that of gemv */
} kw_few_args;

/* One slot set per weight dtype; all NULL and KW_CLASS_NONE where a type cannot be multiplied. */
typedef struct kw_matmul_kernels {
    kw_weight_class weight_class;
    kw_dtype activation; /* that gemm takes */
    size_t columns;      /* most tokens of one call of gemm; whole activation tiles */
    size_t panel_rows;   /* weight rows converted at once */
    size_t work_bytes;   /* of a call of gemm */
    /* out[r] = row r of w . x for n_rows rows of k elements, row_bytes apart.
     * x: one column (an activation tile with cols = 1, or f32[k] for class F).
     * Prefetches ahead, in the rows it was given and then from `next`: where the caller will
     * probably go on, row_bytes apart; NULL: unknown. */
    void (*gemv)(float *out, const void *w, size_t row_bytes, size_t n_rows, const void *x,
                 size_t k, const void *next);
    /* Bytes of a panel of panel_rows rows; panels are 64-byte aligned. */
    size_t (*panel_bytes)(size_t k);
    /* Converts n_rows <= panel_rows rows; missing rows become zeros. */
    void (*panel)(void *panel, const void *w, size_t row_bytes, size_t n_rows, size_t k);
    void (*gemm)(const kw_gemm_args *args);
    /* Few columns, rows straight from the file; NULL: there is none. */
    void (*few)(const kw_few_args *args);
} kw_matmul_kernels;

/* The cache of one key/value head: tiles of 64 positions, `tile_stride` apart, each of four blocks
 * of 16 positions side by side. A block of keys is [width][16] elements, one of values [16][width],
 * where width is head_dim in whole vectors; what lies beyond head_dim takes no part in the result.
 * q8_0: int8 elements, then f16 scales, one for 32 dimensions of a position: keys [groups][16],
 * values [16][groups]. */
static inline size_t kw_attn_width(size_t head_dim)
{
    return (head_dim + 15) / 16 * 16;
}

static inline size_t kw_attn_groups(size_t head_dim)
{
    return (head_dim + 31) / 32;
}

static inline size_t kw_attn_block_bytes(kw_dtype cache, size_t head_dim)
{
    const size_t width = kw_attn_width(head_dim);
    if (cache == KW_Q8_0)
        return KW_ATTN_BLOCK * (width + 2 * kw_attn_groups(head_dim));
    return KW_ATTN_BLOCK * width * (cache == KW_F32 ? 4 : 2);
}

static inline size_t kw_attn_tile_bytes(kw_dtype cache, size_t head_dim)
{
    return KW_ATTN_TILE / KW_ATTN_BLOCK * kw_attn_block_bytes(cache, head_dim);
}

/* Positions [first, end); none where end <= first. */
typedef struct kw_attend_span {
    int64_t first, end;
} kw_attend_span;

/* What is added to the scores of a query, by the distance of a position from the query's own. */
typedef struct kw_attend_bias {
    const float *table; /* [group][n] at distances from `first` on, the ends repeated; NULL: none */
    const int32_t *own; /* [n_q / group] positions of the tokens */
    int64_t n, first;
} kw_attend_bias;

/* Queries that share a key/value head; `group` of them (the heads of one token) share a span. */
typedef struct kw_attend_args {
    const float *q; /* [n_q][head_dim], rotated, scaled; divided by the softcap */
    int n_q, group; /* n_q is a multiple of group */
    int head_dim;   /* at most KW_MAX_HEAD_DIM */
    kw_dtype cache; /* f32, f16, bf16 or q8_0 */
    const void *k, *v;
    size_t tile_stride;         /* bytes from a head's tile to its next 64 positions */
    const kw_attend_span *span; /* [n_q / group] */
    float softcap;              /* > 0: a score s becomes softcap * tanh(s) */
    kw_attend_bias bias;        /* then added */
    float *m, *l;               /* out: [n_q] running maximum and sum of exponentials */
    /* out: [n_q][width] weighted sum, not yet divided by l. A query without positions has m = -inf
     * and zeros. */
    float *acc;
    void *work; /* 64-byte aligned */
} kw_attend_args;

/* kw_dtype_traits.encode. */
typedef void (*kw_encode_fn)(void *restrict dst, const float *restrict src, size_t n,
                             const float *importance);

/* Bytes of work: a tile of keys and one of values in f32, the scores of every query. */
static inline size_t kw_attend_work_bytes(size_t head_dim, size_t n_q)
{
    return KW_ATTN_TILE * (2 * kw_attn_width(head_dim) + n_q) * sizeof(float);
}

typedef struct kw_cpu_kernels {
    const char *isa;    /* "avx512" */
    uint32_t needs;     /* kw_cpu_feature bits */
    size_t columns;     /* tokens of one activation tile of int8 */
    size_t columns_f32; /* of KW_F32_A */
    size_t few_tokens;  /* for which `few` is faster than gemm; 0: it is nowhere */
    kw_matmul_kernels matmul[KW_N_DTYPES];
    /* Kernels for batches that are faster and round otherwise, for who asked for them: panel_bytes,
     * panel and gemm, of the same class. A gemm of NULL: the exact one is the fastest there is. */
    kw_matmul_kernels fast[KW_N_DTYPES];

    /* The roofline of gemm: `rounds` times the products of one tile on data that stay in the
     * first-level cache, without conversions or scales. Returns the operations done, two a
     * product. */
    uint64_t (*peak_int8)(uint64_t rounds);
    uint64_t (*peak_f32)(uint64_t rounds);

    /* dst = column `col` of an activation tile of `cols` columns, from x[k]; k % 32 == 0 (A256:
     * 256). d = amax / 127, q = round to nearest even of x * (127 / amax); amax == 0 gives zeros. A
     * nan counts for nothing in amax, and its q is 0 (tensor/quant/q8_act.c). */
    void (*quantize_a32)(void *dst, const float *x, size_t k, size_t cols, size_t col);
    void (*quantize_a256)(void *dst, const float *x, size_t k, size_t cols, size_t col);
    /* The same for tiles of floats; any k. NULL: no kernel takes them. */
    void (*pack_f32)(void *dst, const float *x, size_t k, size_t cols, size_t col);
    void (*pack_bf16)(void *dst, const float *x, size_t k, size_t cols, size_t col);

    /* Row i of a table of any readable dtype into f32[n]: the dtype's decode or a faster equal.
     * NULL where the dtype has none. */
    void (*decode[KW_N_DTYPES])(float *dst, const void *src, size_t n);
    /* The reverse: the dtype's encode, or the same source compiled for this ISA. NULL where the
     * dtype has none. */
    kw_encode_fn encode[KW_N_DTYPES];
    void (*f16_from_f32)(uint16_t *dst, const float *src, size_t n);

    /* y = (x * (1 / sqrt(mean(x^2) + eps))) * w; 16 lanes and the fixed tree. w may be NULL. In all
     * of the functions below an output may be one of the inputs. */
    void (*rms_norm)(float *y, const float *x, const float *w, size_t n, float eps);
    /* y = (((x - mean) * (1 / sqrt(var + eps))) * w) + b; w, b may be NULL. */
    void (*layer_norm)(float *y, const float *x, const float *w, const float *b, size_t n,
                       float eps);
    /* x[n] := exp(x - max) * (1 / sum); n >= 1. */
    void (*softmax)(float *x, size_t n);

    /* The general interpreter of a valid MAP program over n elements (src[i] NULL where unused).
     * MAX is a > b ? a : b and MIN is a < b ? a : b, also for nan. */
    void (*map)(const kw_map_program *program, float *out, const float *const *src, size_t n);
    /* Hot programs, found by hash; the interpreter gives the same bits. */
    void (*map_add)(float *out, const float *a, const float *b, size_t n);
    void (*map_mul)(float *out, const float *a, const float *b, size_t n);
    /* (gate * sigmoid(gate)) * up */
    void (*map_silu_mul)(float *out, const float *gate, const float *up, size_t n);

    /* Rotates one head in place. cos_sin: [n_rot / 2][2]. adjacent: pairs (2i, 2i+1), else halves.
     * (a, b) := (fma(a, c, -(b * s)), fma(a, s, b * c)). */
    void (*rope)(float *x, const float *cos_sin, size_t n_rot, int adjacent);

    void (*attend)(const kw_attend_args *args);
    /* Merges part b (later) into part a of one query: m, l, acc[n]. Neither part is empty. */
    void (*attend_merge)(float *m_a, float *l_a, float *acc_a, float m_b, float l_b,
                         const float *acc_b, size_t n);
    /* y = acc * (1 / l). */
    void (*scale)(float *y, const float *x, float factor, size_t n);
} kw_cpu_kernels;

/* Fills every slot with scalar, then with each ISA upward that the features allow, up to and
 * including `limit` ("scalar", "avx2", "avxvnni", "avx512", "avx512bf16", "amx", "neon", "i8mm",
 * "wasm128"; NULL: the best). Unknown or unavailable limits fail. */
bool kw_cpu_kernels_select(kw_cpu_kernels *out, uint32_t features, const char *limit);
/* Names of the ISAs compiled into this build, best last; *n of them. */
const char *const *kw_cpu_isa_names(size_t *n);

#endif
