/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* multibase.h - bytes as text: base58btc, base32 (lower, no padding), base36, base64 and base64url
 * (no padding), and multibase, which names the base by a letter in front. */
#ifndef KW_WIRE_MULTIBASE_H
#define KW_WIRE_MULTIBASE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

typedef enum kw_base {
    KW_BASE16,    /* f */
    KW_BASE32,    /* b */
    KW_BASE36,    /* k */
    KW_BASE58,    /* z */
    KW_BASE64,    /* m */
    KW_BASE64_URL /* u */
} kw_base;

/* At most KW_BASE_MAX_BYTES bytes for base36 and base58, whose cost is quadratic. */
#define KW_BASE_MAX_BYTES 1024

/* Without allocation: text of data and a terminator into out, which has KW_BASE_ROOM(data.len)
 * bytes; returns its length. */
#define KW_BASE_ROOM(n_bytes) (2 * (n_bytes) + 1)
size_t kw_base_text(kw_base base, kw_bytes data, char *out);
/* False when text is none of the base, or more than cap bytes. */
bool kw_base_bytes(kw_base base, kw_str text, uint8_t *out, size_t cap, size_t *len);
/* The base that a letter of multibase names. */
bool kw_multibase_letter(char letter, kw_base *out);

void kw_base_put(kw_buf *out, kw_base base, kw_bytes data); /* without the letter */
/* Adds the bytes of text to out; strict: one text for each value. */
kw_status kw_base_get(kw_base base, kw_str text, kw_buf *out, kw_error *err);
void kw_multibase_put(kw_buf *out, kw_base base, kw_bytes data);
kw_status kw_multibase_get(kw_str text, kw_buf *out, kw_error *err);

#endif
