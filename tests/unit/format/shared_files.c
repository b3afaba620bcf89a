/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* shared_files.c - every model file of the shared data opens and is walked to its last byte; every
 * hostile or foreign file opens or fails by name, mapped and from memory. */
#include "fixtures.h"

#include <dirent.h>

typedef struct tally {
    unsigned n_files, n_opened, n_refused;
} tally;

static void open_any(const char *path, tally *count)
{
    kw_model_file *file = NULL;
    kw_error err = {0};
    kw_map map;
    count->n_files++;
    const kw_status status = kw_model_file_open(path, NULL, &file, &err);
    if (status == KW_OK) {
        count->n_opened++;
        walk(file, true);
        kw_model_file_close(file);
    } else {
        count->n_refused++;
        assert_int_equal(err.code, status);
        assert_true(strlen(err.message) > 10);
    }
    if (kw_map_open(path, false, &map, NULL) != KW_OK)
        return;
    if (map.len < 4 << 20 && open_copy(map.data, map.len, &file, &err) == KW_OK) {
        walk(file, true);
        close_copy(file);
    }
    kw_map_close(&map);
}

static void open_tree(const char *path, tally *count)
{
    DIR *const dir = opendir(path);
    if (!dir) {
        open_any(path, count);
        return;
    }
    kw_model_file *file = NULL;
    if (kw_model_file_open(path, NULL, &file, NULL) == KW_OK)
        kw_model_file_close(file);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char name[2048];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        open_tree(name, count);
    }
    closedir(dir);
}

static tally open_shared_tree(const char *relative)
{
    char path[1024];
    tally count = {0};
    if (!shared_path(relative, path))
        skip();
    open_tree(path, &count);
    print_message("%s: %u files, %u opened, %u refused\n", relative, count.n_files, count.n_opened,
                  count.n_refused);
    return count;
}

static void hostile_files_never_crash(void **state)
{
    (void)state;
    const tally hostile = open_shared_tree("adversarial");
    assert_true(hostile.n_files >= 50 && hostile.n_opened >= 5 && hostile.n_refused >= 40);
    const tally legacy = open_shared_tree("legacy-ggml");
    assert_true(legacy.n_files >= 7 && legacy.n_opened == legacy.n_files - 2); /* a text; no mark */
    const tally torch = open_shared_tree("torch-formats");
    assert_true(torch.n_files >= 50 && torch.n_opened >= 10);
}

static kw_model_file *open_shared(const char *relative)
{
    char path[1024];
    if (!shared_path(relative, path))
        skip();
    return expect_open_path(path);
}

static void golden_gguf_files_open(void **state)
{
    (void)state;
    static const struct {
        const char *name, *type; /* of blk.0.attn_q.weight or the fused one */
    } models[] = {{"f16", "F16"},       {"f32-small", "F32"},   {"falcon40-f16", "F16"},
                  {"gemma-f32", "F32"}, {"gpt2-f32", "F32"},    {"iq4_nl", "IQ4_NL"},
                  {"iq4_xs", "IQ4_XS"}, {"legacy-mixed", NULL}, {"q2_k", "Q2_K"},
                  {"q3_k", "Q3_K"},     {"q4_0", "Q4_0"},       {"q4_1", "Q4_1"},
                  {"q4_k", "Q4_K"},     {"q4_k_m-mixed", NULL}, {"q5_0", "Q5_0"},
                  {"q5_1", "Q5_1"},     {"q5_k", "Q5_K"},       {"q6_k", "Q6_K"},
                  {"q8_0", "Q8_0"}};
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        char relative[64];
        snprintf(relative, sizeof relative, "golden/gguf/%s", models[i].name);
        kw_model_file *const file = open_shared(relative);
        assert_true(file->n_tensors >= 12);
        assert_non_null(kw_model_file_meta(file, KW_STR("general.architecture")));
        assert_int_equal(kw_model_file_meta(file, KW_STR("general.architecture"))->kind,
                         KW_VALUE_STRING);
        const kw_tensor_view *view = kw_model_file_tensor(file, KW_STR("blk.0.attn_q.weight"));
        if (!view)
            view = kw_model_file_tensor(file, KW_STR("blk.0.attn_qkv.weight"));
        assert_non_null(view);
        if (models[i].type)
            assert_string_equal(view->type_name, models[i].type);
        assert_int_not_equal(view->dtype, KW_N_DTYPES);
        assert_true(view->bytes > 0 && view->data);
        walk(file, true);
        kw_model_file_close(file);
    }
}

static void golden_llama_directories_open(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n_tensors;
        int n_parts;
        kw_dtype dtype;
    } models[] = {{"gqa-f16-sharded", 30, 2, KW_F16},
                  {"linear-rope-bias", 35, 1, KW_F32},
                  {"llama3-rope-bf16-tied", 20, 1, KW_BF16},
                  {"mha", 21, 1, KW_F32}};
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        char relative[64];
        snprintf(relative, sizeof relative, "golden/llama/%s", models[i].name);
        kw_model_file *const file = open_shared(relative);
        assert_int_equal(file->n_tensors, models[i].n_tensors);
        assert_int_equal(file->n_parts, models[i].n_parts);
        const kw_tensor_view *const view =
            kw_model_file_tensor(file, KW_STR("model.embed_tokens.weight"));
        assert_non_null(view);
        assert_int_equal(view->dtype, models[i].dtype);
        const kw_value *const vocab = kw_model_file_meta(file, KW_STR("vocab_size"));
        const kw_value *const dim = kw_model_file_meta(file, KW_STR("hidden_size"));
        assert_true(vocab && dim);
        assert_true(kw_shape_eq(view->shape, SHAPE(vocab->i, dim->i)));
        const kw_value *const names = kw_model_file_meta(file, KW_STR("architectures"));
        assert_true(names && names->array.n == 1);
        assert_true(kw_str_is(kw_value_at(names, 0).s, "LlamaForCausalLM"));
        walk(file, true);
        kw_model_file_close(file);
    }
    kw_model_file *const rope = open_shared("golden/llama/llama3-rope-bf16-tied");
    assert_true(kw_model_file_meta(rope, KW_STR("rope_scaling.factor"))->kind == KW_VALUE_FLOAT);
    assert_true(kw_str_is(kw_model_file_meta(rope, KW_STR("rope_scaling.rope_type"))->s, "llama3"));
    kw_model_file_close(rope);
}

static void trained_models_open(void **state)
{
    (void)state;
    kw_model_file *const gguf = open_shared("weights/stories260K/stories260K.gguf");
    assert_int_equal(gguf->n_tensors, 48);
    const kw_value *const tokens = kw_model_file_meta(gguf, KW_STR("tokenizer.ggml.tokens"));
    assert_true(tokens && tokens->array.kind == KW_VALUE_STRING && tokens->array.n == 512);
    walk(gguf, true);
    kw_model_file_close(gguf);
    kw_model_file *const hf = open_shared("weights/tinystories656K");
    assert_int_equal(hf->n_tensors, 20);
    assert_non_null(hf->dir);
    walk(hf, true);
    kw_model_file_close(hf);
    kw_model_file *const conv = open_shared("weights/taesd/taesd-decoder.gguf");
    assert_int_equal(conv->n_tensors, 67);
    walk(conv, true);
    kw_model_file_close(conv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_files_never_crash),
        cmocka_unit_test(golden_gguf_files_open),
        cmocka_unit_test(golden_llama_directories_open),
        cmocka_unit_test(trained_models_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
