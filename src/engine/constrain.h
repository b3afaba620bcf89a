/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* constrain.h - the grammar of a session's answers. */
#ifndef KW_ENGINE_CONSTRAIN_H
#define KW_ENGINE_CONSTRAIN_H

#include "engine/engine.h"
#include "text/grammar.h"

/* The last grammar a session was asked for, and what was found out about it. */
typedef struct kw_constrainer {
    char *source; /* owned */
    bool schema;  /* source is JSON Schema */
    kw_grammar *grammar;
    kw_token_index *index; /* of the model's tokens; stays when the grammar changes */
    kw_matcher *matcher;
} kw_constrainer;

/* A matcher at the beginning of an answer; NULL when the constraints have no grammar. */
kw_status kw_session_constrain(kw_session *session, const kw_constraints *constraints,
                               kw_matcher **out, kw_error *err);
/* The tokens that may come next: at least one. */
kw_status kw_constrain_mask(kw_matcher *matcher, size_t n_tokens, const uint32_t **mask,
                            kw_error *err);
void kw_constrainer_free(kw_constrainer *constrainer);

#endif
