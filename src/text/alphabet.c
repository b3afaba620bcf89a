/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* alphabet.c - see alphabet.h. The 68 bytes that are not printable form three ranges: 00..20,
 * 7F..A0 and AD; they take U+0100 to U+0143 in this order. */
#include "text/alphabet.h"

#include "base/utf8.h"

/* The character of a byte, below 0x144. */
static uint32_t of_byte(uint8_t byte)
{
    if (byte <= 0x20)
        return 0x100u + byte;
    if (byte >= 0x7F && byte <= 0xA0)
        return 0x121u + (byte - 0x7Fu);
    if (byte == 0xAD)
        return 0x143u;
    return byte;
}

int kw_alphabet_to_byte(uint32_t codepoint)
{
    if (codepoint >= 0x144)
        return -1;
    if (codepoint == 0x143)
        return 0xAD;
    if (codepoint >= 0x121)
        return (int)(codepoint - 0x121 + 0x7F);
    if (codepoint >= 0x100)
        return (int)(codepoint - 0x100);
    return of_byte((uint8_t)codepoint) == codepoint ? (int)codepoint : -1;
}

size_t kw_alphabet_encode(const char *bytes, size_t n, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        char utf8[4];
        const size_t width = kw_utf8_encode(of_byte((uint8_t)bytes[i]), utf8);
        memcpy(out + len, utf8, width);
        len += width;
    }
    return len;
}

bool kw_alphabet_decode(kw_str text, char *out, size_t *n)
{
    size_t pos = 0, len = 0;
    while (pos < text.len) {
        uint32_t codepoint;
        pos += kw_utf8_decode(text.data + pos, text.len - pos, &codepoint);
        const int byte = kw_alphabet_to_byte(codepoint);
        if (byte < 0)
            return false;
        out[len++] = (char)byte;
    }
    *n = len;
    return true;
}
