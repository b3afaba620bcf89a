/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bitswap_server.c - what peers want of us.
 *
 * Wants for presence are answered at once. Wants for blocks wait in a queue of at most
 * BITSWAP_WANTS_QUEUED a peer and go out one message each while the stream has room for a whole
 * block, so that what is queued for a peer is bounded by the stream's limit.
 *
 * A want for what is not here is answered so and remembered, at most BITSWAP_WANTS_LATER a peer:
 * when the block comes, the peer is told that it is here. It is sent the block only when it did not
 * ask for an answer: who was told "no" may have asked somebody else meanwhile. */
#include "net/bitswap_internal.h"

#include "base/check.h"
#include "base/uvarint.h"

#include <stdlib.h>

/* A presence costs some 40 bytes: more than this waiting to go out, and a peer is not read. */
#define PRESENCE_MAX ((size_t)256 << 10)

/* What the peer wants, made when it is needed; NULL: no memory. */
static kw_bitswap_wants *wants_of(bitswap_peer *peer)
{
    if (!peer->served)
        peer->served = kw_bitswap_wants_open(peer->bitswap->salt);
    return peer->served;
}

static bool was_sent(const bitswap_peer *peer, const kw_cid *cid, uint64_t now)
{
    const uint64_t key = bitswap_key(cid);
    const size_t n = KW_MIN(peer->n_recent, (size_t)BITSWAP_RECENT);
    for (size_t i = 0; i < n; i++)
        if (peer->recent[i].key == key && now - peer->recent[i].at_ms < BITSWAP_RESEND_MS)
            return true;
    return false;
}

/* False when there is no room for another want. */
static bool enqueue(bitswap_peer *peer, const kw_cid *cid, bool again)
{
    return (again && was_sent(peer, cid, kw_bitswap_now(peer->bitswap))) ||
           kw_bitswap_wants_put(wants_of(peer), cid, KW_BITSWAP_QUEUED);
}

/* Without room it is forgotten: who wants it asks again. */
static void put_later(bitswap_peer *peer, const kw_cid *cid, bool have)
{
    (void)kw_bitswap_wants_put(wants_of(peer), cid,
                               have ? KW_BITSWAP_LATER_HAVE : KW_BITSWAP_LATER_BLOCK);
}

bool kw_bitswap_serve_entry(bitswap_peer *peer, const kw_bitswap_entry *entry, bool again)
{
    kw_bitswap *const b = peer->bitswap;
    const kw_block_store *const store = b->config.store;
    size_t size;
    if (entry->cancel) {
        (void)kw_bitswap_wants_put(peer->served, &entry->cid, KW_BITSWAP_UNKNOWN);
        return false;
    }
    const bool served = store && (!b->config.serves || b->config.serves(b->config.user, &peer->id));
    const bool has = served && store->has(store->user, &entry->cid, &size) && size <= KW_BLOCK_MAX;
    const size_t n_queued = kw_bitswap_wants_queued(peer->served);
    if (has && !entry->have && enqueue(peer, &entry->cid, again))
        return kw_bitswap_wants_queued(peer->served) > n_queued;
    if (served && !has)
        put_later(peer, &entry->cid, entry->have || entry->send_dont_have);
    if (peer->presence.len < PRESENCE_MAX && (entry->send_dont_have || (has && entry->have)))
        kw_bitswap_put_presence(&peer->presence, &entry->cid, has && entry->have);
    return false;
}

void kw_bitswap_arrived(kw_bitswap *bitswap, const kw_cid *cids, size_t n)
{
    for (size_t p = 0; p < bitswap->n_peers; p++) {
        bitswap_peer *const peer = bitswap->peers[p];
        bool any = false;
        for (size_t i = 0; i < n && kw_bitswap_wants_later(peer->served) > 0; i++) {
            const kw_bitswap_state state = kw_bitswap_wants_get(peer->served, &cids[i]);
            if (state != KW_BITSWAP_LATER_BLOCK && state != KW_BITSWAP_LATER_HAVE)
                continue;
            const kw_bitswap_entry entry = {.cid = cids[i], .have = state == KW_BITSWAP_LATER_HAVE};
            (void)kw_bitswap_wants_put(peer->served, &cids[i], KW_BITSWAP_UNKNOWN);
            (void)kw_bitswap_serve_entry(peer, &entry, false);
            any = true;
        }
        if (any)
            kw_bitswap_flush(peer);
    }
}

void kw_bitswap_serve_full(bitswap_peer *peer)
{
    kw_bitswap_wants_clear(peer->served);
}

void kw_bitswap_serve_forget(bitswap_peer *peer)
{
    kw_bitswap_wants_close(peer->served);
    peer->served = NULL;
    peer->n_recent = 0;
    kw_buf_free(&peer->presence);
}

/* Writes one block; false when the stream has no room for it now. */
static bool send_block(bitswap_peer *peer, const kw_cid *cid)
{
    kw_bitswap *const b = peer->bitswap;
    const kw_block_store *const store = b->config.store;
    uint8_t head[KW_BITSWAP_HEAD_MAX];
    kw_block block;
    size_t size;
    if (!store->has(store->user, cid, &size) || size > KW_BLOCK_MAX)
        return true; /* it has gone meanwhile */
    if (!kw_stream_flows(peer->out) || kw_stream_room(peer->out) < size + KW_BITSWAP_HEAD_MAX)
        return false;
    if (store->get(store->user, cid, &block, NULL) != KW_OK)
        return true;
    const size_t n = kw_bitswap_block_head(cid, block.data.len, head);
    if (block.data.len == size && kw_stream_write(peer->out, (kw_bytes){head, n}, NULL) == KW_OK &&
        kw_stream_write(peer->out, block.data, NULL) != KW_OK)
        kw_stream_reset(peer->out); /* half a message cannot be taken back */
    store->release(store->user, &block);
    kw_bucket_spend(&peer->bucket, (double)size);
    if (b->config.cap)
        kw_cap_spend(b->config.cap, KW_CAP_BITSWAP, (double)size);
    b->info.blocks_out++;
    b->info.bytes_out += size;
    kw_host_moved(b->config.host, &peer->id, 1);
    peer->recent[peer->n_recent++ % BITSWAP_RECENT] =
        (bitswap_sent){bitswap_key(cid), kw_bitswap_now(b)};
    return true;
}

void kw_bitswap_serve(bitswap_peer *peer)
{
    const uint64_t now = kw_bitswap_now(peer->bitswap);
    kw_cap *const cap = peer->bitswap->config.cap;
    const kw_cid *first;
    while (peer->out && (first = kw_bitswap_wants_first(peer->served)) != NULL &&
           kw_bucket_has(&peer->bucket, &peer->bitswap->peer_rate, now) &&
           (!cap || kw_cap_has(cap, KW_CAP_BITSWAP, now))) {
        const kw_cid cid = *first;
        if (!send_block(peer, &cid))
            return;
        (void)kw_bitswap_wants_put(peer->served, &cid, KW_BITSWAP_UNKNOWN);
        peer->used_ms = now;
    }
}
