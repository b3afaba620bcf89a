/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* channels.h - the messages that a stream is made of when a data channel carries it.
 *
 * Each is a length (uvarint) and a protocol buffer {1: flag, 2: bytes} of at most 16 KiB together.
 * A channel is read as a stream of bytes: implementations cut messages anywhere. Source: libp2p
 * specification "webrtc". */
#ifndef KW_NET_CHANNELS_H
#define KW_NET_CHANNELS_H

#include "base/str.h"
#include "net/fifo.h"

#include <stdbool.h>

#define KW_CHANNEL_MESSAGE ((size_t)16 << 10)
#define KW_CHANNEL_HEAD 10 /* at most, before the bytes */
#define KW_CHANNEL_BYTES (KW_CHANNEL_MESSAGE - KW_CHANNEL_HEAD)

typedef enum kw_channel_flag {
    KW_CHANNEL_NONE = -1,
    KW_CHANNEL_FIN,
    KW_CHANNEL_STOP_SENDING,
    KW_CHANNEL_RESET,
    KW_CHANNEL_FIN_ACK
} kw_channel_flag;

typedef struct kw_channel_message {
    kw_channel_flag flag;
    kw_bytes bytes; /* a view */
} kw_channel_message;

/* Writes one into KW_CHANNEL_HEAD + bytes.len bytes at most; its length. bytes.len is at most
 * KW_CHANNEL_BYTES. */
size_t kw_channel_put(uint8_t *out, kw_channel_flag flag, kw_bytes bytes);

typedef enum kw_channel_result {
    KW_CHANNEL_MORE, /* all of *in was taken, and no message is whole */
    KW_CHANNEL_ONE,
    KW_CHANNEL_BAD,
    KW_CHANNEL_NOMEM
} kw_channel_result;
/* The next message of what *part holds and *in brings, which loses what was taken. After ONE, and
 * when its view is no longer of use, kw_channel_taken. */
kw_channel_result kw_channel_next(kw_fifo *part, kw_bytes *in, kw_channel_message *out);
void kw_channel_taken(kw_fifo *part);

#endif
