/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fifo.h - bytes that wait: added behind, taken in front. */
#ifndef KW_NET_FIFO_H
#define KW_NET_FIFO_H

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/* Zero-initialised is a valid empty one. */
typedef struct kw_fifo {
    uint8_t *data; /* owned */
    size_t head, len, cap;
} kw_fifo;

static inline void kw_fifo_free(kw_fifo *fifo)
{
    free(fifo->data);
    *fifo = (kw_fifo){0};
}

static inline kw_bytes kw_fifo_view(const kw_fifo *fifo)
{
    return (kw_bytes){fifo->data ? fifo->data + fifo->head : NULL, fifo->len};
}

/* False: no memory, and nothing was added. */
static inline bool kw_fifo_add(kw_fifo *fifo, kw_bytes bytes)
{
    if (!bytes.data || bytes.len == 0)
        return bytes.len == 0;
    if (fifo->head + fifo->len + bytes.len > fifo->cap) {
        if (fifo->len + bytes.len > fifo->cap) {
            const size_t need = fifo->len + bytes.len;
            const size_t cap = need < 1024 ? 1024 : need + need / 2;
            uint8_t *data = malloc(cap);
            if (!data)
                return false;
            if (fifo->len)
                memcpy(data, fifo->data + fifo->head, fifo->len);
            free(fifo->data);
            fifo->data = data;
            fifo->cap = cap;
        } else if (fifo->len) {
            memmove(fifo->data, fifo->data + fifo->head, fifo->len);
        }
        fifo->head = 0;
    }
    memcpy(fifo->data + fifo->head + fifo->len, bytes.data, bytes.len);
    fifo->len += bytes.len;
    return true;
}

/* Drops n bytes in front; what has become empty gives its memory back. */
static inline void kw_fifo_drop(kw_fifo *fifo, size_t n)
{
    fifo->head += n;
    fifo->len -= n;
    if (fifo->len == 0)
        kw_fifo_free(fifo);
}

#endif
