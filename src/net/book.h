/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* book.h - the peer book: where peers may be found, and which not to try just now.
 *
 * Bounded: KW_BOOK_PEERS peers with KW_BOOK_ADDRS addresses each; the peer whose addresses expire
 * first makes room. Addresses of a peer that is pinned (connected) do not expire. */
#ifndef KW_NET_BOOK_H
#define KW_NET_BOOK_H

#include "net/peer_table.h"
#include "wire/multiaddr.h"

#define KW_BOOK_PEERS 8192
#define KW_BOOK_ADDRS 16

typedef struct kw_book kw_book;

kw_status kw_book_open(uint64_t salt, kw_book **out, kw_error *err);
void kw_book_close(kw_book *book);
/* Adds an address, or lengthens its time; the one that expires first goes when there are too many.
 */
kw_status kw_book_learn(kw_book *book, const kw_peer_id *peer, const kw_multiaddr *addr,
                        uint64_t now_ms, uint64_t ttl_ms, kw_error *err);
void kw_book_pin(kw_book *book, const kw_peer_id *peer, bool pinned);
/* At most n addresses, those last heard of first; how many there are. */
size_t kw_book_known(kw_book *book, const kw_peer_id *peer, uint64_t now_ms, kw_multiaddr *out,
                     size_t n);
/* Dials that failed: the time before the next doubles from 5 s to 5 minutes; one that succeeds
 * clears it. */
void kw_book_failed(kw_book *book, const kw_peer_id *peer, uint64_t now_ms);
void kw_book_reached(kw_book *book, const kw_peer_id *peer);
/* Milliseconds until this peer may be dialed again; 0: now. */
uint64_t kw_book_wait(kw_book *book, const kw_peer_id *peer, uint64_t now_ms);
size_t kw_book_size(const kw_book *book);

#endif
