/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* session.c - a cache and a position: evaluation in any pieces, rewinding, refusals that change
 * nothing, sessions side by side on threads, the memory budget. */
#include "engine_test.h"

#include "os/thread.h"

enum { N_TOKENS = 40, VOCAB = 48 };

static void prompt(int32_t tokens[N_TOKENS])
{
    for (uint64_t i = 0; i < N_TOKENS; i++)
        tokens[i] = (int32_t)(kw_rng_u32(21, 0, i) % VOCAB);
}

static rig open_random(int n_threads, kw_dtype dtype)
{
    rig r = {.engine = new_engine(n_threads, 0)};
    tiny t = tiny_random(dtype);
    r.model = load_tiny(r.engine, &t);
    r.session = new_session(r.model, 64, 16);
    return r;
}

static void eval(kw_session *session, const int32_t *tokens, size_t n, float *logits)
{
    kw_error err = {0};
    must(kw_session_eval(session, tokens, n, false, logits, &err), &err);
}

static void pieces_and_rewinds_give_the_same(void **state)
{
    static float whole[N_TOKENS][VOCAB], got[N_TOKENS][VOCAB], last[VOCAB];
    int32_t tokens[N_TOKENS];
    kw_error err = {0};
    rig r = open_random(2, KW_Q4_0);
    (void)state;
    prompt(tokens);
    eval(r.session, tokens, N_TOKENS, whole[0]);
    assert_int_equal(kw_session_position(r.session), N_TOKENS);
    for (int back = N_TOKENS; back >= 0; back -= 7) { /* forget some, read them again */
        must(kw_session_rewind(r.session, back, &err), &err);
        assert_int_equal(kw_session_position(r.session), back);
        if (back < N_TOKENS)
            eval(r.session, tokens + back, (size_t)(N_TOKENS - back), got[0]);
        assert_memory_equal(got[0], whole[back], (size_t)(N_TOKENS - back) * sizeof whole[0]);
    }
    /* the last row alone, no rows at all, one token at a time */
    must(kw_session_rewind(r.session, 0, &err), &err);
    must(kw_session_eval(r.session, tokens, N_TOKENS - 1, true, NULL, &err), &err);
    must(kw_session_eval(r.session, &tokens[N_TOKENS - 1], 1, true, last, &err), &err);
    assert_memory_equal(last, whole[N_TOKENS - 1], sizeof last);
    must(kw_session_rewind(r.session, 0, &err), &err);
    must(kw_session_eval(r.session, tokens, N_TOKENS, true, last, &err), &err);
    assert_memory_equal(last, whole[N_TOKENS - 1], sizeof last);
    close_rig(&r);
}

static void the_cache_type_matters_little(void **state)
{
    static float half[VOCAB], full[VOCAB];
    int32_t tokens[N_TOKENS];
    kw_error err = {0};
    kw_session *session = NULL;
    const kw_session_config config = {
        .struct_size = sizeof config, .context = 64, .cache = KW_CACHE_F32};
    rig r = open_random(1, KW_F32);
    (void)state;
    prompt(tokens);
    must(kw_session_open(r.model, &config, &session, &err), &err);
    must(kw_session_eval(r.session, tokens, N_TOKENS, true, half, &err), &err);
    must(kw_session_eval(session, tokens, N_TOKENS, true, full, &err), &err);
    assert_memory_not_equal(half, full, sizeof half);
    for (int i = 0; i < VOCAB; i++)
        assert_true(half[i] - full[i] < 0.01f && full[i] - half[i] < 0.01f);
    kw_session_close(session);
    close_rig(&r);
}

static void assert_eval_refused(kw_session *session, const int32_t *tokens, size_t n,
                                kw_status want, const char *words)
{
    kw_error err = {0};
    const int position = kw_session_position(session);
    const kw_status status = kw_session_eval(session, tokens, n, true, NULL, &err);
    if (status != want || !strstr(err.message, words))
        fail_msg("status %d \"%s\", expected \"%s\"", (int)status, err.message, words);
    assert_int_equal(kw_session_position(session), position);
}

static void bad_tokens_change_nothing(void **state)
{
    static float want[VOCAB], got[VOCAB];
    int32_t tokens[N_TOKENS], many[65] = {0};
    kw_error err = {0};
    rig r = open_random(1, KW_F32);
    (void)state;
    prompt(tokens);
    must(kw_session_eval(r.session, tokens, 20, true, want, &err), &err);
    must(kw_session_rewind(r.session, 10, &err), &err);
    static const int32_t bad[] = {-1, VOCAB, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < KW_COUNT(bad); i++)
        for (size_t at = 0; at < 30; at += 29) { /* in the first chunk, in the second */
            int32_t with[30] = {0};
            with[at] = bad[i];
            assert_eval_refused(r.session, with, 30, KW_E_ARG, "is not in 0 to 47");
        }
    assert_eval_refused(r.session, tokens, 0, KW_E_ARG, "no tokens");
    assert_eval_refused(r.session, many, 55, KW_E_LIMIT,
                        "55 tokens at position 10 pass the context of 64");
    assert_eval_refused(r.session, many, SIZE_MAX, KW_E_LIMIT, "pass the context of 64");
    must(kw_session_eval(r.session, tokens + 10, 10, true, got, &err), &err);
    assert_memory_equal(got, want, sizeof got);
    assert_int_equal(kw_session_rewind(r.session, 21, &err), KW_E_ARG);
    assert_non_null(strstr(err.message, "rewind to 21, the session is at 20"));
    assert_int_equal(kw_session_rewind(r.session, -1, &err), KW_E_ARG);
    close_rig(&r);
}

static void a_cancelled_eval_stays_usable(void **state)
{
    static float logits[VOCAB];
    const int32_t token = 3;
    kw_error err = {0};
    rig r = open_random(1, KW_F32);
    (void)state;
    kw_session_cancel(r.session); /* before: not meant for what comes later */
    must(kw_session_eval(r.session, &token, 1, true, logits, &err), &err);
    assert_int_equal(kw_session_position(r.session), 1);
    close_rig(&r);
}

static void configurations_are_checked(void **state)
{
    rig r = open_random(1, KW_F32);
    kw_session *session = NULL;
    kw_error err = {0};
    kw_session_config c;
    (void)state;
    static const struct {
        int context, batch;
        size_t size_off;
        kw_status status;
        const char *words;
    } cases[] = {{-1, 0, 0, KW_E_ARG, "context -1, batch 0: must be 0 to"},
                 {(1 << 26) + 1, 0, 0, KW_E_ARG, "context 67108865"},
                 {0, -1, 0, KW_E_ARG, "batch -1"},
                 {0, INT32_MAX, 0, KW_E_ARG, "batch 2147483647"},
                 {0, 0, 1, KW_E_ARG, "session: config of"}};
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        kw_session_config_init(&c);
        c.context = cases[i].context;
        c.batch = cases[i].batch;
        c.struct_size += cases[i].size_off;
        const kw_status status = kw_session_open(r.model, &c, &session, &err);
        if (status != cases[i].status || !strstr(err.message, cases[i].words))
            fail_msg("status %d \"%s\", expected \"%s\"", (int)status, err.message, cases[i].words);
        assert_null(session);
    }
    /* defaults; a batch never passes the context */
    must(kw_session_open(r.model, NULL, &session, &err), &err);
    assert_int_equal(kw_session_context(session), 64);
    assert_int_equal(kw_session_position(session), 0);
    kw_session_close(session);
    kw_session_close(NULL);
    close_rig(&r);
}

/* ---- threads ----------------------------------------------------------------------------------
 */

typedef struct job {
    kw_session *session;
    int32_t tokens[N_TOKENS];
    float logits[N_TOKENS][VOCAB], want[N_TOKENS][VOCAB];
    size_t piece;
    int n_wrong;
} job;

static void evaluate_over_and_over(void *arg)
{
    job *j = arg;
    for (int round = 0; round < 6; round++) {
        j->n_wrong += kw_session_rewind(j->session, 0, NULL) != KW_OK;
        for (size_t at = 0; at < N_TOKENS; at += j->piece) {
            const size_t n = KW_MIN(j->piece, N_TOKENS - at);
            j->n_wrong +=
                kw_session_eval(j->session, j->tokens + at, n, false, j->logits[at], NULL) != KW_OK;
        }
        j->n_wrong += memcmp(j->logits, j->want, sizeof j->want) != 0;
    }
}

/* Two sessions of one model on two threads at once: each gets what it gets alone. */
static void sessions_run_side_by_side(void **state)
{
    static job jobs[2];
    kw_thread *thread = NULL;
    rig alone = open_random(1, KW_Q8_0), r = open_random(3, KW_Q8_0);
    (void)state;
    for (int i = 0; i < 2; i++) {
        jobs[i].session = i == 0 ? r.session : new_session(r.model, 64, 5);
        jobs[i].piece = i == 0 ? N_TOKENS : 3;
        jobs[i].n_wrong = 0;
        prompt(jobs[i].tokens);
        jobs[i].tokens[0] = i;
        assert_int_equal(kw_session_rewind(alone.session, 0, NULL), KW_OK);
        eval(alone.session, jobs[i].tokens, N_TOKENS, jobs[i].want[0]);
    }
    assert_memory_not_equal(jobs[0].want, jobs[1].want, sizeof jobs[0].want);
    assert_int_equal(kw_thread_start(&thread, evaluate_over_and_over, &jobs[1], NULL), KW_OK);
    evaluate_over_and_over(&jobs[0]);
    kw_thread_join(thread);
    assert_int_equal(jobs[0].n_wrong, 0);
    assert_int_equal(jobs[1].n_wrong, 0);
    kw_session_close(jobs[1].session);
    close_rig(&r);
    close_rig(&alone);
}

static void open_and_close(void *arg)
{
    kw_model *model = arg;
    for (int i = 0; i < 20; i++) {
        kw_session *session = NULL;
        const int32_t token = 1;
        if (kw_session_open(model, NULL, &session, NULL) == KW_OK)
            (void)kw_session_eval(session, &token, 1, true, NULL, NULL);
        kw_session_close(session);
    }
}

static void sessions_open_on_many_threads(void **state)
{
    kw_thread *threads[3];
    rig r = open_random(2, KW_Q4_0);
    kw_engine_info before = {.struct_size = sizeof before}, after = {.struct_size = sizeof after};
    (void)state;
    kw_engine_get_info(r.engine, &before);
    for (int i = 0; i < 3; i++)
        assert_int_equal(kw_thread_start(&threads[i], open_and_close, r.model, NULL), KW_OK);
    for (int i = 0; i < 3; i++)
        kw_thread_join(threads[i]);
    kw_engine_get_info(r.engine, &after);
    assert_int_equal(after.memory_used_bytes, before.memory_used_bytes);
    close_rig(&r);
}

/* ---- budget -----------------------------------------------------------------------------------
 */

static uint64_t used(const kw_engine *engine)
{
    kw_engine_info info = {.struct_size = sizeof info};
    kw_engine_get_info(engine, &info);
    return info.memory_used_bytes;
}

static void budgets_refuse_by_name(void **state)
{
    const int32_t token = 1;
    kw_error err = {0};
    kw_model *model = NULL;
    kw_session *session = NULL;
    tiny t = tiny_random(KW_F32);
    (void)state;
    /* too small for the model */
    kw_engine *engine = new_engine(1, 1000);
    assert_int_equal(kw_model_load(engine, tiny_write(&t), NULL, &model, &err), KW_E_LIMIT);
    assert_non_null(strstr(err.message, t.path));
    assert_non_null(strstr(err.message, "of the budget's 0 MiB"));
    assert_null(model);
    assert_int_equal(used(engine), 0);
    kw_engine_close(engine);
    /* for the model, not for a cache of 64 Mi positions */
    engine = new_engine(1, 10 << 20);
    must(kw_model_load(engine, t.path, NULL, &model, &err), &err);
    const uint64_t of_model = used(engine);
    assert_true(of_model > 0 && of_model < 200000);
    kw_session_config config;
    kw_session_config_init(&config);
    config.context = 1 << 26;
    assert_int_equal(kw_session_open(model, &config, &session, &err), KW_E_LIMIT);
    assert_non_null(strstr(err.message, "memory: the key/value cache needs 16384 MiB"));
    assert_int_equal(used(engine), of_model);
    /* for a cache, not for the work space of a batch of 32768 */
    config.context = 1 << 15;
    config.batch = 1 << 15;
    must(kw_session_open(model, &config, &session, &err), &err);
    const uint64_t of_cache = used(engine);
    assert_int_equal(of_cache - of_model,
                     2 * 2 * 32 * 2 * (1 << 15)); /* 2 heads of 8, kept as 16 */
    int32_t tokens[64] = {0};
    assert_int_equal(kw_session_eval(session, tokens, 64, true, NULL, &err), KW_E_LIMIT);
    assert_non_null(strstr(err.message, "memory: work space needs"));
    assert_int_equal(used(engine), of_cache);
    assert_int_equal(kw_session_position(session), 0);
    must(kw_session_eval(session, &token, 1, true, NULL, &err), &err); /* one token fits */
    assert_true(used(engine) > of_cache);
    kw_session_close(session);
    assert_int_equal(used(engine), of_model);
    kw_model_close(model);
    assert_int_equal(used(engine), 0);
    kw_engine_close(engine);
    tiny_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_and_rewinds_give_the_same),
        cmocka_unit_test(the_cache_type_matters_little),
        cmocka_unit_test(bad_tokens_change_nothing),
        cmocka_unit_test(a_cancelled_eval_stays_usable),
        cmocka_unit_test(configurations_are_checked),
        cmocka_unit_test(sessions_run_side_by_side),
        cmocka_unit_test(sessions_open_on_many_threads),
        cmocka_unit_test(budgets_refuse_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
