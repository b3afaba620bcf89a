/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pattern_host_wasm.c - the seam of pattern.h over the host's RegExp.
 *
 * The host keeps compiled patterns and, for each matcher, the text as its own string with a table
 * from byte offsets to string indices and back; here both are numbers. The host compiles with the
 * flags d, g, m and u. Its functions:
 *
 *   pattern_compile(expression, len) -> handle > 0, or -1 when the host refuses it
 *   pattern_free(handle)
 *   matcher_begin(handle, text, len) -> matcher > 0, or -1 when memory is out
 *   matcher_find(matcher, from, out) -> 1: out[0..2) is the match as byte offsets; 0: none; -1:
 * failed matcher_end(matcher) */
#include "text/pattern.h"

#include <stdint.h>
#include <stdlib.h>

#define HOST(name) __attribute__((import_module("kwaai"), import_name(#name)))

HOST(pattern_compile) int32_t kw_host_pattern_compile(const char *expression, size_t len);
HOST(pattern_free) void kw_host_pattern_free(int32_t pattern);
HOST(matcher_begin) int32_t kw_host_matcher_begin(int32_t pattern, const char *text, size_t len);
HOST(matcher_find) int32_t kw_host_matcher_find(int32_t matcher, size_t from, uint32_t out[2]);
HOST(matcher_end) void kw_host_matcher_end(int32_t matcher);

struct kw_pattern {
    int32_t host;
};

struct kw_matcher {
    int32_t host;
    size_t len;
};

kw_status kw_pattern_compile(kw_str expression, kw_pattern **out, kw_error *err)
{
    kw_pattern *pattern = malloc(sizeof(*pattern));
    if (!pattern)
        return kw_fail(err, KW_E_NOMEM, "pattern: out of memory");
    pattern->host = kw_host_pattern_compile(expression.data, expression.len);
    if (pattern->host <= 0) {
        free(pattern);
        return kw_fail(err, KW_E_UNSUPPORTED, "pattern: the host refuses \"%.*s\"",
                       KW_FMT(expression));
    }
    *out = pattern;
    return KW_OK;
}

void kw_pattern_free(kw_pattern *pattern)
{
    if (!pattern)
        return;
    kw_host_pattern_free(pattern->host);
    free(pattern);
}

kw_status kw_matcher_begin(const kw_pattern *pattern, kw_str text, kw_matcher **out, kw_error *err)
{
    kw_matcher *matcher = malloc(sizeof(*matcher));
    const int32_t host = matcher ? kw_host_matcher_begin(pattern->host, text.data, text.len) : -1;
    if (host <= 0) {
        free(matcher);
        return kw_fail(err, KW_E_NOMEM, "pattern: out of memory");
    }
    *matcher = (kw_matcher){host, text.len};
    *out = matcher;
    return KW_OK;
}

kw_status kw_matcher_find(kw_matcher *matcher, size_t from, bool *found, size_t *start, size_t *end,
                          kw_error *err)
{
    uint32_t ends[2] = {0, 0};
    const int32_t n = kw_host_matcher_find(matcher->host, from, ends);
    if (n < 0)
        return kw_fail(err, KW_E_LIMIT, "pattern: the match at offset %zu of %zu bytes failed",
                       from, matcher->len);
    *found = n == 1;
    if (*found && (ends[0] < from || ends[1] < ends[0] || ends[1] > matcher->len))
        return kw_fail(err, KW_E_INTERNAL,
                       "pattern: the host reports a match %u..%u outside %zu..%zu",
                       (unsigned)ends[0], (unsigned)ends[1], from, matcher->len);
    *start = ends[0];
    *end = ends[1];
    return KW_OK;
}

void kw_matcher_end(kw_matcher *matcher)
{
    if (!matcher)
        return;
    kw_host_matcher_end(matcher->host);
    free(matcher);
}
