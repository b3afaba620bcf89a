/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* index_db.h - the database behind the index: its tables, its statements, its errors. For index*.c
 * only. */
#ifndef KW_HUB_INDEX_DB_H
#define KW_HUB_INDEX_DB_H

#include "base/arena.h"
#include "hub/index.h"

#include <sqlite3.h>

/* Statements that are kept prepared. */
typedef enum kw_db_statement {
    KW_DB_BEGIN,
    KW_DB_COMMIT,
    KW_DB_ROLLBACK,
    KW_DB_FILE_BY_PATH,
    KW_DB_FILE_BY_ID,
    KW_DB_FILE_ADD,
    KW_DB_FILE_REFRESH,
    KW_DB_FILE_OWNER,
    KW_DB_FILE_SET_HASH,
    KW_DB_FILE_SHARE,
    KW_DB_FILE_LEAVES,
    KW_DB_FILE_REMOVE,
    KW_DB_NAME_PUT,
    KW_DB_NAMES_UNSEEN,
    KW_DB_NAMES_OF,
    KW_DB_FILES_UNNAMED,
    KW_DB_LEAF_ADD,
    KW_DB_LEAF_REMOVE,
    KW_DB_LEAF_FIND,
    KW_DB_PARENT_ADD,
    KW_DB_PARENTS_REMOVE,
    KW_DB_PARENT_FIND,
    KW_DB_FOLDER_ADD,
    KW_DB_FOLDER_REMOVE,
    KW_DB_MANIFEST_PUT,
    KW_DB_MANIFEST_REMOVE,
    KW_DB_MANIFEST_SEEN,
    KW_DB_N_STATEMENTS
} kw_db_statement;

struct kw_index {
    sqlite3 *db;
    sqlite3_stmt *statements[KW_DB_N_STATEMENTS];
    int64_t scan; /* the number of the scan under way */
};

/* One call at a time: the connection's own mutex, which the thread that has it may take again. */
void kw_db_lock(kw_index *index);
void kw_db_unlock(kw_index *index);
/* The statement, ready for its parameters. */
kw_status kw_db_get(kw_index *index, kw_db_statement which, sqlite3_stmt **out, kw_error *err);
/* Steps once. KW_OK: there is a row. KW_E_NOTFOUND, without a message: there is none. */
kw_status kw_db_row(kw_index *index, sqlite3_stmt *statement, kw_error *err);
/* Steps to the end and resets; for statements that answer nothing. */
kw_status kw_db_run(kw_index *index, sqlite3_stmt *statement, kw_error *err);
/* What SQLite says went wrong last. */
kw_status kw_db_fail(kw_index *index, kw_error *err);
/* What a question answers, copied before the first row is shown: whoever sees rows may take its
 * time and may change the index. */
typedef struct kw_db_item {
    struct kw_db_item *next;
    void *row;
} kw_db_item;
typedef struct kw_db_question {
    const char *sql, *what; /* what: of the message when there is no memory */
    size_t row_size;
    void (*bind)(sqlite3_stmt *st, const void *parameters); /* may be NULL */
    const void *parameters;
    bool (*read)(kw_arena *arena, sqlite3_stmt *st, void *row); /* false: no memory */
} kw_db_question;
/* Takes the lock meanwhile. Freed with the arena, also after a failure. */
kw_status kw_db_ask(kw_index *index, const kw_db_question *question, kw_arena *arena,
                    kw_db_item **out, kw_error *err);
/* A column's bytes with a zero behind them; data NULL: no memory. */
kw_str kw_db_text(kw_arena *arena, sqlite3_stmt *st, int column);
bool kw_db_digest(sqlite3_stmt *st, int column, uint8_t out[32]);
/* A whole transaction around what is done between; nests in a scan that is under way. */
kw_status kw_db_begin(kw_index *index, bool *nested, kw_error *err);
kw_status kw_db_end(kw_index *index, bool nested, kw_status status, kw_error *err);
/* Forgets what was hashed of a file, but its row. */
kw_status kw_index_drop_hash(kw_index *index, int64_t id, kw_error *err);

#endif
