/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* envelope.c - Envelope{1 public_key, 2 payload_type, 3 payload, 5 signature}; what is signed is
 * domain, type and payload, each with its length in front. Source: libp2p RFC 0002. */
#include "net/envelope.h"

#include "base/protobuf.h"
#include "base/uvarint.h"

enum { PUBLIC_KEY = 1, TYPE = 2, PAYLOAD = 3, SIGNATURE = 5 };

static void add_part(kw_buf *out, kw_bytes part)
{
    uint8_t length[KW_UVARINT_MAX];
    kw_buf_add(out, (const char *)length, kw_uvarint_put(length, part.len));
    if (part.len > 0)
        kw_buf_add(out, (const char *)part.data, part.len);
}

static void add_signed(kw_buf *out, kw_str domain, kw_bytes type, kw_bytes payload)
{
    add_part(out, (kw_bytes){(const uint8_t *)domain.data, domain.len});
    add_part(out, type);
    add_part(out, payload);
}

kw_status kw_envelope_seal(const kw_identity *identity, kw_str domain, kw_bytes type,
                           kw_bytes payload, kw_buf *out, kw_error *err)
{
    uint8_t signature[64];
    kw_buf text = {0};
    add_signed(&text, domain, type, payload);
    kw_status status = kw_buf_status(&text, err);
    if (status == KW_OK)
        status = kw_identity_sign(identity, (kw_bytes){(const uint8_t *)text.data, text.len},
                                  signature, err);
    kw_buf_free(&text);
    if (status != KW_OK)
        return status;
    kw_pb_put_bytes(out, PUBLIC_KEY, (kw_bytes){identity->encoded, sizeof identity->encoded});
    kw_pb_put_bytes(out, TYPE, type);
    kw_pb_put_bytes(out, PAYLOAD, payload);
    kw_pb_put_bytes(out, SIGNATURE, (kw_bytes){signature, sizeof signature});
    return kw_buf_status(out, err);
}

static bool is_signed(kw_str domain, kw_bytes type, kw_bytes payload, kw_bytes key,
                      kw_bytes signature)
{
    kw_buf text = {0};
    add_signed(&text, domain, type, payload);
    const bool good =
        !text.failed &&
        kw_identity_verify(key, (kw_bytes){(const uint8_t *)text.data, text.len}, signature);
    kw_buf_free(&text);
    return good;
}

kw_status kw_envelope_open(kw_bytes in, kw_str domain, kw_bytes type, kw_peer_id *signer,
                           kw_bytes *payload, kw_error *err)
{
    kw_bytes parts[SIGNATURE + 1] = {0};
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    if (in.len > KW_ENVELOPE_MAX)
        return kw_fail(err, KW_E_LIMIT, "envelope: %zu bytes (at most %d)", in.len,
                       KW_ENVELOPE_MAX);
    while (kw_pb_next(&pb, &field))
        if (field.number >= PUBLIC_KEY && field.number <= SIGNATURE)
            (void)kw_pb_bytes(&pb, &field, &parts[field.number]);
    if (pb.bad)
        return kw_fail(err, KW_E_FORMAT, "envelope: no protocol buffer");
    const kw_bytes key = parts[PUBLIC_KEY], kind = parts[TYPE];
    if (!kind.data || kind.len != type.len || memcmp(kind.data, type.data, type.len) != 0)
        return kw_fail(err, KW_E_FORMAT, "envelope: holds something else");
    if (key.len == 0 || key.len > KW_PUBLIC_KEY_MAX ||
        !is_signed(domain, type, parts[PAYLOAD], key, parts[SIGNATURE]))
        return kw_fail(err, KW_E_FORMAT, "envelope: the signature does not fit");
    *signer = kw_peer_id_of(key);
    *payload = parts[PAYLOAD];
    return KW_OK;
}
