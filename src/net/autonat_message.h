/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* autonat_message.h - the message of /libp2p/autonat/1.0.0: please dial me back; how that went.
 * Source: libp2p specifications, autonat/autonat-v1. */
#ifndef KW_NET_AUTONAT_MESSAGE_H
#define KW_NET_AUTONAT_MESSAGE_H

#include "base/buf.h"
#include "wire/multiaddr.h"

#define KW_AUTONAT_MESSAGE_MAX 4096
#define KW_AUTONAT_ADDRS 8 /* that are kept */

typedef enum kw_autonat_type { KW_AUTONAT_DIAL, KW_AUTONAT_ANSWER } kw_autonat_type;

enum {
    KW_AUTONAT_OK = 0,
    KW_AUTONAT_DIAL_ERROR = 100,
    KW_AUTONAT_REFUSED = 101,
    KW_AUTONAT_BAD_REQUEST = 200,
    KW_AUTONAT_INTERNAL = 300
};

typedef struct kw_autonat_message {
    kw_autonat_type type;
    kw_peer_id peer;                      /* of a dial; len 0: not said */
    kw_multiaddr addrs[KW_AUTONAT_ADDRS]; /* of a dial; of an answer the one that was reached */
    size_t n_addrs;
    uint32_t status; /* of an answer */
} kw_autonat_message;

kw_status kw_autonat_message_get(kw_bytes in, kw_autonat_message *out, kw_error *err);
void kw_autonat_message_put(const kw_autonat_message *message, kw_buf *out);

#endif
