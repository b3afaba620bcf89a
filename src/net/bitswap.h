/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bitswap.h - blocks from peers and for peers: bitswap 1.2.
 *
 * Who wants blocks opens a session, says which peers may have them, and gets each block once, after
 * its digest was compared. Several peers are asked at once, each block of one of them; one that
 * lacks, stalls or breaks is passed over and its blocks are asked of others. What the store has is
 * served to all, within limits.
 * Source: specs.ipfs.tech, "Bitswap Protocol". */
#ifndef KW_NET_BITSWAP_H
#define KW_NET_BITSWAP_H

#include "net/host.h"
#include "wire/blocks.h"

#define KW_BITSWAP_ID "/ipfs/bitswap/1.2.0"
#define KW_BITSWAP_SESSION_PEERS 64
#define KW_BITSWAP_SESSION_WANTS 65536

typedef struct kw_bitswap kw_bitswap;
typedef struct kw_bitswap_session kw_bitswap_session;

typedef enum kw_bitswap_fault {
    KW_BITSWAP_BAD_BLOCK, /* bytes that nobody wanted: changed, or not asked for */
    KW_BITSWAP_BROKEN,    /* a message that is none */
    KW_BITSWAP_STALLED,   /* asked, and nothing came in time */
    KW_BITSWAP_LOST       /* not reached, or its streams broke again and again */
} kw_bitswap_fault;

typedef struct kw_bitswap_config {
    kw_host *host;               /* borrowed */
    const kw_block_store *store; /* borrowed; NULL: nothing is served */
    struct kw_cap *cap;          /* of bytes to all peers; borrowed; NULL: none */
    uint64_t peer_bytes_per_second;
    uint64_t stall_ms;   /* a peer that was asked is silent for so long at most; 0: 10,000 */
    kw_sha256_fn kernel; /* NULL: the scalar one */
    /* Whether a peer is served. NULL: all. */
    bool (*serves)(void *user, const kw_peer_id *peer);
    /* Told of every peer that misbehaves, in a session or not; the peer has left its sessions when
     * it is called, but for a first stall. May be NULL. */
    void (*fault)(void *user, const kw_peer_id *peer, kw_bitswap_fault fault);
    /* How little a peer is to be relied upon, 0 to 100, asked when it joins a session: at 10 it is
     * asked as if it took twice the time. NULL: all alike. */
    unsigned (*distrust)(void *user, const kw_peer_id *peer);
    void *user;
} kw_bitswap_config;

/* Speaks the protocol on the host from now on. */
kw_status kw_bitswap_open(const kw_bitswap_config *config, kw_bitswap **out, kw_error *err);
/* Sessions are closed with it. Not from within one of its calls. The host still runs. */
void kw_bitswap_close(kw_bitswap *bitswap);

/* Blocks have come into the store: peers who wanted them while they were not here are answered. */
void kw_bitswap_arrived(kw_bitswap *bitswap, const kw_cid *cids, size_t n);

typedef struct kw_bitswap_info {
    uint64_t blocks_in, bytes_in, blocks_out, bytes_out;
    uint64_t control_out, messages_out; /* bytes of wants and what is said to them; messages */
    uint64_t duplicates;                /* blocks that came twice, or after they were cancelled */
    size_t n_peers, n_sessions;
} kw_bitswap_info;
void kw_bitswap_get_info(const kw_bitswap *bitswap, kw_bitswap_info *out);

/* All may close the session, want more or add peers. */
typedef struct kw_bitswap_events {
    /* A block that was wanted, verified; data is a view for the call. */
    void (*block)(void *user, const kw_cid *cid, kw_bytes data, const kw_peer_id *from);
    /* Every peer of the session said that it has no such block. It stays wanted, for a peer that
     * gets it says so; told once for each time. */
    void (*missing)(void *user, const kw_cid *cid);
    /* Its last peer has left while blocks are wanted: peers may be added. May be NULL. */
    void (*starved)(void *user);
} kw_bitswap_events;

kw_status kw_bitswap_session_open(kw_bitswap *bitswap, const kw_bitswap_events *events, void *user,
                                  kw_bitswap_session **out, kw_error *err);
void kw_bitswap_session_close(kw_bitswap_session *session);
/* A peer that may have what is wanted; dialed when it must be. Adding one again forgives it. */
kw_status kw_bitswap_add_peer(kw_bitswap_session *session, const kw_peer_id *peer, kw_error *err);
void kw_bitswap_remove_peer(kw_bitswap_session *session, const kw_peer_id *peer);
/* Blocks by SHA-256 (KW_E_UNSUPPORTED for others), asked for in this order. Those that are wanted
 * already are passed over. KW_E_LIMIT above KW_BITSWAP_SESSION_WANTS. */
kw_status kw_bitswap_want(kw_bitswap_session *session, const kw_cid *cids, size_t n, kw_error *err);
void kw_bitswap_unwant(kw_bitswap_session *session, const kw_cid *cid);
size_t kw_bitswap_wanted(const kw_bitswap_session *session);

#endif
