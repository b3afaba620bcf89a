/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pickle_machine.h - the stack machine that runs a pickle, shared by pickle.c (its instructions),
 * pickle_values.c (what they make) and pickle_machine.c (operands, stack and memo); nobody else's.
 *
 * Every function either leaves the machine as its instruction wants it or fails with an error that
 * names the instruction's position; after a failure nothing runs. What is made lies in the arena.
 */
#ifndef KW_FORMAT_PICKLE_MACHINE_H
#define KW_FORMAT_PICKLE_MACHINE_H

#include "format/pickle.h"

typedef struct kw_pickle_machine {
    const unsigned char *data; /* [len], borrowed; pos <= len */
    size_t len, pos;
    size_t at; /* of the instruction that runs */
    const kw_pickle_global *globals;
    kw_arena *arena;
    const kw_pickle_object **stack; /* [n_stack] */
    size_t n_stack, stack_capacity;
    size_t *marks; /* heights of the stack */
    size_t n_marks, marks_capacity;
    const kw_pickle_object **memo; /* [memo_capacity], NULL: nothing there */
    size_t memo_capacity, n_memo;
    size_t n_objects;
    const kw_pickle_object **persistent;
    size_t n_persistent, persistent_capacity;
    kw_error *err;
} kw_pickle_machine;

/* ---- operands: bytes behind the instruction, which are views of the pickle ---- */

kw_status kw_pickle_take(kw_pickle_machine *m, uint64_t n, const unsigned char **out);

/* An unsigned integer of `bytes` bytes (at most 8), little-endian. */
kw_status kw_pickle_take_int(kw_pickle_machine *m, size_t bytes, uint64_t *out);

/* The text up to the next line feed, which is skipped. */
kw_status kw_pickle_take_line(kw_pickle_machine *m, kw_str *out);

/* A length of `bytes` bytes and as much text, or bytes. */
kw_status kw_pickle_take_counted(kw_pickle_machine *m, size_t bytes, kw_str *out);

/* ---- stack, marks and memo ---- */

kw_status kw_pickle_nomem(kw_pickle_machine *m);

/* Room for one more item: a copy about twice as large in the arena, NULL without memory. */
void *kw_pickle_grow(kw_pickle_machine *m, const void *items, size_t n, size_t *capacity,
                     size_t item_bytes);

kw_status kw_pickle_push(kw_pickle_machine *m, const kw_pickle_object *object);

/* Fails unless n items lie above the last mark. */
kw_status kw_pickle_need(kw_pickle_machine *m, size_t n);
kw_status kw_pickle_pop(kw_pickle_machine *m, const kw_pickle_object **out);
kw_status kw_pickle_push_mark(kw_pickle_machine *m);

/* Takes the last mark and what lies above it: *items stay readable until the next push. */
kw_status kw_pickle_pop_mark(kw_pickle_machine *m, const kw_pickle_object ***items, size_t *n);

/* Puts the top of the stack into a slot; pushes what a slot has. */
kw_status kw_pickle_memo_put(kw_pickle_machine *m, uint64_t slot);
kw_status kw_pickle_memo_get(kw_pickle_machine *m, uint64_t slot);

/* ---- values: each makes one object and pushes it, unless it says otherwise ---- */

kw_status kw_pickle_make(kw_pickle_machine *m, const kw_pickle_object *value); /* a copy of it */
kw_status kw_pickle_make_int(kw_pickle_machine *m, int64_t v);
kw_status kw_pickle_make_text(kw_pickle_machine *m, kw_str text); /* which must be UTF-8 */

/* A string of Python 2: text where it can be, else bytes. */
kw_status kw_pickle_make_string(kw_pickle_machine *m, kw_str text);

/* Of two's complement, little-endian: an INT when 8 bytes hold it. */
kw_status kw_pickle_make_long(kw_pickle_machine *m, kw_str bytes);
kw_status kw_pickle_make_list(kw_pickle_machine *m, kw_pickle_kind kind,
                              const kw_pickle_object *const *items, size_t n);

/* Of the n items on top; of those above the last mark. */
kw_status kw_pickle_make_tuple(kw_pickle_machine *m, size_t n);
kw_status kw_pickle_make_marked(kw_pickle_machine *m, kw_pickle_kind kind);

/* Adds n items, or those above the last mark, to the list or dict on top; makes nothing. */
kw_status kw_pickle_append(kw_pickle_machine *m, kw_pickle_kind kind,
                           const kw_pickle_object *const *items, size_t n);
kw_status kw_pickle_append_marked(kw_pickle_machine *m, kw_pickle_kind kind);

/* A global of the caller's list, named by two lines or by two texts on the stack. */
kw_status kw_pickle_line_global(kw_pickle_machine *m);
kw_status kw_pickle_stack_global(kw_pickle_machine *m);

/* What a global on the stack makes of the tuple above it. */
kw_status kw_pickle_call(kw_pickle_machine *m);

/* Gives the state on top to what was called below it; makes nothing. */
kw_status kw_pickle_build(kw_pickle_machine *m);
kw_status kw_pickle_persistent(kw_pickle_machine *m);

#endif
