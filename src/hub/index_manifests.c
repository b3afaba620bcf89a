/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* index_manifests.c - the statements about models that the index keeps. */
#include <string.h>

#include "base/arena.h"
#include "hub/index_db.h"

static const char walk[] =
    "SELECT model, version, sha256, body, signature, offered, time FROM manifests "
    "WHERE body <> x'' AND (?1 IS NULL OR model = ?1) AND (?2 IS NULL OR sha256 = ?2) "
    "ORDER BY model";
static const char walk_offers[] =
    "SELECT model, version, sha256, x'', signature, offered, time FROM manifests "
    "WHERE body <> x'' AND offered <> 0 ORDER BY model";

static kw_status put(kw_index *index, const kw_index_manifest *m, kw_error *err)
{
    sqlite3_stmt *st;
    KW_TRY(kw_db_get(index, KW_DB_MANIFEST_PUT, &st, err));
    (void)sqlite3_bind_text(st, 1, m->model, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(st, 2, (int64_t)m->version);
    (void)sqlite3_bind_blob(st, 3, m->sha256, 32, SQLITE_STATIC);
    (void)sqlite3_bind_blob64(st, 4, m->body.data, m->body.len, SQLITE_STATIC);
    (void)sqlite3_bind_blob64(st, 5, m->signature.data, m->signature.len, SQLITE_STATIC);
    (void)sqlite3_bind_int(st, 6, m->offered);
    (void)sqlite3_bind_int64(st, 7, m->time);
    KW_TRY(kw_db_run(index, st, err));
    return sqlite3_changes(index->db) > 0
               ? KW_OK
               : kw_fail(err, KW_E_ARG,
                         "%.200s: version %llu of its manifest is older than one that "
                         "was here",
                         m->model, (unsigned long long)m->version);
}

static kw_status seen_version(kw_index *index, const char *model, uint64_t *out, kw_error *err)
{
    sqlite3_stmt *st;
    KW_TRY(kw_db_get(index, KW_DB_MANIFEST_SEEN, &st, err));
    (void)sqlite3_bind_text(st, 1, model, -1, SQLITE_STATIC);
    const kw_status status = kw_db_row(index, st, err);
    if (status == KW_OK)
        *out = (uint64_t)sqlite3_column_int64(st, 0);
    (void)sqlite3_reset(st);
    return status == KW_E_NOTFOUND ? KW_OK : status;
}

kw_status kw_index_seen_version(kw_index *index, const char *model, uint64_t *out, kw_error *err)
{
    *out = 0;
    kw_db_lock(index);
    const kw_status status = seen_version(index, model, out, err);
    kw_db_unlock(index);
    return status;
}

kw_status kw_index_put_manifest(kw_index *index, const kw_index_manifest *manifest, kw_error *err)
{
    kw_db_lock(index);
    const kw_status status = put(index, manifest, err);
    kw_db_unlock(index);
    return status;
}

kw_status kw_index_remove_manifest(kw_index *index, const char *model, kw_error *err)
{
    sqlite3_stmt *st;
    kw_db_lock(index);
    kw_status status = kw_db_get(index, KW_DB_MANIFEST_REMOVE, &st, err);
    if (status == KW_OK) {
        (void)sqlite3_bind_text(st, 1, model, -1, SQLITE_STATIC);
        status = kw_db_run(index, st, err);
    }
    kw_db_unlock(index);
    return status;
}

/* What manifests are meant; NULL: any. */
typedef struct which {
    const char *model;
    const uint8_t *sha256;
} which;

static void bind_which(sqlite3_stmt *st, const void *parameters)
{
    const which *const w = parameters;
    (void)sqlite3_bind_text(st, 1, w->model, -1, SQLITE_STATIC);
    (void)sqlite3_bind_blob(st, 2, w->sha256, 32, SQLITE_STATIC);
}

static bool read_manifest(kw_arena *arena, sqlite3_stmt *st, void *row)
{
    kw_index_manifest *const m = row;
    *m = (kw_index_manifest){.model = kw_db_text(arena, st, 0).data,
                             .version = (uint64_t)sqlite3_column_int64(st, 1),
                             .body = kw_db_text(arena, st, 3),
                             .signature = kw_db_text(arena, st, 4),
                             .offered = sqlite3_column_int(st, 5) != 0,
                             .time = sqlite3_column_int64(st, 6)};
    (void)kw_db_digest(st, 2, m->sha256);
    return m->model && m->body.data && m->signature.data;
}

static kw_status each_row(kw_index *index, const kw_db_question *question, kw_manifest_fn each,
                          void *user, kw_error *err)
{
    kw_arena arena = {0};
    kw_db_item *list;
    kw_status status = kw_db_ask(index, question, &arena, &list, err);
    for (const kw_db_item *item = list; status == KW_OK && item; item = item->next)
        status = each(user, item->row, err);
    kw_arena_free(&arena);
    return status;
}

kw_status kw_index_each_manifest(kw_index *index, const char *model, const uint8_t *sha256,
                                 kw_manifest_fn each, void *user, kw_error *err)
{
    const kw_db_question question = {.sql = walk,
                                     .what = "a manifest",
                                     .row_size = sizeof(kw_index_manifest),
                                     .bind = bind_which,
                                     .parameters = &(which){model, sha256},
                                     .read = read_manifest};
    return each_row(index, &question, each, user, err);
}

kw_status kw_index_each_offer(kw_index *index, kw_manifest_fn each, void *user, kw_error *err)
{
    const kw_db_question question = {.sql = walk_offers,
                                     .what = "an offer",
                                     .row_size = sizeof(kw_index_manifest),
                                     .read = read_manifest};
    return each_row(index, &question, each, user, err);
}
