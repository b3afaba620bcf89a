/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* split.c - split GGUF sets: any part opens the whole, and a set that does not fit together is
 * refused with the part named. */
#include "fixtures.h"

#include "format/gguf_writer.h"

#include <unistd.h>

typedef struct part {
    const char *file; /* name in the directory */
    const char *tensor;
    uint32_t no, count;
    int32_t total; /* split.tensors.count; negative: leave the key out */
} part;

/* One tensor f32[3], filled with the part's number. */
static void write_part(const char *dir, const part *p)
{
    char path[256];
    kw_gguf_writer *writer;
    const kw_meta metas[] = {
        {KW_STR("split.no"), kw_gguf_int(KW_GGUF_U16, p->no)},
        {KW_STR("split.count"), kw_gguf_int(KW_GGUF_U16, p->count)},
        {KW_STR("general.name"), kw_gguf_string(kw_str_from(p->file))},
        {KW_STR("split.tensors.count"), kw_gguf_int(KW_GGUF_I32, p->total)},
    };
    const kw_tensor_spec spec = {p->tensor, KW_F32, SHAPE(3)};
    const float values[3] = {(float)p->no, (float)p->no, (float)p->no};
    snprintf(path, sizeof path, "%s/%s", dir, p->file);
    assert_int_equal(kw_gguf_create(path, metas, p->total < 0 ? 3 : 4, &spec, 1, &writer, NULL),
                     KW_OK);
    assert_int_equal(kw_gguf_write(writer, values, sizeof values, NULL), KW_OK);
    assert_int_equal(kw_gguf_finish(writer, true, NULL), KW_OK);
}

static const part GOOD[] = {{"m-00001-of-00003.gguf", "x", 0, 3, 3},
                            {"m-00002-of-00003.gguf", "y", 1, 3, 3},
                            {"m-00003-of-00003.gguf", "z", 2, 3, 3}};

static void write_good(const char *dir)
{
    for (size_t i = 0; i < 3; i++)
        write_part(dir, &GOOD[i]);
}

static void clean(const char *dir)
{
    for (size_t i = 0; i < 3; i++)
        remove_file(dir, GOOD[i].file);
    remove_file(dir, "other.gguf");
    assert_int_equal(rmdir(dir), 0);
}

static void any_part_opens_the_set(void **state)
{
    (void)state;
    char dir[64], path[256];
    make_dir(dir);
    write_good(dir);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, GOOD[i].file);
        kw_model_file *const file = expect_open_path(path);
        assert_int_equal(file->n_parts, 3);
        assert_int_equal(file->n_tensors, 3);
        for (size_t k = 0; k < 3; k++) {
            const kw_tensor_view *const view =
                kw_model_file_tensor(file, kw_str_from(GOOD[k].tensor));
            float values[3];
            assert_int_equal(view->part, k);
            memcpy(values, view->data, sizeof values);
            assert_true(values[2] == (float)k);
            assert_non_null(strstr(file->parts[k].path, GOOD[k].file));
        }
        assert_true(kw_str_is(kw_model_file_meta(file, KW_STR("general.name"))->s, GOOD[0].file));
        assert_string_equal(file->path, path);
        walk(file, true);
        kw_model_file_close(file);
    }
    clean(dir);
}

/* Each row replaces parts of the good set; opening then fails with these words. */
static void sets_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const struct {
        part replaced;
        size_t open; /* index into GOOD */
        kw_status status;
        const char *words;
    } bad[] = {
        {{"m-00002-of-00003.gguf", "y", 2, 3, 3}, 0, KW_E_FORMAT, "split.no 2 of 3 where 1 of 3"},
        {{"m-00002-of-00003.gguf", "y", 1, 4, 3}, 0, KW_E_FORMAT, "split.no 1 of 4 where 1 of 3"},
        {{"m-00002-of-00003.gguf", "x", 1, 3, 3}, 2, KW_E_FORMAT, "tensor \"x\" appears twice"},
        {{"m-00001-of-00003.gguf", "x", 0, 3, 4},
         0,
         KW_E_FORMAT,
         "split.tensors.count is 4, the parts hold 3"},
        {{"m-00001-of-00003.gguf", "x", 0, 3, -1}, 2, KW_E_FORMAT, "split.tensors.count is -1"},
        {{"m-00001-of-00003.gguf", "x", 3, 3, 3}, 0, KW_E_FORMAT, "split.no 3 of split.count 3"},
        {{"m-00001-of-00003.gguf", "x", 1, 3, 3}, 0, KW_E_FORMAT, "must be named <name>-00002-of"},
        {{"m-00001-of-00003.gguf", "x", 0, 60000, 3}, 0, KW_E_FORMAT, "(at most 10000)"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char dir[64], path[256];
        make_dir(dir);
        write_good(dir);
        write_part(dir, &bad[i].replaced);
        snprintf(path, sizeof path, "%s/%s", dir, GOOD[bad[i].open].file);
        expect_path_refused(path, bad[i].status, bad[i].words);
        clean(dir);
    }
}

static void counts_are_integers(void **state)
{
    (void)state;
    static const char *const keys[] = {"split.count", "split.no"};
    char dir[64], path[256];
    make_dir(dir);
    for (size_t i = 0; i < 2; i++) {
        blob im = {.len = 0};
        put_gguf_header(&im, 3, 0, 1);
        put_gguf_key(&im, keys[i], KW_GGUF_F32);
        put_u32(&im, 0x40000000);
        write_text(dir, "other.gguf", im.data, im.len);
        snprintf(path, sizeof path, "%s/other.gguf", dir);
        expect_path_refused(path, KW_E_FORMAT, "is no integer");
    }
    clean(dir);
}

static void missing_and_foreign_parts_are_named(void **state)
{
    (void)state;
    char dir[64], path[256];
    make_dir(dir);
    write_good(dir);
    remove_file(dir, GOOD[1].file);
    snprintf(path, sizeof path, "%s/%s", dir, GOOD[2].file);
    expect_path_refused(path, KW_E_NOTFOUND, GOOD[1].file);
    write_text(dir, GOOD[1].file, "\x02\0\0\0\0\0\0\0{}", 10);
    expect_path_refused(path, KW_E_FORMAT, "a part of a split set that is not GGUF");
    write_text(dir, GOOD[1].file, "GGUF", 4);
    expect_path_refused(path, KW_E_FORMAT, "m-00002-of-00003.gguf: gguf: header");

    const part alone = {"other.gguf", "x", 0, 3, 3};
    write_part(dir, &alone);
    snprintf(path, sizeof path, "%s/other.gguf", dir);
    expect_path_refused(path, KW_E_FORMAT, "part 1 of 3 must be named <name>-00001-of-00003.gguf");
    const part single = {"other.gguf", "x", 0, 1, 1}; /* a set of one is just a file */
    write_part(dir, &single);
    kw_model_file *const file = expect_open_path(path);
    assert_int_equal(file->n_parts, 1);
    kw_model_file_close(file);
    clean(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_part_opens_the_set),
        cmocka_unit_test(sets_that_do_not_fit_are_refused),
        cmocka_unit_test(counts_are_integers),
        cmocka_unit_test(missing_and_foreign_parts_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
