/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* str.h - borrowed views of bytes; never terminated, never owned. */
#ifndef KW_BASE_STR_H
#define KW_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct kw_str {
    const char *data;
    size_t len;
} kw_str;

/* The same of binary data. */
typedef struct kw_bytes {
    const uint8_t *data;
    size_t len;
} kw_bytes;

/* A view of a string literal. */
#define KW_STR(literal) ((kw_str){(literal), sizeof(literal) - 1})

/* For printf: printf("%.*s", KW_FMT(view)). Lengths are cut at 200 so that messages stay short. */
#define KW_FMT(view) ((int)((view).len < 200 ? (view).len : 200)), ((view).data ? (view).data : "")

static inline kw_str kw_str_from(const char *text)
{
    return (kw_str){text, text ? strlen(text) : 0};
}

static inline bool kw_str_eq(kw_str a, kw_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool kw_str_is(kw_str a, const char *text)
{
    return kw_str_eq(a, kw_str_from(text));
}

static inline bool kw_str_starts(kw_str a, kw_str prefix)
{
    return a.len >= prefix.len && memcmp(a.data, prefix.data, prefix.len) == 0;
}

#endif
