/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* muxer.h - inside a connection: the streams it carries, as Yamux frames or as channels of a
 * transport that has them itself (kw_channels).
 *
 * The muxer sees bytes that are secured already. It calls nothing of a user while it is in the
 * middle of its own tables: whatever a handler does from within an event (write, reset, open
 * another stream, close the connection) is legal, and streams that are over are told and freed at
 * the end of the turn. */
#ifndef KW_NET_MUXER_H
#define KW_NET_MUXER_H

#include "base/error.h"
#include "net/bucket.h"
#include "net/chunks.h"
#include "net/connection.h"
#include "net/fifo.h"
#include "net/multistream.h"
#include "net/stream.h"

#define KW_YAMUX_HEADER 12
#define KW_YAMUX_WINDOW 262144u
#define KW_STREAM_ROOM ((size_t)4 << 20)
#define KW_STREAM_LOW ((size_t)256 << 10)
#define KW_MAX_UNACKNOWLEDGED 256

typedef struct kw_muxer kw_muxer;

/* What the muxer asks of its connection. */
typedef struct kw_muxer_owner {
    /* Queues bytes for the peer, in order. */
    void (*write)(void *user, kw_bytes header, kw_bytes payload);
    /* Whether streams shall hold back what they have. */
    bool (*held)(void *user);
    bool (*incoming)(void *user, kw_stream *stream, const char *protocol);
    bool (*speaks)(void *user, const char *protocol);
    /* The peer broke a rule: the connection is to end. */
    void (*fail)(void *user, kw_status status, const char *reason);
    /* Events are due, or bytes were queued, outside of a turn. */
    void (*soon)(void *user);
} kw_muxer_owner;

/* How a kind of muxer puts streams on the wire. */
typedef struct kw_muxer_kind {
    /* The number of a stream that we open, or 0: none is free. */
    uint32_t (*number)(kw_muxer *muxer);
    /* Sends a piece at once as far as it goes; how much. */
    size_t (*send)(kw_muxer *muxer, kw_stream *stream, kw_bytes bytes);
    /* Tells the peer that no more comes, or that the stream is over. */
    void (*finish)(kw_muxer *muxer, kw_stream *stream);
    void (*reset)(kw_muxer *muxer, kw_stream *stream);
    /* The user has taken bytes. */
    void (*taken)(kw_muxer *muxer, kw_stream *stream);
    /* It leaves the table. */
    void (*forget)(kw_muxer *muxer, kw_stream *stream);
    void (*goodbye)(kw_muxer *muxer, uint32_t reason);
    void (*tick)(kw_muxer *muxer);
} kw_muxer_kind;
extern const kw_muxer_kind kw_yamux, kw_channel_muxer;

struct kw_stream {
    kw_muxer *muxer;
    struct kw_stream *chain;      /* of its bucket */
    struct kw_stream *next_ready; /* in the queue of those that have something to send */
    struct kw_stream *next_over;  /* in the list of those whose end is to be told */
    const kw_stream_events *events;
    void *user;
    kw_multistream *talk; /* while the protocol is agreed on */
    char **proposals;     /* owned, one block: what is proposed to the peer */
    char *protocol;       /* owned */
    kw_stream_fn opened;
    void *opened_user;
    kw_chunks out; /* waits for window or for the connection */
    kw_fifo in;    /* arrived while paused */
    kw_fifo part;  /* of a channel's message that has not come whole */
    uint64_t since_ms, window_ms;
    uint64_t active_ms; /* when bytes last came or went */
    uint32_t id;
    uint32_t send_window;    /* bytes that we may send */
    uint32_t receive_window; /* bytes that the peer may send */
    uint32_t window;         /* what receive_window is filled up to */
    kw_status why;
    bool inbound;
    bool syn_sent, acknowledged; /* of our opening, or of theirs */
    bool finishing, fin_sent, fin_received, end_told;
    bool fin_awaited;            /* a channel's end that the peer has not confirmed */
    bool ready, paused, starved; /* starved: a writer waits for `drained` */
    bool over;                   /* nothing more moves; `closed` is due */
};

struct kw_muxer {
    const kw_muxer_kind *kind; /* NULL: Yamux */
    const kw_muxer_owner *owner;
    void *owner_user;
    const kw_channels *channels; /* of the transport, when it has them */
    void *channels_user;
    size_t kept;            /* bytes that arrived for paused streams */
    const kw_peer_id *peer; /* borrowed from the connection */
    kw_stream **buckets;    /* by id */
    size_t n_buckets, n_streams, n_inbound, max_inbound, n_unacknowledged;
    kw_stream *ready_first, *ready_last;
    kw_stream *over;
    uint32_t next_id;
    size_t max_window, *budget;
    kw_bucket openings; /* of streams by the peer */
    size_t n_refused;   /* of them, beyond the rate */
    uint64_t now_ms, rtt_ms, ping_ms, heard_ms, bytes_in, bytes_out;
    uint32_t ping_value;
    unsigned n_unread; /* answers since the peer stopped reading */
    bool initiator, ping_out, went_away /* the peer takes no new streams */, ended;
    bool blocked;           /* the transport takes no more for now */
    uint32_t window_in_use; /* above the first 256 KiB of each stream */
    /* The frame under way. */
    uint8_t header[KW_YAMUX_HEADER];
    size_t header_len;
    uint32_t body_id, body_left;
    uint16_t body_flags;
};

kw_status kw_muxer_open(kw_muxer *muxer, kw_error *err); /* after its first fields were set */
void kw_muxer_receive(kw_muxer *muxer, kw_bytes bytes);
/* Sends what streams have, as far as windows and the connection allow. */
void kw_muxer_pump(kw_muxer *muxer);
/* Tells and frees streams that are over. */
void kw_muxer_sweep(kw_muxer *muxer);
void kw_muxer_tick(kw_muxer *muxer);
void kw_muxer_goodbye(kw_muxer *muxer, uint32_t reason);
/* Ends every stream; sweep tells them. */
void kw_muxer_end(kw_muxer *muxer, kw_status why);
void kw_muxer_free(kw_muxer *muxer);
void kw_muxer_ping(kw_muxer *muxer);
size_t kw_muxer_memory(const kw_muxer *muxer);

/* ---- channels.c: what arrives on the channels of the transport ---- */
void kw_muxer_channel(kw_muxer *muxer, uint16_t channel, kw_bytes bytes);
void kw_muxer_channel_opened(kw_muxer *muxer, uint16_t channel);
void kw_muxer_channel_closed(kw_muxer *muxer, uint16_t channel);

/* ---- between muxer.c, its kinds and stream.c ---- */
kw_stream *kw_muxer_find(const kw_muxer *muxer, uint32_t id);
/* Resets streams whose negotiation or end takes too long. */
void kw_muxer_check(kw_muxer *muxer);
/* The peer opens one: whether there is room for it, by number and by rate. */
bool kw_muxer_accepts(kw_muxer *muxer);
kw_stream *kw_muxer_new_stream(kw_muxer *muxer, uint32_t id, bool inbound);
void kw_muxer_queue(kw_muxer *muxer, kw_stream *stream); /* it has something to send */
void kw_muxer_reset(kw_muxer *muxer, kw_stream *stream);
void kw_muxer_over(kw_muxer *muxer, kw_stream *stream, kw_status why);
/* Bytes of the peer for a stream: to its negotiation, to its user, or kept. */
void kw_stream_receive(kw_stream *stream, kw_bytes bytes);
void kw_stream_ended(kw_stream *stream);  /* the peer's FIN */
void kw_stream_settle(kw_stream *stream); /* over once both sides have finished */

/* stream.c: opens one towards the peer. */
void kw_muxer_dial(kw_muxer *muxer, const char *const *protocols, size_t n_protocols,
                   kw_stream_fn opened, void *user);
bool kw_stream_greet(kw_stream *stream); /* inbound: begins the negotiation; false: no memory */

#endif
