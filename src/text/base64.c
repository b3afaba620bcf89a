/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* base64.c - see base64.h. */
#include "text/base64.h"

#include <stdint.h>

/* The value of a base64 digit, or -1. */
static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool kw_base64_decode(kw_str text, char *out, size_t *n)
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t len = 0;
    while (text.len > 0 && text.data[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        const int digit = digit_of(text.data[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            out[len++] = (char)(bits >> n_bits & 0xFF);
        }
    }
    *n = len;
    return text.len % 4 != 1;
}
