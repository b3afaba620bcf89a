/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* matmul.inc.h - the definition of the matrix product, in plain C.
 *
 * One output is one walk along k by dot_<type>, whatever else is computed beside it; gemv and gemm
 * both call it, and a panel is the rows as they are in the file. See docs/numerics.md. */

/* Element i of column col of an activation tile of cols columns. */
static inline int act_q(const uint8_t *x, size_t i, size_t cols, size_t col)
{
    const uint8_t *block = x + i / KW_QK * KW_ACT_BLOCK * cols;
    const size_t j = i % KW_QK;
    return (int8_t)block[j / 4 * 4 * cols + 4 * col + j % 4];
}

static inline float act_d(const uint8_t *x, size_t group, size_t cols, size_t col)
{
    float d;
    memcpy(&d, x + (group * KW_ACT_BLOCK + KW_QK) * cols + 4 * col, sizeof d);
    return d;
}

/* ---- class S32: unpack one group of 32 signed weights, return its scale; *min where it has one
 * ---- */

static inline void unpack_nibbles(int8_t w[KW_QK], const uint8_t qs[KW_QK / 2], int bias)
{
    for (int i = 0; i < KW_QK / 2; i++) {
        w[i] = (int8_t)((qs[i] & 15) - bias);
        w[i + KW_QK / 2] = (int8_t)((qs[i] >> 4) - bias);
    }
}

static inline float unpack_q4_0(int8_t w[KW_QK], float *min, const void *src)
{
    const kw_block_q4_0 *block = src;
    (void)min;
    unpack_nibbles(w, block->qs, 8);
    return kw_load_f16(block->d);
}

static inline float unpack_q8_0(int8_t w[KW_QK], float *min, const void *src)
{
    const kw_block_q8_0 *block = src;
    (void)min;
    memcpy(w, block->qs, KW_QK);
    return kw_load_f16(block->d);
}

static inline void fifth_bits(int8_t w[KW_QK], const uint8_t qh[4], int bias)
{
    for (int i = 0; i < KW_QK; i++)
        w[i] = (int8_t)((w[i] | (qh[i / 8] >> (i % 8) & 1) << 4) - bias);
}

static inline float unpack_q4_1(int8_t w[KW_QK], float *min, const void *src)
{
    const kw_block_q4_1 *block = src;
    unpack_nibbles(w, block->qs, 0);
    *min = kw_load_f16(block->m);
    return kw_load_f16(block->d);
}

static inline float unpack_q5_0(int8_t w[KW_QK], float *min, const void *src)
{
    const kw_block_q5_0 *block = src;
    (void)min;
    unpack_nibbles(w, block->qs, 0);
    fifth_bits(w, block->qh, 16);
    return kw_load_f16(block->d);
}

static inline float unpack_q5_1(int8_t w[KW_QK], float *min, const void *src)
{
    const kw_block_q5_1 *block = src;
    unpack_nibbles(w, block->qs, 0);
    fifth_bits(w, block->qh, 0);
    *min = kw_load_f16(block->m);
    return kw_load_f16(block->d);
}

static inline float unpack_iq4_nl(int8_t w[KW_QK], float *min, const void *src)
{
    const kw_block_iq4_nl *block = src;
    (void)min;
    unpack_nibbles(w, block->qs, 0);
    for (int i = 0; i < KW_QK; i++)
        w[i] = kw_iq4_values[w[i]];
    return kw_load_f16(block->d);
}

static inline float unpack_mxfp4(int8_t w[KW_QK], float *min, const void *src)
{
    const kw_block_mxfp4 *block = src;
    (void)min;
    unpack_nibbles(w, block->qs, 0);
    for (int i = 0; i < KW_QK; i++)
        w[i] = kw_mxfp4_values[w[i]];
    return kw_load_e8m0(&block->e);
}

typedef float (*unpack_s32_fn)(int8_t w[KW_QK], float *min, const void *src);

/* has_min: every weight of a group has the group's minimum added. */
static inline float dot_s32(unpack_s32_fn unpack, bool has_min, size_t block_bytes,
                            const uint8_t *row, const uint8_t *x, size_t k, size_t cols, size_t col)
{
    float acc = 0.0f;
    for (size_t group = 0; group < k / KW_QK; group++) {
        int8_t w[KW_QK];
        float min = 0.0f;
        const float dw = unpack(w, &min, row + group * block_bytes);
        const float da = act_d(x, group, cols, col);
        int32_t dot = 0, sum = 0;
        for (size_t i = 0; i < KW_QK; i++) {
            const int q = act_q(x, group * KW_QK + i, cols, col);
            dot += w[i] * q;
            sum += q;
        }
        acc = acc + (dw * da) * (float)dot;
        if (has_min)
            acc = acc + (min * da) * (float)sum;
    }
    return acc;
}

/* ---- class K: unpack one superblock, scales and minima per 16 ---- */

typedef struct super_block {
    int8_t w[KW_QK_K];
    int16_t scale[KW_QK_K / 16], min[KW_QK_K / 16];
    float d, dmin;
    bool has_min;
} super_block;

static inline void unpack_q4_k(super_block *out, const void *src)
{
    const kw_block_q4_k *block = src;
    uint8_t scale[8], min[8];
    kw_q4_k_scales(block->scales, scale, min);
    for (int i = 0; i < KW_QK_K; i++) {
        const int group = i / 32, byte = block->qs[group / 2 * 32 + i % 32];
        out->w[i] = (int8_t)(group % 2 ? byte >> 4 : byte & 15);
        out->scale[i / 16] = scale[group];
        out->min[i / 16] = min[group];
    }
    out->d = kw_load_f16(block->d);
    out->dmin = kw_load_f16(block->dmin);
    out->has_min = true;
}

static inline void unpack_q6_k(super_block *out, const void *src)
{
    const kw_block_q6_k *block = src;
    for (int i = 0; i < KW_QK_K; i++) {
        const int half = i / 128, quarter = i % 128 / 32, l = i % 32;
        const int low = block->ql[64 * half + 32 * (quarter % 2) + l] >> (4 * (quarter / 2)) & 15;
        const int high = block->qh[32 * half + l] >> (2 * quarter) & 3;
        out->w[i] = (int8_t)((low | high << 4) - 32);
        out->scale[i / 16] = block->scales[i / 16];
        out->min[i / 16] = 0;
    }
    out->d = kw_load_f16(block->d);
    out->dmin = 0.0f;
    out->has_min = false;
}

static inline void unpack_q2_k(super_block *out, const void *src)
{
    const kw_block_q2_k *block = src;
    for (int i = 0; i < KW_QK_K; i++) {
        const int half = i / 128, t = i % 128 / 32;
        out->w[i] = (int8_t)(block->qs[32 * half + i % 32] >> (2 * t) & 3);
        out->scale[i / 16] = block->scales[i / 16] & 15;
        out->min[i / 16] = block->scales[i / 16] >> 4;
    }
    out->d = kw_load_f16(block->d);
    out->dmin = kw_load_f16(block->dmin);
    out->has_min = true;
}

static inline void unpack_q3_k(super_block *out, const void *src)
{
    const kw_block_q3_k *block = src;
    uint64_t packed[2];
    int8_t scale[16];
    kw_q3_k_scales(block->scales, packed);
    memcpy(scale, packed, sizeof scale);
    for (int i = 0; i < KW_QK_K; i++) {
        const int half = i / 128, t = i % 128 / 32, l = i % 32;
        const int low = block->qs[32 * half + l] >> (2 * t) & 3;
        const int high = block->hmask[l] >> (i / 32) & 1;
        out->w[i] = (int8_t)((low | high << 2) - 4);
        out->scale[i / 16] = scale[i / 16];
        out->min[i / 16] = 0;
    }
    out->d = kw_load_f16(block->d);
    out->dmin = 0.0f;
    out->has_min = false;
}

static inline void unpack_q5_k(super_block *out, const void *src)
{
    const kw_block_q5_k *block = src;
    uint8_t scale[8], min[8];
    kw_q4_k_scales(block->scales, scale, min);
    for (int i = 0; i < KW_QK_K; i++) {
        const int group = i / 32, byte = block->qs[group / 2 * 32 + i % 32];
        const int high = block->qh[i % 32] >> group & 1;
        out->w[i] = (int8_t)((group % 2 ? byte >> 4 : byte & 15) | high << 4);
        out->scale[i / 16] = scale[group];
        out->min[i / 16] = min[group];
    }
    out->d = kw_load_f16(block->d);
    out->dmin = kw_load_f16(block->dmin);
    out->has_min = true;
}

/* A type with a codebook, by the unpacking that defines its decoder. */
static inline void from_iq(super_block *out, const kw_iq_super *from)
{
    *out = (super_block){.d = from->d};
    memcpy(out->w, from->w, sizeof out->w);
    for (int i = 0; i < KW_QK_K / 16; i++)
        out->scale[i] = from->scale[i];
}

#define SCALAR_IQ_UNPACK(type)                                                                     \
    static inline void unpack_##type(super_block *out, const void *src)                            \
    {                                                                                              \
        kw_iq_super super;                                                                         \
        kw_##type##_unpack(&super, src);                                                           \
        from_iq(out, &super);                                                                      \
    }

SCALAR_IQ_UNPACK(iq2_xxs)
SCALAR_IQ_UNPACK(iq2_xs)
SCALAR_IQ_UNPACK(iq2_s)
SCALAR_IQ_UNPACK(iq3_xxs)
SCALAR_IQ_UNPACK(iq3_s)
SCALAR_IQ_UNPACK(iq1_s)
SCALAR_IQ_UNPACK(iq1_m)
/* A superblock without minima: w[] is set, one f16 scale. */
static inline void set_scale(super_block *out, const uint8_t d[2])
{
    out->d = kw_load_f16(d);
    out->dmin = 0.0f;
    out->has_min = false;
    memset(out->min, 0, sizeof out->min);
}

static inline void unpack_iq4_xs(super_block *out, const void *src)
{
    const kw_block_iq4_xs *block = src;
    const uint64_t packed = kw_iq4_xs_scales(block);
    int8_t scale[8];
    memcpy(scale, &packed, sizeof scale);
    for (int g = 0; g < 8; g++) {
        int8_t *w = out->w + 32 * g;
        unpack_nibbles(w, block->qs + 16 * g, 0);
        for (int i = 0; i < 32; i++)
            w[i] = kw_iq4_values[w[i]];
        out->scale[2 * g] = out->scale[2 * g + 1] = scale[g];
    }
    set_scale(out, block->d);
}

static inline void unpack_tq1_0(super_block *out, const void *src)
{
    const kw_block_tq1_0 *block = src;
    kw_tq1_0_digits(block, out->w);
    for (int i = 0; i < KW_QK_K; i++)
        out->w[i] = (int8_t)(out->w[i] - 1);
    for (int g = 0; g < 16; g++)
        out->scale[g] = 1;
    set_scale(out, block->d);
}

static inline void unpack_tq2_0(super_block *out, const void *src)
{
    const kw_block_tq2_0 *block = src;
    for (int i = 0; i < KW_QK_K; i++)
        out->w[i] = (int8_t)((block->qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3) - 1);
    for (int g = 0; g < 16; g++)
        out->scale[g] = 1;
    set_scale(out, block->d);
}

typedef void (*unpack_k_fn)(super_block *out, const void *src);

static inline float dot_k(unpack_k_fn unpack, size_t block_bytes, const uint8_t *row,
                          const uint8_t *x, size_t k, size_t cols, size_t col)
{
    float acc = 0.0f;
    for (size_t s = 0; s < k / KW_QK_K; s++) {
        super_block b;
        unpack(&b, row + s * block_bytes);
        int32_t scaled = 0, mins = 0;
        for (size_t i = 0; i < KW_QK_K; i++) {
            const int q = act_q(x, s * KW_QK_K + i, cols, col);
            scaled += b.scale[i / 16] * (b.w[i] * q);
            mins += b.min[i / 16] * q;
        }
        const float da = act_d(x, s * (KW_QK_K / KW_QK), cols, col);
        acc = acc + (b.d * da) * (float)scaled;
        if (b.has_min)
            acc = acc - (b.dmin * da) * (float)mins;
    }
    return acc;
}

/* ---- class F: sixteen lanes and a fixed tree ---- */

static inline float sum_lanes(const float lane[16])
{
    float l[8];
    for (int i = 0; i < 8; i++)
        l[i] = lane[i] + lane[i + 8];
    for (int i = 0; i < 4; i++)
        l[i] = l[i] + l[i + 4];
    return (l[0] + l[2]) + (l[1] + l[3]);
}

static inline float weight_f32(const void *p)
{
    float w;
    memcpy(&w, p, sizeof w);
    return w;
}

static inline float weight_bf16(const void *p)
{
    return kw_f32_from_bf16(kw_load_u16(p));
}

typedef float (*weight_fn)(const void *p);

static inline float dot_f(weight_fn weight, size_t bytes, const uint8_t *row, const float *x,
                          size_t k)
{
    float lane[16] = {0};
    for (size_t i = 0; i < kw_align_up(k, 16); i++) {
        const float w = i < k ? weight(row + i * bytes) : 0.0f;
        const float v = i < k ? x[i] : 0.0f;
        lane[i % 16] = fmaf(w, v, lane[i % 16]);
    }
    return sum_lanes(lane);
}

/* ---- one output: x is column col of a tile of cols columns, or row col of floats ---- */

#define SCALAR_DOT_S32(type, has_min)                                                              \
    static float dot_##type(const uint8_t *row, const void *x, size_t k, size_t cols, size_t col)  \
    {                                                                                              \
        return dot_s32(unpack_##type, has_min, sizeof(kw_block_##type), row, x, k, cols, col);     \
    }
#define SCALAR_DOT_K(type)                                                                         \
    static float dot_##type(const uint8_t *row, const void *x, size_t k, size_t cols, size_t col)  \
    {                                                                                              \
        return dot_k(unpack_##type, sizeof(kw_block_##type), row, x, k, cols, col);                \
    }

SCALAR_DOT_S32(q4_0, false)
SCALAR_DOT_S32(q4_1, true)
SCALAR_DOT_S32(q5_0, false)
SCALAR_DOT_S32(q5_1, true)
SCALAR_DOT_S32(q8_0, false)
SCALAR_DOT_S32(iq4_nl, false)
SCALAR_DOT_S32(mxfp4, false)
SCALAR_DOT_K(q2_k)
SCALAR_DOT_K(q3_k)
SCALAR_DOT_K(q4_k)
SCALAR_DOT_K(q5_k)
SCALAR_DOT_K(q6_k)
SCALAR_DOT_K(iq4_xs)
SCALAR_DOT_K(tq1_0)
SCALAR_DOT_K(tq2_0)
SCALAR_DOT_K(iq2_xxs)
SCALAR_DOT_K(iq2_xs)
SCALAR_DOT_K(iq2_s)
SCALAR_DOT_K(iq3_xxs)
SCALAR_DOT_K(iq3_s)
SCALAR_DOT_K(iq1_s)
SCALAR_DOT_K(iq1_m)

static float dot_f32(const uint8_t *row, const void *x, size_t k, size_t cols, size_t col)
{
    (void)cols;
    return dot_f(weight_f32, 4, row, (const float *)x + col * k, k);
}

static float dot_f16(const uint8_t *row, const void *x, size_t k, size_t cols, size_t col)
{
    (void)cols;
    return dot_f(kw_load_f16, 2, row, (const float *)x + col * k, k);
}

static float dot_bf16(const uint8_t *row, const void *x, size_t k, size_t cols, size_t col)
{
    (void)cols;
    return dot_f(weight_bf16, 2, row, (const float *)x + col * k, k);
}

#define SCALAR_COLUMNS 2 /* any; more than one, so that tiles are exercised */

#define SCALAR_MATMUL(type, block, bytes)                                                          \
    static void gemv_##type(float *out, const void *w, size_t row_bytes, size_t n_rows,            \
                            const void *x, size_t k, const void *next)                             \
    {                                                                                              \
        (void)next;                                                                                \
        for (size_t r = 0; r < n_rows; r++)                                                        \
            out[r] = dot_##type((const uint8_t *)w + r * row_bytes, x, k, 1, 0);                   \
    }                                                                                              \
    static size_t panel_bytes_##type(size_t k)                                                     \
    {                                                                                              \
        return KW_PANEL_ROWS * (k / (block) * (bytes));                                            \
    }                                                                                              \
    static void panel_##type(void *panel, const void *w, size_t row_bytes, size_t n_rows,          \
                             size_t k)                                                             \
    {                                                                                              \
        const size_t packed = k / (block) * (bytes);                                               \
        memset(panel, 0, KW_PANEL_ROWS *packed);                                                   \
        for (size_t r = 0; r < n_rows; r++)                                                        \
            memcpy((uint8_t *)panel + r * packed, (const uint8_t *)w + r * row_bytes, packed);     \
    }                                                                                              \
    static void gemm_##type(const kw_gemm_args *a)                                                 \
    {                                                                                              \
        const size_t packed = a->k / (block) * (bytes);                                            \
        for (size_t c = 0; c < a->n_cols; c++)                                                     \
            for (size_t r = 0; r < a->n_rows; r++)                                                 \
                a->out[c * a->out_stride + r] = dot_##type((const uint8_t *)a->panel + r * packed, \
                                                           a->x, a->k, SCALAR_COLUMNS, c);         \
    }

SCALAR_MATMUL(q4_0, KW_QK, sizeof(kw_block_q4_0))
SCALAR_MATMUL(q4_1, KW_QK, sizeof(kw_block_q4_1))
SCALAR_MATMUL(q5_0, KW_QK, sizeof(kw_block_q5_0))
SCALAR_MATMUL(q5_1, KW_QK, sizeof(kw_block_q5_1))
SCALAR_MATMUL(q8_0, KW_QK, sizeof(kw_block_q8_0))
SCALAR_MATMUL(iq4_nl, KW_QK, sizeof(kw_block_iq4_nl))
SCALAR_MATMUL(mxfp4, KW_QK, sizeof(kw_block_mxfp4))
SCALAR_MATMUL(q2_k, KW_QK_K, sizeof(kw_block_q2_k))
SCALAR_MATMUL(q3_k, KW_QK_K, sizeof(kw_block_q3_k))
SCALAR_MATMUL(q4_k, KW_QK_K, sizeof(kw_block_q4_k))
SCALAR_MATMUL(q5_k, KW_QK_K, sizeof(kw_block_q5_k))
SCALAR_MATMUL(q6_k, KW_QK_K, sizeof(kw_block_q6_k))
SCALAR_MATMUL(iq2_xxs, KW_QK_K, sizeof(kw_block_iq2_xxs))
SCALAR_MATMUL(iq2_xs, KW_QK_K, sizeof(kw_block_iq2_xs))
SCALAR_MATMUL(iq2_s, KW_QK_K, sizeof(kw_block_iq2_s))
SCALAR_MATMUL(iq3_xxs, KW_QK_K, sizeof(kw_block_iq3_xxs))
SCALAR_MATMUL(iq3_s, KW_QK_K, sizeof(kw_block_iq3_s))
SCALAR_MATMUL(iq1_s, KW_QK_K, sizeof(kw_block_iq1_s))
SCALAR_MATMUL(iq1_m, KW_QK_K, sizeof(kw_block_iq1_m))
SCALAR_MATMUL(iq4_xs, KW_QK_K, sizeof(kw_block_iq4_xs))
SCALAR_MATMUL(tq1_0, KW_QK_K, sizeof(kw_block_tq1_0))
SCALAR_MATMUL(tq2_0, KW_QK_K, sizeof(kw_block_tq2_0))
SCALAR_MATMUL(f32, 1, 4)
SCALAR_MATMUL(f16, 1, 2)
SCALAR_MATMUL(bf16, 1, 2)

/* ---- the roofline: what dot_s32 and dot_f do with a pair, four at once ---- */

static uint64_t peak_int8(uint64_t rounds)
{
    volatile int8_t pair[2] = {3, 5}; /* const, gcc would make it a global */
    uint32_t sum[4] = {0};
    for (uint64_t r = 0; r < rounds; r++) {
        const int8_t w = pair[0], x = pair[1];
        for (int i = 0; i < 4; i++)
            sum[i] += (uint32_t)((w + i) * x);
    }
    const volatile uint32_t sink = sum[0] ^ sum[1] ^ sum[2] ^ sum[3];
    (void)sink;
    return rounds * 8;
}

static uint64_t peak_f32(uint64_t rounds)
{
    volatile float pair[2] = {0.5f, 0.25f};
    float sum[4] = {0};
    for (uint64_t r = 0; r < rounds; r++) {
        const float w = pair[0], x = pair[1];
        for (int i = 0; i < 4; i++)
            sum[i] = fmaf(w, x, sum[i]);
    }
    const volatile float sink = sum[0] + sum[1] + sum[2] + sum[3];
    (void)sink;
    return rounds * 8;
}
