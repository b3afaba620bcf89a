/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* activations.c - the nonlinearities of feed-forward layers against their formulas in double
 * precision, and the same bits on every instruction set. */
#include "model/blocks/activation.h"
#include "ops/ops_test.h"

enum { TOKENS = 5, N = 77 };

static double reference(kw_activation activation, double x)
{
    switch (activation) {
    case KW_SILU:
        return x / (1 + exp(-x));
    case KW_GELU:
        return x / 2 * (1 + erf(x / sqrt(2)));
    case KW_GELU_TANH:
        return x / 2 * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    case KW_GELU_QUICK:
        return x / (1 + exp(-1.702 * x));
    case KW_RELU:
        return x > 0 ? x : 0;
    case KW_RELU_SQUARED:
        return x > 0 ? x * x : 0;
    case KW_N_ACTIVATIONS:
        break;
    }
    return 0;
}

static void each_computes_its_formula(void **state)
{
    float *x = random_rows(1, TOKENS * N, 9), *up = random_rows(2, TOKENS * N, 3);
    double *plain = fresh(TOKENS * N * sizeof *plain), *gated = fresh(TOKENS * N * sizeof *gated);
    (void)state;
    for (int a = 0; a < KW_N_ACTIVATIONS; a++) {
        for (int i = 0; i < TOKENS * N; i++) {
            plain[i] = reference((kw_activation)a, (double)x[i]);
            gated[i] = plain[i] * (double)up[i];
        }
        kw_graph *g = graph_of(TOKENS, 1);
        const kw_ref ids = kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
        kw_graph_output(g, kw_activate(g, fed(g, ids, x, TOKENS, N), (kw_activation)a));
        check_rows(g, TOKENS, N, plain, NULL, 1e-5, "activation");
        kw_graph_free(g);
        g = graph_of(TOKENS, 1);
        const kw_ref in = kw_input_leaf(g, "ids", KW_EXTENT_TOKENS);
        kw_graph_output(g, kw_activate_mul(g, fed(g, in, x, TOKENS, N), fed(g, in, up, TOKENS, N),
                                           (kw_activation)a));
        check_rows(g, TOKENS, N, gated, NULL, 3e-5, "gate");
        kw_graph_free(g);
    }
    free(gated);
    free(plain);
    free(up);
    free(x);
}

static void names_are_known(void **state)
{
    kw_activation a = KW_RELU;
    kw_error err = {0};
    (void)state;
    assert_int_equal(kw_activation_by_name(KW_STR(""), &a, &err), KW_OK);
    assert_int_equal(a, KW_RELU);
    assert_int_equal(kw_activation_by_name(KW_STR("gelu_new"), &a, &err), KW_OK);
    assert_int_equal(a, KW_GELU_TANH);
    assert_int_equal(kw_activation_by_name(KW_STR("gelu"), &a, &err), KW_OK);
    assert_int_equal(a, KW_GELU);
    assert_int_equal(kw_activation_by_name(KW_STR("gelu2"), &a, &err), KW_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "\"gelu2\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_computes_its_formula),
        cmocka_unit_test(names_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
