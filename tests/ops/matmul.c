/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* matmul.c - matmul through a plan: every weight type, odd numbers of rows and tokens, the buckets
 * of one token and of many, with bias, residual and other epilogues; against a reference in double
 * precision that quantises activations as the definition says, and the same bits on every
 * instruction set. */
#include "ops_test.h"

typedef enum epilogue { PLAIN, BIAS, RESIDUAL, BIAS_AND_RESIDUAL, SQUASHED, N_EPILOGUES } epilogue;

typedef struct product {
    kw_dtype dtype;
    int64_t tokens, n, k;
    epilogue epilogue;
    float *x, *bias, *residual; /* [tokens][k], [n], [tokens][n] */
    void *w;
    float *w_values; /* [n][k], decoded */
} product;

static product new_product(kw_dtype dtype, int64_t tokens, int64_t n, int64_t k, epilogue e)
{
    const uint64_t seed = (uint64_t)(dtype * 1000 + tokens * 31 + n * 7 + k);
    product p = {dtype, tokens, n, k, e, NULL, NULL, NULL, NULL, NULL};
    size_t bytes = 0;
    assert_true(kw_tensor_bytes(dtype, SHAPE(n, k), &bytes));
    p.x = random_rows(seed, (size_t)(tokens * k), 2);
    p.bias = random_rows(seed + 1, (size_t)n, 3);
    p.residual = random_rows(seed + 2, (size_t)(tokens * n), 3);
    p.w = fresh(bytes);
    p.w_values = random_rows(seed + 3, (size_t)(n * k), 1);
    for (int64_t i = 0; i < k; i++)
        p.x[i] *= i % 7 == 0 ? 10.0f : 1.0f; /* outliers in the first row */
    const kw_dtype_traits *type = kw_dtype_info(dtype);
    type->encode(p.w, p.w_values, (size_t)(n * k), NULL);
    type->decode(p.w_values, p.w, (size_t)(n * k));
    return p;
}

static void free_product(product *p)
{
    free(p->x);
    free(p->bias);
    free(p->residual);
    free(p->w);
    free(p->w_values);
}

/* What the integer kernels see of a row: int8 steps of amax / 127 for each `group` elements. */
static void quantise(double *out, const float *x, int64_t k, int64_t group)
{
    for (int64_t g = 0; g < k; g += group) {
        float amax = 0;
        for (int64_t i = g; i < g + group; i++)
            amax = fabsf(x[i]) > amax ? fabsf(x[i]) : amax;
        const float inverse = amax > 0 ? 127.0f / amax : 0;
        for (int64_t i = g; i < g + group; i++)
            out[i] = (double)rintf(x[i] * inverse) * (double)(amax / 127.0f);
    }
}

static double apply(const product *p, double y, int64_t t, int64_t r)
{
    const double bias = (double)p->bias[r], residual = (double)p->residual[t * p->n + r];
    switch (p->epilogue) {
    case BIAS:
        return y + bias;
    case RESIDUAL:
        return residual + y;
    case BIAS_AND_RESIDUAL:
        return residual + (y + bias);
    case SQUASHED:
        return tanh(y) * bias;
    default:
        return y;
    }
}

static void reference(const product *p, double *want, double *slack)
{
    const int64_t group = kw_dtype_info(p->dtype)->block_elems; /* of activations too */
    double *x = fresh((size_t)p->k * sizeof *x);
    for (int64_t t = 0; t < p->tokens; t++) {
        for (int64_t i = 0; i < p->k; i++)
            x[i] = (double)p->x[t * p->k + i];
        if (group > 1)
            quantise(x, p->x + t * p->k, p->k, group);
        for (int64_t r = 0; r < p->n; r++) {
            double sum = 0, size = 1;
            for (int64_t i = 0; i < p->k; i++) {
                const double term = (double)p->w_values[r * p->k + i] * x[i];
                sum += term;
                size += fabs(term);
            }
            want[t * p->n + r] = apply(p, sum, t, r);
            slack[t * p->n + r] = size * (p->epilogue == SQUASHED ? 4 : 1);
        }
    }
    free(x);
}

static kw_ref build(const product *p, kw_graph *g)
{
    /* tanh(product) * bias */
    const kw_map_program squash = {2, 2, {{KW_MAP_TANH, 1, 0, 0}, {KW_MAP_MUL, 2, 0, 0}}};
    const kw_ref ids = kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
    const kw_ref x = fed(g, ids, p->x, p->tokens, p->k);
    const kw_ref bias = kw_weight_leaf(g, "bias", KW_F32, SHAPE(p->n), p->bias);
    const kw_ref y = kw_matmul(g, x, kw_weight_leaf(g, "w", p->dtype, SHAPE(p->n, p->k), p->w));
    switch (p->epilogue) {
    case BIAS:
        return kw_add(g, y, bias);
    case RESIDUAL:
        return kw_add(g, fed(g, ids, p->residual, p->tokens, p->n), y);
    case BIAS_AND_RESIDUAL:
        return kw_add(g, fed(g, ids, p->residual, p->tokens, p->n), kw_add(g, y, bias));
    case SQUASHED:
        return kw_pointwise(g, &squash, (kw_ref[]){bias, y}, 2);
    default:
        return y;
    }
}

static void check_product(kw_dtype dtype, int64_t tokens, int64_t n, int64_t k, epilogue e)
{
    char what[80];
    product p = new_product(dtype, tokens, n, k, e);
    kw_graph *g = graph_of(tokens, 1);
    double *want = fresh((size_t)(tokens * n) * sizeof *want);
    double *slack = fresh((size_t)(tokens * n) * sizeof *slack);
    (void)snprintf(what, sizeof what, "%s [%d, %d] by %d tokens, epilogue %d",
                   kw_dtype_info(dtype)->name, (int)n, (int)k, (int)tokens, (int)e);
    kw_graph_output(g, build(&p, g));
    reference(&p, want, slack);
    check_rows(g, tokens, (size_t)n, want, slack, 1e-5, what);
    free(want);
    free(slack);
    kw_graph_free(g);
    free_product(&p);
}

static const kw_dtype types[] = {
    KW_F32,  KW_F16,     KW_BF16,   KW_Q8_0,  KW_Q4_0,    KW_Q2_K,  KW_Q3_K,  KW_Q4_K,  KW_Q5_K,
    KW_Q6_K, KW_IQ2_XXS, KW_IQ2_XS, KW_IQ2_S, KW_IQ3_XXS, KW_IQ3_S, KW_IQ1_S, KW_IQ1_M, KW_Q4_1,
    KW_Q5_0, KW_Q5_1,    KW_IQ4_NL, KW_MXFP4, KW_IQ4_XS,  KW_TQ1_0, KW_TQ2_0};

static void products_of_a_type(void **state)
{
    static const int64_t tokens[] = {1, 2, 3, 4, 7, 33}, rows[] = {1, 3, 31, 33, 70};
    const kw_dtype dtype = *(const kw_dtype *)*state;
    int case_number = 0;
    for (size_t t = 0; t < KW_COUNT(tokens); t++)
        for (size_t r = 0; r < KW_COUNT(rows); r++, case_number++)
            check_product(dtype, tokens[t], rows[r], case_number % 2 ? 512 : 256,
                          (epilogue)(case_number % N_EPILOGUES));
}

/* Float rows need no whole blocks. */
static void odd_columns(void **state)
{
    static const kw_dtype floats[] = {KW_F32, KW_F16, KW_BF16};
    static const int64_t columns[] = {1, 15, 17, 100, 259};
    (void)state;
    for (size_t f = 0; f < KW_COUNT(floats); f++)
        for (size_t c = 0; c < KW_COUNT(columns); c++) {
            check_product(floats[f], 1, 9, columns[c], PLAIN);
            check_product(floats[f], 6, 37, columns[c], BIAS);
        }
    static const kw_dtype blocks[] = {KW_Q8_0, KW_Q4_0};
    for (size_t f = 0; f < KW_COUNT(blocks); f++)
        for (int64_t k = 32; k <= 160; k += 64) {
            check_product(blocks[f], 1, 9, k, PLAIN);
            check_product(blocks[f], 6, 37, k, BIAS);
        }
}

/* Rows long and many enough for several chunks a worker. */
static void many_chunks(void **state)
{
    (void)state;
    for (size_t i = 0; i < KW_COUNT(types); i++) {
        check_product(types[i], 1, 1531, 256, RESIDUAL);
        check_product(types[i], 3, 1531, 256, RESIDUAL);
    }
}

/* So many activations that a chunk of the batch is more than one panel. */
static void many_panels(void **state)
{
    (void)state;
    check_product(KW_F32, 270, 275, 1024, BIAS_AND_RESIDUAL);
    check_product(KW_Q4_0, 425, 275, 2048, RESIDUAL);
}

/* The types of the table are all of the types that the CPU multiplies: a new one belongs here. */
static void all_types_are_tested(void **state)
{
    (void)state;
    kw_device *device = device_of(NULL, 1);
    size_t n = 0;
    assert_non_null(device);
    for (int d = 0; d < KW_N_DTYPES; d++)
        n += kw_cpu_device_kernels(device)->matmul[d].weight_class != KW_CLASS_NONE;
    assert_int_equal(n, KW_COUNT(types));
    kw_cpu_backend.close(device);
}

int main(void)
{
    struct CMUnitTest tests[KW_COUNT(types) + 4];
    for (size_t i = 0; i < KW_COUNT(types); i++)
        tests[i] = (struct CMUnitTest){kw_dtype_info(types[i])->name, products_of_a_type, NULL,
                                       NULL, (void *)(uintptr_t)&types[i]};
    tests[KW_COUNT(types)] = (struct CMUnitTest)cmocka_unit_test(odd_columns);
    tests[KW_COUNT(types) + 1] = (struct CMUnitTest)cmocka_unit_test(many_chunks);
    tests[KW_COUNT(types) + 2] = (struct CMUnitTest)cmocka_unit_test(many_panels);
    tests[KW_COUNT(types) + 3] = (struct CMUnitTest)cmocka_unit_test(all_types_are_tested);
    return _cmocka_run_group_tests("matmul", tests, KW_COUNT(tests), NULL, NULL);
}
