/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pickle_machine.c - operands, stack, marks and memo of the machine that runs a pickle. */
#include "format/pickle_machine.h"

#include "base/check.h"

#include <inttypes.h>

enum { MAX_LINE = 4096 };

kw_status kw_pickle_take(kw_pickle_machine *m, uint64_t n, const unsigned char **out)
{
    if (n > m->len - m->pos)
        return kw_fail(m->err, KW_E_FORMAT,
                       "pickle: the instruction at %zu needs %" PRIu64 " bytes, past the end (%zu)",
                       m->at, n, m->len);
    *out = m->data + m->pos;
    m->pos += (size_t)n;
    return KW_OK;
}

kw_status kw_pickle_take_int(kw_pickle_machine *m, size_t bytes, uint64_t *out)
{
    const unsigned char *src = NULL;
    uint64_t v = 0;
    KW_TRY(kw_pickle_take(m, bytes, &src));
    for (size_t i = bytes; i-- > 0;)
        v = v << 8 | src[i];
    *out = v;
    return KW_OK;
}

kw_status kw_pickle_take_line(kw_pickle_machine *m, kw_str *out)
{
    const size_t most = KW_MIN(m->len - m->pos, (size_t)MAX_LINE);
    const char *const start = (const char *)m->data + m->pos;
    const char *const end = most > 0 ? memchr(start, '\n', most) : NULL;
    if (!end)
        return kw_fail(m->err, KW_E_FORMAT,
                       "pickle: the line of the instruction at %zu does not end within %d bytes",
                       m->at, MAX_LINE);
    *out = (kw_str){start, (size_t)(end - start)};
    m->pos += out->len + 1;
    return KW_OK;
}

kw_status kw_pickle_take_counted(kw_pickle_machine *m, size_t bytes, kw_str *out)
{
    uint64_t n = 0;
    const unsigned char *src = NULL;
    KW_TRY(kw_pickle_take_int(m, bytes, &n));
    KW_TRY(kw_pickle_take(m, n, &src));
    *out = (kw_str){(const char *)src, (size_t)n};
    return KW_OK;
}

/* ---- stack and memo ---- */

kw_status kw_pickle_nomem(kw_pickle_machine *m)
{
    return kw_fail(m->err, KW_E_NOMEM, "pickle: no memory at byte %zu", m->at);
}

void *kw_pickle_grow(kw_pickle_machine *m, const void *items, size_t n, size_t *capacity,
                     size_t item_bytes)
{
    const size_t larger = *capacity == 0 ? 64 : 2 * *capacity;
    void *const moved = kw_arena_array(m->arena, larger, item_bytes);
    if (!moved)
        return NULL;
    if (n > 0)
        memcpy(moved, items, n * item_bytes);
    *capacity = larger;
    return moved;
}

kw_status kw_pickle_push(kw_pickle_machine *m, const kw_pickle_object *object)
{
    if (m->n_stack >= KW_PICKLE_MAX_OBJECTS)
        return kw_fail(m->err, KW_E_LIMIT, "pickle: more than %zu items on the stack",
                       KW_PICKLE_MAX_OBJECTS);
    if (m->n_stack == m->stack_capacity) {
        m->stack =
            kw_pickle_grow(m, m->stack, m->n_stack, &m->stack_capacity, sizeof(kw_pickle_object *));
        if (!m->stack)
            return kw_pickle_nomem(m);
    }
    m->stack[m->n_stack++] = object;
    return KW_OK;
}

/* Items above the last mark. */
static size_t above_mark(const kw_pickle_machine *m)
{
    return m->n_stack - (m->n_marks > 0 ? m->marks[m->n_marks - 1] : 0);
}

kw_status kw_pickle_need(kw_pickle_machine *m, size_t n)
{
    if (above_mark(m) < n)
        return kw_fail(m->err, KW_E_FORMAT,
                       "pickle: the instruction 0x%02x at %zu finds %zu of %zu items on the stack",
                       m->data[m->at], m->at, above_mark(m), n);
    return KW_OK;
}

kw_status kw_pickle_pop(kw_pickle_machine *m, const kw_pickle_object **out)
{
    KW_TRY(kw_pickle_need(m, 1));
    *out = m->stack[--m->n_stack];
    return KW_OK;
}

kw_status kw_pickle_push_mark(kw_pickle_machine *m)
{
    if (m->n_marks >= KW_PICKLE_MAX_OBJECTS)
        return kw_fail(m->err, KW_E_LIMIT, "pickle: more than %zu marks", KW_PICKLE_MAX_OBJECTS);
    if (m->n_marks == m->marks_capacity) {
        m->marks = kw_pickle_grow(m, m->marks, m->n_marks, &m->marks_capacity, sizeof *m->marks);
        if (!m->marks)
            return kw_pickle_nomem(m);
    }
    m->marks[m->n_marks++] = m->n_stack;
    return KW_OK;
}

kw_status kw_pickle_pop_mark(kw_pickle_machine *m, const kw_pickle_object ***items, size_t *n)
{
    if (m->n_marks == 0)
        return kw_fail(m->err, KW_E_FORMAT, "pickle: the instruction 0x%02x at %zu finds no mark",
                       m->data[m->at], m->at);
    *n = above_mark(m);
    m->n_stack -= *n;
    m->n_marks--;
    *items = m->stack + m->n_stack;
    return KW_OK;
}

/* The memo's slots are at most as many as the pickle has bytes. */
kw_status kw_pickle_memo_put(kw_pickle_machine *m, uint64_t slot)
{
    KW_TRY(kw_pickle_need(m, 1));
    if (slot >= m->len || slot >= KW_PICKLE_MAX_OBJECTS)
        return kw_fail(m->err, KW_E_LIMIT, "pickle: memo %" PRIu64 " in a pickle of %zu bytes",
                       slot, m->len);
    while (slot >= m->memo_capacity) {
        m->memo = kw_pickle_grow(m, m->memo, m->memo_capacity, &m->memo_capacity,
                                 sizeof(kw_pickle_object *));
        if (!m->memo)
            return kw_pickle_nomem(m);
    }
    if (!m->memo[slot])
        m->n_memo++;
    m->memo[slot] = m->stack[m->n_stack - 1];
    return KW_OK;
}

kw_status kw_pickle_memo_get(kw_pickle_machine *m, uint64_t slot)
{
    if (slot >= m->memo_capacity || !m->memo[slot])
        return kw_fail(m->err, KW_E_FORMAT,
                       "pickle: nothing was put into memo %" PRIu64 " (at %zu)", slot, m->at);
    return kw_pickle_push(m, m->memo[slot]);
}
