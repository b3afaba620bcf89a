/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pretoken.h - the well-known ways to cut text, written out: no regular expression engine, and the
 * same pieces on every machine. */
#ifndef KW_TEXT_PRETOKEN_H
#define KW_TEXT_PRETOKEN_H

#include "base/str.h"
#include "text/steps.h"

/* Whether a way is written out here; KW_PRE_CUSTOM and KW_PRE_NONE are not. */
bool kw_pretoken_known(kw_pretokenizer pre);
/* The known way that an expression from a tokenizer.json spells, or KW_PRE_CUSTOM. */
kw_pretokenizer kw_pretoken_recognise(kw_str expression);
/* The first piece of a known way at or after *start in valid UTF-8: sets *start and returns its
 * end; both are len when there is none. */
size_t kw_pretoken_next(kw_pretokenizer pre, const char *text, size_t len, size_t *start);

#endif
