/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hex.h - vectors as they are printed in specifications. */
#ifndef KW_TEST_HEX_H
#define KW_TEST_HEX_H

#include "base/str.h"

/* Bytes of lower-case hex, at most cap; the test's own data, so what is wrong ends the test. */
static inline kw_bytes kw_hex(const char *text, uint8_t *out, size_t cap)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;
    for (; text[2 * n] && n < cap; n++)
        out[n] = (uint8_t)((strchr(digits, text[2 * n]) - digits) << 4 |
                           (strchr(digits, text[2 * n + 1]) - digits));
    return (kw_bytes){out, n};
}

static inline kw_bytes kw_text_bytes(const char *text)
{
    return (kw_bytes){(const uint8_t *)text, strlen(text)};
}

#endif
