/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pattern_none.c - the seam of pattern.h in a build without a regular expression engine:
 * vocabularies that cut text by patterns are refused by name, SentencePiece's work. */
#include "text/pattern.h"

kw_status kw_pattern_compile(kw_str expression, kw_pattern **out, kw_error *err)
{
    (void)out;
    return kw_fail(err, KW_E_UNSUPPORTED,
                   "pattern: this build has no regular expressions for \"%.*s\"",
                   KW_FMT(expression));
}

void kw_pattern_free(kw_pattern *pattern)
{
    (void)pattern;
}

kw_status kw_matcher_begin(const kw_pattern *pattern, kw_str text, kw_matcher **out, kw_error *err)
{
    (void)pattern;
    (void)text;
    (void)out;
    return kw_fail(err, KW_E_UNSUPPORTED, "pattern: this build has no regular expressions");
}

kw_status kw_matcher_find(kw_matcher *matcher, size_t from, bool *found, size_t *start, size_t *end,
                          kw_error *err)
{
    (void)matcher;
    (void)from;
    (void)found;
    (void)start;
    (void)end;
    return kw_fail(err, KW_E_UNSUPPORTED, "pattern: this build has no regular expressions");
}

void kw_matcher_end(kw_matcher *matcher)
{
    (void)matcher;
}
