/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* strided.c - a walk over all positions, the last dimension fastest, with one running offset. */
#include "format/strided.h"

#include <string.h>

void kw_strided_copy(void *dst, const void *src, size_t width, const kw_strided *layout, uint64_t n)
{
    unsigned char *const to = dst;
    const unsigned char *const from = src;
    int64_t at[KW_STRIDED_MAX_RANK] = {0};
    uint64_t element = 0;
    for (uint64_t k = 0; k < n; k++) {
        memcpy(to + (size_t)k * width, from + (size_t)element * width, width);
        for (int i = layout->rank; i-- > 0;) {
            element += (uint64_t)layout->stride[i];
            if (++at[i] < layout->size[i])
                break;
            element -= (uint64_t)layout->size[i] * (uint64_t)layout->stride[i];
            at[i] = 0;
        }
    }
}
