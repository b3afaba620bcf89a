/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* memory.h - places values of known size and lifetime in one arena. */
#ifndef KW_PLAN_MEMORY_H
#define KW_PLAN_MEMORY_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct kw_extent_of_life {
    size_t bytes;         /* 0: needs no place */
    uint32_t first, last; /* waves in which it is written and last read */
    size_t offset;        /* out: multiple of 64; lives that overlap in time do not in space */
} kw_extent_of_life;

/* Largest first, each into the smallest gap that holds it among those alive with it. */
kw_status kw_memory_plan(kw_extent_of_life *lives, size_t n, size_t *total, kw_error *err);

#endif
