/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* frame.h - messages with their length in front (uvarint), put together from the pieces in which
 * they arrive. */
#ifndef KW_NET_FRAME_H
#define KW_NET_FRAME_H

#include "base/buf.h"
#include "net/stream.h"

/* Zero-initialised but for max. */
typedef struct kw_frames {
    size_t max;  /* longest message that is accepted */
    kw_buf part; /* owned: the message under way, and its length */
} kw_frames;

/* Feeds bytes; calls message for each complete one, in order; it returns false to stop (the stream
 * is gone). KW_E_LIMIT: longer than max; KW_E_FORMAT: a length that is none. A message that arrives
 * whole is passed without a copy. */
kw_status kw_frames_feed(kw_frames *frames, kw_bytes bytes,
                         bool (*message)(void *user, kw_bytes message), void *user, kw_error *err);
void kw_frames_free(kw_frames *frames);
/* Writes one message with its length. */
kw_status kw_frame_write(kw_stream *stream, kw_bytes message, kw_error *err);

#endif
