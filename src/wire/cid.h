/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cid.h - multihash and CID: what a block of bytes is called.
 *
 * A CID is held by value. Digests of up to 64 bytes are read; what is verified is SHA-256 and the
 * identity hash. Source: multiformats CID, versions 0 and 1. */
#ifndef KW_WIRE_CID_H
#define KW_WIRE_CID_H

#include "base/buf.h"
#include "base/error.h"
#include "base/sha256.h"
#include "base/str.h"

enum { KW_HASH_IDENTITY = 0x00, KW_HASH_SHA2_256 = 0x12, KW_HASH_SHA2_512 = 0x13 };
enum {
    KW_CODEC_RAW = 0x55,
    KW_CODEC_DAG_PB = 0x70,
    KW_CODEC_DAG_CBOR = 0x71,
    KW_CODEC_LIBP2P_KEY = 0x72
};

#define KW_DIGEST_MAX 64
#define KW_CID_MAX 100      /* binary */
#define KW_CID_TEXT_MAX 168 /* base32 text and its terminator */

typedef struct kw_cid {
    uint8_t version; /* 0 or 1 */
    uint8_t digest_len;
    uint32_t codec, hash;
    uint8_t digest[KW_DIGEST_MAX]; /* zero behind digest_len, so that CIDs compare by memcmp */
} kw_cid;

/* The CIDv1 of a block by SHA-256. kernel: of kw_sha256_kernel, NULL for the scalar one. */
kw_cid kw_cid_of(uint32_t codec, kw_bytes block, kw_sha256_fn kernel);
/* The same of a digest that was computed elsewhere. */
kw_cid kw_cid_of_sha256(uint32_t codec, const uint8_t digest[32]);
bool kw_cid_equal(const kw_cid *a, const kw_cid *b);
/* Whether these bytes are the block of this name; false also for hashes that we do not compute. */
bool kw_cid_verify(const kw_cid *cid, kw_bytes block, kw_sha256_fn kernel);

/* Binary. put returns the length. get reads one from the front; with used NULL it must be all. */
size_t kw_cid_put(const kw_cid *cid, uint8_t out[KW_CID_MAX]);
kw_status kw_cid_get(kw_bytes in, kw_cid *out, size_t *used, kw_error *err);
/* Only the multihash in it: the key of provider records. */
size_t kw_cid_multihash(const kw_cid *cid, uint8_t out[KW_CID_MAX]);

/* Text: version 1 in base32 ("bafk..."), version 0 in base58 ("Qm..."); read in any multibase. */
void kw_cid_text(const kw_cid *cid, char out[KW_CID_TEXT_MAX]);
kw_status kw_cid_parse(kw_str text, kw_cid *out, kw_error *err);

#endif
