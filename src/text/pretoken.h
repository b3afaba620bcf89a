/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pretoken.h - the known ways to cut text: their expressions, and ASCII text cut without an engine.
 */
#ifndef KW_TEXT_PRETOKEN_H
#define KW_TEXT_PRETOKEN_H

#include "base/str.h"
#include "text/steps.h"

/* The portable expression of a known way; empty for KW_PRE_CUSTOM and KW_PRE_NONE. */
kw_str kw_pretoken_expression(kw_pretokenizer pre);
/* The known way that an expression from a tokenizer.json spells, or KW_PRE_CUSTOM. */
kw_pretokenizer kw_pretoken_recognise(kw_str expression);

/* End of the piece that starts at text[from], from < len, as the expression would match it; 0 when
 * that depends on a character outside of ASCII. */
size_t kw_pretoken_ascii(kw_pretokenizer pre, const char *text, size_t from, size_t len);

/* The first word at or after *start of KW_PRE_WORDS or KW_PRE_BERT, in valid UTF-8: sets *start and
 * returns its end; both are len when there is none. */
size_t kw_pretoken_word(kw_pretokenizer pre, const char *text, size_t len, size_t *start);

#endif
