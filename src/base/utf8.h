/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* utf8.h - UTF-8 decoded, encoded and validated (RFC 3629: no surrogates, no overlong forms). */
#ifndef KW_BASE_UTF8_H
#define KW_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KW_UTF8_BAD 0xFFFFFFFFu

/* Decodes the character at text[0..len). Returns bytes consumed (at least 1 when len > 0); *out is
 * KW_UTF8_BAD when they are no valid character (then 1 byte is consumed). */
size_t kw_utf8_decode(const char *text, size_t len, uint32_t *out);
/* Encodes a scalar value; returns bytes written (1 to 4), 0 for an invalid one. */
size_t kw_utf8_encode(uint32_t codepoint, char out[4]);
bool kw_utf8_valid(const char *text, size_t len);
/* Length of the longest prefix that does not end inside a character that could still become valid:
 * a stream writes that much and keeps the rest. */
size_t kw_utf8_complete(const char *text, size_t len);

#endif
