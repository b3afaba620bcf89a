/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* index.c - looking into the index, and scans that keep it true. */
#include "hub/index.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "hub/index_db.h"

const char *kw_owner_name(kw_owner owner)
{
    static const char *const names[] = {"store", "huggingface", "ollama", "folder"};
    return (size_t)owner < KW_COUNT(names) ? names[owner] : "folder";
}

/* ---- looking ---- */

/* The order of the columns is that of read_row. */
static const char walk[] =
    "SELECT f.id, n.model, n.file, n.place, f.path, n.version, f.owner, f.size, f.mtime_ns, "
    "f.inode, f.device, f.claim, f.sha256, f.root, f.root_codec "
    "FROM names n JOIN files f ON f.id = n.file_id "
    "WHERE (?1 IS NULL OR n.model = ?1) AND (?2 IS NULL OR n.file = ?2) "
    "AND (?3 IS NULL OR n.place = ?3 OR f.path = ?3) AND (?4 IS NULL OR f.sha256 = ?4 OR "
    "(f.sha256 IS NULL AND f.claim = ?4)) AND (?5 IS NULL OR (f.root = ?5 AND f.root_codec = ?6)) "
    "AND (?7 IS NULL OR f.id = ?7) ORDER BY n.model, n.version, n.file, n.place";

static kw_file_state read_state(sqlite3_stmt *st, int column)
{
    return (kw_file_state){.size = (uint64_t)sqlite3_column_int64(st, column),
                           .mtime_ns = sqlite3_column_int64(st, column + 1),
                           .inode = (uint64_t)sqlite3_column_int64(st, column + 2),
                           .device = (uint64_t)sqlite3_column_int64(st, column + 3)};
}

static bool read_row(kw_arena *arena, sqlite3_stmt *st, void *out)
{
    kw_index_row *const row = out;
    *row = (kw_index_row){.id = sqlite3_column_int64(st, 0),
                          .model = kw_db_text(arena, st, 1).data,
                          .file = kw_db_text(arena, st, 2).data,
                          .place = kw_db_text(arena, st, 3).data,
                          .path = kw_db_text(arena, st, 4).data,
                          .version = kw_db_text(arena, st, 5).data,
                          .owner = (kw_owner)sqlite3_column_int(st, 6),
                          .state = read_state(st, 7)};
    row->claimed = kw_db_digest(st, 11, row->claim);
    row->hashed = kw_db_digest(st, 12, row->sha256);
    row->rooted = kw_db_digest(st, 13, row->root.digest);
    if (row->rooted) {
        row->root.version = 1;
        row->root.digest_len = 32;
        row->root.hash = KW_HASH_SHA2_256;
        row->root.codec = (uint32_t)sqlite3_column_int(st, 14);
    }
    return row->model && row->file && row->place && row->path && row->version;
}

static void bind_query(sqlite3_stmt *st, const void *query)
{
    const kw_index_query *const q = query;
    (void)sqlite3_bind_text(st, 1, q->model, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(st, 2, q->file, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(st, 3, q->path, -1, SQLITE_STATIC);
    (void)sqlite3_bind_blob(st, 4, q->sha256, 32, SQLITE_STATIC);
    if (q->root) {
        (void)sqlite3_bind_blob(st, 5, q->root->digest, q->root->digest_len, SQLITE_STATIC);
        (void)sqlite3_bind_int64(st, 6, q->root->codec);
    }
    if (q->id != 0)
        (void)sqlite3_bind_int64(st, 7, q->id);
}

kw_status kw_index_each(kw_index *index, const kw_index_query *query, kw_index_fn each, void *user,
                        kw_error *err)
{
    const kw_db_question question = {.sql = walk,
                                     .what = "its rows",
                                     .row_size = sizeof(kw_index_row),
                                     .bind = bind_query,
                                     .parameters = query,
                                     .read = read_row};
    kw_arena arena = {0};
    kw_db_item *rows;
    kw_status status = kw_db_ask(index, &question, &arena, &rows, err);
    for (const kw_db_item *item = rows; status == KW_OK && item; item = item->next)
        status = each(user, item->row, err);
    kw_arena_free(&arena);
    return status;
}

/* ---- scanning ---- */

void kw_index_source(kw_owner owner, const char *dir, kw_buf *out)
{
    kw_buf_printf(out, "%s:%s", kw_owner_name(owner), dir);
}

static void bind_state(sqlite3_stmt *st, const kw_file_state *state)
{
    (void)sqlite3_bind_int64(st, 1, (int64_t)state->size);
    (void)sqlite3_bind_int64(st, 2, state->mtime_ns);
    (void)sqlite3_bind_int64(st, 3, (int64_t)state->inode);
    (void)sqlite3_bind_int64(st, 4, (int64_t)state->device);
}

kw_status kw_index_scan_begin(kw_index *index, kw_error *err)
{
    bool nested;
    kw_db_lock(index); /* until the end of the scan */
    kw_status status = kw_db_begin(index, &nested, err);
    sqlite3_stmt *st = NULL;
    if (status == KW_OK && sqlite3_prepare_v2(index->db, "SELECT ifnull(max(seen), 0) FROM names",
                                              -1, &st, NULL) != SQLITE_OK)
        status = kw_db_fail(index, err);
    if (status == KW_OK)
        status = kw_db_row(index, st, err);
    if (status == KW_OK)
        index->scan = sqlite3_column_int64(st, 0) + 1;
    (void)sqlite3_finalize(st);
    if (status != KW_OK) {
        status = kw_db_end(index, nested, status, err);
        kw_db_unlock(index);
    }
    return status;
}

/* Writes the row of a file that is new (KW_DB_FILE_ADD) or has changed (KW_DB_FILE_REFRESH). */
static kw_status write_file(kw_index *index, kw_db_statement which, const kw_index_row *row,
                            kw_error *err)
{
    sqlite3_stmt *st;
    KW_TRY(kw_db_get(index, which, &st, err));
    bind_state(st, &row->state);
    (void)sqlite3_bind_int(st, 5, (int)row->owner);
    (void)sqlite3_bind_blob(st, 6, row->claimed ? row->claim : NULL, 32, SQLITE_STATIC);
    (void)sqlite3_bind_text(st, 7, row->path, -1, SQLITE_STATIC);
    return kw_db_run(index, st, err);
}

static kw_status set_owner(kw_index *index, int64_t id, kw_owner owner, kw_error *err)
{
    sqlite3_stmt *st;
    KW_TRY(kw_db_get(index, KW_DB_FILE_OWNER, &st, err));
    (void)sqlite3_bind_int(st, 1, (int)owner);
    (void)sqlite3_bind_int64(st, 2, id);
    return kw_db_run(index, st, err);
}

/* A folder that holds a cache of another program does not make it ours: the first owner stays. */
static kw_status put_file(kw_index *index, const kw_index_row *row, int64_t *id, kw_error *err)
{
    sqlite3_stmt *st;
    KW_TRY(kw_db_get(index, KW_DB_FILE_BY_PATH, &st, err));
    (void)sqlite3_bind_text(st, 1, row->path, -1, SQLITE_STATIC);
    const kw_status found = kw_db_row(index, st, err);
    if (found == KW_E_NOTFOUND) {
        KW_TRY(write_file(index, KW_DB_FILE_ADD, row, err));
        *id = sqlite3_last_insert_rowid(index->db);
        return KW_OK;
    }
    KW_TRY(found);
    *id = sqlite3_column_int64(st, 0);
    const kw_file_state state = read_state(st, 1);
    const kw_owner owner = (kw_owner)sqlite3_column_int(st, 5);
    (void)sqlite3_reset(st);
    if (!kw_file_state_equal(&state, &row->state)) {
        KW_TRY(kw_index_drop_hash(index, *id, err));
        KW_TRY(write_file(index, KW_DB_FILE_REFRESH, row, err));
    }
    return row->owner < owner ? set_owner(index, *id, row->owner, err) : KW_OK;
}

kw_status kw_index_scan_put(kw_index *index, const char *source, const kw_index_row *row,
                            kw_error *err)
{
    int64_t id;
    sqlite3_stmt *st;
    KW_TRY(put_file(index, row, &id, err));
    KW_TRY(kw_db_get(index, KW_DB_NAME_PUT, &st, err));
    (void)sqlite3_bind_text(st, 1, row->model, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(st, 2, row->version, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(st, 3, row->file, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(st, 4, row->place, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(st, 5, source, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(st, 6, id);
    (void)sqlite3_bind_int64(st, 7, index->scan);
    return kw_db_run(index, st, err);
}

static kw_status remove_unnamed(kw_index *index, kw_error *err)
{
    sqlite3_stmt *st;
    kw_status status;
    for (;;) { /* one at a time: removing changes what the statement walks over */
        KW_TRY(kw_db_get(index, KW_DB_FILES_UNNAMED, &st, err));
        status = kw_db_row(index, st, err);
        if (status != KW_OK)
            return status == KW_E_NOTFOUND ? KW_OK : status;
        const int64_t id = sqlite3_column_int64(st, 0);
        (void)sqlite3_reset(st);
        KW_TRY(kw_index_forget(index, id, err));
    }
}

static kw_status remove_unseen(kw_index *index, const char *source, kw_error *err)
{
    sqlite3_stmt *st;
    KW_TRY(kw_db_get(index, KW_DB_NAMES_UNSEEN, &st, err));
    (void)sqlite3_bind_text(st, 1, source, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(st, 2, index->scan);
    KW_TRY(kw_db_run(index, st, err));
    return remove_unnamed(index, err);
}

kw_status kw_index_scan_end(kw_index *index, bool commit, const char *source, kw_error *err)
{
    kw_status status = commit ? remove_unseen(index, source, err) : KW_E_CANCELLED;
    status = kw_db_end(index, false, status, err);
    kw_db_unlock(index);
    return commit ? status : KW_OK;
}

/* ---- folders ---- */

kw_status kw_index_add_folder(kw_index *index, const char *path, const char *model, kw_error *err)
{
    sqlite3_stmt *st;
    kw_db_lock(index);
    kw_status status = kw_db_get(index, KW_DB_FOLDER_ADD, &st, err);
    if (status == KW_OK) {
        (void)sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(st, 2, model, -1, SQLITE_STATIC);
        status = kw_db_run(index, st, err);
    }
    kw_db_unlock(index);
    return status;
}

static kw_status forget_folder(kw_index *index, const char *path, kw_error *err)
{
    sqlite3_stmt *st;
    KW_TRY(kw_db_get(index, KW_DB_FOLDER_REMOVE, &st, err));
    (void)sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC);
    KW_TRY(kw_db_run(index, st, err));
    index->scan = -1; /* no scan saw anything there */
    kw_buf source = {0};
    kw_index_source(KW_OWNER_FOLDER, path, &source);
    kw_status status = kw_buf_status(&source, err);
    if (status == KW_OK)
        status = remove_unseen(index, source.data, err);
    kw_buf_free(&source);
    return status;
}

kw_status kw_index_remove_folder(kw_index *index, const char *path, kw_error *err)
{
    bool nested;
    kw_db_lock(index);
    kw_status status = kw_db_begin(index, &nested, err);
    if (status == KW_OK)
        status = kw_db_end(index, nested, forget_folder(index, path, err), err);
    kw_db_unlock(index);
    return status;
}

typedef struct folder {
    const char *path, *model;
} folder;

static bool read_folder(kw_arena *arena, sqlite3_stmt *st, void *out)
{
    folder *const f = out;
    *f = (folder){.path = kw_db_text(arena, st, 0).data, .model = kw_db_text(arena, st, 1).data};
    return f->path && f->model;
}

kw_status kw_index_each_folder(kw_index *index, kw_folder_fn each, void *user, kw_error *err)
{
    static const kw_db_question question = {.sql = "SELECT path, model FROM folders ORDER BY path",
                                            .what = "its folders",
                                            .row_size = sizeof(folder),
                                            .read = read_folder};
    kw_arena arena = {0};
    kw_db_item *rows;
    kw_status status = kw_db_ask(index, &question, &arena, &rows, err);
    for (const kw_db_item *item = rows; status == KW_OK && item; item = item->next) {
        const folder *const f = item->row;
        status = each(user, f->path, f->model, err);
    }
    kw_arena_free(&arena);
    return status;
}
