/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* constrain.c - grammars of answers. A session keeps its last grammar with its states and masks, so
 * that a second answer of the same form finds them. */
#include "engine/constrain.h"

#include <stdlib.h>
#include <string.h>

static void drop_grammar(kw_constrainer *c)
{
    kw_matcher_free(c->matcher);
    kw_grammar_free(c->grammar);
    free(c->source);
    c->matcher = NULL;
    c->grammar = NULL;
    c->source = NULL;
}

void kw_constrainer_free(kw_constrainer *c)
{
    if (!c)
        return;
    drop_grammar(c);
    kw_token_index_free(c->index);
    free(c);
}

static kw_status compile(kw_constrainer *c, const kw_tokenizer *tokenizer, kw_error *err)
{
    kw_buf text = {0};
    kw_status status = KW_OK;
    if (c->schema)
        status = kw_schema_to_grammar(kw_str_from(c->source), "JSON schema", &text, err);
    const kw_str source = c->schema ? (kw_str){text.data, text.len} : kw_str_from(c->source);
    if (status == KW_OK)
        status = kw_grammar_parse_for(source, c->schema ? "JSON schema" : "grammar", tokenizer,
                                      &c->grammar, err);
    if (status == KW_OK)
        status = kw_matcher_create(c->grammar, c->index, &c->matcher, err);
    kw_buf_free(&text);
    return status;
}

static kw_status prepare(kw_session *s, const char *source, bool schema, kw_error *err)
{
    kw_constrainer *c = s->constrainer;
    if (!c->index)
        KW_TRY(kw_token_index_create(s->model->tokenizer, (size_t)s->model->vocab, &c->index, err));
    if (c->matcher && c->schema == schema && strcmp(c->source, source) == 0) {
        kw_matcher_reset(c->matcher);
        return KW_OK;
    }
    drop_grammar(c);
    c->schema = schema;
    c->source = malloc(strlen(source) + 1);
    if (!c->source)
        return kw_fail(err, KW_E_NOMEM, "grammar: out of memory");
    memcpy(c->source, source, strlen(source) + 1);
    return compile(c, s->model->tokenizer, err);
}

kw_status kw_session_constrain(kw_session *s, const kw_constraints *constraints, kw_matcher **out,
                               kw_error *err)
{
    const char *source = constraints->grammar ? constraints->grammar : constraints->json_schema;
    *out = NULL;
    if (!source)
        return KW_OK;
    if (constraints->grammar && constraints->json_schema)
        return kw_fail(err, KW_E_ARG, "run: a grammar and a JSON schema");
    if (!s->model->tokenizer)
        return kw_fail(err, KW_E_ARG, "run: a grammar needs the model's tokenizer");
    if (!s->constrainer)
        s->constrainer = calloc(1, sizeof *s->constrainer);
    if (!s->constrainer)
        return kw_fail(err, KW_E_NOMEM, "grammar: out of memory");
    const kw_status status = prepare(s, source, !constraints->grammar, err);
    if (status != KW_OK)
        drop_grammar(s->constrainer);
    else
        *out = s->constrainer->matcher;
    return status;
}

kw_status kw_constrain_mask(kw_matcher *matcher, size_t n_tokens, const uint32_t **mask,
                            kw_error *err)
{
    uint32_t any = 0;
    KW_TRY(kw_matcher_mask(matcher, mask, err));
    for (size_t i = 0; i < (n_tokens + 31) / 32 && any == 0; i++)
        any = (*mask)[i];
    return any ? KW_OK
               : kw_fail(err, KW_E_UNSUPPORTED,
                         "run: no token of the model goes on as the grammar asks");
}
