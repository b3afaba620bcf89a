/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* alphabet.h - the printable alphabet of byte-level BPE: a character for each byte.
 *
 * Printable Latin-1 bytes stand for themselves; the 68 others, in order, are U+0100 and up. Every
 * character is at most two bytes of UTF-8. Source: openai/gpt-2, encoder.py, bytes_to_unicode. */
#ifndef KW_TEXT_ALPHABET_H
#define KW_TEXT_ALPHABET_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* The byte of a character, or -1. */
int kw_alphabet_to_byte(uint32_t codepoint);
/* Writes n bytes as characters; out has room for 2 * n. Returns the bytes written. */
size_t kw_alphabet_encode(const char *bytes, size_t n, char *out);
/* Writes the bytes that text spells; out has room for text.len. False, with *n left alone, when a
 * character is not of the alphabet. */
bool kw_alphabet_decode(kw_str text, char *out, size_t *n);

#endif
