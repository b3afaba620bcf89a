/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* position_bias.c - ALiBi's slopes and T5's buckets against values that were computed apart, by the
 * formulae of Hugging Face's build_alibi_tensor (Python floats) and _relative_position_bucket
 * (NumPy in f32); and the tables made of them. */
#include "model/blocks/position_bias.h"

#include "base/check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static kw_graph *new_graph(void)
{
    static const int64_t bound[KW_N_EXTENTS] = {0, 8, 3};
    kw_graph *g = NULL;
    assert_int_equal(kw_graph_create(bound, &g, NULL), KW_OK);
    return g;
}

static void slopes(void **state)
{
    static const struct {
        int heads, head;
        double slope;
    } known[] = {{1, 0, 0.00390625},
                 {8, 0, 0.5},
                 {8, 2, 0.125},
                 {8, 7, 0.00390625},
                 {12, 7, 0.00390625},
                 {12, 8, 0.7071067811865476},
                 {12, 10, 0.17677669529663695},
                 {12, 11, 0.08838834764831849},
                 {71, 0, 0.9170040432046712},
                 {71, 2, 0.7711054127039704},
                 {71, 69, 0.6209289060367424},
                 {71, 70, 0.5693943173783462}};
    float slope[71];
    (void)state;
    for (size_t i = 0; i < KW_COUNT(known); i++) {
        kw_alibi_slopes(known[i].heads, slope);
        assert_true(slope[known[i].head] == (float)known[i].slope);
    }
}

static void alibi_is_a_line(void **state)
{
    enum { HEADS = 12, N = 50 };
    kw_graph *g = new_graph();
    float slope[HEADS];
    int first = 0;
    (void)state;
    const kw_ref bias = kw_alibi_bias(g, HEADS, N, 0.125f, &first);
    assert_int_equal(first, 1 - N);
    assert_true(bias.id != 0);
    assert_true(kw_shape_eq(kw_graph_node(g, bias.id)->shape, SHAPE(HEADS, N)));
    kw_alibi_slopes(HEADS, slope);
    const float *table = kw_graph_node(g, bias.id)->weight.data;
    for (int h = 0; h < HEADS; h++)
        for (int i = 0; i < N; i++)
            assert_true(table[h * N + i] == 0.125f * slope[h] * (float)(i + first));
    assert_int_equal(kw_alibi_bias(g, HEADS, (int64_t)1 << 40, 1, &first).id, 0);
    assert_int_equal(g->error.code, KW_E_NOMEM);
    kw_graph_free(g);
}

/* Where buckets begin, going away from the query. */
static void check_buckets(const kw_bucket_config *c, const int *behind, int n_behind,
                          const int *ahead, int n_ahead)
{
    for (int away = 0, b = 0, a = 0; away <= c->max_distance + 3; away++) {
        b += b + 1 < n_behind && away >= behind[b + 1];
        assert_int_equal(kw_bucket(c, -away), b);
        if (away == 0)
            continue;
        a += a + 1 < n_ahead && away >= ahead[a + 1];
        assert_int_equal(kw_bucket(c, away), c->bidirectional ? c->buckets / 2 + a : 0);
    }
}

static void buckets(void **state)
{
    static const int both[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91};
    static const int back[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                               16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113};
    static const int few[] = {0, 1, 2, 7};
    static const int twelve[] = {0, 1, 2, 3, 4, 5, 6, 9, 14, 20, 30, 44};
    (void)state;
    check_buckets(&(kw_bucket_config){1, 32, 128, true}, both, 16, both, 16);
    check_buckets(&(kw_bucket_config){1, 32, 128, false}, back, 32, NULL, 0);
    check_buckets(&(kw_bucket_config){1, 8, 20, true}, few, 4, few, 4);
    check_buckets(&(kw_bucket_config){1, 12, 64, false}, twelve, 12, NULL, 0);
}

static void buckets_become_a_table(void **state)
{
    kw_graph *g = new_graph();
    float weight[32][3];
    int first = 0;
    (void)state;
    for (int b = 0; b < 32; b++)
        for (int h = 0; h < 3; h++)
            weight[b][h] = (float)(100 * b + h);
    for (int both = 0; both < 2; both++) {
        const kw_bucket_config c = {3, 32, 128, both};
        const kw_ref bias = kw_bucket_bias(g, &c, weight[0], &first);
        const int n = both ? 257 : 129;
        assert_int_equal(first, -128);
        assert_true(kw_shape_eq(kw_graph_node(g, bias.id)->shape, SHAPE(3, n)));
        const float *table = kw_graph_node(g, bias.id)->weight.data;
        for (int h = 0; h < 3; h++)
            for (int i = 0; i < n; i++)
                assert_true(table[h * n + i] == weight[kw_bucket(&c, first + i)][h]);
        /* the ends, which are repeated, are the last buckets */
        for (int64_t far = 128; far < 100000; far += 1001) {
            assert_int_equal(kw_bucket(&c, -far), kw_bucket(&c, -128));
            assert_int_equal(kw_bucket(&c, far), kw_bucket(&c, both ? 128 : 0));
        }
    }
    kw_graph_free(g);
}

static void senseless_buckets_are_refused(void **state)
{
    static const kw_bucket_config bad[] = {
        {2, 3, 128, true},  {2, 1, 128, false},   {2, 0, 128, false},   {2, -4, 128, true},
        {2, 32, 16, false}, {2, 32, 65537, true}, {2, 4097, 9999, true}};
    static const float weight[1] = {0};
    int first;
    (void)state;
    for (size_t i = 0; i < KW_COUNT(bad); i++) {
        kw_graph *g = new_graph();
        assert_int_equal(kw_bucket_bias(g, &bad[i], weight, &first).id, 0);
        assert_int_equal(g->error.code, KW_E_FORMAT);
        kw_graph_free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slopes),
        cmocka_unit_test(alibi_is_a_line),
        cmocka_unit_test(buckets),
        cmocka_unit_test(buckets_become_a_table),
        cmocka_unit_test(senseless_buckets_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
