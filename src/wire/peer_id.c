/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* peer_id.c - a peer id is the key itself where that is short (identity multihash), else its
 * SHA-256. Source: libp2p specifications, peer-ids. */
#include "wire/peer_id.h"

#include "base/check.h"
#include "base/sha256.h"
#include "wire/cid.h"
#include "wire/multibase.h"

enum { INLINE_MAX = 42, SHA256_LEN = 34 };

kw_peer_id kw_peer_id_of(kw_bytes public_key)
{
    kw_peer_id id = {0};
    if (public_key.len <= INLINE_MAX) {
        id.bytes[0] = KW_HASH_IDENTITY;
        id.bytes[1] = (uint8_t)public_key.len;
        if (public_key.len > 0)
            memcpy(id.bytes + 2, public_key.data, public_key.len);
        id.len = (uint8_t)(public_key.len + 2);
        return id;
    }
    kw_sha256 hash;
    kw_sha256_init(&hash, kw_sha256_kernel(false));
    kw_sha256_update(&hash, public_key.data, public_key.len);
    id.bytes[0] = KW_HASH_SHA2_256;
    id.bytes[1] = 32;
    kw_sha256_final(&hash, id.bytes + 2);
    id.len = SHA256_LEN;
    return id;
}

bool kw_peer_id_equal(const kw_peer_id *a, const kw_peer_id *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

kw_status kw_peer_id_get(kw_bytes multihash, kw_peer_id *out, kw_error *err)
{
    const uint8_t *const m = multihash.data;
    const bool is_inline = multihash.len > 2 && multihash.len <= INLINE_MAX + 2 &&
                           m[0] == KW_HASH_IDENTITY && m[1] == multihash.len - 2;
    const bool is_hash = multihash.len == SHA256_LEN && m[0] == KW_HASH_SHA2_256 && m[1] == 32;
    if (!is_inline && !is_hash)
        return kw_fail(err, KW_E_FORMAT,
                       "peer id: %zu bytes that are no multihash of SHA-256 or of a short key",
                       multihash.len);
    kw_peer_id id = {.len = (uint8_t)multihash.len};
    memcpy(id.bytes, m, multihash.len);
    *out = id;
    return KW_OK;
}

void kw_peer_id_text(const kw_peer_id *id, char out[KW_PEER_ID_TEXT_MAX])
{
    char text[KW_BASE_ROOM(KW_PEER_ID_MAX)];
    const size_t n = kw_base_text(KW_BASE58, (kw_bytes){id->bytes, id->len}, text);
    kw_assert(n < KW_PEER_ID_TEXT_MAX);
    memcpy(out, text, n + 1);
}

kw_status kw_peer_id_parse(kw_str text, kw_peer_id *out, kw_error *err)
{
    uint8_t bytes[KW_CID_MAX];
    kw_cid cid;
    size_t len;
    if (kw_str_starts(text, KW_STR("1")) || kw_str_starts(text, KW_STR("Qm"))) {
        if (text.len > KW_PEER_ID_TEXT_MAX ||
            !kw_base_bytes(KW_BASE58, text, bytes, sizeof(bytes), &len))
            return kw_fail(err, KW_E_FORMAT, "peer id: \"%.*s\" is no base58", KW_FMT(text));
        return kw_peer_id_get((kw_bytes){bytes, len}, out, err);
    }
    KW_TRY(kw_cid_parse(text, &cid, err));
    if (cid.codec != KW_CODEC_LIBP2P_KEY)
        return kw_fail(err, KW_E_FORMAT, "peer id: \"%.*s\" is a CID of codec 0x%x, not of a key",
                       KW_FMT(text), cid.codec);
    return kw_peer_id_get((kw_bytes){bytes, kw_cid_multihash(&cid, bytes)}, out, err);
}
