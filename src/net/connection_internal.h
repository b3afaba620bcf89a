/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* connection_internal.h - a connection seen from inside, for the files that make it one:
 * connection.c (its life, its turns and what comes in), connection_handshake.c (until it is open)
 * and connection_frames.c (what goes out).
 *
 * Everything here happens within a turn of connection.c; whatever goes wrong calls fail, after
 * which nothing is sent or told but the end. */
#ifndef KW_NET_CONNECTION_INTERNAL_H
#define KW_NET_CONNECTION_INTERNAL_H

#include "crypto/crypto.h"
#include "net/channels.h"
#include "net/connection.h"
#include "net/muxer.h"
#include "net/noise.h"

/* A frame: its length in KW_FRAME_LEN bytes, and as much that is sealed. */
enum { KW_FRAME_LEN = 2, KW_FRAME_PLAIN_MAX = KW_NOISE_MAX - KW_NOISE_TAG };

typedef enum connection_phase {
    PHASE_SECURITY,
    PHASE_NOISE,
    PHASE_MUXER,
    PHASE_OPEN
} connection_phase;

struct kw_connection {
    const kw_identity *identity;
    const kw_connection_owner *owner;
    void *user;
    kw_peer_id expected, peer;
    kw_bytes key; /* owned: the peer's, protobuf */
    connection_phase phase;
    bool initiator, dead, told, busy /* buffers were used since the last tick */;
    int depth; /* of turns: above 0 inside of one */
    kw_status why;
    char reason[160];
    kw_multistream *talk; /* owned, while a protocol is agreed on */
    kw_noise *noise;      /* owned, during the handshake */
    kw_aead *seal, *unseal;
    uint64_t seal_nonce, unseal_nonce;
    kw_fifo in;     /* a frame that has not come whole */
    kw_fifo part;   /* likewise a message of channel 0 */
    kw_fifo early;  /* what came on other channels before the handshake was over */
    uint8_t *plain; /* [KW_FRAME_PLAIN_MAX] what was unsealed; lazily there */
    uint8_t *out;   /* [out_cap] sealed frames, and the one being filled; lazily there */
    size_t out_cap, out_len /* of whole frames */, filled /* of the next one, before its tag */;
    size_t backlog;
    uint64_t started_ms, now_ms;
    kw_muxer muxer;
};

/* Ends the connection; the first reason stays. */
void kw_connection_fail(kw_connection *c, kw_status why, const char *fmt, ...) KW_PRINTF(3, 4);

/* ---- frames out ---- */

/* Seals bytes into the frames that go out; they are sent when many are there, or at a flush. */
void kw_connection_put(kw_connection *c, kw_bytes bytes);
/* Sends the frames that are there; the one that is being filled ends here. */
void kw_connection_flush(kw_connection *c);
/* Sends bytes of the handshake as they are: to the transport, or on channel 0. */
void kw_connection_send_plain(kw_connection *c, const kw_buf *buf);

/* ---- the handshake ---- */

/* Begins to agree on noise; what is to be sent is added to out. */
void kw_connection_agree(kw_connection *c, kw_buf *out);
/* Begins noise; prologue: what the transport has proven, empty elsewhere. */
void kw_connection_begin_noise(kw_connection *c, kw_bytes prologue);
/* Agreement on noise, in the clear, or on yamux, sealed. Returns what follows it. */
kw_bytes kw_connection_take_talk(kw_connection *c, kw_bytes bytes);
/* A message of noise. */
void kw_connection_take_noise(kw_connection *c, kw_bytes message);
/* Wipes and frees what only the handshake needs. */
void kw_connection_forget_handshake(kw_connection *c);

#endif
