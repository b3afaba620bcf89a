/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* golden_quant.c - the codecs against blocks that ggml's reference quantisers wrote (shared data
 * golden/quant): decoding to the bit, encoding to the byte where the reference has one answer, else
 * with no more squared error than the reference. */
#include "fixtures.h"

#include <math.h>

typedef struct golden {
    const kw_tensor_view *q, *y;
} golden;

static kw_model_file *open_golden(void)
{
    char path[1024];
    if (!shared_path("golden/quant/golden.safetensors", path))
        skip();
    return expect_open_path(path);
}

static bool find(const kw_model_file *file, const char *type, const char *kind, golden *out)
{
    char q[64], y[64];
    snprintf(q, sizeof q, "%s.%sq", type, kind);
    snprintf(y, sizeof y, "%s.%sy", type, kind);
    out->q = kw_model_file_tensor(file, kw_str_from(q));
    out->y = kw_model_file_tensor(file, kw_str_from(y));
    return out->q && out->y;
}

static const struct {
    kw_dtype dtype;
    const char *name;
    bool exact; /* the reference's bytes are the only answer */
} TYPES[] = {
    {KW_F16, "F16", true},          {KW_BF16, "BF16", true},      {KW_Q8_0, "Q8_0", true},
    {KW_Q4_0, "Q4_0", true},        {KW_Q2_K, "Q2_K", false},     {KW_Q3_K, "Q3_K", false},
    {KW_Q4_K, "Q4_K", false},       {KW_Q5_K, "Q5_K", false},     {KW_Q6_K, "Q6_K", false},
    {KW_IQ2_XXS, "IQ2_XXS", false}, {KW_IQ2_XS, "IQ2_XS", false}, {KW_IQ2_S, "IQ2_S", false},
    {KW_IQ3_XXS, "IQ3_XXS", false}, {KW_IQ3_S, "IQ3_S", false},   {KW_IQ1_S, "IQ1_S", false},
    {KW_IQ1_M, "IQ1_M", false},     {KW_Q4_1, "Q4_1", true},      {KW_Q5_0, "Q5_0", true},
    {KW_Q5_1, "Q5_1", true},        {KW_MXFP4, "MXFP4", true},    {KW_TQ1_0, "TQ1_0", true},
    {KW_TQ2_0, "TQ2_0", true},      {KW_IQ4_NL, "IQ4_NL", false}, {KW_IQ4_XS, "IQ4_XS", false}};
enum { N_TYPES = sizeof TYPES / sizeof TYPES[0] };

static float *floats(const kw_tensor_view *view)
{
    assert_int_equal(view->dtype, KW_F32);
    float *const x = malloc((size_t)view->bytes);
    assert_non_null(x);
    memcpy(x, view->data, (size_t)view->bytes);
    return x;
}

static void decode_equals_the_reference(void **state)
{
    (void)state;
    kw_model_file *const file = open_golden();
    unsigned n_checked = 0;
    for (size_t t = 0; t < N_TYPES; t++) {
        for (int random = 0; random < 2; random++) {
            golden g;
            if (!find(file, TYPES[t].name, random ? "rand_" : "", &g))
                continue;
            const size_t n = (size_t)g.y->bytes / sizeof(float);
            size_t packed = 0;
            assert_true(kw_row_bytes(TYPES[t].dtype, (int64_t)n, &packed));
            assert_int_equal(packed, g.q->bytes);
            float *const ours = malloc(n * sizeof(float)), *const theirs = floats(g.y);
            assert_non_null(ours);
            kw_dtype_info(TYPES[t].dtype)->decode(ours, g.q->data, n);
            for (size_t i = 0; i < n; i++) {
                if (memcmp(&ours[i], &theirs[i], sizeof ours[i]) != 0)
                    fail_msg("%s: element %zu: %.9g, reference %.9g", TYPES[t].name, i,
                             (double)ours[i], (double)theirs[i]);
            }
            n_checked++;
            free(ours);
            free(theirs);
        }
    }
    assert_int_equal(n_checked, 2 * N_TYPES - 5); /* no random blocks for f16, bf16, iq1, tq1_0 */
    kw_model_file_close(file);
}

/* The reference refuses to encode these without weights of the error. */
static bool had_importance(kw_dtype dtype)
{
    return dtype == KW_IQ2_XXS || dtype == KW_IQ2_XS || dtype == KW_IQ1_S || dtype == KW_IQ1_M;
}

static bool is_coarse(kw_dtype dtype)
{
    return (dtype >= KW_IQ2_XXS && dtype <= KW_IQ1_M) || dtype == KW_Q2_K || dtype == KW_Q3_K;
}

/* w: weights, or NULL */
static double squared_error(const float *x, const float *y, size_t n, const float *w)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += (w ? (double)w[i] : 1.0) * ((double)x[i] - (double)y[i]) *
               ((double)x[i] - (double)y[i]);
    return sum;
}

static void encode_is_as_good_as_the_reference(void **state)
{
    (void)state;
    kw_model_file *const file = open_golden();
    const kw_tensor_view *const input = kw_model_file_tensor(file, KW_STR("x"));
    const kw_tensor_view *const weights = kw_model_file_tensor(file, KW_STR("imatrix"));
    assert_non_null(input);
    assert_non_null(weights);
    float *const importance = floats(weights);
    const size_t rows = (size_t)input->shape.dim[0], n = (size_t)input->shape.dim[1];
    float *const x = floats(input), *const ours = malloc(n * sizeof(float));
    assert_non_null(ours);
    for (size_t t = 0; t < N_TYPES; t++) {
        golden g;
        size_t row_bytes = 0, n_better = 0;
        const float *const w = had_importance(TYPES[t].dtype) ? importance : NULL;
        assert_true(find(file, TYPES[t].name, "", &g));
        assert_true(kw_row_bytes(TYPES[t].dtype, (int64_t)n, &row_bytes));
        assert_int_equal(rows * row_bytes, g.q->bytes);
        float *const theirs = floats(g.y);
        unsigned char *const packed = malloc(row_bytes);
        assert_non_null(packed);
        for (size_t r = 0; r < rows; r++) {
            const unsigned char *const reference = (const unsigned char *)g.q->data + r * row_bytes;
            kw_dtype_info(TYPES[t].dtype)->encode(packed, x + r * n, n, w);
            if (TYPES[t].exact && memcmp(packed, reference, row_bytes) != 0)
                fail_msg("%s: row %zu is not the reference's", TYPES[t].name, r);
            kw_dtype_info(TYPES[t].dtype)->decode(ours, packed, n);
            const double error = squared_error(x + r * n, ours, n, w);
            const double bound = squared_error(x + r * n, theirs + r * n, n, w);
            /* With importances the aim is what a model predicts, not this error alone: most rows
             * have less of it, none a third more. */
            n_better += error <= bound;
            if (error > (is_coarse(TYPES[t].dtype) ? 4.0 / 3.0 : 1.0) * bound)
                fail_msg("%s: row %zu: squared error %g, reference %g", TYPES[t].name, r, error,
                         bound);
        }
        assert_true(2 * n_better > rows);
        free(packed);
        free(theirs);
    }
    free(importance);
    free(ours);
    free(x);
    kw_model_file_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_equals_the_reference),
        cmocka_unit_test(encode_is_as_good_as_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
