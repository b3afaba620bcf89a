/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* minisign.h - Ed25519 keys and signatures in the files of minisign, so that its tool verifies what
 * we sign and we what it signs.
 *
 * A signature is over the BLAKE2b-512 of the message ("ED"); the older kind over the message itself
 * ("Ed") is read, not written. A second signature binds the trusted comment. A publisher's key is
 * not a node's key. Source: minisign's documentation, jedisct1.github.io/minisign. */
#ifndef KW_HUB_MINISIGN_H
#define KW_HUB_MINISIGN_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#define KW_KEY_ID_LEN 8
#define KW_KEY_ID_TEXT 17         /* 16 hex digits, as minisign shows them, and a terminator */
#define KW_TRUSTED_COMMENT 1024   /* longest that is read or written */
#define KW_MINISIGN_FILE_MAX 4096 /* of any of these files */

typedef struct kw_public_key {
    uint8_t id[KW_KEY_ID_LEN];
    uint8_t key[32];
} kw_public_key;

typedef struct kw_secret_key {
    uint8_t id[KW_KEY_ID_LEN];
    uint8_t seed[32], key[32];
} kw_secret_key;

typedef struct kw_signature {
    bool prehashed;
    uint8_t id[KW_KEY_ID_LEN];
    uint8_t signature[64], global[64];
    char trusted[KW_TRUSTED_COMMENT + 1];
} kw_signature;

void kw_key_id_text(const uint8_t id[KW_KEY_ID_LEN], char out[KW_KEY_ID_TEXT]);

/* The file of a public key, or its second line alone ("RWQ..."). */
kw_status kw_public_key_get(kw_str text, kw_public_key *out, kw_error *err);
void kw_public_key_put(const kw_public_key *key, kw_buf *out);      /* the file */
void kw_public_key_put_line(const kw_public_key *key, kw_buf *out); /* "RWQ...", no line end */

/* A new key from the system's randomness. Wiped by its owner (kw_secret_key_wipe). */
kw_status kw_secret_key_new(kw_secret_key *out, kw_error *err);
/* The file of a secret key. *locked is true when it is encrypted: KW_E_ARG without a password or
 * with a wrong one. */
kw_status kw_secret_key_get(kw_str text, const char *password, kw_secret_key *out, bool *locked,
                            kw_error *err);
void kw_secret_key_put(const kw_secret_key *key, kw_buf *out); /* not encrypted */
kw_public_key kw_secret_key_public(const kw_secret_key *key);
void kw_secret_key_wipe(kw_secret_key *key);

kw_status kw_signature_get(kw_str text, kw_signature *out, kw_error *err);
/* Signs and writes the file. trusted: one line of UTF-8. */
kw_status kw_signature_make(const kw_secret_key *key, kw_bytes message, const char *trusted,
                            kw_buf *out, kw_error *err);
/* KW_E_FORMAT: the message or the trusted comment is not what was signed; KW_E_ARG: it was signed
 * with another key. */
kw_status kw_signature_verify(const kw_signature *signature, const kw_public_key *key,
                              kw_bytes message, kw_error *err);

#endif
