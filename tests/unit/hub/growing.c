/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* growing.c - what fetch has written is served, and nothing else: not what is missing, not what is
 * wrong on the disk, not what was taken back; equal leaves stand in for each other. */
#include "hub/growing.h"

#include "hub_test.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/sha256.h"

enum { LEAF = 1000, LEAVES = 7, SIZE = 6 * LEAF + 10 };

typedef struct told {
    kw_cid last;
    size_t n;
} told;

static void on_arrived(void *user, const kw_cid *cid)
{
    told *const t = user;
    t->last = *cid;
    t->n++;
}

static uint8_t content[SIZE], digests[LEAVES][32];

static size_t len_of(size_t leaf)
{
    return leaf + 1 < LEAVES ? LEAF : SIZE - (LEAVES - 1) * LEAF;
}

static kw_cid cid_of(size_t leaf)
{
    return kw_cid_of_sha256(KW_CODEC_RAW, digests[leaf]);
}

/* Leaves 2 and 4 are equal. The file has its size, and its content when `whole`. */
static kw_growing *begin(const fixture *f, told *t, bool whole)
{
    const char *const path = in_dir(f, "m.part");
    kw_growing *g;
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (uint8_t)(i * 7 + i / LEAF);
    memcpy(content + 4 * LEAF, content + 2 * LEAF, LEAF);
    for (size_t i = 0; i < LEAVES; i++) {
        kw_sha256 hash;
        kw_sha256_init(&hash, kw_sha256_kernel(false));
        kw_sha256_update(&hash, content + i * LEAF, len_of(i));
        kw_sha256_final(&hash, digests[i]);
    }
    const int fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0 && ftruncate(fd, SIZE) == 0);
    if (whole)
        assert_int_equal(write(fd, content, SIZE), SIZE);
    close(fd);
    const kw_growing_config config = {.arrived = on_arrived, .user = t};
    const kw_growing_plan plan = {.path = path,
                                  .leaves = (const uint8_t(*)[32])digests,
                                  .n_leaves = LEAVES,
                                  .size = SIZE,
                                  .leaf_size = LEAF};
    assert_int_equal(kw_growing_open(&config, &g, NULL), KW_OK);
    assert_int_equal(kw_growing_begin(g, &plan, NULL), KW_OK);
    return g;
}

static bool serves(kw_growing *g, size_t leaf)
{
    const kw_block_store store = kw_growing_store(g);
    const kw_cid cid = cid_of(leaf);
    kw_block block;
    size_t size = 0;
    const bool has = store.has(store.user, &cid, &size);
    const kw_status status = store.get(store.user, &cid, &block, NULL);
    if (status != KW_OK)
        return false;
    assert_true(has);
    assert_int_equal(size, len_of(leaf));
    assert_int_equal(block.data.len, size);
    assert_memory_equal(block.data.data, content + leaf * LEAF, size);
    store.release(store.user, &block);
    return true;
}

static void what_is_here(void **state)
{
    told t = {0};
    kw_growing *const g = begin(*state, &t, true);
    for (size_t i = 0; i < LEAVES; i++)
        assert_false(serves(g, i));
    kw_growing_leaf(g, 6, true);
    assert_true(serves(g, 6));
    assert_false(serves(g, 5));
    const kw_cid last = cid_of(6);
    assert_true(t.n == 1 && kw_cid_equal(&t.last, &last));
    kw_growing_leaf(g, 6, true); /* is no news */
    assert_int_equal(t.n, 1);
    assert_int_equal(kw_growing_count(g), 1);
    kw_growing_forget(g, 6);
    assert_false(serves(g, 6));
    kw_growing_leaf(g, LEAVES, true); /* there is none */
    assert_int_equal(kw_growing_count(g), 0);
    kw_growing_close(g);
}

static void equal_leaves(void **state)
{
    told t = {0};
    kw_growing *const g = begin(*state, &t, true);
    kw_growing_leaf(g, 4, true);
    assert_true(serves(g, 2)); /* by the bytes of 4 */
    kw_growing_close(g);
}

/* What an earlier fetch left is believed after its digest alone. */
static void wrong_on_the_disk(void **state)
{
    told t = {0};
    kw_growing *const g = begin(*state, &t, false);
    for (size_t i = 0; i < LEAVES; i++)
        kw_growing_leaf(g, i, false);
    for (size_t i = 0; i < LEAVES; i++)
        assert_false(serves(g, i));
    assert_int_equal(kw_growing_count(g), 1); /* 2, in whose stead 4 was looked at */
    kw_growing_close(g);
}

static void parents(void **state)
{
    const kw_growing_config config = {0};
    const kw_bytes text = {(const uint8_t *)"a parent", 8};
    const kw_cid cid = kw_cid_of(KW_CODEC_DAG_PB, text, NULL);
    const kw_cid raw = kw_cid_of(KW_CODEC_RAW, text, NULL);
    kw_growing *g;
    kw_block block;
    size_t size;
    (void)state;
    assert_int_equal(kw_growing_open(&config, &g, NULL), KW_OK);
    const kw_block_store store = kw_growing_store(g);
    assert_false(store.has(store.user, &cid, &size));
    kw_growing_parent(g, &cid, text);
    assert_true(store.has(store.user, &cid, &size) && size == text.len);
    assert_false(store.has(store.user, &raw, &size)); /* another block of the same bytes */
    assert_int_equal(store.get(store.user, &cid, &block, NULL), KW_OK);
    assert_memory_equal(block.data.data, text.data, text.len);
    store.release(store.user, &block);
    kw_growing_close(g);
}

/* A file that has not the size of the plan is refused, and so is a plan that is too large. */
static void refused(void **state)
{
    const kw_growing_config config = {0};
    kw_growing *g;
    kw_error err;
    const char *const path = in_dir(*state, "short");
    write_file(path, 10, 1);
    assert_int_equal(kw_growing_open(&config, &g, NULL), KW_OK);
    kw_growing_plan plan = {.path = path,
                            .leaves = (const uint8_t(*)[32])digests,
                            .n_leaves = LEAVES,
                            .size = SIZE,
                            .leaf_size = LEAF};
    assert_int_equal(kw_growing_begin(g, &plan, &err), KW_E_IO);
    assert_non_null(strstr(err.message, "size"));
    plan.n_leaves = (uint64_t)1 << 40;
    assert_int_equal(kw_growing_begin(g, &plan, &err), KW_E_LIMIT);
    assert_false(serves(g, 0));
    kw_growing_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_here, setup, teardown),
        cmocka_unit_test_setup_teardown(equal_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_on_the_disk, setup, teardown),
        cmocka_unit_test(parents),
        cmocka_unit_test_setup_teardown(refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
