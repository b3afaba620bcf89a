/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* check.h - checked size arithmetic and assertions on what the programmer guarantees. */
#ifndef KW_BASE_CHECK_H
#define KW_BASE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* On in debug, test and fuzz builds; a release build assumes nothing and tests nothing. */
#ifdef KW_ASSERTIONS
#include <assert.h>
#define kw_assert(condition) assert(condition)
#else
#define kw_assert(condition) ((void)sizeof(condition))
#endif

#define KW_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KW_MIN(a, b) ((a) < (b) ? (a) : (b))
#define KW_MAX(a, b) ((a) > (b) ? (a) : (b))

/* Each returns false and leaves *out alone when the exact result does not fit. */
static inline bool kw_mul_size(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *out = a * b;
    return true;
}

static inline bool kw_add_size(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b)
        return false;
    *out = a + b;
    return true;
}

static inline bool kw_mul_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    if (b != 0 && a > UINT64_MAX / b)
        return false;
    *out = a * b;
    return true;
}

static inline bool kw_add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    if (a > UINT64_MAX - b)
        return false;
    *out = a + b;
    return true;
}

/* n rounded up to a multiple of align (a power of two); the caller knows that it fits. */
static inline size_t kw_align_up(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

#endif
