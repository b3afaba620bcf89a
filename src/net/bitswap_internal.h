/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bitswap_internal.h - what the files of bitswap share; for bitswap*.c only.
 *
 * bitswap.c holds the peers, their streams and what goes out; bitswap_server.c answers wants;
 * bitswap_session.c decides who is asked for what. A peer has one stream for what we send (wants
 * and answers alike), opened when there is something to send. */
#ifndef KW_NET_BITSWAP_INTERNAL_H
#define KW_NET_BITSWAP_INTERNAL_H

#include "net/bitswap.h"
#include "net/bitswap_message.h"
#include "net/bitswap_wants.h"
#include "net/bucket.h"

enum {
    BITSWAP_RECENT = 256,     /* blocks sent to a peer that are remembered */
    BITSWAP_RESEND_MS = 5000, /* for so long a repeated list does not have them sent again */
    BITSWAP_SETTLED = 4096,   /* wants that were met or given up, to tell late blocks from bad */
    BITSWAP_ENTRIES = 4096,   /* of one message: each is compared with what waits */
    BITSWAP_REPEATS = 128,    /* blocks that were settled, one after the other from one peer */
    BITSWAP_WINDOW = 32,      /* blocks that one peer is asked for at a time, at most ... */
    BITSWAP_WINDOW_FIRST = 8, /* ... and before its pace is known */
    BITSWAP_PEERS = 1024
};

typedef struct bitswap_sent {
    uint64_t key, at_ms;
} bitswap_sent;

typedef struct bitswap_peer {
    kw_bitswap *bitswap;
    kw_peer_id id;
    kw_stream *out;           /* NULL: none yet */
    bool opening, gone;       /* gone: freed once nothing holds it */
    unsigned failures;        /* of streams, since the last block */
    unsigned repeats;         /* blocks that were not wanted any more, since the last that was */
    size_t n_inbound;         /* streams of the peer that are open */
    size_t n_slots;           /* sessions that hold it */
    uint64_t used_ms;         /* when something was last sent */
    uint64_t heard_ms;        /* when bytes of a block last came */
    bool silent;              /* it was asked, others had to be, and no block has come since */
    kw_buf wants, presence;   /* owned; to be sent */
    kw_bitswap_wants *served; /* owned; NULL until it wants something */
    kw_bucket bucket;
    bitswap_sent recent[BITSWAP_RECENT];
    size_t n_recent; /* written so far; a ring */
} bitswap_peer;

typedef struct bitswap_inbound bitswap_inbound;

typedef struct bitswap_told {
    kw_peer_id peer;
    kw_bitswap_fault fault;
} bitswap_told;

struct kw_bitswap {
    kw_bitswap_config config;
    kw_timer *timer, *soon; /* the second: what must not run within a call of the streams */
    uint64_t serial;        /* of blocks */
    uint64_t salt[8];       /* of what peers want */
    kw_buf faults;          /* owned; bitswap_told, until the next turn */
    bitswap_peer **peers;   /* owned */
    size_t n_peers, cap_peers;
    bitswap_inbound *inbound;              /* list of streams */
    kw_bitswap_session *sessions, *closed; /* closed: freed at the next turn */
    kw_rate peer_rate;                     /* of bytes to one peer */
    uint64_t settled[BITSWAP_SETTLED];
    size_t n_settled; /* written so far; a ring */
    kw_buf message;   /* owned; reused */
    kw_bitswap_info info;
};

/* The first bytes of a digest: enough to tell blocks apart where a mistake costs one more ask. */
static inline uint64_t bitswap_key(const kw_cid *cid)
{
    uint64_t key;
    memcpy(&key, cid->digest, sizeof(key));
    return key;
}

/* ---- bitswap.c ---- */
uint64_t kw_bitswap_now(const kw_bitswap *b);
/* NULL: no memory, or too many. */
bitswap_peer *kw_bitswap_peer_get(kw_bitswap *b, const kw_peer_id *id);
void kw_bitswap_entry_add(bitswap_peer *peer, const kw_cid *cid, bool have, bool cancel);
/* Sends what waits for a peer, opening the stream when it must. */
void kw_bitswap_flush(bitswap_peer *peer);
/* Tells the owner at the next turn: it may close the connection under the stream that runs. */
void kw_bitswap_blame(kw_bitswap *b, const bitswap_peer *peer, kw_bitswap_fault fault);
void kw_bitswap_soon(kw_bitswap *b);
/* A want is over: its block may still come. */
void kw_bitswap_settle(kw_bitswap *b, const kw_cid *cid);

/* ---- bitswap_server.c ---- */
/* again: the message repeats all wants, also those of blocks that are on their way. Whether another
 * block is to be sent now; else it was work for an answer, or for nothing. */
bool kw_bitswap_serve_entry(bitswap_peer *peer, const kw_bitswap_entry *entry, bool again);
void kw_bitswap_serve_full(bitswap_peer *peer);   /* a list that replaces all wants begins */
void kw_bitswap_serve_forget(bitswap_peer *peer); /* wants and what was sent */
/* Writes blocks while stream and buckets take them. */
void kw_bitswap_serve(bitswap_peer *peer);

/* ---- bitswap_session.c ---- */
/* A verified block; false when no session wants it. */
bool kw_bitswap_session_block(kw_bitswap *b, bitswap_peer *from, const kw_cid *cid, kw_bytes data);
void kw_bitswap_session_presence(kw_bitswap *b, bitswap_peer *from, const kw_cid *cid, bool has);
/* A block came from a peer after it was asked of another. */
void kw_bitswap_session_late(kw_bitswap *b, bitswap_peer *from);
/* The streams of a peer broke: what it was asked for is asked again. */
void kw_bitswap_session_again(kw_bitswap *b, bitswap_peer *peer);
/* A peer leaves all sessions. */
void kw_bitswap_session_drop(kw_bitswap *b, bitswap_peer *peer);
/* Frees those that were closed. */
void kw_bitswap_session_sweep(kw_bitswap *b);
/* What sessions have put off. */
void kw_bitswap_session_turn(kw_bitswap *b);
void kw_bitswap_session_tick(kw_bitswap *b, uint64_t now_ms);

#endif
