/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bitswap.c - sessions and the server over a network that is simulated: bytes arrive in random
 * pieces and in a random order of streams, peers lack, lie, fall silent and break, and each block
 * still comes once and right. Seeds are fixed, time is the simulation's. */
#include "net/bitswap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "hex.h"
#include "net/bitswap_message.h"
#include "net/bucket.h"
#include "net/frame.h"

enum { NODES = 6, STREAMS = 64, TIMERS = 16, BLOCKS = 300, ROOM = 4 << 20 };

/* ---- the simulated host ---- */

struct kw_timer {
    void (*fire)(void *user);
    void *user;
    uint64_t due;
    bool set, used;
};

/* One direction writes: from the node that opened it. */
struct kw_stream {
    kw_host *from, *to;
    const kw_stream_events *events[2]; /* of the writer, of the reader */
    void *users[2];
    kw_buf queue;
    size_t sent;
    bool used, inbound_view, finished, reset, was_full, paused;
    kw_stream *other; /* the reader's handle, or the writer's */
    kw_stream_fn opened;
    void *opened_user;
    bool opening;
};

struct kw_host {
    kw_peer_id id;
    kw_protocol protocol;
    bool unreachable, breaks, busy;
    size_t n_answers, n_moved; /* what bitswap said of its work */
    size_t mute_after;         /* bytes that leave it before it falls silent; 0: never */
    size_t bytes_out;
};

static struct sim {
    uint64_t now, draws;
    kw_host hosts[NODES];
    kw_stream streams[STREAMS][2]; /* the writer's and the reader's handle */
    kw_timer timers[TIMERS];
} sim;

static uint32_t draw(uint32_t below)
{
    return kw_rng_u32(99, 0, sim.draws++) % below;
}

kw_loop *kw_host_loop(const kw_host *host)
{
    (void)host;
    return (kw_loop *)&sim;
}

uint64_t kw_loop_now(const kw_loop *loop)
{
    (void)loop;
    return sim.now;
}

kw_status kw_timer_open(kw_loop *loop, void (*fire)(void *user), void *user, kw_timer **out,
                        kw_error *err)
{
    (void)loop;
    (void)err;
    for (size_t i = 0; i < TIMERS; i++)
        if (!sim.timers[i].used) {
            sim.timers[i] = (kw_timer){.fire = fire, .user = user, .used = true};
            *out = &sim.timers[i];
            return KW_OK;
        }
    return KW_E_LIMIT;
}

void kw_timer_set(kw_timer *timer, uint64_t after_ms, uint64_t repeat_ms)
{
    assert_int_equal(repeat_ms, 0);
    timer->set = true;
    timer->due = sim.now + after_ms;
}

void kw_timer_clear(kw_timer *timer)
{
    timer->set = false;
}

void kw_timer_close(kw_timer *timer)
{
    *timer = (kw_timer){0};
}

kw_status kw_host_speak(kw_host *host, const kw_protocol *protocol, kw_error *err)
{
    (void)err;
    host->protocol = *protocol;
    return KW_OK;
}

bool kw_host_connected(const kw_host *host, const kw_peer_id *peer)
{
    (void)host;
    (void)peer;
    return false;
}

void kw_host_answered(kw_host *host, const kw_peer_id *peer, size_t n)
{
    (void)peer;
    host->n_answers += n;
}

void kw_host_moved(kw_host *host, const kw_peer_id *peer, size_t n_blocks)
{
    (void)peer;
    host->n_moved += n_blocks;
}

bool kw_host_has_time(kw_host *host, const kw_peer_id *peer)
{
    (void)peer;
    return !host->busy;
}

bool kw_host_request(kw_host *host, const kw_peer_id *peer, double cost)
{
    (void)host;
    (void)peer;
    (void)cost;
    return true;
}

void kw_host_blame(kw_host *host, const kw_peer_id *peer, kw_host_fault fault)
{
    (void)host;
    (void)peer;
    (void)fault;
    fail_msg("nobody floods here");
}

void kw_stream_pause(kw_stream *stream, bool paused)
{
    stream->paused = paused;
}

void kw_host_unspeak(kw_host *host, const char *id)
{
    (void)id;
    host->protocol = (kw_protocol){0};
}

void kw_host_stream(kw_host *host, const kw_peer_id *peer, const char *const *protocols,
                    size_t n_protocols, kw_stream_fn opened, void *user)
{
    assert_true(n_protocols == 1 && strcmp(protocols[0], KW_BITSWAP_ID) == 0);
    kw_host *to = NULL;
    for (size_t i = 0; i < NODES; i++)
        if (kw_peer_id_equal(&sim.hosts[i].id, peer))
            to = &sim.hosts[i];
    assert_non_null(to);
    for (size_t i = 0; i < STREAMS; i++) {
        kw_stream *const s = sim.streams[i];
        if (s[0].used)
            continue;
        s[0] = (kw_stream){.from = host, .to = to, .used = true, .opening = true, .other = &s[1]};
        s[1] = (kw_stream){.from = host, .to = to, .inbound_view = true, .other = &s[0]};
        s[0].opened = opened;
        s[0].opened_user = user;
        return;
    }
    fail_msg("no streams are left");
}

void kw_stream_listen(kw_stream *stream, const kw_stream_events *events, void *user)
{
    stream->events[0] = events;
    stream->users[0] = user;
}

size_t kw_stream_room(const kw_stream *stream)
{
    assert_false(stream->inbound_view);
    return ROOM - (stream->queue.len - stream->sent);
}

bool kw_stream_flows(const kw_stream *stream)
{
    return ROOM - kw_stream_room(stream) <= (256 << 10);
}

kw_status kw_stream_write(kw_stream *stream, kw_bytes bytes, kw_error *err)
{
    (void)err;
    assert_false(stream->finished);
    if (bytes.len > kw_stream_room(stream))
        return KW_E_LIMIT;
    kw_buf_add(&stream->queue, (const char *)bytes.data, bytes.len);
    stream->was_full = stream->was_full || !kw_stream_flows(stream);
    return KW_OK;
}

void kw_stream_finish(kw_stream *stream)
{
    stream->finished = true;
}

void kw_stream_reset(kw_stream *stream)
{
    stream->reset = true;
}

const kw_peer_id *kw_stream_peer(const kw_stream *stream)
{
    return stream->inbound_view ? &stream->from->id : &stream->to->id;
}

static void close_both(kw_stream *s, kw_status why)
{
    for (size_t i = 0; i < 2; i++)
        if (s[i].events[0])
            s[i].events[0]->closed(s[i].users[0], &s[i], why);
    kw_buf_free(&s[0].queue);
    s[0].used = false;
}

static void finish_opening(kw_stream *s)
{
    kw_host *const to = s->to;
    s->opening = false;
    const bool ok = !to->unreachable && to->protocol.incoming &&
                    to->protocol.incoming(to->protocol.user, &s[1]);
    s->used = ok;
    s->opened(s->opened_user, ok ? s : NULL, ok ? KW_OK : KW_E_IO, "");
}

static void deliver(kw_stream *s)
{
    const size_t left = s->queue.len - s->sent;
    const size_t some = (size_t)1 + draw(draw(4) == 0 ? 20 : 70000);
    const size_t n = KW_MIN(left, some);
    if (s->from->mute_after && s->from->bytes_out > s->from->mute_after)
        return;
    if (s->from->breaks && draw(40) == 0) {
        close_both(s, KW_E_IO);
        return;
    }
    s->from->bytes_out += n;
    s->sent += n;
    /* A copy of its own size, so that a sanitizer sees who reads past it. */
    uint8_t *const bytes = malloc(n);
    memcpy(bytes, s->queue.data + s->sent - n, n);
    s[1].events[0]->data(s[1].users[0], &s[1], (kw_bytes){bytes, n});
    free(bytes);
    if (s->sent == s->queue.len)
        s->sent = s->queue.len = 0;
    if (s->was_full && kw_stream_flows(s)) {
        s->was_full = false;
        if (s->events[0]->drained)
            s->events[0]->drained(s->users[0], s);
    }
}

/* One thing that happens. */
static void step(void)
{
    const size_t begin = draw(STREAMS);
    sim.now += draw(2);
    for (size_t i = 0; i < TIMERS; i++)
        if (sim.timers[i].used && sim.timers[i].set && sim.timers[i].due <= sim.now) {
            sim.timers[i].set = false;
            sim.timers[i].fire(sim.timers[i].user);
        }
    for (size_t i = 0; i < STREAMS; i++) {
        kw_stream *const s = sim.streams[(begin + i) % STREAMS];
        if (!s->used)
            continue;
        if (s->opening)
            finish_opening(s);
        else if (s[0].reset || s[1].reset)
            close_both(s, KW_E_CANCELLED);
        else if (s->queue.len > s->sent && s[1].paused)
            continue;
        else if (s->queue.len > s->sent)
            deliver(s);
        else if (s->finished)
            close_both(s, KW_OK);
        else
            continue;
        return;
    }
    sim.now += 20; /* nobody has anything to say */
}

/* ---- nodes ---- */

static uint8_t content[BLOCKS][4096];
static size_t lengths[BLOCKS];
static kw_cid names[BLOCKS];

typedef struct node {
    kw_bitswap *bitswap;
    kw_block_store store;
    bool lies, withholds;
    unsigned lacks; /* each n-th block; 0: none */
    int first;      /* block that it has; those before it come later */
    size_t n_served;
    uint8_t lie[4096];
} node;

static node nodes[NODES];

static int index_of(const kw_cid *cid)
{
    for (int i = 0; i < BLOCKS; i++)
        if (kw_cid_equal(&names[i], cid))
            return i;
    return -1;
}

static bool store_has(void *user, const kw_cid *cid, size_t *size)
{
    const node *const n = user;
    const int i = index_of(cid);
    if (i < n->first || i < 0 || (n->lacks && (unsigned)i % n->lacks == 0))
        return false;
    *size = lengths[i];
    return true;
}

static kw_status store_get(void *user, const kw_cid *cid, kw_block *out, kw_error *err)
{
    node *const n = user;
    const int i = index_of(cid);
    (void)err;
    n->n_served++;
    if (n->withholds)
        return KW_E_IO;
    out->data = (kw_bytes){content[i], lengths[i]};
    if (n->lies) {
        memcpy(n->lie, content[i], lengths[i]);
        n->lie[draw((uint32_t)lengths[i])] ^= 1;
        out->data.data = n->lie;
    }
    return KW_OK;
}

static void store_release(void *user, kw_block *block)
{
    (void)user;
    (void)block;
}

/* ---- the fetching side ---- */

typedef struct fetch {
    kw_bitswap_session *session;
    size_t n_got, n_missing, n_starved;
    uint8_t got[BLOCKS];
    unsigned faults[NODES][4];
    size_t close_after; /* blocks; 0: never */
    bool keeps;         /* what is missing stays wanted */
} fetch;

static void got_block(void *user, const kw_cid *cid, kw_bytes data, const kw_peer_id *from)
{
    fetch *const f = user;
    const int i = index_of(cid);
    assert_true(i >= 0 && from->len > 0);
    assert_int_equal(data.len, lengths[i]);
    assert_memory_equal(data.data, content[i], data.len);
    f->got[i]++;
    if (++f->n_got == f->close_after)
        kw_bitswap_session_close(f->session);
}

static void got_missing(void *user, const kw_cid *cid)
{
    fetch *const f = user;
    f->n_missing++;
    if (!f->keeps)
        kw_bitswap_unwant(f->session, cid);
}

static void got_starved(void *user)
{
    fetch *const f = user;
    f->n_starved++;
}

static const kw_bitswap_events events = {got_block, got_missing, got_starved};
static fetch *watched;

static void got_fault(void *user, const kw_peer_id *peer, kw_bitswap_fault fault)
{
    (void)user;
    for (size_t i = 0; i < NODES; i++)
        if (watched && kw_peer_id_equal(&sim.hosts[i].id, peer))
            watched->faults[i][fault]++;
}

static int begin(void **state)
{
    (void)state;
    memset(&sim, 0, sizeof(sim));
    memset(nodes, 0, sizeof(nodes));
    sim.now = 1000;
    for (size_t i = 0; i < BLOCKS; i++) {
        lengths[i] = 1 + draw(sizeof(content[i]));
        for (size_t j = 0; j < lengths[i]; j++)
            content[i][j] = (uint8_t)draw(256);
        names[i] = kw_cid_of(i % 3 ? KW_CODEC_RAW : KW_CODEC_DAG_PB,
                             (kw_bytes){content[i], lengths[i]}, NULL);
    }
    for (size_t i = 0; i < NODES; i++) {
        uint8_t key[36] = {8, 1, 18, 32, (uint8_t)(i + 1)};
        sim.hosts[i].id = kw_peer_id_of((kw_bytes){key, sizeof(key)});
        nodes[i].store = (kw_block_store){&nodes[i], store_has, store_get, store_release};
        const kw_bitswap_config config = {.host = &sim.hosts[i],
                                          .store = i > 0 ? &nodes[i].store : NULL,
                                          .fault = i == 0 ? got_fault : NULL};
        assert_int_equal(kw_bitswap_open(&config, &nodes[i].bitswap, NULL), KW_OK);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    watched = NULL;
    for (size_t i = 0; i < NODES; i++)
        kw_bitswap_close(nodes[i].bitswap);
    for (size_t i = 0; i < 1000; i++)
        step();
    for (size_t i = 0; i < STREAMS; i++)
        assert_false(sim.streams[i][0].used);
    return 0;
}

/* Node 0 fetches all blocks from nodes 1 to n. */
static void fetch_all(fetch *f, size_t n_peers, size_t n_steps)
{
    watched = f;
    assert_int_equal(kw_bitswap_session_open(nodes[0].bitswap, &events, f, &f->session, NULL),
                     KW_OK);
    for (size_t i = 1; i <= n_peers; i++)
        assert_int_equal(kw_bitswap_add_peer(f->session, &sim.hosts[i].id, NULL), KW_OK);
    assert_int_equal(kw_bitswap_want(f->session, names, BLOCKS, NULL), KW_OK);
    const size_t until = f->close_after ? f->close_after : BLOCKS;
    for (size_t i = 0; i < n_steps && f->n_got + f->n_missing < until; i++)
        step();
}

static void assert_all(const fetch *f)
{
    assert_int_equal(f->n_got, BLOCKS);
    for (size_t i = 0; i < BLOCKS; i++)
        assert_int_equal(f->got[i], 1);
}

static void one_peer(void **state)
{
    (void)state;
    fetch f = {0};
    kw_bitswap_info info;
    fetch_all(&f, 1, 200000);
    assert_all(&f);
    assert_int_equal(nodes[1].n_served, BLOCKS); /* none twice */
    assert_int_equal(kw_bitswap_wanted(f.session), 0);
    kw_bitswap_get_info(nodes[0].bitswap, &info);
    assert_true(info.blocks_in == BLOCKS && info.duplicates == 0);
    kw_bitswap_session_close(f.session);
}

static void several_peers(void **state)
{
    (void)state;
    fetch f = {0};
    size_t total = 0;
    fetch_all(&f, 4, 200000);
    assert_all(&f);
    for (size_t i = 1; i <= 4; i++) {
        assert_true(nodes[i].n_served > BLOCKS / 40); /* all take part */
        total += nodes[i].n_served;
    }
    assert_true(total <= BLOCKS * 13 / 10);
    kw_bitswap_session_close(f.session);
}

/* Each has a part, together they have all; and what nobody has is told. */
static void peers_that_lack(void **state)
{
    (void)state;
    fetch f = {0};
    nodes[1].lacks = 2;
    nodes[2].lacks = 3;
    nodes[3].lacks = 5;
    fetch_all(&f, 3, 400000);
    const size_t nobody = BLOCKS / 30;
    assert_int_equal(f.n_missing, nobody);
    assert_int_equal(f.n_got, BLOCKS - nobody);
    for (size_t i = 0; i < BLOCKS; i++)
        assert_int_equal(f.got[i], i % 30 != 0);
    assert_int_equal(kw_bitswap_wanted(f.session), 0);
    kw_bitswap_session_close(f.session);
}

static void a_liar(void **state)
{
    (void)state;
    fetch f = {0};
    nodes[2].lies = true;
    fetch_all(&f, 3, 400000);
    for (size_t i = 0; i < 100; i++)
        step();
    assert_all(&f);
    assert_true(f.faults[2][KW_BITSWAP_BAD_BLOCK] >= 1);
    assert_true(f.faults[1][KW_BITSWAP_BAD_BLOCK] == 0 && f.faults[3][KW_BITSWAP_BAD_BLOCK] == 0);
    kw_bitswap_session_close(f.session);
}

static void silent_and_unreachable(void **state)
{
    (void)state;
    fetch f = {0};
    sim.hosts[1].mute_after = 20000;
    sim.hosts[2].unreachable = true;
    fetch_all(&f, 3, 2000000);
    assert_all(&f);
    assert_int_equal(f.faults[2][KW_BITSWAP_LOST], 1);
    assert_true(f.faults[3][KW_BITSWAP_STALLED] == 0 && f.faults[3][KW_BITSWAP_LOST] == 0);
    kw_bitswap_session_close(f.session);
}

/* The only peer falls silent: it is tried again, then it leaves and the session says so; a peer
 * that is added brings the rest. */
static void starving(void **state)
{
    (void)state;
    fetch f = {0};
    sim.hosts[1].mute_after = 20000;
    fetch_all(&f, 1, 100000);
    assert_true(f.n_got > 0 && f.n_got < BLOCKS);
    assert_int_equal(f.n_starved, 1);
    assert_int_equal(f.faults[1][KW_BITSWAP_STALLED], 3);
    assert_int_equal(kw_bitswap_add_peer(f.session, &sim.hosts[2].id, NULL), KW_OK);
    for (size_t i = 0; i < 200000 && f.n_got < BLOCKS; i++)
        step();
    assert_all(&f);
    kw_bitswap_session_close(f.session);
}

static void broken_streams(void **state)
{
    (void)state;
    fetch f = {0};
    sim.hosts[1].breaks = true;
    sim.hosts[0].breaks = true;
    fetch_all(&f, 2, 4000000);
    for (size_t i = 0; i < 20 && f.n_got < BLOCKS; i++) { /* those that were given up come back */
        for (size_t j = 1; j <= 2; j++)
            (void)kw_bitswap_add_peer(f.session, &sim.hosts[j].id, NULL);
        for (size_t j = 0; j < 100000 && f.n_got < BLOCKS; j++)
            step();
    }
    assert_all(&f);
    kw_bitswap_session_close(f.session);
}

/* Closed in the middle of a block, from within its event: what comes late is no fault. */
static void closed_within(void **state)
{
    (void)state;
    fetch f = {.close_after = 40};
    fetch_all(&f, 3, 200000);
    for (size_t i = 0; i < 20000; i++)
        step();
    assert_int_equal(f.n_got, 40);
    for (size_t i = 1; i <= 3; i++)
        assert_int_equal(f.faults[i][KW_BITSWAP_BAD_BLOCK], 0);
}

static void two_sessions(void **state)
{
    (void)state;
    fetch f = {0}, g = {0};
    assert_int_equal(kw_bitswap_session_open(nodes[0].bitswap, &events, &g, &g.session, NULL),
                     KW_OK);
    assert_int_equal(kw_bitswap_add_peer(g.session, &sim.hosts[1].id, NULL), KW_OK);
    assert_int_equal(kw_bitswap_want(g.session, names, BLOCKS, NULL), KW_OK);
    fetch_all(&f, 2, 200000);
    for (size_t i = 0; i < 100000 && g.n_got < BLOCKS; i++)
        step();
    assert_all(&f);
    assert_all(&g);
    kw_bitswap_session_close(f.session);
    kw_bitswap_session_close(g.session);
}

/* Nobody has the first blocks; then they come to one, who says so without being asked again. */
static void blocks_that_come_later(void **state)
{
    (void)state;
    fetch f = {.keeps = true};
    nodes[1].first = BLOCKS;
    nodes[2].first = 100;
    fetch_all(&f, 2, 200000);
    assert_true(f.n_got == BLOCKS - 100 && f.n_missing >= 100);
    assert_int_equal(kw_bitswap_wanted(f.session), 100);
    nodes[1].first = 50;
    kw_bitswap_arrived(nodes[1].bitswap, names + 50, BLOCKS - 50);
    const uint64_t before = sim.now;
    for (size_t i = 0; i < 2000 && f.n_got < BLOCKS - 50; i++)
        step();
    assert_int_equal(f.n_got, BLOCKS - 50);
    assert_true(sim.now - before < 5000); /* it was told: nothing is asked anew for ten seconds */
    for (size_t i = 50; i < BLOCKS; i++)
        assert_int_equal(f.got[i], 1);
    kw_bitswap_session_close(f.session);
    /* Who has closed its session is not told and sent nothing. */
    for (size_t i = 0; i < 2000; i++)
        step();
    const size_t served = nodes[1].n_served;
    nodes[1].first = 0;
    kw_bitswap_arrived(nodes[1].bitswap, names, BLOCKS);
    for (size_t i = 0; i < 2000; i++)
        step();
    assert_int_equal(nodes[1].n_served, served);
}

static unsigned distrust_one(void *user, const kw_peer_id *peer)
{
    (void)user;
    return kw_peer_id_equal(peer, &sim.hosts[1].id) ? 100 : 0;
}

/* Who has misbehaved is asked last: while others have room, not at all. */
static void distrusted(void **state)
{
    (void)state;
    fetch f = {0};
    kw_bitswap_close(nodes[0].bitswap);
    const kw_bitswap_config config = {.host = &sim.hosts[0], .distrust = distrust_one};
    assert_int_equal(kw_bitswap_open(&config, &nodes[0].bitswap, NULL), KW_OK);
    assert_int_equal(kw_bitswap_session_open(nodes[0].bitswap, &events, &f, &f.session, NULL),
                     KW_OK);
    for (size_t i = 1; i <= 3; i++)
        assert_int_equal(kw_bitswap_add_peer(f.session, &sim.hosts[i].id, NULL), KW_OK);
    assert_int_equal(kw_bitswap_want(f.session, names, 12, NULL), KW_OK);
    for (size_t i = 0; i < 20000 && f.n_got < 12; i++)
        step();
    assert_int_equal(f.n_got, 12);
    assert_int_equal(nodes[1].n_served, 0);
    assert_true(nodes[2].n_served > 0 && nodes[3].n_served > 0);
    kw_bitswap_session_close(f.session);
}

/* Two promise what they do not send. Nobody waits for them as long as silence is allowed: when
 * nothing else is to be had, another one is asked, and they are asked for one block the next time.
 */
static void promises_unkept(void **state)
{
    (void)state;
    fetch f = {0};
    nodes[2].withholds = nodes[3].withholds = true;
    for (size_t round = 0; round < 2; round++) {
        const uint64_t start = sim.now;
        const size_t kept = nodes[2].n_served + nodes[3].n_served, from = round * 40;
        f.n_got = 0;
        assert_int_equal(kw_bitswap_session_open(nodes[0].bitswap, &events, &f, &f.session, NULL),
                         KW_OK);
        for (size_t i = 1; i <= 3; i++)
            assert_int_equal(kw_bitswap_add_peer(f.session, &sim.hosts[i].id, NULL), KW_OK);
        assert_int_equal(kw_bitswap_want(f.session, &names[from], 40, NULL), KW_OK);
        for (size_t i = 0; i < 200000 && f.n_got < 40; i++)
            step();
        assert_int_equal(f.n_got, 40);
        for (size_t i = from; i < from + 40; i++)
            assert_int_equal(f.got[i], 1);
        assert_true(sim.now - start < 3000);
        if (round > 0)
            assert_int_equal(nodes[2].n_served + nodes[3].n_served - kept, 2);
        kw_bitswap_session_close(f.session);
    }
}

/* A block is asked of a second peer at the end alone: what comes twice is bounded. */
static void few_duplicates(void **state)
{
    (void)state;
    fetch f = {0};
    kw_bitswap_info info;
    nodes[1].lacks = 2;
    nodes[2].lacks = 3;
    fetch_all(&f, 4, 400000);
    assert_all(&f);
    kw_bitswap_get_info(nodes[0].bitswap, &info);
    assert_true(info.duplicates <= 8);
    kw_bitswap_session_close(f.session);
}

/* ---- the server alone ---- */

/* A cap of 40,000 bytes a second: after five seconds no more than that went out. */
static void capped(void **state)
{
    (void)state;
    kw_bitswap_info info;
    fetch f = {0};
    kw_bitswap_close(nodes[1].bitswap);
    kw_cap cap = kw_cap_of(40000, sim.now);
    const kw_bitswap_config config = {.host = &sim.hosts[1], .store = &nodes[1].store, .cap = &cap};
    assert_int_equal(kw_bitswap_open(&config, &nodes[1].bitswap, NULL), KW_OK);
    const uint64_t start = sim.now;
    fetch_all(&f, 1, 0);
    while (sim.now < start + 5000)
        step();
    kw_bitswap_get_info(nodes[1].bitswap, &info);
    assert_in_range(info.bytes_out, 120000, 220000);
    kw_bitswap_session_close(f.session);
}

/* ---- peers that abuse ---- */

static void abuser_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    (void)user;
    (void)stream;
    (void)bytes;
}

static void abuser_closed(void *user, kw_stream *stream, kw_status why)
{
    (void)stream;
    (void)why;
    *(kw_stream **)user = NULL;
}

static void abuser_opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    static const kw_stream_events silent = {abuser_data, NULL, NULL, abuser_closed};
    (void)why;
    assert_int_equal(status, KW_OK);
    *(kw_stream **)user = stream;
    kw_stream_listen(stream, &silent, user);
}

/* A stream to node 0 on which a test writes what it likes. */
static void open_abuser(size_t from, kw_stream **stream)
{
    static const char *const protocols[] = {KW_BITSWAP_ID};
    *stream = NULL;
    kw_host_stream(&sim.hosts[from], &sim.hosts[0].id, protocols, 1, abuser_opened, stream);
    for (size_t i = 0; i < 100 && !*stream; i++)
        step();
    assert_non_null(*stream);
}

static void write_wants(kw_stream *stream, const kw_cid *cids, size_t n)
{
    kw_buf wants = {0}, message = {0};
    for (size_t i = 0; i < n; i++) {
        const kw_bitswap_entry entry = {.cid = cids[i], .have = true, .send_dont_have = true};
        kw_bitswap_put_entry(&wants, &entry);
    }
    kw_bitswap_put_wants(&message, &wants);
    const kw_bytes bytes = {(const uint8_t *)message.data, message.len};
    assert_int_equal(kw_frame_write(stream, bytes, NULL), KW_OK);
    kw_buf_free(&wants);
    kw_buf_free(&message);
}

/* A host without time reads no more of who asks for answers; blocks go on being served. */
static void answers_wait_and_blocks_do_not(void **state)
{
    (void)state;
    kw_stream *asker;
    fetch f = {0};
    kw_bitswap_close(nodes[0].bitswap);
    const kw_bitswap_config config = {.host = &sim.hosts[0], .store = &nodes[0].store};
    assert_int_equal(kw_bitswap_open(&config, &nodes[0].bitswap, NULL), KW_OK);
    open_abuser(2, &asker);
    sim.hosts[0].busy = true;
    for (size_t i = 0; i < 20; i++) { /* a message each delivery, or a few */
        write_wants(asker, names, 100);
        for (size_t k = 0; k < 50; k++)
            step();
    }
    assert_in_range(sim.hosts[0].n_answers, 100, 700);
    sim.hosts[0].busy = false;
    for (size_t i = 0; i < 2000; i++)
        step();
    assert_int_equal(sim.hosts[0].n_answers, 2000);
    kw_stream_finish(asker);
    for (size_t i = 0; i < 2000 && asker; i++)
        step();
    assert_null(asker);
    fetch_all(&f, 1, 40);
    assert_in_range(f.n_got, 1, BLOCKS - 1);
    sim.hosts[1].busy = true;
    for (size_t i = 0; i < 200000 && f.n_got < BLOCKS; i++)
        step();
    assert_all(&f);
    assert_int_equal(sim.hosts[1].n_moved, BLOCKS);
    assert_int_equal(sim.hosts[1].n_answers, 0);
    assert_int_equal(sim.hosts[0].n_moved, BLOCKS);
    kw_bitswap_session_close(f.session);
}

/* More entries than a message may have, a block again and again, and a message that is none. */
static void abusers(void **state)
{
    (void)state;
    const kw_bitswap_entry entry = {.cid = names[0], .send_dont_have = true};
    kw_stream *flood, *repeat, *noise;
    kw_buf wants = {0}, message = {0};
    uint8_t head[KW_BITSWAP_HEAD_MAX];
    fetch f = {0};
    fetch_all(&f, 1, 200000);
    open_abuser(2, &flood);
    open_abuser(3, &repeat);
    open_abuser(4, &noise);
    for (size_t i = 0; i < 5000; i++)
        kw_bitswap_put_entry(&wants, &entry);
    kw_bitswap_put_wants(&message, &wants);
    const kw_bytes bytes = {(const uint8_t *)message.data, message.len};
    assert_int_equal(kw_frame_write(flood, bytes, NULL), KW_OK);
    const kw_bytes name = {head, kw_bitswap_block_head(&names[0], lengths[0], head)};
    for (size_t i = 0; i < 200; i++) {
        assert_int_equal(kw_stream_write(repeat, name, NULL), KW_OK);
        assert_int_equal(kw_stream_write(repeat, (kw_bytes){content[0], lengths[0]}, NULL), KW_OK);
    }
    assert_int_equal(kw_frame_write(noise, kw_text_bytes("\x0a\x7f"), NULL), KW_OK);
    for (size_t i = 0; i < 10000; i++)
        step();
    assert_true(!flood && !repeat && !noise); /* their streams are over */
    assert_int_equal(f.faults[2][KW_BITSWAP_BROKEN], 1);
    assert_int_equal(f.faults[3][KW_BITSWAP_BAD_BLOCK], 1);
    assert_int_equal(f.faults[4][KW_BITSWAP_BROKEN], 1);
    assert_all(&f);
    kw_buf_free(&wants);
    kw_buf_free(&message);
    kw_bitswap_session_close(f.session);
}

static bool count_entry(void *user, const kw_bitswap_entry *entry)
{
    size_t *const n = user;
    *n += entry->have && entry->send_dont_have && !entry->cancel;
    return true;
}

static bool count_full(void *user)
{
    *(size_t *)user += 100;
    return true;
}

static bool count_block(void *user, const kw_cid *shape, kw_bytes data)
{
    assert_true(shape->version == 1 && shape->digest_len == 32);
    *(size_t *)user += data.len;
    return true;
}

static bool count_presence(void *user, const kw_cid *cid, bool has)
{
    (void)cid;
    *(size_t *)user += has ? 10 : 20;
    return true;
}

static void messages(void **state)
{
    (void)state;
    static const kw_bitswap_parts parts = {count_full, count_entry, count_block, count_presence};
    const kw_bitswap_entry entry = {.cid = names[0], .have = true, .send_dont_have = true};
    kw_buf wants = {0}, message = {0};
    uint8_t head[KW_BITSWAP_HEAD_MAX];
    size_t n = 0;
    kw_bitswap_put_entry(&wants, &entry);
    kw_bitswap_put_entry(&wants, &entry);
    kw_bitswap_put_wants(&message, &wants);
    kw_bitswap_put_presence(&message, &names[1], true);
    kw_bitswap_put_presence(&message, &names[2], false);
    const kw_bytes bytes = {(const uint8_t *)message.data, message.len};
    assert_int_equal(kw_bitswap_read(bytes, &parts, &n, NULL), KW_OK);
    assert_int_equal(n, 2 + 10 + 20);
    size_t n_bad = 0;
    for (size_t i = 0; i < bytes.len; i++)
        n_bad += kw_bitswap_read((kw_bytes){bytes.data, i}, &parts, &n, NULL) != KW_OK;
    assert_true(n_bad >= bytes.len - 4); /* all but those that end between fields */
    kw_buf_free(&wants);
    kw_buf_free(&message);
    /* A block's head counts what follows it. */
    const size_t n_head = kw_bitswap_block_head(&names[1], 7, head);
    static const uint8_t expected[] = {17, 0x1a, 15, 0x0a, 4, 1, 0x55, 0x12, 0x20, 0x12, 7};
    assert_int_equal(n_head, sizeof(expected));
    assert_memory_equal(head, expected, sizeof(expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_peer, begin, end),
        cmocka_unit_test_setup_teardown(several_peers, begin, end),
        cmocka_unit_test_setup_teardown(peers_that_lack, begin, end),
        cmocka_unit_test_setup_teardown(blocks_that_come_later, begin, end),
        cmocka_unit_test_setup_teardown(distrusted, begin, end),
        cmocka_unit_test_setup_teardown(few_duplicates, begin, end),
        cmocka_unit_test_setup_teardown(promises_unkept, begin, end),
        cmocka_unit_test_setup_teardown(a_liar, begin, end),
        cmocka_unit_test_setup_teardown(silent_and_unreachable, begin, end),
        cmocka_unit_test_setup_teardown(starving, begin, end),
        cmocka_unit_test_setup_teardown(broken_streams, begin, end),
        cmocka_unit_test_setup_teardown(closed_within, begin, end),
        cmocka_unit_test_setup_teardown(two_sessions, begin, end),
        cmocka_unit_test_setup_teardown(capped, begin, end),
        cmocka_unit_test_setup_teardown(answers_wait_and_blocks_do_not, begin, end),
        cmocka_unit_test_setup_teardown(abusers, begin, end),
        cmocka_unit_test_setup_teardown(messages, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
