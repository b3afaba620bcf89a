/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* writers.c - what the two writers write is what the readers read: every value type, every tensor
 * type, any size of piece; a writer that is not given everything leaves no file. */
#include "fixtures.h"

#include "format/gguf_writer.h"
#include "format/safetensors_writer.h"

#include <unistd.h>

/* Element i of tensor t, made so that no two tensors agree. */
static unsigned char byte_of(size_t t, size_t i)
{
    return (unsigned char)(31 * t + 7 * i + (i >> 8));
}

static void expect_bytes(const kw_model_file *file, const kw_tensor_spec *specs, size_t n)
{
    assert_int_equal(file->n_tensors, n);
    for (size_t t = 0; t < n; t++) {
        const kw_tensor_view *const view = kw_model_file_tensor(file, kw_str_from(specs[t].name));
        assert_non_null(view);
        assert_int_equal(view->dtype, specs[t].dtype);
        assert_true(kw_shape_eq(view->shape, specs[t].shape));
        for (size_t i = 0; i < view->bytes; i++)
            assert_int_equal(((const unsigned char *)view->data)[i], byte_of(t, i));
    }
}

/* All tensors' bytes in a row; *len of them. Freed by the caller. */
static unsigned char *all_bytes(const kw_tensor_spec *specs, size_t n, size_t *len)
{
    unsigned char *const bytes = malloc(1 << 20);
    assert_non_null(bytes);
    *len = 0;
    for (size_t t = 0; t < n; t++) {
        size_t size = 0;
        assert_true(kw_tensor_bytes(specs[t].dtype, specs[t].shape, &size));
        assert_true(*len + size <= 1 << 20);
        for (size_t i = 0; i < size; i++)
            bytes[(*len)++] = byte_of(t, i);
    }
    return bytes;
}

typedef kw_status (*write_fn)(void *writer, const void *data, size_t len, kw_error *err);

static kw_status write_gguf(void *writer, const void *data, size_t len, kw_error *err)
{
    return kw_gguf_write(writer, data, len, err);
}

static kw_status write_st(void *writer, const void *data, size_t len, kw_error *err)
{
    return kw_st_write(writer, data, len, err);
}

static void write_pieces(write_fn write, void *writer, const unsigned char *bytes, size_t len,
                         size_t piece)
{
    for (size_t i = 0; i < len; i += piece)
        assert_int_equal(write(writer, bytes + i, len - i < piece ? len - i : piece, NULL), KW_OK);
}

static const kw_str WORDS[] = {{"<s>", 3}, {"", 0}, {"\xff", 1}, {"tail", 4}};
static const int32_t INTS[] = {-1, 0, 2147483647};
static const float FLOATS[] = {0.5f, -0.0f};

static size_t make_metas(kw_meta metas[16])
{
    const kw_meta all[] = {
        {KW_STR("general.alignment"), kw_gguf_u32(64)},
        {KW_STR("u8"), kw_gguf_int(KW_GGUF_U8, 255)},
        {KW_STR("i8"), kw_gguf_int(KW_GGUF_I8, -128)},
        {KW_STR("u16"), kw_gguf_int(KW_GGUF_U16, 65535)},
        {KW_STR("i16"), kw_gguf_int(KW_GGUF_I16, -32768)},
        {KW_STR("i32"), kw_gguf_int(KW_GGUF_I32, INT32_MIN)},
        {KW_STR("u64"), kw_gguf_int(KW_GGUF_U64, INT64_MAX)},
        {KW_STR("i64"), kw_gguf_int(KW_GGUF_I64, INT64_MIN)},
        {KW_STR("f32"), kw_gguf_f32(0.1f)},
        {KW_STR("f64"), kw_gguf_float(KW_GGUF_F64, 0.1)},
        {KW_STR("bool"), kw_gguf_bool(true)},
        {KW_STR("string"), kw_gguf_string(KW_STR("text"))},
        {KW_STR("words"), kw_gguf_array(KW_GGUF_STRING, WORDS, 4)},
        {KW_STR("ints"), kw_gguf_array(KW_GGUF_I32, INTS, 3)},
        {KW_STR("floats"), kw_gguf_array(KW_GGUF_F32, FLOATS, 2)},
        {KW_STR("nothing"), kw_gguf_array(KW_GGUF_U8, NULL, 0)},
    };
    memcpy(metas, all, sizeof all);
    return sizeof all / sizeof all[0];
}

static void expect_same_value(const kw_value *a, const kw_value *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->wire_type, b->wire_type);
    if (a->kind == KW_VALUE_STRING)
        assert_true(kw_str_eq(a->s, b->s));
    else if (a->kind == KW_VALUE_BOOL)
        assert_int_equal(a->b, b->b);
    else if (a->kind != KW_VALUE_ARRAY)
        assert_memory_equal(&a->i, &b->i, sizeof a->i);
    if (a->kind != KW_VALUE_ARRAY)
        return;
    assert_int_equal(a->array.wire_type, b->array.wire_type);
    assert_true(a->array.n == b->array.n);
    for (uint64_t i = 0; i < a->array.n; i++) {
        const kw_value x = kw_value_at(a, i), y = kw_value_at(b, i);
        expect_same_value(&x, &y);
    }
}

/* One tensor of every type that the format has. */
static size_t make_specs(kw_tensor_spec specs[KW_N_DTYPES], bool gguf)
{
    size_t n = 0;
    for (unsigned t = 0; t < KW_N_DTYPES; t++) {
        const kw_dtype_traits *const row = kw_dtype_info((kw_dtype)t);
        if (gguf ? row->gguf_id < 0 : row->st_name == NULL)
            continue;
        specs[n++] = (kw_tensor_spec){row->name, (kw_dtype)t, SHAPE(3, row->block_elems * 5)};
    }
    return n;
}

static void gguf_round_trip(void **state)
{
    (void)state;
    char dir[64], path[128], copy[128];
    kw_meta metas[16];
    kw_tensor_spec specs[KW_N_DTYPES];
    const size_t n_metas = make_metas(metas), n = make_specs(specs, true);
    size_t len;
    unsigned char *const bytes = all_bytes(specs, n, &len);
    assert_true(n >= 15);
    make_dir(dir);
    snprintf(path, sizeof path, "%s/model.gguf", dir);
    snprintf(copy, sizeof copy, "%s/copy.gguf", dir);
    const size_t pieces[] = {1, 1000, 1 << 20};
    for (size_t p = 0; p < 3; p++) {
        kw_gguf_writer *writer;
        assert_int_equal(kw_gguf_create(path, metas, n_metas, specs, n, &writer, NULL), KW_OK);
        write_pieces(write_gguf, writer, bytes, len, pieces[p]);
        assert_int_equal(kw_gguf_finish(writer, true, NULL), KW_OK);
        kw_model_file *const file = expect_open_path(path);
        assert_int_equal(file->version, 3);
        expect_bytes(file, specs, n);
        for (size_t t = 0; t < n; t++)
            assert_int_equal(file->tensors[t].offset % 64, 0);
        assert_int_equal(file->n_metas, n_metas);
        for (size_t i = 0; i < n_metas; i++)
            expect_same_value(kw_model_file_meta(file, metas[i].key), &metas[i].value);
        /* what was read can be written again, to the same bytes */
        assert_int_equal(kw_gguf_create(copy, file->metas, file->n_metas, specs, n, &writer, NULL),
                         KW_OK);
        write_pieces(write_gguf, writer, bytes, len, len);
        assert_int_equal(kw_gguf_finish(writer, true, NULL), KW_OK);
        kw_model_file *const again = expect_open_path(copy);
        assert_int_equal(again->total_bytes, file->total_bytes);
        assert_memory_equal(again->parts[0].map.data, file->parts[0].map.data, file->total_bytes);
        kw_model_file_close(again);
        kw_model_file_close(file);
    }
    free(bytes);
    remove_file(dir, "model.gguf");
    remove_file(dir, "copy.gguf");
    assert_int_equal(rmdir(dir), 0);
}

static void safetensors_round_trip(void **state)
{
    (void)state;
    char dir[64], path[128];
    kw_tensor_spec specs[KW_N_DTYPES + 3];
    size_t n = make_specs(specs, false), len;
    specs[n++] = (kw_tensor_spec){"a \"quoted\" \\ name \xc3\xa9", KW_F32, {0}};
    specs[n++] = (kw_tensor_spec){"empty", KW_F16, SHAPE(0, 4)};
    specs[n++] = (kw_tensor_spec){"last", KW_U8, SHAPE(1, 2, 3, 4)};
    unsigned char *const bytes = all_bytes(specs, n, &len);
    make_dir(dir);
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    const size_t pieces[] = {1, 100, 1 << 20};
    for (size_t p = 0; p < 3; p++) {
        kw_st_writer *writer;
        assert_int_equal(kw_st_create(path, specs, n, &writer, NULL), KW_OK);
        write_pieces(write_st, writer, bytes, len, pieces[p]);
        assert_int_equal(kw_st_finish(writer, true, NULL), KW_OK);
        kw_model_file *const file = expect_open_path(dir);
        expect_bytes(file, specs, n);
        assert_int_equal(file->tensors[0].offset % 8, 0);
        kw_model_file_close(file);
    }
    free(bytes);
    remove_file(dir, "model.safetensors");
    assert_int_equal(rmdir(dir), 0);
}

static void what_is_incomplete_leaves_no_file(void **state)
{
    (void)state;
    char dir[64], path[128];
    const kw_tensor_spec specs[] = {{"a", KW_F32, SHAPE(4)}, {"b", KW_U8, SHAPE(3)}};
    const kw_tensor_spec gguf_specs[] = {{"a", KW_F32, SHAPE(4)}, {"b", KW_I8, SHAPE(3)}};
    const unsigned char bytes[20] = {0};
    make_dir(dir);
    snprintf(path, sizeof path, "%s/file", dir);
    for (size_t len = 0; len <= 20; len++) {
        kw_st_writer *st;
        kw_gguf_writer *gguf;
        kw_error err = {0};
        assert_int_equal(kw_st_create(path, specs, 2, &st, NULL), KW_OK);
        assert_int_equal(kw_st_write(st, bytes, len, NULL), len <= 19 ? KW_OK : KW_E_ARG);
        if (len < 19) {
            assert_int_equal(kw_st_finish(st, true, &err), KW_E_ARG);
            assert_non_null(strstr(err.message, len < 16 ? "tensor 0 of 2" : "tensor 1 of 2"));
        } else {
            assert_int_equal(kw_st_finish(st, false, NULL), KW_OK);
        }
        assert_false(kw_file_exists(path));
        assert_int_equal(kw_gguf_create(path, NULL, 0, gguf_specs, 2, &gguf, NULL), KW_OK);
        assert_int_equal(kw_gguf_write(gguf, bytes, len, NULL), len <= 19 ? KW_OK : KW_E_ARG);
        assert_int_equal(kw_gguf_finish(gguf, len < 19, NULL), len < 19 ? KW_E_ARG : KW_OK);
        assert_false(kw_file_exists(path));
    }
    assert_int_equal(rmdir(dir), 0); /* nothing else was left either */
}

static void bad_specs_are_refused(void **state)
{
    (void)state;
    static const struct {
        kw_tensor_spec specs[2];
        const char *words;
    } bad[] = {
        {{{"a", KW_F32, {1, {4}}}, {"a", KW_F32, {1, {4}}}}, "tensor \"a\" appears twice"},
        {{{"a\n", KW_F32, {1, {4}}}, {"b", KW_F32, {1, {4}}}}, "not printable"},
        {{{"a", KW_F32, {1, {-4}}}, {"b", KW_F32, {1, {4}}}}, "no whole blocks of f32"},
        {{{"a", KW_F32, {2, {1LL << 40, 1LL << 40}}}, {"b", KW_F32, {1, {4}}}}, "or too large"},
        {{{"a", KW_Q8_A32, {1, {32}}}, {"b", KW_F32, {1, {4}}}}, "the format has no q8_a32"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        kw_st_writer *st;
        kw_gguf_writer *gguf;
        kw_error err = {0};
        assert_true(kw_st_create("/tmp/kw-never", bad[i].specs, 2, &st, &err) != KW_OK);
        assert_non_null(strstr(err.message, bad[i].words));
        assert_true(kw_gguf_create("/tmp/kw-never", NULL, 0, bad[i].specs, 2, &gguf, &err) !=
                    KW_OK);
        assert_non_null(strstr(err.message, bad[i].words));
        assert_false(kw_file_exists("/tmp/kw-never"));
    }
    const kw_meta metas[] = {
        {KW_STR(""), kw_gguf_u32(1)},
        {KW_STR("k"), {.kind = KW_VALUE_NULL}},
        {KW_STR("k"), kw_gguf_array(KW_GGUF_ARRAY, NULL, 0)},
        {KW_STR("general.alignment"), kw_gguf_u32(24)},
    };
    for (size_t i = 0; i < sizeof metas / sizeof metas[0]; i++) {
        kw_gguf_writer *gguf;
        assert_int_equal(kw_gguf_create("/tmp/kw-never", &metas[i], 1, NULL, 0, &gguf, NULL),
                         KW_E_ARG);
    }
    const kw_tensor_spec empty = {"a", KW_F32, SHAPE(0, 4)};
    kw_gguf_writer *gguf;
    kw_error err = {0};
    assert_int_equal(kw_gguf_create("/tmp/kw-never", NULL, 0, &empty, 1, &gguf, &err), KW_E_ARG);
    assert_non_null(strstr(err.message, "has no elements"));
    kw_st_writer *st;
    assert_true(kw_st_create("/nowhere/at/all", bad[0].specs, 1, &st, NULL) != KW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gguf_round_trip),
        cmocka_unit_test(safetensors_round_trip),
        cmocka_unit_test(what_is_incomplete_leaves_no_file),
        cmocka_unit_test(bad_specs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
