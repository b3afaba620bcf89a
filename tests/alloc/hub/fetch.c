/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fetch.c - each allocation fails once while a file comes by the fetch path: from a source in
 * memory whose blocks are known, and by its root from an archive of blocks. */
#include "alloc_each.h"

#include "../../unit/hub/hub_test.h"
#include "base/check.h"
#include "base/sha256.h"
#include "hub/car_source.h"
#include "hub/fetch.h"
#include "wire/car.h"
#include "wire/unixfs.h"

#include <unistd.h>

#define BLOCK ((uint32_t)4096)
#define SIZE (10 * (uint64_t)BLOCK + 7)

typedef struct job {
    const fixture *place;
    uint8_t data[SIZE], leaves[11][32];
    kw_fetch_config config;
    const kw_delivery *to;
    char base[128], path[128], archive[128];
} job;

/* ---- a source that answers within the call ---- */

static kw_status open_file(void *user, const kw_want *want, const kw_delivery *to, void **out,
                           kw_error *err)
{
    job *const j = user;
    (void)want;
    (void)err;
    j->to = to;
    *out = j;
    to->opened(to->user, &(kw_offer){.size = SIZE, .parallel = 2, .span = 4, .ranges = true});
    return KW_OK;
}

static kw_status ask_file(void *user, const kw_ask *ask, kw_error *err)
{
    job *const j = user;
    (void)err;
    (void)j->to->data(j->to->user, ask->id, ask->offset,
                      (kw_bytes){j->data + ask->offset, (size_t)ask->len});
    j->to->done(j->to->user, ask->id, KW_OK, NULL, 0);
    return KW_OK;
}

static void ignore(void *user, uint64_t id)
{
    (void)user;
    (void)id;
}

static void close_file(void *user)
{
    (void)user;
}

static kw_status fetch(job *j, const kw_source *source, kw_error *err)
{
    const kw_source *const list[] = {source};
    kw_fetch_result result;
    j->config.sources = list;
    j->config.n_sources = 1;
    const kw_status status = kw_fetch(&j->config, &result, err);
    if (status == KW_OK)
        assert_int_equal(result.size, j->config.want.size);
    const char *const ends[] = {"/x.part", "/x.journal", "/done"};
    for (size_t i = 0; i < KW_COUNT(ends); i++) {
        char path[160];
        snprintf(path, sizeof path, "%s%s", j->place->dir, ends[i]);
        (void)unlink(path);
    }
    return status;
}

static kw_status from_memory(void *user, kw_error *err)
{
    const kw_source source = {.name = "memory",
                              .user = user,
                              .open = open_file,
                              .ask = ask_file,
                              .cancel = ignore,
                              .resume = ignore,
                              .close = close_file};
    return fetch(user, &source, err);
}

static job *set_up(const fixture *f)
{
    job *const j = calloc(1, sizeof *j);
    assert_non_null(j);
    j->place = f;
    snprintf(j->base, sizeof j->base, "%s/x", f->dir);
    snprintf(j->path, sizeof j->path, "%s/done", f->dir);
    snprintf(j->archive, sizeof j->archive, "%s/x.car", f->dir);
    j->config = (kw_fetch_config){.base = j->base, .path = j->path, .open_ms = 300, .n_cells = 8};
    for (size_t i = 0; i < SIZE; i++)
        j->data[i] = (uint8_t)(i * 31 + (i >> 8));
    return j;
}

static void test_memory(void **state)
{
    job *const j = set_up(*state);
    for (size_t i = 0; i < KW_COUNT(j->leaves); i++) {
        const kw_bytes leaf = {j->data + i * BLOCK, KW_MIN(BLOCK, SIZE - i * BLOCK)};
        memcpy(j->leaves[i], kw_cid_of(KW_CODEC_RAW, leaf, kw_sha256_kernel(false)).digest, 32);
    }
    j->config.leaves = (const uint8_t(*)[32])j->leaves;
    j->config.n_leaves = KW_COUNT(j->leaves);
    j->config.want = (kw_want){.size = SIZE, .name = "x", .leaf_size = BLOCK};
    alloc_each(from_memory, j, 10);
    free(j);
}

/* ---- an archive ---- */

static kw_status put_root(void *user, const kw_cid *cid, kw_bytes data, kw_error *err)
{
    kw_buf *const out = user;
    uint8_t prefix[KW_CAR_PREFIX_MAX];
    const size_t n = kw_car_prefix(cid, data.len, prefix);
    kw_buf_add(out, (const char *)prefix, n);
    kw_buf_add(out, (const char *)data.data, data.len);
    return kw_buf_status(out, err);
}

/* Two leaves and their root; returns it. */
static kw_cid write_archive(const job *j)
{
    static uint8_t leaf[KW_UNIXFS_LEAF_BYTES];
    const kw_bytes leaves[] = {{leaf, sizeof leaf}, {j->data, 99}};
    kw_buf blocks = {0}, all = {0};
    const kw_unixfs_config config = {.parent = put_root, .user = &blocks};
    kw_unixfs_builder *builder;
    kw_cid root;
    assert_int_equal(kw_unixfs_open(&config, &builder, NULL), KW_OK);
    for (size_t i = 0; i < KW_COUNT(leaves); i++) {
        const kw_cid cid = kw_cid_of(KW_CODEC_RAW, leaves[i], kw_sha256_kernel(false));
        assert_int_equal(put_root(&blocks, &cid, leaves[i], NULL), KW_OK);
        assert_int_equal(kw_unixfs_leaf(builder, cid.digest, leaves[i].len, NULL), KW_OK);
    }
    assert_int_equal(kw_unixfs_finish(builder, &root, NULL, NULL), KW_OK);
    kw_unixfs_free(builder);
    kw_car_put_header(&all, &root, 1);
    kw_buf_add(&all, blocks.data, blocks.len);
    FILE *const file = fopen(j->archive, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(all.data, 1, all.len, file), all.len);
    assert_int_equal(fclose(file), 0);
    kw_buf_free(&blocks);
    kw_buf_free(&all);
    return root;
}

static kw_status from_archive(void *user, kw_error *err)
{
    job *const j = user;
    kw_car *car;
    KW_TRY(kw_car_open(j->archive, &car, err));
    const kw_source source = kw_car_source_make(car);
    const kw_status status = fetch(j, &source, err);
    kw_car_close(car);
    return status;
}

static void test_archive(void **state)
{
    job *const j = set_up(*state);
    j->config.want = (kw_want){.size = KW_UNIXFS_LEAF_BYTES + 99,
                               .has_root = true,
                               .root = write_archive(j),
                               .name = "x",
                               .leaf_size = KW_UNIXFS_LEAF_BYTES};
    alloc_each(from_archive, j, 10);
    free(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_archive, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
