/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* format.c - every allocation of the readers and writers fails in turn: each call then ends in
 * KW_E_NOMEM with nothing leaked and no file left. */
#include "format/gguf_writer.h"
#include "format/model_file.h"
#include "format/safetensors_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc_fail.h"

static const kw_str WORDS[] = {{"one", 3}, {"two", 3}};

static kw_status write_gguf(const char *path, kw_error *err)
{
    const kw_meta metas[] = {
        {KW_STR("split.no"), kw_gguf_int(KW_GGUF_U16, strstr(path, "-00002-") != NULL)},
        {KW_STR("split.count"), kw_gguf_int(KW_GGUF_U16, 2)},
        {KW_STR("split.tensors.count"), kw_gguf_int(KW_GGUF_I32, 4)},
        {KW_STR("words"), kw_gguf_array(KW_GGUF_STRING, WORDS, 2)}};
    const bool second = metas[0].value.i != 0;
    const kw_tensor_spec specs[] = {{second ? "c" : "a", KW_F32, SHAPE(2)},
                                    {second ? "d" : "b", KW_Q8_0, SHAPE(1, 32)}};
    const unsigned char zeros[42] = {0};
    kw_gguf_writer *writer;
    KW_TRY(kw_gguf_create(path, metas, 4, specs, 2, &writer, err));
    const kw_status status = kw_gguf_write(writer, zeros, sizeof zeros, err);
    const kw_status finished = kw_gguf_finish(writer, status == KW_OK, err);
    return status != KW_OK ? status : finished;
}

static kw_status write_st(const char *path, kw_error *err)
{
    const char *const name = strstr(path, "b.safetensors") ? "y" : "x";
    const kw_st_tensor spec = {name, KW_F32, SHAPE(2)};
    const unsigned char zeros[8] = {0};
    kw_st_writer *writer;
    KW_TRY(kw_st_create(path, &spec, 1, &writer, err));
    const kw_status status = kw_st_write(writer, zeros, sizeof zeros, err);
    const kw_status finished = kw_st_finish(writer, status == KW_OK, err);
    return status != KW_OK ? status : finished;
}

static kw_status open_and_close(const char *path, kw_error *err)
{
    kw_model_file *file;
    KW_TRY(kw_model_file_open(path, NULL, &file, err));
    kw_model_file_close(file);
    return KW_OK;
}

/* Runs the operation until no allocation of it fails. written: the file that it makes, or NULL. */
static void fail_each(kw_status (*operation)(const char *path, kw_error *err), const char *path,
                      const char *written)
{
    long n = 1;
    for (;; n++) {
        kw_error err = {0};
        const long live = kw_alloc_live();
        kw_alloc_fail_at(n);
        const kw_status status = operation(path, &err);
        const bool failed = kw_alloc_stop();
        if (status != KW_OK && (status != KW_E_NOMEM || err.code != KW_E_NOMEM))
            fail_msg("allocation %ld: status %d \"%s\"", n, status, err.message);
        assert_int_equal(kw_alloc_live(), live);
        if (!failed) {
            assert_int_equal(status, KW_OK);
            break;
        }
        if (written && status != KW_OK)
            assert_false(kw_file_exists(written));
        assert_true(n < 10000);
    }
    assert_true(n > 3); /* something was made to fail */
}

typedef struct paths {
    char dir[64];
    char part[2][128], shard[2][128], index[128], config[128];
} paths;

static void make_paths(paths *p)
{
    snprintf(p->dir, sizeof p->dir, "/tmp/kw-alloc-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    for (int i = 0; i < 2; i++) {
        snprintf(p->part[i], sizeof p->part[i], "%s/m-0000%d-of-00002.gguf", p->dir, i + 1);
        snprintf(p->shard[i], sizeof p->shard[i], "%s/%c.safetensors", p->dir, 'a' + i);
    }
    snprintf(p->index, sizeof p->index, "%s/model.safetensors.index.json", p->dir);
    snprintf(p->config, sizeof p->config, "%s/config.json", p->dir);
}

static void remove_paths(const paths *p)
{
    for (int i = 0; i < 2; i++) {
        (void)remove(p->part[i]);
        (void)remove(p->shard[i]);
    }
    (void)remove(p->index);
    (void)remove(p->config);
    assert_int_equal(rmdir(p->dir), 0);
}

static void write_text(const char *path, const char *text)
{
    FILE *const file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void gguf_survives(void **state)
{
    (void)state;
    paths p;
    make_paths(&p);
    for (int i = 0; i < 2; i++)
        fail_each(write_gguf, p.part[i], p.part[i]);
    fail_each(open_and_close, p.part[1], NULL);
    remove_paths(&p);
}

static void safetensors_survive(void **state)
{
    (void)state;
    paths p;
    make_paths(&p);
    for (int i = 0; i < 2; i++)
        fail_each(write_st, p.shard[i], p.shard[i]);
    write_text(p.config, "{\"a\\u0041\":[\"x\\n\",\"y\"],\"n\":{\"k\":[1,2.5]},\"l\":[[1],null]}");
    write_text(p.index, "{\"weight_map\":{\"\\u0078\":\"a.safetensors\",\"y\":\"b.safetensors\"}}");
    fail_each(open_and_close, p.shard[0], NULL);
    fail_each(open_and_close, p.dir, NULL);
    remove_paths(&p);
}

static void checkpoints_survive(void **state)
{
    (void)state;
    fail_each(open_and_close, KW_SOURCE_DIR "/tests/fuzz/corpus/fuzz_pytorch/values.zip", NULL);
    fail_each(open_and_close, KW_SOURCE_DIR "/tests/fuzz/corpus/fuzz_pytorch/values.legacy", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gguf_survives),
        cmocka_unit_test(safetensors_survive),
        cmocka_unit_test(checkpoints_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
