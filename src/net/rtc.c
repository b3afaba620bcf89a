/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rtc.c - DTLS, SCTP and data channels joined to a connection. See rtc.h.
 *
 * A channel is free for another stream once both sides have closed their half of it. Ours are
 * closed together, when all that was sent has been confirmed: see kw_sctp_end_streams. What must
 * not be lost (the opening of a channel, flags, the handshake) waits in a queue when SCTP takes no
 * more, and stream data does not pass it. */
#include "net/rtc.h"

#include "base/check.h"
#include "net/dcep.h"

#include <stdlib.h>
#include <string.h>

#define CHANNELS KW_SCTP_STREAMS
#define QUEUE_MAX ((size_t)64 << 10) /* bytes that a peer may make us keep for it */
#define PACKET_MAX 4096              /* of SCTP, that is read */

/* Of a channel: its halves that are open; ours is to end; the peer was told; it was opened again
 * before the peer's confirmation came. */
enum { OURS = 1, THEIRS = 2, ENDING = 4, TOLD = 8, STALE = 16 };

typedef struct waiting {
    struct waiting *next;
    uint32_t payload;
    uint16_t channel;
    size_t len;
    uint8_t bytes[];
} waiting;

struct kw_rtc {
    const kw_rtc_events *events;
    void *user;
    kw_sctp_stack *stack;
    kw_dtls *dtls;             /* owned */
    kw_sctp *sctp;             /* owned; once DTLS is there */
    kw_connection *connection; /* borrowed; once SCTP is */
    const uint8_t *own_hash;
    uint8_t peer_hash[32]; /* that it must have */
    bool any_peer, server, blocked, over;
    bool overflowed; /* what must not be lost was: the next turn ends it */
    uint64_t now_ms;
    waiting *first, **last; /* owned */
    size_t queued;
    size_t n_ending; /* channels whose half of ours is to end */
    size_t n_told;   /* of which the peer was told, and has not confirmed it */
    uint8_t halves[CHANNELS];
};

static void lost(kw_rtc *rtc, kw_status why, const char *reason)
{
    if (rtc->over)
        return;
    rtc->over = true;
    rtc->events->lost(rtc->user, why, reason);
}

/* ---- sending ------------------------------------------------------------------------------- */

/* False when it had to be queued and there was no room: the connection is over then. */
static bool send_surely(kw_rtc *rtc, uint16_t channel, uint32_t payload, kw_bytes message)
{
    if (rtc->over || rtc->overflowed || !rtc->sctp)
        return false;
    if (!rtc->first && kw_sctp_send(rtc->sctp, channel, payload, message) != KW_SCTP_LATER)
        return true;
    waiting *w = rtc->queued + message.len <= QUEUE_MAX ? malloc(sizeof *w + message.len) : NULL;
    if (!w) {
        rtc->overflowed = true; /* told later: the caller may be within the connection now */
        return false;
    }
    *w = (waiting){.payload = payload, .channel = channel, .len = message.len};
    if (message.len)
        memcpy(w->bytes, message.data, message.len);
    *rtc->last = w;
    rtc->last = &w->next;
    rtc->queued += sizeof *w + message.len;
    return true;
}

/* Whether nothing waits any more. */
static bool flush(kw_rtc *rtc)
{
    if (rtc->overflowed) {
        lost(rtc, KW_E_LIMIT, "webrtc: the peer asks and does not read the answers");
        return false;
    }
    while (rtc->first && !rtc->over) {
        waiting *const w = rtc->first;
        if (kw_sctp_send(rtc->sctp, w->channel, w->payload, (kw_bytes){w->bytes, w->len}) ==
            KW_SCTP_LATER)
            return false;
        rtc->first = w->next;
        if (!rtc->first)
            rtc->last = &rtc->first;
        rtc->queued -= sizeof *w + w->len;
        free(w);
    }
    return !rtc->over;
}

static void free_queue(kw_rtc *rtc)
{
    for (waiting *w = rtc->first, *next; w; w = next) {
        next = w->next;
        free(w);
    }
    rtc->first = NULL;
    rtc->last = &rtc->first;
}

/* ---- what the connection asks -------------------------------------------------------------- */

static bool on_open(void *user, uint16_t *channel)
{
    kw_rtc *const rtc = user;
    uint8_t open[KW_DCEP_OPEN_LEN];
    for (uint16_t i = rtc->server ? 1 : 2; i < CHANNELS; i = (uint16_t)(i + 2)) {
        if (rtc->halves[i])
            continue;
        kw_dcep_open(open);
        if (!send_surely(rtc, i, KW_SCTP_DCEP, (kw_bytes){open, sizeof open}))
            return false;
        rtc->halves[i] = OURS | THEIRS;
        *channel = i;
        return true;
    }
    return false;
}

static bool on_message(void *user, uint16_t channel, kw_bytes message, bool must)
{
    kw_rtc *const rtc = user;
    if (must)
        return send_surely(rtc, channel, KW_SCTP_BINARY, message);
    if (rtc->over || rtc->first)
        rtc->blocked = true;
    else
        rtc->blocked = kw_sctp_send(rtc->sctp, channel, KW_SCTP_BINARY, message) == KW_SCTP_LATER;
    return !rtc->blocked;
}

/* Our half counts as open until the peer confirms its end (KW_SCTP_WE_CLOSED). */
static void end_ours(kw_rtc *rtc, uint16_t channel)
{
    if (channel >= CHANNELS || (rtc->halves[channel] & (OURS | ENDING)) != OURS)
        return;
    rtc->halves[channel] |= ENDING;
    rtc->n_ending++;
}

/* Tells the peer of all that are to end, one list at a time; in the midst of traffic only when
 * there are many. */
static void tell_ends(kw_rtc *rtc)
{
    uint16_t list[CHANNELS];
    size_t n = 0;
    if (rtc->n_ending == 0 || rtc->n_told > 0 || rtc->first ||
        (rtc->n_ending < CHANNELS / 4 && !kw_sctp_quiet(rtc->sctp)))
        return;
    for (uint16_t i = 0; i < CHANNELS; i++)
        if ((rtc->halves[i] & (ENDING | TOLD)) == ENDING)
            list[n++] = i;
    if (n == 0 || kw_sctp_end_streams(rtc->sctp, list, n) != KW_SCTP_SENT)
        return;
    for (size_t i = 0; i < n; i++)
        rtc->halves[list[i]] |= TOLD;
    rtc->n_told = n;
    rtc->n_ending = 0;
}

static void we_closed(kw_rtc *rtc, uint16_t channel)
{
    if (channel >= CHANNELS)
        return;
    const unsigned before = rtc->halves[channel];
    if (!(before & (TOLD | STALE)))
        return;
    rtc->halves[channel] &= (uint8_t)~(before & STALE ? STALE : OURS | ENDING | TOLD);
    if (rtc->n_told > 0)
        rtc->n_told--;
}

static void on_close(void *user, uint16_t channel)
{
    end_ours(user, channel);
}

static const kw_channels channels = {.open = on_open, .send = on_message, .close = on_close};

/* ---- what comes out of SCTP ---------------------------------------------------------------- */

static void put_hash(uint8_t *out, const uint8_t hash[32])
{
    out[0] = 0x12; /* a multihash of SHA-256 */
    out[1] = 32;
    memcpy(out + 2, hash, 32);
}

static void come_up(kw_rtc *rtc)
{
    static const char name[] = "libp2p-webrtc-noise:";
    uint8_t prologue[sizeof name - 1 + 68];
    uint8_t *const hashes = prologue + sizeof name - 1;
    const uint8_t *const theirs = kw_dtls_peer_hash(rtc->dtls);
    memcpy(prologue, name, sizeof name - 1);
    put_hash(hashes, rtc->server ? theirs : rtc->own_hash); /* the dialer's first */
    put_hash(hashes + 34, rtc->server ? rtc->own_hash : theirs);
    const kw_connection_config part = {.initiator = rtc->server,
                                       .channels = &channels,
                                       .channels_user = rtc,
                                       .prologue = {prologue, sizeof prologue},
                                       .max_streams = CHANNELS / 4,
                                       .now_ms = rtc->now_ms};
    rtc->halves[0] = OURS | THEIRS;
    rtc->connection = rtc->events->up(rtc->user, &part);
    if (!rtc->connection)
        lost(rtc, KW_E_NOMEM, "webrtc: no connection could be opened");
}

static void take_dcep(kw_rtc *rtc, const kw_sctp_event *event)
{
    static const uint8_t ack = KW_DCEP_ACK;
    kw_dcep said;
    kw_error err;
    if (!event->whole || kw_dcep_read(event->bytes, &said, &err) != KW_OK) {
        lost(rtc, KW_E_FORMAT, event->whole ? err.message : "dcep: a message too long to be one");
        return;
    }
    if (said.kind == KW_DCEP_ACK)
        return;
    const unsigned before = event->stream < CHANNELS ? rtc->halves[event->stream] : THEIRS;
    if (before != 0 && before != (OURS | ENDING | TOLD)) {
        lost(rtc, KW_E_FORMAT, "dcep: a channel that is open was opened");
        return;
    }
    rtc->halves[event->stream] = before ? OURS | THEIRS | STALE : OURS | THEIRS;
    if (said.channel_type != 0) { /* drops or reorders: no stream */
        end_ours(rtc, event->stream);
        return;
    }
    (void)send_surely(rtc, event->stream, KW_SCTP_DCEP, (kw_bytes){&ack, 1});
    kw_connection_channel_opened(rtc->connection, event->stream, rtc->now_ms);
}

static void take_data(kw_rtc *rtc, const kw_sctp_event *event)
{
    if (!rtc->connection)
        return;
    if (event->payload == KW_SCTP_DCEP)
        take_dcep(rtc, event);
    else if (event->payload == KW_SCTP_BINARY)
        kw_connection_channel(rtc->connection, event->stream, event->bytes, rtc->now_ms);
    /* Text, and the messages that stand for empty ones: no stream of bytes has them. */
}

static void they_closed(kw_rtc *rtc, uint16_t channel)
{
    if (channel >= CHANNELS || !(rtc->halves[channel] & THEIRS))
        return;
    rtc->halves[channel] &= (uint8_t)~THEIRS;
    end_ours(rtc, channel);
    if (rtc->connection)
        kw_connection_channel_closed(rtc->connection, channel, rtc->now_ms);
}

static void take(kw_rtc *rtc, const kw_sctp_event *event)
{
    switch (event->kind) {
    case KW_SCTP_NOTHING:
        break;
    case KW_SCTP_UP:
        if (!rtc->connection)
            come_up(rtc);
        break;
    case KW_SCTP_DATA:
        take_data(rtc, event);
        break;
    case KW_SCTP_THEY_CLOSED:
        they_closed(rtc, event->stream);
        break;
    case KW_SCTP_WE_CLOSED:
        we_closed(rtc, event->stream);
        break;
    case KW_SCTP_OVER:
        lost(rtc, KW_E_IO, "webrtc: the peer has closed");
        break;
    }
}

static void drain(kw_rtc *rtc)
{
    kw_sctp_event event = {.kind = KW_SCTP_UP};
    while (rtc->sctp && !rtc->over && event.kind != KW_SCTP_NOTHING &&
           !(rtc->connection && kw_connection_full(rtc->connection))) {
        kw_sctp_next(rtc->sctp, &event);
        take(rtc, &event);
    }
    if (!rtc->over && rtc->sctp && flush(rtc) && rtc->blocked && rtc->connection) {
        rtc->blocked = false;
        kw_connection_writable(rtc->connection);
    }
    if (!rtc->over && rtc->sctp)
        tell_ends(rtc);
}

/* ---- what goes through DTLS ---------------------------------------------------------------- */

static void on_packet(void *user, kw_bytes packet)
{
    kw_rtc *const rtc = user;
    (void)kw_dtls_write(rtc->dtls, packet, NULL); /* one that is lost is sent again */
}

static void on_datagram(void *user, kw_bytes datagram)
{
    kw_rtc *const rtc = user;
    rtc->events->send(rtc->user, datagram);
}

/* DTLS has just been secured. */
static kw_status begin_sctp(kw_rtc *rtc, kw_error *err)
{
    if (!rtc->any_peer && memcmp(kw_dtls_peer_hash(rtc->dtls), rtc->peer_hash, 32) != 0)
        return kw_fail(err, KW_E_FORMAT,
                       "webrtc: the certificate is another than the address says");
    return kw_sctp_open(rtc->stack, on_packet, rtc, &rtc->sctp, err);
}

static kw_status read_records(kw_rtc *rtc, kw_error *err)
{
    uint8_t packet[PACKET_MAX];
    size_t n = 1;
    while (n > 0 && !rtc->over) {
        KW_TRY(kw_dtls_read(rtc->dtls, packet, sizeof packet, &n, err));
        if (n > 0 && rtc->sctp)
            kw_sctp_receive(rtc->sctp, (kw_bytes){packet, n});
    }
    return KW_OK;
}

static kw_status take_datagram(kw_rtc *rtc, kw_bytes datagram, kw_error *err)
{
    KW_TRY(kw_dtls_receive(rtc->dtls, datagram, err));
    if (!kw_dtls_secured(rtc->dtls))
        return KW_OK;
    if (!rtc->sctp)
        KW_TRY(begin_sctp(rtc, err));
    return read_records(rtc, err);
}

void kw_rtc_receive(kw_rtc *rtc, kw_bytes datagram, uint64_t now_ms)
{
    kw_error err = {.message = ""};
    if (rtc->over)
        return;
    rtc->now_ms = now_ms;
    const kw_status status = take_datagram(rtc, datagram, &err);
    drain(rtc); /* what came before the end still counts */
    if (status != KW_OK)
        lost(rtc, status, err.message);
}

void kw_rtc_tick(kw_rtc *rtc, uint64_t now_ms)
{
    kw_error err = {.message = ""};
    if (rtc->over)
        return;
    rtc->now_ms = now_ms;
    const kw_status status = kw_dtls_advance(rtc->dtls, &err);
    drain(rtc);
    if (status != KW_OK)
        lost(rtc, status, err.message);
}

/* ---- its life ------------------------------------------------------------------------------ */

kw_status kw_rtc_open(const kw_rtc_config *config, kw_rtc **out, kw_error *err)
{
    kw_rtc *rtc = calloc(1, sizeof *rtc);
    if (!rtc) {
        kw_dtls_free(config->dtls);
        return kw_fail(err, KW_E_NOMEM, "webrtc: no memory");
    }
    *rtc = (kw_rtc){.events = config->events,
                    .user = config->user,
                    .stack = config->stack,
                    .dtls = config->dtls,
                    .own_hash = config->own_hash,
                    .any_peer = config->peer_hash == NULL,
                    .server = config->server,
                    .now_ms = config->now_ms};
    rtc->last = &rtc->first;
    if (config->peer_hash)
        memcpy(rtc->peer_hash, config->peer_hash, sizeof rtc->peer_hash);
    kw_dtls_listen(rtc->dtls, on_datagram, rtc);
    *out = rtc;
    return KW_OK;
}

void kw_rtc_close(kw_rtc *rtc)
{
    if (!rtc->dtls)
        return;
    rtc->over = true;
    kw_sctp_close(rtc->sctp);
    rtc->sctp = NULL;
    kw_dtls_goodbye(rtc->dtls);
    kw_dtls_listen(rtc->dtls, NULL, NULL);
    free_queue(rtc);
}

void kw_rtc_free(kw_rtc *rtc)
{
    if (!rtc)
        return;
    kw_rtc_close(rtc);
    kw_dtls_free(rtc->dtls);
    free(rtc);
}
