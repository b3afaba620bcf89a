/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gguf_order.c - the order of blocks of the built-in model, once its header is here and not before.
 */
#ifdef KW_NETWORK
#include "cli/net/gguf_order.h"
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "format/model_file.h"
#include "os/file.h"

#ifdef KW_NETWORK
#define BLOCK 4096U

/* The model with nothing but zeros behind `prefix`, as a growing file has it. */
static void write_prefix(const kw_map *model, size_t prefix, const char *path)
{
    FILE *const f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(model->data, 1, prefix, f), prefix);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(truncate(path, (off_t)model->len), 0);
}

static void test_order(void **state)
{
    (void)state;
    char path[] = "/tmp/kw-order-XXXXXX";
    kw_map model;
    kw_model_file *file;
    assert_int_equal(kw_map_open(KW_SOURCE_DIR "/models/builtin/stories.gguf", false, &model, NULL),
                     KW_OK);
    assert_int_equal(kw_model_file_from_memory(model.data, model.len, "x", &file, NULL), KW_OK);
    close(mkstemp(path));
    uint64_t data = model.len;
    for (size_t i = 0; i < file->n_tensors; i++)
        data = file->tensors[i].offset < data ? file->tensors[i].offset : data;
    const uint64_t n = (model.len + BLOCK - 1) / BLOCK;
    uint32_t *const ranks = calloc(n, sizeof(*ranks));
    for (uint64_t prefix = BLOCK; prefix < data; prefix *= 2) {
        write_prefix(&model, prefix, path);
        assert_false(kw_gguf_order(NULL, path, prefix, ranks, n, BLOCK));
    }
    write_prefix(&model, data, path);
    assert_true(kw_gguf_order(NULL, path, data, ranks, n, BLOCK));
    uint64_t first[2] = {0, 0};
    for (size_t i = 0; i < file->n_tensors; i++) {
        const kw_tensor_view *const t = &file->tensors[i];
        if (kw_str_is(t->name, "blk.0.attn_q.weight"))
            first[0] = (t->offset + t->bytes / 2) / BLOCK;
        if (kw_str_is(t->name, "blk.1.attn_q.weight"))
            first[1] = (t->offset + t->bytes / 2) / BLOCK;
        for (uint64_t b = t->offset / BLOCK; b < (t->offset + t->bytes) / BLOCK; b++)
            assert_true(ranks[b] < (uint32_t)1 << 20);
    }
    assert_int_equal(ranks[0], 0);
    assert_true(ranks[first[0]] > 0 && ranks[first[0]] < ranks[first[1]]);
    write_prefix(&model, 0, path);
    assert_true(kw_gguf_order(NULL, path, BLOCK, ranks, n, BLOCK)); /* no GGUF */
    unlink(path);
    free(ranks);
    kw_model_file_close(file);
    kw_map_close(&model);
}
#else
static void test_order(void **state)
{
    (void)state;
    print_message("skip: this build has no network\n");
    skip();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
