/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* reputation_store.c - scores and bans in a database that several processes share.
 *
 * The database is the sum of what all of them saw: a process adds the points that it gave since it
 * last wrote, and takes what comes out for its own. A ban is overwritten by whoever decides on one,
 * and the longer one of two counts. Rows are read again when another process wrote. The loop of a
 * node must not wait for others, so a database that is locked is tried again next time. */
#include "node/reputation_internal.h"

#include "base/check.h"

#include <string.h>

#define BUSY_MS 100
#define OPEN_BUSY_MS 5000
#define KEPT_MS INT64_C(604800000) /* after the last thing that was noted */

/* Durable enough without waiting for the disk: with the log, a loss of power costs the last rows.
 */
static const char schema[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
    "CREATE TABLE IF NOT EXISTS reputation(who BLOB PRIMARY KEY, score REAL NOT NULL,"
    " at_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, n_bans INTEGER NOT NULL,"
    " why INTEGER NOT NULL, by_hand INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

static kw_status store_fail(kw_reputation *r, kw_error *err)
{
    const int code = r->db ? sqlite3_errcode(r->db) & 0xff : SQLITE_NOMEM;
    const char *const text = r->db ? sqlite3_errmsg(r->db) : "no memory";
    return kw_fail(err,
                   code == SQLITE_NOMEM                              ? KW_E_NOMEM
                   : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? KW_E_FORMAT
                                                                     : KW_E_IO,
                   "reputation \"%.150s\": %s", r->config.path, text);
}

static kw_status run(kw_reputation *r, const char *sql, kw_error *err)
{
    return sqlite3_exec(r->db, sql, NULL, NULL, NULL) == SQLITE_OK ? KW_OK : store_fail(r, err);
}

static kw_status prepare(kw_reputation *r, const char *sql, sqlite3_stmt **out, kw_error *err)
{
    return sqlite3_prepare_v2(r->db, sql, -1, out, NULL) == SQLITE_OK ? KW_OK : store_fail(r, err);
}

/* ---- reading ---- */

#define COLUMNS "who, score, at_ms, until_ms, n_bans, why, by_hand"

/* What the owner decided here counts, and else the longer of two bans. */
static void take_ban(reputation_entry *e, int64_t until_ms, uint32_t n_bans, bool by_hand)
{
    if (e->ban_changed && (e->by_hand || until_ms <= e->until_ms))
        return;
    e->until_ms = until_ms;
    e->n_bans = KW_MAX(n_bans, e->ban_changed ? e->n_bans : 0);
    e->by_hand = by_hand;
}

/* Takes a row for what is known of its entry; what this process has not written yet goes on top. A
 * row that nothing here could have written is passed over. */
static bool take_row(kw_reputation *r, sqlite3_stmt *st)
{
    reputation_key key = {0};
    const int len = sqlite3_column_bytes(st, 0);
    const void *const who = sqlite3_column_blob(st, 0);
    const double score = sqlite3_column_double(st, 1);
    const int why = sqlite3_column_int(st, 5);
    if (!who || len < 2 || (size_t)len > sizeof key.bytes || !(score >= -100.0 && score <= 100.0))
        return false;
    memcpy(key.bytes, who, (size_t)len);
    key.len = (uint8_t)len;
    if (!(key.bytes[0] == 'p' || (key.bytes[0] == '4' && len == 5) ||
          (key.bytes[0] == '6' && len == 9)))
        return false;
    reputation_entry *const e = kw_reputation_entry(r, &key);
    if (!e || e->forgotten)
        return false;
    const int64_t at = KW_MIN(sqlite3_column_int64(st, 2), kw_reputation_now(r));
    const int64_t to = KW_MAX(at, e->dirty ? e->at_ms : 0);
    const double sum = kw_reputation_decay(score, at, to) + (e->dirty ? e->change : 0);
    e->score = KW_MIN(KW_MAX(sum, -100.0), 100.0);
    e->at_ms = to;
    kw_reputation_weigh(e);
    if (!e->why || !e->dirty)
        e->why = (uint8_t)(why >= 0 && why <= KW_N_CONDUCTS ? why : 0);
    take_ban(e, sqlite3_column_int64(st, 3), (uint32_t)sqlite3_column_int(st, 4),
             sqlite3_column_int(st, 6) != 0);
    return true;
}

static kw_status data_version(kw_reputation *r, int64_t *out, kw_error *err)
{
    sqlite3_stmt *st = NULL;
    KW_TRY(prepare(r, "PRAGMA data_version", &st, err));
    *out = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    (void)sqlite3_finalize(st);
    return KW_OK;
}

/* Entries that another process has forgotten, or that were never written, have no row. */
static void forget_unwritten(kw_reputation *r)
{
    for (size_t kind = 0; kind < REPUTATION_KINDS; kind++)
        for (size_t i = 0; i < REPUTATION_BUCKETS; i++)
            for (reputation_entry *e = r->tables[kind].buckets[i], *next; e; e = next) {
                next = e->next;
                if (!e->dirty)
                    kw_reputation_drop(r, e);
            }
}

static bool any_ban(const kw_reputation *r)
{
    const int64_t now = kw_reputation_now(r);
    for (size_t kind = 0; kind < REPUTATION_KINDS; kind++)
        for (size_t i = 0; i < REPUTATION_BUCKETS; i++)
            for (const reputation_entry *e = r->tables[kind].buckets[i]; e; e = e->next)
                if (e->until_ms > now)
                    return true;
    return false;
}

static kw_status read_all(kw_reputation *r, kw_error *err)
{
    sqlite3_stmt *st = NULL;
    int code;
    KW_TRY(
        prepare(r, "SELECT " COLUMNS " FROM reputation ORDER BY at_ms DESC LIMIT 8192", &st, err));
    forget_unwritten(r);
    while ((code = sqlite3_step(st)) == SQLITE_ROW)
        (void)take_row(r, st);
    const kw_status status = code == SQLITE_DONE ? KW_OK : store_fail(r, err);
    (void)sqlite3_finalize(st);
    if (status == KW_OK && any_ban(r) && r->config.banned)
        r->config.banned(r->config.user);
    return status;
}

/* ---- writing ---- */

static kw_status with_key(kw_reputation *r, const char *sql, const reputation_entry *e,
                          sqlite3_stmt **out, kw_error *err)
{
    KW_TRY(prepare(r, sql, out, err));
    return sqlite3_bind_blob(*out, 1, e->key.bytes, e->key.len, SQLITE_TRANSIENT) == SQLITE_OK
               ? KW_OK
               : store_fail(r, err);
}

static kw_status write_entry(kw_reputation *r, reputation_entry *e, kw_error *err)
{
    sqlite3_stmt *st = NULL;
    kw_status status;
    if (e->forgotten) {
        status = with_key(r, "DELETE FROM reputation WHERE who = ?1", e, &st, err);
        if (status == KW_OK && sqlite3_step(st) != SQLITE_DONE)
            status = store_fail(r, err);
        (void)sqlite3_finalize(st);
        return status;
    }
    status = with_key(r, "SELECT " COLUMNS " FROM reputation WHERE who = ?1", e, &st, err);
    if (status == KW_OK && sqlite3_step(st) == SQLITE_ROW)
        (void)take_row(r, st);
    (void)sqlite3_finalize(st);
    KW_TRY(status);
    if (kw_reputation_judge(r, e) && r->config.banned) /* by the sum of what all saw */
        r->config.banned(r->config.user);
    st = NULL;
    status = with_key(
        r, "INSERT OR REPLACE INTO reputation(" COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)", e,
        &st, err);
    if (status == KW_OK) {
        (void)sqlite3_bind_double(st, 2, e->score);
        (void)sqlite3_bind_int64(st, 3, e->at_ms);
        (void)sqlite3_bind_int64(st, 4, e->until_ms);
        (void)sqlite3_bind_int64(st, 5, e->n_bans);
        (void)sqlite3_bind_int(st, 6, e->why);
        (void)sqlite3_bind_int(st, 7, e->by_hand);
        if (sqlite3_step(st) != SQLITE_DONE)
            status = store_fail(r, err);
    }
    (void)sqlite3_finalize(st);
    return status;
}

/* What nobody has looked at for a week, and above the most that is kept: bans go last. */
static kw_status trim(kw_reputation *r, kw_error *err)
{
    char sql[400];
    const int64_t now = kw_reputation_now(r);
    (void)sqlite3_snprintf(
        (int)sizeof sql, sql,
        "DELETE FROM reputation WHERE max(at_ms, until_ms) < %lld;"
        "DELETE FROM reputation WHERE who NOT IN (SELECT who FROM reputation ORDER BY"
        " until_ms > %lld DESC, by_hand DESC, at_ms DESC LIMIT %d);",
        (long long)(now - KEPT_MS), (long long)now, 2 * KW_REPUTATION_ROWS);
    return run(r, sql, err);
}

static kw_status write_dirty(kw_reputation *r, kw_error *err)
{
    KW_TRY(run(r, "BEGIN IMMEDIATE", err));
    kw_status status = KW_OK;
    for (size_t kind = 0; kind < REPUTATION_KINDS; kind++)
        for (size_t i = 0; i < REPUTATION_BUCKETS; i++)
            for (reputation_entry *e = r->tables[kind].buckets[i]; e && status == KW_OK;
                 e = e->next)
                if (e->dirty)
                    status = write_entry(r, e, err);
    if (status == KW_OK)
        status = trim(r, err);
    if (status == KW_OK)
        status = run(r, "COMMIT", err);
    if (status != KW_OK)
        (void)run(r, "ROLLBACK", NULL);
    return status;
}

static void all_written(kw_reputation *r)
{
    for (size_t kind = 0; kind < REPUTATION_KINDS; kind++)
        for (size_t i = 0; i < REPUTATION_BUCKETS; i++)
            for (reputation_entry *e = r->tables[kind].buckets[i], *next; e; e = next) {
                next = e->next;
                e->dirty = e->ban_changed = false;
                e->change = 0;
                if (e->forgotten)
                    kw_reputation_drop(r, e);
            }
    r->dirty = false;
}

kw_status kw_reputation_sync(kw_reputation *r, kw_error *err)
{
    int64_t version;
    if (!r->db) {
        if (r->dirty)
            all_written(r);
        return KW_OK;
    }
    if (r->dirty) {
        KW_TRY(write_dirty(r, err));
        all_written(r);
    }
    KW_TRY(data_version(r, &version, err));
    if (version == r->version)
        return KW_OK;
    r->version = version;
    return read_all(r, err);
}

/* ---- opening and closing ---- */

kw_status kw_reputation_store_open(kw_reputation *r, kw_error *err)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
    if (sqlite3_open_v2(r->config.path, &r->db, flags, NULL) != SQLITE_OK)
        return store_fail(r, err);
    (void)sqlite3_busy_timeout(r->db, OPEN_BUSY_MS);
    KW_TRY(run(r, schema, err));
    KW_TRY(data_version(r, &r->version, err));
    KW_TRY(read_all(r, err));
    (void)sqlite3_busy_timeout(r->db, BUSY_MS);
    return KW_OK;
}

void kw_reputation_store_close(kw_reputation *r)
{
    if (!r->db)
        return;
    (void)sqlite3_busy_timeout(r->db, OPEN_BUSY_MS);
    (void)kw_reputation_sync(r, NULL);
    (void)sqlite3_close(r->db);
    r->db = NULL;
}
