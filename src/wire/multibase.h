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

void kw_base_put(kw_buf *out, kw_base base, kw_bytes data); /* without the letter */
/* Adds the bytes of text to out; strict: one text for each value. */
kw_status kw_base_get(kw_base base, kw_str text, kw_buf *out, kw_error *err);
void kw_multibase_put(kw_buf *out, kw_base base, kw_bytes data);
kw_status kw_multibase_get(kw_str text, kw_buf *out, kw_error *err);

#endif
