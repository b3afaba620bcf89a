/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* index_db.c - the tables and statements of the index.
 *
 * files     one row a file; leaves is the concatenation of its leaves' digests (32 bytes a MiB).
 * names     where a model has a file; a file without a name has no row.
 * leaves    the first 8 bytes of each leaf's digest, as a number, and whose it is.
 * parents   the blocks above the leaves, which lie in no file.
 * folders   what was named to us besides the stores that we know.
 * manifests statements about models, with their signatures; `offered` ones are shown to peers. One
 *           that was removed leaves its version, with an empty body.
 *
 * user_version is the version of this schema. */
#include "hub/index_db.h"

#include <string.h>

#include "base/check.h"

#define SCHEMA_VERSION 2
#define BUSY_MS 10000

static const char schema[] =
    "BEGIN EXCLUSIVE;"
    "CREATE TABLE files(id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, owner INTEGER NOT NULL,"
    " size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,"
    " device INTEGER NOT NULL, claim BLOB, sha256 BLOB, root BLOB, root_codec INTEGER,"
    " leaves BLOB, shared BLOB) STRICT;"
    "CREATE INDEX files_sha256 ON files(sha256);"
    "CREATE TABLE names(model TEXT NOT NULL COLLATE NOCASE, version TEXT NOT NULL,"
    " file TEXT NOT NULL, place TEXT NOT NULL, source TEXT NOT NULL, file_id INTEGER NOT NULL,"
    " seen INTEGER NOT NULL, PRIMARY KEY(model, version, file, place)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX names_file ON names(file_id);"
    "CREATE TABLE leaves(prefix INTEGER NOT NULL, file_id INTEGER NOT NULL, n INTEGER NOT NULL,"
    " PRIMARY KEY(prefix, file_id, n)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE parents(file_id INTEGER NOT NULL, digest BLOB NOT NULL, data BLOB NOT NULL,"
    " PRIMARY KEY(file_id, digest)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX parents_digest ON parents(digest);"
    "CREATE TABLE folders(path TEXT PRIMARY KEY, model TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE manifests(model TEXT PRIMARY KEY COLLATE NOCASE, version INTEGER NOT NULL,"
    " sha256 BLOB NOT NULL, body BLOB NOT NULL, signature BLOB,"
    " offered INTEGER NOT NULL, time INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX manifests_sha256 ON manifests(sha256);"
    "PRAGMA user_version = 2;"
    "COMMIT;";

static const char from_1[] = "BEGIN IMMEDIATE;"
                             "ALTER TABLE files ADD COLUMN shared BLOB;"
                             "PRAGMA user_version = 2;"
                             "COMMIT;";

static const char *const texts[KW_DB_N_STATEMENTS] = {
    [KW_DB_BEGIN] = "BEGIN IMMEDIATE",
    [KW_DB_COMMIT] = "COMMIT",
    [KW_DB_ROLLBACK] = "ROLLBACK",
    [KW_DB_FILE_BY_PATH] = "SELECT id, size, mtime_ns, inode, device, owner FROM files "
                           "WHERE path = ?1",
    [KW_DB_FILE_BY_ID] = "SELECT path, size, mtime_ns, inode, device FROM files WHERE id = ?1",
    [KW_DB_FILE_ADD] = "INSERT INTO files(size, mtime_ns, inode, device, owner, claim, path) "
                       "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [KW_DB_FILE_REFRESH] = "UPDATE files SET size = ?1, mtime_ns = ?2, inode = ?3, device = ?4, "
                           "owner = ?5, claim = ?6, sha256 = NULL, root = NULL, root_codec = NULL, "
                           "leaves = NULL WHERE path = ?7",
    [KW_DB_FILE_OWNER] = "UPDATE files SET owner = ?1 WHERE id = ?2",
    [KW_DB_FILE_SET_HASH] = "UPDATE files SET sha256 = ?1, leaves = ?2, root = ?3, root_codec = ?4 "
                            "WHERE id = ?5",
    [KW_DB_FILE_SHARE] = "UPDATE files SET shared = root WHERE id = ?1",
    [KW_DB_FILE_LEAVES] = "SELECT leaves FROM files WHERE id = ?1 AND leaves IS NOT NULL",
    [KW_DB_FILE_REMOVE] = "DELETE FROM files WHERE id = ?1",
    [KW_DB_NAME_PUT] =
        "INSERT INTO names(model, version, file, place, source, file_id, seen) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(model, version, file, place) "
        "DO UPDATE SET source = excluded.source, file_id = excluded.file_id, "
        "seen = excluded.seen",
    [KW_DB_NAMES_UNSEEN] = "DELETE FROM names WHERE source = ?1 AND seen <> ?2",
    [KW_DB_NAMES_OF] = "DELETE FROM names WHERE file_id = ?1",
    [KW_DB_FILES_UNNAMED] = "SELECT id FROM files WHERE id NOT IN (SELECT file_id FROM names)",
    [KW_DB_LEAF_ADD] = "INSERT OR IGNORE INTO leaves(prefix, file_id, n) VALUES(?1, ?2, ?3)",
    [KW_DB_LEAF_REMOVE] = "DELETE FROM leaves WHERE prefix = ?1 AND file_id = ?2 AND n = ?3",
    [KW_DB_LEAF_FIND] =
        "SELECT f.id, l.n, f.path, f.size, f.mtime_ns, f.inode, f.device "
        "FROM leaves l JOIN files f ON f.id = l.file_id WHERE l.prefix = ?1 AND "
        "substr(f.leaves, 1 + 32 * l.n, 32) = ?2 AND f.shared = f.root ORDER BY l.file_id, l.n "
        "LIMIT 1 OFFSET ?3",
    [KW_DB_PARENT_ADD] = "INSERT OR REPLACE INTO parents(file_id, digest, data) VALUES(?1, ?2, ?3)",
    [KW_DB_PARENTS_REMOVE] = "DELETE FROM parents WHERE file_id = ?1",
    [KW_DB_PARENT_FIND] = "SELECT p.data FROM parents p JOIN files f ON f.id = p.file_id "
                          "WHERE p.digest = ?1 AND f.shared = f.root LIMIT 1",
    [KW_DB_FOLDER_ADD] = "INSERT OR REPLACE INTO folders(path, model) VALUES(?1, ?2)",
    [KW_DB_FOLDER_REMOVE] = "DELETE FROM folders WHERE path = ?1",
    [KW_DB_MANIFEST_PUT] = "INSERT INTO manifests(model, version, sha256, body, signature, offered,"
                           " time) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(model) DO UPDATE "
                           "SET version = excluded.version, sha256 = excluded.sha256, "
                           "body = excluded.body, signature = excluded.signature, "
                           "offered = excluded.offered, time = excluded.time "
                           "WHERE excluded.version >= version",
    [KW_DB_MANIFEST_REMOVE] = "UPDATE manifests SET body = x'', signature = x'', sha256 = x'', "
                              "offered = 0 WHERE model = ?1",
    [KW_DB_MANIFEST_SEEN] = "SELECT version FROM manifests WHERE model = ?1",
};

void kw_db_lock(kw_index *index)
{
    sqlite3_mutex_enter(sqlite3_db_mutex(index->db));
}

void kw_db_unlock(kw_index *index)
{
    sqlite3_mutex_leave(sqlite3_db_mutex(index->db));
}

kw_status kw_db_fail(kw_index *index, kw_error *err)
{
    const int code = index->db ? sqlite3_errcode(index->db) & 0xff : SQLITE_NOMEM;
    const char *const text = index->db ? sqlite3_errmsg(index->db) : "no memory";
    switch (code) {
    case SQLITE_NOMEM:
        return kw_fail(err, KW_E_NOMEM, "index: no memory");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return kw_fail(err, KW_E_FORMAT, "index: the database is damaged (%s)", text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return kw_fail(err, KW_E_IO, "index: another process kept it locked for %d s",
                       BUSY_MS / 1000);
    default:
        return kw_fail(err, KW_E_IO, "index: %s", text);
    }
}

kw_status kw_db_get(kw_index *index, kw_db_statement which, sqlite3_stmt **out, kw_error *err)
{
    sqlite3_stmt **const slot = &index->statements[which];
    if (!*slot && sqlite3_prepare_v3(index->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, slot,
                                     NULL) != SQLITE_OK)
        return kw_db_fail(index, err);
    (void)sqlite3_reset(*slot); /* tells again of an error that was reported already */
    (void)sqlite3_clear_bindings(*slot);
    *out = *slot;
    return KW_OK;
}

kw_status kw_db_row(kw_index *index, sqlite3_stmt *statement, kw_error *err)
{
    const int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        return KW_OK;
    const kw_status status = code == SQLITE_DONE ? KW_E_NOTFOUND : kw_db_fail(index, err);
    (void)sqlite3_reset(statement);
    return status;
}

kw_status kw_db_run(kw_index *index, sqlite3_stmt *statement, kw_error *err)
{
    const kw_status status =
        sqlite3_step(statement) == SQLITE_DONE ? KW_OK : kw_db_fail(index, err);
    (void)sqlite3_reset(statement);
    return status;
}

static kw_status read_rows(kw_index *index, const kw_db_question *q, sqlite3_stmt *st,
                           kw_arena *arena, kw_db_item **tail, kw_error *err)
{
    kw_status status;
    while ((status = kw_db_row(index, st, err)) == KW_OK) {
        kw_db_item *const item = kw_arena_alloc(arena, sizeof *item);
        void *const row = kw_arena_alloc(arena, q->row_size);
        if (!item || !row || !q->read(arena, st, row))
            return kw_fail(err, KW_E_NOMEM, "index: no memory for %s", q->what);
        *item = (kw_db_item){.row = row};
        *tail = item;
        tail = &item->next;
    }
    return status == KW_E_NOTFOUND ? KW_OK : status;
}

kw_status kw_db_ask(kw_index *index, const kw_db_question *question, kw_arena *arena,
                    kw_db_item **out, kw_error *err)
{
    sqlite3_stmt *st;
    *out = NULL;
    kw_db_lock(index);
    kw_status status = sqlite3_prepare_v2(index->db, question->sql, -1, &st, NULL) == SQLITE_OK
                           ? KW_OK
                           : kw_db_fail(index, err);
    if (status == KW_OK) {
        if (question->bind)
            question->bind(st, question->parameters);
        status = read_rows(index, question, st, arena, out, err);
    }
    (void)sqlite3_finalize(st);
    kw_db_unlock(index);
    return status;
}

kw_str kw_db_text(kw_arena *arena, sqlite3_stmt *st, int column)
{
    const void *const data = sqlite3_column_blob(st, column);
    const kw_str view = {data ? data : "", (size_t)sqlite3_column_bytes(st, column)};
    return (kw_str){kw_arena_strdup(arena, view), view.len};
}

bool kw_db_digest(sqlite3_stmt *st, int column, uint8_t out[32])
{
    if (sqlite3_column_bytes(st, column) != 32)
        return false;
    memcpy(out, sqlite3_column_blob(st, column), 32);
    return true;
}

static kw_status run_plain(kw_index *index, kw_db_statement which, kw_error *err)
{
    sqlite3_stmt *statement = NULL;
    KW_TRY(kw_db_get(index, which, &statement, err));
    return kw_db_run(index, statement, err);
}

kw_status kw_db_begin(kw_index *index, bool *nested, kw_error *err)
{
    *nested = sqlite3_get_autocommit(index->db) == 0;
    return *nested ? KW_OK : run_plain(index, KW_DB_BEGIN, err);
}

kw_status kw_db_end(kw_index *index, bool nested, kw_status status, kw_error *err)
{
    if (nested)
        return status;
    if (status == KW_OK)
        status = run_plain(index, KW_DB_COMMIT, err);
    if (status != KW_OK)
        (void)run_plain(index, KW_DB_ROLLBACK, NULL);
    return status;
}

/* ---- opening ---- */

static kw_status run_text(kw_index *index, const char *sql, kw_error *err)
{
    return sqlite3_exec(index->db, sql, NULL, NULL, NULL) == SQLITE_OK ? KW_OK
                                                                       : kw_db_fail(index, err);
}

static kw_status schema_version(kw_index *index, int *out, kw_error *err)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(index->db, "PRAGMA user_version", -1, &statement, NULL) != SQLITE_OK)
        return kw_db_fail(index, err);
    const int code = sqlite3_step(statement);
    *out = code == SQLITE_ROW ? sqlite3_column_int(statement, 0) : 0;
    const kw_status status = code == SQLITE_ROW ? KW_OK : kw_db_fail(index, err);
    (void)sqlite3_finalize(statement);
    return status;
}

/* Two processes may both find an empty file: who comes second sees that it was filled. */
static kw_status prepare(kw_index *index, const char *path, kw_error *err)
{
    int version;
    KW_TRY(run_text(index, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL", err));
    KW_TRY(schema_version(index, &version, err));
    if (version == 0 && run_text(index, schema, err) != KW_OK) {
        if (sqlite3_get_autocommit(index->db) == 0)
            (void)run_text(index, "ROLLBACK", NULL);
        KW_TRY(schema_version(index, &version, err));
        if (version == 0)
            return kw_fail(err, KW_E_FORMAT, "index \"%s\": is another program's database", path);
    }
    if (version == 1 && run_text(index, from_1, err) != KW_OK) {
        if (sqlite3_get_autocommit(index->db) == 0)
            (void)run_text(index, "ROLLBACK", NULL);
        KW_TRY(schema_version(index, &version, err));
        if (version == 1)
            return kw_fail(err, KW_E_FORMAT, "index \"%s\": cannot be brought to schema version %d",
                           path, SCHEMA_VERSION);
    }
    if (version > SCHEMA_VERSION)
        return kw_fail(err, KW_E_UNSUPPORTED,
                       "index \"%s\": schema version %d, this kwaai knows up to %d", path, version,
                       SCHEMA_VERSION);
    return KW_OK;
}

kw_status kw_index_open(const char *path, kw_index **out, kw_error *err)
{
    *out = NULL;
    kw_index *const index = sqlite3_malloc(sizeof *index);
    if (!index)
        return kw_fail(err, KW_E_NOMEM, "index: no memory");
    *index = (kw_index){0};
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
    kw_status status;
    if (sqlite3_open_v2(path, &index->db, flags, NULL) != SQLITE_OK) {
        const char *const why = index->db ? sqlite3_errmsg(index->db) : "no memory";
        status = kw_fail(err, KW_E_IO, "index \"%s\": %s", path, why);
    } else {
        (void)sqlite3_busy_timeout(index->db, BUSY_MS);
        status = prepare(index, path, err);
    }
    if (status != KW_OK) {
        kw_index_close(index);
        return status;
    }
    *out = index;
    return KW_OK;
}

void kw_index_close(kw_index *index)
{
    if (!index)
        return;
    for (size_t i = 0; i < KW_COUNT(index->statements); i++)
        (void)sqlite3_finalize(index->statements[i]);
    (void)sqlite3_close(index->db);
    sqlite3_free(index);
}
