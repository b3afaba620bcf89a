/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* corruption.c - a valid file, cut short at every byte and changed at every byte of its header: it
 * opens or fails, and what opens can be walked. Copies have exactly the file's size, so that under
 * the address sanitizer one byte read beyond them is a failure. */
#include "fixtures.h"

#include "format/gguf_writer.h"
#include "format/safetensors_writer.h"

typedef struct sample {
    unsigned char *data; /* owned */
    size_t len;
    size_t header; /* bytes before the tensors' data */
    size_t end;    /* of the last tensor's data; only padding follows */
} sample;

static sample load(const char *path)
{
    kw_map map;
    kw_model_file *const file = expect_open_path(path);
    sample s = {.header = file->parts[0].map.len};
    for (size_t i = 0; i < file->n_tensors; i++) {
        const kw_tensor_view *const view = &file->tensors[i];
        s.header = view->offset < s.header ? (size_t)view->offset : s.header;
        s.end = (size_t)(view->offset + view->bytes);
    }
    kw_model_file_close(file);
    assert_int_equal(kw_map_open(path, false, &map, NULL), KW_OK);
    s.len = map.len;
    s.data = malloc(s.len);
    assert_non_null(s.data);
    memcpy(s.data, map.data, s.len);
    kw_map_close(&map);
    return s;
}

/* Returns true when the bytes open. */
static bool try_open(const void *data, size_t len)
{
    kw_model_file *file = NULL;
    kw_error err = {0};
    if (kw_model_file_from_memory(data, len, "sample", &file, &err) != KW_OK) {
        assert_true(err.code != KW_OK && err.code != KW_E_INTERNAL && err.message[0] != '\0');
        return false;
    }
    walk(file, false);
    kw_model_file_close(file);
    return true;
}

static void truncate_everywhere(const sample *s)
{
    uint32_t seed = 1;
    unsigned n_opened = 0;
    for (size_t i = 0; i < 4096 + 500; i++) {
        seed = seed * 1664525u + 1013904223u;
        const size_t len = i < 4096 ? i : (size_t)seed % s->len;
        if (len >= s->end)
            continue;
        unsigned char *const copy = malloc(len ? len : 1);
        assert_non_null(copy);
        memcpy(copy, s->data, len);
        n_opened += try_open(copy, len);
        free(copy);
    }
    assert_int_equal(n_opened, 0);
}

/* step: 1 tries every byte of the header. */
static void change_everywhere(const sample *s, size_t step)
{
    unsigned n_opened = 0, n_refused = 0;
    for (size_t i = 0; i < s->header; i += step) {
        const unsigned char old = s->data[i];
        const unsigned char values[] = {0x00, 0xff, (unsigned char)(old ^ 0x80),
                                        (unsigned char)(old + 1)};
        for (size_t k = 0; k < sizeof values; k++) {
            s->data[i] = values[k];
            if (try_open(s->data, s->len))
                n_opened++;
            else
                n_refused++;
        }
        s->data[i] = old;
    }
    assert_true(n_opened > 0 && n_refused > 0);
    assert_true(try_open(s->data, s->len));
}

static const kw_str WORDS[] = {{"one", 3}, {"two", 3}};
static const float FLOATS[] = {1.0f, 2.0f, 3.0f};

/* Every kind of value and several types of tensor, in about 1000 bytes of header. */
static void small_gguf(void **state)
{
    (void)state;
    char dir[64], path[128];
    const kw_meta metas[] = {
        {KW_STR("general.architecture"), kw_gguf_string(KW_STR("llama"))},
        {KW_STR("general.alignment"), kw_gguf_u32(32)},
        {KW_STR("llama.block_count"), kw_gguf_u32(2)},
        {KW_STR("llama.rope.freq_base"), kw_gguf_f32(10000.0f)},
        {KW_STR("split.count"), kw_gguf_int(KW_GGUF_U16, 1)},
        {KW_STR("flag"), kw_gguf_bool(true)},
        {KW_STR("large"), kw_gguf_int(KW_GGUF_U64, 1LL << 40)},
        {KW_STR("tokenizer.ggml.tokens"), kw_gguf_array(KW_GGUF_STRING, WORDS, 2)},
        {KW_STR("tokenizer.ggml.scores"), kw_gguf_array(KW_GGUF_F32, FLOATS, 3)},
    };
    const kw_tensor_spec specs[] = {{"token_embd.weight", KW_Q4_0, SHAPE(4, 64)},
                                    {"blk.0.attn_norm.weight", KW_F32, SHAPE(64)},
                                    {"blk.0.ffn_up.weight", KW_F16, SHAPE(2, 3, 5)},
                                    {"output.weight", KW_I8, SHAPE(7)}};
    kw_gguf_writer *writer;
    unsigned char zeros[4096] = {0};
    make_dir(dir);
    snprintf(path, sizeof path, "%s/model.gguf", dir);
    assert_int_equal(kw_gguf_create(path, metas, 9, specs, 4, &writer, NULL), KW_OK);
    for (size_t i = 0; i < 4; i++) {
        size_t bytes = 0;
        assert_true(kw_tensor_bytes(specs[i].dtype, specs[i].shape, &bytes));
        assert_int_equal(kw_gguf_write(writer, zeros, bytes, NULL), KW_OK);
    }
    assert_int_equal(kw_gguf_finish(writer, true, NULL), KW_OK);
    const sample s = load(path);
    truncate_everywhere(&s);
    change_everywhere(&s, 1);
    free(s.data);
    remove_file(dir, "model.gguf");
    (void)remove(dir);
}

static void small_safetensors(void **state)
{
    (void)state;
    char dir[64], path[128];
    const kw_st_tensor specs[] = {{"model.embed_tokens.weight", KW_F16, SHAPE(4, 16)},
                                  {"model.norm.weight", KW_F32, SHAPE(16)},
                                  {"scalar", KW_I64, {0}},
                                  {"a.b", KW_BF16, SHAPE(1, 2, 3, 4)}};
    kw_st_writer *writer;
    const unsigned char zeros[248] = {0};
    make_dir(dir);
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    assert_int_equal(kw_st_create(path, specs, 4, &writer, NULL), KW_OK);
    assert_int_equal(kw_st_write(writer, zeros, sizeof zeros, NULL), KW_OK);
    assert_int_equal(kw_st_finish(writer, true, NULL), KW_OK);
    const sample s = load(path);
    truncate_everywhere(&s);
    change_everywhere(&s, 1);
    free(s.data);
    remove_file(dir, "model.safetensors");
    (void)remove(dir);
}

static void shared_sample(const char *relative, size_t step)
{
    char path[1024];
    if (!shared_path(relative, path))
        skip();
    const sample s = load(path);
    truncate_everywhere(&s);
    change_everywhere(&s, step);
    free(s.data);
}

static void shared_gguf(void **state)
{
    (void)state;
    shared_sample("golden/gguf/q4_k_m-mixed/model.gguf", 5);
}

static void shared_safetensors(void **state)
{
    (void)state;
    shared_sample("golden/llama/mha/model.safetensors", 1);
}

/* Both containers of torch.save, with every kind of object that a checkpoint may hold. */
static void small_checkpoints(void **state)
{
    (void)state;
    static const char *const names[] = {"checkpoint.zip", "checkpoint.legacy", "values.zip",
                                        "values.legacy"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/tests/fuzz/corpus/fuzz_pytorch/%s", KW_SOURCE_DIR,
                 names[i]);
        const sample s = load(path);
        truncate_everywhere(&s);
        change_everywhere(&s, 1);
        free(s.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_gguf),         cmocka_unit_test(small_safetensors),
        cmocka_unit_test(small_checkpoints),  cmocka_unit_test(shared_gguf),
        cmocka_unit_test(shared_safetensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
