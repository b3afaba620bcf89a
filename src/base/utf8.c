/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* utf8.c - UTF-8 by the table of well-formed sequences (RFC 3629 section 4, Unicode table 3-7): the
 * first byte fixes the length and the range of the second; the others are 80..BF. */
#include "base/utf8.h"

#include <string.h>

/* Length of the sequence that `first` opens and the range of its second byte; 0 for a byte that
 * opens none. */
static size_t sequence(unsigned char first, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xBF;
    if (first < 0x80)
        return 1;
    if (first < 0xC2)
        return 0;
    if (first < 0xE0)
        return 2;
    if (first < 0xF0) {
        if (first == 0xE0)
            *low = 0xA0;
        if (first == 0xED)
            *high = 0x9F;
        return 3;
    }
    if (first > 0xF4)
        return 0;
    if (first == 0xF0)
        *low = 0x90;
    if (first == 0xF4)
        *high = 0x8F;
    return 4;
}

/* How many bytes at text[0..len) are a prefix of a well-formed sequence; *need is its whole length.
 */
static size_t well_formed(const unsigned char *text, size_t len, size_t *need)
{
    unsigned char low, high;
    *need = sequence(text[0], &low, &high);
    if (*need < 2)
        return *need;
    if (len < 2)
        return 1;
    if (text[1] < low || text[1] > high)
        return 1;
    size_t n = 2;
    while (n < *need && n < len && (text[n] & 0xC0) == 0x80)
        n++;
    return n;
}

size_t kw_utf8_decode(const char *text, size_t len, uint32_t *out)
{
    *out = KW_UTF8_BAD;
    if (len == 0)
        return 0;
    const unsigned char *bytes = (const unsigned char *)text;
    if (bytes[0] < 0x80) {
        *out = bytes[0];
        return 1;
    }
    size_t need;
    const size_t n = well_formed(bytes, len, &need);
    if (n == 0 || n < need)
        return 1;
    uint32_t codepoint = bytes[0] & (0xFFu >> (need + 1));
    for (size_t i = 1; i < need; i++)
        codepoint = codepoint << 6 | (bytes[i] & 0x3Fu);
    *out = codepoint;
    return need;
}

size_t kw_utf8_encode(uint32_t codepoint, char out[4])
{
    unsigned char *bytes = (unsigned char *)out;
    if (codepoint < 0x80) {
        bytes[0] = (unsigned char)codepoint;
        return 1;
    }
    if (codepoint > 0x10FFFF || (codepoint >= 0xD800 && codepoint <= 0xDFFF))
        return 0;
    const size_t n = codepoint < 0x800 ? 2 : codepoint < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--) {
        bytes[i] = (unsigned char)(0x80 | (codepoint & 0x3F));
        codepoint >>= 6;
    }
    bytes[0] = (unsigned char)((0xF00u >> n & 0xFFu) | codepoint);
    return n;
}

bool kw_utf8_valid(const char *text, size_t len)
{
    size_t pos = 0;
    while (pos < len) {
        uint64_t eight;
        if (len - pos >= sizeof(eight)) {
            memcpy(&eight, text + pos, sizeof(eight));
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                pos += sizeof(eight);
                continue;
            }
        }
        uint32_t codepoint;
        pos += kw_utf8_decode(text + pos, len - pos, &codepoint);
        if (codepoint == KW_UTF8_BAD)
            return false;
    }
    return true;
}

size_t kw_utf8_complete(const char *text, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        const unsigned char byte = bytes[len - back];
        if ((byte & 0xC0) == 0x80)
            continue;
        size_t need;
        const size_t n = well_formed(bytes + len - back, back, &need);
        return n == back && n < need ? len - back : len;
    }
    return len;
}
