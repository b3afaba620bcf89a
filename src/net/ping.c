/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ping.c - /ipfs/ping/1.0.0: 32 random bytes go out and come back.
 *
 * Source: libp2p specifications, ping. At most two streams of a peer are echoed. */
#include "net/host_internal.h"

#include "crypto/crypto.h"

#include <stdlib.h>
#include <string.h>

#define PING_BYTES 32
#define PING_MS 10000

static const char ping_id[] = "/ipfs/ping/1.0.0";

/* ---- echo ---- */

static void on_echo(void *user, kw_stream *stream, kw_bytes bytes)
{
    (void)user;
    if (kw_stream_write(stream, bytes, NULL) != KW_OK)
        kw_stream_reset(stream); /* it sends and does not read */
}

static void on_echo_end(void *user, kw_stream *stream)
{
    (void)user;
    kw_stream_finish(stream);
}

static void on_echo_closed(void *user, kw_stream *stream, kw_status why)
{
    (void)user;
    (void)stream;
    (void)why;
}

static const kw_stream_events echo_events = {
    .data = on_echo, .end = on_echo_end, .closed = on_echo_closed};

static bool on_incoming(void *user, kw_stream *stream)
{
    (void)user;
    kw_stream_listen(stream, &echo_events, NULL);
    return true;
}

kw_status kw_ping_serve(kw_host *host, kw_error *err)
{
    return kw_host_speak(
        host,
        &(kw_protocol){.id = ping_id, .incoming = on_incoming, .max_per_peer = 2, .limited = true},
        err);
}

/* ---- asking ---- */

typedef struct ping {
    kw_ping_fn done;
    void *user;
    kw_timer *timer;
    kw_stream *stream;
    uint64_t sent_ns, rtt_us;
    uint8_t bytes[PING_BYTES];
    size_t n_back;
    bool late;
} ping;

static void finish(ping *p, kw_status status)
{
    p->done(p->user, status, status == KW_OK ? p->rtt_us : 0);
    kw_timer_close(p->timer);
    free(p);
}

static void on_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    ping *p = user;
    if (bytes.len > PING_BYTES - p->n_back ||
        memcmp(p->bytes + p->n_back, bytes.data, bytes.len) != 0) {
        p->n_back = 0;
        kw_stream_reset(stream);
        return;
    }
    p->n_back += bytes.len;
    if (p->n_back == PING_BYTES) {
        p->rtt_us = (uv_hrtime() - p->sent_ns) / 1000;
        kw_stream_finish(stream);
    }
}

static void on_closed(void *user, kw_stream *stream, kw_status why)
{
    ping *p = user;
    (void)stream;
    /* An answer that is whole stays one, however the stream ends. */
    finish(p, p->n_back == PING_BYTES ? KW_OK : why == KW_OK ? KW_E_FORMAT : why);
}

static const kw_stream_events ping_events = {.data = on_data, .closed = on_closed};

static void on_late(void *user)
{
    ping *p = user;
    p->late = true;
    if (p->stream)
        kw_stream_reset(p->stream);
}

static void on_opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    ping *p = user;
    (void)why;
    if (!stream) {
        finish(p, status);
        return;
    }
    p->stream = stream;
    p->sent_ns = uv_hrtime();
    kw_stream_listen(stream, &ping_events, p);
    if (p->late || kw_stream_write(stream, (kw_bytes){p->bytes, PING_BYTES}, NULL) != KW_OK)
        kw_stream_reset(stream);
}

void kw_host_ping(kw_host *host, const kw_peer_id *peer, kw_ping_fn done, void *user)
{
    static const char *const ids[] = {ping_id};
    ping *p = calloc(1, sizeof *p);
    if (!p || kw_crypto_random(p->bytes, sizeof p->bytes, NULL) != KW_OK ||
        kw_timer_open(host->loop, on_late, p, &p->timer, NULL) != KW_OK) {
        free(p);
        done(user, KW_E_NOMEM, 0);
        return;
    }
    p->done = done;
    p->user = user;
    kw_timer_set(p->timer, PING_MS, 0);
    kw_host_stream(host, peer, ids, 1, on_opened, p);
}
