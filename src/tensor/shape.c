/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* shape.c - comparing, counting and printing shapes. No product is formed without a check. */
#include "tensor/shape.h"

#include <inttypes.h>
#include <stdio.h>

bool kw_shape_eq(kw_shape a, kw_shape b)
{
    if (a.rank != b.rank)
        return false;
    for (int i = 0; i < a.rank; i++) {
        if (a.dim[i] != b.dim[i])
            return false;
    }
    return true;
}

bool kw_shape_count(kw_shape shape, int64_t *out)
{
    if (shape.rank < 0 || shape.rank > KW_MAX_RANK)
        return false;
    bool empty = false;
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dim[i] < 0)
            return false;
        empty = empty || shape.dim[i] == 0;
    }
    int64_t count = empty ? 0 : 1;
    for (int i = 0; i < shape.rank && !empty; i++) {
        if (count > INT64_MAX / shape.dim[i])
            return false;
        count *= shape.dim[i];
    }
    *out = count;
    return true;
}

char *kw_shape_print(kw_shape shape, char *out, size_t size)
{
    if (size == 0)
        return out;
    size_t used = 0;
    for (int i = 0; i < shape.rank && i < KW_MAX_RANK; i++) {
        const int n =
            snprintf(out + used, size - used, "%s%" PRId64, i == 0 ? "[" : ", ", shape.dim[i]);
        if (n < 0 || (size_t)n >= size - used)
            return out;
        used += (size_t)n;
    }
    (void)snprintf(out + used, size - used, "%s", shape.rank > 0 ? "]" : "[]");
    return out;
}
