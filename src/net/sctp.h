/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sctp.h - the seam to an SCTP in user space (usrsctp), as data channels use it: packets in and
 * out, messages on numbered streams, and streams that are closed and used again.
 *
 * The library has one state for the whole process. A stack is the claim on it, hangs on one loop
 * and is driven by that loop's thread alone; a second one is refused. */
#ifndef KW_NET_SCTP_H
#define KW_NET_SCTP_H

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

#define KW_SCTP_STREAMS 1024
#define KW_SCTP_PACKET 1136 /* bytes of a packet at most: it fits into a record of DTLS */

enum { KW_SCTP_DCEP = 50, KW_SCTP_STRING = 51, KW_SCTP_BINARY = 53 }; /* payload protocols */

/* Whether this build has one. */
bool kw_sctp_there(void);

typedef struct kw_sctp_stack kw_sctp_stack;
kw_status kw_sctp_stack_open(kw_sctp_stack **out, kw_error *err);
/* Every association has been closed before. */
void kw_sctp_stack_close(kw_sctp_stack *stack);
/* So much time has passed. */
void kw_sctp_stack_tick(kw_sctp_stack *stack, uint32_t ms);

typedef struct kw_sctp kw_sctp;
/* Begins an association; both sides do. send: a packet goes out; from within any call of this
 * association and from the tick, never after kw_sctp_close. */
kw_status kw_sctp_open(kw_sctp_stack *stack, void (*send)(void *user, kw_bytes packet), void *user,
                       kw_sctp **out, kw_error *err);
/* Ends it; the peer is told. */
void kw_sctp_close(kw_sctp *sctp);
void kw_sctp_receive(kw_sctp *sctp, kw_bytes packet);

typedef enum kw_sctp_kind {
    KW_SCTP_NOTHING,
    KW_SCTP_UP,          /* messages may be sent */
    KW_SCTP_DATA,        /* a message, or a part of one when `whole` is false */
    KW_SCTP_THEY_CLOSED, /* the peer sends no more on the stream, and has read ... */
    KW_SCTP_WE_CLOSED,   /* ... the same of ours */
    KW_SCTP_OVER         /* the last event */
} kw_sctp_kind;
typedef struct kw_sctp_event {
    kw_sctp_kind kind;
    uint16_t stream;
    uint32_t payload;
    bool whole;
    kw_bytes bytes; /* until the next call of any association */
} kw_sctp_event;
/* What has happened, one after the other; what is not asked for holds the peer back. */
void kw_sctp_next(kw_sctp *sctp, kw_sctp_event *out);

typedef enum kw_sctp_sent { KW_SCTP_SENT, KW_SCTP_LATER, KW_SCTP_FAILED } kw_sctp_sent;
kw_sctp_sent kw_sctp_send(kw_sctp *sctp, uint16_t stream, uint32_t payload, kw_bytes message);
/* Whether the peer has confirmed all that was sent. */
bool kw_sctp_quiet(kw_sctp *sctp);
/* Nothing more is sent on these streams (1 to KW_SCTP_STREAMS), behind what was; KW_SCTP_WE_CLOSED
 * comes for each. Not before it has for those of the last call. Best when quiet: usrsctp forgets a
 * request that overtakes data until more data comes. */
kw_sctp_sent kw_sctp_end_streams(kw_sctp *sctp, const uint16_t *streams, size_t n);

#endif
