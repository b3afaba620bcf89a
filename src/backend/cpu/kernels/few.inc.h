/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* few.inc.h - rows straight from the file times a few columns: what decoding of several sessions,
 * and verification of drafted tokens, need.
 *
 * A lane is a row. A block of KV_ROWS rows is unpacked once, in registers or in the first-level
 * cache, for all of the columns; each of them then costs its products and no sum across lanes. The
 * sums wait in memory. Every output has the one accumulator that gemv gives it. */

enum {
    FEW_AT_ONCE = 4, /* columns whose products are interleaved */
    FEW_STRIPE = 8   /* groups whose scales are collected at once */
};

typedef struct few_sums {
    _Alignas(64) float of[KW_FEW_COLUMNS][KV_ROWS];
} few_sums;

static KV_INLINE void few_clear(few_sums *sums, size_t n_cols)
{
    for (size_t c = 0; c < n_cols; c++)
        kv_rows_storef(sums->of[c], kv_rows_set1(0.0f));
}

static KV_INLINE void few_store(const kw_few_args *args, size_t row, const few_sums *sums)
{
    for (size_t c = 0; c < args->n_cols; c++)
        memcpy(args->out + c * args->out_stride + row, sums->of[c], sizeof sums->of[c]);
}

/* Where the columns of group g are; the next one is x_stride further. */
static KV_INLINE const uint8_t *few_columns(const kw_few_args *args, size_t g)
{
    return (const uint8_t *)args->x + g * KW_ACT_BLOCK;
}

static KV_INLINE const uint8_t *few_column(const kw_few_args *args, size_t c)
{
    return (const uint8_t *)args->x + c * args->x_stride;
}

/* ---- class S32 ---- */

/* What lies beside the weights of a stripe of groups, by row. */
typedef struct s32_heads {
    _Alignas(64) uint16_t d[FEW_STRIPE][KV_ROWS], min[FEW_STRIPE][KV_ROWS];
    uint32_t high[FEW_STRIPE][KV_ROWS];
    float power[FEW_STRIPE][KV_ROWS];
} s32_heads;

static KV_INLINE void few_s32_heads(s32_heads *heads, const uint8_t *w, size_t row_bytes, size_t n,
                                    const s32_type type)
{
    const bool has_high = type.dtype == KW_Q5_0 || type.dtype == KW_Q5_1;
    for (size_t g = 0; g < n; g++, w += type.block_bytes) {
        KV_UNROLL
        for (size_t r = 0; r < KV_ROWS; r++) {
            const uint8_t *block = w + r * row_bytes;
            if (type.powers)
                heads->power[g][r] = kw_load_e8m0(block);
            else
                heads->d[g][r] = kv_u16(block);
            if (type.min_at)
                heads->min[g][r] = kv_u16(block + type.min_at);
            if (has_high)
                heads->high[g][r] = kv_u32(block + type.block_bytes - 20);
        }
    }
    KV_MEMORY(*heads);
}

/* The products of one group with n columns. */
static KV_INLINE void few_s32_dots(kv_rows_i dot[], const kv_rows_b w[8], const uint8_t *x,
                                   size_t x_stride, const size_t n, const s32_type type)
{
    const int steps = kv_acc_steps(type.kind);
    KV_UNROLL
    for (int first = 0; first < KW_QK / 4; first += steps) {
        kv_acc acc[FEW_AT_ONCE];
        KV_UNROLL
        for (size_t c = 0; c < n; c++) {
            const uint8_t *pair = x + c * x_stride + offsetof(kw_block_q8_act, sums);
            acc[c] = first == 0 ? kv_acc_begin(s32_term(pair, type)) : kv_acc_zero();
        }
        KV_UNROLL
        for (int j = first; j < first + steps; j++) {
            KV_UNROLL
            for (size_t c = 0; c < n; c++)
                acc[c] = kv_acc_step(type.kind, acc[c], w[j],
                                     kv_rows_same(x + c * x_stride + 4 * (size_t)j));
        }
        KV_UNROLL
        for (size_t c = 0; c < n; c++) {
            const uint8_t *pair = x + c * x_stride + offsetof(kw_block_q8_act, sums);
            dot[c] = first == 0 ? kv_acc_end(type.kind, acc[c], s32_term(pair, type))
                                : kv_rows_add(dot[c], kv_acc_flush(type.kind, acc[c]));
        }
    }
}

/* One group of n columns. */
static KV_INLINE void few_s32_columns(float (*sum)[KV_ROWS], const kv_rows_b w[8], kv_rows_f scale,
                                      kv_rows_f min, const uint8_t *x, size_t x_stride,
                                      const size_t n, const s32_type type)
{
    kv_rows_i dot[FEW_AT_ONCE];
    few_s32_dots(dot, w, x, x_stride, n, type);
    KV_UNROLL
    for (size_t c = 0; c < n; c++, x += x_stride) {
        const kv_rows_f da = kv_rows_set1(kv_f32(x + offsetof(kw_block_q8_act, d)));
        kv_rows_f all = kv_rows_load_f(sum[c]);
        all = kv_rows_addf(all, kv_rows_mulf(kv_rows_mulf(scale, da), kv_rows_of_int(dot[c])));
        if (type.min_at) {
            const uint8_t *pair = x + offsetof(kw_block_q8_act, sums);
            const kv_rows_i both =
                kv_rows_dot_pair(kv_rows_zero(), kv_rows_same(pair), kv_rows_pair(1));
            all = kv_rows_addf(all, kv_rows_mulf(kv_rows_mulf(min, da), kv_rows_of_int(both)));
        }
        kv_rows_storef(sum[c], all);
    }
}

static KV_INLINE void few_s32_tile(const kw_few_args *args, const uint8_t *w, few_sums *sums,
                                   fetcher *fetch, const s32_type type)
{
    const size_t n = args->k / KW_QK;
    s32_heads heads;
    for (size_t g = 0; g < n; g++, w += type.block_bytes) {
        const size_t i = g % FEW_STRIPE;
        if (i == 0)
            few_s32_heads(&heads, w, args->row_bytes, KW_MIN(n - g, (size_t)FEW_STRIPE), type);
        kv_rows_b rows[8];
        rows_s32(type, rows, w, args->row_bytes, heads.high[i]);
        const kv_rows_f scale =
            type.powers ? kv_rows_load_f(heads.power[i]) : kv_rows_halves(heads.d[i]);
        const kv_rows_f min = type.min_at ? kv_rows_halves(heads.min[i]) : scale;
        const uint8_t *x = few_columns(args, g);
        size_t c = 0;
        KV_ROLLED
        for (; c + FEW_AT_ONCE <= args->n_cols; c += FEW_AT_ONCE, x += FEW_AT_ONCE * args->x_stride)
            few_s32_columns(sums->of + c, rows, scale, min, x, args->x_stride, FEW_AT_ONCE, type);
        KV_ROLLED
        for (; c < args->n_cols; c++, x += args->x_stride)
            few_s32_columns(sums->of + c, rows, scale, min, x, args->x_stride, 1, type);
        fetch_next(fetch, KV_ROWS * type.block_bytes);
    }
}

/* ---- class K ---- */

/* The products of a group with n columns into their scaled sums. */
static KV_INLINE void few_k_columns(int32_t (*scaled)[KV_ROWS], const kv_rows_b w[8],
                                    const kv_rows_i scale[2], const uint8_t *x, size_t x_stride,
                                    const size_t n, const k_type type)
{
    const int per_scale = type.halves ? 4 : 8,
              steps = KW_MIN(per_scale, kv_scaled_steps(type.kind));
    kv_rows_i sum[FEW_AT_ONCE];
    KV_UNROLL
    for (size_t c = 0; c < n; c++)
        sum[c] = kv_rows_load_i(scaled[c]);
    KV_UNROLL
    for (int j = 0; j < KW_QK / 4; j += steps) {
        kv_acc acc[FEW_AT_ONCE];
        KV_UNROLL
        for (size_t c = 0; c < n; c++)
            acc[c] = kv_acc_zero();
        KV_UNROLL
        for (int i = j; i < j + steps; i++) {
            KV_UNROLL
            for (size_t c = 0; c < n; c++)
                acc[c] = kv_acc_step(type.kind, acc[c], w[i],
                                     kv_rows_same(x + c * x_stride + 4 * (size_t)i));
        }
        KV_UNROLL
        for (size_t c = 0; c < n; c++)
            sum[c] = kv_acc_flush_scaled(type.kind, sum[c], acc[c], scale[j / per_scale]);
    }
    KV_UNROLL
    for (size_t c = 0; c < n; c++)
        kv_rows_store(scaled[c], sum[c]);
}

/* The end of a superblock of one column. x: its first block */
static KV_INLINE void few_k_end(float sum[KV_ROWS], const int32_t scaled[KV_ROWS],
                                const rows_super *super, const uint8_t *x, const k_type type)
{
    kv_rows_i min = kv_rows_zero(), dot = kv_rows_load_i(scaled);
    const int n_sums = has_sums(type) ? GROUPS : 0;
    KV_UNROLL
    for (int g = 0; g < n_sums; g++) {
        const uint8_t *pair = x + g * KW_ACT_BLOCK + offsetof(kw_block_q8_act, sums);
        min = kv_rows_dot_pair(min, kv_rows_load_b(super->min[g]), kv_rows_same(pair));
    }
    if (type.bias)
        dot = kv_rows_sub(dot, min);
    const kv_rows_f da = kv_rows_set1(kv_f32(x + offsetof(kw_block_q8_act, d)));
    kv_rows_f all = kv_rows_load_f(sum);
    all = kv_rows_addf(all, kv_rows_mulf(kv_rows_mulf(super->d, da), kv_rows_of_int(dot)));
    if (type.dmin_at) {
        const kv_rows_f scale = kv_rows_mulf(super->dmin, da);
        all = kv_rows_subf(all, kv_rows_mulf(scale, kv_rows_of_int(min)));
    }
    kv_rows_storef(sum, all);
}

static KV_INLINE void few_k_tile(const kw_few_args *args, const uint8_t *w, few_sums *sums,
                                 fetcher *fetch, const k_type type)
{
    _Alignas(64) int32_t scaled[KW_FEW_COLUMNS][KV_ROWS];
    rows_super super;
    for (size_t s = 0; s < args->k / KW_QK_K; s++, w += type.block_bytes) {
        rows_k(type, &super, w, args->row_bytes);
        for (size_t c = 0; c < args->n_cols; c++)
            kv_rows_store(scaled[c], kv_rows_zero());
        const uint8_t *x = few_columns(args, s * GROUPS);
        KV_ROLLED
        for (size_t g = 0; g < GROUPS; g++) {
            kv_rows_b rows[8];
            KV_UNROLL
            for (int j = 0; j < 8; j++)
                rows[j] = kv_rows_load_b(super.w[g][j]);
            const kv_rows_i scale[2] = {kv_rows_load_i(super.scale[type.halves ? 2 * g : g]),
                                        kv_rows_load_i(super.scale[type.halves ? 2 * g + 1 : g])};
            const uint8_t *at = x + g * KW_ACT_BLOCK;
            size_t c = 0;
            KV_ROLLED
            for (; c + FEW_AT_ONCE <= args->n_cols; c += FEW_AT_ONCE)
                few_k_columns(scaled + c, rows, scale, at + c * args->x_stride, args->x_stride,
                              FEW_AT_ONCE, type);
            KV_ROLLED
            for (; c < args->n_cols; c++)
                few_k_columns(scaled + c, rows, scale, at + c * args->x_stride, args->x_stride, 1,
                              type);
            fetch_next(fetch, KV_ROWS * type.block_bytes / GROUPS);
        }
        KV_ROLLED
        for (size_t c = 0; c < args->n_cols; c++)
            few_k_end(sums->of[c], scaled[c], &super, x + c * args->x_stride, type);
    }
}

#define FEW(type_name, TYPE, class, CLASS)                                                         \
    static void few_##type_name(const kw_few_args *args)                                           \
    {                                                                                              \
        const uint8_t *w = args->w;                                                                \
        size_t r = 0;                                                                              \
        for (; r + KV_ROWS <= args->n_rows; r += KV_ROWS) {                                        \
            few_sums sums;                                                                         \
            fetcher fetch = fetch_tile(w, args->row_bytes, r, args->n_rows, args->next, KV_ROWS);  \
            few_clear(&sums, args->n_cols);                                                        \
            few_##class##_tile(args, w + r * args->row_bytes, &sums, &fetch, TYPE_##TYPE);         \
            few_store(args, r, &sums);                                                             \
        }                                                                                          \
        for (size_t c = 0; r < args->n_rows && c < args->n_cols; c++)                              \
            gemv_##type_name(args->out + c * args->out_stride + r, w + r * args->row_bytes,        \
                             args->row_bytes, args->n_rows - r, few_column(args, c), args->k,      \
                             c ? NULL : args->next);                                               \
    }

#define FILL_FEW(type_name, TYPE, class, CLASS) out->matmul[KW_##TYPE].few = few_##type_name;

INTEGER_TYPES(FEW)

static void fill_few(kw_cpu_kernels *out)
{
    out->few_tokens = KV_FEW_TOKENS;
    INTEGER_TYPES(FILL_FEW)
}
