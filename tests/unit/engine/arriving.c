/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arriving.c - a model whose file is still being fetched: it computes the same bits, reads nothing
 * that has not come, asks for layers in their order, and ends where the rest will not come. */
#include "engine_test.h"

#include <stdlib.h>
#include <unistd.h>

enum { VOCAB = 2000, N_TOKENS = 6, MAX_ASKED = 4000 };

static const int32_t tokens[N_TOKENS] = {5, 4, 3, 1940, 1, 0};

/* Most of it are embeddings, of which few rows are read. */
static tiny tiny_wide(kw_dtype dtype)
{
    tiny t = {.dim = 32,
              .layers = 2,
              .heads = 4,
              .kv_heads = 2,
              .ffn = 64,
              .vocab = VOCAB,
              .context = 64,
              .dtype = dtype};
    tiny_describe(&t);
    return t;
}

/* A file of holes, of which a byte comes when it was waited for. */
typedef struct fetched {
    char path[64];
    int fd;
    unsigned char *image, *here; /* [size] */
    size_t size;
    uint64_t end;          /* what lies behind it never comes */
    kw_session *cancelled; /* instead of waiting */
    int n_waits, late;     /* every `late` waits end in vain; 0: none */
    uint64_t asked[MAX_ASKED];
    size_t n_asked;
} fetched;

static kw_arrival arrived(void *user, uint64_t offset, uint64_t len, uint32_t wait_ms)
{
    fetched *f = user;
    assert_true(offset <= f->size && len <= f->size - offset);
    bool all = true;
    for (uint64_t i = offset; i < offset + len; i++)
        all = all && f->here[i];
    if (all)
        return KW_ARRIVED;
    if (offset + len > f->end && wait_ms > 0)
        return KW_ARRIVES_NEVER;
    if (wait_ms == 0)
        return KW_ARRIVES_LATER;
    if (f->cancelled)
        kw_session_cancel(f->cancelled);
    if (f->cancelled || (f->late && ++f->n_waits % f->late))
        return KW_ARRIVES_LATER;
    assert_int_equal(pwrite(f->fd, f->image + offset, len, (off_t)offset), len);
    memset(f->here + offset, 1, len);
    assert_true(f->n_asked < MAX_ASKED);
    f->asked[f->n_asked++] = offset;
    return KW_ARRIVED;
}

static size_t n_here(const fetched *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->size; i++)
        n += f->here[i];
    return n;
}

static void begin(fetched *f, tiny *t)
{
    *f = (fetched){.path = "/tmp/kw-arriving-XXXXXX", .late = 3};
    f->image = tiny_image(t, 0, &f->size);
    f->here = calloc(f->size, 1);
    f->fd = mkstemp(f->path);
    f->end = f->size;
    assert_true(f->fd >= 0 && f->here && ftruncate(f->fd, (off_t)f->size) == 0);
}

static void end(fetched *f)
{
    close(f->fd);
    (void)remove(f->path);
    tiny_image_free(f->image, 0);
    free(f->here);
}

static void close_all(fetched *f, rig *r)
{
    close_rig(r);
    end(f);
}

static kw_status load(kw_engine *engine, fetched *f, kw_model **model, kw_error *err)
{
    const kw_model_config config = {
        .struct_size = sizeof config, .arrived = arrived, .arrived_user = f};
    return kw_model_load(engine, f->path, &config, model, err);
}

static void expect_logits(kw_engine *engine, tiny *t, float out[VOCAB])
{
    kw_error err = {0};
    kw_model *model = load_tiny(engine, t);
    kw_session *session = new_session(model, 16, 4);
    must(kw_session_eval(session, tokens, N_TOKENS, true, out, &err), &err);
    kw_session_close(session);
    kw_model_close(model);
}

static void the_bits_are_the_same(void **state)
{
    static const kw_dtype types[] = {KW_F32, KW_F16, KW_Q8_0, KW_Q4_0};
    (void)state;
    for (size_t i = 0; i < 2 * KW_COUNT(types); i++) {
        kw_engine *engine = new_engine(1 + 2 * (int)(i % 2), 0);
        tiny t = tiny_wide(types[i / 2]);
        kw_error err = {0};
        kw_model *model = NULL;
        float want[VOCAB], got[VOCAB];
        fetched f;
        expect_logits(engine, &t, want);
        begin(&f, &t);
        must(load(engine, &f, &model, &err), &err);
        assert_true(n_here(&f) < f.size / 2); /* the directory, and not the weights */
        kw_session *session = new_session(model, 16, 4);
        for (int again = 0; again < 2; again++) {
            must(kw_session_rewind(session, 0, &err), &err);
            must(kw_session_eval(session, tokens, N_TOKENS, true, got, &err), &err);
            assert_memory_equal(got, want, sizeof got);
        }
        /* Of the embeddings only the rows of these tokens. */
        assert_true(n_here(&f) < f.size);
        kw_session_close(session);
        kw_model_close(model);
        end(&f);
        kw_engine_close(engine);
    }
}

/* The order in which bytes are waited for is that of the layers. */
static void layers_are_asked_for_in_turn(void **state)
{
    kw_engine *engine = new_engine(2, 0);
    tiny t = tiny_wide(KW_Q8_0);
    kw_error err = {0};
    kw_model *model = NULL;
    kw_model_file *file = NULL;
    fetched f;
    float logits[VOCAB];
    (void)state;
    begin(&f, &t);
    must(load(engine, &f, &model, &err), &err);
    must(kw_model_file_from_memory(f.image, f.size, "whole", &file, &err), &err);
    kw_session *session = new_session(model, 16, 0);
    f.n_asked = 0;
    must(kw_session_eval(session, tokens, 1, true, logits, &err), &err);
    const char *const names[] = {"blk.0.attn_q.weight", "blk.0.ffn_down.weight",
                                 "blk.1.attn_q.weight", "blk.1.ffn_down.weight"};
    size_t last = 0;
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        const uint64_t offset = kw_model_file_tensor(file, kw_str_from(names[i]))->offset;
        size_t at = 0;
        while (at < f.n_asked && f.asked[at] != offset)
            at++;
        if (at == f.n_asked || at < last)
            fail_msg("%s is asked for as number %zu of %zu, after %zu", names[i], at, f.n_asked,
                     last);
        last = at;
    }
    kw_model_file_close(file);
    close_all(&f, &(rig){engine, model, session});
}

static void what_never_comes_is_an_error(void **state)
{
    kw_engine *engine = new_engine(2, 0);
    tiny t = tiny_wide(KW_Q4_0);
    kw_error err = {0};
    kw_model *model = NULL;
    float want[VOCAB], got[VOCAB];
    fetched f;
    (void)state;
    expect_logits(engine, &t, want);
    begin(&f, &t);
    f.end = 100;
    assert_int_equal(load(engine, &f, &model, &err), KW_E_IO);
    assert_null(model);
    f.end = f.size - 64; /* the last weights */
    must(load(engine, &f, &model, &err), &err);
    kw_session *session = new_session(model, 16, 0);
    assert_int_equal(kw_session_eval(session, tokens, N_TOKENS, true, got, &err), KW_E_IO);
    assert_non_null(strstr(err.message, "will not come"));
    assert_int_equal(kw_session_position(session), 0);
    f.end = f.size; /* somebody goes on with the fetch */
    must(kw_session_eval(session, tokens, N_TOKENS, true, got, &err), &err);
    assert_memory_equal(got, want, sizeof got);
    close_all(&f, &(rig){engine, model, session});
}

static void waiting_can_be_cancelled(void **state)
{
    kw_engine *engine = new_engine(2, 0);
    tiny t = tiny_wide(KW_Q4_0);
    kw_error err = {0};
    kw_model *model = NULL;
    float want[VOCAB], got[VOCAB];
    fetched f;
    (void)state;
    expect_logits(engine, &t, want);
    begin(&f, &t);
    must(load(engine, &f, &model, &err), &err);
    f.cancelled = new_session(model, 16, 0);
    assert_int_equal(kw_session_eval(f.cancelled, tokens, N_TOKENS, true, got, &err),
                     KW_E_CANCELLED);
    kw_session *session = f.cancelled;
    f.cancelled = NULL;
    must(kw_session_eval(session, tokens, N_TOKENS, true, got, &err), &err);
    assert_memory_equal(got, want, sizeof got);
    close_all(&f, &(rig){engine, model, session});
}

/* Whatever of the directory is a hole when it is first tried. */
static void holes_in_the_directory_are_waited_for(void **state)
{
    static char words[3000][8];
    static kw_str list[3000];
    kw_engine *engine = new_engine(1, 0);
    tiny t = tiny_wide(KW_Q4_0);
    kw_error err = {0};
    kw_model *model = NULL;
    float want[VOCAB], got[VOCAB];
    fetched f;
    (void)state;
    for (size_t i = 0; i < KW_COUNT(list); i++) {
        (void)snprintf(words[i], sizeof words[i], "w%zu", i);
        list[i] = kw_str_from(words[i]);
    }
    tiny_set(&t, "test.words", kw_gguf_array(KW_GGUF_STRING, list, KW_COUNT(list)));
    expect_logits(engine, &t, want);
    begin(&f, &t);
    must(load(engine, &f, &model, &err), &err);
    kw_session *session = new_session(model, 16, 0);
    must(kw_session_eval(session, tokens, N_TOKENS, true, got, &err), &err);
    assert_memory_equal(got, want, sizeof got);
    close_all(&f, &(rig){engine, model, session});
}

static void what_cannot_be_is_refused(void **state)
{
    kw_engine *engine = new_engine(1, 0);
    tiny t = tiny_wide(KW_Q4_0);
    kw_error err = {0};
    kw_model *model = NULL;
    fetched f;
    (void)state;
    begin(&f, &t);
    kw_model_config config = {
        .struct_size = sizeof config, .arrived = arrived, .arrived_user = &f, .no_mmap = true};
    assert_int_equal(kw_model_load(engine, f.path, &config, &model, &err), KW_E_ARG);
    /* What is no GGUF file is read when all of it is here. */
    memset(f.image, 0, 64);
    assert_int_equal(load(engine, &f, &model, &err), KW_E_FORMAT);
    assert_int_equal(n_here(&f), f.size);
    end(&f);
    kw_engine_close(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bits_are_the_same),
        cmocka_unit_test(layers_are_asked_for_in_turn),
        cmocka_unit_test(what_never_comes_is_an_error),
        cmocka_unit_test(waiting_can_be_cancelled),
        cmocka_unit_test(holes_in_the_directory_are_waited_for),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
