/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* t5.c - an encoder and its decoder against transformers: logits whole and in pieces, greedy
 * answers, the encoder's hidden states; from safetensors and, under llama.cpp's names, from GGUF;
 * rounded weights; what is refused.
 *
 * Data: the shared reference of T5 1.0 and 1.1 (tolerance in meta.json), and t5/, a small model
 * that make_t5.py trained. */
#include "support/golden.h"

#include "base/check.h"
#include "engine/quantize.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DATA KW_SOURCE_DIR "/tests/golden/t5"
#define DATA_TOLERANCE 2e-5 /* logits are up to 20; f32 sums in another order */

/* One sequence of the reference. */
typedef struct sequence {
    int32_t *source, *target;
    size_t n_source, n_target;
    const float *logits;
} sequence;

static const kw_session_config precise = {
    .struct_size = sizeof precise, .cache = KW_CACHE_F32, .context = 200};

static kw_model_file *open_file(const char *path)
{
    kw_error err = {0};
    kw_model_file *file = NULL;
    if (kw_model_file_open(path, NULL, &file, &err) != KW_OK)
        fail_msg("%s", err.message);
    return file;
}

static bool read_sequence(const kw_model_file *golden, int seq, sequence *out)
{
    const kw_tensor_view *source = golden_tensor(golden, seq, "input_ids");
    if (!source)
        return false;
    out->source = golden_ids(source, &out->n_source);
    out->target = golden_ids(golden_tensor(golden, seq, "decoder_input_ids"), &out->n_target);
    out->logits = golden_tensor(golden, seq, "logits")->data;
    return true;
}

static void free_sequence(sequence *s)
{
    free(s->source);
    free(s->target);
}

/* Logits of the target, `piece` tokens a call. */
static float *decode(golden_run *run, const sequence *s, size_t piece)
{
    kw_error err = {0};
    const size_t vocab = (size_t)run->vocab;
    float *logits = malloc(s->n_target * vocab * sizeof *logits);
    assert_non_null(logits);
    kw_status status = kw_session_encode(run->session, s->source, s->n_source, &err);
    for (size_t at = 0; status == KW_OK && at < s->n_target; at += piece)
        status = kw_session_eval(run->session, s->target + at, KW_MIN(piece, s->n_target - at),
                                 false, logits + at * vocab, &err);
    if (status != KW_OK)
        fail_msg("%s", err.message);
    return logits;
}

static double difference(const float *a, const float *b, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= worst))
            worst = d;
    }
    return worst;
}

static void check_logits(golden_run *run, const kw_model_file *golden, double tolerance)
{
    sequence s;
    int seq = 0;
    for (; read_sequence(golden, seq, &s); seq++) {
        const size_t count = s.n_target * (size_t)run->vocab;
        float *whole = decode(run, &s, s.n_target), *pieces = decode(run, &s, 3);
        const double worst = difference(whole, s.logits, count);
        print_message("seq%d: %zu to %zu tokens, largest difference %.2e of %.2e\n", seq,
                      s.n_source, s.n_target, worst, tolerance);
        assert_true(worst <= tolerance);
        assert_memory_equal(whole, pieces, count * sizeof *whole);
        free(whole);
        free(pieces);
        free_sequence(&s);
    }
    assert_true(seq > 0);
}

/* ---- greedy answers ---- */

typedef struct listener {
    int32_t ids[32];
    size_t n;
} listener;

static bool listen(void *user, const kw_event *event)
{
    listener *l = user;
    if (event->kind == KW_EVENT_TOKEN && l->n < KW_COUNT(l->ids))
        l->ids[l->n++] = event->token;
    return true;
}

/* The reference's ids begin with the start token. */
static void check_greedy(golden_run *run, const kw_model_file *golden)
{
    kw_constraints limits;
    kw_constraints_init(&limits);
    limits.temperature = 0;
    limits.ignore_eos = true;
    for (int seq = 0; golden_tensor(golden, seq, "greedy_ids"); seq++) {
        size_t n, n_source;
        kw_error err = {0};
        listener heard = {.n = 0};
        int32_t *want = golden_ids(golden_tensor(golden, seq, "greedy_ids"), &n);
        int32_t *source = golden_ids(golden_tensor(golden, seq, "input_ids"), &n_source);
        limits.max_tokens = (int)n - 1;
        const kw_input input = {
            .struct_size = sizeof input, .tokens = source, .n_tokens = n_source};
        if (kw_run(run->session, &input, &limits, listen, &heard, NULL, &err) != KW_OK)
            fail_msg("%s", err.message);
        assert_int_equal(heard.n, n - 1);
        assert_memory_equal(heard.ids, want + 1, (n - 1) * sizeof *want);
        free(want);
        free(source);
    }
}

/* The mean of the encoder's hidden states is what kw_embed gives. */
static void check_hidden(golden_run *run, const kw_model_file *golden, const char *name,
                         double tolerance)
{
    float got[64];
    kw_embedding how;
    kw_embedding_init(&how);
    how.pooling = KW_POOLING_MEAN;
    how.no_normalize = true;
    for (int seq = 0; golden_tensor(golden, seq, name); seq++) {
        const kw_tensor_view *hidden = golden_tensor(golden, seq, name);
        const size_t n = (size_t)hidden->shape.dim[0], dim = (size_t)hidden->shape.dim[1];
        size_t n_source;
        int32_t *source = golden_ids(golden_tensor(golden, seq, "input_ids"), &n_source);
        const kw_input input = {
            .struct_size = sizeof input, .tokens = source, .n_tokens = n_source};
        assert_true(dim <= KW_COUNT(got) && n == n_source);
        assert_int_equal(kw_embed(run->session, &input, 1, &how, got, NULL, NULL), KW_OK);
        for (size_t i = 0; i < dim; i++) {
            double want = 0;
            for (size_t t = 0; t < n; t++)
                want += (double)((const float *)hidden->data)[t * dim + i] / (double)n;
            assert_true(fabs(want - (double)got[i]) <= tolerance);
        }
        free(source);
    }
}

static void the_reference_matches(void **state)
{
    const char *dir = golden_path(*state);
    char path[1200];
    golden_run run;
    if (!dir)
        skip();
    (void)snprintf(path, sizeof path, "%s/meta.json", dir);
    const double tolerance = golden_number(path, "tolerance.max_abs_error");
    assert_true(tolerance > 0);
    (void)snprintf(path, sizeof path, "%s/golden.safetensors", dir);
    kw_model_file *golden = open_file(path);
    golden_open(&run, dir, NULL, &precise);
    check_logits(&run, golden, tolerance);
    check_greedy(&run, golden);
    check_hidden(&run, golden, "encoder_last_hidden_state", tolerance);
    golden_close(&run);
    kw_model_file_close(golden);
}

/* ---- the trained model, from both kinds of file ---- */

static void write_gguf(const char *dir, const char *type, char path[64])
{
    kw_error err = {0};
    kw_engine *engine = NULL;
    kw_quantize_result result;
    const kw_quantize_config config = {.type = type, .pure = true};
    (void)snprintf(path, 64, "/tmp/kw-t5-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    kw_model_file *file = open_file(dir);
    if (kw_engine_open(NULL, &engine, &err) != KW_OK ||
        kw_quantize(engine, file, path, &config, &result, &err) != KW_OK)
        fail_msg("%s", err.message);
    kw_model_file_close(file);
    kw_engine_close(engine);
}

static void gguf_names_are_the_fields(const char *path)
{
    static const char *const names[] = {"token_embd.weight",
                                        "enc.output_norm.weight",
                                        "dec.output_norm.weight",
                                        "enc.blk.0.attn_rel_b.weight",
                                        "dec.blk.0.attn_rel_b.weight",
                                        "enc.blk.1.attn_q.weight",
                                        "enc.blk.1.attn_o.weight",
                                        "enc.blk.1.ffn_gate.weight",
                                        "enc.blk.1.ffn_up.weight",
                                        "dec.blk.1.cross_attn_k.weight",
                                        "dec.blk.1.cross_attn_o.weight",
                                        "dec.blk.1.cross_attn_norm.weight",
                                        "dec.blk.1.ffn_down.weight"};
    kw_model_file *file = open_file(path);
    for (size_t i = 0; i < KW_COUNT(names); i++)
        if (!kw_model_file_tensor(file, kw_str_from(names[i])))
            fail_msg("no \"%s\" in the GGUF file", names[i]);
    assert_non_null(kw_model_file_meta(file, KW_STR("t5.attention.relative_buckets_count")));
    kw_model_file_close(file);
}

static void the_trained_model_matches(void **state)
{
    char gguf[64];
    golden_run run;
    (void)state;
    kw_model_file *golden = open_file(DATA "/golden.safetensors");
    golden_open(&run, DATA, NULL, &precise);
    check_logits(&run, golden, DATA_TOLERANCE);
    check_hidden(&run, golden, "hidden", DATA_TOLERANCE);
    golden_close(&run);
    write_gguf(DATA, "f16", gguf);
    gguf_names_are_the_fields(gguf);
    golden_open(&run, gguf, NULL, &precise);
    check_logits(&run, golden, DATA_TOLERANCE);
    golden_close(&run);
    assert_int_equal(remove(gguf), 0);
    kw_model_file_close(golden);
}

/* Root mean square of the difference, as a share of the logits' own. */
static double relative_error(const float *got, const float *want, size_t n)
{
    double error = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        error += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
        all += (double)want[i] * (double)want[i];
    }
    return sqrt(error / all);
}

static void rounded_weights_are_close(void **state)
{
    static const struct {
        const char *type;
        double bound;
    } types[] = {{"q8_0", 0.04}, {"q4_0", 0.4}};
    kw_model_file *golden = open_file(DATA "/golden.safetensors");
    (void)state;
    for (size_t i = 0; i < KW_COUNT(types); i++) {
        char gguf[64];
        golden_run run;
        sequence s;
        write_gguf(DATA, types[i].type, gguf);
        golden_open(&run, gguf, NULL, &precise);
        for (int seq = 0; read_sequence(golden, seq, &s); seq++) {
            float *got = decode(&run, &s, s.n_target);
            const double error = relative_error(got, s.logits, s.n_target * (size_t)run.vocab);
            print_message("%s seq%d: relative error %.4f of %.4f\n", types[i].type, seq, error,
                          types[i].bound);
            assert_true(error > 0 && error <= types[i].bound);
            free(got);
            free_sequence(&s);
        }
        golden_close(&run);
        assert_int_equal(remove(gguf), 0);
    }
    kw_model_file_close(golden);
}

/* ---- sessions ---- */

static void sources_replace_each_other(void **state)
{
    kw_model_file *golden = open_file(DATA "/golden.safetensors");
    golden_run run;
    sequence a, b;
    (void)state;
    golden_open(&run, DATA, NULL, &precise);
    assert_true(read_sequence(golden, 0, &a) && read_sequence(golden, 1, &b));
    const size_t bytes = a.n_target * (size_t)run.vocab * sizeof(float);
    float *first = decode(&run, &a, a.n_target), *other = decode(&run, &b, b.n_target);
    float *again = decode(&run, &a, a.n_target);
    assert_memory_equal(first, again, bytes); /* a shorter source sees nothing of a longer one */
    free(first);
    free(other);
    free(again);
    free_sequence(&a);
    free_sequence(&b);
    golden_close(&run);
    kw_model_file_close(golden);
}

static void expect(kw_status status, kw_status want, const kw_error *err, const char *words)
{
    if (status != want || !strstr(err->message, words))
        fail_msg("status %d \"%s\", expected %d \"%s\"", (int)status, err->message, (int)want,
                 words);
}

static void what_it_cannot_do_is_refused(void **state)
{
    golden_run run;
    kw_error err = {0};
    float logits[200];
    const int32_t ids[201] = {0};
    (void)state;
    golden_open(&run, DATA, NULL, &precise);
    expect(kw_session_eval(run.session, ids, 1, true, logits, &err), KW_E_ARG, &err,
           "the encoder has read nothing yet");
    expect(kw_session_encode(run.session, ids, 201, &err), KW_E_LIMIT, &err,
           "201 tokens are more than the 200 that the encoder reads at once");
    expect(kw_session_encode(run.session, ids, 0, &err), KW_E_ARG, &err, "no tokens");
    assert_int_equal(kw_session_encode(run.session, ids, 200, &err), KW_OK);
    assert_int_equal(kw_session_eval(run.session, ids, 1, true, logits, &err), KW_OK);
    assert_int_equal(kw_session_position(run.session), 1);
    golden_close(&run);
}

int main(void)
{
    static char relu[] = "golden/t5/v1.0-relu", gated[] = "golden/t5/v1.1-gated-gelu";
    const struct CMUnitTest tests[] = {
        {relu, the_reference_matches, NULL, NULL, relu},
        {gated, the_reference_matches, NULL, NULL, gated},
        cmocka_unit_test(the_trained_model_matches),
        cmocka_unit_test(rounded_weights_are_close),
        cmocka_unit_test(sources_replace_each_other),
        cmocka_unit_test(what_it_cannot_do_is_refused),
    };
    return cmocka_run_group_tests_name("t5", tests, NULL, NULL);
}
