/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cid.c - multihash and CID in binary and text.
 *
 * Binary: version 0 is a multihash of SHA-256 alone (and means dag-pb); version 1 is varint 1,
 * varint codec, multihash. A multihash is varint code, varint length, digest; varints are minimal.
 */
#include "wire/cid.h"

#include "base/check.h"
#include "base/uvarint.h"
#include "wire/multibase.h"

#define UVARINT_MAX_BYTES 9

kw_cid kw_cid_of_sha256(uint32_t codec, const uint8_t digest[32])
{
    kw_cid cid = {.version = 1, .digest_len = 32, .codec = codec, .hash = KW_HASH_SHA2_256};
    memcpy(cid.digest, digest, 32);
    return cid;
}

static void hash_block(kw_bytes block, kw_sha256_fn kernel, uint8_t digest[32])
{
    kw_sha256 hash;
    kw_sha256_init(&hash, kernel ? kernel : kw_sha256_kernel(false));
    kw_sha256_update(&hash, block.data, block.len);
    kw_sha256_final(&hash, digest);
}

kw_cid kw_cid_of(uint32_t codec, kw_bytes block, kw_sha256_fn kernel)
{
    uint8_t digest[32];
    hash_block(block, kernel, digest);
    return kw_cid_of_sha256(codec, digest);
}

bool kw_cid_equal(const kw_cid *a, const kw_cid *b)
{
    return a->version == b->version && a->codec == b->codec && a->hash == b->hash &&
           a->digest_len == b->digest_len && memcmp(a->digest, b->digest, a->digest_len) == 0;
}

bool kw_cid_verify(const kw_cid *cid, kw_bytes block, kw_sha256_fn kernel)
{
    uint8_t digest[32];
    if (cid->hash == KW_HASH_IDENTITY)
        return cid->digest_len == block.len &&
               (block.len == 0 || memcmp(cid->digest, block.data, block.len) == 0);
    if (cid->hash != KW_HASH_SHA2_256 || cid->digest_len != 32)
        return false;
    hash_block(block, kernel, digest);
    return memcmp(digest, cid->digest, 32) == 0;
}

size_t kw_cid_multihash(const kw_cid *cid, uint8_t out[KW_CID_MAX])
{
    size_t n = kw_uvarint_put(out, cid->hash);
    n += kw_uvarint_put(out + n, cid->digest_len);
    memcpy(out + n, cid->digest, cid->digest_len);
    return n + cid->digest_len;
}

size_t kw_cid_put(const kw_cid *cid, uint8_t out[KW_CID_MAX])
{
    if (cid->version == 0)
        return kw_cid_multihash(cid, out);
    size_t n = kw_uvarint_put(out, 1);
    n += kw_uvarint_put(out + n, cid->codec);
    return n + kw_cid_multihash(cid, out + n);
}

/* Takes a number of at most max from the front of *in. */
static bool take(kw_bytes *in, uint64_t max, uint64_t *out)
{
    size_t used;
    if (kw_uvarint_get(*in, UVARINT_MAX_BYTES, true, out, &used) != KW_UVARINT_OK || *out > max)
        return false;
    in->data += used;
    in->len -= used;
    return true;
}

static kw_status get_multihash(kw_bytes *in, kw_cid *out, kw_error *err)
{
    uint64_t hash, len;
    if (!take(in, UINT32_MAX, &hash) || !take(in, UINT32_MAX, &len))
        return kw_fail(err, KW_E_FORMAT, "CID: its multihash has no code and length");
    if (len > KW_DIGEST_MAX)
        return kw_fail(err, KW_E_LIMIT, "CID: a digest of %llu bytes; at most %d are read",
                       (unsigned long long)len, KW_DIGEST_MAX);
    if ((hash == KW_HASH_SHA2_256 && len != 32) || (hash == KW_HASH_SHA2_512 && len != 64))
        return kw_fail(err, KW_E_FORMAT, "CID: a digest of %llu bytes does not fit its hash 0x%x",
                       (unsigned long long)len, (unsigned)hash);
    if (len > in->len)
        return kw_fail(err, KW_E_FORMAT, "CID: a digest of %llu bytes runs past its end (%zu)",
                       (unsigned long long)len, in->len);
    out->hash = (uint32_t)hash;
    out->digest_len = (uint8_t)len;
    memcpy(out->digest, in->data, (size_t)len);
    in->data += len;
    in->len -= (size_t)len;
    return KW_OK;
}

kw_status kw_cid_get(kw_bytes in, kw_cid *out, size_t *used, kw_error *err)
{
    kw_cid cid = {.codec = KW_CODEC_DAG_PB};
    kw_bytes left = in;
    uint64_t version, codec;
    if (in.len < 2 || in.data[0] != KW_HASH_SHA2_256 || in.data[1] != 32) {
        if (!take(&left, UINT32_MAX, &version) || version != 1)
            return kw_fail(err, KW_E_FORMAT, "CID: %zu bytes that are neither version 0 nor 1",
                           in.len);
        if (!take(&left, UINT32_MAX, &codec))
            return kw_fail(err, KW_E_FORMAT, "CID: no codec behind its version");
        cid.version = 1;
        cid.codec = (uint32_t)codec;
    }
    KW_TRY(get_multihash(&left, &cid, err));
    if (!used && left.len > 0)
        return kw_fail(err, KW_E_FORMAT, "CID: %zu bytes behind its end", left.len);
    if (used)
        *used = in.len - left.len;
    *out = cid;
    return KW_OK;
}

void kw_cid_text(const kw_cid *cid, char out[KW_CID_TEXT_MAX])
{
    uint8_t binary[KW_CID_MAX];
    char text[1 + KW_BASE_ROOM(KW_CID_MAX)];
    const kw_bytes bytes = {binary, kw_cid_put(cid, binary)};
    text[0] = 'b';
    const size_t n = cid->version == 0 ? kw_base_text(KW_BASE58, bytes, text)
                                       : 1 + kw_base_text(KW_BASE32, bytes, text + 1);
    kw_assert(n < KW_CID_TEXT_MAX);
    memcpy(out, text, n + 1);
}

kw_status kw_cid_parse(kw_str text, kw_cid *out, kw_error *err)
{
    uint8_t binary[KW_CID_MAX];
    size_t len;
    kw_base base = KW_BASE58;
    kw_str digits = text;
    const bool v0 = text.len == 46 && text.data[0] == 'Q' && text.data[1] == 'm';
    if (!v0) {
        if (text.len == 0 || !kw_multibase_letter(text.data[0], &base))
            return kw_fail(err, KW_E_FORMAT, "CID: \"%.*s\" begins with no letter of multibase",
                           KW_FMT(text));
        digits = (kw_str){text.data + 1, text.len - 1};
    }
    if (digits.len > 2 * KW_CID_MAX)
        return kw_fail(err, KW_E_LIMIT, "CID: a text of %zu letters; at most %d bytes are read",
                       text.len, KW_CID_MAX);
    if (!kw_base_bytes(base, digits, binary, sizeof(binary), &len))
        return kw_fail(err, KW_E_FORMAT, "CID: \"%.*s\" is no text of its base", KW_FMT(text));
    /* In multibase there is no version 0: that is how the specification tells them apart. */
    if (!v0 && len > 0 && binary[0] == KW_HASH_SHA2_256)
        return kw_fail(err, KW_E_FORMAT, "CID: \"%.*s\" is a version 0 with a base in front",
                       KW_FMT(text));
    return kw_cid_get((kw_bytes){binary, len}, out, NULL, err);
}
