/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* connection_frames.c - what a connection sends: sealed frames, several at a time, and the
 * handshake.
 *
 * Bytes are sealed where they go out from. Buffers are there while they are used. */
#include "net/connection_internal.h"

#include "base/check.h"

#include <stdlib.h>

#define FRAME_MAX ((size_t)KW_FRAME_LEN + KW_NOISE_MAX)
#define OUT_MAX (8 * FRAME_MAX) /* that are sent at once: a call of the system wakes the peer */

/* Gives the frame that is being filled its tag and its length. */
static void end_frame(kw_connection *c)
{
    kw_error err;
    uint8_t *const frame = c->out + c->out_len;
    const size_t len = c->filled + KW_NOISE_TAG;
    const kw_status status = kw_aead_seal_end(c->seal, frame + KW_FRAME_LEN + c->filled, &err);
    c->filled = 0;
    if (status != KW_OK) {
        kw_connection_fail(c, status, "%s", err.message);
        return;
    }
    frame[0] = (uint8_t)(len >> 8);
    frame[1] = (uint8_t)len;
    c->out_len += KW_FRAME_LEN + len;
}

void kw_connection_flush(kw_connection *c)
{
    if (c->filled)
        end_frame(c);
    const size_t len = c->out_len;
    c->out_len = 0;
    if (len)
        c->owner->send(c->user, (kw_bytes){c->out, len});
}

/* Room for one more frame, behind those that wait: one by one while that suffices, then for all. */
static bool begin_frame(kw_connection *c)
{
    kw_error err;
    if (c->out_len + FRAME_MAX > OUT_MAX)
        kw_connection_flush(c);
    if (c->out_len + FRAME_MAX > c->out_cap) {
        const size_t cap = c->out_cap ? OUT_MAX : FRAME_MAX;
        uint8_t *const out = realloc(c->out, cap);
        if (!out) {
            kw_connection_fail(c, KW_E_NOMEM, "no memory for frames of %zu bytes", cap);
            return false;
        }
        c->out = out;
        c->out_cap = cap;
    }
    const kw_status status = kw_aead_seal_begin(c->seal, c->seal_nonce++, &err);
    if (status != KW_OK)
        kw_connection_fail(c, status, "%s", err.message);
    return status == KW_OK;
}

void kw_connection_put(kw_connection *c, kw_bytes bytes)
{
    kw_error err;
    c->busy = true;
    while (bytes.len) {
        if (c->filled == 0 && !begin_frame(c))
            return;
        const size_t now = KW_MIN(bytes.len, KW_FRAME_PLAIN_MAX - c->filled);
        const kw_status status =
            kw_aead_seal_add(c->seal, (kw_bytes){bytes.data, now},
                             c->out + c->out_len + KW_FRAME_LEN + c->filled, &err);
        if (status != KW_OK) {
            c->filled = 0;
            kw_connection_fail(c, status, "%s", err.message);
            return;
        }
        c->filled += now;
        bytes = (kw_bytes){bytes.data + now, bytes.len - now};
        if (c->filled == KW_FRAME_PLAIN_MAX)
            end_frame(c);
    }
}

void kw_connection_send_plain(kw_connection *c, const kw_buf *buf)
{
    if (c->muxer.channels) {
        uint8_t message[KW_CHANNEL_MESSAGE];
        kw_assert(buf->len <= KW_CHANNEL_BYTES);
        const kw_bytes bytes = {(const uint8_t *)buf->data, buf->len};
        const size_t len = kw_channel_put(message, KW_CHANNEL_NONE, bytes);
        (void)c->muxer.channels->send(c->muxer.channels_user, 0, (kw_bytes){message, len}, true);
    } else if (buf->len)
        c->owner->send(c->user, (kw_bytes){(const uint8_t *)buf->data, buf->len});
}
