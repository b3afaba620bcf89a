/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_crypto_dtls.c - any datagrams: as the first ones of an address, in the middle of a handshake
 * on either side, and behind it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "crypto/dtls.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const kw_bytes address = {(const uint8_t *)"192.0.2.1", 9};

/* The last datagram of each side. */
typedef struct side {
    kw_dtls *dtls;
    uint8_t out[2048];
    size_t len;
    size_t n_sent;
} side;

static void on_send(void *user, kw_bytes datagram)
{
    side *const s = user;
    promise(datagram.len > 0 && datagram.len <= KW_DTLS_MTU);
    memcpy(s->out, datagram.data, datagram.len);
    s->len = datagram.len;
    s->n_sent++;
}

static kw_dtls_context *context(void)
{
    static kw_dtls_context *made;
    static kw_certificate *certificate;
    if (!made) {
        promise(kw_certificate_new(&certificate, NULL) == KW_OK);
        promise(kw_dtls_context_open(certificate, &made, NULL) == KW_OK);
    }
    return made;
}

static kw_bytes last_of(const side *s)
{
    return (kw_bytes){s->out, s->len};
}

static void feed(side *s, kw_bytes datagram)
{
    uint8_t out[4096];
    size_t n = 1;
    kw_error err = {.message = ""};
    if (!s->dtls)
        return;
    kw_status status = kw_dtls_receive(s->dtls, datagram, &err);
    while (status == KW_OK && n > 0)
        status = kw_dtls_read(s->dtls, out, sizeof out, &n, &err);
    if (status != KW_OK) {
        promise(err.message[0] != '\0');
        kw_dtls_free(s->dtls);
        s->dtls = NULL;
    }
}

/* A client's first flight, with the cookie that the server wants. */
static void begin(side *client, side *server)
{
    kw_buf reply = {0};
    promise(kw_dtls_dial(context(), &client->dtls, NULL) == KW_OK);
    kw_dtls_listen(client->dtls, on_send, client);
    promise(kw_dtls_advance(client->dtls, NULL) == KW_OK && client->len > 0);
    promise(kw_dtls_greet(context(), address, last_of(client), &reply, &server->dtls, NULL) ==
            KW_OK);
    promise(!server->dtls && reply.len > 0 && reply.len <= client->len);
    feed(client, (kw_bytes){(const uint8_t *)reply.data, reply.len});
    kw_buf_free(&reply);
    promise(kw_dtls_greet(context(), address, last_of(client), &reply, &server->dtls, NULL) ==
            KW_OK);
    promise(server->dtls != NULL);
    kw_dtls_listen(server->dtls, on_send, server);
    kw_buf_free(&reply);
}

/* The first byte says how far the handshake gets; then datagrams, each behind its length. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    side client = {.len = 0}, server = {.len = 0};
    if (size == 0)
        return 0;
    begin(&client, &server);
    for (unsigned i = 0; i < data[0] % 4u; i++) {
        feed(&server, last_of(&client));
        feed(&client, last_of(&server));
    }
    for (size_t at = 1; at + 2 <= size;) {
        const size_t want = (size_t)(data[at] & 7) << 8 | data[at + 1];
        const size_t len = want < size - at - 2 ? want : size - at - 2;
        const kw_bytes datagram = {data + at + 2, len};
        kw_buf reply = {0};
        kw_dtls *opened = NULL;
        promise(kw_dtls_greet(context(), address, datagram, &reply, &opened, NULL) == KW_OK);
        promise(!opened && reply.len <= len); /* nobody guesses a cookie */
        kw_buf_free(&reply);
        feed(data[at] & 8 ? &client : &server, datagram);
        at += 2 + len;
    }
    kw_dtls_free(client.dtls);
    kw_dtls_free(server.dtls);
    return 0;
}
