/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pattern_pcre2.c - the seam of pattern.h over PCRE2.
 *
 * Every match runs under limits on steps, nesting and memory, so that neither a hostile expression
 * nor a hostile text can hold a thread for ever or exhaust its memory. Source: pcre2api(3). */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pattern.h"

#include <pcre2.h>
#include <stdint.h>
#include <stdlib.h>

/* Longest expression, and nesting of its parentheses (the compiler recurses). */
#define EXPRESSION_MAX 65536
#define NEST_MAX 100
/* Steps of one match: some for any text, and a number for each byte that may have to be walked. */
#define STEPS_BASE 1000000u
#define STEPS_PER_BYTE 16u
#define MATCH_MEMORY_KIB 65536u

struct kw_pattern {
    pcre2_code *code;
};

struct kw_matcher {
    const pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
    kw_str text;
};

static kw_status refuse(kw_str expression, int code, size_t at, kw_error *err)
{
    PCRE2_UCHAR reason[120];
    if (pcre2_get_error_message(code, reason, sizeof(reason)) < 0)
        reason[0] = 0;
    const int shown = (int)(expression.len < 80 ? expression.len : 80);
    return kw_fail(err, KW_E_UNSUPPORTED, "pattern: \"%.*s\": at offset %zu: %.100s", shown,
                   expression.len ? expression.data : "", at, (const char *)reason);
}

kw_status kw_pattern_compile(kw_str expression, kw_pattern **out, kw_error *err)
{
    if (expression.len > EXPRESSION_MAX)
        return kw_fail(err, KW_E_LIMIT, "pattern: %zu bytes is longer than %d", expression.len,
                       EXPRESSION_MAX);
    kw_pattern *pattern = malloc(sizeof(*pattern));
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!pattern || !context) {
        free(pattern);
        pcre2_compile_context_free(context);
        return kw_fail(err, KW_E_NOMEM, "pattern: out of memory");
    }
    pcre2_set_parens_nest_limit(context, NEST_MAX);
    int code;
    PCRE2_SIZE at;
    pattern->code = pcre2_compile(
        (PCRE2_SPTR)(expression.len ? expression.data : ""), expression.len,
        PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code, &at, context);
    pcre2_compile_context_free(context);
    if (!pattern->code) {
        free(pattern);
        return code == PCRE2_ERROR_HEAP_FAILED ? kw_fail(err, KW_E_NOMEM, "pattern: out of memory")
                                               : refuse(expression, code, at, err);
    }
    /* Without a just-in-time compiler (or its memory) the interpreter gives the same matches. */
    (void)pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE);
    *out = pattern;
    return KW_OK;
}

void kw_pattern_free(kw_pattern *pattern)
{
    if (!pattern)
        return;
    pcre2_code_free(pattern->code);
    free(pattern);
}

kw_status kw_matcher_begin(const kw_pattern *pattern, kw_str text, kw_matcher **out, kw_error *err)
{
    kw_matcher *matcher = calloc(1, sizeof(*matcher));
    if (matcher) {
        matcher->data = pcre2_match_data_create(1, NULL);
        matcher->context = pcre2_match_context_create(NULL);
    }
    if (!matcher || !matcher->data || !matcher->context) {
        kw_matcher_end(matcher);
        return kw_fail(err, KW_E_NOMEM, "pattern: out of memory");
    }
    matcher->code = pattern->code;
    matcher->text = text;
    const size_t bytes = text.len < (1u << 28) ? text.len : (1u << 28) - 1;
    pcre2_set_match_limit(matcher->context, STEPS_BASE + STEPS_PER_BYTE * (uint32_t)bytes);
    pcre2_set_depth_limit(matcher->context, STEPS_BASE + STEPS_PER_BYTE * (uint32_t)bytes);
    pcre2_set_heap_limit(matcher->context, MATCH_MEMORY_KIB + (uint32_t)(bytes / 1024 * 256));
    *out = matcher;
    return KW_OK;
}

kw_status kw_matcher_find(kw_matcher *matcher, size_t from, bool *found, size_t *start, size_t *end,
                          kw_error *err)
{
    const PCRE2_SPTR text = (PCRE2_SPTR)(matcher->text.len ? matcher->text.data : "");
    int n = pcre2_match(matcher->code, text, matcher->text.len, from, PCRE2_NO_UTF_CHECK,
                        matcher->data, matcher->context);
    if (n == PCRE2_ERROR_JIT_STACKLIMIT)
        n = pcre2_match(matcher->code, text, matcher->text.len, from,
                        PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, matcher->data, matcher->context);
    *found = n >= 0;
    if (n == PCRE2_ERROR_NOMATCH)
        return KW_OK;
    if (n == PCRE2_ERROR_NOMEMORY)
        return kw_fail(err, KW_E_NOMEM, "pattern: out of memory");
    if (n < 0)
        return kw_fail(err, KW_E_LIMIT,
                       "pattern: the match at offset %zu of %zu bytes passes its limit (code %d)",
                       from, matcher->text.len, n);
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(matcher->data);
    /* \K inside a look-around can report a match that ends before it starts. */
    *start = ends[0] < from ? from : ends[0];
    *end = ends[1] < *start ? *start : ends[1];
    return KW_OK;
}

void kw_matcher_end(kw_matcher *matcher)
{
    if (!matcher)
        return;
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->context);
    free(matcher);
}
