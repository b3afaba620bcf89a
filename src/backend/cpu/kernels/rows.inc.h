/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rows.inc.h - quantisation, conversion, norms, softmax and rotation of one row. Sums over a row
 * keep sixteen lanes, which makes the vector the definition; ragged ends are padded with zeros. */

/* ---- quantisation ---- */

/* d and 127 / amax of n elements, a multiple of 32. */
static KV_INLINE void group_scale(const float *x, size_t n, float *d, float *inverse)
{
    kv_f most = kv_zero();
    for (size_t i = 0; i < n; i += 16)
        most = kv_max(v_abs(kv_load(x + i)), most);
    const float largest = kv_largest(most);
    *d = largest / 127.0f;
    *inverse = largest != 0.0f ? 127.0f / largest : 0.0f;
}

/* Where the parts of a group of 32 go. */
typedef struct block_place {
    uint8_t *q, *d, *sums;
} block_place;

/* Group `index` of the tile at dst; `group`: elements that share a scale. */
static KV_INLINE block_place place_of(uint8_t *dst, size_t index, size_t group, size_t cols)
{
    if (group == KW_QK || cols != KW_WIDE_COLUMNS) {
        uint8_t *block = dst + index * KW_ACT_BLOCK * cols;
        return (block_place){block, block + 32 * cols, block + 36 * cols};
    }
    const size_t at = index % (KW_QK_K / KW_QK);
    uint8_t *super = dst + (index - at) * KW_ACT_BLOCK * cols;
    return (block_place){super + at * 32 * cols, super + (256 + 4 * at) * cols,
                         super + (288 + 4 * at) * cols};
}

/* One group of 32 into column col of a block of cols columns. */
static KV_INLINE void quantize_block(block_place to, const float *x, float d, float inverse,
                                     size_t cols, size_t col)
{
    int8_t q[KW_QK];
    const kv_f scale = kv_set1(inverse);
    const int16_t sums[2] = {(int16_t)kv_store_i8(q, kv_mul(kv_load(x), scale)),
                             (int16_t)kv_store_i8(q + 16, kv_mul(kv_load(x + 16), scale))};
    if (cols == 1)
        memcpy(to.q, q, KW_QK);
    else
        for (size_t i = 0; i < KW_QK; i += 4)
            memcpy(to.q + i * cols + 4 * col, q + i, 4);
    memcpy(to.d + 4 * col, &d, sizeof d);
    memcpy(to.sums + 4 * col, sums, sizeof sums);
}

static KV_INLINE void quantize(void *dst, const float *x, size_t k, size_t cols, size_t col,
                               size_t group)
{
    for (size_t at = 0; at < k; at += group) {
        float d, inverse;
        group_scale(x + at, group, &d, &inverse);
        for (size_t i = 0; i < group; i += KW_QK)
            quantize_block(place_of(dst, (at + i) / KW_QK, group, cols), x + at + i, d, inverse,
                           cols, col);
    }
}

static void quantize_a32(void *dst, const float *x, size_t k, size_t cols, size_t col)
{
    quantize(dst, x, k, cols, col, KW_QK);
}

static void quantize_a256(void *dst, const float *x, size_t k, size_t cols, size_t col)
{
    quantize(dst, x, k, cols, col, KW_QK_K);
}

/* ---- conversion ---- */

static KV_INLINE void decode(float *dst, const void *src, size_t n, const f_type type)
{
    const uint8_t *p = src;
    const size_t whole = n / 16 * 16;
    for (size_t i = 0; i < whole; i += 16)
        kv_store(dst + i, load_f(type, p + i * type.bytes));
    store_part(dst + whole, load_f_part(p + whole * type.bytes, n - whole, type), n - whole);
}

static void decode_f16(float *dst, const void *src, size_t n)
{
    decode(dst, src, n, TYPE_F16);
}

static void decode_bf16(float *dst, const void *src, size_t n)
{
    decode(dst, src, n, TYPE_BF16);
}

static void f16_from_f32(uint16_t *dst, const float *src, size_t n)
{
    const size_t whole = n / 16 * 16;
    for (size_t i = 0; i < whole; i += 16)
        kv_store_f16(dst + i, kv_load(src + i));
    uint16_t lanes[16];
    kv_store_f16(lanes, load_part(src + whole, n - whole));
    memcpy(dst + whole, lanes, (n - whole) * sizeof *dst);
}

/* ---- norms and softmax ---- */

/* Sum of (x - mean)^2. */
static KV_INLINE float sum_of_squares(const float *x, float mean, size_t n)
{
    const kv_f m = kv_set1(mean);
    const size_t whole = n / 16 * 16;
    kv_f lanes = kv_zero();
    for (size_t i = 0; i < whole; i += 16) {
        const kv_f v = kv_sub(kv_load(x + i), m);
        lanes = kv_fma(v, v, lanes);
    }
    if (whole < n) {
        float rest[16] = {0};
        for (size_t i = whole; i < n; i++)
            rest[i - whole] = x[i] - mean;
        const kv_f v = kv_load(rest);
        lanes = kv_fma(v, v, lanes);
    }
    return kv_sum(lanes);
}

static KV_INLINE float sum_of(const float *x, size_t n)
{
    const size_t whole = n / 16 * 16;
    kv_f lanes = kv_zero();
    for (size_t i = 0; i < whole; i += 16)
        lanes = kv_add(lanes, kv_load(x + i));
    if (whole < n)
        lanes = kv_add(lanes, load_part(x + whole, n - whole));
    return kv_sum(lanes);
}

static void rms_norm(float *y, const float *x, const float *w, size_t n, float eps)
{
    const float r = 1.0f / sqrtf(sum_of_squares(x, 0.0f, n) / (float)n + eps);
    const kv_f scale = kv_set1(r);
    const size_t whole = n / 16 * 16;
    for (size_t i = 0; i < whole; i += 16) {
        const kv_f v = kv_mul(kv_load(x + i), scale);
        kv_store(y + i, w ? kv_mul(v, kv_load(w + i)) : v);
    }
    for (size_t i = whole; i < n; i++)
        y[i] = w ? x[i] * r * w[i] : x[i] * r;
}

static void layer_norm(float *y, const float *x, const float *w, const float *b, size_t n,
                       float eps)
{
    const float mean = sum_of(x, n) / (float)n;
    const float r = 1.0f / sqrtf(sum_of_squares(x, mean, n) / (float)n + eps);
    const kv_f scale = kv_set1(r), m = kv_set1(mean);
    const size_t whole = n / 16 * 16;
    for (size_t i = 0; i < whole; i += 16) {
        kv_f v = kv_mul(kv_sub(kv_load(x + i), m), scale);
        v = w ? kv_mul(v, kv_load(w + i)) : v;
        kv_store(y + i, b ? kv_add(v, kv_load(b + i)) : v);
    }
    for (size_t i = whole; i < n; i++) {
        float v = (x[i] - mean) * r;
        v = w ? v * w[i] : v;
        y[i] = b ? v + b[i] : v;
    }
}

static void scale(float *y, const float *x, float factor, size_t n)
{
    const kv_f f = kv_set1(factor);
    const size_t whole = n / 16 * 16;
    for (size_t i = 0; i < whole; i += 16)
        kv_store(y + i, kv_mul(kv_load(x + i), f));
    for (size_t i = whole; i < n; i++)
        y[i] = x[i] * factor;
}

static void softmax(float *x, size_t n)
{
    const size_t whole = n / 16 * 16;
    kv_f lanes = kv_set1(-INFINITY);
    for (size_t i = 0; i < whole; i += 16)
        lanes = kv_max(kv_load(x + i), lanes);
    float most = kv_largest(lanes);
    for (size_t i = whole; i < n; i++)
        most = x[i] > most ? x[i] : most;
    const kv_f m = kv_set1(most);
    for (size_t i = 0; i < whole; i += 16)
        kv_store(x + i, v_exp(kv_sub(kv_load(x + i), m)));
    store_part(x + whole, v_exp(kv_sub(load_part(x + whole, n - whole), m)), n - whole);
    scale(x, x, 1.0f / sum_of(x, n), n);
}

/* ---- rotation ---- */

static KV_INLINE void rotate(kv_f *a, kv_f *b, const float *cos_sin)
{
    kv_f c, s;
    kv_load_pairs(cos_sin, &c, &s);
    const kv_f x = *a, y = *b;
    *a = kv_fma(x, c, v_neg(kv_mul(y, s)));
    *b = kv_fma(x, s, kv_mul(y, c));
}

static void rope_halves(float *x, const float *cos_sin, size_t half)
{
    size_t i = 0;
    for (; i + 16 <= half; i += 16) {
        kv_f a = kv_load(x + i), b = kv_load(x + half + i);
        rotate(&a, &b, cos_sin + 2 * i);
        kv_store(x + i, a);
        kv_store(x + half + i, b);
    }
    if (i < half) {
        float angles[32] = {0};
        memcpy(angles, cos_sin + 2 * i, 2 * (half - i) * sizeof *angles);
        kv_f a = load_part(x + i, half - i), b = load_part(x + half + i, half - i);
        rotate(&a, &b, angles);
        store_part(x + i, a, half - i);
        store_part(x + half + i, b, half - i);
    }
}

static void rope_adjacent(float *x, const float *cos_sin, size_t half)
{
    for (size_t i = 0; i < half; i += 16) {
        const size_t n = KW_MIN(half - i, 16);
        float pairs[32] = {0}, angles[32] = {0};
        memcpy(pairs, x + 2 * i, 2 * n * sizeof *pairs);
        memcpy(angles, cos_sin + 2 * i, 2 * n * sizeof *angles);
        kv_f a, b;
        kv_load_pairs(pairs, &a, &b);
        rotate(&a, &b, angles);
        kv_store_pairs(pairs, a, b);
        memcpy(x + 2 * i, pairs, 2 * n * sizeof *pairs);
    }
}

static void rope(float *x, const float *cos_sin, size_t n_rot, int adjacent)
{
    if (adjacent)
        rope_adjacent(x, cos_sin, n_rot / 2);
    else
        rope_halves(x, cos_sin, n_rot / 2);
}
