/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rows.inc.h - the definition of what happens to a row of activations, in plain C: quantisation,
 * norms, softmax, MAP programs, rotation. Sums over a row take sixteen lanes (sum_lanes). */

/* ---- quantisation ---- */

/* n elements that share a scale, from element `at` of the column on. As quant/q8_act.c: a nan
 * counts for nothing, and what cannot be scaled into a byte (nan, infinities) becomes 0. */
static inline void quantize_group(uint8_t *dst, const float *x, size_t at, size_t n, size_t cols,
                                  size_t col)
{
    float most = 0.0f;
    for (size_t i = at; i < at + n; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    const float d = most / 127.0f;
    const float inverse = most != 0.0f ? 127.0f / most : 0.0f;
    const bool wide = n == KW_QK_K && cols == KW_WIDE_COLUMNS;
    for (size_t group = at / KW_QK; group < (at + n) / KW_QK; group++) {
        const size_t i0 = wide ? group % (KW_QK_K / KW_QK) : 0;
        uint8_t *block = dst + (group - i0) * KW_ACT_BLOCK * cols;
        uint8_t *quants = block + i0 * 32 * cols;
        uint8_t *scale = block + (wide ? KW_QK_K + 4 * i0 : KW_QK) * cols;
        uint8_t *sums = scale + (wide ? 32 : 4) * cols;
        int16_t sum[2] = {0, 0};
        for (size_t i = 0; i < KW_QK; i++) {
            const float v = x[group * KW_QK + i] * inverse;
            const int8_t q = fabsf(v) < 128.0f ? (int8_t)rintf(v) : 0;
            quants[i / 4 * 4 * cols + 4 * col + i % 4] = (uint8_t)q;
            sum[i / 16] = (int16_t)(sum[i / 16] + q);
        }
        memcpy(scale + 4 * col, &d, sizeof d);
        memcpy(sums + 4 * col, sum, sizeof sum);
    }
}

static void quantize_a32(void *dst, const float *x, size_t k, size_t cols, size_t col)
{
    for (size_t at = 0; at < k; at += KW_QK)
        quantize_group(dst, x, at, KW_QK, cols, col);
}

static void quantize_a256(void *dst, const float *x, size_t k, size_t cols, size_t col)
{
    for (size_t at = 0; at < k; at += KW_QK_K)
        quantize_group(dst, x, at, KW_QK_K, cols, col);
}

static void f16_from_f32(uint16_t *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = kw_f16_from_f32(src[i]);
}

/* ---- norms and softmax ---- */

static float sum_of(const float *x, size_t n)
{
    float lane[16] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % 16] = lane[i % 16] + x[i];
    return sum_lanes(lane);
}

/* Sum of (x - mean)^2; sixteen lanes, a ragged tail padded with zeros. */
static float sum_of_squares(const float *x, float mean, size_t n)
{
    float lane[16] = {0};
    for (size_t i = 0; i < kw_align_up(n, 16); i++) {
        const float v = i < n ? x[i] - mean : 0.0f;
        lane[i % 16] = fmaf(v, v, lane[i % 16]);
    }
    return sum_lanes(lane);
}

static void rms_norm(float *y, const float *x, const float *w, size_t n, float eps)
{
    const float r = 1.0f / sqrtf(sum_of_squares(x, 0.0f, n) / (float)n + eps);
    for (size_t i = 0; i < n; i++) {
        const float v = x[i] * r;
        y[i] = w ? v * w[i] : v;
    }
}

static void layer_norm(float *y, const float *x, const float *w, const float *b, size_t n,
                       float eps)
{
    const float mean = sum_of(x, n) / (float)n;
    const float r = 1.0f / sqrtf(sum_of_squares(x, mean, n) / (float)n + eps);
    for (size_t i = 0; i < n; i++) {
        float v = (x[i] - mean) * r;
        v = w ? v * w[i] : v;
        y[i] = b ? v + b[i] : v;
    }
}

static void softmax(float *x, size_t n)
{
    float most = -INFINITY;
    for (size_t i = 0; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (size_t i = 0; i < n; i++)
        x[i] = kw_expf(x[i] - most);
    const float inverse = 1.0f / sum_of(x, n);
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] * inverse;
}

static void scale(float *y, const float *x, float factor, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * factor;
}

/* ---- MAP ---- */

static float map_apply(const kw_map_instr *in, const float *reg)
{
    const float a = reg[in->a], b = reg[in->b];
    switch ((kw_map_op)in->op) {
    case KW_MAP_CONST:
        return in->imm;
    case KW_MAP_ADD:
        return a + b;
    case KW_MAP_SUB:
        return a - b;
    case KW_MAP_MUL:
        return a * b;
    case KW_MAP_DIV:
        return a / b;
    case KW_MAP_MAX:
        return a > b ? a : b;
    case KW_MAP_MIN:
        return a < b ? a : b;
    case KW_MAP_NEG:
        return -a;
    case KW_MAP_ABS:
        return fabsf(a);
    case KW_MAP_SQRT:
        return sqrtf(a);
    case KW_MAP_RSQRT:
        return 1.0f / sqrtf(a);
    case KW_MAP_EXP:
        return kw_expf(a);
    case KW_MAP_LOG:
        return kw_logf(a);
    case KW_MAP_TANH:
        return kw_tanhf(a);
    case KW_MAP_ERF:
        return kw_erff(a);
    case KW_MAP_SIGMOID:
        return 1.0f / (1.0f + kw_expf(-a));
    case KW_N_MAP_OPS:
        break;
    }
    return 0.0f;
}

static void map(const kw_map_program *program, float *out, const float *const *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float reg[KW_MAP_MAX_SRC + KW_MAP_MAX_INSTR] = {0};
        int top = program->n_src;
        for (int s = 0; s < program->n_src; s++)
            reg[s] = src[s] ? src[s][i] : 0.0f;
        for (int j = 0; j < program->n_instr; j++)
            reg[top++] = map_apply(&program->instr[j], reg);
        out[i] = reg[top - 1];
    }
}

static void map_add(float *out, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] + b[i];
}

static void map_mul(float *out, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] * b[i];
}

static void map_silu_mul(float *out, const float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (gate[i] * (1.0f / (1.0f + kw_expf(-gate[i])))) * up[i];
}

/* ---- rotation ---- */

static void rope(float *x, const float *cos_sin, size_t n_rot, int adjacent)
{
    const size_t half = n_rot / 2;
    for (size_t i = 0; i < half; i++) {
        const float c = cos_sin[2 * i], s = cos_sin[2 * i + 1];
        float *a = adjacent ? x + 2 * i : x + i;
        float *b = adjacent ? x + 2 * i + 1 : x + i + half;
        const float va = *a, vb = *b;
        *a = fmaf(va, c, -(vb * s));
        *b = fmaf(va, s, vb * c);
    }
}
