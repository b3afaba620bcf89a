/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* autonat2_message.h - the messages of /libp2p/autonat/2/dial-request: please dial one of these;
 * send me that many bytes first; here are some; how it went. And of /libp2p/autonat/2/dial-back:
 * the nonce of the request.
 * Source: libp2p specifications, autonat/autonat-v2. */
#ifndef KW_NET_AUTONAT2_MESSAGE_H
#define KW_NET_AUTONAT2_MESSAGE_H

#include "base/buf.h"
#include "wire/multiaddr.h"

#define KW_AUTONAT2_MESSAGE_MAX 8192
#define KW_AUTONAT2_ADDRS 32 /* that are kept */

/* What a message is: the number of its field. */
typedef enum kw_autonat2_type {
    KW_AUTONAT2_NOTHING,
    KW_AUTONAT2_DIAL,
    KW_AUTONAT2_ANSWER,
    KW_AUTONAT2_PAY,
    KW_AUTONAT2_DATA
} kw_autonat2_type;

/* status of an answer */
enum {
    KW_AUTONAT2_INTERNAL = 0,
    KW_AUTONAT2_REJECTED = 100, /* too many questions */
    KW_AUTONAT2_REFUSED = 101,  /* no address that is dialed here */
    KW_AUTONAT2_OK = 200
};
/* dialed, where status is OK */
enum {
    KW_AUTONAT2_DIAL_ERROR = 100,
    KW_AUTONAT2_BACK_ERROR = 101, /* connected, and the nonce did not get through */
    KW_AUTONAT2_DIALED = 200
};

typedef struct kw_autonat2_message {
    kw_autonat2_type type;
    kw_multiaddr addrs[KW_AUTONAT2_ADDRS]; /* of a dial: those that can be read */
    uint32_t places[KW_AUTONAT2_ADDRS];    /* of each in the list as it was sent */
    size_t n_addrs;
    uint64_t nonce;
    uint32_t place; /* of an answer or a price: which address it is about */
    uint32_t status, dialed;
    uint64_t n_bytes; /* of a price */
    kw_bytes data;    /* of data; a view into the message */
} kw_autonat2_message;

kw_status kw_autonat2_message_get(kw_bytes in, kw_autonat2_message *out, kw_error *err);
/* Places are not written: the addresses are the list. */
void kw_autonat2_message_put(const kw_autonat2_message *message, kw_buf *out);

/* On the stream of a dial-back, and the answer to it, which says nothing but that it came. */
kw_status kw_autonat2_nonce_get(kw_bytes in, uint64_t *out, kw_error *err);
void kw_autonat2_nonce_put(uint64_t nonce, kw_buf *out);

#endif
