/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_rtc.c - rtc.c between neighbours that do anything: SCTP brings any events in any order
 * and takes messages when it likes, the connection opens, sends and closes what it likes.
 *
 * The neighbours are defined here, so that those of the libraries are not linked. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "net/rtc.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct kw_dtls {
    const uint8_t *data; /* what is still to happen */
    size_t left;
};
struct kw_sctp {
    kw_dtls *script;
    uint16_t open[64]; /* channels that the connection knows of */
    size_t n_open;
    bool closed;
};
struct kw_connection {
    kw_connection_config config;
    struct kw_sctp *sctp;
    bool lost;
};

static struct kw_sctp *the_sctp; /* of the run */

static uint8_t next_byte(kw_dtls *script)
{
    if (script->left == 0)
        return 0;
    script->left--;
    return *script->data++;
}

/* ---- DTLS: secured at once ---- */

void kw_dtls_listen(kw_dtls *dtls, kw_dtls_send_fn send, void *user)
{
    (void)dtls;
    (void)send;
    (void)user;
}
void kw_dtls_free(kw_dtls *dtls)
{
    (void)dtls;
}
bool kw_dtls_secured(const kw_dtls *dtls)
{
    (void)dtls;
    return true;
}
const uint8_t *kw_dtls_peer_hash(const kw_dtls *dtls)
{
    static const uint8_t hash[32];
    (void)dtls;
    return hash;
}
kw_status kw_dtls_receive(kw_dtls *dtls, kw_bytes datagram, kw_error *err)
{
    (void)dtls;
    (void)datagram;
    (void)err;
    return KW_OK;
}
kw_status kw_dtls_read(kw_dtls *dtls, uint8_t *out, size_t room, size_t *n, kw_error *err)
{
    (void)dtls;
    (void)out;
    (void)room;
    (void)err;
    *n = 0;
    return KW_OK;
}
kw_status kw_dtls_write(kw_dtls *dtls, kw_bytes content, kw_error *err)
{
    (void)dtls;
    (void)content;
    (void)err;
    return KW_OK;
}
kw_status kw_dtls_advance(kw_dtls *dtls, kw_error *err)
{
    (void)dtls;
    (void)err;
    return KW_OK;
}
void kw_dtls_goodbye(kw_dtls *dtls)
{
    (void)dtls;
}

/* ---- SCTP: as the script says ---- */

kw_status kw_sctp_open(kw_sctp_stack *stack, void (*send)(void *user, kw_bytes packet), void *user,
                       kw_sctp **out, kw_error *err)
{
    (void)stack;
    (void)send;
    (void)user;
    (void)err;
    *out = the_sctp;
    return KW_OK;
}
void kw_sctp_close(kw_sctp *sctp)
{
    if (sctp)
        sctp->closed = true;
}
void kw_sctp_receive(kw_sctp *sctp, kw_bytes packet)
{
    (void)sctp;
    (void)packet;
}

void kw_sctp_next(kw_sctp *sctp, kw_sctp_event *out)
{
    static const uint32_t payloads[] = {KW_SCTP_DCEP, KW_SCTP_BINARY, KW_SCTP_STRING, 57};
    promise(!sctp->closed);
    *out = (kw_sctp_event){.kind = KW_SCTP_NOTHING};
    const uint8_t what = next_byte(sctp->script);
    out->kind = (kw_sctp_kind)(what % 6);
    if (out->kind == KW_SCTP_OVER && what != 11)
        out->kind = KW_SCTP_DATA; /* not the end each time */
    out->stream = what & 0x80 ? (uint16_t)(1020 + what % 8) : next_byte(sctp->script) % 12;
    out->payload = payloads[what / 8 % 4];
    out->whole = what != 99;
    if (out->kind == KW_SCTP_DATA) {
        size_t len = next_byte(sctp->script);
        len = len < sctp->script->left ? len : sctp->script->left;
        out->bytes = (kw_bytes){sctp->script->data, len};
        sctp->script->data += len;
        sctp->script->left -= len;
    }
}

kw_sctp_sent kw_sctp_send(kw_sctp *sctp, uint16_t stream, uint32_t payload, kw_bytes message)
{
    promise(!sctp->closed && stream < KW_SCTP_STREAMS && payload != 0 && message.len > 0);
    return (kw_sctp_sent)(next_byte(sctp->script) % 3);
}

bool kw_sctp_quiet(kw_sctp *sctp)
{
    promise(!sctp->closed);
    return next_byte(sctp->script) % 2;
}

kw_sctp_sent kw_sctp_end_streams(kw_sctp *sctp, const uint16_t *streams, size_t n)
{
    promise(!sctp->closed && n > 0 && n <= KW_SCTP_STREAMS);
    for (size_t i = 0; i < n; i++)
        promise(streams[i] < KW_SCTP_STREAMS && (i == 0 || streams[i] > streams[i - 1]));
    return (kw_sctp_sent)(next_byte(sctp->script) % 3);
}

/* ---- the connection: does as the script says within each call ---- */

static void act(struct kw_connection *c)
{
    static const uint8_t message[300] = {1};
    const kw_channels *const channels = c->config.channels;
    void *const user = c->config.channels_user;
    struct kw_sctp *const sctp = c->sctp;
    const uint8_t what = next_byte(sctp->script);
    uint16_t channel = 0;
    if (what % 4 == 0 && sctp->n_open < 64 && channels->open(user, &channel)) {
        promise(channel % 2 == (c->config.initiator ? 1 : 0) && channel != 0);
        sctp->open[sctp->n_open++] = channel;
    } else if (sctp->n_open > 0 && what % 4 == 1) {
        channels->close(user, sctp->open[--sctp->n_open]);
    } else if (sctp->n_open > 0) {
        (void)channels->send(user, sctp->open[what % sctp->n_open], (kw_bytes){message, 1u + what},
                             what % 4 == 2);
    }
}

void kw_connection_channel_opened(kw_connection *c, uint16_t channel, uint64_t now_ms)
{
    (void)now_ms;
    promise(!c->lost);
    if (c->sctp->n_open < 64)
        c->sctp->open[c->sctp->n_open++] = channel;
    act(c);
}
void kw_connection_channel(kw_connection *c, uint16_t channel, kw_bytes bytes, uint64_t now_ms)
{
    (void)channel;
    (void)bytes;
    (void)now_ms;
    promise(!c->lost);
    act(c);
}
void kw_connection_channel_closed(kw_connection *c, uint16_t channel, uint64_t now_ms)
{
    (void)channel;
    (void)now_ms;
    promise(!c->lost);
    act(c);
}
void kw_connection_writable(kw_connection *c)
{
    promise(!c->lost);
    act(c);
}
bool kw_connection_full(const kw_connection *c)
{
    return next_byte(c->sctp->script) == 77;
}

/* ---- what rtc.c tells ---- */

typedef struct owner {
    struct kw_connection connection;
    bool up, lost;
} owner;

static void on_send(void *user, kw_bytes datagram)
{
    (void)user;
    (void)datagram;
}

static kw_connection *on_up(void *user, const kw_connection_config *part)
{
    owner *const o = user;
    promise(!o->up && !o->lost && part->prologue.len == 20 + 2 * 34);
    o->up = true;
    o->connection = (struct kw_connection){.config = *part, .sctp = the_sctp};
    return &o->connection;
}

static void on_lost(void *user, kw_status why, const char *reason)
{
    owner *const o = user;
    promise(!o->lost && why != KW_OK && reason[0] != '\0');
    o->lost = o->connection.lost = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const kw_rtc_events events = {.send = on_send, .up = on_up, .lost = on_lost};
    static const uint8_t hash[32];
    if (size == 0)
        return 0;
    struct kw_dtls script = {.data = data + 1, .left = size - 1};
    struct kw_sctp sctp = {.script = &script};
    owner o = {.up = false};
    kw_rtc *rtc;
    the_sctp = &sctp;
    const kw_rtc_config config = {
        .dtls = &script, .own_hash = hash, .server = data[0] % 2, .events = &events, .user = &o};
    if (kw_rtc_open(&config, &rtc, NULL) != KW_OK)
        return 0;
    for (uint64_t now = 0; script.left > 0 && !o.lost; now++) {
        kw_rtc_receive(rtc, (kw_bytes){data, 1}, now);
        kw_rtc_tick(rtc, now);
    }
    kw_rtc_free(rtc);
    return 0;
}
