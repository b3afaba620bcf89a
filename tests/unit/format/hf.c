/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hf.c - config.json flattened, the index of shards, and directories that hold them. */
#include "fixtures.h"

#include "format/hf.h"
#include "format/paths.h"

#include <unistd.h>

static kw_status flatten(const char *text, kw_arena *arena, kw_image *out, kw_error *err)
{
    return kw_hf_config_parse(kw_str_from(text), "config.json", arena, out, err);
}

static const kw_value *need(const kw_image *image, const char *key)
{
    const kw_value *const value = kw_image_meta(image, key);
    if (!value)
        fail_msg("no key %s", key);
    return value;
}

static void config_is_flattened(void **state)
{
    (void)state;
    kw_arena arena = {0};
    kw_image image;
    kw_error err = {0};
    const char *const text =
        "{\"a\":1,\"b\":-2.5e3,\"c\":true,\"d\":null,\"e\":\"x\\ny\",\"big\":"
        "1000000000000000019884,"
        "\"rope\":{\"factor\":8.0,\"deep\":{\"er\":[1,2,3]}},\"empty\":{},"
        "\"ints\":[1,-2],\"mixed\":[1,2.5,-3],\"words\":[\"p\",\"q\\u0041\"],\"flags\":[true,false]"
        ","
        "\"none\":[],\"list\":[1,\"a\",null],\"pairs\":[[1,2],{\"k\":[\"v\"]}]}";
    if (flatten(text, &arena, &image, &err) != KW_OK)
        fail_msg("%s", err.message);
    assert_int_equal(need(&image, "a")->i, 1);
    assert_true(need(&image, "b")->f == -2500.0);
    assert_true(need(&image, "c")->b);
    assert_int_equal(need(&image, "d")->kind, KW_VALUE_NULL);
    assert_true(kw_str_is(need(&image, "e")->s, "x\ny"));
    assert_true(need(&image, "big")->f == 1000000000000000019884.0);
    assert_true(need(&image, "rope.factor")->kind == KW_VALUE_FLOAT);
    assert_int_equal(kw_value_at(need(&image, "rope.deep.er"), 2).i, 3);
    assert_int_equal(kw_value_at(need(&image, "ints"), 1).i, -2);
    assert_int_equal(need(&image, "mixed")->array.kind, KW_VALUE_FLOAT);
    assert_true(kw_value_at(need(&image, "mixed"), 0).f == 1.0);
    assert_true(kw_value_at(need(&image, "mixed"), 2).f == -3.0);
    assert_true(kw_str_is(kw_value_at(need(&image, "words"), 1).s, "qA"));
    assert_false(kw_value_at(need(&image, "flags"), 1).b);
    assert_int_equal(need(&image, "none")->array.n, 0);
    assert_int_equal(need(&image, "list.0")->i, 1);
    assert_true(kw_str_is(need(&image, "list.1")->s, "a"));
    assert_int_equal(need(&image, "list.2")->kind, KW_VALUE_NULL);
    assert_int_equal(kw_value_at(need(&image, "pairs.0"), 1).i, 2);
    assert_true(kw_str_is(kw_value_at(need(&image, "pairs.1.k"), 0).s, "v"));
    assert_null(kw_image_meta(&image, "empty"));
    assert_int_equal(image.n_metas, 18);
    kw_arena_free(&arena);
}

static void bad_configs_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        kw_status status;
        const char *words;
    } bad[] = {
        {"", KW_E_FORMAT, "config.json: byte 0"},
        {"[]", KW_E_FORMAT, "expected an object"},
        {"{\"a\":1,\"a\":2}", KW_E_FORMAT, "config.json: key \"a\" appears twice"},
        {"{\"a\":{\"b\":1},\"a.b\":2}", KW_E_FORMAT, "key \"a.b\" appears twice"},
        {"{\"a\":[1,2}", KW_E_FORMAT, "config.json: byte"},
        {"{\"a\":1} x", KW_E_FORMAT, "expected nothing more"},
        {"{\"a\\u001b\":1}", KW_E_FORMAT, "is not printable"},
        {"{\"a\":1e999}", KW_E_FORMAT, "config.json"},
        {"{\"a\":[1e999]}", KW_E_FORMAT, "config.json"},
        {"{\"a\":NaN}", KW_E_FORMAT, "expected a value"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        kw_arena arena = {0};
        kw_image image;
        kw_error err = {0};
        const kw_status status = flatten(bad[i].text, &arena, &image, &err);
        if (status == KW_OK || !strstr(err.message, bad[i].words))
            fail_msg("%s: status %d \"%s\"", bad[i].text, status, err.message);
        kw_arena_free(&arena);
    }
}

/* Nesting repeats keys; what comes out stays bounded whatever goes in. */
static void flattening_is_bounded(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    char *const text = malloc(N);
    assert_non_null(text);
    kw_arena arena = {0};
    kw_image image;
    kw_error err = {0};
    size_t n = 0;
    for (int depth = 0; depth < 100; depth++)
        n += (size_t)snprintf(text + n, N - n, "{\"0123456789\":");
    n += (size_t)snprintf(text + n, N - n, "1");
    for (int depth = 0; depth < 100; depth++)
        text[n++] = '}';
    text[n] = '\0';
    assert_int_equal(flatten(text, &arena, &image, &err), KW_E_LIMIT);
    assert_non_null(strstr(err.message, "longer than 512 bytes"));

    n = (size_t)snprintf(text, N, "{\"k\":[null");
    for (int i = 0; i < 300000; i++)
        n += (size_t)snprintf(text + n, N - n, ",1");
    snprintf(text + n, N - n, "]}");
    assert_int_equal(flatten(text, &arena, &image, &err), KW_E_LIMIT);
    assert_non_null(strstr(err.message, "more than"));
    kw_arena_free(&arena);
    free(text);
}

static void index_lists_each_shard_once(void **state)
{
    (void)state;
    kw_arena arena = {0};
    kw_hf_index index;
    kw_error err = {0};
    const kw_str text =
        KW_STR("{\"metadata\":{\"total_size\":1},\"weight_map\":{\"a\":\"s-2.safetensors\","
               "\"b\":\"s-1.safetensors\",\"c\":\"s-2.safetensors\"}}");
    assert_int_equal(kw_hf_index_parse(text, "index", &arena, &index, &err), KW_OK);
    assert_int_equal(index.n_entries, 3);
    assert_int_equal(index.n_files, 2);
    assert_true(kw_str_is(index.files[0], "s-1.safetensors"));
    assert_true(kw_str_is(index.files[1], "s-2.safetensors"));
    assert_true(kw_str_is(index.entries[1].tensor, "b"));
    kw_arena_free(&arena);
}

/* More tensors than the lists first have room for, over many shards in any order. */
static void a_long_index_is_read(void **state)
{
    (void)state;
    enum { N = 1000, SHARDS = 37 };
    kw_arena arena = {0};
    kw_hf_index index;
    kw_error err = {0};
    char *const text = malloc(N * 48);
    assert_non_null(text);
    size_t n = (size_t)snprintf(text, N * 48, "{\"weight_map\":{");
    for (size_t i = 0; i < N; i++)
        n += (size_t)snprintf(text + n, N * 48 - n, "%s\"t%zu\":\"%02zu.safetensors\"",
                              i == 0 ? "" : ",", i, i * 7 % SHARDS);
    snprintf(text + n, N * 48 - n, "}}");
    if (kw_hf_index_parse(kw_str_from(text), "index", &arena, &index, &err) != KW_OK)
        fail_msg("%s", err.message);
    assert_int_equal(index.n_entries, N);
    assert_int_equal(index.n_files, SHARDS);
    for (size_t i = 0; i < SHARDS; i++) {
        char name[32];
        snprintf(name, sizeof name, "%02zu.safetensors", i);
        assert_true(kw_str_is(index.files[i], name));
    }
    assert_true(kw_str_is(index.entries[N - 1].tensor, "t999"));
    kw_arena_free(&arena);
    free(text);
}

static void indexes_that_leave_the_directory_are_refused(void **state)
{
    (void)state;
    static const char *const files[] = {"../x.safetensors",
                                        "/etc/passwd",
                                        "a/b.safetensors",
                                        "a\\\\b.safetensors",
                                        "",
                                        ".",
                                        "..",
                                        "c:x",
                                        "a\\u0000b",
                                        "a\\u001b[2J"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        kw_arena arena = {0};
        kw_hf_index index;
        kw_error err = {0};
        char text[128];
        snprintf(text, sizeof text, "{\"weight_map\":{\"w\":\"%s\"}}", files[i]);
        assert_int_equal(kw_hf_index_parse(kw_str_from(text), "index", &arena, &index, &err),
                         KW_E_FORMAT);
        assert_non_null(strstr(err.message, "leaves the directory"));
        kw_arena_free(&arena);
    }
    static const char *const bad[] = {
        "{}",
        "{\"weight_map\":{}}",
        "{\"weight_map\":[]}",
        "{\"weight_map\":{\"w\":1}}",
        "[]",
        "{\"weight_map\":{\"w\":\"x\"},\"weight_map\":{\"v\":\"x\"}}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        kw_arena arena = {0};
        kw_hf_index index;
        assert_int_equal(kw_hf_index_parse(kw_str_from(bad[i]), "index", &arena, &index, NULL),
                         KW_E_FORMAT);
        kw_arena_free(&arena);
    }
}

static void paths_are_text(void **state)
{
    (void)state;
    kw_arena arena = {0};
    assert_true(kw_str_is(kw_path_base("/a/b.c"), "b.c"));
    assert_true(kw_str_is(kw_path_base("b.c"), "b.c"));
    assert_int_equal(kw_path_base("a/").len, 0);
    assert_true(kw_str_is(kw_path_prefix("/a/b.c"), "/a/"));
    assert_int_equal(kw_path_prefix("b.c").len, 0);
    assert_string_equal(kw_path_join(&arena, KW_STR("a"), KW_STR("b")), "a/b");
    assert_string_equal(kw_path_join(&arena, KW_STR("a/"), KW_STR("b")), "a/b");
    assert_string_equal(kw_path_join(&arena, KW_STR(""), KW_STR("b")), "b");
    kw_arena_free(&arena);
}

/* A file of one u8 tensor of that name, whose two elements are `value`. */
static void write_shard(const char *dir, const char *file, const char *tensor, unsigned char value)
{
    char header[200];
    blob im = {.len = 0};
    snprintf(header, sizeof header,
             "{\"__metadata__\":{\"made\":\"here\"},"
             "\"%s\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
             tensor);
    put_string(&im, header);
    put(&im, &value, 1);
    put(&im, &value, 1);
    write_text(dir, file, im.data, im.len);
}

static void write_json(const char *dir, const char *file, const char *text)
{
    write_text(dir, file, text, strlen(text));
}

static void clean(const char *dir)
{
    const char *const names[] = {
        "config.json",   "model.safetensors", "model.safetensors.index.json",
        "a.safetensors", "b.safetensors",     "model.gguf",
        "misnamed.bin"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        remove_file(dir, names[i]);
    assert_int_equal(rmdir(dir), 0);
}

static void a_directory_of_shards_opens(void **state)
{
    (void)state;
    char dir[64], path[128];
    make_dir(dir);
    write_shard(dir, "b.safetensors", "y", 7);
    write_shard(dir, "a.safetensors", "x", 5);
    write_json(dir, "config.json", "{\"model_type\":\"llama\",\"n\":[4,2]}");
    write_json(dir, "model.safetensors.index.json",
               "{\"weight_map\":{\"y\":\"b.safetensors\",\"x\":\"a.safetensors\"}}");
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", dir);
    for (int direct = 0; direct < 2; direct++) {
        kw_model_file *const file = expect_open_path(direct ? path : dir);
        assert_int_equal(file->n_parts, 2);
        assert_int_equal(file->n_tensors, 2);
        const kw_tensor_view *const y = kw_model_file_tensor(file, KW_STR("y"));
        assert_int_equal(((const unsigned char *)y->data)[1], 7);
        assert_int_equal(y->part, 1);
        assert_true(strncmp(file->dir, dir, strlen(dir)) == 0);
        assert_true(kw_str_is(kw_model_file_meta(file, KW_STR("model_type"))->s, "llama"));
        assert_true(kw_str_is(kw_model_file_meta(file, KW_STR("__metadata__.made"))->s, "here"));
        assert_int_equal(file->total_bytes, file->parts[0].map.len + file->parts[1].map.len);
        walk(file, true);
        kw_model_file_close(file);
    }
    const kw_model_file_options copy = {.no_mmap = true};
    kw_model_file *file = NULL;
    assert_int_equal(kw_model_file_open(dir, &copy, &file, NULL), KW_OK);
    assert_true(file->parts[0].map.copied);
    kw_model_file_close(file);

    write_json(dir, "model.safetensors.index.json",
               "{\"weight_map\":{\"y\":\"b.safetensors\",\"x\":\"b.safetensors\"}}");
    expect_path_refused(dir, KW_E_FORMAT, "index: tensor \"x\" is not in b.safetensors");
    write_shard(dir, "b.safetensors", "x", 7);
    write_json(dir, "model.safetensors.index.json",
               "{\"weight_map\":{\"y\":\"b.safetensors\",\"x\":\"a.safetensors\"}}");
    expect_path_refused(dir, KW_E_FORMAT, "tensor \"x\" appears twice");
    write_json(dir, "model.safetensors.index.json",
               "{\"weight_map\":{\"y\":\"missing.safetensors\"}}");
    expect_path_refused(dir, KW_E_NOTFOUND, "missing.safetensors");
    write_json(dir, "model.safetensors.index.json", "{\"weight_map\":{\"y\":\"config.json\"}}");
    expect_path_refused(dir, KW_E_FORMAT, "config.json: no model format known here");
    blob gguf = {.len = 0};
    put_gguf_header(&gguf, 3, 0, 0);
    write_text(dir, "b.safetensors", gguf.data, gguf.len);
    write_json(dir, "model.safetensors.index.json", "{\"weight_map\":{\"y\":\"b.safetensors\"}}");
    expect_path_refused(dir, KW_E_FORMAT, "a shard that is neither safetensors nor PyTorch");
    clean(dir);
}

static void a_directory_of_one_file_opens(void **state)
{
    (void)state;
    char dir[64], path[128];
    make_dir(dir);
    expect_path_refused(dir, KW_E_NOTFOUND, "a directory without model.safetensors");
    blob gguf = {.len = 0};
    put_gguf_header(&gguf, 3, 0, 0);
    write_text(dir, "model.gguf", gguf.data, gguf.len);
    kw_model_file *file = expect_open_path(dir);
    assert_int_equal(file->kind, KW_FILE_GGUF);
    kw_model_file_close(file);

    write_shard(dir, "model.safetensors", "x", 5);
    file = expect_open_path(dir); /* safetensors goes first; no config.json is no error */
    assert_int_equal(file->kind, KW_FILE_SAFETENSORS);
    assert_int_equal(file->n_metas, 1);
    kw_model_file_close(file);

    write_json(dir, "config.json", "{\"a\":1,\"a\":2}");
    expect_path_refused(dir, KW_E_FORMAT, "config.json: key \"a\" appears twice");
    remove_file(dir, "config.json");

    write_shard(dir, "misnamed.bin", "x", 5); /* the bytes decide, not the name */
    snprintf(path, sizeof path, "%s/misnamed.bin", dir);
    kw_model_file_close(expect_open_path(path));
    write_text(dir, "misnamed.bin", "", 0);
    expect_path_refused(path, KW_E_FORMAT, "no model format known here (0 bytes)");
    snprintf(path, sizeof path, "%s/none", dir);
    expect_path_refused(path, KW_E_NOTFOUND, "none");
    clean(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_is_flattened),
        cmocka_unit_test(bad_configs_are_refused),
        cmocka_unit_test(flattening_is_bounded),
        cmocka_unit_test(index_lists_each_shard_once),
        cmocka_unit_test(a_long_index_is_read),
        cmocka_unit_test(indexes_that_leave_the_directory_are_refused),
        cmocka_unit_test(paths_are_text),
        cmocka_unit_test(a_directory_of_shards_opens),
        cmocka_unit_test(a_directory_of_one_file_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
