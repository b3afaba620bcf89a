/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* connection.c - a connection from its first byte to its streams. See connection.h.
 *
 * Phases: agree on noise; its three messages; agree on yamux unless both named it in the handshake;
 * frames. Everything that calls a user happens within a turn, and what the turn left to be told or
 * sent is done at its end, so that no handler finds the connection half changed. */
#include "net/connection.h"

#include "base/check.h"
#include "crypto/crypto.h"
#include "net/channels.h"
#include "net/muxer.h"
#include "net/noise.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEN = 2, PLAIN_MAX = KW_NOISE_MAX - KW_NOISE_TAG, HANDSHAKE_MAX = 8192 };
#define FRAME_MAX ((size_t)LEN + KW_NOISE_MAX)
#define OUT_MAX (8 * FRAME_MAX) /* that are sent at once: a call of the system wakes the peer */
#define HANDSHAKE_MS 10000
#define BACKLOG_HIGH ((size_t)1 << 20)
#define MAX_INBOUND 256
#define KEPT_HIGH ((size_t)1 << 20)
#define EARLY_MAX ((size_t)64 << 10)
#define MAX_WINDOW ((size_t)16 << 20)

static const char *const noise_id = "/noise", *const yamux_id = "/yamux/1.0.0";

typedef enum phase { PHASE_SECURITY, PHASE_NOISE, PHASE_MUXER, PHASE_OPEN } phase;

struct kw_connection {
    const kw_identity *identity;
    const kw_connection_owner *owner;
    void *user;
    kw_peer_id expected, peer;
    kw_bytes key; /* owned: the peer's, protobuf */
    phase phase;
    bool initiator, dead, told, busy /* buffers were used since the last tick */;
    int depth; /* of turns: above 0 inside of one */
    kw_status why;
    char reason[160];
    kw_multistream *talk; /* owned, while a protocol is agreed on */
    kw_noise *noise;      /* owned, during the handshake */
    kw_aead *seal, *unseal;
    uint64_t seal_nonce, unseal_nonce;
    kw_fifo in;     /* a frame that has not come whole */
    kw_fifo part;   /* likewise a message of channel 0 */
    kw_fifo early;  /* what came on other channels before the handshake was over */
    uint8_t *plain; /* [PLAIN_MAX] what was unsealed; lazily there */
    uint8_t *out;   /* [out_cap] sealed frames, and the one being filled; lazily there */
    size_t out_cap, out_len /* of whole frames */, filled /* of the next one, before its tag */;
    size_t backlog;
    uint64_t started_ms, now_ms;
    kw_muxer muxer;
};

static void fail(kw_connection *c, kw_status why, const char *fmt, ...) KW_PRINTF(3, 4);
static void fail(kw_connection *c, kw_status why, const char *fmt, ...)
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

/* ---- sending ------------------------------------------------------------------------------- */

/* Gives the frame that is being filled its tag and its length. */
static void end_frame(kw_connection *c)
{
    kw_error err;
    uint8_t *const frame = c->out + c->out_len;
    const size_t len = c->filled + KW_NOISE_TAG;
    const kw_status status = kw_aead_seal_end(c->seal, frame + LEN + c->filled, &err);
    c->filled = 0;
    if (status != KW_OK) {
        fail(c, status, "%s", err.message);
        return;
    }
    frame[0] = (uint8_t)(len >> 8);
    frame[1] = (uint8_t)len;
    c->out_len += LEN + len;
}

/* Sends the frames that are there; the one that is being filled ends here. */
static void flush(kw_connection *c)
{
    if (c->filled)
        end_frame(c);
    const size_t len = c->out_len;
    c->out_len = 0;
    if (len)
        c->owner->send(c->user, (kw_bytes){c->out, len});
}

/* Room for one more frame, behind those that wait: one by one while that suffices, then for all. */
static bool begin_frame(kw_connection *c)
{
    kw_error err;
    if (c->out_len + FRAME_MAX > OUT_MAX)
        flush(c);
    if (c->out_len + FRAME_MAX > c->out_cap) {
        const size_t cap = c->out_cap ? OUT_MAX : FRAME_MAX;
        uint8_t *const out = realloc(c->out, cap);
        if (!out) {
            fail(c, KW_E_NOMEM, "no memory for frames of %zu bytes", cap);
            return false;
        }
        c->out = out;
        c->out_cap = cap;
    }
    const kw_status status = kw_aead_seal_begin(c->seal, c->seal_nonce++, &err);
    if (status != KW_OK)
        fail(c, status, "%s", err.message);
    return status == KW_OK;
}

/* Seals bytes where they go out from: nothing is copied before. */
static void put(kw_connection *c, kw_bytes bytes)
{
    kw_error err;
    c->busy = true;
    while (bytes.len) {
        if (c->filled == 0 && !begin_frame(c))
            return;
        const size_t now = KW_MIN(bytes.len, PLAIN_MAX - c->filled);
        const kw_status status = kw_aead_seal_add(c->seal, (kw_bytes){bytes.data, now},
                                                  c->out + c->out_len + LEN + c->filled, &err);
        if (status != KW_OK) {
            c->filled = 0;
            fail(c, status, "%s", err.message);
            return;
        }
        c->filled += now;
        bytes = (kw_bytes){bytes.data + now, bytes.len - now};
        if (c->filled == PLAIN_MAX)
            end_frame(c);
    }
}

static void send_plain(kw_connection *c, const kw_buf *buf)
{
    if (c->muxer.channels) {
        uint8_t message[KW_CHANNEL_MESSAGE];
        kw_assert(buf->len <= KW_CHANNEL_BYTES);
        const kw_bytes bytes = {(const uint8_t *)buf->data, buf->len};
        const size_t len = kw_channel_put(message, KW_CHANNEL_NONE, bytes);
        (void)c->muxer.channels->send(c->muxer.channels_user, 0, (kw_bytes){message, len}, true);
    } else if (buf->len)
        c->owner->send(c->user, (kw_bytes){(const uint8_t *)buf->data, buf->len});
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
            fail(c, KW_OK, "the peer said goodbye");
        if (c->phase == PHASE_OPEN || c->phase == PHASE_MUXER)
            flush(c);
        if (c->dead && !c->told) {
            c->told = true;
            c->owner->closed(c->user, c->why, c->reason);
        }
    }
    c->depth--;
}

static void on_write(void *user, kw_bytes header, kw_bytes payload)
{
    put(user, header);
    put(user, payload);
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
    fail(user, status, "%s", reason);
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
        flush(c);
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

/* Begins to agree on one protocol; what is to be sent is added to out. */
static bool begin_talk(kw_connection *c, const char *const *protocol, kw_buf *out);
static void begin_noise(kw_connection *c, kw_bytes prologue);

static bool speaks_noise(void *user, const char *protocol)
{
    (void)user;
    return strcmp(protocol, noise_id) == 0;
}

static bool speaks_yamux(void *user, const char *protocol)
{
    (void)user;
    return strcmp(protocol, yamux_id) == 0;
}

static bool begin_talk(kw_connection *c, const char *const *protocol, kw_buf *out)
{
    c->talk = malloc(sizeof *c->talk);
    if (!c->talk) {
        fail(c, KW_E_NOMEM, "no memory to agree on %s", *protocol);
        return false;
    }
    if (c->initiator)
        kw_multistream_propose(c->talk, protocol, 1, out);
    else
        kw_multistream_answer(c->talk, *protocol == noise_id ? speaks_noise : speaks_yamux, NULL,
                              out);
    if (kw_buf_status(out, NULL) != KW_OK) {
        fail(c, KW_E_NOMEM, "no memory to agree on %s", *protocol);
        return false;
    }
    return true;
}

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
        begin_noise(c, config->prologue);
    else
        (void)begin_talk(c, &noise_id, &buf);
    if (c->dead) {
        status = kw_fail(err, c->why, "connection: %s", c->reason);
        goto fail;
    }
    *out = c;
    if (buf.len)
        send_plain(c, &buf);
    kw_buf_free(&buf);
    return KW_OK;
fail:
    kw_buf_free(&buf);
    kw_connection_free(c);
    return status;
}

static void free_noise(kw_connection *c)
{
    if (c->noise)
        kw_crypto_wipe(c->noise, sizeof *c->noise);
    free(c->noise);
    c->noise = NULL;
}

static void free_talk(kw_connection *c)
{
    if (c->talk)
        kw_multistream_free(c->talk);
    free(c->talk);
    c->talk = NULL;
}

void kw_connection_free(kw_connection *c)
{
    if (!c)
        return;
    free_noise(c);
    free_talk(c);
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
        flush(c);
    }
    fail(c, KW_OK, "closed by us");
    leave(c);
}

void kw_connection_lost(kw_connection *c, kw_status why)
{
    enter(c);
    c->out_len = c->filled = 0;
    fail(c, why, "the connection was lost");
    leave(c);
}

/* ---- the handshake ------------------------------------------------------------------------- */

static void open_muxer(kw_connection *c)
{
    c->phase = PHASE_OPEN;
    if (!c->muxer.channels)
        kw_muxer_ping(&c->muxer); /* the round trip, for the growth of windows */
    c->owner->secured(c->user, &c->peer);
}

/* Sends our next message of the handshake. */
static kw_status send_noise(kw_connection *c, kw_error *err)
{
    kw_buf payload = {0}, message = {0};
    kw_status status = KW_OK;
    static const char no_len[LEN];
    if (c->noise->step > 0)
        KW_GOTO(status, kw_noise_payload(c->noise, c->identity, c->muxer.channels ? NULL : yamux_id,
                                         &payload, err));
    kw_buf_add(&message, no_len, LEN);
    KW_GOTO(status, kw_noise_write(c->noise, (kw_bytes){(const uint8_t *)payload.data, payload.len},
                                   &message, err));
    message.data[0] = (char)((message.len - LEN) >> 8);
    message.data[1] = (char)(message.len - LEN);
    send_plain(c, &message);
fail:
    kw_buf_free(&payload);
    kw_buf_free(&message);
    return status;
}

/* Who the peer says it is, and whether that is right. */
static kw_status meet(kw_connection *c, kw_bytes payload, bool *early, kw_error *err)
{
    kw_bytes key;
    bool named, same;
    KW_TRY(kw_noise_check(c->noise, payload, yamux_id, &key, &c->peer, &named, &same, err));
    if (c->expected.len && !kw_peer_id_equal(&c->expected, &c->peer)) {
        char found[KW_PEER_ID_TEXT_MAX];
        kw_peer_id_text(&c->peer, found);
        return kw_fail(err, KW_E_FORMAT, "another peer answered than was expected: %s", found);
    }
    if (named && !same && !c->muxer.channels)
        return kw_fail(err, KW_E_UNSUPPORTED, "noise: the peer speaks no muxer that we do (%s)",
                       yamux_id);
    *early = same || c->muxer.channels;
    uint8_t *copy = malloc(key.len);
    if (!copy)
        return kw_fail(err, KW_E_NOMEM, "noise: no memory for a key");
    memcpy(copy, key.data, key.len);
    c->key = (kw_bytes){copy, key.len};
    return KW_OK;
}

static kw_status finish_noise(kw_connection *c, kw_error *err)
{
    if (c->muxer.channels) { /* the transport seals */
        free_noise(c);
        return KW_OK;
    }
    uint8_t send[32], receive[32];
    KW_TRY(kw_noise_split(c->noise, send, receive, err));
    kw_status status = kw_aead_open(send, true, &c->seal, err);
    if (status == KW_OK)
        status = kw_aead_open(receive, false, &c->unseal, err);
    kw_crypto_wipe(send, sizeof send);
    kw_crypto_wipe(receive, sizeof receive);
    free_noise(c);
    return status;
}

/* After the handshake: the muxer is known, or is agreed on now. */
static void choose_muxer(kw_connection *c, bool early)
{
    if (early) {
        open_muxer(c);
        return;
    }
    c->phase = PHASE_MUXER;
    kw_buf buf = {0};
    if (begin_talk(c, &yamux_id, &buf))
        put(c, (kw_bytes){(const uint8_t *)buf.data, buf.len});
    kw_buf_free(&buf);
}

static kw_status take_noise(kw_connection *c, kw_bytes message, bool *early, kw_error *err)
{
    kw_buf payload = {0};
    kw_status status;
    KW_GOTO(status, kw_noise_read(c->noise, message, &payload, err));
    if (c->noise->step > 1)
        KW_GOTO(status,
                meet(c, (kw_bytes){(const uint8_t *)payload.data, payload.len}, early, err));
    if (kw_noise_ours(c->noise))
        KW_GOTO(status, send_noise(c, err));
    if (kw_noise_over(c->noise))
        KW_GOTO(status, finish_noise(c, err));
fail:
    kw_buf_free(&payload);
    return status;
}

/* ---- receiving ----------------------------------------------------------------------------- */

static void begin_noise(kw_connection *c, kw_bytes prologue)
{
    kw_error err = {0};
    c->phase = PHASE_NOISE;
    c->noise = malloc(sizeof *c->noise);
    kw_status status = KW_E_NOMEM;
    if (c->noise)
        status = kw_noise_begin(c->noise, c->initiator, prologue, NULL, NULL, &err);
    if (status == KW_OK && kw_noise_ours(c->noise))
        status = send_noise(c, &err);
    if (status != KW_OK)
        fail(c, status, "noise: %s", err.message[0] ? err.message : "no memory");
}

/* Agreement on noise, in the clear, or on yamux, sealed. Returns what follows it. */
static kw_bytes take_talk(kw_connection *c, kw_bytes bytes)
{
    kw_buf out = {0};
    size_t used;
    const bool clear = c->phase == PHASE_SECURITY;
    const kw_multistream_state state = kw_multistream_feed(c->talk, bytes, &used, &out);
    if (kw_buf_status(&out, NULL) != KW_OK)
        fail(c, KW_E_NOMEM, "no memory to agree on a protocol");
    else if (clear)
        send_plain(c, &out);
    else
        put(c, (kw_bytes){(const uint8_t *)out.data, out.len});
    kw_buf_free(&out);
    if (state == KW_MULTISTREAM_NONE)
        fail(c, KW_E_UNSUPPORTED, "the peer does not speak %s", clear ? noise_id : yamux_id);
    else if (state == KW_MULTISTREAM_BAD)
        fail(c, KW_E_FORMAT, "the peer broke the rules of multistream-select");
    if (state == KW_MULTISTREAM_DONE && !c->dead) {
        free_talk(c);
        if (clear)
            begin_noise(c, (kw_bytes){0});
        else
            open_muxer(c);
    }
    return (kw_bytes){bytes.data + used, bytes.len - used};
}

static void take_sealed(kw_connection *c, kw_bytes body)
{
    kw_error err;
    if (!c->plain && (c->plain = malloc(PLAIN_MAX)) == NULL) {
        fail(c, KW_E_NOMEM, "no memory for a frame of %d bytes", KW_NOISE_MAX);
        return;
    }
    c->busy = true;
    if (body.len < KW_NOISE_TAG || kw_aead_unseal(c->unseal, c->unseal_nonce++, (kw_bytes){0}, body,
                                                  c->plain, &err) != KW_OK) {
        fail(c, KW_E_FORMAT, "a frame of %zu bytes was changed on its way", body.len);
        return;
    }
    kw_bytes plain = {c->plain, body.len - KW_NOISE_TAG};
    if (c->phase == PHASE_MUXER && plain.len)
        plain = take_talk(c, plain);
    if (c->phase == PHASE_OPEN && !c->dead)
        kw_muxer_receive(&c->muxer, plain);
}

static void take_frame(kw_connection *c, kw_bytes body)
{
    if (c->phase != PHASE_NOISE) {
        take_sealed(c, body);
        return;
    }
    kw_error err;
    bool early = false;
    const kw_status status = take_noise(c, body, &early, &err);
    if (status != KW_OK)
        fail(c, status, "%s", err.message);
    else if (!c->noise)
        choose_muxer(c, early);
}

/* Of the frame in front, with its length; only LEN as long as that is not known. */
static size_t frame_len(kw_bytes bytes)
{
    if (!bytes.data || bytes.len < LEN)
        return LEN;
    return LEN + ((size_t)bytes.data[0] << 8 | bytes.data[1]);
}

/* One frame, from the bytes themselves when it lies there whole. Returns what follows. */
static kw_bytes take_framed(kw_connection *c, kw_bytes bytes)
{
    const kw_bytes first = c->in.len ? kw_fifo_view(&c->in) : bytes;
    if (c->phase == PHASE_NOISE && frame_len(first) > HANDSHAKE_MAX) {
        fail(c, KW_E_LIMIT, "a message of the handshake of %zu bytes (at most %d)",
             frame_len(first), HANDSHAKE_MAX);
        return bytes;
    }
    if (c->in.len == 0 && bytes.len >= LEN && bytes.len >= frame_len(bytes)) {
        const size_t len = frame_len(bytes);
        take_frame(c, (kw_bytes){bytes.data + LEN, len - LEN});
        return (kw_bytes){bytes.data + len, bytes.len - len};
    }
    const kw_bytes have = kw_fifo_view(&c->in);
    const size_t want = frame_len(have);
    const size_t now = KW_MIN(want - have.len, bytes.len);
    if (!kw_fifo_add(&c->in, (kw_bytes){bytes.data, now})) {
        fail(c, KW_E_NOMEM, "no memory for a frame of %zu bytes", want);
        return bytes;
    }
    const kw_bytes whole = kw_fifo_view(&c->in);
    if (whole.len > LEN && whole.len == frame_len(whole)) {
        take_frame(c, (kw_bytes){whole.data + LEN, whole.len - LEN});
        kw_fifo_drop(&c->in, whole.len);
    } else if (whole.len == LEN && frame_len(whole) == LEN) {
        fail(c, KW_E_FORMAT, "an empty frame");
    }
    return (kw_bytes){bytes.data + now, bytes.len - now};
}

void kw_connection_receive(kw_connection *c, kw_bytes bytes, uint64_t now_ms)
{
    enter(c);
    c->now_ms = c->muxer.now_ms = now_ms;
    while (bytes.len && !c->dead)
        bytes = c->phase == PHASE_SECURITY ? take_talk(c, bytes) : take_framed(c, bytes);
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
            fail(c, KW_E_FORMAT, "what came on channel 0 is no message");
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
        fail(c, KW_E_FORMAT, "channel %u was used before the handshake was over", channel);
    else if (!kw_fifo_add(&c->early, (kw_bytes){(const uint8_t *)&head, sizeof head}) ||
             !kw_fifo_add(&c->early, bytes))
        fail(c, KW_E_NOMEM, "no memory for what came early");
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
        fail(c, KW_E_IO, "channel 0 was closed before the handshake was over");
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
        fail(c, KW_E_LIMIT, "no handshake within %d s", HANDSHAKE_MS / 1000);
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
                                                c->early.cap + (c->plain ? PLAIN_MAX : 0) +
                                                c->out_cap + kw_muxer_memory(&c->muxer)};
}
