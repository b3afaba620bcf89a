/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arena.h - allocation whose life is a phase (load, plan, request): one free for all of it. */
#ifndef KW_BASE_ARENA_H
#define KW_BASE_ARENA_H

#include "base/str.h"

#include <stddef.h>

typedef struct kw_arena_chunk kw_arena_chunk;

/* Zero-initialised is a valid empty arena. */
typedef struct kw_arena {
    kw_arena_chunk *chunks; /* owned, newest first */
    size_t total_bytes;     /* reserved from the system so far */
    size_t limit_bytes;     /* 0: none. An allocation that would pass it fails. */
} kw_arena;

/* Zeroed memory aligned to max_align_t, or NULL. A size of 0 yields a valid pointer. */
void *kw_arena_alloc(kw_arena *arena, size_t bytes);
/* n * size with the product checked, or NULL. */
void *kw_arena_array(kw_arena *arena, size_t n, size_t size);
/* A terminated copy of a view, or NULL. */
char *kw_arena_strdup(kw_arena *arena, kw_str text);
/* Frees everything; the arena is empty and usable again. */
void kw_arena_free(kw_arena *arena);

#endif
