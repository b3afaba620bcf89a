/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* car_stream.h - the leaves of a run, out of an archive (CAR) that arrives in pieces.
 *
 * A leaf is handed on while it arrives, at its place in the run, when it is the one that comes
 * next; other blocks (parents, a leaf that was had) are passed over. Nothing is kept but the head
 * of a block. Names are compared, contents are not: whoever takes the bytes verifies. */
#ifndef KW_HUB_CAR_STREAM_H
#define KW_HUB_CAR_STREAM_H

#include "hub/source.h"
#include "wire/car.h"

typedef struct kw_car_stream {
    const uint8_t (*leaves)[32]; /* borrowed */
    size_t n_leaves, next;       /* next: the first that has not come whole */
    uint64_t left;               /* bytes of the run that have not come */
    uint32_t leaf_size;
    bool started; /* the archive's own head has been read */
    bool ours;    /* the block under way is leaf `next` */
    uint64_t block_left;
    uint8_t head[1200]; /* of the archive or a block, while it is not whole */
    size_t n_head;
    uint64_t skip; /* bytes that were taken before the same piece was held back */
} kw_car_stream;

typedef kw_take (*kw_car_take_fn)(void *user, kw_bytes bytes);

kw_car_stream kw_car_stream_of(const kw_ask *ask);
/* Takes a piece of the archive. data gets bytes of the run in order; when it pauses, the same piece
 * is offered again. KW_TAKE_STOP with *why: it is no archive of this run (or, without, data said
 * so). */
kw_take kw_car_stream_take(kw_car_stream *stream, kw_bytes piece, kw_car_take_fn data, void *user,
                           const char **why);
bool kw_car_stream_whole(const kw_car_stream *stream);

#endif
