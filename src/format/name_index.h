/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* name_index.h - a hash index over records that begin with a kw_str, made once and then read. */
#ifndef KW_FORMAT_NAME_INDEX_H
#define KW_FORMAT_NAME_INDEX_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#include <stdint.h>

#define KW_NOT_FOUND SIZE_MAX

typedef struct kw_name_index {
    const unsigned char *records; /* borrowed */
    size_t stride;                /* bytes from a record to the next */
    uint32_t *slots;              /* 1 + record, 0: free; in the arena */
    size_t mask;
} kw_name_index;

/* Indexes n records that stay where they are. A name that appears twice fails with KW_E_FORMAT, as
 * "<subject> "name" appears twice". */
kw_status kw_name_index_build(kw_name_index *index, kw_arena *arena, const void *records,
                              size_t stride, size_t n, const char *subject, kw_error *err);
/* The record of that name, or KW_NOT_FOUND; also on a zeroed index. */
size_t kw_name_index_find(const kw_name_index *index, kw_str name);

#endif
