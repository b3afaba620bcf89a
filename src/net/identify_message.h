/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* identify_message.h - the message of /ipfs/id/1.0.0 and /ipfs/id/push/1.0.0 on the wire.
 *
 * Source: libp2p specifications, identify. A signed peer record (field 8) is ignored: the
 * connection has proved who speaks already. */
#ifndef KW_NET_IDENTIFY_MESSAGE_H
#define KW_NET_IDENTIFY_MESSAGE_H

#include "base/buf.h"
#include "wire/multiaddr.h"

#define KW_IDENTIFY_MAX 8192     /* bytes of a message that are accepted; ours stay below 4096 */
#define KW_IDENTIFY_ADDRS 16     /* kept of one peer */
#define KW_IDENTIFY_PROTOCOLS 64 /* likewise */
#define KW_PROTOCOL_MAX 128      /* bytes of the name of a protocol */

typedef struct kw_identify {
    kw_bytes public_key;
    kw_multiaddr addrs[KW_IDENTIFY_ADDRS]; /* those that we can read */
    size_t n_addrs;
    kw_str protocols[KW_IDENTIFY_PROTOCOLS]; /* views into the message */
    size_t n_protocols;
    kw_multiaddr observed; /* len 0: not said */
    kw_str agent, version;
} kw_identify;

/* Adds what a message says to *out (go-libp2p sends several). KW_E_FORMAT: no protocol buffer.
 * Addresses of kinds that we do not know are left out, what is above the limits too. */
kw_status kw_identify_get(kw_bytes message, kw_identify *out, kw_error *err);
/* Leaves addresses and protocols out from the end where the message would pass 4096 bytes. */
void kw_identify_put(const kw_identify *identify, kw_buf *out);
/* Copies text for people: printable ASCII, others as '?', cut and terminated. */
void kw_identify_text(kw_str text, char *out, size_t size);

#endif
