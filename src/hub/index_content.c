/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* index_content.c - what the index knows of the content of files: digests, leaves, parents. */
#include "hub/index.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "hub/index_db.h"
#include "wire/unixfs.h"

/* The first 8 bytes of a digest, as SQLite keeps numbers. */
static int64_t prefix_of(const uint8_t digest[32])
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | digest[i];
    return (int64_t)value;
}

/* Adds or removes the rows of leaves. */
static kw_status each_leaf(kw_index *index, kw_db_statement which, int64_t id,
                           const uint8_t (*leaves)[32], size_t n, kw_error *err)
{
    sqlite3_stmt *st;
    for (size_t i = 0; i < n; i++) {
        KW_TRY(kw_db_get(index, which, &st, err));
        (void)sqlite3_bind_int64(st, 1, prefix_of(leaves[i]));
        (void)sqlite3_bind_int64(st, 2, id);
        (void)sqlite3_bind_int64(st, 3, (int64_t)i);
        KW_TRY(kw_db_run(index, st, err));
    }
    return KW_OK;
}

static kw_status read_leaves(kw_index *index, int64_t id, uint8_t (**leaves)[32], size_t *n,
                             kw_error *err)
{
    sqlite3_stmt *st;
    KW_TRY(kw_db_get(index, KW_DB_FILE_LEAVES, &st, err));
    (void)sqlite3_bind_int64(st, 1, id);
    const kw_status found = kw_db_row(index, st, err);
    if (found == KW_E_NOTFOUND)
        return kw_fail(err, KW_E_NOTFOUND, "index: file %lld was not hashed", (long long)id);
    KW_TRY(found);
    const size_t bytes = (size_t)sqlite3_column_bytes(st, 0);
    kw_status status = KW_OK;
    *n = bytes / 32;
    *leaves = malloc(KW_MAX(bytes, (size_t)1));
    if (!*leaves)
        status = kw_fail(err, KW_E_NOMEM, "index: no memory for %zu digests", *n);
    else if (bytes > 0)
        memcpy(*leaves, sqlite3_column_blob(st, 0), bytes);
    (void)sqlite3_reset(st);
    return status;
}

kw_status kw_index_leaves(kw_index *index, int64_t id, uint8_t (**leaves)[32], size_t *n,
                          kw_error *err)
{
    kw_db_lock(index);
    const kw_status status = read_leaves(index, id, leaves, n, err);
    kw_db_unlock(index);
    return status;
}

kw_status kw_index_drop_hash(kw_index *index, int64_t id, kw_error *err)
{
    uint8_t(*leaves)[32];
    size_t n;
    sqlite3_stmt *st;
    kw_status status = read_leaves(index, id, &leaves, &n, NULL);
    if (status == KW_E_NOTFOUND)
        return KW_OK;
    if (status != KW_OK)
        return kw_fail(err, status, "index: cannot read the digests of file %lld", (long long)id);
    status = each_leaf(index, KW_DB_LEAF_REMOVE, id, (const uint8_t(*)[32])leaves, n, err);
    free(leaves);
    KW_TRY(status);
    KW_TRY(kw_db_get(index, KW_DB_PARENTS_REMOVE, &st, err));
    (void)sqlite3_bind_int64(st, 1, id);
    return kw_db_run(index, st, err);
}

static kw_status check_state(kw_index *index, int64_t id, const kw_file_hash *hash, kw_error *err)
{
    sqlite3_stmt *st;
    KW_TRY(kw_db_get(index, KW_DB_FILE_BY_ID, &st, err));
    (void)sqlite3_bind_int64(st, 1, id);
    const kw_status found = kw_db_row(index, st, err);
    if (found == KW_E_NOTFOUND)
        return kw_fail(err, KW_E_NOTFOUND, "index: there is no file %lld", (long long)id);
    KW_TRY(found);
    const bool same = (uint64_t)sqlite3_column_int64(st, 1) == hash->state.size &&
                      sqlite3_column_int64(st, 2) == hash->state.mtime_ns &&
                      (uint64_t)sqlite3_column_int64(st, 3) == hash->state.inode &&
                      (uint64_t)sqlite3_column_int64(st, 4) == hash->state.device;
    (void)sqlite3_reset(st);
    if (!same)
        return kw_fail(err, KW_E_NOTFOUND, "index: file %lld changed since it was scanned",
                       (long long)id);
    return KW_OK;
}

typedef struct parents {
    kw_index *index;
    int64_t id;
} parents;

static kw_status put_parent(void *user, const kw_cid *cid, kw_bytes block, kw_error *err)
{
    const parents *const p = user;
    sqlite3_stmt *st;
    KW_TRY(kw_db_get(p->index, KW_DB_PARENT_ADD, &st, err));
    (void)sqlite3_bind_int64(st, 1, p->id);
    (void)sqlite3_bind_blob(st, 2, cid->digest, 32, SQLITE_STATIC);
    (void)sqlite3_bind_blob64(st, 3, block.data, block.len, SQLITE_STATIC);
    return kw_db_run(p->index, st, err);
}

/* The tree over the leaves. */
static kw_status put_tree(kw_index *index, int64_t id, const kw_file_hash *hash, kw_cid *root,
                          kw_error *err)
{
    parents p = {index, id};
    const kw_unixfs_config config = {.parent = put_parent, .user = &p};
    kw_unixfs_builder *builder;
    uint64_t left = hash->state.size;
    KW_TRY(kw_unixfs_open(&config, &builder, err));
    kw_status status = KW_OK;
    for (size_t i = 0; status == KW_OK && i < hash->n_leaves; i++) {
        const size_t len = (size_t)KW_MIN(left, (uint64_t)KW_LEAF_SIZE);
        status = kw_unixfs_leaf(builder, hash->leaves[i], len, err);
        left -= len;
    }
    if (status == KW_OK)
        status = kw_unixfs_finish(builder, root, NULL, err);
    kw_unixfs_free(builder);
    return status;
}

static kw_status write_hash(kw_index *index, int64_t id, const kw_file_hash *hash, kw_error *err)
{
    sqlite3_stmt *st;
    kw_cid root;
    KW_TRY(check_state(index, id, hash, err));
    KW_TRY(kw_index_drop_hash(index, id, err));
    KW_TRY(put_tree(index, id, hash, &root, err));
    KW_TRY(kw_db_get(index, KW_DB_FILE_SET_HASH, &st, err));
    (void)sqlite3_bind_blob(st, 1, hash->sha256, 32, SQLITE_STATIC);
    (void)sqlite3_bind_blob64(st, 2, hash->leaves, hash->n_leaves * 32, SQLITE_STATIC);
    (void)sqlite3_bind_blob(st, 3, root.digest, 32, SQLITE_STATIC);
    (void)sqlite3_bind_int64(st, 4, root.codec);
    (void)sqlite3_bind_int64(st, 5, id);
    KW_TRY(kw_db_run(index, st, err));
    return each_leaf(index, KW_DB_LEAF_ADD, id, (const uint8_t(*)[32])hash->leaves, hash->n_leaves,
                     err);
}

kw_status kw_index_put_hash(kw_index *index, int64_t id, const kw_file_hash *hash, kw_error *err)
{
    bool nested;
    kw_db_lock(index);
    kw_status status = kw_db_begin(index, &nested, err);
    if (status == KW_OK)
        status = kw_db_end(index, nested, write_hash(index, id, hash, err), err);
    kw_db_unlock(index);
    return status;
}

kw_status kw_index_share(kw_index *index, int64_t id, kw_error *err)
{
    sqlite3_stmt *st;
    kw_db_lock(index);
    kw_status status = kw_db_get(index, KW_DB_FILE_SHARE, &st, err);
    if (status == KW_OK) {
        (void)sqlite3_bind_int64(st, 1, id);
        status = kw_db_run(index, st, err);
    }
    kw_db_unlock(index);
    return status;
}

static kw_status remove_file(kw_index *index, int64_t id, kw_error *err)
{
    static const kw_db_statement order[] = {KW_DB_NAMES_OF, KW_DB_FILE_REMOVE};
    sqlite3_stmt *st;
    KW_TRY(kw_index_drop_hash(index, id, err));
    for (size_t i = 0; i < KW_COUNT(order); i++) {
        KW_TRY(kw_db_get(index, order[i], &st, err));
        (void)sqlite3_bind_int64(st, 1, id);
        KW_TRY(kw_db_run(index, st, err));
    }
    return KW_OK;
}

kw_status kw_index_forget(kw_index *index, int64_t id, kw_error *err)
{
    bool nested;
    kw_db_lock(index);
    kw_status status = kw_db_begin(index, &nested, err);
    if (status == KW_OK)
        status = kw_db_end(index, nested, remove_file(index, id, err), err);
    kw_db_unlock(index);
    return status;
}

static kw_status find_leaf(kw_index *index, const uint8_t digest[32], size_t nth,
                           kw_index_leaf *out, kw_error *err)
{
    sqlite3_stmt *st;
    KW_TRY(kw_db_get(index, KW_DB_LEAF_FIND, &st, err));
    (void)sqlite3_bind_int64(st, 1, prefix_of(digest));
    (void)sqlite3_bind_blob(st, 2, digest, 32, SQLITE_STATIC);
    (void)sqlite3_bind_int64(st, 3, (int64_t)nth);
    KW_TRY(kw_db_row(index, st, err));
    out->id = sqlite3_column_int64(st, 0);
    out->n = (uint64_t)sqlite3_column_int64(st, 1);
    const char *const path = (const char *)sqlite3_column_text(st, 2);
    out->path = path ? strdup(path) : NULL;
    out->state = (kw_file_state){.size = (uint64_t)sqlite3_column_int64(st, 3),
                                 .mtime_ns = sqlite3_column_int64(st, 4),
                                 .inode = (uint64_t)sqlite3_column_int64(st, 5),
                                 .device = (uint64_t)sqlite3_column_int64(st, 6)};
    (void)sqlite3_reset(st);
    if (!out->path)
        return kw_fail(err, KW_E_NOMEM, "index: no memory for a path");
    out->size = KW_MIN(out->state.size - out->n * KW_LEAF_SIZE, KW_LEAF_SIZE);
    return KW_OK;
}

kw_status kw_index_find_leaf(kw_index *index, const uint8_t digest[32], size_t nth,
                             kw_index_leaf *out, kw_error *err)
{
    *out = (kw_index_leaf){0};
    kw_db_lock(index);
    const kw_status status = find_leaf(index, digest, nth, out, err);
    kw_db_unlock(index);
    return status;
}

static kw_status find_parent(kw_index *index, const uint8_t digest[32], uint8_t **data, size_t *len,
                             kw_error *err)
{
    sqlite3_stmt *st;
    KW_TRY(kw_db_get(index, KW_DB_PARENT_FIND, &st, err));
    (void)sqlite3_bind_blob(st, 1, digest, 32, SQLITE_STATIC);
    KW_TRY(kw_db_row(index, st, err));
    *len = (size_t)sqlite3_column_bytes(st, 0);
    *data = malloc(KW_MAX(*len, (size_t)1));
    if (*data && *len > 0)
        memcpy(*data, sqlite3_column_blob(st, 0), *len);
    (void)sqlite3_reset(st);
    return *data ? KW_OK : kw_fail(err, KW_E_NOMEM, "index: no memory for a block");
}

kw_status kw_index_find_parent(kw_index *index, const uint8_t digest[32], uint8_t **data,
                               size_t *len, kw_error *err)
{
    *data = NULL;
    *len = 0;
    kw_db_lock(index);
    const kw_status status = find_parent(index, digest, data, len, err);
    kw_db_unlock(index);
    return status;
}
