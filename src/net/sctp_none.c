/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sctp_none.c - sctp.h where libusrsctp was not found: nothing can be opened. */
#include "net/sctp.h"

bool kw_sctp_there(void)
{
    return false;
}

kw_status kw_sctp_stack_open(kw_sctp_stack **out, kw_error *err)
{
    (void)out;
    return kw_fail(err, KW_E_UNSUPPORTED, "webrtc: this build has no SCTP (libusrsctp-dev)");
}

void kw_sctp_stack_close(kw_sctp_stack *stack)
{
    (void)stack;
}

void kw_sctp_stack_tick(kw_sctp_stack *stack, uint32_t ms)
{
    (void)stack;
    (void)ms;
}

kw_status kw_sctp_open(kw_sctp_stack *stack, void (*send)(void *user, kw_bytes packet), void *user,
                       kw_sctp **out, kw_error *err)
{
    (void)send;
    (void)user;
    (void)out;
    (void)stack;
    return kw_fail(err, KW_E_UNSUPPORTED, "webrtc: this build has no SCTP (libusrsctp-dev)");
}

void kw_sctp_close(kw_sctp *sctp)
{
    (void)sctp;
}

void kw_sctp_receive(kw_sctp *sctp, kw_bytes packet)
{
    (void)sctp;
    (void)packet;
}

void kw_sctp_next(kw_sctp *sctp, kw_sctp_event *out)
{
    (void)sctp;
    *out = (kw_sctp_event){.kind = KW_SCTP_OVER};
}

kw_sctp_sent kw_sctp_send(kw_sctp *sctp, uint16_t stream, uint32_t payload, kw_bytes message)
{
    (void)sctp;
    (void)stream;
    (void)payload;
    (void)message;
    return KW_SCTP_FAILED;
}

bool kw_sctp_quiet(kw_sctp *sctp)
{
    (void)sctp;
    return true;
}

kw_sctp_sent kw_sctp_end_streams(kw_sctp *sctp, const uint16_t *streams, size_t n)
{
    (void)sctp;
    (void)streams;
    (void)n;
    return KW_SCTP_FAILED;
}
