/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* carrier.c - what may lie between a socket and a connection: the key of a private network, a
 * WebSocket, and HTTP, which a WebSocket begins as.
 *
 *   socket - WebSocket frames - private network - Noise ...
 *
 * A plain link in a public network has none of it and costs nothing here. */
#include "net/carrier.h"

#include "base/check.h"
#include "crypto/crypto.h"
#include "net/http.h"
#include "net/psk.h"
#include "net/websocket.h"

#include <stdlib.h>
#include <string.h>

#define ROOM ((size_t)512 << 10) /* queued bytes of an HTTP body */

struct kw_carrier {
    kw_http *http;
    kw_ws ws;
    bool has_ws, has_psk;
    bool said_nonce, knows_nonce;
    uint8_t nonce[KW_PSK_NONCE]; /* theirs, as it arrives */
    size_t n_nonce;
    kw_xsalsa20 out, in;
    char key[KW_WS_KEY_LEN + 1];
    kw_buf answer; /* the head of a server's answer to our upgrade */
};

static kw_status carrier_of(kw_link *link, kw_carrier **out, kw_error *err)
{
    if (!link->carrier)
        link->carrier = calloc(1, sizeof *link->carrier);
    if (!link->carrier)
        return kw_fail(err, KW_E_NOMEM, "host: out of memory for a connection");
    *out = link->carrier;
    return KW_OK;
}

void kw_carrier_free(kw_link *link)
{
    kw_carrier *c = link->carrier;
    if (!c)
        return;
    kw_http_free(c->http);
    kw_buf_free(&c->answer);
    kw_crypto_wipe(c, sizeof *c);
    free(c);
    link->carrier = NULL;
}

/* ---- private networks ---- */

kw_status kw_carrier_begin_psk(kw_link *link, kw_error *err)
{
    kw_carrier *c;
    if (!link->host->config.psk)
        return KW_OK;
    KW_TRY(carrier_of(link, &c, err));
    c->has_psk = true;
    return KW_OK;
}

/* Their nonce first, then bytes to decipher in place. */
static void open_psk(kw_link *link, uint8_t *bytes, size_t n)
{
    kw_carrier *c = link->carrier;
    while (n > 0 && !c->knows_nonce) {
        c->nonce[c->n_nonce++] = *bytes++;
        n--;
        if (c->n_nonce == sizeof c->nonce) {
            kw_xsalsa20_init(&c->in, link->host->config.psk, c->nonce);
            c->knows_nonce = true;
        }
    }
    if (n == 0)
        return;
    kw_xsalsa20_xor(&c->in, bytes, n);
    kw_link_take(link, (kw_bytes){bytes, n});
}

/* Adds bytes to *to as the private network hides them, our nonce before the first. */
static void hide(kw_link *link, kw_bytes bytes, kw_buf *to)
{
    kw_carrier *c = link->carrier;
    if (!c->said_nonce) {
        uint8_t nonce[KW_PSK_NONCE];
        if (kw_crypto_random(nonce, sizeof nonce, NULL) != KW_OK) {
            to->failed = true;
            return;
        }
        kw_xsalsa20_init(&c->out, link->host->config.psk, nonce);
        kw_buf_add(to, (const char *)nonce, sizeof nonce);
        c->said_nonce = true;
    }
    kw_buf_add(to, (const char *)bytes.data, bytes.len);
    if (!to->failed)
        kw_xsalsa20_xor(&c->out, (uint8_t *)to->data + to->len - bytes.len, bytes.len);
}

/* ---- WebSocket ---- */

static void on_payload(void *user, kw_bytes payload)
{
    kw_link *link = user;
    if (link->over)
        return;
    if (link->carrier->has_psk) /* the bytes are the read buffer's, which is ours to change */
        open_psk(link, (uint8_t *)(uintptr_t)payload.data, payload.len);
    else
        kw_link_take(link, payload);
}

static void on_frame(void *user, kw_bytes frame)
{
    kw_link_write(user, frame);
}

static void feed_ws(kw_link *link, uint8_t *bytes, size_t n)
{
    static const kw_ws_events events = {.data = on_payload, .send = on_frame};
    kw_error err;
    const kw_status status = kw_ws_feed(&link->carrier->ws, bytes, n, &events, link, &err);
    if (link->over)
        return;
    if (status != KW_OK)
        kw_link_fail(link, status, err.message);
    else if (link->carrier->ws.closed)
        kw_link_fail(link, KW_E_IO, "the peer closed the WebSocket");
}

static void frame_out(kw_link *link, kw_bytes bytes)
{
    kw_carrier *c = link->carrier;
    uint8_t mask[4] = {0};
    kw_buf frame = {0};
    if (!c->ws.client || kw_crypto_random(mask, sizeof mask, NULL) == KW_OK)
        kw_ws_frame(&c->ws, bytes, mask, &frame);
    if (frame.failed || frame.len == 0)
        link->broken = true;
    else
        kw_link_write(link, (kw_bytes){(const uint8_t *)frame.data, frame.len});
    kw_buf_free(&frame);
}

void kw_carrier_send(kw_link *link, kw_bytes bytes)
{
    kw_carrier *c = link->carrier;
    kw_buf hidden = {0};
    if (!c || (!c->has_psk && !c->has_ws)) {
        kw_link_write(link, bytes);
        return;
    }
    if (c->has_psk) {
        hide(link, bytes, &hidden);
        bytes = (kw_bytes){(const uint8_t *)hidden.data, hidden.len};
        link->broken = link->broken || hidden.failed;
    }
    if (!link->broken && c->has_ws)
        frame_out(link, bytes);
    else if (!link->broken)
        kw_link_write(link, bytes);
    kw_buf_free(&hidden);
}

/* ---- HTTP, and what becomes a WebSocket ---- */

static void http_send(void *user, kw_bytes bytes)
{
    kw_link_write(user, bytes);
}

static size_t http_room(void *user)
{
    const kw_link *link = user;
    const size_t queued = link->flight.len + link->pending.len;
    return queued < ROOM ? ROOM - queued : 0;
}

static void http_request(void *user, kw_http_request *request)
{
    const kw_link *link = user;
    const kw_host *host = link->host;
    if (link->counted && !kw_limits_request(host->gate, link->ip6, link->ip, KW_COST_QUESTION,
                                            kw_loop_now(host->loop))) {
        kw_link_blame(link, KW_HOST_ABUSE);
        kw_http_reply_status(request, 429, "too many requests\n");
        return;
    }
    /* A private network tells nothing to who has not its key. */
    if (host->http && !host->closing && !host->config.psk)
        host->http(host->http_user, request);
    else
        kw_http_reply_status(request, 404, "nothing here\n");
}

static void http_close(void *user)
{
    kw_link_finish(user); /* frees nothing yet */
}

static void http_malformed(void *user)
{
    kw_link_blame(user, KW_HOST_MALFORMED);
}

static bool http_upgrade(void *user, kw_str key, uint8_t *rest, size_t n)
{
    kw_link *link = user;
    kw_carrier *c = link->carrier;
    char accept[KW_WS_ACCEPT_LEN + 1];
    kw_buf head = {0};
    kw_error err;
    kw_ws_accept(key, accept);
    kw_buf_printf(&head,
                  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                  accept);
    const bool sent = !head.failed;
    if (sent)
        kw_link_write(link, (kw_bytes){(const uint8_t *)head.data, head.len});
    kw_buf_free(&head);
    (void)kw_multiaddr_add(&link->addr, KW_MA_WS, (kw_bytes){0}, NULL);
    c->has_ws = true;
    link->mode = KW_LINK_CARRIED;
    if (!sent || kw_link_shake_hands(link, NULL, &err) != KW_OK)
        return false;
    feed_ws(link, rest, n);
    return true;
}

kw_status kw_carrier_begin_http(kw_link *link, kw_error *err)
{
    static const kw_http_owner owner = {.send = http_send,
                                        .room = http_room,
                                        .request = http_request,
                                        .upgrade = http_upgrade,
                                        .close = http_close,
                                        .malformed = http_malformed};
    kw_carrier *c;
    KW_TRY(carrier_of(link, &c, err));
    link->mode = KW_LINK_HTTP;
    return kw_http_open(&owner, link, &c->http, err);
}

/* ---- our own upgrade ---- */

kw_status kw_carrier_begin_ws(kw_link *link, kw_error *err)
{
    kw_carrier *c;
    uint8_t random[16];
    kw_buf request = {0};
    KW_TRY(carrier_of(link, &c, err));
    KW_TRY(kw_crypto_random(random, sizeof random, err));
    kw_ws_key(random, c->key);
    c->ws.client = true;
    link->mode = KW_LINK_UPGRADING;
    kw_ws_request("libp2p", c->key, &request);
    const kw_status status = kw_buf_status(&request, err);
    if (status == KW_OK)
        kw_link_write(link, (kw_bytes){(const uint8_t *)request.data, request.len});
    kw_buf_free(&request);
    return status;
}

static void upgrading(kw_link *link, kw_bytes bytes)
{
    kw_carrier *c = link->carrier;
    kw_error err = {.message = "the server does not speak WebSocket"};
    const size_t before = c->answer.len;
    kw_buf_add(&c->answer, (const char *)bytes.data, bytes.len);
    if (c->answer.failed) {
        kw_link_fail(link, KW_E_NOMEM, "out of memory");
        return;
    }
    const kw_str answer = {c->answer.data, c->answer.len};
    const size_t head = kw_http_head_size(answer);
    if (head == 0 && answer.len < KW_HTTP_HEAD_MAX)
        return;
    const bool good = head > 0 && kw_ws_answered((kw_str){answer.data, head}, kw_str_from(c->key));
    kw_buf_free(&c->answer);
    c->has_ws = true;
    link->mode = KW_LINK_CARRIED;
    if (!good || kw_link_shake_hands(link, &link->expected, &err) != KW_OK) {
        kw_link_fail(link, KW_E_FORMAT, err.message);
        return;
    }
    feed_ws(link, (uint8_t *)(uintptr_t)bytes.data + (head - before), bytes.len - (head - before));
}

/* ---- bytes in ---- */

void kw_carrier_receive(kw_link *link, kw_bytes bytes)
{
    kw_carrier *c = link->carrier;
    uint8_t *own = (uint8_t *)(uintptr_t)bytes.data; /* the host's read buffer, or link->first */
    if (link->mode == KW_LINK_HTTP)
        kw_http_receive(c->http, bytes);
    else if (link->mode == KW_LINK_UPGRADING)
        upgrading(link, bytes);
    else if (c->has_ws)
        feed_ws(link, own, bytes.len);
    else
        open_psk(link, own, bytes.len);
}

void kw_carrier_drained(kw_link *link)
{
    if (link->mode == KW_LINK_HTTP)
        kw_http_drained(link->carrier->http);
}

bool kw_carrier_busy(const kw_link *link)
{
    return link->mode == KW_LINK_HTTP && kw_http_busy(link->carrier->http);
}

void kw_host_http(kw_host *host, kw_http_fn handler, void *user)
{
    host->http = handler;
    host->http_user = user;
}
