/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* multistream.h - multistream-select 1.0: two ends agree on a protocol by its name.
 *
 * Bytes in, bytes out. It takes no byte beyond its last message: what follows belongs to the
 * protocol that was chosen. Source: libp2p specification "connections". */
#ifndef KW_NET_MULTISTREAM_H
#define KW_NET_MULTISTREAM_H

#include "base/buf.h"
#include "base/str.h"

#define KW_MULTISTREAM_MAX 1024     /* bytes of a message, its newline counted */
#define KW_MULTISTREAM_PROPOSALS 16 /* of one peer for one stream */

typedef struct kw_multistream {
    bool initiator;
    bool greeted;                 /* the other end's header has come */
    const char *const *protocols; /* initiator: borrowed, in order of preference */
    size_t n_protocols, at;
    bool (*speaks)(void *user, const char *protocol); /* responder */
    void *user;
    size_t n_refused;
    char *chosen; /* owned, once it is done */
    size_t len;   /* of the message under way, and its length in front */
    uint8_t message[KW_MULTISTREAM_MAX + 2];
} kw_multistream;

typedef enum kw_multistream_state {
    KW_MULTISTREAM_MORE,
    KW_MULTISTREAM_DONE,
    KW_MULTISTREAM_NONE, /* initiator: the other end speaks none of them */
    KW_MULTISTREAM_BAD   /* a broken rule, or no memory */
} kw_multistream_state;

/* Begins; what is to be sent is added to out: the header, and the first proposal at once.
 * protocols, and the texts in it, live until it is done. */
void kw_multistream_propose(kw_multistream *m, const char *const *protocols, size_t n_protocols,
                            kw_buf *out);
void kw_multistream_answer(kw_multistream *m, bool (*speaks)(void *user, const char *protocol),
                           void *user, kw_buf *out);
/* Takes bytes from the front of in, as many as *used says. */
kw_multistream_state kw_multistream_feed(kw_multistream *m, kw_bytes in, size_t *used, kw_buf *out);
void kw_multistream_free(kw_multistream *m);

#endif
