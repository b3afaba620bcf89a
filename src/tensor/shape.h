/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* shape.h - dimensions of a tensor, outermost first, row-major: dim[rank - 1] is contiguous. */
#ifndef KW_TENSOR_SHAPE_H
#define KW_TENSOR_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KW_MAX_RANK 4

typedef struct kw_shape {
    int rank; /* 0: a scalar */
    int64_t dim[KW_MAX_RANK];
} kw_shape;

/* SHAPE(n) or SHAPE(rows, cols) ..., up to four. */
#define SHAPE(...)                                                                                 \
    ((kw_shape){(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}})

bool kw_shape_eq(kw_shape a, kw_shape b);
/* Product of the dimensions; false when one is negative or the product passes INT64_MAX. */
bool kw_shape_count(kw_shape shape, int64_t *out);
/* "[32000, 2048]" into out; always terminated. Returns out. */
char *kw_shape_print(kw_shape shape, char *out, size_t size);

#endif
