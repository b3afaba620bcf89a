/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* engine.c - memory: a step allocates nothing, and when the n-th allocation of loading and
 * answering fails, for every n, the call says so, nothing leaks and nothing crashes.
 *
 * kw-test: timeout 300 */
#include "alloc_fail.h"
#include "unit/engine/engine_test.h"

#include "base/buf.h"
#include "engine/convert.h"
#include "engine/inspect.h"
#include "engine/quantize.h"

enum { MAX_ALLOCATIONS = 100000 };

/* NULL, and a reason printed, when the shared data is not there. */
static const char *shared_path(const char *name)
{
    static char path[1024];
    const char *root = getenv("KWAAI_SHARED");
    (void)snprintf(path, sizeof path, "%s/%s", root && *root ? root : KW_SHARED_DIR, name);
    if (kw_file_exists(path) || kw_file_is_dir(path))
        return path;
    print_message("skipped: no shared data at %s\n", path);
    return NULL;
}

/* ---- nothing allocates in run -----------------------------------------------------------------
 */

static void check_steps(const char *path)
{
    enum { CONTEXT = 200 };
    static float logits[200000];
    int32_t prompt[40];
    kw_error err = {0};
    kw_model *model = NULL;
    kw_model_info info = {.struct_size = sizeof info};
    kw_engine *engine = new_engine(2, 0);
    must(kw_model_load(engine, path, NULL, &model, &err), &err);
    kw_model_get_info(model, &info);
    kw_session *session = new_session(model, CONTEXT, 32);
    for (int i = 0; i < 40; i++)
        prompt[i] = (i * 7 + 3) % info.vocab;
    assert_true((size_t)info.vocab * 8 < KW_COUNT(logits));
    /* warm up every bucket: a chunk of the prompt, its rest, scores, one token */
    must(kw_session_eval(session, prompt, 40, true, logits, &err), &err);
    must(kw_session_eval(session, prompt, 8, false, logits, &err), &err);
    must(kw_session_eval(session, prompt, 1, true, logits, &err), &err);
    kw_alloc_start();
    for (int i = 0; i < 20; i++)
        must(kw_session_eval(session, &prompt[i], 1, true, logits, &err), &err);
    assert_int_equal(kw_alloc_count(), 0);
    must(kw_session_rewind(session, 0, &err), &err);
    must(kw_session_eval(session, prompt, 40, true, logits, &err), &err);
    must(kw_session_eval(session, prompt, 8, false, logits, &err), &err);
    assert_int_equal(kw_alloc_count(), 0);
    assert_int_equal(kw_session_eval(session, prompt, CONTEXT, true, logits, &err), KW_E_LIMIT);
    assert_int_equal(kw_alloc_count(), 0); /* nor does a refusal */
    (void)kw_alloc_stop();
    kw_session_close(session);
    kw_model_close(model);
    kw_engine_close(engine);
}

static void steps_allocate_nothing(void **state)
{
    static const kw_dtype types[] = {KW_F32, KW_F16, KW_Q8_0, KW_Q4_0};
    (void)state;
    for (size_t i = 0; i < KW_COUNT(types); i++) {
        tiny t = tiny_random(types[i]);
        check_steps(tiny_write(&t));
        tiny_remove(&t);
    }
}

static void real_steps_allocate_nothing(void **state)
{
    const char *path = shared_path("golden/gguf/q4_0/model.gguf");
    (void)state;
    if (!path)
        skip();
    check_steps(path);
}

/* An answer allocates before its first token and not for each. */
static void answers_allocate_once(void **state)
{
    static record r;
    rig m = open_script(endless_script, 300);
    kw_constraints c;
    long counts[2];
    (void)state;
    kw_constraints_init(&c);
    c.presence_penalty = 0.01f;
    for (int i = 0; i < 3; i++) { /* the first warms up */
        c.max_tokens = i < 2 ? 3 : 250;
        kw_alloc_start();
        run_script(m.session, &c, &r);
        counts[i / 2] = kw_alloc_count();
        (void)kw_alloc_stop();
    }
    assert_int_equal(counts[1], counts[0]);
    close_rig(&m);
}

/* ---- every allocation fails -------------------------------------------------------------------
 */

typedef kw_status (*operation)(const char *path, kw_error *err);

/* Fails allocation n = 1, 2, ... of an operation that leaves nothing behind, until it needs no more
 * than n - 1. Returns how many it needs. */
static long fail_each(operation run, const char *path, bool all_after)
{
    int n_survived = 0;
    for (long n = 1; n < MAX_ALLOCATIONS; n++) {
        const long live = kw_alloc_live();
        kw_error err = {0};
        if (all_after)
            kw_alloc_fail_from(n);
        else
            kw_alloc_fail_at(n);
        const kw_status status = run(path, &err);
        const bool failed = kw_alloc_stop();
        assert_int_equal(kw_alloc_live(), live);
        if (!failed) {
            if (status != KW_OK)
                fail_msg("%s", err.message);
            print_message("%ld allocations, %d of them can be done without\n", n - 1, n_survived);
            return n - 1;
        }
        n_survived += status == KW_OK;
        if (status != KW_OK && (status != KW_E_NOMEM || err.message[0] == '\0'))
            fail_msg("allocation %ld: status %d \"%s\"", n, (int)status, err.message);
    }
    fail_msg("more than %d allocations", MAX_ALLOCATIONS);
    return 0;
}

static bool ignore(void *user, const kw_event *event)
{
    (void)user;
    (void)event;
    return true;
}

static kw_status answer(kw_model *model, kw_error *err)
{
    static const char *const stop[] = {"never said"};
    const int32_t tokens[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    kw_session *session = NULL;
    kw_model_info info = {.struct_size = sizeof info};
    const kw_session_config config = {.struct_size = sizeof config, .context = 64, .batch = 8};
    kw_input input = {.struct_size = sizeof input, .tokens = tokens, .n_tokens = 10};
    kw_constraints c;
    kw_constraints_init(&c);
    c.max_tokens = 3;
    c.repeat_penalty = 1.1f;
    c.stop = stop;
    c.n_stop = 1;
    kw_model_get_info(model, &info);
    if (info.has_tokenizer)
        input = (kw_input){.struct_size = sizeof input, .text = "ab ba"};
    kw_status status = kw_session_open(model, &config, &session, err);
    if (status == KW_OK)
        status = kw_run(session, &input, &c, ignore, NULL, NULL, err);
    kw_session_close(session);
    return status;
}

static kw_status load_and_answer(const char *path, kw_error *err)
{
    kw_engine *engine = NULL;
    kw_model *model = NULL;
    kw_engine_config config;
    kw_engine_config_init(&config, KW_PRESET_DEFAULT);
    config.n_threads = 2;
    kw_status status = kw_engine_open(&config, &engine, err);
    if (status == KW_OK)
        status = kw_model_load(engine, path, NULL, &model, err);
    if (status == KW_OK)
        status = answer(model, err);
    kw_model_close(model);
    kw_engine_close(engine);
    return status;
}

static kw_status embed(kw_model *model, kw_error *err)
{
    enum { MOST = 512 };
    static float vectors[2 * MOST];
    const int32_t tokens[5] = {1, 2, 3, 4, 5};
    kw_model_info info = {.struct_size = sizeof info};
    kw_session *session = NULL;
    const kw_input inputs[2] = {{.struct_size = sizeof inputs[0], .tokens = tokens, .n_tokens = 2},
                                {.struct_size = sizeof inputs[1], .tokens = tokens, .n_tokens = 5}};
    kw_model_get_info(model, &info);
    assert_true(info.dim <= MOST);
    kw_status status = kw_session_open(model, NULL, &session, err);
    if (status == KW_OK)
        status = kw_embed(session, inputs, 2, NULL, vectors, NULL, err);
    /* A session is of use after a failure. */
    if (status == KW_E_NOMEM && session && kw_embed(session, inputs, 2, NULL, vectors, NULL, NULL))
        status = KW_E_INTERNAL;
    kw_session_close(session);
    return status;
}

static kw_status load_and_embed(const char *path, kw_error *err)
{
    kw_engine *engine = NULL;
    kw_model *model = NULL;
    kw_engine_config config;
    kw_engine_config_init(&config, KW_PRESET_DEFAULT);
    config.n_threads = 1;
    kw_status status = kw_engine_open(&config, &engine, err);
    if (status == KW_OK)
        status = kw_model_load(engine, path, NULL, &model, err);
    if (status == KW_OK)
        status = embed(model, err);
    kw_model_close(model);
    kw_engine_close(engine);
    return status;
}

static void count_text(void *user, const char *text, size_t len)
{
    (void)text;
    *(size_t *)user += len;
}

static kw_status inspect_all(const char *path, kw_error *err)
{
    kw_engine *engine = NULL;
    kw_engine_config config;
    size_t len = 0;
    kw_engine_config_init(&config, KW_PRESET_DEFAULT);
    config.n_threads = 1;
    kw_status status = kw_engine_open(&config, &engine, err);
    for (int i = 0; status == KW_OK && i < 8; i++) {
        const kw_inspection what = {(kw_stage)(i / 2), i % 2 == 1, count_text, &len};
        status = kw_inspect(engine, path, &what, err);
    }
    kw_engine_close(engine);
    return status;
}

static void tiny_models_survive(void **state)
{
    tiny t = tiny_random(KW_Q4_0);
    (void)state;
    tiny_tensor(&t, "output_norm.weight")->dtype = KW_F16; /* decoded into the arena */
    (void)fail_each(load_and_answer, tiny_write(&t), false);
    (void)fail_each(load_and_answer, t.path, true);
    tiny_remove(&t);
}

static void tokenizers_survive(void **state)
{
    tiny t = tiny_script(endless_script, N_SCRIPT, 64);
    (void)state;
    add_tokenizer(&t);
    tiny_set(&t, "tokenizer.chat_template", kw_gguf_string(KW_STR("{{ x }}")));
    (void)fail_each(load_and_answer, tiny_write(&t), false);
    (void)fail_each(load_and_answer, t.path, true);
    tiny_remove(&t);
}

static void inspections_survive(void **state)
{
    tiny t = tiny_random(KW_Q4_0);
    (void)state;
    add_tokenizer(&t);
    tiny_remove_tensor(&t, "blk.1.ffn_up.weight"); /* so that there is something to list */
    tiny_add_tensor(&t, "of no use", KW_F32, SHAPE(3));
    const char *path = tiny_write(&t);
    kw_error err = {0};
    assert_int_equal(inspect_all(path, &err), KW_E_FORMAT);
    tiny_remove(&t);
    t = tiny_random(KW_Q4_0);
    add_tokenizer(&t);
    tiny_add_tensor(&t, "of no use", KW_F32, SHAPE(3));
    (void)fail_each(inspect_all, tiny_write(&t), false);
    tiny_remove(&t);
}

static void encoders_survive(void **state)
{
    const char *bert = KW_SOURCE_DIR "/tests/golden/bert";
    const char *t5 = KW_SOURCE_DIR "/tests/fuzz/corpus/fuzz_model/t5-f16.gguf";
    tiny t = tiny_random(KW_Q4_0);
    (void)state;
    (void)fail_each(load_and_embed, bert, false);
    (void)fail_each(load_and_embed, t5, false);
    (void)fail_each(load_and_answer, t5, false);
    (void)fail_each(load_and_answer, t5, true);
    (void)fail_each(load_and_embed, tiny_write(&t), false); /* by a decoder */
    tiny_remove(&t);
}

/* Experts with a place each, lists of the rotation; then transposed matrices and slopes. */
static void decoder_families_survive(void **state)
{
    static const char *const shared[] = {"golden/gpt2/prefixed", "golden/falcon/rw-alibi"};
    (void)state;
    (void)fail_each(load_and_answer, KW_SOURCE_DIR "/tests/golden/decoders/mixtral", false);
    (void)fail_each(load_and_answer, KW_SOURCE_DIR "/tests/golden/decoders/phi3-long", false);
    for (size_t i = 0; i < KW_COUNT(shared); i++) {
        const char *path = shared_path(shared[i]);
        if (path)
            (void)fail_each(load_and_answer, path, false);
    }
}

/* ---- writing a model ---- */

static const char *written; /* where */

typedef kw_status (*writer)(kw_engine *engine, kw_model_file *file, const char *path,
                            const kw_quantize_config *config, kw_quantize_result *out,
                            kw_error *err);

/* A file is there when the call succeeds, and else it is not. */
static kw_status write_model(const char *path, writer write, kw_error *err)
{
    kw_engine *engine = NULL;
    kw_model_file *file = NULL;
    kw_quantize_result result;
    const kw_quantize_config config = {.type = NULL};
    kw_engine_config two;
    kw_engine_config_init(&two, KW_PRESET_DEFAULT);
    two.n_threads = 2;
    kw_status status = kw_engine_open(&two, &engine, err);
    if (status == KW_OK)
        status = kw_model_file_open(path, NULL, &file, err);
    if (status == KW_OK)
        status = write(engine, file, written, &config, &result, err);
    kw_model_file_close(file);
    kw_engine_close(engine);
    assert_int_equal(kw_file_exists(written), status == KW_OK);
    (void)unlink(written);
    return status;
}

static kw_status to_gguf(const char *path, kw_error *err)
{
    return write_model(path, kw_quantize, err);
}

static kw_status to_safetensors(const char *path, kw_error *err)
{
    return write_model(path, kw_convert_safetensors, err);
}

/* Bytes with scales and experts apart to GGUF; GGUF with its tokenizer to safetensors. */
static void conversions_survive(void **state)
{
    char dir[] = "/tmp/kw-convert-XXXXXX", path[64];
    tiny t = tiny_script(hello_script, N_SCRIPT, 64);
    (void)state;
    assert_non_null(mkdtemp(dir));
    written = path;
    (void)snprintf(path, sizeof path, "%s/model.gguf", dir);
    (void)fail_each(to_gguf, KW_SOURCE_DIR "/tests/golden/formats/tiny/fp8", false);
    (void)fail_each(to_gguf, KW_SOURCE_DIR "/tests/golden/decoders/mixtral", false);
    (void)fail_each(to_gguf, KW_SOURCE_DIR "/tests/golden/t5", true);
    (void)snprintf(path, sizeof path, "%s/model.safetensors", dir);
    add_tokenizer(&t);
    (void)fail_each(to_safetensors, tiny_write(&t), false);
    (void)fail_each(to_safetensors, KW_SOURCE_DIR "/tests/golden/formats/tiny/fp8", false);
    tiny_remove(&t);
    assert_int_equal(rmdir(dir), 0); /* nothing is left, no temporary file either */
}

static void shared_models_survive(void **state)
{
    const char *path = shared_path("golden/gguf/q4_0/model.gguf");
    (void)state;
    if (!path)
        skip();
    (void)fail_each(load_and_answer, path, false);
}

static void hugging_face_directories_survive(void **state)
{
    const char *path = shared_path("golden/llama/gqa-f16-sharded");
    (void)state;
    if (!path)
        skip();
    (void)fail_each(load_and_answer, path, false);
}

static void the_built_in_model_survives(void **state)
{
    const char *path = KW_SOURCE_DIR "/models/builtin/stories.gguf";
    (void)state;
    if (!kw_file_exists(path)) {
        print_message("skipped: no %s\n", path);
        skip();
    }
    (void)fail_each(load_and_answer, path, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_allocate_nothing),
        cmocka_unit_test(real_steps_allocate_nothing),
        cmocka_unit_test(answers_allocate_once),
        cmocka_unit_test(tiny_models_survive),
        cmocka_unit_test(tokenizers_survive),
        cmocka_unit_test(inspections_survive),
        cmocka_unit_test(encoders_survive),
        cmocka_unit_test(decoder_families_survive),
        cmocka_unit_test(conversions_survive),
        cmocka_unit_test(shared_models_survive),
        cmocka_unit_test(hugging_face_directories_survive),
        cmocka_unit_test(the_built_in_model_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
