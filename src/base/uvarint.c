/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* uvarint.c - unsigned LEB128: seven bits a byte, the lowest first, the high bit set but on the
 * last. */
#include "base/uvarint.h"

#include "base/check.h"

size_t kw_uvarint_put(uint8_t out[KW_UVARINT_MAX], uint64_t value)
{
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        out[n++] = (uint8_t)(value | 0x80);
    out[n++] = (uint8_t)value;
    return n;
}

kw_uvarint_result kw_uvarint_get(kw_bytes in, size_t max_bytes, bool strict, uint64_t *value,
                                 size_t *used)
{
    const size_t max = KW_MIN(max_bytes, (size_t)KW_UVARINT_MAX);
    uint64_t sum = 0;
    for (size_t i = 0; i < max; i++) {
        if (i == in.len)
            return KW_UVARINT_MORE;
        const uint64_t byte = in.data[i];
        if (i == 9 && byte > 1)
            return KW_UVARINT_BAD; /* above 64 bits */
        sum |= (byte & 0x7f) << (7 * i);
        if (byte >= 0x80)
            continue;
        if (strict && byte == 0 && i > 0)
            return KW_UVARINT_BAD;
        *value = sum;
        *used = i + 1;
        return KW_UVARINT_OK;
    }
    return KW_UVARINT_BAD;
}
