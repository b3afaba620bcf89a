/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* identity.c - keys in the protobuf {1 type, 2 data} of libp2p. Source: libp2p specifications,
 * peer-ids. */
#include "net/identity.h"

#include "base/protobuf.h"
#include "crypto/crypto.h"

enum { RSA = 0, ED25519 = 1, SECP256K1 = 2, ECDSA = 3 };

/* Both fields are required. */
static kw_status read_key(kw_bytes encoded, uint64_t *type, kw_bytes *data, kw_error *err)
{
    kw_pb message = kw_pb_read(encoded);
    kw_pb_field field;
    bool has_type = false, has_data = false;
    while (kw_pb_next(&message, &field)) {
        if (field.number == 1)
            has_type = kw_pb_u64(&message, &field, type);
        else if (field.number == 2)
            has_data = kw_pb_bytes(&message, &field, data);
    }
    if (message.bad || !has_type || !has_data)
        return kw_fail(err, KW_E_FORMAT, "key: %zu bytes that are no protobuf of a type and a key",
                       encoded.len);
    return KW_OK;
}

kw_status kw_identity_of_seed(const uint8_t seed[32], kw_identity *out, kw_error *err)
{
    static const uint8_t head[4] = {1 << 3, ED25519, 2 << 3 | KW_PB_BYTES, 32};
    kw_identity identity = {0};
    KW_TRY(kw_ed25519_public(seed, identity.public_key, err));
    memcpy(identity.seed, seed, 32);
    memcpy(identity.encoded, head, 4);
    memcpy(identity.encoded + 4, identity.public_key, 32);
    identity.id = kw_peer_id_of((kw_bytes){identity.encoded, sizeof(identity.encoded)});
    *out = identity;
    kw_identity_wipe(&identity);
    return KW_OK;
}

kw_status kw_identity_new(kw_identity *out, kw_error *err)
{
    uint8_t seed[32];
    KW_TRY(kw_crypto_random(seed, sizeof(seed), err));
    const kw_status status = kw_identity_of_seed(seed, out, err);
    kw_crypto_wipe(seed, sizeof(seed));
    return status;
}

kw_status kw_identity_get(kw_bytes encoded, kw_identity *out, kw_error *err)
{
    static const char *const kinds[] = {"RSA", "Ed25519", "secp256k1", "ECDSA"};
    uint64_t type;
    kw_bytes data;
    kw_identity identity;
    KW_TRY(read_key(encoded, &type, &data, err));
    if (type != ED25519)
        return kw_fail(err, KW_E_UNSUPPORTED, "key file: a key of type %s; a node has Ed25519",
                       type < 4 ? kinds[type] : "unknown");
    /* 96 bytes: an old form with the public key twice. */
    if (data.len != 64 && data.len != 96)
        return kw_fail(err, KW_E_FORMAT, "key file: an Ed25519 key of %zu bytes, not 64", data.len);
    KW_TRY(kw_identity_of_seed(data.data, &identity, err));
    bool same = true;
    for (size_t at = 32; at < data.len; at += 32)
        same = same && kw_crypto_equal(data.data + at, identity.public_key, 32);
    if (same)
        *out = identity;
    kw_identity_wipe(&identity);
    return same ? KW_OK
                : kw_fail(err, KW_E_FORMAT,
                          "key file: its public key is not that of its private key");
}

void kw_identity_put(const kw_identity *identity, kw_buf *out)
{
    uint8_t data[64];
    memcpy(data, identity->seed, 32);
    memcpy(data + 32, identity->public_key, 32);
    kw_pb_put_u64(out, 1, ED25519);
    kw_pb_put_bytes(out, 2, (kw_bytes){data, sizeof(data)});
    kw_crypto_wipe(data, sizeof(data));
}

void kw_identity_wipe(kw_identity *identity)
{
    kw_crypto_wipe(identity, sizeof(*identity));
}

kw_status kw_identity_sign(const kw_identity *identity, kw_bytes message, uint8_t out[64],
                           kw_error *err)
{
    return kw_ed25519_sign(identity->seed, message, out, err);
}

bool kw_identity_verify(kw_bytes public_key, kw_bytes message, kw_bytes signature)
{
    uint64_t type;
    kw_bytes data;
    if (public_key.len > KW_PUBLIC_KEY_MAX || read_key(public_key, &type, &data, NULL) != KW_OK)
        return false;
    switch (type) {
    case RSA:
        return kw_rsa_verify(data, message, signature);
    case ED25519:
        return data.len == 32 && signature.len == 64 &&
               kw_ed25519_verify(data.data, message, signature.data);
    case SECP256K1:
        return kw_secp256k1_verify(data, message, signature);
    case ECDSA:
        return kw_ecdsa_verify(data, message, signature);
    default:
        return false;
    }
}
