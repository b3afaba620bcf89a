/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* local_blocks.c - every block of an indexed file is served and is what its CID says; a file that
 * changed is not served, with or without a trace; the number of maps is bounded. */
#include "hub/local_blocks.h"

#include "hub_test.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/sha256.h"
#include "hub/stores.h"
#include "wire/unixfs.h"

typedef struct served {
    kw_index *index;
    kw_local_blocks *blocks;
    kw_block_store store;
    char own[128];
} served;

static void scan(served *s)
{
    const kw_store_places places = {s->own, NULL, NULL};
    assert_int_equal(kw_stores_scan(s->index, &places, NULL), KW_OK);
}

static kw_status hash_row(void *user, const kw_index_row *row, kw_error *err)
{
    const kw_hash_config config = {.n_threads = 2};
    kw_file_hash hash;
    KW_TRY(kw_file_hash_make(row->path, &config, &hash, err));
    kw_status status = kw_index_put_hash(user, row->id, &hash, err);
    kw_file_hash_free(&hash);
    if (status == KW_OK)
        status = kw_index_share(user, row->id, err);
    return status;
}

static void open_served(served *s, const fixture *f, size_t max_maps)
{
    const kw_local_config config = {.max_maps = max_maps};
    const kw_index_query all = {0};
    snprintf(s->own, sizeof s->own, "%s/store", f->dir);
    assert_int_equal(kw_index_open(":memory:", &s->index, NULL), KW_OK);
    scan(s);
    assert_int_equal(kw_index_each(s->index, &all, hash_row, s->index, NULL), KW_OK);
    assert_int_equal(kw_local_blocks_open(s->index, &config, &s->blocks, NULL), KW_OK);
    s->store = kw_local_blocks_store(s->blocks);
}

static void close_served(served *s)
{
    kw_local_blocks_close(s->blocks);
    kw_index_close(s->index);
}

static kw_status take_root(void *user, const kw_index_row *row, kw_error *err)
{
    (void)err;
    assert_true(row->rooted && row->hashed);
    *(kw_cid *)user = row->root;
    return KW_OK;
}

static kw_cid root_of(const served *s, const char *model)
{
    kw_cid root = {0};
    const kw_index_query query = {.model = model};
    assert_int_equal(kw_index_each(s->index, &query, take_root, &root, NULL), KW_OK);
    return root;
}

static kw_status get(served *s, const kw_cid *cid, kw_block *out)
{
    return s->store.get(s->store.user, cid, out, NULL);
}

/* Reads the file below a CID, as a peer would; returns its bytes. */
static uint64_t read_tree(served *s, const kw_cid *cid, kw_sha256 *whole)
{
    kw_block block;
    size_t size;
    uint64_t bytes = 0;
    assert_int_equal(get(s, cid, &block), KW_OK);
    assert_true(s->store.has(s->store.user, cid, &size));
    assert_int_equal(size, block.data.len);
    assert_true(kw_cid_verify(cid, block.data, kw_sha256_kernel(false)));
    if (cid->codec == KW_CODEC_RAW) {
        kw_sha256_update(whole, block.data.data, block.data.len);
        bytes = block.data.len;
    } else {
        kw_unixfs_node node;
        kw_unixfs_child child;
        assert_int_equal(kw_unixfs_read(block.data, &node, NULL), KW_OK);
        for (kw_unixfs_walk walk = kw_unixfs_children(&node); kw_unixfs_next(&walk, &child);)
            bytes += read_tree(s, &child.link.cid, whole);
        assert_int_equal(bytes, node.file_size);
    }
    s->store.release(s->store.user, &block);
    return bytes;
}

static void whole_files(void **state)
{
    const fixture *const f = *state;
    static const size_t sizes[] = {0, 1, KW_LEAF_SIZE, KW_LEAF_SIZE + 1, 5 * KW_LEAF_SIZE + 3};
    served s;
    char name[64];
    for (size_t i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "store/me/m%zu/file", i);
        write_file(in_dir(f, name), sizes[i], (uint32_t)i);
    }
    open_served(&s, f, 2);
    for (size_t i = 0; i < 5; i++) {
        kw_sha256 whole;
        snprintf(name, sizeof name, "me/m%zu", i);
        const kw_cid root = root_of(&s, name);
        kw_sha256_init(&whole, kw_sha256_kernel(false));
        assert_int_equal(read_tree(&s, &root, &whole), sizes[i]);
    }
    const kw_cid other =
        kw_cid_of(KW_CODEC_RAW, (kw_bytes){(const uint8_t *)"no", 2}, kw_sha256_kernel(false));
    kw_block block;
    size_t size;
    assert_int_equal(get(&s, &other, &block), KW_E_NOTFOUND);
    assert_false(s.store.has(s.store.user, &other, &size));
    close_served(&s);
}

static void changed(void **state)
{
    const fixture *const f = *state;
    served s;
    kw_block block;
    size_t size;
    write_file(in_dir(f, "store/me/m/file"), 1000, 1);
    write_file(in_dir(f, "store/me/copy/file"), 1000, 1);
    open_served(&s, f, 0);
    const kw_cid root = root_of(&s, "me/m");
    assert_int_equal(get(&s, &root, &block), KW_OK);
    s.store.release(s.store.user, &block);
    /* One of two places changes: the other serves. */
    write_file(in_dir(f, "store/me/copy/file"), 900, 2);
    assert_int_equal(get(&s, &root, &block), KW_OK);
    s.store.release(s.store.user, &block);
    write_file(in_dir(f, "store/me/m/file"), 1000, 3);
    assert_int_equal(get(&s, &root, &block), KW_E_NOTFOUND);
    assert_false(s.store.has(s.store.user, &root, &size));
    scan(&s);
    assert_int_equal(get(&s, &root, &block), KW_E_NOTFOUND);
    close_served(&s);
}

/* A byte changes and the time does not: only the digest can tell. */
static void changed_without_a_trace(void **state)
{
    const fixture *const f = *state;
    served s;
    kw_block block;
    struct stat before;
    const char *const path = in_dir(f, "store/me/m/file");
    write_file(path, 2 * KW_LEAF_SIZE, 1);
    open_served(&s, f, 0);
    assert_int_equal(stat(path, &before), 0);
    FILE *const file = fopen(path, "r+b");
    assert_int_equal(fseek(file, 5, SEEK_SET), 0);
    fputc('x', file);
    fclose(file);
    const struct timespec times[2] = {before.st_atim, before.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    uint8_t(*leaves)[32];
    size_t n;
    assert_int_equal(kw_index_leaves(s.index, 1, &leaves, &n, NULL), KW_OK);
    const kw_cid first = kw_cid_of_sha256(KW_CODEC_RAW, leaves[0]),
                 second = kw_cid_of_sha256(KW_CODEC_RAW, leaves[1]);
    assert_int_equal(get(&s, &first, &block), KW_E_NOTFOUND);
    assert_int_equal(get(&s, &second, &block), KW_OK);
    s.store.release(s.store.user, &block);
    free(leaves);
    close_served(&s);
}

static void maps_are_bounded(void **state)
{
    const fixture *const f = *state;
    served s;
    kw_block a, b, c;
    write_file(in_dir(f, "store/me/a/file"), 10, 1);
    write_file(in_dir(f, "store/me/b/file"), 10, 2);
    write_file(in_dir(f, "store/me/c/file"), 10, 3);
    open_served(&s, f, 2);
    const kw_cid of_a = root_of(&s, "me/a"), of_b = root_of(&s, "me/b"), of_c = root_of(&s, "me/c");
    assert_int_equal(get(&s, &of_a, &a), KW_OK);
    assert_int_equal(get(&s, &of_b, &b), KW_OK);
    assert_int_equal(get(&s, &of_c, &c), KW_E_LIMIT);
    s.store.release(s.store.user, &a);
    assert_int_equal(get(&s, &of_c, &c), KW_OK);
    assert_true(kw_cid_verify(&of_b, b.data, kw_sha256_kernel(false)));
    assert_true(kw_cid_verify(&of_c, c.data, kw_sha256_kernel(false)));
    s.store.release(s.store.user, &b);
    s.store.release(s.store.user, &c);
    close_served(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whole_files, setup, teardown),
        cmocka_unit_test_setup_teardown(changed, setup, teardown),
        cmocka_unit_test_setup_teardown(changed_without_a_trace, setup, teardown),
        cmocka_unit_test_setup_teardown(maps_are_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
