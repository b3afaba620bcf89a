/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_message.h - the one message of Kademlia, as protocol buffer.
 *
 * Reading gives views and no list: peers are walked one by one, so that a message of any size costs
 * one kw_kad_peer. Peers and addresses that do not parse are skipped, because others may know kinds
 * that we do not. */
#ifndef KW_NET_KAD_MESSAGE_H
#define KW_NET_KAD_MESSAGE_H

#include "base/protobuf.h"
#include "net/kad_key.h"
#include "wire/multiaddr.h"

#define KW_KAD_KEY_MAX 256           /* bytes of a key; 80 for those of providers */
#define KW_KAD_PROVIDER_KEY_MAX 80   /* a multihash */
#define KW_KAD_VALUE_MAX (64U << 10) /* bytes of a value */
#define KW_KAD_ADDRS 8               /* addresses of one peer that are kept */

typedef enum kw_kad_type {
    KW_KAD_PUT_VALUE,
    KW_KAD_GET_VALUE,
    KW_KAD_ADD_PROVIDER,
    KW_KAD_GET_PROVIDERS,
    KW_KAD_FIND_NODE,
    KW_KAD_PING
} kw_kad_type;

/* The lists of peers in a message, by the number of their field. */
typedef enum kw_kad_list { KW_KAD_CLOSER = 8, KW_KAD_PROVIDERS = 9 } kw_kad_list;

typedef struct kw_kad_peer {
    kw_peer_id id;
    size_t n_addrs;
    kw_multiaddr addrs[KW_KAD_ADDRS];
} kw_kad_peer;

typedef struct kw_kad_message {
    kw_kad_type type;
    kw_bytes key;
    bool has_record;
    kw_bytes record_key, record_value;
    kw_bytes body; /* the whole, for the walk over peers */
} kw_kad_message;

/* Views into `in`. */
kw_status kw_kad_message_get(kw_bytes in, kw_kad_message *out, kw_error *err);
/* The next peer of a list; *at begins as kw_pb_read(message.body). False at the end. */
bool kw_kad_message_next(kw_pb *at, kw_kad_list list, kw_kad_peer *out);

void kw_kad_put_head(kw_buf *out, kw_kad_type type, kw_bytes key);
/* received: seconds since 1970, which some readers want to see. */
void kw_kad_put_record(kw_buf *out, kw_bytes key, kw_bytes value, uint64_t received);
void kw_kad_put_peer(kw_buf *out, kw_kad_list list, const kw_kad_peer *peer);

#endif
