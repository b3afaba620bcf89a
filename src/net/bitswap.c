/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bitswap.c - peers, their streams, and the way of a message: read, verified, handed on; written
 * when the stream has room. */
#include "net/bitswap_internal.h"

#include "base/check.h"
#include "crypto/crypto.h"
#include "net/frame.h"

#include <stdlib.h>

enum { TICK_MS = 250, SERVE_MS = 25, IDLE_MS = 20000, FAILURES_MAX = 3, INBOUND_PER_PEER = 4 };
#define IS_BLOCK ((size_t)4096) /* a message that is longer than this already brings a block */

/* A stream on which a peer sends us messages. */
struct bitswap_inbound {
    bitswap_peer *peer;
    kw_stream *stream;
    kw_frames frames;
    bool broken;
    size_t n_entries; /* of the message that is read */
    size_t n_asked;   /* entries and presences that were not counted yet */
    size_t n_answers; /* of them, those that moved no block */
    bool paused;      /* until the peer may ask for more, and there is time for it */
    bool full;        /* the message that is read repeats all that is wanted */
    bitswap_inbound *next;
};

uint64_t kw_bitswap_now(const kw_bitswap *b)
{
    return kw_loop_now(kw_host_loop(b->config.host));
}

/* ---- peers ---- */

static bitswap_peer *find_peer(kw_bitswap *b, const kw_peer_id *id)
{
    for (size_t i = 0; i < b->n_peers; i++)
        if (kw_peer_id_equal(&b->peers[i]->id, id))
            return b->peers[i];
    return NULL;
}

bitswap_peer *kw_bitswap_peer_get(kw_bitswap *b, const kw_peer_id *id)
{
    bitswap_peer *peer = find_peer(b, id);
    if (peer || b->n_peers == BITSWAP_PEERS)
        return peer;
    if (b->n_peers == b->cap_peers) {
        const size_t cap = b->cap_peers ? b->cap_peers * 2 : 16;
        bitswap_peer **const peers = realloc(b->peers, cap * sizeof(*peers));
        if (!peers)
            return NULL;
        b->peers = peers;
        b->cap_peers = cap;
    }
    peer = calloc(1, sizeof(*peer));
    if (!peer)
        return NULL;
    peer->bitswap = b;
    peer->id = *id;
    peer->used_ms = kw_bitswap_now(b);
    peer->bucket = kw_bucket_full(&b->peer_rate, peer->used_ms);
    b->peers[b->n_peers++] = peer;
    return peer;
}

static void free_peer(bitswap_peer *peer)
{
    kw_bitswap_serve_forget(peer);
    kw_buf_free(&peer->wants);
    free(peer);
}

/* Frees the peers that nothing holds: only at the tick, where no call is under way with one. */
static void sweep_peers(kw_bitswap *b)
{
    for (size_t i = 0; i < b->n_peers;) {
        bitswap_peer *const peer = b->peers[i];
        const bool remembers = kw_bitswap_wants_later(peer->served) > 0 &&
                               kw_host_connected(b->config.host, &peer->id);
        if (peer->out || peer->opening || peer->n_inbound > 0 || peer->n_slots > 0 || remembers) {
            i++;
            continue;
        }
        b->peers[i] = b->peers[--b->n_peers];
        free_peer(peer);
    }
}

void kw_bitswap_soon(kw_bitswap *b)
{
    kw_timer_set(b->soon, 0, 0);
}

void kw_bitswap_blame(kw_bitswap *b, const bitswap_peer *peer, kw_bitswap_fault fault)
{
    const bitswap_told told = {peer->id, fault};
    if (!b->config.fault)
        return;
    kw_buf_add(&b->faults, (const char *)&told, sizeof(told));
    kw_bitswap_soon(b);
}

static void turn(void *user)
{
    kw_bitswap *const b = user;
    kw_buf faults = b->faults;
    b->faults = (kw_buf){0};
    for (size_t at = 0; at + sizeof(bitswap_told) <= faults.len; at += sizeof(bitswap_told)) {
        bitswap_told told;
        memcpy(&told, faults.data + at, sizeof(told));
        b->config.fault(b->config.user, &told.peer, told.fault);
    }
    kw_buf_free(&faults);
    kw_bitswap_session_sweep(b);
    kw_bitswap_session_turn(b);
}

/* ---- what goes out ---- */

void kw_bitswap_entry_add(bitswap_peer *peer, const kw_cid *cid, bool have, bool cancel)
{
    const kw_bitswap_entry entry = {
        .cid = *cid, .have = have, .cancel = cancel, .send_dont_have = !cancel};
    kw_bitswap_put_entry(&peer->wants, &entry);
}

/* A stream that is left to itself tells nobody of its end. */
static void nobody_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    (void)user;
    (void)stream;
    (void)bytes;
}

static void nobody_closed(void *user, kw_stream *stream, kw_status why)
{
    (void)user;
    (void)stream;
    (void)why;
}

static const kw_stream_events nobody = {nobody_data, NULL, NULL, nobody_closed};

static void give_up(kw_stream *stream)
{
    kw_stream_listen(stream, &nobody, NULL);
    kw_stream_reset(stream);
}

/* Wants and presences in one message, when there is room for it. */
static void send_control(bitswap_peer *peer)
{
    kw_buf *const message = &peer->bitswap->message;
    if (peer->wants.len == 0 && peer->presence.len == 0)
        return;
    message->len = 0;
    if (peer->wants.len > 0)
        kw_bitswap_put_wants(message, &peer->wants);
    kw_buf_add(message, peer->presence.data, peer->presence.len);
    const bool lost = message->failed || peer->wants.failed || peer->presence.failed;
    const kw_bytes bytes = {(const uint8_t *)message->data, message->len};
    if (!lost && kw_stream_room(peer->out) < bytes.len + KW_BITSWAP_HEAD_MAX)
        return;
    if (lost || kw_frame_write(peer->out, bytes, NULL) != KW_OK) {
        kw_buf_free(message); /* what was lost is asked for again with the next stream */
        kw_buf_free(&peer->wants);
        kw_buf_free(&peer->presence);
        kw_stream_reset(peer->out);
        return;
    }
    peer->bitswap->info.control_out += bytes.len;
    peer->bitswap->info.messages_out++;
    peer->wants.len = peer->presence.len = 0;
    peer->used_ms = kw_bitswap_now(peer->bitswap);
}

static void out_drained(void *user, kw_stream *stream)
{
    (void)stream;
    kw_bitswap_flush(user);
}

/* What the peer was told is lost with its stream. */
static void stream_broke(bitswap_peer *peer)
{
    kw_bitswap_serve_forget(peer);
    kw_buf_free(&peer->wants);
    if (++peer->failures < FAILURES_MAX) {
        kw_bitswap_session_again(peer->bitswap, peer);
        return;
    }
    peer->failures = 0;
    if (peer->n_slots == 0)
        return;
    kw_bitswap_session_drop(peer->bitswap, peer);
    kw_bitswap_blame(peer->bitswap, peer, KW_BITSWAP_LOST);
}

static void out_closed(void *user, kw_stream *stream, kw_status why)
{
    bitswap_peer *const peer = user;
    (void)stream;
    peer->out = NULL;
    if (why == KW_OK)
        kw_bitswap_flush(peer);
    else
        stream_broke(peer);
}

/* The peer sends nothing on our stream; the view is dropped. */
static void out_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    (void)user;
    (void)stream;
    (void)bytes;
}

static void out_end(void *user, kw_stream *stream)
{
    (void)user;
    kw_stream_finish(stream);
}

static const kw_stream_events out_events = {out_data, out_end, out_drained, out_closed};

/* Between asking for a stream and having it the peer cannot be freed: `opening` holds it. */
static void opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    bitswap_peer *const peer = user;
    (void)why;
    (void)status;
    peer->opening = false;
    if (peer->gone) { /* bitswap was closed */
        if (stream)
            kw_stream_reset(stream);
        free_peer(peer);
        return;
    }
    if (stream) {
        peer->out = stream;
        kw_stream_listen(stream, &out_events, peer);
        kw_bitswap_flush(peer);
        return;
    }
    peer->failures = FAILURES_MAX - 1; /* a peer that cannot be reached is not tried again */
    stream_broke(peer);
}

/* Whether something is to be sent. */
static bool has_something(const bitswap_peer *peer)
{
    return peer->wants.len > 0 || peer->presence.len > 0 ||
           kw_bitswap_wants_queued(peer->served) > 0;
}

void kw_bitswap_flush(bitswap_peer *peer)
{
    static const char *const protocols[] = {KW_BITSWAP_ID};
    if (peer->out) {
        send_control(peer);
        kw_bitswap_serve(peer);
        return;
    }
    if (peer->opening || !has_something(peer))
        return;
    peer->opening = true;
    kw_host_stream(peer->bitswap->config.host, &peer->id, protocols, 1, opened, peer);
}

/* ---- what comes in ---- */

void kw_bitswap_settle(kw_bitswap *b, const kw_cid *cid)
{
    b->settled[b->n_settled++ % BITSWAP_SETTLED] = bitswap_key(cid);
}

static bool was_settled(const kw_bitswap *b, const kw_cid *cid)
{
    const uint64_t key = bitswap_key(cid);
    const size_t n = KW_MIN(b->n_settled, (size_t)BITSWAP_SETTLED);
    for (size_t i = 0; i < n; i++)
        if (b->settled[i] == key)
            return true;
    return false;
}

/* The peer sends what it must not: it leaves the sessions, and its stream is over. */
static bool refuse(bitswap_inbound *in, kw_bitswap_fault fault)
{
    in->broken = true;
    kw_bitswap_session_drop(in->peer->bitswap, in->peer);
    kw_bitswap_blame(in->peer->bitswap, in->peer, fault);
    return false;
}

static bool take_full(void *user)
{
    bitswap_inbound *const in = user;
    kw_bitswap_serve_full(in->peer);
    in->full = true;
    return true;
}

static bool take_entry(void *user, const kw_bitswap_entry *entry)
{
    bitswap_inbound *const in = user;
    in->n_asked++;
    if (++in->n_entries > BITSWAP_ENTRIES)
        return refuse(in, KW_BITSWAP_BROKEN);
    if (!kw_bitswap_serve_entry(in->peer, entry, in->full))
        in->n_answers++;
    return true;
}

/* The name of a block is what its bytes say; no digest of the sender is believed. */
static bool take_block(void *user, const kw_cid *shape, kw_bytes data)
{
    bitswap_inbound *const in = user;
    kw_bitswap *const b = in->peer->bitswap;
    if (shape->hash != KW_HASH_SHA2_256 || shape->digest_len != 32 || data.len > KW_BLOCK_MAX)
        return refuse(in, KW_BITSWAP_BAD_BLOCK);
    kw_cid cid = kw_cid_of(shape->codec, data, b->config.kernel);
    cid.version = shape->version;
    if (kw_bitswap_session_block(b, in->peer, &cid, data)) {
        in->peer->failures = in->peer->repeats = 0;
        in->peer->silent = false;
        b->info.blocks_in++;
        b->info.bytes_in += data.len;
        kw_host_moved(b->config.host, &in->peer->id, 1);
        return true;
    }
    if (!was_settled(b, &cid) || ++in->peer->repeats > BITSWAP_REPEATS)
        return refuse(in, KW_BITSWAP_BAD_BLOCK);
    b->info.duplicates++;
    kw_bitswap_session_late(b, in->peer);
    return true;
}

static bool take_presence(void *user, const kw_cid *cid, bool has)
{
    bitswap_inbound *const in = user;
    in->n_asked++;
    kw_bitswap_session_presence(in->peer->bitswap, in->peer, cid, has);
    return true;
}

static bool take_message(void *user, kw_bytes message)
{
    static const kw_bitswap_parts parts = {take_full, take_entry, take_block, take_presence};
    bitswap_inbound *const in = user;
    in->n_entries = 0;
    in->full = false;
    if (kw_bitswap_read(message, &parts, in, NULL) != KW_OK)
        (void)refuse(in, KW_BITSWAP_BROKEN);
    return !in->broken;
}

/* Who asks for more than the host allows, or has time for, is not read for a while. */
static void charge(bitswap_inbound *in)
{
    kw_host *const host = in->peer->bitswap->config.host;
    const size_t n = in->n_asked, n_answers = in->n_answers;
    in->n_asked = in->n_answers = 0;
    if (n_answers > 0)
        kw_host_answered(host, &in->peer->id, n_answers);
    const bool within = n == 0 || kw_host_request(host, &in->peer->id, (double)n);
    if (within && (n_answers == 0 || kw_host_has_time(host, &in->peer->id)))
        return;
    in->paused = true;
    kw_stream_pause(in->stream, true);
    if (!within)
        kw_host_blame(host, &in->peer->id, KW_HOST_ABUSE);
}

static bool may_go_on(const bitswap_inbound *in)
{
    kw_host *const host = in->peer->bitswap->config.host;
    return kw_host_request(host, &in->peer->id, 0) && kw_host_has_time(host, &in->peer->id);
}

static void link_last(bitswap_inbound *in)
{
    bitswap_inbound **at = &in->peer->bitswap->inbound;
    while (*at)
        at = &(*at)->next;
    in->next = NULL;
    *at = in;
}

/* In turn: who went on is behind the others the next time. */
static void go_on(kw_bitswap *b)
{
    bitswap_inbound **at = &b->inbound;
    size_t n = 0;
    for (const bitswap_inbound *in = b->inbound; in; in = in->next)
        n++;
    for (; n > 0; n--) {
        bitswap_inbound *const in = *at;
        if (!in->paused || !may_go_on(in)) {
            at = &in->next;
            continue;
        }
        *at = in->next;
        link_last(in);
        in->paused = false;
        kw_stream_pause(in->stream, false); /* may pause it again */
    }
}

static void in_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    bitswap_inbound *const in = user;
    if (in->broken)
        return;
    if (kw_frames_feed(&in->frames, bytes, take_message, in, NULL) != KW_OK && !in->broken)
        (void)refuse(in, KW_BITSWAP_BROKEN);
    if (in->frames.part.len > IS_BLOCK)
        in->peer->heard_ms = kw_bitswap_now(in->peer->bitswap);
    if (in->broken)
        kw_stream_reset(stream);
    else
        charge(in);
    kw_bitswap_flush(in->peer);
}

static void in_end(void *user, kw_stream *stream)
{
    (void)user;
    kw_stream_finish(stream);
}

static void free_inbound(bitswap_inbound *in)
{
    kw_frames_free(&in->frames);
    free(in);
}

static void in_closed(void *user, kw_stream *stream, kw_status why)
{
    bitswap_inbound *const in = user, **at = &in->peer->bitswap->inbound;
    (void)stream;
    (void)why;
    in->peer->n_inbound--;
    while (*at != in)
        at = &(*at)->next;
    *at = in->next;
    free_inbound(in);
}

static bool incoming(void *user, kw_stream *stream)
{
    static const kw_stream_events events = {in_data, in_end, NULL, in_closed};
    kw_bitswap *const b = user;
    bitswap_inbound *const in = calloc(1, sizeof(*in));
    bitswap_peer *const peer = in ? kw_bitswap_peer_get(b, kw_stream_peer(stream)) : NULL;
    if (!peer) {
        free(in);
        return false;
    }
    in->peer = peer;
    in->stream = stream;
    in->frames.max = KW_BITSWAP_MESSAGE_MAX;
    link_last(in);
    peer->n_inbound++;
    kw_stream_listen(stream, &events, in);
    in->paused = !may_go_on(in);
    if (in->paused) /* it comes back to its debt */
        kw_stream_pause(stream, true);
    return true;
}

/* ---- time ---- */

static void tick(void *user)
{
    kw_bitswap *const b = user;
    const uint64_t now = kw_bitswap_now(b);
    bool waiting = false;
    go_on(b);
    for (size_t i = 0; i < b->n_peers; i++) {
        bitswap_peer *const peer = b->peers[(i + now) % b->n_peers]; /* no peer is always first */
        /* While a session holds the peer its stream stays: what it was told would be lost. */
        if (peer->out && peer->n_slots == 0 && !has_something(peer) &&
            now - peer->used_ms > IDLE_MS) {
            kw_stream_listen(peer->out, &nobody, NULL);
            kw_stream_finish(peer->out);
            peer->out = NULL;
        }
        kw_bitswap_flush(peer);
        waiting = waiting || kw_bitswap_wants_queued(peer->served) > 0;
    }
    kw_bitswap_session_tick(b, now);
    sweep_peers(b);
    const bool capped = b->config.cap || b->config.peer_bytes_per_second > 0;
    kw_timer_set(b->timer, waiting && capped ? SERVE_MS : TICK_MS, 0);
}

/* ---- opening and closing ---- */

/* At once: a quarter of a second's. */
static kw_rate rate_of(uint64_t bytes_per_second)
{
    return (kw_rate){(double)bytes_per_second, (double)bytes_per_second / 4};
}

kw_status kw_bitswap_open(const kw_bitswap_config *config, kw_bitswap **out, kw_error *err)
{
    kw_bitswap *const b = calloc(1, sizeof(*b));
    if (!b)
        return kw_fail(err, KW_E_NOMEM, "bitswap: out of memory");
    b->config = *config;
    if (b->config.stall_ms == 0)
        b->config.stall_ms = 10000;
    b->peer_rate = rate_of(config->peer_bytes_per_second);
    const kw_protocol protocol = {
        .id = KW_BITSWAP_ID, .incoming = incoming, .user = b, .max_per_peer = INBOUND_PER_PEER};
    kw_status status = kw_crypto_random(b->salt, sizeof(b->salt), err);
    if (status == KW_OK)
        status = kw_timer_open(kw_host_loop(config->host), tick, b, &b->timer, err);
    if (status == KW_OK)
        status = kw_timer_open(kw_host_loop(config->host), turn, b, &b->soon, err);
    if (status == KW_OK)
        status = kw_host_speak(config->host, &protocol, err);
    if (status != KW_OK) {
        if (b->timer)
            kw_timer_close(b->timer);
        if (b->soon)
            kw_timer_close(b->soon);
        free(b);
        return status;
    }
    kw_timer_set(b->timer, TICK_MS, 0);
    *out = b;
    return KW_OK;
}

void kw_bitswap_close(kw_bitswap *bitswap)
{
    if (!bitswap)
        return;
    kw_host_unspeak(bitswap->config.host, KW_BITSWAP_ID);
    while (bitswap->sessions)
        kw_bitswap_session_close(bitswap->sessions);
    kw_timer_close(bitswap->timer);
    kw_timer_close(bitswap->soon);
    kw_bitswap_session_sweep(bitswap);
    for (bitswap_inbound *in = bitswap->inbound, *next; in; in = next) {
        next = in->next;
        give_up(in->stream);
        free_inbound(in);
    }
    for (size_t i = 0; i < bitswap->n_peers; i++) {
        bitswap_peer *const peer = bitswap->peers[i];
        if (peer->out)
            give_up(peer->out);
        peer->gone = peer->opening; /* freed when its stream comes */
        if (!peer->gone)
            free_peer(peer);
    }
    free(bitswap->peers);
    kw_buf_free(&bitswap->message);
    kw_buf_free(&bitswap->faults);
    free(bitswap);
}

void kw_bitswap_get_info(const kw_bitswap *bitswap, kw_bitswap_info *out)
{
    *out = bitswap->info;
    out->n_peers = bitswap->n_peers;
}
