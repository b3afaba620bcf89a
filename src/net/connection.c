/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* connection.c - the life of a connection, its turns, and what comes in. See connection.h.
 *
 * Phases: agree on noise; its three messages; agree on yamux unless both named it in the handshake
 * (connection_handshake.c); frames. Everything that calls a user happens within a turn, and what
 * the turn left to be told or sent is done at its end, so that no handler finds the connection half
 * changed. */
#include "net/connection_internal.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HANDSHAKE_MAX 8192 /* bytes of one of its messages */
#define HANDSHAKE_MS 10000
#define BACKLOG_HIGH ((size_t)1 << 20)
#define MAX_INBOUND 256
#define KEPT_HIGH ((size_t)1 << 20)
#define EARLY_MAX ((size_t)64 << 10)
#define MAX_WINDOW ((size_t)16 << 20)

void kw_connection_fail(kw_connection *c, kw_status why, const char *fmt, ...)
{
    if (c->dead)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(c->reason, sizeof c->reason, fmt, args);
    va_end(args);
    c->dead = true;
    c->why = why;
    kw_muxer_end(&c->muxer, why == KW_OK ? KW_E_CANCELLED : KW_E_IO);
}

/* ---- turns --------------------------------------------------------------------------------- */

static void enter(kw_connection *c)
{
    c->depth++;
}

static void leave(kw_connection *c)
{
    if (c->depth == 1) {
        do {
            if (!c->dead)
                kw_muxer_pump(&c->muxer);
            kw_muxer_sweep(&c->muxer);
        } while (c->muxer.over);
        if (c->muxer.went_away && c->muxer.n_streams == 0)
            kw_connection_fail(c, KW_OK, "the peer said goodbye");
        if (c->phase == PHASE_OPEN || c->phase == PHASE_MUXER)
            kw_connection_flush(c);
        if (c->dead && !c->told) {
            c->told = true;
            c->owner->closed(c->user, c->why, c->reason);
        }
    }
    c->depth--;
}

static void on_write(void *user, kw_bytes header, kw_bytes payload)
{
    kw_connection_put(user, header);
    kw_connection_put(user, payload);
}

static bool on_held(void *user)
{
    const kw_connection *const c = user;
    return c->backlog >= BACKLOG_HIGH;
}

static bool on_incoming(void *user, kw_stream *stream, const char *protocol)
{
    kw_connection *const c = user;
    return !c->dead && c->owner->incoming(c->user, stream, protocol);
}

static bool on_speaks(void *user, const char *protocol)
{
    kw_connection *const c = user;
    return c->owner->speaks(c->user, protocol);
}

static void on_fail(void *user, kw_status status, const char *reason)
{
    kw_connection_fail(user, status, "%s", reason);
}

/* A handler's write outside of a turn goes at once; ends are told by a turn of their own. */
static void on_soon(void *user)
{
    kw_connection *const c = user;
    if (c->depth > 0)
        return;
    c->depth++;
    if (!c->dead) {
        kw_muxer_pump(&c->muxer);
        kw_connection_flush(c);
    }
    c->depth--;
    if ((c->muxer.over || c->dead) && c->owner->soon)
        c->owner->soon(c->user);
}

static const kw_muxer_owner muxer_owner = {.write = on_write,
                                           .held = on_held,
                                           .incoming = on_incoming,
                                           .speaks = on_speaks,
                                           .fail = on_fail,
                                           .soon = on_soon};

/* ---- opening and closing ------------------------------------------------------------------- */

kw_status kw_connection_open(const kw_connection_config *config, kw_connection **out, kw_error *err)
{
    kw_connection *c = calloc(1, sizeof *c);
    if (!c)
        return kw_fail(err, KW_E_NOMEM, "connection: no memory");
    c->identity = config->identity;
    c->owner = config->owner;
    c->user = config->user;
    c->initiator = config->initiator;
    c->expected = config->expected;
    c->started_ms = c->now_ms = config->now_ms;
    c->muxer =
        (kw_muxer){.owner = &muxer_owner,
                   .owner_user = c,
                   .kind = config->channels ? &kw_channel_muxer : &kw_yamux,
                   .channels = config->channels,
                   .channels_user = config->channels_user,
                   .peer = &c->peer,
                   .initiator = config->initiator,
                   .max_inbound = config->max_streams ? config->max_streams : MAX_INBOUND,
                   .max_window = config->max_window_bytes ? config->max_window_bytes : MAX_WINDOW,
                   .budget = config->window_budget,
                   .now_ms = config->now_ms,
                   .heard_ms = config->now_ms};
    c->muxer.max_window = KW_MAX(c->muxer.max_window, (size_t)KW_YAMUX_WINDOW);
    c->muxer.max_window = KW_MIN(c->muxer.max_window, (size_t)1 << 30);
    kw_status status;
    kw_buf buf = {0};
    KW_GOTO(status, kw_muxer_open(&c->muxer, err));
    if (config->channels)
        kw_connection_begin_noise(c, config->prologue);
    else
        kw_connection_agree(c, &buf);
    if (c->dead) {
        status = kw_fail(err, c->why, "connection: %s", c->reason);
        goto fail;
    }
    *out = c;
    if (buf.len)
        kw_connection_send_plain(c, &buf);
    kw_buf_free(&buf);
    return KW_OK;
fail:
    kw_buf_free(&buf);
    kw_connection_free(c);
    return status;
}

void kw_connection_free(kw_connection *c)
{
    if (!c)
        return;
    kw_connection_forget_handshake(c);
    kw_aead_close(c->seal);
    kw_aead_close(c->unseal);
    kw_fifo_free(&c->in);
    kw_fifo_free(&c->part);
    kw_fifo_free(&c->early);
    free(c->plain);
    free(c->out);
    free((void *)(uintptr_t)c->key.data);
    kw_muxer_free(&c->muxer);
    free(c);
}

void kw_connection_close(kw_connection *c)
{
    enter(c);
    if (!c->dead && c->phase == PHASE_OPEN) {
        kw_muxer_goodbye(&c->muxer, 0);
        kw_connection_flush(c);
    }
    kw_connection_fail(c, KW_OK, "closed by us");
    leave(c);
}

void kw_connection_lost(kw_connection *c, kw_status why)
{
    enter(c);
    c->out_len = c->filled = 0;
    kw_connection_fail(c, why, "the connection was lost");
    leave(c);
}

/* ---- receiving ----------------------------------------------------------------------------- */

static void take_sealed(kw_connection *c, kw_bytes body)
{
    kw_error err;
    if (!c->plain && (c->plain = malloc(KW_FRAME_PLAIN_MAX)) == NULL) {
        kw_connection_fail(c, KW_E_NOMEM, "no memory for a frame of %d bytes", KW_NOISE_MAX);
        return;
    }
    c->busy = true;
    if (body.len < KW_NOISE_TAG || kw_aead_unseal(c->unseal, c->unseal_nonce++, (kw_bytes){0}, body,
                                                  c->plain, &err) != KW_OK) {
        kw_connection_fail(c, KW_E_FORMAT, "a frame of %zu bytes was changed on its way", body.len);
        return;
    }
    kw_bytes plain = {c->plain, body.len - KW_NOISE_TAG};
    if (c->phase == PHASE_MUXER && plain.len)
        plain = kw_connection_take_talk(c, plain);
    if (c->phase == PHASE_OPEN && !c->dead)
        kw_muxer_receive(&c->muxer, plain);
}

static void take_frame(kw_connection *c, kw_bytes body)
{
    if (c->phase == PHASE_NOISE)
        kw_connection_take_noise(c, body);
    else
        take_sealed(c, body);
}

/* Of the frame in front, with its length; only KW_FRAME_LEN as long as that is not known. */
static size_t frame_len(kw_bytes bytes)
{
    if (!bytes.data || bytes.len < KW_FRAME_LEN)
        return KW_FRAME_LEN;
    return KW_FRAME_LEN + ((size_t)bytes.data[0] << 8 | bytes.data[1]);
}

/* One frame, from the bytes themselves when it lies there whole. Returns what follows. */
static kw_bytes take_framed(kw_connection *c, kw_bytes bytes)
{
    const kw_bytes first = c->in.len ? kw_fifo_view(&c->in) : bytes;
    if (c->phase == PHASE_NOISE && frame_len(first) > HANDSHAKE_MAX) {
        kw_connection_fail(c, KW_E_LIMIT, "a message of the handshake of %zu bytes (at most %d)",
                           frame_len(first), HANDSHAKE_MAX);
        return bytes;
    }
    if (c->in.len == 0 && bytes.len >= KW_FRAME_LEN && bytes.len >= frame_len(bytes)) {
        const size_t len = frame_len(bytes);
        take_frame(c, (kw_bytes){bytes.data + KW_FRAME_LEN, len - KW_FRAME_LEN});
        return (kw_bytes){bytes.data + len, bytes.len - len};
    }
    const kw_bytes have = kw_fifo_view(&c->in);
    const size_t want = frame_len(have);
    const size_t now = KW_MIN(want - have.len, bytes.len);
    if (!kw_fifo_add(&c->in, (kw_bytes){bytes.data, now})) {
        kw_connection_fail(c, KW_E_NOMEM, "no memory for a frame of %zu bytes", want);
        return bytes;
    }
    const kw_bytes whole = kw_fifo_view(&c->in);
    if (whole.len > KW_FRAME_LEN && whole.len == frame_len(whole)) {
        take_frame(c, (kw_bytes){whole.data + KW_FRAME_LEN, whole.len - KW_FRAME_LEN});
        kw_fifo_drop(&c->in, whole.len);
    } else if (whole.len == KW_FRAME_LEN && frame_len(whole) == KW_FRAME_LEN) {
        kw_connection_fail(c, KW_E_FORMAT, "an empty frame");
    }
    return (kw_bytes){bytes.data + now, bytes.len - now};
}

void kw_connection_receive(kw_connection *c, kw_bytes bytes, uint64_t now_ms)
{
    enter(c);
    c->now_ms = c->muxer.now_ms = now_ms;
    while (bytes.len && !c->dead)
        bytes =
            c->phase == PHASE_SECURITY ? kw_connection_take_talk(c, bytes) : take_framed(c, bytes);
    leave(c);
}

/* ---- channels ------------------------------------------------------------------------------ */

/* Channel 0 carries the handshake and nothing behind it. */
static void take_handshake(kw_connection *c, kw_bytes bytes)
{
    kw_channel_message message;
    while (bytes.len && !c->dead && c->phase == PHASE_NOISE) {
        const kw_channel_result result = kw_channel_next(&c->part, &bytes, &message);
        if (result == KW_CHANNEL_MORE)
            return;
        if (result != KW_CHANNEL_ONE) {
            kw_connection_fail(c, KW_E_FORMAT, "what came on channel 0 is no message");
            return;
        }
        while (message.bytes.len && !c->dead && c->phase == PHASE_NOISE)
            message.bytes = take_framed(c, message.bytes);
        kw_channel_taken(&c->part);
    }
}

typedef enum channel_event { CHANNEL_OPENED, CHANNEL_BYTES, CHANNEL_CLOSED } channel_event;

typedef struct early {
    channel_event event;
    uint16_t channel;
    size_t len; /* of bytes behind it */
} early;

/* Channels are not in order with each other: the initiator's first streams may come before its last
 * message of the handshake does. */
static void keep_early(kw_connection *c, channel_event event, uint16_t channel, kw_bytes bytes)
{
    const early head = {.event = event, .channel = channel, .len = bytes.len};
    if (c->initiator || c->early.len + sizeof head + bytes.len > EARLY_MAX)
        kw_connection_fail(c, KW_E_FORMAT, "channel %u was used before the handshake was over",
                           channel);
    else if (!kw_fifo_add(&c->early, (kw_bytes){(const uint8_t *)&head, sizeof head}) ||
             !kw_fifo_add(&c->early, bytes))
        kw_connection_fail(c, KW_E_NOMEM, "no memory for what came early");
}

static void take_event(kw_connection *c, channel_event event, uint16_t channel, kw_bytes bytes)
{
    if (c->dead)
        return;
    if (c->phase != PHASE_OPEN)
        keep_early(c, event, channel, bytes);
    else if (event == CHANNEL_OPENED)
        kw_muxer_channel_opened(&c->muxer, channel);
    else if (event == CHANNEL_BYTES)
        kw_muxer_channel(&c->muxer, channel, bytes);
    else
        kw_muxer_channel_closed(&c->muxer, channel);
}

static void take_early(kw_connection *c)
{
    kw_fifo kept = c->early;
    c->early = (kw_fifo){0};
    kw_bytes left = kw_fifo_view(&kept);
    for (early head; left.data && left.len >= sizeof head;) {
        memcpy(&head, left.data, sizeof head);
        const kw_bytes bytes = {left.data + sizeof head, head.len};
        take_event(c, head.event, head.channel, bytes);
        left = (kw_bytes){bytes.data + head.len, left.len - sizeof head - head.len};
    }
    kw_fifo_free(&kept);
}

static void on_channel(kw_connection *c, channel_event event, uint16_t channel, kw_bytes bytes,
                       uint64_t now_ms)
{
    enter(c);
    c->now_ms = c->muxer.now_ms = now_ms;
    if (channel != 0) {
        take_event(c, event, channel, bytes);
    } else if (event == CHANNEL_BYTES) {
        take_handshake(c, bytes);
        if (c->phase == PHASE_OPEN)
            take_early(c);
    } else if (event == CHANNEL_CLOSED && c->phase != PHASE_OPEN) {
        kw_connection_fail(c, KW_E_IO, "channel 0 was closed before the handshake was over");
    }
    leave(c);
}

void kw_connection_channel(kw_connection *c, uint16_t channel, kw_bytes bytes, uint64_t now_ms)
{
    on_channel(c, CHANNEL_BYTES, channel, bytes, now_ms);
}

void kw_connection_channel_opened(kw_connection *c, uint16_t channel, uint64_t now_ms)
{
    on_channel(c, CHANNEL_OPENED, channel, (kw_bytes){0}, now_ms);
}

void kw_connection_channel_closed(kw_connection *c, uint16_t channel, uint64_t now_ms)
{
    on_channel(c, CHANNEL_CLOSED, channel, (kw_bytes){0}, now_ms);
}

void kw_connection_writable(kw_connection *c)
{
    c->muxer.blocked = false;
    kw_connection_turn(c);
}

bool kw_connection_full(const kw_connection *c)
{
    return c->muxer.kept >= KEPT_HIGH;
}

void kw_connection_backlog(kw_connection *c, size_t bytes)
{
    const bool was = on_held(c);
    c->backlog = bytes;
    if (was && !on_held(c) && c->depth == 0) {
        enter(c);
        leave(c);
    }
}

void kw_connection_turn(kw_connection *c)
{
    enter(c);
    leave(c);
}

void kw_connection_tick(kw_connection *c, uint64_t now_ms)
{
    enter(c);
    c->now_ms = c->muxer.now_ms = now_ms;
    if (c->phase != PHASE_OPEN && now_ms - c->started_ms >= HANDSHAKE_MS)
        kw_connection_fail(c, KW_E_LIMIT, "no handshake within %d s", HANDSHAKE_MS / 1000);
    if (c->phase == PHASE_OPEN && !c->dead)
        kw_muxer_tick(&c->muxer);
    leave(c);
    /* An idle connection keeps no buffers. */
    if (!c->busy && c->out_len + c->filled == 0) {
        free(c->plain);
        free(c->out);
        c->plain = c->out = NULL;
        c->out_cap = 0;
    }
    c->busy = false;
}

/* ---- what is asked of it ------------------------------------------------------------------- */

void kw_connection_stream(kw_connection *c, const char *const *protocols, size_t n_protocols,
                          kw_stream_fn opened, void *user)
{
    if (c->dead || c->phase != PHASE_OPEN) {
        opened(user, NULL, KW_E_IO,
               c->dead ? "the connection is over" : "the handshake is not over");
        return;
    }
    kw_muxer_dial(&c->muxer, protocols, n_protocols, opened, user);
}

const kw_peer_id *kw_connection_peer(const kw_connection *c)
{
    return &c->peer;
}

kw_bytes kw_connection_key(const kw_connection *c)
{
    return c->key;
}

bool kw_connection_carries(const kw_connection *c, const kw_stream *stream)
{
    return stream->muxer == &c->muxer;
}

size_t kw_connection_streams(const kw_connection *c)
{
    return c->muxer.n_streams;
}

size_t kw_connection_count(const kw_connection *c, const char *protocol)
{
    size_t n = 0;
    for (size_t i = 0; i < c->muxer.n_buckets; i++)
        for (const kw_stream *s = c->muxer.buckets[i]; s; s = s->chain)
            n += s->inbound && !s->over && s->protocol && strcmp(s->protocol, protocol) == 0;
    return n;
}

void kw_connection_get_info(const kw_connection *c, kw_connection_info *out)
{
    *out = (kw_connection_info){.bytes_in = c->muxer.bytes_in,
                                .bytes_out = c->muxer.bytes_out,
                                .rtt_ms = c->muxer.rtt_ms,
                                .n_streams = c->muxer.n_streams,
                                .memory_bytes = sizeof *c + c->key.len + c->in.cap + c->part.cap +
                                                c->early.cap + (c->plain ? KW_FRAME_PLAIN_MAX : 0) +
                                                c->out_cap + kw_muxer_memory(&c->muxer)};
}
