/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* model.c - opening engines and models: every way to load gives the same results, hostile files are
 * refused before they run, synthetic models run, every stage prints. */
#include "engine_test.h"

#include "base/buf.h"
#include "base/json.h"
#include "engine/inspect.h"
#include "engine/synthetic.h"

#include <math.h>

enum { VOCAB = 48 };

/* ---- engines ----------------------------------------------------------------------------------
 */

static void engines_check_their_configuration(void **state)
{
    static const struct {
        int n_threads;
        size_t size_off;
        const char *isa;
        kw_status status;
        const char *words;
    } cases[] = {{1, 1, NULL, KW_E_ARG, "engine: config of"},
                 {-1, 0, NULL, KW_E_ARG, "engine: -1 threads"},
                 {257, 0, NULL, KW_E_ARG, "257 threads asked, the limit is 256"},
                 {1, 0, "mmx", KW_E_UNSUPPORTED, "instruction set \"mmx\""},
                 {1, 0, "", KW_E_UNSUPPORTED, "instruction set \"\""}};
    kw_engine *engine = NULL;
    kw_engine_config c;
    kw_error err = {0};
    (void)state;
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        kw_engine_config_init(&c, KW_PRESET_DEFAULT);
        c.struct_size += cases[i].size_off;
        c.n_threads = cases[i].n_threads;
        c.isa = cases[i].isa;
        const kw_status status = kw_engine_open(&c, &engine, &err);
        if (status != cases[i].status || !strstr(err.message, cases[i].words))
            fail_msg("status %d \"%s\", expected \"%s\"", (int)status, err.message, cases[i].words);
        assert_null(engine);
    }
    kw_engine_close(NULL);
    kw_model_close(NULL);
    must(kw_engine_open(NULL, &engine, &err), &err); /* all defaults */
    kw_engine_close(engine);
    assert_true(strlen(kw_version()) >= 5);
}

static void presets_have_budgets(void **state)
{
    kw_engine_config c;
    (void)state;
    kw_engine_config_init(&c, KW_PRESET_DEFAULT);
    assert_int_equal(c.memory_bytes, 0);
    kw_engine_config_init(&c, KW_PRESET_BROWSER);
    assert_int_equal(c.memory_bytes, (uint64_t)1 << 30);
    kw_engine_config_init(&c, KW_PRESET_SERVER);
    const uint64_t half = c.memory_bytes;
    kw_engine_config_init(&c, KW_PRESET_MOBILE);
    assert_true(half == 0 || c.memory_bytes < half);
    assert_int_equal(c.struct_size, sizeof c);
}

static void info_fills_what_the_caller_knows(void **state)
{
    kw_engine *engine = new_engine(2, 12345);
    union {
        kw_engine_info info;
        unsigned char bytes[sizeof(kw_engine_info) + 8];
    } out;
    (void)state;
    memset(&out, 0xa5, sizeof out);
    out.info.struct_size = offsetof(kw_engine_info, memory_bytes);
    kw_engine_get_info(engine, &out.info);
    assert_int_equal(out.info.n_threads, 2);
    assert_non_null(out.info.isa);
    for (size_t i = offsetof(kw_engine_info, memory_bytes); i < sizeof out; i++)
        assert_int_equal(out.bytes[i], 0xa5);
    out.info.struct_size = sizeof out.info;
    kw_engine_get_info(engine, &out.info);
    assert_int_equal(out.info.memory_bytes, 12345);
    kw_engine_close(engine);
}

static void count_lines(void *user, int level, const char *message)
{
    int *counts = user;
    assert_in_range(level, 0, 3);
    assert_true(strlen(message) > 0);
    counts[level]++;
}

static void logs_reach_the_caller(void **state)
{
    int counts[4] = {0};
    kw_engine *engine = NULL;
    kw_engine_config c;
    kw_error err = {0};
    tiny t = tiny_random(KW_F32);
    (void)state;
    kw_engine_config_init(&c, KW_PRESET_DEFAULT);
    c.n_threads = 1;
    c.log = count_lines;
    c.log_user = counts;
    c.log_level = 1;
    must(kw_engine_open(&c, &engine, &err), &err);
    assert_int_equal(counts[3], 0);
    rig r = {.engine = engine};
    r.model = load_tiny(engine, &t);
    r.session = new_session(r.model, 1000, 0); /* longer than trained for */
    assert_int_equal(counts[1], 1);
    close_rig(&r);
    c.log_level = 3;
    must(kw_engine_open(&c, &engine, &err), &err);
    assert_int_equal(counts[3], 1);
    kw_engine_close(engine);
}

/* ---- loading ----------------------------------------------------------------------------------
 */

static void logits_of(kw_model *model, float out[VOCAB])
{
    const int32_t tokens[6] = {5, 4, 3, 40, 1, 0};
    kw_error err = {0};
    kw_session *session = new_session(model, 16, 4);
    must(kw_session_eval(session, tokens, 6, true, out, &err), &err);
    kw_session_close(session);
}

static void every_way_to_load_is_the_same(void **state)
{
    static const kw_dtype types[] = {KW_F32, KW_F16, KW_Q8_0, KW_Q4_0};
    kw_engine *engine = new_engine(1, 0);
    kw_error err = {0};
    (void)state;
    for (size_t i = 0; i < KW_COUNT(types); i++) {
        float mapped[VOCAB], read[VOCAB], memory[VOCAB];
        kw_model *model = NULL;
        kw_model_config config;
        tiny t = tiny_random(types[i]);
        must(kw_model_load(engine, tiny_write(&t), NULL, &model, &err), &err);
        logits_of(model, mapped);
        kw_model_close(model);
        kw_model_config_init(&config);
        config.no_mmap = true;
        must(kw_model_load(engine, t.path, &config, &model, &err), &err);
        tiny_remove(&t); /* a copy needs no file */
        logits_of(model, read);
        kw_model_close(model);
        assert_memory_equal(read, mapped, sizeof read);
        for (size_t shift = 0; shift < 4; shift += 3) {
            size_t len;
            unsigned char *image = tiny_image(&t, shift, &len);
            must(kw_model_load_memory(engine, image, len, "in memory", NULL, &model, &err), &err);
            logits_of(model, memory);
            kw_model_close(model);
            tiny_image_free(image, shift);
            assert_memory_equal(memory, mapped, sizeof memory);
        }
    }
    kw_engine_close(engine);
}

static void models_describe_themselves(void **state)
{
    kw_engine *engine = new_engine(1, 0);
    kw_model_info info = {.struct_size = sizeof info};
    tiny t = tiny_random(KW_Q4_0);
    (void)state;
    tiny_set(&t, "tokenizer.chat_template", kw_gguf_string(KW_STR("{{ x }}")));
    kw_model *model = load_tiny(engine, &t);
    kw_model_get_info(model, &info);
    assert_string_equal(info.name, "tiny");
    assert_string_equal(info.architecture, "llama");
    assert_string_equal(info.description, "llama 22K Q4_0");
    assert_string_equal(info.chat_template, "{{ x }}");
    assert_true(info.dim == 32 && info.layers == 2 && info.vocab == 48 && info.context == 64);
    assert_false(info.has_tokenizer);
    assert_int_equal(info.n_params,
                     2 * 48 * 32 + 32 + 2 * (2 * 32 + 2 * 32 * 32 + 2 * 16 * 32 + 3 * 64 * 32));
    kw_model_close(model);
    tiny_unset(&t, "general.name");
    model = load_tiny(engine, &t);
    kw_model_get_info(model, &info);
    assert_non_null(strstr(info.name, "/tmp/kw-tiny-")); /* its path */
    kw_model_close(model);
    kw_engine_close(engine);
}

static void assert_load_refused(tiny *t, kw_status want, const char *words)
{
    kw_engine *engine = new_engine(1, 0);
    kw_model *model = NULL;
    kw_error err = {0};
    kw_engine_info info = {.struct_size = sizeof info};
    const kw_status status = kw_model_load(engine, tiny_write(t), NULL, &model, &err);
    if (status != want || !strstr(err.message, words))
        fail_msg("status %d \"%s\", expected %d \"%s\"", (int)status, err.message, (int)want,
                 words);
    assert_null(model);
    kw_engine_get_info(engine, &info);
    assert_int_equal(info.memory_used_bytes, 0);
    kw_engine_close(engine);
    tiny_remove(t);
}

static void hostile_files_are_refused(void **state)
{
    (void)state;
    /* more tokens than the model has rows for */
    tiny t = tiny_script(hello_script, N_SCRIPT - 1, 64);
    add_tokenizer(&t);
    assert_load_refused(&t, KW_E_FORMAT, "the tokenizer has 16 tokens, the model 15");
    t = tiny_script(hello_script, N_SCRIPT, 64);
    add_tokenizer(&t);
    tiny_set(&t, "tokenizer.ggml.eos_token_id", kw_gguf_u32(N_SCRIPT));
    assert_load_refused(&t, KW_E_FORMAT, "16");
    t = tiny_random(KW_F32);
    tiny_remove_tensor(&t, "blk.1.ffn_up.weight");
    assert_load_refused(&t, KW_E_FORMAT, "weight \"blk.1.ffn_up.weight\" is missing");
    /* a type that no kernel multiplies fails here, not at the first token */
    t = tiny_random(KW_F32);
    tiny_tensor(&t, "blk.0.attn_q.weight")->dtype = KW_I32;
    assert_load_refused(&t, KW_E_UNSUPPORTED, "weight \"blk.0.attn_q.weight\" is of type I32");
    t = tiny_random(KW_F32);
    tiny_tensor(&t, "output.weight")->dtype = KW_I64;
    assert_load_refused(&t, KW_E_UNSUPPORTED, "weight \"output.weight\" is of type I64");
}

/* Lists of a tokenizer that do not go together. */
static void hostile_tokenizers_are_refused(void **state)
{
    static const float nan_scores[N_SCRIPT] = {NAN};
    static const int32_t wild_types[N_SCRIPT] = {INT32_MAX};
    const struct {
        const char *key;
        kw_value value;
        const char *words;
    } cases[] = {
        {"tokenizer.ggml.tokens", kw_gguf_array(KW_GGUF_I32, script_types, N_SCRIPT),
         "tokenizer.ggml.tokens is no array of strings"},
        {"tokenizer.ggml.tokens", kw_gguf_array(KW_GGUF_STRING, script_pieces, 0), ""},
        {"tokenizer.ggml.scores", kw_gguf_array(KW_GGUF_F32, script_scores, N_SCRIPT - 1),
         "tokenizer.ggml.scores has 15 items for 16 tokens"},
        {"tokenizer.ggml.scores", kw_gguf_array(KW_GGUF_STRING, script_pieces, N_SCRIPT),
         "tokenizer.ggml.scores: item 0 is no number"},
        {"tokenizer.ggml.token_type", kw_gguf_array(KW_GGUF_I32, script_types, 1),
         "tokenizer.ggml.token_type has 1 items for 16 tokens"},
        {"tokenizer.ggml.token_type", kw_gguf_array(KW_GGUF_I32, wild_types, N_SCRIPT),
         "tokenizer.ggml.token_type: item 0"},
        {"tokenizer.ggml.bos_token_id", kw_gguf_int(KW_GGUF_I64, INT64_MAX), ""},
        {"tokenizer.ggml.eos_token_id", kw_gguf_int(KW_GGUF_I32, -2), ""},
        {"tokenizer.ggml.model", kw_gguf_string(KW_STR("unheard-of")), "unheard-of"},
    };
    kw_engine *engine = new_engine(1, 0);
    (void)state;
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        kw_model *model = NULL;
        kw_error err = {0};
        tiny t = tiny_script(hello_script, N_SCRIPT, 64);
        add_tokenizer(&t);
        tiny_set(&t, cases[i].key, cases[i].value);
        if (kw_model_load(engine, tiny_write(&t), NULL, &model, &err) == KW_OK)
            fail_msg("case %zu loads", i);
        if (!strstr(err.message, cases[i].words) || err.message[0] == '\0')
            fail_msg("case %zu: \"%s\", expected \"%s\"", i, err.message, cases[i].words);
        tiny_remove(&t);
    }
    /* scores that are no numbers order nothing, and crash nothing */
    kw_model *model = NULL;
    tiny t = tiny_script(hello_script, N_SCRIPT, 64);
    add_tokenizer(&t);
    tiny_set(&t, "tokenizer.ggml.scores", kw_gguf_array(KW_GGUF_F32, nan_scores, N_SCRIPT));
    if (kw_model_load(engine, tiny_write(&t), NULL, &model, NULL) == KW_OK) {
        int32_t *ids = NULL;
        size_t n = 0;
        assert_int_equal(kw_model_tokenize(model, "lo!ab<s>", 8, true, true, &ids, &n, NULL),
                         KW_OK);
        for (size_t i = 0; i < n; i++)
            assert_in_range(ids[i], 0, N_SCRIPT - 1);
        kw_free(ids);
    }
    kw_model_close(model);
    tiny_remove(&t);
    kw_engine_close(engine);
}

/* Fewer tokens than rows: ids without a spelling are drawn, and are no text. */
static void ids_beyond_the_tokenizer_are_no_text(void **state)
{
    static record r;
    int32_t next[40];
    kw_constraints c = greedy();
    (void)state;
    for (int i = 0; i < 40; i++)
        next[i] = i < 39 ? i + 1 : T_A;
    rig m = {.engine = new_engine(1, 0)};
    tiny t = tiny_script(next, 40, 64);
    add_tokenizer(&t);
    m.model = load_tiny(m.engine, &t);
    m.session = new_session(m.model, 0, 0);
    const int32_t first = N_SCRIPT - 2;
    c.max_tokens = 28;
    must(run_tokens(m.session, &first, 1, &c, &r), &r.err);
    assert_int_equal(r.n_tokens, 28);
    assert_string_equal(r.text, "cabc"); /* 15, 16 .. 39 without text, 13 14 15 */
    close_rig(&m);
}

static void arguments_of_loading_are_checked(void **state)
{
    kw_engine *engine = new_engine(1, 0);
    kw_model *model = NULL;
    kw_model_config config;
    kw_error err = {0};
    tiny t = tiny_random(KW_F32);
    (void)state;
    kw_model_config_init(&config);
    config.struct_size--;
    assert_int_equal(kw_model_load(engine, tiny_write(&t), &config, &model, &err), KW_E_ARG);
    assert_non_null(strstr(err.message, "model: config of"));
    assert_int_equal(kw_model_load_memory(engine, "x", 1, "m", &config, &model, &err), KW_E_ARG);
    tiny_remove(&t);
    assert_int_equal(kw_model_load(engine, "/nowhere/model.gguf", NULL, &model, &err),
                     KW_E_NOTFOUND);
    assert_non_null(strstr(err.message, "/nowhere/model.gguf"));
    assert_int_equal(kw_model_load_memory(engine, "x", 1, "one byte", NULL, &model, &err),
                     KW_E_FORMAT);
    assert_int_equal(kw_model_load_memory(engine, NULL, 0, "nothing", NULL, &model, &err),
                     KW_E_FORMAT);
    config.struct_size++;
    config.tokenizer = "/nowhere/tokenizer.json";
    assert_int_equal(kw_model_load(engine, tiny_write(&t), &config, &model, &err), KW_E_NOTFOUND);
    assert_null(model);
    tiny_remove(&t);
    kw_engine_close(engine);
}

static void text_goes_there_and_back(void **state)
{
    rig m = open_script(hello_script, 64);
    int32_t *ids = NULL;
    char *text = NULL;
    size_t n = 0, len = 0;
    kw_error err = {0};
    (void)state;
    must(kw_model_tokenize(m.model, "lo!", 3, true, false, &ids, &n, &err), &err);
    assert_int_equal(n, 3);
    if (ids[0] != T_BOS || ids[1] != T_LO || ids[2] != T_BANG)
        fail_msg("%d %d %d", (int)ids[0], (int)ids[1], (int)ids[2]);
    must(kw_model_detokenize(m.model, ids + 1, 2, &text, &len, &err), &err);
    assert_string_equal(text, "lo!");
    assert_int_equal(strlen(text), len);
    kw_free(ids);
    kw_free(text);
    /* special tokens only when they are meant */
    for (int parse = 0; parse < 2; parse++) {
        must(kw_model_tokenize(m.model, "<s>a", 4, false, parse, &ids, &n, &err), &err);
        assert_int_equal(n, 2);
        assert_int_equal(ids[0], parse ? T_BOS : T_UNK);
        assert_int_equal(ids[1], T_A);
        kw_free(ids);
    }
    kw_free(NULL);
    close_rig(&m);
}

/* ---- synthetic --------------------------------------------------------------------------------
 */

static void synthetic_models_run(void **state)
{
    rig r = {.engine = new_engine(2, 0)};
    kw_error err = {0};
    kw_model_info info = {.struct_size = sizeof info};
    static record rec;
    kw_constraints c = greedy();
    kw_engine_info before = {.struct_size = sizeof before};
    (void)state;
    must(kw_model_synthetic(r.engine, "llama-15m", "q4_0", &r.model, &err), &err);
    kw_model_get_info(r.model, &info);
    assert_true(info.dim == 288 && info.layers == 6 && info.vocab == 32000);
    assert_non_null(strstr(info.description, "24.4M Q4_0"));
    kw_engine_get_info(r.engine, &before);
    assert_true(before.memory_used_bytes > info.size_bytes);
    r.session = new_session(r.model, 64, 16);
    const int32_t prompt[5] = {1, 2, 3, 31999, 0};
    c.max_tokens = 4;
    must(run_tokens(r.session, prompt, 5, &c, &rec), &rec.err);
    assert_int_equal(rec.n_tokens, 4);
    close_rig(&r);
}

/* The file that is written for other programs is the model that runs here. */
static void synthetic_files_are_the_same(void **state)
{
    char path[] = "/tmp/kw-synthetic-XXXXXX";
    static float made[32000], written[32000];
    const int32_t token = 77;
    kw_error err = {0};
    kw_engine *engine = new_engine(1, 0);
    const int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    (void)close(fd);
    must(kw_synthetic_write(engine, "llama-15m", "q4_0", path, &err), &err);
    for (int way = 0; way < 2; way++) {
        kw_model *model = NULL;
        must(way == 0 ? kw_model_synthetic(engine, "llama-15m", "q4_0", &model, &err)
                      : kw_model_load(engine, path, NULL, &model, &err),
             &err);
        kw_session *session = new_session(model, 16, 1);
        must(kw_session_eval(session, &token, 1, true, way == 0 ? made : written, &err), &err);
        kw_session_close(session);
        kw_model_close(model);
    }
    assert_memory_equal(made, written, sizeof made);
    (void)remove(path);
    assert_int_equal(kw_synthetic_write(engine, "llama-15m", "q4_0", "/nowhere/x.gguf", &err),
                     KW_E_NOTFOUND);
    kw_engine_close(engine);
}

static void synthetic_requests_are_checked(void **state)
{
    kw_engine *engine = new_engine(1, 1 << 20);
    kw_model *model = NULL;
    kw_error err = {0};
    (void)state;
    assert_int_equal(kw_model_synthetic(engine, "llama-2b", "q4_0", &model, &err), KW_E_NOTFOUND);
    assert_non_null(strstr(err.message, "no shape \"llama-2b\""));
    assert_int_equal(kw_model_synthetic(engine, "llama-15m", "q9", &model, &err), KW_E_NOTFOUND);
    assert_int_equal(kw_model_synthetic(engine, "llama-15m", "q8_a32", &model, &err),
                     KW_E_NOTFOUND);
    assert_int_equal(kw_model_synthetic(engine, "llama-15m", "i8", &model, &err), KW_E_NOTFOUND);
    assert_int_equal(kw_model_synthetic(engine, "llama-15m", "q4_k", &model, &err),
                     KW_E_UNSUPPORTED); /* 288 is no whole number of superblocks */
    assert_int_equal(kw_model_synthetic(engine, "llama-15m", "q4_0", &model, &err), KW_E_LIMIT);
    assert_non_null(strstr(err.message, "memory: llama-15m needs"));
    assert_null(model);
    kw_engine_close(engine);
}

/* ---- inspection -------------------------------------------------------------------------------
 */

static void gather_text(void *user, const char *text, size_t len)
{
    kw_buf_add(user, text, len);
}

static void every_stage_prints(void **state)
{
    static const struct {
        const char *name, *words;
    } stages[] = {{"file", "gguf version 3"},
                  {"config", "missing (0)"},
                  {"graph", "rope_table"},
                  {"plan", "bucket: up to 512 tokens"}};
    kw_engine *engine = new_engine(1, 0);
    kw_error err = {0};
    kw_buf text = {0};
    kw_inspection what = {.write = gather_text, .user = &text};
    tiny t = tiny_random(KW_Q4_0);
    (void)state;
    add_tokenizer(&t);
    tiny_set(&t, "no.number", kw_gguf_f32(NAN)); /* JSON has none */
    tiny_set(&t, "no.limit", kw_gguf_f32(-INFINITY));
    tiny_set(&t, "a.flag", kw_gguf_bool(true));
    (void)tiny_write(&t);
    for (size_t i = 0; i < KW_COUNT(stages); i++) {
        kw_json json;
        kw_json_token token;
        assert_true(kw_stage_by_name(stages[i].name, &what.stage));
        what.json = false;
        must(kw_inspect(engine, t.path, &what, &err), &err);
        assert_non_null(strstr(text.data, stages[i].words));
        kw_buf_free(&text);
        what.json = true;
        must(kw_inspect(engine, t.path, &what, &err), &err);
        kw_json_init(&json, (kw_str){text.data, text.len}, stages[i].name);
        do {
            if (kw_json_next(&json, &token, &err) != KW_OK)
                fail_msg("%s in %.300s", err.message, text.data);
        } while (token.kind != KW_JSON_END);
        kw_buf_free(&text);
    }
    assert_false(kw_stage_by_name("files", &what.stage));
    assert_int_equal(kw_inspect(engine, "/nowhere", &what, &err), KW_E_NOTFOUND);
    tiny_remove(&t);
    kw_engine_close(engine);
}

/* A file that cannot run still shows what it is. */
static void broken_models_show_their_file(void **state)
{
    kw_engine *engine = new_engine(1, 0);
    kw_error err = {0};
    kw_buf text = {0};
    kw_inspection what = {.stage = KW_STAGE_FILE, .write = gather_text, .user = &text};
    size_t len;
    tiny t = tiny_random(KW_F32);
    (void)state;
    tiny_set(&t, "general.architecture", kw_gguf_string(KW_STR("unheard-of")));
    unsigned char *image = tiny_image(&t, 0, &len);
    must(kw_inspect_memory(engine, image, len, "odd", &what, &err), &err);
    assert_non_null(strstr(text.data, "unheard-of"));
    for (int stage = KW_STAGE_CONFIG; stage <= KW_STAGE_PLAN; stage++) {
        what.stage = (kw_stage)stage;
        assert_int_equal(kw_inspect_memory(engine, image, len, "odd", &what, &err),
                         KW_E_UNSUPPORTED);
    }
    kw_buf_free(&text);
    tiny_image_free(image, 0);
    kw_engine_close(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engines_check_their_configuration),
        cmocka_unit_test(presets_have_budgets),
        cmocka_unit_test(info_fills_what_the_caller_knows),
        cmocka_unit_test(logs_reach_the_caller),
        cmocka_unit_test(every_way_to_load_is_the_same),
        cmocka_unit_test(models_describe_themselves),
        cmocka_unit_test(hostile_files_are_refused),
        cmocka_unit_test(hostile_tokenizers_are_refused),
        cmocka_unit_test(ids_beyond_the_tokenizer_are_no_text),
        cmocka_unit_test(arguments_of_loading_are_checked),
        cmocka_unit_test(text_goes_there_and_back),
        cmocka_unit_test(synthetic_models_run),
        cmocka_unit_test(synthetic_files_are_the_same),
        cmocka_unit_test(synthetic_requests_are_checked),
        cmocka_unit_test(every_stage_prints),
        cmocka_unit_test(broken_models_show_their_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
