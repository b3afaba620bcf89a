/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* http_stream.h - HTTP/1.1 over streams of libp2p, so that who asks and who answers are known by
 * their keys: the handler of kw_host_http behind another carrier, and a client for it.
 *
 * Source: libp2p specifications, http: "HTTP over libp2p streams". */
#ifndef KW_NET_HTTP_STREAM_H
#define KW_NET_HTTP_STREAM_H

#include "net/host.h"
#include "net/http.h"

#define KW_HTTP_STREAM_ID "/http/1.1"
#define KW_HTTP_STREAMS 8 /* of one peer, and as many as one of ours opens */

/* ---- serving ---- */

typedef struct kw_http_streams kw_http_streams;

/* Requests of streams go to the host's handler from now on, each counted by the peer's rate. */
kw_status kw_http_streams_open(kw_host *host, kw_http_streams **out, kw_error *err);
/* Resets what is open. The host still runs. */
void kw_http_streams_close(kw_http_streams *streams);

/* ---- asking ---- */

typedef struct kw_http_get kw_http_get;

typedef struct kw_http_get_events {
    /* As those of kw_http_answer_events. */
    bool (*head)(void *user, unsigned status, const kw_http_head *head);
    bool (*body)(void *user, kw_bytes bytes);
    /* The last, once, never within kw_http_get_open: the answer is whole (KW_OK), broke off or
     * could not be asked for (KW_E_IO), is none (KW_E_FORMAT), does not speak this
     * (KW_E_UNSUPPORTED), or an event returned false (KW_E_CANCELLED). */
    void (*done)(void *user, kw_status status, const char *why);
} kw_http_get_events;

typedef struct kw_http_question {
    const char *method; /* "GET" or "HEAD"; static */
    kw_str target;      /* "/ipfs/bafk...?format=car", copied */
    const char *accept; /* NULL: none; copied */
} kw_http_question;

/* Asks a peer, on a stream of its own; dialed when it must be. events: borrowed. */
kw_status kw_http_get_open(kw_host *host, const kw_peer_id *peer, const kw_http_question *question,
                           const kw_http_get_events *events, void *user, kw_http_get **out,
                           kw_error *err);
/* Ends it without done, which may be called from within head or body too. */
void kw_http_get_cancel(kw_http_get *get);
/* Milliseconds of the loop's clock when bytes last came, or it was asked. */
uint64_t kw_http_get_heard(const kw_http_get *get);

#endif
