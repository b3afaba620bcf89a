/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dcutr_message.h - HolePunch{1 type, 2 addrs*}, the message of /libp2p/dcutr.
 * Source: libp2p specifications, relay/DCUtR. */
#ifndef KW_NET_DCUTR_MESSAGE_H
#define KW_NET_DCUTR_MESSAGE_H

#include "base/buf.h"
#include "wire/multiaddr.h"

#define KW_DCUTR_MESSAGE_MAX 4096
#define KW_DCUTR_ADDRS 8 /* that are kept */

typedef enum kw_dcutr_type { KW_DCUTR_CONNECT = 100, KW_DCUTR_SYNC = 300 } kw_dcutr_type;

typedef struct kw_dcutr_message {
    kw_dcutr_type type;
    kw_multiaddr addrs[KW_DCUTR_ADDRS]; /* those that we can read */
    size_t n_addrs;
} kw_dcutr_message;

kw_status kw_dcutr_message_get(kw_bytes in, kw_dcutr_message *out, kw_error *err);
void kw_dcutr_message_put(const kw_dcutr_message *message, kw_buf *out);

#endif
