/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dtls_openssl.c - DTLS 1.2 on OpenSSL 3, which reads one datagram from memory and writes each
 * through a callback.
 *
 * Invariant, as in crypto_openssl.c: no call leaves an entry in OpenSSL's error queue.
 * Renegotiation, session tickets and resumption are off: a connection has one handshake and one set
 * of keys. */
#include "crypto/dtls_openssl.h"

#include "base/check.h"
#include "crypto/crypto.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <limits.h>
#include <stdlib.h>

#define COOKIE 32
#define CHAIN_MAX 16384 /* bytes of certificates that a peer may send */
#define ADDRESS_MAX 32

struct kw_dtls_context {
    SSL_CTX *server, *client; /* owned */
    BIO_METHOD *method;       /* owned: of the datagrams that go out and come in */
    kw_dtls *next;            /* owned: what reads first datagrams, and becomes a connection */
    uint8_t secret[32];       /* of the cookies */
};

struct kw_dtls {
    SSL *ssl; /* owned */
    kw_dtls_context *context;
    kw_bytes datagram; /* that is being read; borrowed during a call */
    kw_dtls_send_fn send;
    void *user;
    kw_buf *reply; /* while it greets: what is sent goes here */
    uint8_t address[ADDRESS_MAX];
    size_t address_len;
    bool secured, peeking;
    uint8_t peer_hash[32];
};

static kw_status refused(kw_error *err, kw_status status, const char *what)
{
    const unsigned long code = ERR_peek_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return kw_fail(err, status, "dtls: %s%s%s", what, reason ? ": " : "", reason ? reason : "");
}

/* ---- datagrams as OpenSSL sees them -------------------------------------------------------- */

static int bio_write(BIO *bio, const char *data, int len)
{
    kw_dtls *const dtls = BIO_get_data(bio);
    const kw_bytes datagram = {(const uint8_t *)data, len > 0 ? (size_t)len : 0};
    if (dtls->reply)
        kw_buf_add(dtls->reply, data, datagram.len);
    else if (dtls->send && datagram.len > 0)
        dtls->send(dtls->user, datagram);
    return len; /* what is lost on the way is sent again */
}

static int bio_read(BIO *bio, char *out, int room)
{
    kw_dtls *const dtls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (dtls->datagram.len == 0 || room <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    const size_t n = KW_MIN(dtls->datagram.len, (size_t)room);
    memcpy(out, dtls->datagram.data, n);
    if (!dtls->peeking)
        dtls->datagram = (kw_bytes){0}; /* what does not fit is cut off, as a socket does */
    return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    kw_dtls *const dtls = BIO_get_data(bio);
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP:
        return 1;
    case BIO_CTRL_DGRAM_SET_PEEK_MODE:
        dtls->peeking = number != 0;
        return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
        return KW_DTLS_MTU;
    default:
        return 0;
    }
}

static BIO_METHOD *new_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "kwaai datagram");
    if (!method || BIO_meth_set_write(method, bio_write) != 1 ||
        BIO_meth_set_read(method, bio_read) != 1 || BIO_meth_set_ctrl(method, bio_ctrl) != 1) {
        BIO_meth_free(method);
        return NULL;
    }
    return method;
}

/* ---- contexts ------------------------------------------------------------------------------ */

/* Any certificate will do: its hash is what counts, and that is bound by another handshake. */
static int verify_any(int good, X509_STORE_CTX *store)
{
    (void)good;
    (void)store;
    return 1;
}

static bool cookie_of(const kw_dtls *dtls, uint8_t out[COOKIE])
{
    kw_hmac_sha256((kw_bytes){dtls->context->secret, sizeof dtls->context->secret},
                   (kw_bytes){dtls->address, dtls->address_len}, (kw_bytes){0}, out);
    return true;
}

static int make_cookie(SSL *ssl, unsigned char *cookie, unsigned *len)
{
    *len = COOKIE;
    return cookie_of(SSL_get_app_data(ssl), cookie);
}

static int check_cookie(SSL *ssl, const unsigned char *cookie, unsigned len)
{
    uint8_t right[COOKIE];
    return len == COOKIE && cookie_of(SSL_get_app_data(ssl), right) &&
           kw_crypto_equal(right, cookie, COOKIE);
}

static SSL_CTX *new_context(const SSL_METHOD *method, const kw_certificate *certificate)
{
    SSL_CTX *const context = SSL_CTX_new(method);
    if (!context)
        return NULL;
    SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                     SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, verify_any);
    SSL_CTX_set_max_cert_list(context, CHAIN_MAX);
    SSL_CTX_set_cookie_generate_cb(context, make_cookie);
    SSL_CTX_set_cookie_verify_cb(context, check_cookie);
    static const char ciphers[] =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
        "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305";
    if (SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(context, DTLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, ciphers) != 1 ||
        SSL_CTX_use_certificate(context, certificate->x509) != 1 ||
        SSL_CTX_use_PrivateKey(context, certificate->key) != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

kw_status kw_dtls_context_open(const kw_certificate *certificate, kw_dtls_context **out,
                               kw_error *err)
{
    kw_dtls_context *context = calloc(1, sizeof *context);
    if (!context)
        return kw_fail(err, KW_E_NOMEM, "dtls: no memory");
    context->method = new_method();
    context->server = new_context(DTLS_server_method(), certificate);
    context->client = new_context(DTLS_client_method(), certificate);
    kw_status status = kw_crypto_random(context->secret, sizeof context->secret, err);
    if (status == KW_OK && (!context->method || !context->server || !context->client))
        status = refused(err, KW_E_INTERNAL, "no context");
    if (status != KW_OK) {
        kw_dtls_context_close(context);
        return status;
    }
    *out = context;
    return KW_OK;
}

void kw_dtls_context_close(kw_dtls_context *context)
{
    if (!context)
        return;
    kw_dtls_free(context->next);
    SSL_CTX_free(context->server);
    SSL_CTX_free(context->client);
    BIO_meth_free(context->method);
    kw_crypto_wipe(context->secret, sizeof context->secret);
    free(context);
}

/* Microseconds until a flight is sent again: sooner than the second that is usual, for whoever
 * waits for a page. */
static unsigned next_timeout(SSL *ssl, unsigned before)
{
    (void)ssl;
    return before == 0 ? 200000 : KW_MIN(2 * before, 3000000u);
}

/* ---- a connection -------------------------------------------------------------------------- */

static kw_status new_dtls(kw_dtls_context *context, SSL_CTX *side, kw_dtls **out, kw_error *err)
{
    kw_dtls *dtls = calloc(1, sizeof *dtls);
    if (!dtls)
        return kw_fail(err, KW_E_NOMEM, "dtls: no memory");
    dtls->context = context;
    dtls->ssl = SSL_new(side);
    BIO *bio = dtls->ssl ? BIO_new(context->method) : NULL;
    if (!bio) {
        kw_dtls_free(dtls);
        return refused(err, KW_E_NOMEM, "no memory");
    }
    BIO_set_data(bio, dtls);
    BIO_set_init(bio, 1);
    SSL_set_bio(dtls->ssl, bio, bio);
    SSL_set_app_data(dtls->ssl, dtls);
    SSL_set_mtu(dtls->ssl, KW_DTLS_MTU);
    (void)DTLS_set_link_mtu(dtls->ssl, KW_DTLS_MTU);
    DTLS_set_timer_cb(dtls->ssl, next_timeout);
    *out = dtls;
    return KW_OK;
}

kw_status kw_dtls_dial(kw_dtls_context *context, kw_dtls **out, kw_error *err)
{
    KW_TRY(new_dtls(context, context->client, out, err));
    SSL_set_connect_state((*out)->ssl);
    return KW_OK;
}

void kw_dtls_free(kw_dtls *dtls)
{
    if (!dtls)
        return;
    dtls->send = NULL;
    SSL_free(dtls->ssl);
    ERR_clear_error();
    free(dtls);
}

void kw_dtls_listen(kw_dtls *dtls, kw_dtls_send_fn send, void *user)
{
    dtls->send = send;
    dtls->user = user;
}

bool kw_dtls_secured(const kw_dtls *dtls)
{
    return dtls->secured;
}

const uint8_t *kw_dtls_peer_hash(const kw_dtls *dtls)
{
    return dtls->peer_hash;
}

kw_status kw_dtls_greet(kw_dtls_context *context, kw_bytes address, kw_bytes datagram,
                        kw_buf *reply, kw_dtls **out, kw_error *err)
{
    *out = NULL;
    kw_assert(address.len <= ADDRESS_MAX);
    if (!context->next)
        KW_TRY(new_dtls(context, context->server, &context->next, err));
    kw_dtls *const dtls = context->next;
    BIO_ADDR *const from = BIO_ADDR_new();
    if (!from)
        return refused(err, KW_E_NOMEM, "no memory");
    memcpy(dtls->address, address.data, address.len);
    dtls->address_len = address.len;
    dtls->datagram = datagram;
    dtls->reply = reply;
    const int result = DTLSv1_listen(dtls->ssl, from);
    BIO_ADDR_free(from);
    dtls->reply = NULL;
    dtls->datagram = (kw_bytes){0};
    dtls->peeking = false;
    ERR_clear_error();
    if (result > 0) {
        *out = dtls;
        context->next = NULL;
    } else if (result < 0) { /* not to be used again */
        kw_dtls_free(dtls);
        context->next = NULL;
    }
    return kw_buf_status(reply, err);
}

/* What a call that did not succeed means. */
static kw_status after(kw_dtls *dtls, int result, kw_error *err)
{
    switch (SSL_get_error(dtls->ssl, result)) {
    case SSL_ERROR_NONE:
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        ERR_clear_error();
        return KW_OK;
    case SSL_ERROR_ZERO_RETURN:
        return refused(err, KW_E_IO, "the peer has closed");
    default:
        /* Before it is secured anybody can forge what ends it: the peer is not to blame. */
        return dtls->secured ? refused(err, KW_E_FORMAT, "broken")
                             : refused(err, KW_E_IO, "the handshake failed");
    }
}

static kw_status shake(kw_dtls *dtls, kw_error *err)
{
    ERR_clear_error();
    const int result = SSL_do_handshake(dtls->ssl);
    if (result != 1)
        return after(dtls, result, err);
    unsigned len = 32;
    X509 *const x509 = SSL_get1_peer_certificate(dtls->ssl);
    const bool good = x509 && X509_digest(x509, EVP_sha256(), dtls->peer_hash, &len) == 1;
    X509_free(x509);
    if (!good)
        return refused(err, KW_E_FORMAT, "the peer has no certificate");
    dtls->secured = true;
    ERR_clear_error();
    return KW_OK;
}

kw_status kw_dtls_receive(kw_dtls *dtls, kw_bytes datagram, kw_error *err)
{
    dtls->datagram = datagram;
    kw_status status = KW_OK;
    if (!dtls->secured) {
        status = shake(dtls, err);
        dtls->datagram = (kw_bytes){0};
    }
    return status;
}

kw_status kw_dtls_read(kw_dtls *dtls, uint8_t *out, size_t room, size_t *n, kw_error *err)
{
    *n = 0;
    if (!dtls->secured)
        return KW_OK;
    ERR_clear_error();
    const int result = SSL_read(dtls->ssl, out, (int)KW_MIN(room, (size_t)INT_MAX));
    if (result > 0) {
        *n = (size_t)result;
        return KW_OK;
    }
    dtls->datagram = (kw_bytes){0};
    return after(dtls, result, err);
}

kw_status kw_dtls_write(kw_dtls *dtls, kw_bytes content, kw_error *err)
{
    if (!dtls->secured || content.len > KW_DTLS_MTU)
        return kw_fail(err, KW_E_INTERNAL, "dtls: %zu bytes cannot be sent", content.len);
    ERR_clear_error();
    const int result = SSL_write(dtls->ssl, content.data, (int)content.len);
    return result > 0 ? KW_OK : after(dtls, result, err);
}

kw_status kw_dtls_advance(kw_dtls *dtls, kw_error *err)
{
    if (dtls->secured)
        return KW_OK;
    ERR_clear_error();
    if (DTLSv1_handle_timeout(dtls->ssl) < 0)
        return refused(err, KW_E_IO, "the peer does not answer");
    return SSL_in_before(dtls->ssl) ? shake(dtls, err) : KW_OK;
}

void kw_dtls_goodbye(kw_dtls *dtls)
{
    if (dtls->secured)
        (void)SSL_shutdown(dtls->ssl);
    ERR_clear_error();
}
