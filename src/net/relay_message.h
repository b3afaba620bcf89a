/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* relay_message.h - the messages of circuit relay v2 on the wire: between a client and its relay
 * ("hop"), and between the relay and whom it connects to ("stop").
 *
 * Both say the same things under different field numbers, so one struct serves for both.
 * Source: libp2p specifications, relay/circuit-v2. */
#ifndef KW_NET_RELAY_MESSAGE_H
#define KW_NET_RELAY_MESSAGE_H

#include "base/buf.h"
#include "wire/multiaddr.h"

#define KW_RELAY_MESSAGE_MAX 4096 /* bytes of a message */
#define KW_RELAY_ADDRS 8          /* of a relay, that are kept */
#define KW_RELAY_HOP_ID "/libp2p/circuit/relay/0.2.0/hop"
#define KW_RELAY_STOP_ID "/libp2p/circuit/relay/0.2.0/stop"

typedef enum kw_relay_side { KW_RELAY_HOP, KW_RELAY_STOP } kw_relay_side;
typedef enum kw_relay_type { KW_RELAY_RESERVE, KW_RELAY_CONNECT, KW_RELAY_STATUS } kw_relay_type;

enum {
    KW_RELAY_OK = 100,
    KW_RELAY_REFUSED = 200,
    KW_RELAY_RESOURCE_LIMIT = 201,
    KW_RELAY_DENIED = 202,
    KW_RELAY_FAILED = 203,
    KW_RELAY_NO_RESERVATION = 204,
    KW_RELAY_MALFORMED = 400,
    KW_RELAY_UNEXPECTED = 401
};

typedef struct kw_relay_message {
    kw_relay_type type;
    kw_peer_id peer; /* len 0: none */
    bool has_reservation;
    uint64_t expire_s;                  /* Unix time */
    kw_multiaddr addrs[KW_RELAY_ADDRS]; /* of the relay, those that we can read */
    size_t n_addrs;
    kw_bytes voucher; /* a view */
    bool has_limit;
    uint32_t duration_s; /* 0: no limit */
    uint64_t data_bytes; /* each way; 0: no limit */
    uint32_t status;     /* 0: not said */
} kw_relay_message;

kw_status kw_relay_message_get(kw_relay_side side, kw_bytes in, kw_relay_message *out,
                               kw_error *err);
void kw_relay_message_put(kw_relay_side side, const kw_relay_message *message, kw_buf *out);
/* "no reservation" and the like. */
const char *kw_relay_status_text(uint32_t status);

#endif
