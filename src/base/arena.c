/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arena.c - a list of chunks, each twice as large as the last up to a bound; a large request gets a
 * chunk of its own. Every byte handed out is zero and belongs to one caller. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"

#define CHUNK_MIN ((size_t)4096)
#define CHUNK_MAX ((size_t)1 << 20)

struct kw_arena_chunk {
    kw_arena_chunk *next; /* older */
    size_t used;          /* of the bytes after the header */
    size_t size;
};

#define ALIGN alignof(max_align_t)
#define HEADER ((sizeof(kw_arena_chunk) + ALIGN - 1) & ~(ALIGN - 1))

static void *chunk_take(kw_arena_chunk *chunk, size_t bytes)
{
    void *taken = (char *)chunk + HEADER + chunk->used;
    chunk->used += bytes;
    return taken;
}

/* A chunk with room for `bytes` (a multiple of ALIGN), as large as growth suggests and the limit
 * allows; NULL when even `bytes` alone does not fit. Not yet in the list. */
static kw_arena_chunk *chunk_new(kw_arena *arena, size_t bytes)
{
    size_t room = PTRDIFF_MAX; /* no object is larger */
    if (arena->limit_bytes != 0)
        room = arena->limit_bytes - KW_MIN(arena->limit_bytes, arena->total_bytes);
    size_t need;
    if (!kw_add_size(bytes, HEADER, &need) || need > room)
        return NULL;
    size_t reserve = arena->chunks ? 2 * KW_MIN(arena->chunks->size, CHUNK_MAX / 2) : 0;
    reserve = KW_MAX(KW_MAX(reserve, CHUNK_MIN), need);
    reserve = KW_MIN(reserve, room);
    kw_arena_chunk *chunk = calloc(1, reserve);
    if (!chunk)
        return NULL;
    chunk->size = reserve - HEADER;
    arena->total_bytes += reserve;
    return chunk;
}

void *kw_arena_alloc(kw_arena *arena, size_t bytes)
{
    size_t padded;
    if (!kw_add_size(bytes, ALIGN - 1, &padded))
        return NULL;
    padded = KW_MAX(padded & ~(ALIGN - 1), ALIGN);
    kw_arena_chunk *head = arena->chunks;
    if (head && head->size - head->used >= padded)
        return chunk_take(head, padded);
    kw_arena_chunk *chunk = chunk_new(arena, padded);
    if (!chunk)
        return NULL;
    /* A chunk that this request fills goes behind the head, whose free space stays in use. */
    if (head && chunk->size - padded < head->size - head->used) {
        chunk->next = head->next;
        head->next = chunk;
    } else {
        chunk->next = head;
        arena->chunks = chunk;
    }
    return chunk_take(chunk, padded);
}

void *kw_arena_array(kw_arena *arena, size_t n, size_t size)
{
    size_t bytes;
    if (!kw_mul_size(n, size, &bytes))
        return NULL;
    return kw_arena_alloc(arena, bytes);
}

char *kw_arena_strdup(kw_arena *arena, kw_str text)
{
    size_t bytes;
    if (!kw_add_size(text.len, 1, &bytes))
        return NULL;
    char *copy = kw_arena_alloc(arena, bytes);
    if (copy && text.len != 0)
        memcpy(copy, text.data, text.len);
    return copy;
}

void kw_arena_free(kw_arena *arena)
{
    kw_arena_chunk *chunk = arena->chunks;
    while (chunk) {
        kw_arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    arena->chunks = NULL;
    arena->total_bytes = 0;
}
