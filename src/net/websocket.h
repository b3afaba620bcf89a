/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* websocket.h - the frames of RFC 6455 around a byte stream, and the two lines that open one.
 *
 * No I/O. libp2p gives frame boundaries no meaning, so payload is passed on as it arrives and a
 * frame is never held. A client's frames are masked and a server's are not; anything else ends the
 * connection. Text frames, extensions and subprotocols are not spoken. */
#ifndef KW_NET_WEBSOCKET_H
#define KW_NET_WEBSOCKET_H

#include "base/buf.h"
#include "base/error.h"

#define KW_WS_FRAME_MAX ((uint64_t)4 << 20) /* payload of a frame that is accepted */
#define KW_WS_KEY_LEN 24                    /* base64 of 16 bytes */
#define KW_WS_ACCEPT_LEN 28                 /* base64 of a SHA-1 */
#define KW_WS_CONTROL_MAX 125

typedef struct kw_ws {
    bool client; /* we are it */
    uint8_t header[14];
    uint8_t n_header; /* bytes of it that are here */
    uint64_t left;    /* payload to come */
    uint8_t mask[4];
    uint8_t mask_at;
    uint8_t opcode; /* of the frame under way */
    bool in_payload, fragmented, closed;
    uint8_t control[KW_WS_CONTROL_MAX]; /* payload of a ping */
    uint8_t n_control;
} kw_ws;

typedef struct kw_ws_events {
    void (*data)(void *user, kw_bytes payload);
    /* A frame of ours is due: a pong, or the answer to a close. */
    void (*send)(void *user, kw_bytes frame);
} kw_ws_events;

/* Feeds bytes, which are unmasked in place. KW_E_FORMAT or KW_E_LIMIT: the connection is over.
 * After a close frame further bytes are ignored and ws->closed is set. */
kw_status kw_ws_feed(kw_ws *ws, uint8_t *bytes, size_t len, const kw_ws_events *events, void *user,
                     kw_error *err);
/* Adds payload as one binary frame. mask is used by a client. */
void kw_ws_frame(const kw_ws *ws, kw_bytes payload, const uint8_t mask[4], kw_buf *out);

/* What the server answers to a key; terminated. */
void kw_ws_accept(kw_str key, char out[KW_WS_ACCEPT_LEN + 1]);
/* A client's request, and whether the answer (up to its empty line) is the one to this key. */
void kw_ws_request(const char *host, const char *key, kw_buf *out);
bool kw_ws_answered(kw_str answer, kw_str key);
/* 16 bytes in base64; terminated. */
void kw_ws_key(const uint8_t random[16], char out[KW_WS_KEY_LEN + 1]);

#endif
