/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* run.c - one answer: its text and where it may not be cut, stop texts, every reason to end, and
 * what is refused. The models are scripts, so that the answer is known. */
#include "engine_test.h"

#include "os/system.h"
#include "os/thread.h"

#include <math.h>

#define HELLO " Hello world\xe2\x82\xac!"

static void the_script_is_said(void **state)
{
    static record r;
    rig m = open_script(hello_script, 64);
    const kw_constraints c = greedy();
    (void)state;
    run_script(m.session, &c, &r);
    assert_string_equal(r.text, HELLO);
    assert_int_equal(r.finish, KW_FINISH_STOP);
    assert_int_equal(r.n_tokens, 8); /* without the end token */
    assert_int_equal(r.result.n_prompt, 1);
    assert_int_equal(r.n_prompt_events, 1);
    assert_true(r.n_read == 1 && r.n_total == 1);
    assert_int_equal(r.tokens[4], T_E2);
    assert_int_equal(r.ends[4], r.ends[3]); /* a third of a character is no text */
    assert_int_equal(r.ends[5], r.ends[3]);
    assert_int_equal(r.ends[6], r.ends[3] + 3);
    assert_true(r.result.first_token_ns > 0 && r.result.prompt_ns > 0);
    close_rig(&m);
}

static void text_inputs_are_tokenized(void **state)
{
    static record r;
    rig m = open_script(hello_script, 64);
    const kw_constraints c = greedy();
    kw_input input = {.struct_size = sizeof input, .text = "lo"};
    kw_result result = {.struct_size = sizeof result};
    (void)state;
    must(kw_run(m.session, &input, &c, note, &r, &result, &r.err), &r.err);
    assert_int_equal(result.n_prompt, 2); /* bos, "lo" */
    assert_string_equal(r.text, " world\xe2\x82\xac!");
    /* no bos after position 0 */
    const int at = kw_session_position(m.session);
    memset(&r, 0, sizeof r);
    input.text = "lo and more";
    input.text_len = 2;
    must(kw_run(m.session, &input, &c, note, &r, &result, &r.err), &r.err);
    assert_int_equal(result.n_prompt, 1);
    assert_string_equal(r.text, " world\xe2\x82\xac!");
    assert_int_equal(kw_session_position(m.session),
                     at + (int)result.n_prompt + (int)result.n_generated);
    /* nor when it is not wanted */
    must(kw_session_rewind(m.session, 0, &r.err), &r.err);
    memset(&r, 0, sizeof r);
    input = (kw_input){.struct_size = sizeof input, .text = "lo", .no_special = true};
    must(kw_run(m.session, &input, &c, note, &r, &result, &r.err), &r.err);
    assert_int_equal(result.n_prompt, 1);
    /* special tokens only when they are meant */
    must(kw_session_rewind(m.session, 0, &r.err), &r.err);
    memset(&r, 0, sizeof r);
    input = (kw_input){
        .struct_size = sizeof input, .text = "<s>lo", .no_special = true, .parse_special = true};
    must(kw_run(m.session, &input, &c, note, &r, &result, &r.err), &r.err);
    assert_int_equal(result.n_prompt, 2);
    close_rig(&m);
}

/* The end of a message, and of a turn, as GGUF names them beside the end of a text. */
static void other_ends_of_the_file_end_the_answer(void **state)
{
    static const struct {
        const char *key;
        int32_t id;
        const char *text;
    } cases[] = {{"tokenizer.ggml.eot_token_id", T_WOR, " Hello"},
                 {"tokenizer.ggml.eom_token_id", T_BANG, " Hello world\xe2\x82\xac"},
                 {"tokenizer.ggml.eom_token_id", N_SCRIPT, HELLO}}; /* is no token */
    (void)state;
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        static record r;
        rig m = {.engine = new_engine(2, 0)};
        tiny t = tiny_script(hello_script, N_SCRIPT, 64);
        const kw_constraints c = greedy();
        add_tokenizer(&t);
        tiny_set(&t, cases[i].key, kw_gguf_u32((uint32_t)cases[i].id));
        memset(&r, 0, sizeof r);
        m.model = load_tiny(m.engine, &t);
        m.session = new_session(m.model, 64, 8);
        run_script(m.session, &c, &r);
        assert_string_equal(r.text, cases[i].text);
        assert_int_equal(r.finish, KW_FINISH_STOP);
        close_rig(&m);
    }
}

/* ---- stop texts -------------------------------------------------------------------------------
 */

typedef struct stop_case {
    const char *stops[3];
    const char *text; /* all that may be said */
    size_t n_tokens;
} stop_case;

static void stop_texts_end_the_answer(void **state)
{
    static const stop_case cases[] = {
        {{"lo wor"}, " Hel", 3},                /* across two tokens */
        {{" Hello world"}, "", 4},              /* all of the beginning */
        {{"el"}, " H", 1},                      /* inside a token */
        {{"\xe2\x82\xac"}, " Hello world", 7},  /* in three tokens */
        {{"d\xe2\x82\xac!"}, " Hello worl", 8}, /* across that and two more */
        {{"!"}, " Hello world\xe2\x82\xac", 8}, /* the last one */
        {{"wor", "Hello"}, " ", 2},             /* the first in the text */
        {{"world!", "ld", "o w"}, " Hell", 3},
        {{"o", "lo"}, " Hel", 2},            /* one inside the other */
        {{""}, HELLO, 8},                    /* nothing stops nothing */
        {{"xyz", "Hellow", "! "}, HELLO, 8}, /* begun, not finished */
        {{"lo worx", "o world\xe2\x82\xacx"}, HELLO, 8},
    };
    static record r;
    rig m = open_script(hello_script, 64);
    (void)state;
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        kw_constraints c = greedy();
        c.stop = cases[i].stops;
        while (c.n_stop < 3 && cases[i].stops[c.n_stop])
            c.n_stop++;
        run_script(m.session, &c, &r);
        if (strcmp(r.text, cases[i].text) != 0 || r.n_tokens != cases[i].n_tokens)
            fail_msg("stop \"%s\": \"%s\" in %zu tokens, expected \"%s\" in %zu", cases[i].stops[0],
                     r.text, r.n_tokens, cases[i].text, cases[i].n_tokens);
        assert_int_equal(r.finish, KW_FINISH_STOP);
    }
    close_rig(&m);
}

/* What could still become a stop text is held back, and no more than that. */
static void text_is_held_no_longer_than_needed(void **state)
{
    static const char *const stop[] = {"lo world?"};
    static record r;
    rig m = open_script(hello_script, 64);
    kw_constraints c = greedy();
    (void)state;
    c.stop = stop;
    c.n_stop = 1;
    run_script(m.session, &c, &r);
    assert_string_equal(r.text, HELLO);
    assert_int_equal(r.ends[0], 3); /* " He": an l may begin it */
    assert_int_equal(r.ends[1], 4); /* " Hel" */
    assert_int_equal(r.ends[3], 4);
    assert_int_equal(r.ends[5], 4);  /* a character in the making decides nothing */
    assert_int_equal(r.ends[6], 15); /* now it cannot be one */
    close_rig(&m);
}

static void held_text_comes_with_the_end(void **state)
{
    static const char *const stop[] = {"\xe2\x82\xac!?"};
    static record r;
    rig m = open_script(hello_script, 64);
    kw_constraints c = greedy();
    (void)state;
    c.stop = stop;
    c.n_stop = 1;
    run_script(m.session, &c, &r);
    assert_string_equal(r.text, HELLO);
    assert_int_equal(r.ends[7], strlen(" Hello world"));
    /* the same when the answer is cut: a character begun is shown as what it is */
    c.max_tokens = 6;
    run_script(m.session, &c, &r);
    assert_int_equal(r.finish, KW_FINISH_LENGTH);
    assert_string_equal(r.text, " Hello world\xef\xbf\xbd\xef\xbf\xbd"); /* one a byte */
    close_rig(&m);
}

/* ---- ends -------------------------------------------------------------------------------------
 */

static void max_tokens_is_met(void **state)
{
    static record r;
    rig m = open_script(hello_script, 64);
    kw_constraints c = greedy();
    (void)state;
    for (int n = 0; n <= 9; n++) {
        c.max_tokens = n;
        run_script(m.session, &c, &r);
        assert_int_equal(r.n_tokens, n < 8 ? n : 8);
        assert_int_equal(r.finish, n < 9 ? KW_FINISH_LENGTH : KW_FINISH_STOP);
        assert_int_equal(r.result.n_prompt, 1);
        assert_true(kw_session_position(m.session) >= 1);
    }
    c.max_tokens = 0; /* only reads */
    run_script(m.session, &c, &r);
    assert_int_equal(kw_session_position(m.session), 1);
    assert_string_equal(r.text, "");
    close_rig(&m);
}

static void max_ms_is_met(void **state)
{
    static record r;
    rig m = open_script(endless_script, 400);
    kw_constraints c = greedy();
    (void)state;
    c.max_ms = 1;
    const uint64_t start = kw_clock_ns();
    run_script(m.session, &c, &r);
    assert_int_equal(r.finish, KW_FINISH_LENGTH);
    const uint64_t took = kw_clock_ns() - start;
    assert_true(r.n_tokens == 399 + 1 || took >= 1000000);
    static const uint64_t far[] = {3600000, (uint64_t)1 << 58, UINT64_MAX};
    for (size_t i = 0; i < KW_COUNT(far); i++) { /* no product passes 2^64 */
        c.max_ms = far[i];
        c.max_tokens = 5;
        run_script(m.session, &c, &r);
        assert_int_equal(r.n_tokens, 5);
    }
    close_rig(&m);
}

static void a_full_context_ends_the_answer(void **state)
{
    static record r;
    const int32_t prompt[16] = {T_BOS, T_A, T_B, T_C, T_A, T_B, T_C, T_A,
                                T_B,   T_C, T_A, T_B, T_C, T_A, T_B, T_C};
    rig m = open_script(endless_script, 16);
    const kw_constraints c = greedy();
    (void)state;
    run_script(m.session, &c, &r);
    assert_int_equal(r.finish, KW_FINISH_LENGTH);
    assert_int_equal(kw_session_position(m.session), 16);
    assert_int_equal(r.n_tokens, 16); /* the last one is not in the cache */
    /* a prompt that fills it: one token */
    must(kw_session_rewind(m.session, 0, &r.err), &r.err);
    must(run_tokens(m.session, prompt, 16, &c, &r), &r.err);
    assert_string_equal(r.text, "a");
    assert_int_equal(r.finish, KW_FINISH_LENGTH);
    assert_int_equal(r.n_prompt_events, 2); /* chunks of 8 */
    /* no room at all */
    assert_int_equal(run_tokens(m.session, prompt, 1, &c, &r), KW_E_LIMIT);
    assert_non_null(strstr(r.err.message, "1 input tokens at position 16"));
    must(kw_session_rewind(m.session, 1, &r.err), &r.err);
    assert_int_equal(run_tokens(m.session, prompt, 16, &c, &r), KW_E_LIMIT);
    assert_int_equal(kw_session_position(m.session), 1);
    close_rig(&m);
}

static void callbacks_cancel(void **state)
{
    static record r;
    const int32_t prompt[12] = {T_BOS, T_A, T_B, T_C, T_A, T_B, T_C, T_A, T_B, T_C, T_A, T_B};
    rig m = open_script(endless_script, 64);
    const kw_constraints c = greedy();
    (void)state;
    r.refuse_token = 3;
    run_script(m.session, &c, &r);
    assert_int_equal(r.finish, KW_FINISH_CANCELLED);
    assert_string_equal(r.text, "abc");
    r.refuse_token = 0;
    r.cancel_token = 4; /* kw_session_cancel from inside */
    run_script(m.session, &c, &r);
    assert_int_equal(r.finish, KW_FINISH_CANCELLED);
    assert_string_equal(r.text, "abca");
    r.cancel_token = 0;
    r.refuse_prompt = true; /* after the first chunk */
    must(kw_session_rewind(m.session, 0, &r.err), &r.err);
    must(run_tokens(m.session, prompt, 12, &c, &r), &r.err);
    assert_int_equal(r.finish, KW_FINISH_CANCELLED);
    assert_int_equal(r.n_tokens, 0);
    assert_int_equal(kw_session_position(m.session), 8);
    /* and the session goes on where it is */
    r.refuse_prompt = false;
    r.refuse_token = 2;
    must(run_tokens(m.session, prompt + 8, 4, &c, &r), &r.err);
    assert_string_equal(r.text, "ca");
    close_rig(&m);
}

typedef struct canceller {
    kw_session *session;
    atomic_bool stop;
} canceller;

static void cancel_until_told(void *arg)
{
    canceller *c = arg;
    while (!atomic_load(&c->stop))
        kw_session_cancel(c->session);
}

static void other_threads_cancel(void **state)
{
    static record r;
    kw_thread *thread = NULL;
    rig m = open_script(endless_script, 380);
    const kw_constraints c = greedy();
    canceller other = {.session = m.session};
    (void)state;
    assert_int_equal(kw_thread_start(&thread, cancel_until_told, &other, NULL), KW_OK);
    for (int i = 0; i < 20; i++) {
        run_script(m.session, &c, &r);
        assert_true(r.finish == KW_FINISH_CANCELLED || r.n_tokens == 380);
        assert_memory_equal(r.text, "abcabcabcabcabcabcabc", KW_MIN(r.text_len, (size_t)21));
    }
    atomic_store(&other.stop, true);
    kw_thread_join(thread);
    run_script(m.session, &c, &r); /* an old cancellation does not reach a new answer */
    assert_int_equal(r.finish, KW_FINISH_LENGTH);
    assert_int_equal(r.n_tokens, 380);
    close_rig(&m);
}

static void the_end_token_can_be_ignored(void **state)
{
    static record r;
    int32_t next[N_SCRIPT];
    memcpy(next, hello_script, sizeof next);
    next[T_EOS] = T_ST;
    next[T_ST] = T_OP;
    next[T_OP] = T_EOS;
    rig m = open_script(next, 64);
    kw_constraints c = greedy();
    (void)state;
    c.ignore_eos = true;
    c.max_tokens = 13;
    run_script(m.session, &c, &r);
    assert_string_equal(r.text, HELLO "STOPST");
    assert_int_equal(r.finish, KW_FINISH_LENGTH);
    close_rig(&m);
}

/* ---- draws ------------------------------------------------------------------------------------
 */

/* A flat script draws: the same seed the same answer, whatever the threads and the way there. */
static void draws_are_repeatable(void **state)
{
    static record first, again;
    kw_constraints c;
    (void)state;
    kw_constraints_init(&c);
    c.temperature = 1;
    c.max_tokens = 60;
    c.seed = 99;
    tiny t = tiny_script(endless_script, N_SCRIPT, 64);
    t.sharpness = 2;
    rig m = {.engine = new_engine(1, 0)};
    m.model = load_tiny(m.engine, &t);
    m.session = new_session(m.model, 64, 1);
    run_script(m.session, &c, &first);
    assert_int_equal(first.n_tokens, 60);
    assert_int_equal(first.text_len, 0); /* no tokenizer, no text */
    run_script(m.session, &c, &again);
    assert_memory_equal(first.tokens, again.tokens, 60 * sizeof(int32_t));
    close_rig(&m);
    m.engine = new_engine(3, 0);
    m.model = load_tiny(m.engine, &t);
    m.session = new_session(m.model, 0, 0);
    run_script(m.session, &c, &again);
    assert_memory_equal(first.tokens, again.tokens, 60 * sizeof(int32_t));
    c.seed = 100;
    run_script(m.session, &c, &again);
    assert_memory_not_equal(first.tokens, again.tokens, 60 * sizeof(int32_t));
    close_rig(&m);
}

static void repetition_is_penalised(void **state)
{
    static record r;
    rig m = open_script(endless_script, 64);
    kw_constraints c = greedy();
    (void)state;
    c.presence_penalty = 100;
    c.max_tokens = 9;
    run_script(m.session, &c, &r);
    for (size_t i = 0; i < r.n_tokens; i++)
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(r.tokens[i], r.tokens[k]);
    close_rig(&m);
}

/* ---- refusals ---------------------------------------------------------------------------------
 */

static void assert_run_refused(kw_session *session, const kw_input *input, const kw_constraints *c,
                               const char *words)
{
    kw_error err = {0};
    const int position = kw_session_position(session);
    const kw_status status = kw_run(session, input, c, NULL, NULL, NULL, &err);
    if (status != KW_E_ARG || !strstr(err.message, words))
        fail_msg("status %d \"%s\", expected \"%s\"", (int)status, err.message, words);
    assert_int_equal(kw_session_position(session), position);
}

static void bad_arguments_are_refused(void **state)
{
    const int32_t bos = T_BOS, bad[] = {T_BOS, -1}, worse[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, N_SCRIPT};
    rig m = open_script(hello_script, 64);
    kw_constraints c = greedy();
    kw_input input = {.struct_size = sizeof input, .tokens = &bos, .n_tokens = 1};
    (void)state;
    assert_run_refused(m.session, NULL, &c, "no input");
    input.struct_size--;
    assert_run_refused(m.session, &input, &c, "another library's size");
    input.struct_size++;
    c.struct_size++;
    assert_run_refused(m.session, &input, &c, "constraints of");
    c = greedy();
    input.n_tokens = 0;
    assert_run_refused(m.session, &input, &c, "the input is empty");
    input.tokens = bad;
    input.n_tokens = 2;
    assert_run_refused(m.session, &input, &c, "token -1 (index 1)");
    input.tokens = worse; /* in the second chunk of the prompt */
    input.n_tokens = 10;
    assert_run_refused(m.session, &input, &c, "token 16 (index 9)");
    input = (kw_input){.struct_size = sizeof input, .tokens = &bos, .n_tokens = 1};
#define REFUSED(field, value)                                                                      \
    c = greedy();                                                                                  \
    c.field = value;                                                                               \
    assert_run_refused(m.session, &input, &c, "run: " #field)
    REFUSED(temperature, -1);
    REFUSED(temperature, NAN);
    REFUSED(temperature, INFINITY);
    REFUSED(top_k, -1);
    REFUSED(top_p, 1.1f);
    REFUSED(top_p, NAN);
    REFUSED(min_p, -0.1f);
    REFUSED(min_p, NAN);
    REFUSED(repeat_penalty, 0);
    REFUSED(repeat_penalty, NAN);
    REFUSED(presence_penalty, NAN);
    REFUSED(frequency_penalty, INFINITY);
    close_rig(&m);
}

/* Constraints, callback and result may be left out; a result of another size gets what fits. */
static void much_may_be_left_out(void **state)
{
    const int32_t bos = T_BOS;
    rig m = open_script(hello_script, 64);
    const kw_input input = {.struct_size = sizeof input, .tokens = &bos, .n_tokens = 1};
    union {
        kw_result result;
        unsigned char bytes[sizeof(kw_result) + 8];
    } out;
    (void)state;
    assert_int_equal(kw_run(m.session, &input, NULL, NULL, NULL, NULL, NULL), KW_OK);
    memset(&out, 0xa5, sizeof out);
    out.result.struct_size = offsetof(kw_result, n_generated);
    assert_int_equal(kw_session_rewind(m.session, 0, NULL), KW_OK);
    assert_int_equal(kw_run(m.session, &input, NULL, NULL, NULL, &out.result, NULL), KW_OK);
    assert_int_equal(out.result.finish, KW_FINISH_STOP);
    for (size_t i = offsetof(kw_result, n_generated); i < sizeof out; i++)
        assert_int_equal(out.bytes[i], 0xa5);
    close_rig(&m);
}

static void text_needs_a_tokenizer(void **state)
{
    kw_error err = {0};
    tiny t = tiny_script(hello_script, N_SCRIPT, 64);
    rig m = {.engine = new_engine(1, 0)};
    const kw_input input = {.struct_size = sizeof input, .text = "Hello"};
    (void)state;
    m.model = load_tiny(m.engine, &t);
    m.session = new_session(m.model, 0, 0);
    assert_int_equal(kw_run(m.session, &input, NULL, NULL, NULL, NULL, &err), KW_E_NOTFOUND);
    assert_non_null(strstr(err.message, "no tokenizer in the file"));
    close_rig(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_script_is_said),
        cmocka_unit_test(text_inputs_are_tokenized),
        cmocka_unit_test(other_ends_of_the_file_end_the_answer),
        cmocka_unit_test(stop_texts_end_the_answer),
        cmocka_unit_test(text_is_held_no_longer_than_needed),
        cmocka_unit_test(held_text_comes_with_the_end),
        cmocka_unit_test(max_tokens_is_met),
        cmocka_unit_test(max_ms_is_met),
        cmocka_unit_test(a_full_context_ends_the_answer),
        cmocka_unit_test(callbacks_cancel),
        cmocka_unit_test(other_threads_cancel),
        cmocka_unit_test(the_end_token_can_be_ignored),
        cmocka_unit_test(draws_are_repeatable),
        cmocka_unit_test(repetition_is_penalised),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(much_may_be_left_out),
        cmocka_unit_test(text_needs_a_tokenizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
