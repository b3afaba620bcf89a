/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* grammar_match.h - the inside of a matcher, for grammar_match.c and grammar_mask.c. */
#ifndef KW_TEXT_GRAMMAR_MATCH_H
#define KW_TEXT_GRAMMAR_MATCH_H

#include "text/grammar_impl.h"

#define KW_DEAD (UINT32_MAX - 1)
#define KW_SEEN_SLOTS (1 << 15)
#define KW_STACK_SLOTS ((size_t)1 << 18)
#define KW_STATE_SLOTS ((size_t)1 << 15) /* twice the most states */

typedef struct kw_stack {
    uint32_t node, below;
} kw_stack;

typedef struct kw_mstate {
    uint64_t *places; /* [n] sorted: node << 32 | stack */
    size_t n;
    uint32_t *next; /* [256] state + 1; 0: not known yet; NULL: none is */
    uint32_t *mask; /* NULL: not known yet */
    bool ends;      /* the text may end here */
} kw_mstate;

struct kw_matcher {
    const kw_grammar *grammar;
    const kw_token_index *index;
    kw_arena arena; /* places, tables and masks */
    kw_mstate *states;
    size_t n_states, cap_states;
    uint32_t *state_slots; /* [KW_STATE_SLOTS] state + 1 */
    kw_stack *stacks;      /* from 1; 0 is the empty one */
    size_t n_stacks, cap_stacks;
    uint32_t *stack_slots; /* [KW_STACK_SLOTS] */
    size_t mask_bytes;
    uint32_t first, now;
    kw_buf text; /* followed so far; of a grammar with tokens: entries, see grammar_match.c */
    /* of the set that is being made */
    uint64_t *seen, *todo, *found;
    uint32_t *seen_mark, mark;
    size_t n_todo, n_found;
    bool ends;
};

/* The state after a byte, KW_DEAD when none is. */
kw_status kw_matcher_step(kw_matcher *m, uint32_t from, uint8_t byte, uint32_t *out, kw_error *err);
/* Fills the mask of the state that m is in. */
kw_status kw_matcher_make_mask(kw_matcher *m, kw_error *err);
/* Goes on by a token's number and by its text (empty: it has none), whichever fits. */
kw_status kw_matcher_push_both(kw_matcher *m, uint32_t id, kw_str text, bool *fits, kw_error *err);
/* The state after a token that the grammar names. */
kw_status kw_matcher_step_token(kw_matcher *m, uint32_t from, uint32_t id, uint32_t *out,
                                kw_error *err);
size_t kw_token_index_mask_words(const kw_token_index *index);

#endif
