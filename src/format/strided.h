/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* strided.h - elements that lie scattered, put into row-major order. */
#ifndef KW_FORMAT_STRIDED_H
#define KW_FORMAT_STRIDED_H

#include <stddef.h>
#include <stdint.h>

#define KW_STRIDED_MAX_RANK 32

typedef struct kw_strided {
    int rank;
    int64_t size[KW_STRIDED_MAX_RANK];   /* at least 1 each */
    int64_t stride[KW_STRIDED_MAX_RANK]; /* in elements, not negative */
} kw_strided;

/* dst[n * width] from the element at src on; n: the product of the sizes. */
void kw_strided_copy(void *dst, const void *src, size_t width, const kw_strided *layout,
                     uint64_t n);

#endif
