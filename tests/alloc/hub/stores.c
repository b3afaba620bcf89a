/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* stores.c - each allocation fails once while models are indexed, hashed, published and served, and
 * while what signs them is read. SQLite allocates behind the wraps; its failures are not made here.
 */
#include "alloc_each.h"

#include "../../unit/hub/hub_test.h"
#include "base/check.h"
#include "base/sha256.h"
#include "hub/local_blocks.h"
#include "hub/stores.h"
#include "hub/trust.h"

#include <unistd.h>

static kw_status take_id(void *user, const kw_index_row *row, kw_error *err)
{
    int64_t *const id = user;
    (void)err;
    if (strcmp(row->file, "a.gguf") == 0)
        *id = row->id;
    return KW_OK;
}

static kw_status see_manifest(void *user, const kw_index_manifest *manifest, kw_error *err)
{
    (void)user;
    assert_int_equal(manifest->body.len, 4);
    (void)err;
    return KW_OK;
}

static kw_status see_folder(void *user, const char *path, const char *model, kw_error *err)
{
    (void)user;
    (void)err;
    assert_string_equal(model, "some/folder");
    assert_non_null(path);
    return KW_OK;
}

/* What is asked of an index that knows the files. */
static kw_status ask(kw_index *index, int64_t id, const kw_file_hash *hash, kw_error *err)
{
    kw_index_leaf leaf;
    uint8_t(*leaves)[32];
    size_t n;
    KW_TRY(kw_index_find_leaf(index, hash->leaves[0], 0, &leaf, err));
    free(leaf.path);
    KW_TRY(kw_index_leaves(index, id, &leaves, &n, err));
    free(leaves);
    const kw_index_manifest manifest = {
        .model = "me/mine", .body = KW_STR("body"), .offered = true, .time = 1};
    KW_TRY(kw_index_put_manifest(index, &manifest, err));
    KW_TRY(kw_index_each_manifest(index, NULL, NULL, see_manifest, NULL, err));
    return kw_index_each_folder(index, see_folder, NULL, err);
}

static kw_status serve(kw_index *index, const kw_file_hash *hash, kw_error *err)
{
    kw_local_blocks *blocks;
    kw_block block;
    kw_cid cid = {.version = 1, .digest_len = 32, .codec = KW_CODEC_RAW, .hash = KW_HASH_SHA2_256};
    memcpy(cid.digest, hash->leaves[0], 32);
    KW_TRY(kw_local_blocks_open(index, &(kw_local_config){0}, &blocks, err));
    const kw_block_store store = kw_local_blocks_store(blocks);
    const kw_status status = store.get(store.user, &cid, &block, err);
    if (status == KW_OK)
        store.release(store.user, &block);
    kw_local_blocks_close(blocks);
    return status;
}

static kw_status use(kw_index *index, const fixture *f, kw_error *err)
{
    char own[128], folder[128];
    int64_t id = 0;
    snprintf(own, sizeof own, "%s/store", f->dir);
    snprintf(folder, sizeof folder, "%s/folder", f->dir);
    KW_TRY(kw_index_add_folder(index, folder, "some/folder", err));
    KW_TRY(kw_stores_scan(index, &(kw_store_places){.own = own}, err));
    KW_TRY(kw_index_each(index, &(kw_index_query){0}, take_id, &id, err));
    kw_file_hash hash;
    KW_TRY(kw_file_hash_make(in_dir(f, "store/me/mine/a.gguf"), &(kw_hash_config){0}, &hash, err));
    kw_status status = id ? kw_index_put_hash(index, id, &hash, err) : KW_E_NOMEM;
    if (status == KW_OK)
        status = kw_index_share(index, id, err);
    if (status == KW_OK)
        status = ask(index, id, &hash, err);
    if (status == KW_OK)
        status = serve(index, &hash, err);
    kw_file_hash_free(&hash);
    return status;
}

static kw_status index_all(void *user, kw_error *err)
{
    kw_index *index;
    KW_TRY(kw_index_open(":memory:", &index, err));
    const kw_status status = use(index, user, err);
    kw_index_close(index);
    return status;
}

static void test_index(void **state)
{
    fixture *const f = *state;
    write_file(in_dir(f, "store/me/mine/a.gguf"), (1 << 20) + 100, 1);
    write_file(in_dir(f, "store/me/mine/sub/b.json"), 10, 2);
    write_file(in_dir(f, "folder/c.gguf"), 10, 3);
    alloc_each(index_all, f, 20);
}

/* ---- what is signed ---- */

static kw_status statement(void *user, kw_error *err)
{
    kw_manifest_file files[20];
    char names[20][16];
    kw_manifest read;
    kw_buf text = {0};
    (void)user;
    for (size_t i = 0; i < KW_COUNT(files); i++) {
        snprintf(names[i], sizeof names[i], "f%02zu", i);
        files[i] = (kw_manifest_file){.name = names[i], .size = i, .sized = true};
    }
    const kw_manifest m = {.model = "org/name", .files = files, .n_files = KW_COUNT(files)};
    kw_status status = kw_manifest_put(&m, &text, err);
    if (status == KW_OK)
        status = kw_manifest_get((kw_str){text.data, text.len}, &read, err);
    if (status == KW_OK)
        kw_manifest_free(&read);
    kw_buf_free(&text);
    return status;
}

static void test_manifest(void **state)
{
    (void)state;
    alloc_each(statement, NULL, 3);
}

static kw_status keys(void *user, kw_error *err)
{
    kw_secret_key key = {.id = {1}, .seed = {2}};
    kw_buf text = {0};
    kw_trust trust;
    (void)user;
    KW_TRY(kw_secret_key_new(&key, err));
    const kw_public_key public = kw_secret_key_public(&key);
    kw_buf_printf(&text, "key alice ");
    kw_public_key_put_line(&public, &text);
    kw_buf_printf(&text, "\npolicy org/* enforce alice\npolicy * warn\n");
    kw_status status = kw_buf_status(&text, err);
    if (status == KW_OK)
        status = kw_trust_get((kw_str){text.data, text.len}, "trust.conf", &trust, err);
    if (status == KW_OK) {
        kw_judgement said;
        kw_trust_judge(&trust, &(kw_signed){.model = "org/x"}, &said);
        assert_false(said.accepted);
        kw_trust_free(&trust);
    }
    kw_buf_free(&text);
    kw_secret_key_wipe(&key);
    return status;
}

static void test_trust(void **state)
{
    (void)state;
    alloc_each(keys, NULL, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_index, setup, teardown),
        cmocka_unit_test(test_manifest),
        cmocka_unit_test(test_trust),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
