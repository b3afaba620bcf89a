/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* index.c - scans of stores as other programs lay them out, what a changed or removed file does to
 * the index, leaves found by their digest, and a writer that is killed in the middle.
 * kw-test: timeout 60
 * kw-test: labels threads */
#include "hub/index.h"

#include "hub_test.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sha256.h"
#include "hub/stores.h"
#include "os/thread.h"

static kw_index *open_index(const fixture *f)
{
    kw_index *index;
    kw_error err = {0};
    if (kw_index_open(in_dir(f, "index.db"), &index, &err) != KW_OK)
        fail_msg("%s", err.message);
    return index;
}

static void scan(kw_index *index, const fixture *f)
{
    char own[128], hf[128], ollama[128];
    snprintf(own, sizeof own, "%s/store", f->dir);
    snprintf(hf, sizeof hf, "%s/hf", f->dir);
    snprintf(ollama, sizeof ollama, "%s/ollama", f->dir);
    kw_error err = {0};
    const kw_store_places places = {own, hf, ollama};
    if (kw_stores_scan(index, &places, &err) != KW_OK)
        fail_msg("%s", err.message);
}

/* Everything in the index as text: "owner model@version:file size claimed hashed\n". */
static kw_status print_row(void *user, const kw_index_row *row, kw_error *err)
{
    (void)err;
    kw_buf_printf(user, "%s %s@%s:%s %llu%s%s\n", kw_owner_name(row->owner), row->model,
                  row->version, row->file, (unsigned long long)row->state.size,
                  row->claimed ? " claimed" : "", row->hashed ? " hashed" : "");
    return KW_OK;
}

static void expect(kw_index *index, const char *want)
{
    const kw_index_query all = {0};
    kw_buf buf = {0};
    assert_int_equal(kw_index_each(index, &all, print_row, &buf, NULL), KW_OK);
    assert_string_equal(buf.data ? buf.data : "", want);
    kw_buf_free(&buf);
}

typedef struct first {
    int64_t id;
    char path[512];
} first;

static kw_status take_first(void *user, const kw_index_row *row, kw_error *err)
{
    first *const out = user;
    (void)err;
    out->id = row->id;
    snprintf(out->path, sizeof out->path, "%s", row->path);
    return KW_E_CANCELLED;
}

static first find(kw_index *index, const char *model)
{
    first out = {0};
    const kw_index_query query = {.model = model};
    assert_int_equal(kw_index_each(index, &query, take_first, &out, NULL), KW_E_CANCELLED);
    return out;
}

static void hash_model(kw_index *index, const char *model, kw_file_hash *hash)
{
    const kw_hash_config config = {0};
    const first file = find(index, model);
    assert_int_equal(kw_file_hash_make(file.path, &config, hash, NULL), KW_OK);
    assert_int_equal(kw_index_put_hash(index, file.id, hash, NULL), KW_OK);
    assert_int_equal(kw_index_share(index, file.id, NULL), KW_OK);
}

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void lay_stores(const fixture *f)
{
    char from[256], to[256];
    write_file(in_dir(f, "store/me/mine/a.gguf"), 100, 1);
    write_file(in_dir(f, "store/me/mine/sub/b.json"), 10, 2);
    write_file(in_dir(f, "store/me/mine/c.gguf.part"), 10, 3);
    write_file(in_dir(f, "store/me/mine/.hidden"), 10, 3);
    write_file(in_dir(f, "store/plain/w.bin"), 8, 3);
    write_file(in_dir(f, "store/h.co/o/n/w.bin"), 9, 3);
    write_file(in_dir(f, "store/too/many/parts/here/w.bin"), 9, 3);
    write_file(in_dir(f, "hf/models--org--name/blobs/" HEX64), 200, 4);
    write_file(in_dir(f, "hf/models--org--name/snapshots/abc/config.json"), 20, 5);
    snprintf(from, sizeof from, "../../blobs/%s", HEX64);
    snprintf(to, sizeof to, "%s", in_dir(f, "hf/models--org--name/snapshots/abc/m.gguf"));
    assert_int_equal(symlink(from, to), 0);
    assert_int_equal(symlink("../../blobs/none", in_dir(f, "hf/models--org--name/snapshots/abc/x")),
                     0);
    write_file(in_dir(f, "ollama/blobs/sha256-" HEX64), 300, 6);
    write_file(in_dir(f, "ollama/manifests/registry.ollama.ai/library/tiny/1b"), 0, 0);
    FILE *file = fopen(in_dir(f, "ollama/manifests/registry.ollama.ai/library/tiny/1b"), "w");
    fprintf(
        file,
        "{\"schemaVersion\":2,\"layers\":[7,{\"size\":300,\"digest\":\"sha256:%s\",\"mediaType\":"
        "\"application/vnd.ollama.image.model\"},{\"digest\":\"sha256:../../../etc/passwd\","
        "\"mediaType\":\"application/vnd.ollama.image.params\"}]}",
        HEX64);
    fclose(file);
    write_file(in_dir(f, "ollama/manifests/registry.ollama.ai/library/broken/x"), 50, 7);
    file = fopen(in_dir(f, "hf/models--org--name/refs-main"), "w");
    fprintf(file, "abc");
    fclose(file);
    assert_int_equal(mkdir(in_dir(f, "hf/models--org--name/refs"), 0700), 0);
    snprintf(from, sizeof from, "%s", in_dir(f, "hf/models--org--name/refs-main"));
    assert_int_equal(rename(from, in_dir(f, "hf/models--org--name/refs/main")), 0);
}

static void stores(void **state)
{
    const fixture *const f = *state;
    kw_index *const index = open_index(f);
    lay_stores(f);
    scan(index, f);
    expect(index, "store h.co/o/n@:w.bin 9\n"
                  "ollama library/tiny@1b:model.gguf 300 claimed\n"
                  "store me/mine@:a.gguf 100\n"
                  "store me/mine@:sub/b.json 10\n"
                  "huggingface org/name@main:config.json 20\n"
                  "huggingface org/name@main:m.gguf 200 claimed\n"
                  "store plain@:w.bin 8\n");
    assert_int_equal(remove(in_dir(f, "store/me/mine/a.gguf")), 0);
    assert_int_equal(remove(in_dir(f, "ollama/manifests/registry.ollama.ai/library/tiny/1b")), 0);
    scan(index, f);
    expect(index, "store h.co/o/n@:w.bin 9\n"
                  "store me/mine/sub@:b.json 10\n"
                  "huggingface org/name@main:config.json 20\n"
                  "huggingface org/name@main:m.gguf 200 claimed\n"
                  "store plain@:w.bin 8\n");
    kw_index_close(index);
}

static void hashes_follow_the_file(void **state)
{
    const fixture *const f = *state;
    kw_index *index = open_index(f);
    kw_file_hash hash;
    kw_index_leaf leaf;
    write_file(in_dir(f, "store/me/mine/a.gguf"), 2 * KW_LEAF_SIZE + 5, 1);
    scan(index, f);
    const first mine = find(index, "ME/mine");
    assert_int_equal(kw_file_hash_make(mine.path, &(kw_hash_config){0}, &hash, NULL), KW_OK);
    assert_int_equal(kw_index_put_hash(index, mine.id, &hash, NULL), KW_OK);
    kw_index_close(index);
    index = open_index(f);
    scan(index, f);
    expect(index, "store me/mine@:a.gguf 2097157 hashed\n");
    /* Hashed is not shared; what is shared stays so when it is hashed again. */
    assert_int_equal(kw_index_find_leaf(index, hash.leaves[0], 0, &leaf, NULL), KW_E_NOTFOUND);
    assert_int_equal(kw_index_share(index, mine.id, NULL), KW_OK);
    assert_int_equal(kw_index_put_hash(index, mine.id, &hash, NULL), KW_OK);
    for (uint64_t n = 0; n < hash.n_leaves; n++) {
        assert_int_equal(kw_index_find_leaf(index, hash.leaves[n], 0, &leaf, NULL), KW_OK);
        assert_int_equal(leaf.n, n);
        assert_int_equal(leaf.size, n < 2 ? KW_LEAF_SIZE : 5);
        assert_true(kw_file_state_equal(&leaf.state, &hash.state));
        free(leaf.path);
    }
    assert_int_equal(kw_index_find_leaf(index, hash.leaves[0], 1, &leaf, NULL), KW_E_NOTFOUND);
    assert_int_equal(kw_index_find_leaf(index, hash.sha256, 0, &leaf, NULL), KW_E_NOTFOUND);

    /* A copy of the file is a second place of each leaf. */
    write_file(in_dir(f, "store/me/copy/a.gguf"), 2 * KW_LEAF_SIZE + 5, 1);
    scan(index, f);
    kw_file_hash copy;
    hash_model(index, "me/copy", &copy);
    assert_int_equal(kw_index_find_leaf(index, hash.leaves[0], 1, &leaf, NULL), KW_OK);
    free(leaf.path);

    /* Changed: neither hash nor leaves are left, and what was hashed before is refused. */
    write_file(in_dir(f, "store/me/mine/a.gguf"), 50, 9);
    scan(index, f);
    expect(index, "store me/copy@:a.gguf 2097157 hashed\nstore me/mine@:a.gguf 50\n");
    assert_int_equal(kw_index_find_leaf(index, hash.leaves[0], 1, &leaf, NULL), KW_E_NOTFOUND);
    kw_error err = {0};
    const first file = find(index, "me/mine");
    assert_int_equal(kw_index_put_hash(index, file.id, &hash, &err), KW_E_NOTFOUND);
    assert_int_equal(kw_index_put_hash(index, 999, &hash, &err), KW_E_NOTFOUND);
    kw_file_hash_free(&hash);
    kw_file_hash_free(&copy);
    kw_index_close(index);
}

static void folders(void **state)
{
    const fixture *const f = *state;
    kw_index *const index = open_index(f);
    char dir[128], inside[128];
    snprintf(dir, sizeof dir, "%s/models", f->dir);
    snprintf(inside, sizeof inside, "%s/store", f->dir);
    write_file(in_dir(f, "models/x.gguf"), 5, 1);
    write_file(in_dir(f, "store/me/mine/a.gguf"), 7, 1);
    assert_int_equal(kw_index_add_folder(index, dir, "me/folder", NULL), KW_OK);
    /* The own store, named as a folder too, stays ours. */
    assert_int_equal(kw_index_add_folder(index, inside, "me/all", NULL), KW_OK);
    scan(index, f);
    expect(index, "store me/all@:me/mine/a.gguf 7\n"
                  "folder me/folder@:x.gguf 5\n"
                  "store me/mine@:a.gguf 7\n");
    assert_int_equal(kw_index_remove_folder(index, inside, NULL), KW_OK);
    assert_int_equal(kw_index_remove_folder(index, dir, NULL), KW_OK);
    expect(index, "store me/mine@:a.gguf 7\n");
    kw_index_close(index);
}

static kw_status print_manifest(void *user, const kw_index_manifest *m, kw_error *err)
{
    (void)err;
    kw_buf_printf(user, "%s %llu %.*s %.*s%s\n", m->model, (unsigned long long)m->version,
                  KW_FMT(m->body), KW_FMT(m->signature), m->offered ? " offered" : "");
    return KW_OK;
}

static void expect_manifests(kw_index *index, const char *model, const char *want)
{
    kw_buf buf = {0};
    assert_int_equal(kw_index_each_manifest(index, model, NULL, print_manifest, &buf, NULL), KW_OK);
    assert_string_equal(buf.data ? buf.data : "", want);
    kw_buf_free(&buf);
}

static void manifests(void **state)
{
    kw_index *const index = open_index(*state);
    kw_index_manifest m = {.model = "a/b", .version = 5, .body = KW_STR("five"), .offered = true};
    kw_error err = {0};
    uint64_t seen;
    assert_int_equal(kw_index_put_manifest(index, &m, NULL), KW_OK);
    m = (kw_index_manifest){.model = "a/c", .body = KW_STR("none"), .signature = KW_STR("sig")};
    assert_int_equal(kw_index_put_manifest(index, &m, NULL), KW_OK);
    expect_manifests(index, NULL, "a/b 5 five  offered\na/c 0 none sig\n");
    expect_manifests(index, "A/C", "a/c 0 none sig\n");
    /* Older ones do not take a newer one's place, not even after it was removed. */
    m = (kw_index_manifest){.model = "A/b", .version = 4, .body = KW_STR("four")};
    assert_int_equal(kw_index_put_manifest(index, &m, &err), KW_E_ARG);
    assert_non_null(strstr(err.message, "version 4"));
    assert_int_equal(kw_index_remove_manifest(index, "a/b", NULL), KW_OK);
    assert_int_equal(kw_index_remove_manifest(index, "x/y", NULL), KW_OK);
    assert_int_equal(kw_index_put_manifest(index, &m, &err), KW_E_ARG);
    expect_manifests(index, "a/b", "");
    assert_int_equal(kw_index_seen_version(index, "a/b", &seen, NULL), KW_OK);
    assert_int_equal(seen, 5);
    assert_int_equal(kw_index_seen_version(index, "x/y", &seen, NULL), KW_OK);
    assert_int_equal(seen, 0);
    m.version = 6;
    assert_int_equal(kw_index_put_manifest(index, &m, NULL), KW_OK);
    expect_manifests(index, "a/b", "a/b 6 four \n");
    kw_index_close(index);
}

static void refusals(void **state)
{
    const fixture *const f = *state;
    kw_index *index;
    kw_error err = {0};
    write_file(in_dir(f, "noise"), 5000, 1);
    assert_int_equal(kw_index_open(in_dir(f, "noise"), &index, &err), KW_E_FORMAT);
    assert_null(index);
    assert_int_equal(kw_index_open(in_dir(f, "none/index.db"), &index, &err), KW_E_IO);
    index = open_index(f);
    kw_index_close(index);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(in_dir(f, "index.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(kw_index_open(in_dir(f, "index.db"), &index, &err), KW_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "99"));
}

/* Scans and hashes until it is killed. */
static void write_forever(const fixture *f)
{
    kw_index *const index = open_index(f);
    for (uint32_t seed = 0;; seed++) {
        write_file(in_dir(f, "store/me/mine/a.gguf"), 3000 + seed % 7, seed);
        scan(index, f);
        kw_file_hash hash;
        hash_model(index, "me/mine", &hash);
        kw_file_hash_free(&hash);
    }
}

static void killed(void **state)
{
    const fixture *const f = *state;
    kw_index_close(open_index(f));
    for (int round = 0; round < 8; round++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            write_forever(f);
            _exit(1);
        }
        usleep(20000 + 7000 * (unsigned)round);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        sqlite3 *db;
        sqlite3_stmt *st;
        assert_int_equal(sqlite3_open(in_dir(f, "index.db"), &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL),
                         SQLITE_OK);
        assert_int_equal(sqlite3_step(st), SQLITE_ROW);
        assert_string_equal((const char *)sqlite3_column_text(st, 0), "ok");
        sqlite3_finalize(st);
        sqlite3_close(db);
        /* What it says is what the file is, or nothing. */
        kw_index *const index = open_index(f);
        write_file(in_dir(f, "store/me/mine/a.gguf"), 10, 1);
        scan(index, f);
        expect(index, "store me/mine@:a.gguf 10\n");
        kw_index_close(index);
    }
}

/* One index of several threads: each scans, hashes, looks blocks up and keeps a manifest. */
typedef struct worker {
    const fixture *f;
    kw_index *index;
    const uint8_t *digest; /* of a leaf that is there all along */
    unsigned n;
} worker;

static void work(void *user)
{
    const worker *const w = user;
    char model[16];
    snprintf(model, sizeof model, "me/m%u", w->n);
    const kw_index_manifest manifest = {.model = model, .body = KW_STR("x"), .time = 1};
    for (int round = 0; round < 30; round++) {
        kw_index_leaf leaf;
        assert_int_equal(kw_index_find_leaf(w->index, w->digest, 0, &leaf, NULL), KW_OK);
        free(leaf.path);
        assert_int_equal(kw_index_put_manifest(w->index, &manifest, NULL), KW_OK);
        if (round % 8 == (int)w->n)
            scan(w->index, w->f);
        first row = {0};
        const kw_index_query query = {.model = "me/mine"};
        assert_int_equal(kw_index_each(w->index, &query, take_first, &row, NULL), KW_E_CANCELLED);
        assert_true(row.id > 0);
    }
}

static void many_threads(void **state)
{
    const fixture *const f = *state;
    kw_index *const index = open_index(f);
    kw_file_hash hash;
    worker workers[4];
    kw_thread *threads[4];
    write_file(in_dir(f, "store/me/mine/a.gguf"), 5000, 1);
    scan(index, f);
    hash_model(index, "me/mine", &hash);
    for (unsigned i = 0; i < 4; i++) {
        workers[i] = (worker){f, index, hash.leaves[0], i};
        assert_int_equal(kw_thread_start(&threads[i], work, &workers[i], NULL), KW_OK);
    }
    for (unsigned i = 0; i < 4; i++)
        kw_thread_join(threads[i]);
    expect(index, "store me/mine@:a.gguf 5000 hashed\n");
    kw_file_hash_free(&hash);
    kw_index_close(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(stores, setup, teardown),
        cmocka_unit_test_setup_teardown(hashes_follow_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(folders, setup, teardown),
        cmocka_unit_test_setup_teardown(manifests, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(killed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
