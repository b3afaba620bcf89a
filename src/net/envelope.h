/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* envelope.h - bytes that a peer signed for one purpose (the domain), to be shown to others.
 *
 * Source: libp2p RFC 0002, signed envelopes. */
#ifndef KW_NET_ENVELOPE_H
#define KW_NET_ENVELOPE_H

#include "net/identity.h"

#define KW_ENVELOPE_MAX 4096

/* Adds the envelope to *out. */
kw_status kw_envelope_seal(const kw_identity *identity, kw_str domain, kw_bytes type,
                           kw_bytes payload, kw_buf *out, kw_error *err);
/* Checks the signature, domain and type: who signed it, and a view of the payload. */
kw_status kw_envelope_open(kw_bytes in, kw_str domain, kw_bytes type, kw_peer_id *signer,
                           kw_bytes *payload, kw_error *err);

#endif
