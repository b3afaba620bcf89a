/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* grammar.h - texts that follow a grammar: GBNF as llama.cpp writes it, and JSON Schema.
 *
 * A grammar is compiled once into nodes over bytes. A matcher follows a text through them: its
 * state is a set of places with stacks of rules to return to, interned, so that each state meets
 * each byte once; the tokens that may come next are found once for each state and kept.
 * Sources: the GBNF guide of llama.cpp; JSON Schema 2020-12, https://json-schema.org. */
#ifndef KW_TEXT_GRAMMAR_H
#define KW_TEXT_GRAMMAR_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "text/tokenizer.h"

#include <stdbool.h>
#include <stdint.h>

#define KW_GRAMMAR_MAX_BYTES ((size_t)1 << 19)

typedef struct kw_grammar kw_grammar;

/* Compiles GBNF; the rule "root" is the text. subject names it in errors. Left recursion is
 * refused. */
kw_status kw_grammar_parse(kw_str text, const char *subject, kw_grammar **out, kw_error *err);
/* Likewise with tokens by their text, <think>, looked up in a tokenizer (NULL: they are refused);
 * by their number, <[1000]>, they need none. */
kw_status kw_grammar_parse_for(kw_str text, const char *subject, const kw_tokenizer *tokenizer,
                               kw_grammar **out, kw_error *err);
void kw_grammar_free(kw_grammar *grammar);
/* Appends the grammar, in GBNF, of the JSON texts that a schema describes. Keywords that would
 * restrict them in a way that this does not follow are refused by name. */
kw_status kw_schema_to_grammar(kw_str schema, const char *subject, kw_buf *out, kw_error *err);

/* Tokens in the order of their bytes, for many masks. */
typedef struct kw_token_index kw_token_index;
/* n_tokens: ids from 0 that a mask has bits for. The tokenizer is borrowed. */
kw_status kw_token_index_create(const kw_tokenizer *tokenizer, size_t n_tokens,
                                kw_token_index **out, kw_error *err);
void kw_token_index_free(kw_token_index *index);

typedef struct kw_matcher kw_matcher;

/* At the beginning of a text. Grammar and index (NULL: no masks are asked for) are borrowed. */
kw_status kw_matcher_create(const kw_grammar *grammar, const kw_token_index *index,
                            kw_matcher **out, kw_error *err);
void kw_matcher_free(kw_matcher *matcher);
/* Back to the beginning; what was found out about states stays. */
void kw_matcher_reset(kw_matcher *matcher);
/* Goes on by these bytes; *fits false: the text cannot go on so, and the matcher stays. */
kw_status kw_matcher_push(kw_matcher *matcher, kw_str bytes, bool *fits, kw_error *err);
/* Goes on by a token: by its text, or as the token that the grammar names, or both. */
kw_status kw_matcher_push_token(kw_matcher *matcher, const kw_tokenizer *tokenizer, int32_t id,
                                bool *fits, kw_error *err);
/* The text may end here; and nothing can follow. */
bool kw_matcher_accepts(const kw_matcher *matcher);
bool kw_matcher_complete(const kw_matcher *matcher);
/* A bit for each token that may come next, tokens that end an answer where the text may end. Valid
 * until the next call. */
kw_status kw_matcher_mask(kw_matcher *matcher, const uint32_t **mask, kw_error *err);

#endif
