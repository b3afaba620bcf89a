/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fetch.c - downloads from sources that drop, delay, corrupt, reorder and stall at random (fixed
 * seeds): whatever they do, a file that is there is right.
 *
 * kw-test: labels threads
 * kw-test: timeout 240 */
#include "hub/fetch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "os/file.h"
#include "os/sparse.h"
#include "os/sync.h"
#include "os/system.h"
#include "os/thread.h"

#define BLOCK ((uint32_t)4096)
#define MS UINT64_C(1000000)

/* ---- a source that misbehaves ---- */

typedef struct behaviour {
    const char *name;
    int order;
    uint32_t parallel, span;
    uint32_t drop_percent, corrupt_percent, delay_ms, stall_percent;
    bool whole, reorder, late, missing, other_size, liar; /* liar: always corrupt */
    bool many; /* a crowd: it blames its senders itself */
} behaviour;

typedef struct pending {
    uint64_t id, offset, len, at_ns;
    bool paused, used;
} pending;

typedef struct fake {
    behaviour how;
    const uint8_t *data;
    uint64_t size;
    uint32_t seed;
    _Atomic uint32_t draws; /* by the thread of the source and by who asks it */
    kw_sync *sync;
    kw_thread *thread;
    const kw_delivery *to;
    pending asks[64];
    bool stop, told;
    uint64_t opened_ns;
    uint32_t n_blamed, n_asked, n_bytes_most;
} fake;

static uint32_t draw(fake *f)
{
    return kw_rng_u32(f->seed, 7, atomic_fetch_add(&f->draws, 1));
}

static bool chance(fake *f, uint32_t percent)
{
    return draw(f) % 100 < percent;
}

static kw_take send(fake *f, uint64_t id, uint64_t offset, uint64_t len, bool corrupt)
{
    uint8_t piece[1500];
    memcpy(piece, f->data + offset, len);
    if (corrupt)
        piece[draw(f) % len] ^= 0x40;
    return f->to->data(f->to->user, id, offset, (kw_bytes){piece, len});
}

/* Sends one ask to its end; what is still unsent when it must pause stays in p. */
static void serve(fake *f, pending *p)
{
    const bool corrupt = f->how.liar || chance(f, f->how.corrupt_percent);
    const bool drops = chance(f, f->how.drop_percent);
    if (chance(f, f->how.stall_percent))
        return; /* and is never heard of again */
    uint64_t left = drops ? p->len * (draw(f) % 100) / 100 : p->len;
    while (left > 0) {
        const uint64_t most = 1 + draw(f) % 1500, n = KW_MIN(left, most);
        const kw_take take =
            send(f, p->id, p->offset, n, f->how.liar || (corrupt && chance(f, 30)));
        if (take == KW_TAKE_STOP)
            return;
        if (take == KW_TAKE_PAUSE) {
            kw_sync_lock(f->sync);
            p->paused = p->used = true;
            kw_sync_unlock(f->sync);
            return;
        }
        p->offset += n;
        p->len -= n;
        left -= n;
    }
    f->to->done(f->to->user, p->id, drops ? KW_E_IO : KW_OK, drops ? "dropped" : NULL, 1);
}

/* Blocks of an ask, the last first, as a swarm may send them. */
static void serve_reordered(fake *f, const pending *p)
{
    const uint64_t n = (p->len + BLOCK - 1) / BLOCK;
    for (uint64_t i = n; i-- > 0;) {
        const uint64_t from = i * BLOCK, to = KW_MIN(from + BLOCK, p->len);
        for (uint64_t at = from; at < to;) {
            const uint64_t most = 1 + draw(f) % 1500, len = KW_MIN(to - at, most);
            if (send(f, p->id, p->offset + at, len, chance(f, f->how.corrupt_percent)) !=
                KW_TAKE_OK)
                return;
            at += len;
        }
    }
    f->to->done(f->to->user, p->id, KW_OK, NULL, 0);
}

static pending *next_ask(fake *f)
{
    const uint64_t now = kw_clock_ns();
    for (size_t i = 0; i < KW_COUNT(f->asks); i++) {
        if (f->asks[i].used && !f->asks[i].paused && f->asks[i].at_ns <= now)
            return &f->asks[i];
    }
    return NULL;
}

static void open_up(fake *f)
{
    const kw_offer offer = {.size = f->size + (f->how.other_size ? 1 : 0),
                            .from = f->how.name,
                            .parallel = f->how.parallel,
                            .span = f->how.span,
                            .ranges = !f->how.whole,
                            .pauses = f->how.whole};
    if (f->how.missing)
        f->to->failed(f->to->user, KW_E_NOTFOUND, "not here");
    else
        f->to->opened(f->to->user, &offer);
}

static void run(void *arg)
{
    fake *const f = arg;
    kw_sync_lock(f->sync);
    while (!f->stop) {
        const bool due = kw_clock_ns() >= f->opened_ns;
        if (!f->told && due) {
            f->told = true;
            kw_sync_unlock(f->sync);
            open_up(f);
            kw_sync_lock(f->sync);
        }
        pending *const p = next_ask(f);
        if (!p) {
            kw_sync_wait(f->sync, 2 * MS);
            continue;
        }
        pending now = *p;
        p->used = false;
        kw_sync_unlock(f->sync);
        if (f->how.reorder) {
            serve_reordered(f, &now);
        } else {
            serve(f, &now);
        }
        kw_sync_lock(f->sync);
        if (now.paused)
            *p = now;
    }
    kw_sync_unlock(f->sync);
}

static kw_status fake_open(void *user, const kw_want *want, const kw_delivery *to, void **file,
                           kw_error *err)
{
    fake *const f = user;
    (void)want;
    f->to = to;
    f->stop = f->told = false;
    f->opened_ns = kw_clock_ns() + (f->how.late ? 50 * MS : 0);
    memset(f->asks, 0, sizeof(f->asks));
    assert_int_equal(kw_sync_create(&f->sync, err), KW_OK);
    assert_int_equal(kw_thread_start(&f->thread, run, f, err), KW_OK);
    *file = f;
    return KW_OK;
}

static kw_status fake_ask(void *file, const kw_ask *ask, kw_error *err)
{
    fake *const f = file;
    (void)err;
    kw_sync_lock(f->sync);
    f->n_asked++;
    f->n_bytes_most = KW_MAX(f->n_bytes_most, (uint32_t)ask->len);
    for (size_t i = 0; i < KW_COUNT(f->asks); i++) {
        if (f->asks[i].used)
            continue;
        f->asks[i] = (pending){.id = ask->id, .offset = ask->offset, .len = ask->len, .used = true};
        f->asks[i].at_ns = kw_clock_ns() + (f->how.delay_ms ? draw(f) % f->how.delay_ms : 0) * MS;
        break;
    }
    kw_sync_wake(f->sync);
    kw_sync_unlock(f->sync);
    return KW_OK;
}

static void fake_cancel(void *file, uint64_t id)
{
    fake *const f = file;
    kw_sync_lock(f->sync);
    for (size_t i = 0; i < KW_COUNT(f->asks); i++) {
        if (f->asks[i].id == id)
            f->asks[i].used = false;
    }
    kw_sync_unlock(f->sync);
}

static void fake_resume(void *file, uint64_t id)
{
    fake *const f = file;
    kw_sync_lock(f->sync);
    for (size_t i = 0; i < KW_COUNT(f->asks); i++) {
        if (f->asks[i].id == id)
            f->asks[i].paused = false;
    }
    kw_sync_wake(f->sync);
    kw_sync_unlock(f->sync);
}

static void fake_blame(void *file, uint64_t id)
{
    (void)id;
    ((fake *)file)->n_blamed++;
}

static void fake_close(void *file)
{
    fake *const f = file;
    kw_sync_lock(f->sync);
    f->stop = true;
    kw_sync_wake(f->sync);
    kw_sync_unlock(f->sync);
    kw_thread_join(f->thread);
    kw_sync_free(f->sync);
}

/* ---- a fetch from several ---- */

typedef struct bench {
    char dir[64], base[96], path[96];
    uint8_t *data;
    uint64_t size;
    uint8_t sha256[32];
    uint8_t (*leaves)[32];
    uint64_t n_leaves;
    fake fakes[6];
    kw_source sources[6];
    const kw_source *list[6];
    size_t n;
    kw_fetch_config config;
    kw_fetch_result result;
    kw_error err;
    uint64_t stop_at; /* progress ends the fetch there; 0: never */
} bench;

static void digest(const uint8_t *data, uint64_t len, uint8_t out[32])
{
    kw_sha256 hash;
    kw_sha256_init(&hash, kw_sha256_kernel(false));
    kw_sha256_update(&hash, data, len);
    kw_sha256_final(&hash, out);
}

static bool on_progress(void *user, const kw_fetch_progress *p)
{
    const bench *const b = user;
    return b->stop_at == 0 || p->bytes < b->stop_at;
}

static void set_up(bench *b, uint64_t size)
{
    *b = (bench){.size = size};
    strcpy(b->dir, "/tmp/kw-fetch-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    snprintf(b->base, sizeof(b->base), "%s/x", b->dir);
    snprintf(b->path, sizeof(b->path), "%s/done", b->dir);
    b->data = malloc(size + 1);
    for (uint64_t i = 0; i < size; i++)
        b->data[i] = (uint8_t)(kw_rng_u32(1, 2, i / 4) >> 8 * (i % 4));
    digest(b->data, size, b->sha256);
    b->n_leaves = (size + BLOCK - 1) / BLOCK;
    b->leaves = calloc(b->n_leaves + 1, 32);
    for (uint64_t i = 0; i < b->n_leaves; i++)
        digest(b->data + i * BLOCK, KW_MIN(BLOCK, size - i * BLOCK), b->leaves[i]);
    b->config = (kw_fetch_config){.base = b->base,
                                  .path = b->path,
                                  .stall_ms = 300,
                                  .open_ms = 3000,
                                  .n_cells = 24,
                                  .progress = on_progress,
                                  .user = b};
    b->config.want =
        (kw_want){.size = KW_SIZE_UNKNOWN, .has_sha256 = true, .name = "x", .leaf_size = BLOCK};
    memcpy(b->config.want.sha256, b->sha256, 32);
}

static void with_leaves(bench *b)
{
    b->config.leaves = (const uint8_t(*)[32])b->leaves;
    b->config.n_leaves = b->n_leaves;
}

static void add(bench *b, behaviour how, uint32_t seed)
{
    fake *const f = &b->fakes[b->n];
    *f = (fake){.how = how, .data = b->data, .size = b->size, .seed = seed};
    if (f->how.parallel == 0)
        f->how.parallel = 3;
    if (f->how.span == 0)
        f->how.span = 4;
    b->sources[b->n] = (kw_source){.name = how.name,
                                   .order = how.order,
                                   .user = f,
                                   .open = fake_open,
                                   .ask = fake_ask,
                                   .cancel = fake_cancel,
                                   .resume = fake_resume,
                                   .blame = how.many ? fake_blame : NULL,
                                   .close = fake_close};
    b->list[b->n] = &b->sources[b->n];
    b->n++;
    b->config.sources = b->list;
    b->config.n_sources = b->n;
}

static kw_status fetch(bench *b)
{
    const kw_status status = kw_fetch(&b->config, &b->result, &b->err);
    if (status != KW_OK)
        print_message("%s\n", b->err.message);
    return status;
}

/* The file is there and right, and nothing else is. */
static void is_right(const bench *b)
{
    kw_map map;
    char left[128];
    assert_int_equal(kw_map_open(b->path, true, &map, NULL), KW_OK);
    assert_int_equal(map.len, b->size);
    assert_true(map.len == 0 || memcmp(map.data, b->data, map.len) == 0);
    kw_map_close(&map);
    assert_memory_equal(b->result.sha256, b->sha256, 32);
    snprintf(left, sizeof(left), "%s.part", b->base);
    assert_false(kw_file_exists(left));
    snprintf(left, sizeof(left), "%s.journal", b->base);
    assert_false(kw_file_exists(left));
    assert_true(b->result.peak_bytes <= 24 * BLOCK);
}

static void tear_down(bench *b)
{
    char path[160];
    const char *const names[] = {"x.part", "x.journal", "done"};
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", b->dir, names[i]);
        (void)kw_file_remove(path, NULL);
    }
    assert_int_equal(rmdir(b->dir), 0);
    free(b->data);
    free(b->leaves);
}

static void test_sizes(void **state)
{
    static const uint64_t sizes[] = {0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 30 * BLOCK + 17};
    (void)state;
    for (size_t i = 0; i < KW_COUNT(sizes) * 4; i++) {
        bench b;
        set_up(&b, sizes[i / 4]);
        if (i % 2)
            with_leaves(&b);
        add(&b, (behaviour){.name = "a", .order = KW_FROM_HTTP, .whole = i % 4 >= 2}, 1);
        assert_int_equal(fetch(&b), KW_OK);
        is_right(&b);
        tear_down(&b);
    }
}

/* Everything at once, with digests of the blocks. */
static void test_random(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 12; seed++) {
        bench b;
        set_up(&b, (40 + seed * 7) * BLOCK + seed * 13);
        with_leaves(&b);
        add(&b,
            (behaviour){.name = "drops",
                        .order = KW_FROM_PEERS,
                        .drop_percent = 30,
                        .many = true,
                        .corrupt_percent = 10,
                        .delay_ms = 5},
            seed);
        add(&b, (behaviour){.name = "lies", .order = KW_FROM_PEERS, .liar = true}, seed + 1);
        add(&b,
            (behaviour){.name = "reorders",
                        .order = KW_FROM_PEERS,
                        .reorder = true,
                        .delay_ms = 10,
                        .late = true},
            seed + 2);
        add(&b, (behaviour){.name = "stalls", .order = KW_FROM_PEERS, .stall_percent = 15},
            seed + 3);
        add(&b, (behaviour){.name = "absent", .order = KW_FROM_CACHE, .missing = true}, seed + 4);
        add(&b,
            (behaviour){.name = "other", .order = KW_FROM_PEERS, .other_size = true, .late = true},
            seed + 5);
        assert_int_equal(fetch(&b), KW_OK);
        is_right(&b);
        assert_true(b.result.shares[1].bytes == 0);
        tear_down(&b);
    }
}

/* Who sends wrong blocks is dropped after a few, and asked for nothing more. */
static void test_liar(void **state)
{
    bench b;
    (void)state;
    set_up(&b, 200 * BLOCK);
    with_leaves(&b);
    add(&b,
        (behaviour){.name = "lies", .order = KW_FROM_PEERS, .liar = true, .parallel = 1, .span = 1},
        1);
    add(&b, (behaviour){.name = "honest", .order = KW_FROM_PEERS, .delay_ms = 4}, 2);
    assert_int_equal(fetch(&b), KW_OK);
    is_right(&b);
    assert_true(b.result.shares[0].dropped);
    assert_true(b.result.shares[0].n_bad >= 3 && b.result.shares[0].n_bad <= 4);
    assert_int_equal(b.result.shares[1].n_bad, 0);
    tear_down(&b);
}

/* Nobody is left: an error that names the reason, and no file. */
static void test_nobody(void **state)
{
    bench b;
    (void)state;
    set_up(&b, 20 * BLOCK);
    with_leaves(&b);
    add(&b, (behaviour){.name = "lies", .order = KW_FROM_PEERS, .liar = true}, 1);
    add(&b, (behaviour){.name = "absent", .order = KW_FROM_HTTP, .missing = true}, 2);
    assert_int_equal(fetch(&b), KW_E_FORMAT);
    assert_non_null(strstr(b.err.message, "digest"));
    assert_false(kw_file_exists(b.path));
    b.n = 0;
    add(&b, (behaviour){.name = "absent", .order = KW_FROM_HTTP, .missing = true}, 2);
    assert_int_equal(fetch(&b), KW_E_NOTFOUND);
    b.config.n_sources = 0;
    assert_int_equal(fetch(&b), KW_E_NOTFOUND);
    tear_down(&b);
}

/* Without digests of blocks one source is used; when the whole is wrong the next has its turn. */
static void test_one_after_the_other(void **state)
{
    bench b;
    (void)state;
    set_up(&b, 50 * BLOCK + 5);
    add(&b, (behaviour){.name = "lies", .order = KW_FROM_CACHE, .liar = true}, 1);
    add(&b, (behaviour){.name = "honest", .order = KW_FROM_HTTP}, 2);
    assert_int_equal(fetch(&b), KW_OK);
    is_right(&b);
    assert_true(b.result.shares[0].dropped);
    tear_down(&b);
    set_up(&b, 50 * BLOCK + 5);
    add(&b, (behaviour){.name = "lies", .order = KW_FROM_HTTP, .liar = true}, 1);
    assert_int_equal(fetch(&b), KW_E_FORMAT);
    assert_false(kw_file_exists(b.path));
    tear_down(&b);
}

/* Interrupted again and again, it ends, and nothing that was here is fetched twice. */
static void test_resume(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        bench b;
        set_up(&b, 120 * BLOCK + 100);
        if (with)
            with_leaves(&b);
        add(&b, (behaviour){.name = "slow", .order = KW_FROM_HTTP, .delay_ms = 200}, 3);
        uint64_t before = 0;
        for (b.stop_at = 20 * BLOCK; b.stop_at < 100 * BLOCK; b.stop_at += 20 * BLOCK) {
            const kw_status status = fetch(&b);
            if (status == KW_OK)
                break;
            assert_int_equal(status, KW_E_CANCELLED);
            assert_true(b.result.resumed >= before);
            before = b.result.resumed;
            assert_false(kw_file_exists(b.path));
        }
        b.stop_at = 0;
        if (!kw_file_exists(b.path)) {
            assert_int_equal(fetch(&b), KW_OK);
            assert_true(b.result.resumed > 0);
            assert_true(b.result.shares[0].bytes + b.result.resumed == b.size);
        }
        is_right(&b);
        tear_down(&b);
    }
}

/* A block that went bad on disk behind the journal's back is found and fetched again, also where
 * nobody knows the SHA-256 of the whole. */
static void test_rotten(void **state)
{
    (void)state;
    for (int rooted = 0; rooted < 2; rooted++) {
        bench b;
        char part[128];
        kw_sparse *file;
        set_up(&b, 100 * BLOCK);
        with_leaves(&b);
        b.config.want.has_sha256 = !rooted;
        b.config.want.has_root = rooted;
        add(&b, (behaviour){.name = "slow", .order = KW_FROM_HTTP, .delay_ms = 300, .parallel = 1},
            3);
        b.stop_at = 10 * BLOCK;
        assert_int_equal(fetch(&b), KW_E_CANCELLED);
        snprintf(part, sizeof(part), "%s.part", b.base);
        assert_int_equal(kw_sparse_open(part, b.size, &file, NULL), KW_OK);
        assert_int_equal(kw_sparse_write(file, 100, "rot", 3, NULL), KW_OK);
        kw_sparse_close(file);
        b.stop_at = 0;
        b.fakes[0].how.delay_ms = 0;
        assert_int_equal(fetch(&b), KW_OK);
        assert_true(b.result.resumed > 0);
        is_right(&b);
        tear_down(&b);
    }
}

/* Who reads the file before it is whole. */
typedef struct reader {
    const bench *b;
    kw_growing *growing;
    kw_map map;
    uint64_t blocks[8]; /* that are read, in this order */
    size_t n;
    uint64_t n_here[8]; /* blocks of the file when each was there */
    kw_arrival last;
} reader;

static void read_early(void *arg)
{
    reader *const r = arg;
    const char *path;
    while (kw_growing_path(r->growing, 50, &path) == KW_ARRIVES_LATER) {
    }
    assert_non_null(path);
    assert_int_equal(kw_map_open(path, false, &r->map, NULL), KW_OK);
    for (size_t i = 0; i < r->n; i++) {
        const uint64_t at = r->blocks[i] * BLOCK;
        do {
            r->last = kw_growing_ask(r->growing, at, BLOCK, 50);
        } while (r->last == KW_ARRIVES_LATER);
        if (r->last == KW_ARRIVES_NEVER)
            break;
        r->n_here[i] = kw_growing_count(r->growing);
        assert_memory_equal(r->map.data + at, r->b->data + at, BLOCK);
    }
    kw_map_close(&r->map);
}

/* Starts reading beside a fetch and waits for both. */
static kw_status fetch_and_read(bench *b, reader *r)
{
    const kw_growing_config config = {0};
    kw_thread *thread;
    r->b = b;
    assert_int_equal(kw_growing_open(&config, &r->growing, NULL), KW_OK);
    b->config.growing = r->growing;
    assert_int_equal(kw_thread_start(&thread, read_early, r, NULL), KW_OK);
    const kw_status status = fetch(b);
    kw_thread_join(thread);
    kw_growing_close(r->growing);
    b->config.growing = NULL;
    return status;
}

/* What a reader waits for comes before the rest, right, also where an earlier call left it wrong;
 * and who waits when the fetch ends is told. */
static void test_reader(void **state)
{
    bench b;
    char part[128];
    kw_sparse *file;
    (void)state;
    set_up(&b, 200 * BLOCK);
    with_leaves(&b);
    add(&b,
        (behaviour){
            .name = "slow", .order = KW_FROM_HTTP, .delay_ms = 20, .parallel = 1, .span = 1},
        3);
    b.stop_at = 50 * BLOCK;
    reader r = {.blocks = {0, 199, 100, 0, 150}, .n = 5};
    assert_int_equal(fetch_and_read(&b, &r), KW_E_CANCELLED);
    assert_int_equal(r.last, KW_ARRIVED);
    for (size_t i = 0; i < r.n; i++)
        assert_true(r.n_here[i] < 20);
    reader never = {.blocks = {120, 60}, .n = 1};
    b.stop_at = 1;
    b.fakes[0].how.delay_ms = 2000;
    assert_int_equal(fetch_and_read(&b, &never), KW_E_CANCELLED);
    assert_int_equal(never.last, KW_ARRIVES_NEVER);

    snprintf(part, sizeof(part), "%s.part", b.base);
    assert_int_equal(kw_sparse_open(part, b.size, &file, NULL), KW_OK);
    assert_int_equal(kw_sparse_write(file, 199 * BLOCK + 100, "rot", 3, NULL), KW_OK);
    kw_sparse_close(file);
    b.stop_at = 0;
    b.fakes[0].how.delay_ms = 0;
    reader again = {.blocks = {199, 100}, .n = 2};
    assert_int_equal(fetch_and_read(&b, &again), KW_OK);
    assert_int_equal(again.last, KW_ARRIVED);
    is_right(&b);
    tear_down(&b);
}

/* Where only the whole can be verified, nobody reads it before. */
static void test_reader_of_the_whole(void **state)
{
    const kw_growing_config config = {0};
    const char *path;
    bench b;
    (void)state;
    set_up(&b, 20 * BLOCK);
    add(&b, (behaviour){.name = "plain", .order = KW_FROM_HTTP}, 3);
    assert_int_equal(kw_growing_open(&config, &b.config.growing, NULL), KW_OK);
    assert_int_equal(kw_growing_path(b.config.growing, 0, &path), KW_ARRIVES_LATER);
    assert_int_equal(fetch(&b), KW_OK);
    assert_int_equal(kw_growing_path(b.config.growing, 1000, &path), KW_ARRIVES_NEVER);
    assert_null(path);
    assert_int_equal(kw_growing_ask(b.config.growing, 0, 1, 1000), KW_ARRIVES_NEVER);
    kw_growing_close(b.config.growing);
    is_right(&b);
    tear_down(&b);
}

/* The order that the caller gives is the order in which blocks come. */
static bool rank_backwards(void *user, const char *path, uint64_t prefix, uint32_t *ranks,
                           uint64_t n_blocks, uint32_t block_size)
{
    (void)user;
    assert_true(kw_file_exists(path));
    if (prefix < 2 * (uint64_t)block_size)
        return false;
    for (uint64_t i = 0; i < n_blocks; i++)
        ranks[i] = (uint32_t)(n_blocks - i);
    return true;
}

static bool no_hole_behind(void *user, const kw_fetch_progress *p)
{
    bench *const b = user;
    return p->bytes < 30 * BLOCK || b->stop_at == 0;
}

static void test_order(void **state)
{
    bench b;
    char part[128];
    kw_map map;
    (void)state;
    set_up(&b, 100 * BLOCK);
    add(&b,
        (behaviour){
            .name = "slow", .order = KW_FROM_HTTP, .delay_ms = 60, .parallel = 1, .span = 1},
        3);
    b.config.rank = rank_backwards;
    b.config.progress = no_hole_behind;
    b.stop_at = 1;
    assert_int_equal(fetch(&b), KW_E_CANCELLED);
    snprintf(part, sizeof(part), "%s.part", b.base);
    assert_int_equal(kw_map_open(part, true, &map, NULL), KW_OK);
    assert_memory_equal(map.data + 80 * BLOCK, b.data + 80 * BLOCK, 20 * BLOCK);
    kw_map_close(&map);
    b.stop_at = 0;
    b.fakes[0].how.delay_ms = 0;
    assert_int_equal(fetch(&b), KW_OK);
    is_right(&b);
    tear_down(&b);
}

/* The limit holds on average, whether the source can be paused or not. */
static void test_limit(void **state)
{
    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        bench b;
        set_up(&b, 100 * BLOCK);
        b.config.bytes_per_s = 400 * 1024;
        add(&b, (behaviour){.name = "fast", .order = KW_FROM_HTTP, .whole = whole}, 3);
        const uint64_t begin = kw_clock_ns();
        assert_int_equal(fetch(&b), KW_OK);
        is_right(&b);
        assert_true(kw_clock_ns() - begin > 600 * MS);
        tear_down(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_liar),
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_rotten),
        cmocka_unit_test(test_reader),
        cmocka_unit_test(test_reader_of_the_whole),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
