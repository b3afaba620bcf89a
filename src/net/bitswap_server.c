/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bitswap_server.c - what peers want of us.
 *
 * Wants for presence are answered at once. Wants for blocks wait in a queue of at most
 * BITSWAP_SERVED_WANTS a peer and go out one message each while the stream has room for a whole
 * block, so that what is queued for a peer is bounded by the stream's limit.
 *
 * A want for what is not here is answered so and remembered, at most KW_BITSWAP_LATER_WANTS a peer:
 * when the block comes, the peer is told that it is here. It is sent the block only when it did not
 * ask for an answer: who was told "no" may have asked somebody else meanwhile. */
#include "net/bitswap_internal.h"

#include "base/check.h"
#include "base/uvarint.h"

#include <stdlib.h>

/* A presence costs some 40 bytes: more than this waiting to go out, and a peer is not read. */
#define PRESENCE_MAX ((size_t)256 << 10)

static kw_cid *queued(bitswap_peer *peer, size_t i)
{
    return &peer->queue[(peer->first + i) % BITSWAP_SERVED_WANTS];
}

/* Removes entry i, keeping the order. */
static void unqueue(bitswap_peer *peer, size_t i)
{
    for (; i + 1 < peer->n_queue; i++)
        *queued(peer, i) = *queued(peer, i + 1);
    peer->n_queue--;
}

/* Removes what is remembered of a block; whether anything was, in *want. */
static bool take_later(bitswap_peer *peer, const kw_cid *cid, bitswap_later *want)
{
    for (size_t i = 0; i < peer->n_later; i++)
        if (kw_cid_equal(&peer->later[i].cid, cid)) {
            *want = peer->later[i];
            peer->later[i] = peer->later[--peer->n_later];
            return true;
        }
    return false;
}

/* Without room it is forgotten: who wants it asks again. */
static void put_later(bitswap_peer *peer, const kw_cid *cid, bool have)
{
    bitswap_later old;
    (void)take_later(peer, cid, &old);
    if (!peer->later)
        peer->later = malloc(KW_BITSWAP_LATER_WANTS * sizeof(*peer->later));
    if (peer->later && peer->n_later < KW_BITSWAP_LATER_WANTS)
        peer->later[peer->n_later++] = (bitswap_later){*cid, have};
}

static void cancel(bitswap_peer *peer, const kw_cid *cid)
{
    bitswap_later old;
    (void)take_later(peer, cid, &old);
    for (size_t i = 0; i < peer->n_queue; i++)
        if (kw_cid_equal(queued(peer, i), cid)) {
            unqueue(peer, i);
            return;
        }
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
    if (again && was_sent(peer, cid, kw_bitswap_now(peer->bitswap)))
        return true;
    if (!peer->queue)
        peer->queue = malloc(BITSWAP_SERVED_WANTS * sizeof(*peer->queue));
    if (!peer->queue || peer->n_queue == BITSWAP_SERVED_WANTS)
        return false;
    for (size_t i = 0; i < peer->n_queue; i++)
        if (kw_cid_equal(queued(peer, i), cid))
            return true;
    *queued(peer, peer->n_queue++) = *cid;
    return true;
}

void kw_bitswap_serve_entry(bitswap_peer *peer, const kw_bitswap_entry *entry, bool again)
{
    kw_bitswap *const b = peer->bitswap;
    const kw_block_store *const store = b->config.store;
    size_t size;
    if (entry->cancel) {
        cancel(peer, &entry->cid);
        return;
    }
    const bool served = store && (!b->config.serves || b->config.serves(b->config.user, &peer->id));
    const bool has = served && store->has(store->user, &entry->cid, &size) && size <= KW_BLOCK_MAX;
    if (has && !entry->have && enqueue(peer, &entry->cid, again))
        return;
    if (served && !has)
        put_later(peer, &entry->cid, entry->have || entry->send_dont_have);
    if (peer->presence.len < PRESENCE_MAX && (entry->send_dont_have || (has && entry->have)))
        kw_bitswap_put_presence(&peer->presence, &entry->cid, has && entry->have);
}

void kw_bitswap_arrived(kw_bitswap *bitswap, const kw_cid *cids, size_t n)
{
    for (size_t p = 0; p < bitswap->n_peers; p++) {
        bitswap_peer *const peer = bitswap->peers[p];
        bool any = false;
        for (size_t i = 0; i < n && peer->n_later > 0; i++) {
            bitswap_later want;
            if (!take_later(peer, &cids[i], &want))
                continue;
            const kw_bitswap_entry entry = {.cid = want.cid, .have = want.have};
            kw_bitswap_serve_entry(peer, &entry, false);
            any = true;
        }
        if (any)
            kw_bitswap_flush(peer);
    }
}

void kw_bitswap_serve_full(bitswap_peer *peer)
{
    peer->n_queue = peer->n_later = 0;
}

void kw_bitswap_serve_forget(bitswap_peer *peer)
{
    free(peer->queue);
    free(peer->later);
    peer->queue = NULL;
    peer->later = NULL;
    peer->first = peer->n_queue = peer->n_later = peer->n_recent = 0;
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
    kw_bucket_spend(&b->bucket, (double)size);
    b->info.blocks_out++;
    b->info.bytes_out += size;
    peer->recent[peer->n_recent++ % BITSWAP_RECENT] =
        (bitswap_sent){bitswap_key(cid), kw_bitswap_now(b)};
    return true;
}

void kw_bitswap_serve(bitswap_peer *peer)
{
    const uint64_t now = kw_bitswap_now(peer->bitswap);
    while (peer->out && peer->n_queue > 0 &&
           kw_bucket_has(&peer->bucket, &peer->bitswap->peer_rate, now) &&
           kw_bucket_has(&peer->bitswap->bucket, &peer->bitswap->rate, now)) {
        if (!send_block(peer, queued(peer, 0)))
            return;
        peer->first = (peer->first + 1) % BITSWAP_SERVED_WANTS;
        peer->n_queue--;
        peer->used_ms = now;
    }
}
