/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* crypto_openssl.c - crypto.h on OpenSSL 3's EVP.
 *
 * Invariant: no call leaves an entry in OpenSSL's error queue, which belongs to the thread and
 * would be read by whoever uses OpenSSL next. */
#include "crypto/crypto.h"

#include "base/check.h"
#include "base/sha256.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <limits.h>
#include <stdlib.h>

static kw_status refused(kw_error *err, kw_status status, const char *what)
{
    ERR_clear_error();
    return kw_fail(err, status, "crypto: %s", what);
}

kw_status kw_crypto_random(void *out, size_t len, kw_error *err)
{
    if (len > INT_MAX || RAND_bytes(out, (int)len) != 1)
        return refused(err, KW_E_IO, "the system gives no randomness");
    return KW_OK;
}

void kw_crypto_wipe(void *secret, size_t len)
{
    OPENSSL_cleanse(secret, len);
}

bool kw_crypto_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

/* ---- hashes ---- */

/* RFC 2104 over our own SHA-256: it cannot fail. */
void kw_hmac_sha256(kw_bytes key, kw_bytes a, kw_bytes b, uint8_t out[32])
{
    const kw_sha256_fn kernel = kw_sha256_kernel(false);
    kw_sha256 hash;
    uint8_t pad[64] = {0}, inner[32];
    if (key.len > sizeof(pad)) {
        kw_sha256_init(&hash, kernel);
        kw_sha256_update(&hash, key.data, key.len);
        kw_sha256_final(&hash, pad);
    } else if (key.len > 0) {
        memcpy(pad, key.data, key.len);
    }
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36;
    kw_sha256_init(&hash, kernel);
    kw_sha256_update(&hash, pad, sizeof(pad));
    kw_sha256_update(&hash, a.data, a.len);
    kw_sha256_update(&hash, b.data, b.len);
    kw_sha256_final(&hash, inner);
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36 ^ 0x5c;
    kw_sha256_init(&hash, kernel);
    kw_sha256_update(&hash, pad, sizeof(pad));
    kw_sha256_update(&hash, inner, sizeof(inner));
    kw_sha256_final(&hash, out);
    kw_crypto_wipe(pad, sizeof(pad));
    kw_crypto_wipe(inner, sizeof(inner));
    kw_crypto_wipe(&hash, sizeof(hash));
}

kw_status kw_hmac_sha1(kw_bytes key, kw_bytes data, uint8_t out[20], kw_error *err)
{
    unsigned len = 20;
    if (key.len > INT_MAX ||
        !HMAC(EVP_sha1(), key.data, (int)key.len, data.data, data.len, out, &len) || len != 20)
        return refused(err, KW_E_UNSUPPORTED, "HMAC-SHA1 is not available");
    return KW_OK;
}

struct kw_blake2b {
    EVP_MD_CTX *md; /* owned */
};

kw_status kw_blake2b_begin(kw_blake2b **out, kw_error *err)
{
    kw_blake2b *const hash = calloc(1, sizeof(*hash));
    if (!hash)
        return kw_fail(err, KW_E_NOMEM, "crypto: out of memory");
    hash->md = EVP_MD_CTX_new();
    if (!hash->md || EVP_DigestInit_ex(hash->md, EVP_blake2b512(), NULL) != 1) {
        (void)kw_blake2b_end(hash, NULL, NULL);
        return refused(err, KW_E_UNSUPPORTED, "BLAKE2b-512 is not available");
    }
    *out = hash;
    return KW_OK;
}

kw_status kw_blake2b_update(kw_blake2b *hash, const void *data, size_t len, kw_error *err)
{
    if (EVP_DigestUpdate(hash->md, data, len) != 1)
        return refused(err, KW_E_INTERNAL, "BLAKE2b-512 failed");
    return KW_OK;
}

kw_status kw_blake2b_end(kw_blake2b *hash, uint8_t digest[64], kw_error *err)
{
    unsigned len = 64;
    const bool ok = !digest || (EVP_DigestFinal_ex(hash->md, digest, &len) == 1 && len == 64);
    EVP_MD_CTX_free(hash->md);
    free(hash);
    return ok ? KW_OK : refused(err, KW_E_INTERNAL, "BLAKE2b-512 failed");
}

/* ---- agreement ---- */

static kw_status raw_public(int type, const uint8_t secret[32], uint8_t out[32], kw_error *err)
{
    size_t len = 32;
    EVP_PKEY *const key = EVP_PKEY_new_raw_private_key(type, NULL, secret, 32);
    const bool ok = key && EVP_PKEY_get_raw_public_key(key, out, &len) == 1 && len == 32;
    EVP_PKEY_free(key);
    return ok ? KW_OK : refused(err, KW_E_NOMEM, "a key cannot be made");
}

kw_status kw_x25519_public(const uint8_t secret[32], uint8_t out[32], kw_error *err)
{
    return raw_public(EVP_PKEY_X25519, secret, out, err);
}

kw_status kw_x25519(const uint8_t secret[32], const uint8_t theirs[32], uint8_t out[32],
                    kw_error *err)
{
    static const uint8_t zero[32];
    uint8_t shared[32];
    size_t len = sizeof(shared);
    EVP_PKEY *const ours = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, 32);
    EVP_PKEY *const peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, theirs, 32);
    EVP_PKEY_CTX *const ctx = ours ? EVP_PKEY_CTX_new(ours, NULL) : NULL;
    const bool ready =
        ctx && peer && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, peer) == 1;
    /* OpenSSL itself refuses an all-zero result. */
    const bool ok = ready && EVP_PKEY_derive(ctx, shared, &len) == 1 && len == 32 &&
                    !kw_crypto_equal(shared, zero, 32);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(peer);
    EVP_PKEY_free(ours);
    if (ok)
        memcpy(out, shared, 32);
    kw_crypto_wipe(shared, sizeof(shared));
    if (!ready)
        return refused(err, KW_E_NOMEM, "X25519 cannot begin");
    return ok ? KW_OK : refused(err, KW_E_FORMAT, "X25519: a point of small order");
}

/* ---- ChaCha20-Poly1305 ---- */

enum { TAG = 16 };

struct kw_aead {
    EVP_CIPHER_CTX *ctx; /* owned */
    bool seal;
};

kw_status kw_aead_open(const uint8_t key[32], bool seal, kw_aead **out, kw_error *err)
{
    kw_aead *const aead = calloc(1, sizeof(*aead));
    if (!aead)
        return kw_fail(err, KW_E_NOMEM, "crypto: out of memory");
    aead->seal = seal;
    aead->ctx = EVP_CIPHER_CTX_new();
    if (!aead->ctx ||
        EVP_CipherInit_ex(aead->ctx, EVP_chacha20_poly1305(), NULL, key, NULL, seal) != 1) {
        kw_aead_close(aead);
        return refused(err, KW_E_UNSUPPORTED, "ChaCha20-Poly1305 is not available");
    }
    *out = aead;
    return KW_OK;
}

void kw_aead_close(kw_aead *aead)
{
    if (!aead)
        return;
    EVP_CIPHER_CTX_free(aead->ctx);
    free(aead);
}

/* Sets the nonce and takes in the data that is only authenticated. */
static bool aead_begin(kw_aead *aead, uint64_t nonce, kw_bytes ad)
{
    uint8_t iv[12] = {0};
    int n;
    for (unsigned i = 0; i < 8; i++)
        iv[4 + i] = (uint8_t)(nonce >> (8 * i));
    return EVP_CipherInit_ex(aead->ctx, NULL, NULL, NULL, iv, -1) == 1 &&
           (ad.len == 0 || EVP_CipherUpdate(aead->ctx, NULL, &n, ad.data, (int)ad.len) == 1);
}

kw_status kw_aead_seal(kw_aead *aead, uint64_t nonce, kw_bytes ad, kw_bytes data, uint8_t *out,
                       kw_error *err)
{
    int n = 0, rest = 0;
    kw_assert(aead->seal);
    if (data.len > INT_MAX || ad.len > INT_MAX)
        return kw_fail(err, KW_E_LIMIT, "crypto: a message of %zu bytes", data.len);
    if (!aead_begin(aead, nonce, ad) ||
        (data.len > 0 && EVP_CipherUpdate(aead->ctx, out, &n, data.data, (int)data.len) != 1) ||
        EVP_CipherFinal_ex(aead->ctx, out + n, &rest) != 1 ||
        EVP_CIPHER_CTX_ctrl(aead->ctx, EVP_CTRL_AEAD_GET_TAG, TAG, out + data.len) != 1)
        return refused(err, KW_E_INTERNAL, "ChaCha20-Poly1305 failed");
    return KW_OK;
}

kw_status kw_aead_seal_begin(kw_aead *aead, uint64_t nonce, kw_error *err)
{
    kw_assert(aead->seal);
    return aead_begin(aead, nonce, (kw_bytes){0})
               ? KW_OK
               : refused(err, KW_E_INTERNAL, "ChaCha20-Poly1305 failed");
}

kw_status kw_aead_seal_add(kw_aead *aead, kw_bytes data, uint8_t *out, kw_error *err)
{
    int n = 0;
    if (data.len > INT_MAX)
        return kw_fail(err, KW_E_LIMIT, "crypto: a message of %zu bytes", data.len);
    if (data.len > 0 && EVP_CipherUpdate(aead->ctx, out, &n, data.data, (int)data.len) != 1)
        return refused(err, KW_E_INTERNAL, "ChaCha20-Poly1305 failed");
    return KW_OK;
}

kw_status kw_aead_seal_end(kw_aead *aead, uint8_t tag[16], kw_error *err)
{
    uint8_t none[1];
    int n = 0;
    if (EVP_CipherFinal_ex(aead->ctx, none, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(aead->ctx, EVP_CTRL_AEAD_GET_TAG, TAG, tag) != 1)
        return refused(err, KW_E_INTERNAL, "ChaCha20-Poly1305 failed");
    return KW_OK;
}

kw_status kw_aead_unseal(kw_aead *aead, uint64_t nonce, kw_bytes ad, kw_bytes data, uint8_t *out,
                         kw_error *err)
{
    uint8_t tag[TAG], none[1];
    int n = 0, rest = 0;
    kw_assert(!aead->seal);
    if (data.len < TAG || data.len > INT_MAX || ad.len > INT_MAX)
        return kw_fail(err, KW_E_FORMAT, "crypto: %zu bytes cannot hold a tag of %d", data.len,
                       TAG);
    const size_t len = data.len - TAG;
    memcpy(tag, data.data + len, TAG);
    if (!aead_begin(aead, nonce, ad) ||
        EVP_CIPHER_CTX_ctrl(aead->ctx, EVP_CTRL_AEAD_SET_TAG, TAG, tag) != 1 ||
        (len > 0 && EVP_CipherUpdate(aead->ctx, out, &n, data.data, (int)len) != 1) ||
        EVP_CipherFinal_ex(aead->ctx, len > 0 ? out + n : none, &rest) != 1)
        return refused(err, KW_E_FORMAT, "a message was changed on its way");
    return KW_OK;
}

/* ---- signatures ---- */

kw_status kw_ed25519_public(const uint8_t seed[32], uint8_t out[32], kw_error *err)
{
    return raw_public(EVP_PKEY_ED25519, seed, out, err);
}

kw_status kw_ed25519_sign(const uint8_t seed[32], kw_bytes message, uint8_t out[64], kw_error *err)
{
    size_t len = 64;
    EVP_PKEY *const key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
    EVP_MD_CTX *const md = EVP_MD_CTX_new();
    const bool ok = key && md && EVP_DigestSignInit(md, NULL, NULL, NULL, key) == 1 &&
                    EVP_DigestSign(md, out, &len, message.data, message.len) == 1 && len == 64;
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(key);
    return ok ? KW_OK : refused(err, KW_E_NOMEM, "Ed25519 cannot sign");
}

/* Takes the key (may be NULL). hash: NULL where the scheme has its own. */
static bool verify(EVP_PKEY *key, const EVP_MD *hash, kw_bytes message, kw_bytes signature)
{
    EVP_MD_CTX *const md = key ? EVP_MD_CTX_new() : NULL;
    const bool ok =
        md && EVP_DigestVerifyInit(md, NULL, hash, NULL, key) == 1 &&
        EVP_DigestVerify(md, signature.data, signature.len, message.data, message.len) == 1;
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return ok;
}

bool kw_ed25519_verify(const uint8_t key[32], kw_bytes message, const uint8_t signature[64])
{
    return verify(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, 32), NULL, message,
                  (kw_bytes){signature, 64});
}

/* A key of PKIX DER, all of it, of one kind; NULL when it is none. */
static EVP_PKEY *key_of_der(kw_bytes der, int type)
{
    const unsigned char *at = der.data;
    if (der.len == 0 || der.len > 8192)
        return NULL;
    EVP_PKEY *const key = d2i_PUBKEY(NULL, &at, (long)der.len);
    if (key && at == der.data + der.len && EVP_PKEY_get_base_id(key) == type)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

bool kw_rsa_verify(kw_bytes key_der, kw_bytes message, kw_bytes signature)
{
    EVP_PKEY *key = key_of_der(key_der, EVP_PKEY_RSA);
    const int bits = key ? EVP_PKEY_get_bits(key) : 0;
    if (bits < 2048 || bits > 8192) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return verify(key, EVP_sha256(), message, signature);
}

bool kw_ecdsa_verify(kw_bytes key_der, kw_bytes message, kw_bytes signature)
{
    static const char *const curves[] = {"prime256v1", "secp384r1", "secp521r1"};
    EVP_PKEY *key = key_of_der(key_der, EVP_PKEY_EC);
    char name[32] = "";
    size_t len;
    bool known = false;
    if (key && EVP_PKEY_get_group_name(key, name, sizeof(name), &len) == 1)
        for (size_t i = 0; i < KW_COUNT(curves); i++)
            known = known || strcmp(name, curves[i]) == 0;
    if (!known) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return verify(key, EVP_sha256(), message, signature);
}

bool kw_secp256k1_verify(kw_bytes point, kw_bytes message, kw_bytes signature)
{
    char group[] = "secp256k1";
    uint8_t octets[33];
    EVP_PKEY *key = NULL;
    if (point.len != sizeof(octets) || (point.data[0] != 2 && point.data[0] != 3))
        return false;
    memcpy(octets, point.data, sizeof(octets));
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, octets, sizeof(octets)),
        OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *const ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (ctx && EVP_PKEY_fromdata_init(ctx) == 1)
        (void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params);
    EVP_PKEY_CTX_free(ctx);
    return verify(key, EVP_sha256(), message, signature);
}
