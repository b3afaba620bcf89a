/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* imatrix_experts.c - importances of experts: what each is given is counted and summed apart, as
 * the router says, and each expert's rows are quantised by its own.
 *
 * The model is decoders/mixtral: 3 experts, 2 for each token. Every token's row goes to 2 of them,
 * so that their sums together are twice the router's, which reads the same rows. */
#include "support/golden.h"

#include "base/check.h"
#include "engine/collect.h"
#include "engine/quantize.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { EXPERTS = 3, USED = 2, DIM = 32, FFN = 32, WINDOW = 40, WINDOWS = 2, VOCAB = 40 };

typedef struct rig {
    const char *model;
    char importances[32], quantised[32];
} rig;

static void must(kw_status status, const kw_error *err)
{
    if (status != KW_OK)
        fail_msg("%s", err->message);
}

static void collect(const char *dir, const char *path)
{
    kw_engine *engine = NULL;
    kw_model *model = NULL;
    kw_error err = {0};
    int32_t ids[WINDOW * WINDOWS];
    size_t n_entries = 0, n_windows = 0;
    const kw_collect_config config = {.window = WINDOW};
    for (size_t i = 0; i < KW_COUNT(ids); i++)
        ids[i] = (int32_t)(i * 17 % VOCAB);
    must(kw_engine_open(NULL, &engine, &err), &err);
    must(kw_model_load(engine, dir, NULL, &model, &err), &err);
    must(kw_imatrix_collect(model, ids, KW_COUNT(ids), path, &config, &n_entries, &n_windows, &err),
         &err);
    assert_int_equal(n_windows, WINDOWS);
    assert_int_equal(n_entries, 4 + 1 + 3); /* q, k, v, output; the router; gate, up, down */
    kw_model_close(model);
    kw_engine_close(engine);
}

static void quantise(const rig *r)
{
    kw_engine *engine = NULL;
    kw_model_file *file = NULL;
    kw_imatrix *importances = NULL;
    kw_quantize_result result;
    kw_error err = {0};
    must(kw_engine_open(NULL, &engine, &err), &err);
    must(kw_model_file_open(r->model, NULL, &file, &err), &err);
    must(kw_imatrix_open(r->importances, &importances, &err), &err);
    const kw_quantize_config config = {.type = "Q4_0", .pure = true, .imatrix = importances};
    must(kw_quantize(engine, file, r->quantised, &config, &result, &err), &err);
    kw_imatrix_close(importances);
    kw_model_file_close(file);
    kw_engine_close(engine);
}

static int set_up(void **state)
{
    static rig r;
    r = (rig){golden_path("decoders/mixtral"), "/tmp/kw-imatrix-XXXXXX", "/tmp/kw-experts-XXXXXX"};
    assert_non_null(r.model);
    assert_int_equal(close(mkstemp(r.importances)), 0);
    assert_int_equal(close(mkstemp(r.quantised)), 0);
    collect(r.model, r.importances);
    quantise(&r);
    *state = &r;
    return 0;
}

static int tear_down(void **state)
{
    const rig *const r = *state;
    return remove(r->importances) | remove(r->quantised);
}

static const float *floats(const kw_model_file *file, const char *name, kw_shape shape)
{
    const kw_tensor_view *const view = kw_model_file_tensor(file, kw_str_from(name));
    assert_non_null(view);
    assert_int_equal(view->dtype, KW_F32);
    assert_true(kw_shape_eq(view->shape, shape));
    return view->data;
}

static void sums_are_of_what_each_is_given(void **state)
{
    const rig *const r = *state;
    kw_model_file *file;
    assert_int_equal(kw_model_file_open(r->importances, NULL, &file, NULL), KW_OK);
    const float *const router = floats(file, "blk.0.ffn_gate_inp.weight.in_sum2", SHAPE(1, DIM));
    const float *const up = floats(file, "blk.0.ffn_up_exps.weight.in_sum2", SHAPE(EXPERTS, DIM));
    const float *const gate =
        floats(file, "blk.0.ffn_gate_exps.weight.in_sum2", SHAPE(EXPERTS, DIM));
    const float *const down =
        floats(file, "blk.0.ffn_down_exps.weight.in_sum2", SHAPE(EXPERTS, FFN));
    const float *const counts =
        floats(file, "blk.0.ffn_down_exps.weight.counts", SHAPE(EXPERTS, 1));
    assert_memory_equal(up, gate, EXPERTS * DIM * sizeof *up);
    for (size_t k = 0; k < DIM; k++) {
        double sum = 0;
        for (size_t e = 0; e < EXPERTS; e++)
            sum += (double)up[e * DIM + k];
        assert_true(fabs(sum - (double)USED * (double)router[k]) <= 1e-5 * sum);
    }
    double given = 0;
    for (size_t e = 0; e < EXPERTS; e++) {
        given += (double)counts[e];
        assert_true(counts[e] > 0 && counts[e] < WINDOW * WINDOWS);
        for (size_t k = 0; k < FFN; k++)
            assert_true(down[e * FFN + k] > 0);
    }
    assert_true(fabs(given - (double)(USED * WINDOW * WINDOWS)) < 0.5);
    kw_model_file_close(file);
}

/* The rows that came out, against the encoder with that expert's importances. */
static void check_expert(const rig *r, const kw_model_file *model, const kw_model_file *quantised,
                         size_t e)
{
    char name[96];
    float row[FFN];
    unsigned char want[64];
    size_t bytes = 0;
    kw_imatrix *importances = NULL;
    (void)snprintf(name, sizeof name, "model.layers.0.block_sparse_moe.experts.%zu.w2.weight", e);
    const kw_tensor_view *const from = kw_model_file_tensor(model, kw_str_from(name));
    const kw_tensor_view *const to =
        kw_model_file_tensor(quantised, KW_STR("blk.0.ffn_down_exps.weight"));
    assert_true(from && to && to->dtype == KW_Q4_0);
    assert_int_equal(kw_imatrix_open(r->importances, &importances, NULL), KW_OK);
    const float *const all =
        kw_imatrix_find(importances, KW_STR("blk.0.ffn_down_exps.weight"), EXPERTS * FFN);
    assert_non_null(all);
    assert_true(kw_row_bytes(KW_Q4_0, FFN, &bytes) && bytes <= sizeof want);
    for (size_t i = 0; i < DIM; i++) {
        const kw_dtype_traits *const type = kw_dtype_info(from->dtype);
        const size_t from_bytes = FFN * type->block_bytes;
        type->decode(row, (const unsigned char *)from->data + i * from_bytes, FFN);
        kw_dtype_info(KW_Q4_0)->encode(want, row, FFN, all + e * FFN);
        assert_memory_equal((const unsigned char *)to->data + (e * DIM + i) * bytes, want, bytes);
    }
    kw_imatrix_close(importances);
}

static void experts_are_quantised_by_their_own(void **state)
{
    const rig *const r = *state;
    kw_model_file *model, *quantised;
    assert_int_equal(kw_model_file_open(r->model, NULL, &model, NULL), KW_OK);
    assert_int_equal(kw_model_file_open(r->quantised, NULL, &quantised, NULL), KW_OK);
    /* The router is no matrix of 16 bits: llama.cpp would round what it is multiplied with. */
    (void)floats(quantised, "blk.0.ffn_gate_inp.weight", SHAPE(EXPERTS, DIM));
    for (size_t e = 0; e < EXPERTS; e++)
        check_expert(r, model, quantised, e);
    kw_model_file_close(model);
    kw_model_file_close(quantised);
}

/* The same where the experts lie in one tensor: neither the sums nor the rows change. */
static void one_tensor_or_apart(void **state)
{
    const rig *const r = *state;
    rig other = {NULL, "/tmp/kw-imatrix-XXXXXX", "/tmp/kw-experts-XXXXXX"};
    char whole[] = "/tmp/kw-whole-XXXXXX";
    kw_engine *engine = NULL;
    kw_model_file *file = NULL, *a, *b;
    kw_quantize_result result;
    const kw_quantize_config config = {.type = NULL};
    assert_int_equal(close(mkstemp(whole)), 0);
    assert_int_equal(close(mkstemp(other.quantised)), 0);
    assert_int_equal(kw_engine_open(NULL, &engine, NULL), KW_OK);
    assert_int_equal(kw_model_file_open(r->model, NULL, &file, NULL), KW_OK);
    assert_int_equal(kw_quantize(engine, file, whole, &config, &result, NULL), KW_OK);
    kw_model_file_close(file);
    kw_engine_close(engine);
    other.model = whole;
    memcpy(other.importances, r->importances, sizeof other.importances);
    quantise(&other);
    assert_int_equal(kw_model_file_open(r->quantised, NULL, &a, NULL), KW_OK);
    assert_int_equal(kw_model_file_open(other.quantised, NULL, &b, NULL), KW_OK);
    const kw_str name = KW_STR("blk.0.ffn_down_exps.weight");
    const kw_tensor_view *const x = kw_model_file_tensor(a, name), *const y = kw_model_file_tensor(
                                                                       b, name);
    assert_true(x && y && x->bytes == y->bytes);
    assert_memory_equal(x->data, y->data, x->bytes);
    kw_model_file_close(a);
    kw_model_file_close(b);
    assert_int_equal(remove(whole), 0);
    assert_int_equal(remove(other.quantised), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_of_what_each_is_given),
        cmocka_unit_test(experts_are_quantised_by_their_own),
        cmocka_unit_test(one_tensor_or_apart),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
