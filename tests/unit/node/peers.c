/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* peers.c - files from other nodes: a node on a thread of its own serves, the source has a thread
 * of its own too, and two threads fetch at once. Each file is the one that was served; closing in
 * the middle frees everything.
 *
 * kw-test: labels threads
 * kw-test: timeout 120 */
#include "node/peers_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/sha256.h"
#include "hub/fetch.h"
#include "os/thread.h"
#include "wire/unixfs.h"

enum { FILES = 2, LEAVES = 3, BLOCKS_MAX = FILES * (LEAVES + 1) };
#define LEAF ((size_t)KW_UNIXFS_LEAF_BYTES)

/* Filled before the threads start. */
typedef struct library {
    uint8_t *data[FILES]; /* owned, [LEAVES * LEAF] */
    kw_cid roots[FILES], names[BLOCKS_MAX];
    kw_bytes blocks[BLOCKS_MAX];
    size_t n;
} library;

static library books;

static void add_block(const kw_cid *cid, kw_bytes data)
{
    assert_true(books.n < BLOCKS_MAX);
    books.names[books.n] = *cid;
    books.blocks[books.n++] = data;
}

static kw_status add_parent(void *user, const kw_cid *cid, kw_bytes data, kw_error *err)
{
    uint8_t *const copy = malloc(data.len);
    (void)user;
    (void)err;
    assert_non_null(copy);
    memcpy(copy, data.data, data.len);
    add_block(cid, (kw_bytes){copy, data.len});
    return KW_OK;
}

static void write_book(size_t f)
{
    const kw_unixfs_config config = {.parent = add_parent};
    kw_unixfs_builder *builder;
    books.data[f] = malloc(LEAVES * LEAF);
    assert_non_null(books.data[f]);
    for (size_t i = 0; i < LEAVES * LEAF; i++)
        books.data[f][i] = (uint8_t)(i * 31 + (i >> 9) + f);
    assert_int_equal(kw_unixfs_open(&config, &builder, NULL), KW_OK);
    for (size_t i = 0; i < LEAVES; i++) {
        const kw_bytes leaf = {books.data[f] + i * LEAF, LEAF};
        const kw_cid cid = kw_cid_of(KW_CODEC_RAW, leaf, kw_sha256_kernel(false));
        add_block(&cid, leaf);
        assert_int_equal(kw_unixfs_leaf(builder, cid.digest, leaf.len, NULL), KW_OK);
    }
    assert_int_equal(kw_unixfs_finish(builder, &books.roots[f], NULL, NULL), KW_OK);
    kw_unixfs_free(builder);
}

/* ---- the node that serves ---- */

static size_t index_of(const kw_cid *cid)
{
    size_t i = 0;
    while (i < books.n && !kw_cid_equal(cid, &books.names[i]))
        i++;
    return i;
}

static bool has(void *user, const kw_cid *cid, size_t *size)
{
    const size_t i = index_of(cid);
    (void)user;
    *size = i < books.n ? books.blocks[i].len : 0;
    return i < books.n;
}

static kw_status get(void *user, const kw_cid *cid, kw_block *out, kw_error *err)
{
    const size_t i = index_of(cid);
    (void)user;
    if (i == books.n)
        return kw_fail(err, KW_E_NOTFOUND, "no such block");
    out->data = books.blocks[i];
    return KW_OK;
}

static void release(void *user, kw_block *block)
{
    (void)user;
    (void)block;
}

typedef struct server {
    kw_loop *loop;
    kw_identity identity;
    kw_host *host;
    kw_bitswap *bitswap;
    kw_block_store store;
    kw_thread *thread;
    kw_multiaddr addr;
    bool closed;
} server;

static void run_loop(void *user)
{
    kw_loop_run(((server *)user)->loop);
}

static void stop_loop(void *user)
{
    kw_loop_stop(((server *)user)->loop);
}

static void on_closed(void *user)
{
    ((server *)user)->closed = true;
}

static void start_server(server *s)
{
    const uint8_t seed[32] = {9};
    kw_multiaddr any;
    *s = (server){.store = {NULL, has, get, release}};
    assert_int_equal(kw_loop_open(&s->loop, NULL), KW_OK);
    assert_int_equal(kw_identity_of_seed(seed, &s->identity, NULL), KW_OK);
    const kw_host_config host = {.loop = s->loop, .identity = &s->identity, .agent = "kwaai/test"};
    assert_int_equal(kw_host_open(&host, &s->host, NULL), KW_OK);
    const kw_bitswap_config bitswap = {.host = s->host, .store = &s->store};
    assert_int_equal(kw_bitswap_open(&bitswap, &s->bitswap, NULL), KW_OK);
    assert_int_equal(kw_multiaddr_parse(KW_STR("/ip4/127.0.0.1/tcp/0"), &any, NULL), KW_OK);
    assert_int_equal(kw_host_listen(s->host, &any, NULL), KW_OK);
    assert_int_equal(kw_host_addrs(s->host, &s->addr, 1), 1);
    assert_int_equal(kw_multiaddr_add(&s->addr, KW_MA_P2P,
                                      (kw_bytes){s->identity.id.bytes, s->identity.id.len}, NULL),
                     KW_OK);
    assert_int_equal(kw_thread_start(&s->thread, run_loop, s, NULL), KW_OK);
}

static void stop_server(server *s)
{
    assert_int_equal(kw_loop_post(s->loop, stop_loop, s, NULL), KW_OK);
    kw_thread_join(s->thread);
    kw_bitswap_close(s->bitswap);
    kw_host_close(s->host, on_closed, s);
    for (int i = 0; i < 500 && !s->closed; i++)
        kw_loop_step(s->loop, 10);
    assert_true(s->closed);
    kw_loop_close(s->loop);
}

/* ---- who fetches ---- */

typedef struct reader {
    const kw_source *source;
    size_t book;
    char dir[32], base[64], path[64];
    uint64_t stop_at; /* progress ends it there; 0: never */
    kw_status status;
    kw_error err;
} reader;

static bool on_progress(void *user, const kw_fetch_progress *p)
{
    const reader *const r = user;
    return r->stop_at == 0 || p->bytes < r->stop_at;
}

static void fetch(void *user)
{
    reader *const r = user;
    kw_fetch_result result;
    const kw_fetch_config config = {
        .want = {.size = LEAVES * LEAF,
                 .has_root = true,
                 .root = books.roots[r->book],
                 .name = "book",
                 .leaf_size = (uint32_t)LEAF},
        .sources = &r->source,
        .n_sources = 1,
        .base = r->base,
        .path = r->path,
        .open_ms = 20000,
        .progress = on_progress,
        .user = r,
    };
    r->status = kw_fetch(&config, &result, &r->err);
}

static void check_file(const reader *r)
{
    static uint8_t piece[LEAF];
    FILE *const file = fopen(r->path, "rb");
    assert_non_null(file);
    for (size_t i = 0; i < LEAVES; i++) {
        assert_int_equal(fread(piece, 1, LEAF, file), LEAF);
        assert_memory_equal(piece, books.data[r->book] + i * LEAF, LEAF);
    }
    assert_int_equal(fgetc(file), EOF);
    assert_int_equal(fclose(file), 0);
}

static void set_up(reader *r, const kw_source *source, size_t book)
{
    *r = (reader){.source = source, .book = book, .err = {.message = ""}};
    strcpy(r->dir, "/tmp/kw-peers-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    (void)snprintf(r->base, sizeof r->base, "%s/x", r->dir);
    (void)snprintf(r->path, sizeof r->path, "%s/done", r->dir);
}

static void clean_up(const reader *r)
{
    static const char *const names[] = {"done", "x.part", "x.journal"};
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "%s/%s", r->dir, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(r->dir), 0);
}

static void two_at_once(uint64_t stop_at)
{
    server s;
    kw_peers_source *peers;
    reader readers[FILES];
    kw_thread *thread;
    start_server(&s);
    const kw_peers_config config = {.agent = "kwaai/test", .peers = &s.addr, .n_peers = 1};
    assert_int_equal(kw_peers_source_open(&config, &peers, NULL), KW_OK);
    const kw_source source = kw_peers_source_make(peers);
    for (size_t i = 0; i < FILES; i++)
        set_up(&readers[i], &source, i);
    readers[0].stop_at = stop_at;
    assert_int_equal(kw_thread_start(&thread, fetch, &readers[0], NULL), KW_OK);
    fetch(&readers[1]);
    kw_thread_join(thread);
    for (size_t i = 0; i < FILES; i++) {
        if (i == 0 && stop_at) {
            assert_int_equal(readers[i].status, KW_E_CANCELLED);
        } else {
            if (readers[i].status != KW_OK)
                fail_msg("%s", readers[i].err.message);
            check_file(&readers[i]);
        }
        clean_up(&readers[i]);
    }
    kw_peers_source_close(peers);
    stop_server(&s);
}

static void test_two_at_once(void **state)
{
    (void)state;
    two_at_once(0);
}

/* One is given up while the other goes on. */
static void test_given_up(void **state)
{
    (void)state;
    two_at_once(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_given_up),
    };
    for (size_t f = 0; f < FILES; f++)
        write_book(f);
    const int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (size_t i = 0; i < books.n; i++) {
        if (books.names[i].codec != KW_CODEC_RAW)
            free((void *)(uintptr_t)books.blocks[i].data);
    }
    for (size_t f = 0; f < FILES; f++)
        free(books.data[f]);
    return n_failed;
}
