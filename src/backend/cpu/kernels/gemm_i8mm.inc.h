/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gemm_i8mm.inc.h - batches by AArch64's matrix multiplication of bytes (FEAT_I8MM).
 *
 * smmla multiplies two rows of eight bytes with two columns of eight: 32 products an instruction,
 * where sdot does 16. So a vector of four lanes is (row 0, column 0), (row 0, column 1), (row 1,
 * column 0), (row 1, column 1); what belongs to a row lies twice in the panel, what belongs to a
 * column is loaded twice. Each output still has the one accumulator that gemv gives it, and the
 * same terms in the same order.
 *
 * Panel: for each tile of eight rows, for each group of 32 (class S32):
 *   bytes [4 pairs of rows][4 octets][2 rows][8], f32 [pairs][4] scales, f32 [pairs][4] minima
 * or for each superblock (class K):
 *   bytes [8 groups][4 pairs][4 octets][2 rows][8]
 *   int16 [16][pairs][4] scales, [16][pairs][4] minima, one per 16 weights
 *   f32 [2][pairs][4]    d, dmin */

enum {
    MM_PAIRS = 4, /* pairs of rows in a tile */
    MM_ROWS = 2 * MM_PAIRS,
    MM_COLS = KV_COLUMNS / 2, /* pairs of columns */
    MM_GROUP = KW_QK * MM_ROWS,
    MM_S32_BYTES = MM_GROUP + 2 * 16 * MM_PAIRS,
    MM_K_SCALES = MM_GROUP * GROUPS,
    MM_K_MINS = MM_K_SCALES + 16 * 8 * MM_PAIRS,
    MM_K_D = MM_K_MINS + 16 * 8 * MM_PAIRS,
    MM_K_BYTES = MM_K_D + 2 * 16 * MM_PAIRS
};
static_assert(KW_PANEL_ROWS % MM_ROWS == 0 && KV_COLUMNS % 2 == 0, "whole tiles");

typedef float32x4_t mm_sums[MM_PAIRS][MM_COLS];
typedef int32x4_t mm_dots[MM_PAIRS][MM_COLS];

/* ---- panels ---- */

static size_t panel_bytes_mm_s32(size_t k)
{
    return k / KW_QK * MM_S32_BYTES * (KW_PANEL_ROWS / MM_ROWS);
}

static size_t panel_bytes_mm_k(size_t k)
{
    return k / KW_QK_K * MM_K_BYTES * (KW_PANEL_ROWS / MM_ROWS);
}

/* A group of two rows, octet by octet. */
static KV_INLINE void mm_store_pair(uint8_t *dst, kv_b32 first, kv_b32 second)
{
    const int64x2_t fa = vreinterpretq_s64_s8(first.a), fb = vreinterpretq_s64_s8(first.b);
    const int64x2_t sa = vreinterpretq_s64_s8(second.a), sb = vreinterpretq_s64_s8(second.b);
    vst1q_s8((int8_t *)dst, vreinterpretq_s8_s64(vzip1q_s64(fa, sa)));
    vst1q_s8((int8_t *)dst + 16, vreinterpretq_s8_s64(vzip2q_s64(fa, sa)));
    vst1q_s8((int8_t *)dst + 32, vreinterpretq_s8_s64(vzip1q_s64(fb, sb)));
    vst1q_s8((int8_t *)dst + 48, vreinterpretq_s8_s64(vzip2q_s64(fb, sb)));
}

/* Each row's number twice. */
static KV_INLINE void mm_store_floats(uint8_t *dst, float first, float second)
{
    const float lanes[4] = {first, first, second, second};
    memcpy(dst, lanes, sizeof lanes);
}

/* Where two neighbouring rows begin; rows beyond the last are zeros with a scale of 0. */
static KV_INLINE void mm_two_rows(const uint8_t *block[2], const uint8_t *w, size_t row_bytes,
                                  size_t row, size_t n_rows)
{
    static const uint8_t nothing[sizeof(kw_block_q6_k)];
    for (size_t i = 0; i < 2; i++)
        block[i] = row + i < n_rows ? w + (row + i) * row_bytes : nothing;
}

static KV_INLINE void panel_mm_s32(void *panel, const void *w, size_t row_bytes, size_t n_rows,
                                   size_t k, const s32_type type)
{
    uint8_t *dst = panel;
    for (size_t tile = 0; tile < KW_PANEL_ROWS; tile += MM_ROWS) {
        for (size_t g = 0; g < k / KW_QK; g++, dst += MM_S32_BYTES) {
            for (size_t p = 0; p < MM_PAIRS; p++) {
                const uint8_t *block[2];
                mm_two_rows(block, (const uint8_t *)w + g * type.block_bytes, row_bytes,
                            tile + 2 * p, n_rows);
                mm_store_pair(dst + 64 * p, unpack_s32(type, block[0]), unpack_s32(type, block[1]));
                uint8_t *scales = dst + MM_GROUP + 16 * p;
                mm_store_floats(scales, scale_s32(type, block[0]), scale_s32(type, block[1]));
                if (type.min_at)
                    mm_store_floats(scales + 16 * MM_PAIRS, kw_load_f16(block[0] + type.min_at),
                                    kw_load_f16(block[1] + type.min_at));
            }
        }
    }
}

static KV_INLINE void mm_store_scales(uint8_t *dst, const int16_t first[16],
                                      const int16_t second[16])
{
    for (size_t j = 0; j < 16; j++) {
        const int16_t lanes[4] = {first[j], first[j], second[j], second[j]};
        memcpy(dst + j * 8 * MM_PAIRS, lanes, sizeof lanes);
    }
}

/* One superblock of pair p of a tile's rows. */
static KV_INLINE void panel_mm_k_pair(uint8_t *dst, const uint8_t *const block[2], size_t p,
                                      const k_type type)
{
    kv_b32 rows[2][GROUPS];
    int16_t scale[2][16], min[2][16];
    for (size_t i = 0; i < 2; i++) {
        kv_h16 s, m;
        unpack_k(type, rows[i], block[i], 0);
        unpack_k(type, rows[i] + 4, block[i], 1);
        scales_k(type, &s, &m, block[i]);
        kv_store_h16(scale[i], s);
        kv_store_h16(min[i], m);
        for (size_t j = 0; type.bias && j < 16; j++)
            min[i][j] = (int16_t)(min[i][j] * type.bias);
    }
    for (size_t g = 0; g < GROUPS; g++)
        mm_store_pair(dst + g * MM_GROUP + 64 * p, rows[0][g], rows[1][g]);
    mm_store_scales(dst + MM_K_SCALES + 8 * p, scale[0], scale[1]);
    mm_store_scales(dst + MM_K_MINS + 8 * p, min[0], min[1]);
    uint8_t *d = dst + MM_K_D + 16 * p;
    mm_store_floats(d, d_k(type, block[0]), d_k(type, block[1]));
    mm_store_floats(d + 16 * MM_PAIRS, kw_load_f16(block[0] + type.dmin_at),
                    kw_load_f16(block[1] + type.dmin_at));
}

static KV_INLINE void panel_mm_k(void *panel, const void *w, size_t row_bytes, size_t n_rows,
                                 size_t k, const k_type type)
{
    uint8_t *dst = panel;
    for (size_t tile = 0; tile < KW_PANEL_ROWS; tile += MM_ROWS) {
        for (size_t s = 0; s < k / KW_QK_K; s++, dst += MM_K_BYTES) {
            for (size_t p = 0; p < MM_PAIRS; p++) {
                const uint8_t *block[2];
                mm_two_rows(block, (const uint8_t *)w + s * type.block_bytes, row_bytes,
                            tile + 2 * p, n_rows);
                panel_mm_k_pair(dst, block, p, type);
            }
        }
    }
}

/* ---- products ---- */

/* Eight activations of two columns; x is a block of 32 of the tile. */
static KV_INLINE int8x16_t mm_octet(const uint8_t *x, size_t octet, size_t c)
{
    const uint8_t *p = x + 8 * octet * KV_COLUMNS + 8 * c;
    const uint32x2_t first = vreinterpret_u32_u8(vld1_u8(p));
    const uint32x2_t second = vreinterpret_u32_u8(vld1_u8(p + (size_t)4 * KV_COLUMNS));
    return vreinterpretq_s8_u32(vcombine_u32(vzip1_u32(first, second), vzip2_u32(first, second)));
}

static KV_INLINE void mm_columns(int8x16_t out[MM_COLS][4], const uint8_t *x)
{
    KV_UNROLL
    for (size_t c = 0; c < MM_COLS; c++) {
        KV_UNROLL
        for (size_t o = 0; o < 4; o++)
            out[c][o] = mm_octet(x, o, c);
    }
}

/* The scales of two columns' activations, as the lanes want them. */
static KV_INLINE float32x4_t mm_scale(const uint8_t *x, size_t c)
{
    const float32x2_t d = vreinterpret_f32_u8(vld1_u8(x + (size_t)KW_QK * KV_COLUMNS + 8 * c));
    return vcombine_f32(d, d);
}

/* The sums of 16 activations of two columns: of the block's first half, then of its second. */
static KV_INLINE int32x4x2_t mm_act_sums(const uint8_t *x, size_t c)
{
    const uint8x8_t bytes = vld1_u8(x + (size_t)36 * KV_COLUMNS + 8 * c);
    const int32x4_t s = vmovl_s16(vreinterpret_s16_u8(bytes));
    return (int32x4x2_t){{vuzp1q_s32(s, s), vuzp2q_s32(s, s)}};
}

/* Octets [first, first + n) of a pair of rows, times as many of two columns. */
static KV_INLINE int32x4_t mm_dot(const uint8_t *w, const int8x16_t x[4], size_t first, size_t n)
{
    int32x4_t dot = vdupq_n_s32(0);
    KV_UNROLL
    for (size_t o = first; o < first + n; o++)
        dot = vmmlaq_s32(dot, vld1q_s8((const int8_t *)w + 16 * o), x[o]);
    return dot;
}

static KV_INLINE float32x4_t mm_load_f(const uint8_t *p)
{
    return vreinterpretq_f32_u8(vld1q_u8(p));
}

static KV_INLINE int32x4_t mm_load_h(const uint8_t *p)
{
    return vmovl_s16(vreinterpret_s16_u8(vld1_u8(p)));
}

/* One group: w, its part of the panel; x, its block of the activation tile. */
static KV_INLINE void mm_s32_group(mm_sums sum, const uint8_t *w, const uint8_t *x,
                                   const s32_type type)
{
    int8x16_t columns[MM_COLS][4];
    mm_columns(columns, x);
    KV_UNROLL
    for (size_t c = 0; c < MM_COLS; c++) {
        const int32x4x2_t halves = mm_act_sums(x, c);
        const int32x4_t act_sum = vaddq_s32(halves.val[0], halves.val[1]);
        const float32x4_t da = mm_scale(x, c);
        KV_UNROLL
        for (size_t p = 0; p < MM_PAIRS; p++) {
            const uint8_t *scales = w + MM_GROUP + 16 * p;
            int32x4_t dot = mm_dot(w + 64 * p, columns[c], 0, 4);
            if (type.bias)
                dot = vmlsq_n_s32(dot, act_sum, type.bias);
            const float32x4_t scale = vmulq_f32(mm_load_f(scales), da);
            sum[p][c] = vaddq_f32(sum[p][c], vmulq_f32(scale, vcvtq_f32_s32(dot)));
            if (type.min_at) {
                const float32x4_t min = vmulq_f32(mm_load_f(scales + 16 * MM_PAIRS), da);
                sum[p][c] = vaddq_f32(sum[p][c], vmulq_f32(min, vcvtq_f32_s32(act_sum)));
            }
        }
    }
}

/* The scaled products of one superblock, and its minima. */
static KV_INLINE void mm_k_dots(mm_dots scaled, mm_dots mins, const uint8_t *w, const uint8_t *x,
                                const k_type type)
{
    KV_UNROLL
    for (size_t i = 0; i < MM_PAIRS * MM_COLS; i++)
        scaled[i / MM_COLS][i % MM_COLS] = mins[i / MM_COLS][i % MM_COLS] = vdupq_n_s32(0);
    KV_ROLLED
    for (size_t g = 0; g < GROUPS; g++, x += KW_ACT_BLOCK * KV_COLUMNS) {
        const uint8_t *scales = w + MM_K_SCALES + g * 16 * MM_PAIRS;
        int8x16_t columns[MM_COLS][4];
        mm_columns(columns, x);
        KV_UNROLL
        for (size_t i = 0; i < MM_PAIRS * MM_COLS; i++) {
            const size_t p = i / MM_COLS, c = i % MM_COLS;
            const uint8_t *row = w + g * MM_GROUP + 64 * p, *at = scales + 8 * p;
            if (type.halves) {
                const int32x4_t second = mm_load_h(at + 8 * MM_PAIRS);
                scaled[p][c] =
                    vmlaq_s32(scaled[p][c], mm_dot(row, columns[c], 0, 2), mm_load_h(at));
                scaled[p][c] = vmlaq_s32(scaled[p][c], mm_dot(row, columns[c], 2, 2), second);
            } else {
                scaled[p][c] =
                    vmlaq_s32(scaled[p][c], mm_dot(row, columns[c], 0, 4), mm_load_h(at));
            }
            if (has_sums(type)) {
                const uint8_t *min = at + (MM_K_MINS - MM_K_SCALES);
                const int32x4x2_t halves = mm_act_sums(x, c);
                mins[p][c] = vmlaq_s32(mins[p][c], mm_load_h(min), halves.val[0]);
                mins[p][c] = vmlaq_s32(mins[p][c], mm_load_h(min + 8 * MM_PAIRS), halves.val[1]);
            }
        }
    }
}

static KV_INLINE void mm_k_super(mm_sums sum, const uint8_t *w, const uint8_t *x, const k_type type)
{
    mm_dots scaled, mins;
    mm_k_dots(scaled, mins, w, x, type);
    KV_UNROLL
    for (size_t i = 0; i < MM_PAIRS * MM_COLS; i++) {
        const size_t p = i / MM_COLS, c = i % MM_COLS;
        const uint8_t *d = w + MM_K_D + 16 * p;
        const float32x4_t da = mm_scale(x, c);
        int32x4_t dot = scaled[p][c];
        if (type.bias)
            dot = vsubq_s32(dot, mins[p][c]);
        const float32x4_t scale = vmulq_f32(mm_load_f(d), da);
        sum[p][c] = vaddq_f32(sum[p][c], vmulq_f32(scale, vcvtq_f32_s32(dot)));
        if (type.dmin_at) {
            const float32x4_t min = vmulq_f32(mm_load_f(d + 16 * MM_PAIRS), da);
            sum[p][c] = vsubq_f32(sum[p][c], vmulq_f32(min, vcvtq_f32_s32(mins[p][c])));
        }
    }
}

static KV_INLINE void mm_clear(mm_sums sum)
{
    KV_UNROLL
    for (size_t i = 0; i < MM_PAIRS * MM_COLS; i++)
        sum[i / MM_COLS][i % MM_COLS] = vdupq_n_f32(0.0f);
}

static KV_INLINE void mm_store(const gemm_call *call, size_t row, mm_sums sum)
{
    float lanes[MM_PAIRS][MM_COLS][4];
    for (size_t i = 0; i < MM_PAIRS * MM_COLS; i++)
        vst1q_f32(lanes[i / MM_COLS][i % MM_COLS], sum[i / MM_COLS][i % MM_COLS]);
    for (size_t c = 0; c < call->n_cols; c++)
        for (size_t r = 0; r < MM_ROWS && row + r < call->n_rows; r++)
            call->out[c * call->out_stride + row + r] = lanes[r / 2][c / 2][r % 2 * 2 + c % 2];
}

static KV_INLINE void gemm_mm_s32(gemm_call *call, const s32_type type)
{
    const uint8_t *w = call->panel;
    for (size_t r = 0; r < call->n_rows; r += MM_ROWS) {
        const uint8_t *x = call->x;
        mm_sums sum;
        mm_clear(sum);
        for (size_t g = 0; g < call->k / KW_QK; g++) {
            spread_step(&call->next);
            mm_s32_group(sum, w, x, type);
            w += MM_S32_BYTES;
            x += KW_ACT_BLOCK * KV_COLUMNS;
        }
        mm_store(call, r, sum);
    }
}

static KV_INLINE void gemm_mm_k(gemm_call *call, const k_type type)
{
    const uint8_t *w = call->panel;
    for (size_t r = 0; r < call->n_rows; r += MM_ROWS) {
        const uint8_t *x = call->x;
        mm_sums sum;
        mm_clear(sum);
        for (size_t s = 0; s < call->k / KW_QK_K; s++) {
            spread_step(&call->next);
            mm_k_super(sum, w, x, type);
            w += MM_K_BYTES;
            x += GROUPS * KW_ACT_BLOCK * KV_COLUMNS;
        }
        mm_store(call, r, sum);
    }
}

/* ---- slots ---- */

#define MM_TYPE(type_name, TYPE, class, CLASS)                                                     \
    static void panel_mm_##type_name(void *panel, const void *w, size_t row_bytes, size_t n_rows,  \
                                     size_t k)                                                     \
    {                                                                                              \
        panel_mm_##class(panel, w, row_bytes, n_rows, k, TYPE_##TYPE);                             \
    }                                                                                              \
    static void gemm_mm_##type_name(const kw_gemm_args *args)                                      \
    {                                                                                              \
        const size_t tiles = (args->n_rows + MM_ROWS - 1) / MM_ROWS;                               \
        gemm_call call = gemm_begin(args, tiles * (args->k / class##_elems));                      \
        gemm_mm_##class(&call, TYPE_##TYPE);                                                       \
    }
INTEGER_TYPES(MM_TYPE)

#define MM_FILL(type_name, TYPE, class, CLASS)                                                     \
    out->matmul[KW_##TYPE].panel_bytes = panel_bytes_mm_##class;                                   \
    out->matmul[KW_##TYPE].panel = panel_mm_##type_name;                                           \
    out->matmul[KW_##TYPE].gemm = gemm_mm_##type_name;

static void fill_i8mm(kw_cpu_kernels *out)
{
    INTEGER_TYPES(MM_FILL)
}
