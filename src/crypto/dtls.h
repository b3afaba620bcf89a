/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dtls.h - the seam to DTLS 1.2 (OpenSSL 3): datagrams in, datagrams out, no socket and no clock
 * but the library's own for retransmission.
 *
 * Certificates are signed by themselves and prove nothing here: who the peer is follows from its
 * hash, which the caller binds into another handshake. An address gets no state before it has sent
 * back a cookie (RFC 6347, 4.2.1), which is an HMAC over it, and a cookie request is shorter than
 * what asked for it. */
#ifndef KW_CRYPTO_DTLS_H
#define KW_CRYPTO_DTLS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#define KW_DTLS_MTU 1200    /* bytes of a datagram that we send */
#define KW_DTLS_OVERHEAD 64 /* at most: of a record above what it carries */

/* ---- a certificate with its key: ECDSA over P-256 ---- */
typedef struct kw_certificate kw_certificate;
kw_status kw_certificate_new(kw_certificate **out, kw_error *err);
/* As PEM: the private key, then the certificate. */
kw_status kw_certificate_read(kw_bytes pem, kw_certificate **out, kw_error *err);
kw_status kw_certificate_write(const kw_certificate *certificate, kw_buf *pem, kw_error *err);
void kw_certificate_free(kw_certificate *certificate);
/* [32] SHA-256 of its DER */
const uint8_t *kw_certificate_hash(const kw_certificate *certificate);

/* ---- one side ---- */
typedef struct kw_dtls_context kw_dtls_context;
typedef struct kw_dtls kw_dtls;
/* Sends a datagram; it is copied or sent before it returns. */
typedef void (*kw_dtls_send_fn)(void *user, kw_bytes datagram);

kw_status kw_dtls_context_open(const kw_certificate *certificate, kw_dtls_context **out,
                               kw_error *err);
void kw_dtls_context_close(kw_dtls_context *context);
/* A datagram from an address without a connection. *out is one when it brought the cookie of this
 * address (its handshake goes on by kw_dtls_receive with the same datagram), else NULL: what is to
 * be answered, if anything, is in reply. */
kw_status kw_dtls_greet(kw_dtls_context *context, kw_bytes address, kw_bytes datagram,
                        kw_buf *reply, kw_dtls **out, kw_error *err);
/* The other side: begins by kw_dtls_advance. */
kw_status kw_dtls_dial(kw_dtls_context *context, kw_dtls **out, kw_error *err);
/* Who sends what comes out; before anything else. */
void kw_dtls_listen(kw_dtls *dtls, kw_dtls_send_fn send, void *user);
void kw_dtls_free(kw_dtls *dtls);

/* Takes one datagram; read what it brought until that is empty. */
kw_status kw_dtls_receive(kw_dtls *dtls, kw_bytes datagram, kw_error *err);
/* The next record's content, or 0: none. KW_E_IO: the peer has closed; KW_E_FORMAT: a broken rule.
 */
kw_status kw_dtls_read(kw_dtls *dtls, uint8_t *out, size_t room, size_t *n, kw_error *err);
kw_status kw_dtls_write(kw_dtls *dtls, kw_bytes content, kw_error *err);
/* Sends what is due: the first flight, or one again that was not answered. */
kw_status kw_dtls_advance(kw_dtls *dtls, kw_error *err);
void kw_dtls_goodbye(kw_dtls *dtls);
/* Whether the handshake is over; then the peer's certificate has a hash. */
bool kw_dtls_secured(const kw_dtls *dtls);
const uint8_t *kw_dtls_peer_hash(const kw_dtls *dtls); /* [32] */

#endif
