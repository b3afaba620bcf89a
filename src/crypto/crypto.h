/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* crypto.h - the seam to a cryptographic library (OpenSSL 3): what peers and signatures need, and
 * no more.
 *
 * Everything that compares secrets does so in constant time. Keys on the stack are wiped by whoever
 * made them (kw_crypto_wipe). SHA-256 is base/sha256.h, our own. */
#ifndef KW_CRYPTO_CRYPTO_H
#define KW_CRYPTO_CRYPTO_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

/* Fails only when the system has no randomness to give. */
kw_status kw_crypto_random(void *out, size_t len, kw_error *err);
void kw_crypto_wipe(void *secret, size_t len);
bool kw_crypto_equal(const void *a, const void *b, size_t len);

/* ---- hashes ---- */
void kw_hmac_sha256(kw_bytes key, kw_bytes a, kw_bytes b, uint8_t out[32]); /* of a then b */
kw_status kw_hmac_sha1(kw_bytes key, kw_bytes data, uint8_t out[20], kw_error *err);
typedef struct kw_blake2b kw_blake2b; /* BLAKE2b-512, as minisign hashes files */
kw_status kw_blake2b_begin(kw_blake2b **out, kw_error *err);
kw_status kw_blake2b_update(kw_blake2b *hash, const void *data, size_t len, kw_error *err);
/* Frees it whatever happens; digest may be NULL to give up. */
kw_status kw_blake2b_end(kw_blake2b *hash, uint8_t digest[64], kw_error *err);

/* ---- a key from a password: scrypt (RFC 7914) ---- */
typedef struct kw_scrypt_cost {
    uint64_t n; /* a power of two */
    uint32_t r, p;
} kw_scrypt_cost;
/* Takes 128 * r * n bytes: the caller limits them. */
kw_status kw_scrypt(kw_bytes password, kw_bytes salt, const kw_scrypt_cost *cost, uint8_t *out,
                    size_t len, kw_error *err);

/* ---- agreement: X25519 ---- */
kw_status kw_x25519_public(const uint8_t secret[32], uint8_t out[32], kw_error *err);
/* An all-zero result (a point of small order) is KW_E_FORMAT. */
kw_status kw_x25519(const uint8_t secret[32], const uint8_t theirs[32], uint8_t out[32],
                    kw_error *err);

/* ---- ChaCha20-Poly1305 (RFC 8439), a key in use ---- */
typedef struct kw_aead kw_aead;
kw_status kw_aead_open(const uint8_t key[32], bool seal, kw_aead **out, kw_error *err);
void kw_aead_close(kw_aead *aead);
/* out: len + 16 bytes, may be the place of data itself. nonce counts as Noise writes it (4 zero
 * bytes, LE64). */
kw_status kw_aead_seal(kw_aead *aead, uint64_t nonce, kw_bytes ad, kw_bytes data, uint8_t *out,
                       kw_error *err);
/* The same, of data that comes in pieces: begin, each piece to where it goes, end with the tag. */
kw_status kw_aead_seal_begin(kw_aead *aead, uint64_t nonce, kw_error *err);
kw_status kw_aead_seal_add(kw_aead *aead, kw_bytes data, uint8_t *out, kw_error *err);
kw_status kw_aead_seal_end(kw_aead *aead, uint8_t tag[16], kw_error *err);
/* data with its tag in, data.len - 16 bytes out; KW_E_FORMAT when it was changed. */
kw_status kw_aead_unseal(kw_aead *aead, uint64_t nonce, kw_bytes ad, kw_bytes data, uint8_t *out,
                         kw_error *err);

/* ---- signatures ---- */
kw_status kw_ed25519_public(const uint8_t seed[32], uint8_t out[32], kw_error *err);
kw_status kw_ed25519_sign(const uint8_t seed[32], kw_bytes message, uint8_t out[64], kw_error *err);
bool kw_ed25519_verify(const uint8_t key[32], kw_bytes message, const uint8_t signature[64]);
/* RSASSA-PKCS1-v1_5 with SHA-256; key: PKIX DER of 2,048 to 8,192 bits. */
bool kw_rsa_verify(kw_bytes key_der, kw_bytes message, kw_bytes signature);
/* ECDSA with SHA-256, DER signature; key: PKIX DER of a NIST curve. */
bool kw_ecdsa_verify(kw_bytes key_der, kw_bytes message, kw_bytes signature);
/* The same over secp256k1 with a compressed point of 33 bytes. */
bool kw_secp256k1_verify(kw_bytes point, kw_bytes message, kw_bytes signature);

#endif
