/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* config.c - reading a configuration: what is missing, of another type, uneven or out of range is
 * refused with a message that names it; what is left out gets its default. */
#include "tiny_model.h"

#include "base/json.h"
#include "model/blocks/decoder.h"
#include "model/families/families.h"
#include "model/net.h"

#include <math.h>

static kw_model_file *open_file(const char *path)
{
    kw_model_file *file = NULL;
    kw_error err = {0};
    if (kw_model_file_open(path, NULL, &file, &err) != KW_OK)
        fail_msg("%s", err.message);
    return file;
}

/* Expects the model to be refused with these words; words NULL: accepted, config copied to *out. */
static void check_file(const char *path, kw_status want, const char *words, kw_decoder_config *out)
{
    kw_net *net = NULL;
    kw_error err = {0};
    kw_model_file *file = open_file(path);
    const kw_status status = kw_net_open(file, &net, &err);
    if (status != want || (words && !strstr(err.message, words)))
        fail_msg("status %d \"%s\", expected %d \"%s\"", (int)status, err.message, (int)want,
                 words ? words : "");
    if (status == KW_OK) {
        if (out)
            memcpy(out, net->config, sizeof *out);
        kw_net_close(net);
    }
    kw_model_file_close(file);
}

static void check(tiny *t, kw_status want, const char *words, kw_decoder_config *out)
{
    check_file(tiny_write(t), want, words, out);
    tiny_remove(t);
}

static void defaults_follow_from_the_rest(void **state)
{
    kw_decoder_config c;
    tiny t = tiny_random(KW_F32);
    (void)state;
    tiny_unset(&t, "llama.attention.head_count_kv");
    tiny_unset(&t, "llama.context_length");
    tiny_unset(&t, "llama.attention.layer_norm_rms_epsilon");
    check(&t, KW_OK, NULL, &c);
    assert_int_equal(c.dim, 32);
    assert_int_equal(c.layers, 2);
    assert_int_equal(c.heads, 4);
    assert_int_equal(c.kv_heads, 4);
    assert_int_equal(c.head_dim, 8);
    assert_int_equal(c.n_rot, 8);
    assert_int_equal(c.vocab, 48);
    assert_int_equal(c.context, 2048);
    assert_int_equal(c.window, 0);
    assert_true(fabs(c.norm_eps - 1e-5) < 1e-12);
    assert_true(c.rope.base == 10000 && c.rope.scaling == KW_ROPE_PLAIN);
    assert_true(c.rope_adjacent);
    assert_false(c.tied_head);
}

static void given_values_are_taken(void **state)
{
    kw_decoder_config c;
    tiny t = tiny_random(KW_F32);
    (void)state;
    tiny_set(&t, "llama.attention.key_length", kw_gguf_int(KW_GGUF_U64, 16));
    tiny_set(&t, "llama.attention.sliding_window", kw_gguf_int(KW_GGUF_I8, 17));
    tiny_set(&t, "llama.vocab_size", kw_gguf_u32(48));
    tiny_set(&t, "llama.rope.dimension_count", kw_gguf_u32(6));
    tiny_set(&t, "llama.rope.freq_base", kw_gguf_f32(500000));
    tiny_set(&t, "llama.rope.scaling.type", kw_gguf_string(KW_STR("yarn")));
    tiny_set(&t, "llama.rope.scaling.factor", kw_gguf_float(KW_GGUF_F64, 4));
    tiny_set(&t, "llama.rope.scaling.original_context_length", kw_gguf_u32(32));
    tiny_set(&t, "llama.attention.layer_norm_rms_epsilon", kw_gguf_f32(0.25f));
    check(&t, KW_OK, NULL, &c);
    assert_int_equal(c.head_dim, 16);
    assert_int_equal(c.window, 17);
    assert_int_equal(c.n_rot, 6);
    assert_true(c.rope.base == 500000 && c.rope.scaling == KW_ROPE_YARN && c.rope.factor == 4);
    assert_true(c.rope.original_context == 32 && c.rope.beta_fast == 32 && c.rope.beta_slow == 1);
    assert_true(c.norm_eps == 0.25);
}

/* Files from before the scaling had a name give its factor alone. */
static void an_old_factor_is_linear(void **state)
{
    kw_decoder_config c;
    tiny t = tiny_random(KW_F32);
    (void)state;
    tiny_set(&t, "llama.rope.scale_linear", kw_gguf_f32(4));
    check(&t, KW_OK, NULL, &c);
    assert_int_equal(c.rope.scaling, KW_ROPE_LINEAR);
    assert_true(c.rope.factor == 4 && c.rope.original_context == 64);
    tiny_set(&t, "llama.rope.scaling.type", kw_gguf_string(KW_STR("none")));
    check(&t, KW_OK, NULL, &c);
    assert_int_equal(c.rope.scaling, KW_ROPE_PLAIN);
}

static void missing_keys_are_named(void **state)
{
    static const char *const keys[] = {"llama.embedding_length", "llama.block_count",
                                       "llama.attention.head_count", "llama.feed_forward_length"};
    (void)state;
    for (size_t i = 0; i < KW_COUNT(keys); i++) {
        tiny t = tiny_random(KW_F32);
        char words[80];
        tiny_unset(&t, keys[i]);
        (void)snprintf(words, sizeof words, "has no %s", keys[i]);
        check(&t, KW_E_FORMAT, words, NULL);
    }
    tiny t = tiny_random(KW_F32);
    tiny_unset(&t, "general.architecture");
    check(&t, KW_E_FORMAT, "general.architecture is missing", NULL);
    tiny_set(&t, "general.architecture", kw_gguf_u32(3));
    check(&t, KW_E_FORMAT, "general.architecture is missing", NULL);
    tiny_set(&t, "general.architecture", kw_gguf_string(KW_STR("lama")));
    check(&t, KW_E_UNSUPPORTED, "architecture \"lama\" is not supported", NULL);
}

typedef struct wrong {
    const char *key;
    kw_value value;
    kw_status status;
    const char *words;
} wrong;

static void check_wrong(const wrong *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tiny t = tiny_random(KW_F32);
        tiny_set(&t, cases[i].key, cases[i].value);
        check(&t, cases[i].status, cases[i].words, NULL);
    }
}

#define INT(v) kw_gguf_int(KW_GGUF_I64, v)
#define NUMBER(v) kw_gguf_float(KW_GGUF_F64, v)
#define TEXT(s) kw_gguf_string(KW_STR(s))

static void other_types_are_refused(void **state)
{
    const wrong cases[] = {
        {"llama.embedding_length", TEXT("32"), KW_E_FORMAT, "embedding_length is not a number"},
        {"llama.block_count", kw_gguf_bool(true), KW_E_FORMAT, "block_count is not a number"},
        {"llama.rope.freq_base", TEXT("x"), KW_E_FORMAT, "rope.freq_base is not a number"},
        {"llama.rope.scaling.type", INT(1), KW_E_FORMAT, "is not a string"},
        {"llama.embedding_length", NUMBER(32.5), KW_E_FORMAT, "embedding_length = 32.5 is"},
        {"llama.block_count", NUMBER((double)NAN), KW_E_FORMAT, "block_count = nan is"},
        {"llama.block_count", NUMBER((double)INFINITY), KW_E_FORMAT, "block_count = inf is"},
        {"llama.context_length", INT(INT64_MAX), KW_E_FORMAT, "context_length = 9.2"},
    };
    (void)state;
    check_wrong(cases, KW_COUNT(cases));
}

static void ranges_are_kept(void **state)
{
    const wrong cases[] = {
        {"llama.block_count", INT(0), KW_E_FORMAT, "layers is 0, must be 1 to 1024"},
        {"llama.block_count", INT(1025), KW_E_FORMAT, "layers is 1025"},
        {"llama.block_count", INT(-1), KW_E_FORMAT, "layers is -1"},
        {"llama.embedding_length", INT(0), KW_E_FORMAT, "dim is 0"},
        {"llama.embedding_length", INT((int64_t)1 << 32 | 32), KW_E_FORMAT, "dim is 4294967328"},
        {"llama.attention.head_count", INT(4097), KW_E_FORMAT, "heads is 4097"},
        {"llama.attention.head_count", INT((int64_t)1 << 33), KW_E_FORMAT, "heads is 8589934592"},
        {"llama.attention.head_count_kv", INT(5), KW_E_FORMAT, "kv_heads is 5, must be 1 to 4"},
        {"llama.attention.head_count_kv", INT(3), KW_E_FORMAT, "no multiple of 3 kv_heads"},
        {"llama.attention.key_length", INT(513), KW_E_FORMAT, "head_dim is 513"},
        {"llama.attention.key_length", INT(-8), KW_E_FORMAT, "head_dim is -8"},
        {"llama.feed_forward_length", INT(0), KW_E_FORMAT, "ffn is 0"},
        {"llama.feed_forward_length", INT((1 << 22) + 1), KW_E_FORMAT, "ffn is 4194305"},
        {"llama.context_length", INT(0), KW_E_FORMAT, "context is 0"},
        {"llama.context_length", INT((1 << 28) + 1), KW_E_FORMAT, "context is 268435457"},
        {"llama.attention.sliding_window", INT(-1), KW_E_FORMAT, "window is -1"},
        {"llama.attention.layer_norm_rms_epsilon", NUMBER(-1), KW_E_FORMAT, "norm_eps is -1"},
        {"llama.attention.layer_norm_rms_epsilon", NUMBER(1), KW_E_FORMAT, "norm_eps is 1,"},
        {"llama.attention.layer_norm_rms_epsilon", NUMBER((double)NAN), KW_E_FORMAT,
         "norm_eps is nan"},
        {"llama.vocab_size", INT(47), KW_E_FORMAT,
         "vocab_size is 47, the token embedding has 48 rows"},
        {"llama.rope.dimension_count", INT(7), KW_E_FORMAT, "dimension_count is 7, must be even"},
        {"llama.rope.dimension_count", INT(10), KW_E_FORMAT,
         "dimension_count is 10, must be 2 to 8"},
        {"llama.rope.dimension_count", INT(-2), KW_E_FORMAT, "dimension_count is -2"},
        {"llama.rope.freq_base", NUMBER(1), KW_E_FORMAT, "rope base is 1,"},
        {"llama.rope.freq_base", NUMBER((double)NAN), KW_E_FORMAT, "rope base is nan"},
        {"llama.rope.freq_base", NUMBER((double)INFINITY), KW_E_FORMAT, "rope base is inf"},
        {"llama.rope.scaling.type", TEXT("longrope"), KW_E_UNSUPPORTED,
         "rope scaling \"longrope\" is not supported"},
    };
    (void)state;
    check_wrong(cases, KW_COUNT(cases));
}

static void scalings_are_checked(void **state)
{
    static const char *const names[] = {"linear", "yarn", "llama3"};
    const wrong cases[] = {
        {"llama.rope.scaling.factor", NUMBER(0.5), KW_E_FORMAT, "rope factor is 0.5"},
        {"llama.rope.scaling.factor", NUMBER((double)NAN), KW_E_FORMAT, "rope factor is nan"},
        {"llama.rope.scaling.factor", NUMBER(2e6), KW_E_FORMAT, "rope factor is 2e+06"},
        {"llama.rope.scaling.original_context_length", NUMBER((double)NAN), KW_E_FORMAT,
         "original context is nan"},
        {"llama.rope.scaling.original_context_length", NUMBER((double)INFINITY), KW_E_FORMAT,
         "original context is inf"},
    };
    const wrong yarn[] = {
        {"llama.rope.scaling.yarn_beta_fast", NUMBER(0), KW_E_FORMAT, "yarn beta_fast 0"},
        {"llama.rope.scaling.yarn_beta_slow", NUMBER((double)NAN), KW_E_FORMAT, "beta_slow nan"},
    };
    (void)state;
    for (size_t n = 0; n < KW_COUNT(names); n++)
        for (size_t i = 0; i < KW_COUNT(cases) + (n == 1 ? KW_COUNT(yarn) : 0); i++) {
            const wrong *c = i < KW_COUNT(cases) ? &cases[i] : &yarn[i - KW_COUNT(cases)];
            tiny t = tiny_random(KW_F32);
            tiny_set(&t, "llama.rope.scaling.type", kw_gguf_string(kw_str_from(names[n])));
            tiny_set(&t, "llama.rope.scaling.factor", NUMBER(2));
            tiny_set(&t, c->key, c->value);
            check(&t, c->status, c->words, NULL);
        }
}

static void arrays_must_be_even(void **state)
{
    static const uint32_t even[] = {2, 2}, uneven[] = {2, 1};
    static const float nans[] = {NAN, NAN};
    static const kw_str words[] = {{"2", 1}};
    kw_decoder_config c;
    (void)state;
    tiny t = tiny_random(KW_F32);
    tiny_set(&t, "llama.attention.head_count_kv", kw_gguf_array(KW_GGUF_U32, even, 2));
    check(&t, KW_OK, NULL, &c);
    assert_int_equal(c.kv_heads, 2);
    tiny_set(&t, "llama.attention.head_count_kv", kw_gguf_array(KW_GGUF_U32, uneven, 2));
    check(&t, KW_E_UNSUPPORTED, "attention.head_count_kv differs from layer to layer", NULL);
    tiny_set(&t, "llama.attention.head_count_kv", kw_gguf_array(KW_GGUF_U32, even, 0));
    check(&t, KW_E_UNSUPPORTED, "attention.head_count_kv differs", NULL);
    tiny_set(&t, "llama.attention.head_count_kv", kw_gguf_array(KW_GGUF_STRING, words, 1));
    check(&t, KW_E_UNSUPPORTED, "attention.head_count_kv differs", NULL);
    tiny_set(&t, "llama.attention.head_count_kv", kw_gguf_array(KW_GGUF_F32, nans, 2));
    check(&t, KW_E_FORMAT, "attention.head_count_kv", NULL);
}

static void the_embedding_is_needed(void **state)
{
    tiny t = tiny_random(KW_F32);
    (void)state;
    tiny_remove_tensor(&t, "token_embd.weight");
    tiny_remove_tensor(&t, "output.weight");
    check(&t, KW_E_FORMAT, "no token embedding", NULL);
    tiny_add_tensor(&t, "token_embd.weight", KW_F32, SHAPE(48 * 32));
    check(&t, KW_E_FORMAT, "no token embedding of two dimensions", NULL);
}

/* ---- config.json ------------------------------------------------------------------------------
 */

/* A directory with config.json and the weights under Hugging Face's names that a config needs. */
static void check_json(const char *json, kw_status want, const char *words, kw_decoder_config *out)
{
    const kw_st_tensor embedding = {"model.embed_tokens.weight", KW_F32, SHAPE(4, 8)};
    static const float zeros[32];
    char dir[] = "/tmp/kw-config-XXXXXX", path[2][80];
    kw_st_writer *writer = NULL;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path[0], sizeof path[0], "%s/config.json", dir);
    (void)snprintf(path[1], sizeof path[1], "%s/model.safetensors", dir);
    FILE *file = fopen(path[0], "w");
    assert_non_null(file);
    assert_true(fputs(json, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(kw_st_create(path[1], &embedding, 1, &writer, NULL), KW_OK);
    assert_int_equal(kw_st_write(writer, zeros, sizeof zeros, NULL), KW_OK);
    assert_int_equal(kw_st_finish(writer, true, NULL), KW_OK);
    check_file(dir, want, words, out);
    (void)remove(path[0]);
    (void)remove(path[1]);
    (void)rmdir(dir);
}

#define BASE                                                                                       \
    "\"model_type\":\"llama\",\"hidden_size\":8,\"num_hidden_layers\":1,"                          \
    "\"num_attention_heads\":2,\"intermediate_size\":16"

static void json_fields_are_read(void **state)
{
    kw_decoder_config c;
    (void)state;
    check_json("{" BASE ",\"num_key_value_heads\":1,\"head_dim\":null,\"sliding_window\":null,"
               "\"rms_norm_eps\":1e-6,\"rope_theta\":5e5,\"tie_word_embeddings\":true,"
               "\"attention_bias\":true,\"max_position_embeddings\":99,\"hidden_act\":\"silu\","
               "\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":2,"
               "\"high_freq_factor\":5,\"original_max_position_embeddings\":64}}",
               KW_OK, NULL, &c);
    assert_int_equal(c.kv_heads, 1);
    assert_int_equal(c.head_dim, 4);
    assert_int_equal(c.context, 99);
    assert_int_equal(c.window, 0);
    assert_true(c.tied_head && c.attention_bias && !c.mlp_bias && !c.rope_adjacent);
    assert_true(c.rope.base == 5e5 && c.rope.scaling == KW_ROPE_LLAMA3 && c.rope.factor == 8);
    assert_true(c.rope.low_freq == 2 && c.rope.high_freq == 5 && c.rope.original_context == 64);
    /* both spellings of newer files */
    check_json("{" BASE ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":3}}", KW_OK, NULL, &c);
    assert_true(c.rope.scaling == KW_ROPE_LINEAR && c.rope.factor == 3);
    check_json("{" BASE ",\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":123}}",
               KW_OK, NULL, &c);
    assert_true(c.rope.scaling == KW_ROPE_PLAIN && c.rope.base == 123);
}

static void json_faults_are_named(void **state)
{
    (void)state;
    check_json("{\"model_type\":\"llama\"}", KW_E_FORMAT, "has no hidden_size", NULL);
    check_json("{}", KW_E_FORMAT, "config.json or its model_type", NULL);
    check_json("{" BASE ",\"tie_word_embeddings\":1}", KW_E_FORMAT,
               "tie_word_embeddings is neither true nor false", NULL);
    check_json("{" BASE ",\"hidden_act\":\"gelo\"}", KW_E_UNSUPPORTED, "activation \"gelo\"", NULL);
    check_json("{" BASE ",\"vocab_size\":5}", KW_E_FORMAT, "vocab_size is 5", NULL);
    check_json("{" BASE ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,"
               "\"low_freq_factor\":4,\"high_freq_factor\":4}}",
               KW_E_FORMAT, "low_freq_factor 4 and high_freq_factor 4 are no range", NULL);
    check_json("{" BASE ",\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":8,"
               "\"attention_factor\":-1}}",
               KW_E_FORMAT, "attention_factor -1", NULL);
}

/* ---- printing ---------------------------------------------------------------------------------
 */

static void configurations_print(void **state)
{
    tiny t = tiny_random(KW_F32);
    kw_net *net = NULL;
    kw_buf text = {0}, json_text = {0};
    kw_json json;
    kw_json_token token;
    kw_error err = {0};
    int n_keys = 0, n_fields = 0;
    (void)state;
    kw_model_file *file = open_file(tiny_write(&t));
    assert_int_equal(kw_net_open(file, &net, NULL), KW_OK);
    kw_net_print_config(net, false, &text);
    assert_non_null(strstr(text.data, "family llama, architecture \"llama\""));
    assert_non_null(strstr(text.data, "kv_heads                 2\n"));
    kw_net_print_config(net, true, &json_text);
    kw_json_init(&json, (kw_str){json_text.data, json_text.len}, "config");
    do {
        if (kw_json_next(&json, &token, &err) != KW_OK)
            fail_msg("%s in %s", err.message, json_text.data);
        n_keys += token.kind == KW_JSON_KEY;
    } while (token.kind != KW_JSON_END);
    for (const kw_field *f = NULL; (f = kw_family_next_field(&kw_family_llama, f));)
        n_fields++;
    assert_int_equal(n_keys, n_fields + 3); /* family, architecture, fields */
    kw_buf_free(&text);
    kw_buf_free(&json_text);
    kw_net_close(net);
    kw_model_file_close(file);
    tiny_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_follow_from_the_rest), cmocka_unit_test(given_values_are_taken),
        cmocka_unit_test(an_old_factor_is_linear),       cmocka_unit_test(missing_keys_are_named),
        cmocka_unit_test(other_types_are_refused),       cmocka_unit_test(ranges_are_kept),
        cmocka_unit_test(scalings_are_checked),          cmocka_unit_test(arrays_must_be_even),
        cmocka_unit_test(the_embedding_is_needed),       cmocka_unit_test(json_fields_are_read),
        cmocka_unit_test(json_faults_are_named),         cmocka_unit_test(configurations_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
