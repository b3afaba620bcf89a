/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pattern.h - the seam to a regular expression engine: PCRE2 natively, the host's RegExp in a browser. */
#ifndef KW_TEXT_PATTERN_H
#define KW_TEXT_PATTERN_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

typedef struct kw_pattern kw_pattern;

kw_status kw_pattern_compile(kw_str expression, kw_pattern **out, kw_error *err);
void kw_pattern_free(kw_pattern *pattern);
/* The first match at or after `from` in valid UTF-8; false when there is none. Bounded work: a text
 * that would take the engine over its limit fails with KW_E_LIMIT. */
kw_status kw_pattern_find(const kw_pattern *pattern, kw_str text, size_t from, bool *found,
                          size_t *start, size_t *end, kw_error *err);

#endif
