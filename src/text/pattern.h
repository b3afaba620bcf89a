/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pattern.h - the seam to a regular expression engine: PCRE2 natively, the host's RegExp in a
 * browser.
 *
 * A pattern is immutable and may be shared by threads; a matcher is one thread's walk over one
 * text, so that an engine prepares (match memory, a copy in the host's own encoding) once per text.
 */
#ifndef KW_TEXT_PATTERN_H
#define KW_TEXT_PATTERN_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

typedef struct kw_pattern kw_pattern;
typedef struct kw_matcher kw_matcher;

/* Compiles an expression that kw_pattern_portable has rewritten, or that is written portably. ^ and
 * $ match at lines, as in tokenizer.json. Refused: KW_E_UNSUPPORTED with the engine's reason. */
kw_status kw_pattern_compile(kw_str expression, kw_pattern **out, kw_error *err);
void kw_pattern_free(kw_pattern *pattern);

/* text is valid UTF-8; it and the pattern are borrowed until kw_matcher_end. */
kw_status kw_matcher_begin(const kw_pattern *pattern, kw_str text, kw_matcher **out, kw_error *err);
/* The first match at or after `from`, a character boundary of the text; *found is false when there
 * is none. Bounded work: a text that would take the engine over its limit fails with KW_E_LIMIT. */
kw_status kw_matcher_find(kw_matcher *matcher, size_t from, bool *found, size_t *start, size_t *end,
                          kw_error *err);
void kw_matcher_end(kw_matcher *matcher);

/* Rewrites the shorthand classes of an expression as tokenizer.json means them (\s \w \d and their
 * complements outside of brackets, \uXXXX) into properties that every engine understands alike. A
 * view of the expression itself when nothing needs it, else a copy in the arena. */
kw_status kw_pattern_portable(kw_str expression, kw_arena *arena, kw_str *out, kw_error *err);

#endif
