/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* engine_test.h - what the tests of the engine share: scripted models whose answer a test writes
 * down, sessions on them, and a record of the events of an answer. */
#ifndef KW_TEST_ENGINE_H
#define KW_TEST_ENGINE_H

#include "unit/model/tiny_model.h"

#include <kwaai/kwaai.h>

/* The vocabulary of scripts: SentencePiece pieces, one character in three byte tokens. */
enum {
    T_UNK,
    T_BOS,
    T_EOS,
    T_HEL,
    T_LO,
    T_WOR,
    T_LD,
    T_E2,
    T_82,
    T_AC,
    T_BANG,
    T_ST,
    T_OP,
    T_A,
    T_B,
    T_C,
    N_SCRIPT
};

static const kw_str script_pieces[N_SCRIPT] = {
    {"<unk>", 5},  {"<s>", 3},
    {"</s>", 4},   {"\xe2\x96\x81Hel", 6},
    {"lo", 2},     {"\xe2\x96\x81wor", 6},
    {"ld", 2},     {"<0xE2>", 6},
    {"<0x82>", 6}, {"<0xAC>", 6},
    {"!", 1},      {"ST", 2},
    {"OP", 2},     {"a", 1},
    {"b", 1},      {"c", 1},
};
static const int32_t script_types[N_SCRIPT] = {2, 3, 3, 1, 1, 1, 1, 6, 6, 6, 1, 1, 1, 1, 1, 1};
static const float script_scores[N_SCRIPT] = {0, 0, 0,  -1, -2, -3, -4, 0,
                                              0, 0, -5, -6, -7, -8, -9, -10};

/* Hello world, a euro sign, an exclamation mark, the end. */
static const int32_t hello_script[N_SCRIPT] = {
    [T_BOS] = T_HEL, [T_HEL] = T_LO, [T_LO] = T_WOR,  [T_WOR] = T_LD,  [T_LD] = T_E2,
    [T_E2] = T_82,   [T_82] = T_AC,  [T_AC] = T_BANG, [T_BANG] = T_EOS};
/* a b c a b c ... for ever */
static const int32_t endless_script[N_SCRIPT] = {
    [T_BOS] = T_A, [T_A] = T_B, [T_B] = T_C, [T_C] = T_A};

typedef struct rig {
    kw_engine *engine;
    kw_model *model;
    kw_session *session;
} rig;

static inline void must(kw_status status, const kw_error *err)
{
    if (status != KW_OK)
        fail_msg("%s", err->message);
}

static inline kw_engine *new_engine(int n_threads, uint64_t memory_bytes)
{
    kw_engine *engine = NULL;
    kw_engine_config config;
    kw_error err = {0};
    kw_engine_config_init(&config, KW_PRESET_DEFAULT);
    config.n_threads = n_threads;
    config.memory_bytes = memory_bytes;
    must(kw_engine_open(&config, &engine, &err), &err);
    return engine;
}

/* Adds the scripts' tokenizer. */
static inline void add_tokenizer(tiny *t)
{
    tiny_set(t, "tokenizer.ggml.model", kw_gguf_string(KW_STR("llama")));
    tiny_set(t, "tokenizer.ggml.tokens", kw_gguf_array(KW_GGUF_STRING, script_pieces, N_SCRIPT));
    tiny_set(t, "tokenizer.ggml.scores", kw_gguf_array(KW_GGUF_F32, script_scores, N_SCRIPT));
    tiny_set(t, "tokenizer.ggml.token_type", kw_gguf_array(KW_GGUF_I32, script_types, N_SCRIPT));
    tiny_set(t, "tokenizer.ggml.bos_token_id", kw_gguf_u32(T_BOS));
    tiny_set(t, "tokenizer.ggml.eos_token_id", kw_gguf_u32(T_EOS));
    tiny_set(t, "tokenizer.ggml.unknown_token_id", kw_gguf_u32(T_UNK));
    tiny_set(t, "tokenizer.ggml.add_space_prefix", kw_gguf_bool(false));
}

static inline kw_model *load_tiny(kw_engine *engine, tiny *t)
{
    kw_model *model = NULL;
    kw_error err = {0};
    must(kw_model_load(engine, tiny_write(t), NULL, &model, &err), &err);
    tiny_remove(t);
    return model;
}

static inline kw_session *new_session(kw_model *model, int context, int batch)
{
    kw_session *session = NULL;
    kw_error err = {0};
    const kw_session_config config = {
        .struct_size = sizeof config, .context = context, .batch = batch};
    must(kw_session_open(model, &config, &session, &err), &err);
    return session;
}

static inline rig open_script(const int32_t *next, int context)
{
    rig r = {.engine = new_engine(2, 0)};
    tiny t = tiny_script(next, N_SCRIPT, context);
    add_tokenizer(&t);
    r.model = load_tiny(r.engine, &t);
    r.session = new_session(r.model, context, 8);
    return r;
}

static inline void close_rig(rig *r)
{
    kw_session_close(r->session);
    kw_model_close(r->model);
    kw_engine_close(r->engine);
}

enum { MAX_EVENTS = 400 };

typedef struct record {
    kw_session *session;
    char text[4000];
    size_t text_len;
    int32_t tokens[MAX_EVENTS];
    size_t ends[MAX_EVENTS]; /* of the text after each token */
    size_t n_tokens, n_prompt_events, n_end_events, n_read, n_total;
    size_t refuse_token; /* the callback answers false at this token, 1 the first; 0: never */
    size_t cancel_token; /* kw_session_cancel at this one */
    bool refuse_prompt;
    kw_finish finish; /* of the end event */
    kw_result result;
    kw_error err;
} record;

static inline bool note(void *user, const kw_event *event)
{
    record *r = user;
    if (event->kind == KW_EVENT_PROMPT) {
        r->n_prompt_events++;
        r->n_read = event->n_done;
        r->n_total = event->n_total;
        return !r->refuse_prompt;
    }
    assert_true(r->text_len + event->text_len < sizeof r->text);
    memcpy(r->text + r->text_len, event->text, event->text_len);
    r->text_len += event->text_len;
    r->text[r->text_len] = '\0';
    if (event->kind == KW_EVENT_END) {
        r->n_end_events++;
        r->finish = event->finish;
        return true;
    }
    assert_int_equal(event->finish, KW_FINISH_NONE);
    assert_true(r->n_tokens < MAX_EVENTS);
    r->tokens[r->n_tokens] = event->token;
    r->ends[r->n_tokens++] = r->text_len;
    assert_int_equal(event->n_done, r->n_tokens);
    if (r->n_tokens == r->cancel_token)
        kw_session_cancel(r->session);
    return r->n_tokens != r->refuse_token;
}

/* Greedy, without a limit. */
static inline kw_constraints greedy(void)
{
    kw_constraints c;
    kw_constraints_init(&c);
    c.temperature = 0;
    return c;
}

/* Runs on tokens from where the session is; r is cleared except for what steers its callback. */
static inline kw_status run_tokens(kw_session *session, const int32_t *tokens, size_t n,
                                   const kw_constraints *c, record *r)
{
    const kw_input input = {.struct_size = sizeof input, .tokens = tokens, .n_tokens = n};
    r->session = session;
    r->text_len = r->n_tokens = r->n_prompt_events = r->n_end_events = 0;
    r->text[0] = '\0';
    r->result = (kw_result){.struct_size = sizeof r->result};
    r->finish = KW_FINISH_NONE;
    const kw_status status = kw_run(session, &input, c, note, r, &r->result, &r->err);
    if (status == KW_OK) {
        assert_int_equal(r->n_end_events, 1);
        assert_int_equal(r->result.finish, r->finish);
        assert_int_equal(r->result.n_generated, r->n_tokens);
    } else {
        assert_int_equal(r->n_end_events, 0);
    }
    return status;
}

/* From bos, which begins every script. */
static inline void run_script(kw_session *session, const kw_constraints *c, record *r)
{
    const int32_t bos = T_BOS;
    must(kw_session_rewind(session, 0, &r->err), &r->err);
    if (run_tokens(session, &bos, 1, c, r) != KW_OK)
        fail_msg("%s", r->err.message);
}

#endif
