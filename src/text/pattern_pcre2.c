/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pattern_pcre2.c - the seam of pattern.h over PCRE2.
 *
 * PCRE2 limits the steps of one match and does not say how many it took. So a match gets few steps,
 * and when they do not suffice it is tried again with eight times as many, each failure being
 * charged to a budget of the whole text: ordinary matches cost nothing, and neither a hostile
 * expression nor a hostile text can hold a thread for long or exhaust its memory. Source:
 * pcre2api(3). */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pattern.h"

#include <pcre2.h>
#include <stdint.h>
#include <stdlib.h>

/* Longest expression, and nesting of its parentheses (the compiler recurses). */
#define EXPRESSION_MAX 65536
#define NEST_MAX 100
/* Steps of the first try of a match, and of all tries over one text that needed more. */
#define STEPS_FEW 2048u
#define STEPS_TEXT 20000000u
#define STEPS_PER_BYTE 256u
#define MATCH_MEMORY_KIB 65536u

struct kw_pattern {
    pcre2_code *code;
};

struct kw_matcher {
    const pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
    kw_str text;
    uint64_t steps; /* left for matches that take many */
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
    matcher->steps = STEPS_TEXT + (uint64_t)STEPS_PER_BYTE * text.len;
    pcre2_set_heap_limit(matcher->context, MATCH_MEMORY_KIB);
    *out = matcher;
    return KW_OK;
}

/* pcre2_match under the budget. Its just-in-time code has a small stack; the interpreter has the
 * heap. */
static int match(kw_matcher *m, size_t from)
{
    const PCRE2_SPTR text = (PCRE2_SPTR)(m->text.len ? m->text.data : "");
    uint32_t options = PCRE2_NO_UTF_CHECK;
    for (uint64_t steps = STEPS_FEW;;) {
        pcre2_set_match_limit(m->context, (uint32_t)steps);
        const int n = pcre2_match(m->code, text, m->text.len, from, options, m->data, m->context);
        if (n == PCRE2_ERROR_JIT_STACKLIMIT) {
            options |= PCRE2_NO_JIT;
            continue;
        }
        if (n != PCRE2_ERROR_MATCHLIMIT || m->steps == 0)
            return n;
        m->steps -= steps < m->steps ? steps : m->steps;
        steps = steps * 8 < m->steps ? steps * 8 : m->steps;
        if (steps > UINT32_MAX)
            steps = UINT32_MAX;
    }
}

kw_status kw_matcher_find(kw_matcher *matcher, size_t from, bool *found, size_t *start, size_t *end,
                          kw_error *err)
{
    const int n = match(matcher, from);
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
