/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sctp_usrsctp.c - sctp.h on libusrsctp (RFC 9260, RFC 6525), without its threads.
 *
 * The library names an association by an address that it gives back with each packet: ours is a
 * door, which outlives the association in a pool of the stack, so that a packet that comes late
 * finds nobody instead of freed memory. Its state is a global of the library; whether somebody has
 * it is told by a setting that is 0 only while nobody does. */
#include "net/sctp.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <usrsctp.h>

#define PORT 5000
#define BUFFER ((size_t)256 << 10) /* each way */
#define MESSAGE_MAX ((size_t)64 << 10)
#define REST 64 /* doors that are not used again at once */
#define CLOSING_MS 100
#define HEARTBEAT_MS 10000 /* so that a peer which is there is heard, whatever its ICE does */

typedef struct door {
    struct door *next; /* in the pool */
    kw_sctp *sctp;     /* NULL: nobody is behind it */
} door;

struct kw_sctp_stack {
    door *first, **last; /* owned: closed ones, the oldest first */
    size_t n_closed;
    uint8_t buffer[MESSAGE_MAX];
};

struct kw_sctp {
    kw_sctp_stack *stack;
    door *door;
    struct socket *socket;
    void (*send)(void *user, kw_bytes packet);
    void *user;
    uint16_t list[KW_SCTP_STREAMS]; /* of a notification that names several streams */
    size_t n_list;
    kw_sctp_kind list_kind;
    bool over;
};

bool kw_sctp_there(void)
{
    return true;
}

/* ---- the library's state ------------------------------------------------------------------- */

static int output(void *address, void *packet, size_t len, uint8_t tos, uint8_t set_df)
{
    const door *const at = address;
    (void)tos;
    (void)set_df;
    if (at->sctp)
        at->sctp->send(at->sctp->user, (kw_bytes){packet, len});
    return 0;
}

/* What data channels do not use is off, so that no peer can ask for it. */
static void configure(void)
{
    (void)usrsctp_sysctl_set_sctp_ecn_enable(0);
    (void)usrsctp_sysctl_set_sctp_asconf_enable(0);
    (void)usrsctp_sysctl_set_sctp_auth_enable(0);
    (void)usrsctp_sysctl_set_sctp_nrsack_enable(0);
    (void)usrsctp_sysctl_set_sctp_pktdrop_enable(0);
    (void)usrsctp_sysctl_set_sctp_delayed_sack_time_default(20);
    (void)usrsctp_sysctl_set_sctp_initial_cwnd(10);
    (void)usrsctp_sysctl_set_sctp_rto_initial_default(500);
    (void)usrsctp_sysctl_set_sctp_rto_min_default(200);
    (void)usrsctp_sysctl_set_sctp_rto_max_default(10000);
    (void)usrsctp_sysctl_set_sctp_init_rto_max_default(3000);
}

kw_status kw_sctp_stack_open(kw_sctp_stack **out, kw_error *err)
{
    if (usrsctp_sysctl_get_sctp_sendspace() != 0)
        return kw_fail(err, KW_E_LIMIT, "sctp: another loop of this process has it");
    kw_sctp_stack *stack = calloc(1, sizeof *stack);
    if (!stack)
        return kw_fail(err, KW_E_NOMEM, "sctp: no memory");
    stack->last = &stack->first;
    usrsctp_init_nothreads(0, output, NULL);
    configure();
    *out = stack;
    return KW_OK;
}

/* When the library still holds an association, it keeps doors too: then all stays as it is. */
void kw_sctp_stack_close(kw_sctp_stack *stack)
{
    if (!stack)
        return;
    int left = usrsctp_finish();
    for (int i = 0; left != 0 && i < 100; i++) {
        usrsctp_handle_timers(CLOSING_MS);
        left = usrsctp_finish();
    }
    if (left != 0)
        return;
    (void)usrsctp_sysctl_set_sctp_sendspace(0);
    for (door *at = stack->first, *next; at; at = next) {
        next = at->next;
        free(at);
    }
    free(stack);
}

void kw_sctp_stack_tick(kw_sctp_stack *stack, uint32_t ms)
{
    (void)stack;
    usrsctp_handle_timers(ms);
}

static door *open_door(kw_sctp_stack *stack)
{
    if (stack->n_closed <= REST)
        return calloc(1, sizeof(door));
    door *const at = stack->first;
    stack->first = at->next;
    if (!stack->first)
        stack->last = &stack->first;
    stack->n_closed--;
    *at = (door){0};
    return at;
}

static void close_door(kw_sctp_stack *stack, door *at)
{
    *at = (door){0};
    *stack->last = at;
    stack->last = &at->next;
    stack->n_closed++;
}

/* ---- associations -------------------------------------------------------------------------- */

static bool option(struct socket *s, int level, int name, const void *value, size_t len)
{
    return usrsctp_setsockopt(s, level, name, value, (socklen_t)len) == 0;
}

static bool set_options(struct socket *s)
{
    static const uint16_t events[] = {SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT};
    const int on = 1, buffer = (int)BUFFER;
    const struct linger abort_at_once = {.l_onoff = 1};
    const struct sctp_assoc_value reset = {.assoc_id = SCTP_ALL_ASSOC,
                                           .assoc_value = SCTP_ENABLE_RESET_STREAM_REQ};
    const struct sctp_initmsg init = {.sinit_num_ostreams = KW_SCTP_STREAMS,
                                      .sinit_max_instreams = KW_SCTP_STREAMS};
    const struct sctp_paddrparams path = {.spp_flags = SPP_PMTUD_DISABLE | SPP_HB_ENABLE,
                                          .spp_hbinterval = HEARTBEAT_MS,
                                          .spp_pathmtu = KW_SCTP_PACKET - 12};
    bool good = usrsctp_set_non_blocking(s, 1) == 0 &&
                option(s, SOL_SOCKET, SO_LINGER, &abort_at_once, sizeof abort_at_once) &&
                option(s, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer) &&
                option(s, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer) &&
                option(s, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof on) &&
                option(s, IPPROTO_SCTP, SCTP_RECVRCVINFO, &on, sizeof on) &&
                option(s, IPPROTO_SCTP, SCTP_ENABLE_STREAM_RESET, &reset, sizeof reset) &&
                option(s, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof init) &&
                option(s, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, sizeof path);
    for (size_t i = 0; good && i < KW_COUNT(events); i++) {
        const struct sctp_event event = {
            .se_assoc_id = SCTP_ALL_ASSOC, .se_type = events[i], .se_on = 1};
        good = option(s, IPPROTO_SCTP, SCTP_EVENT, &event, sizeof event);
    }
    return good;
}

static bool connect_both(struct socket *s, door *at)
{
    struct sockaddr_conn where = {
        .sconn_family = AF_CONN, .sconn_port = htons(PORT), .sconn_addr = at};
    struct sockaddr *const address = (struct sockaddr *)&where;
    return usrsctp_bind(s, address, sizeof where) == 0 &&
           (usrsctp_connect(s, address, sizeof where) == 0 || errno == EINPROGRESS);
}

kw_status kw_sctp_open(kw_sctp_stack *stack, void (*send)(void *user, kw_bytes packet), void *user,
                       kw_sctp **out, kw_error *err)
{
    kw_sctp *sctp = calloc(1, sizeof *sctp);
    door *at = sctp ? open_door(stack) : NULL;
    if (!at) {
        free(sctp);
        return kw_fail(err, KW_E_NOMEM, "sctp: no memory");
    }
    *sctp = (kw_sctp){.stack = stack, .door = at, .send = send, .user = user};
    at->sctp = sctp;
    usrsctp_register_address(at);
    sctp->socket = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
    if (!sctp->socket || !set_options(sctp->socket) || !connect_both(sctp->socket, at)) {
        const int code = errno;
        kw_sctp_close(sctp);
        return kw_fail(err, code == ENOMEM ? KW_E_NOMEM : KW_E_IO, "sctp: no association (%d)",
                       code);
    }
    *out = sctp;
    return KW_OK;
}

void kw_sctp_close(kw_sctp *sctp)
{
    if (!sctp)
        return;
    if (sctp->socket)
        usrsctp_close(sctp->socket); /* which aborts: SO_LINGER of 0 seconds */
    usrsctp_deregister_address(sctp->door);
    close_door(sctp->stack, sctp->door);
    free(sctp);
}

void kw_sctp_receive(kw_sctp *sctp, kw_bytes packet)
{
    usrsctp_conninput(sctp->door, packet.data, packet.len, 0);
}

/* ---- messages in --------------------------------------------------------------------------- */

static void associated(kw_sctp *sctp, const union sctp_notification *note, size_t len,
                       kw_sctp_event *out)
{
    if (len < sizeof note->sn_assoc_change)
        return;
    if (note->sn_assoc_change.sac_state == SCTP_COMM_UP)
        out->kind = KW_SCTP_UP;
    else
        sctp->over = true; /* lost, shut down, never there; or begun anew, which nobody may */
}

static void closed(kw_sctp *sctp, const union sctp_notification *note, size_t len)
{
    const struct sctp_stream_reset_event *const reset = &note->sn_strreset_event;
    const size_t head = sizeof *reset;
    if (len < head || reset->strreset_flags & (SCTP_STREAM_RESET_DENIED | SCTP_STREAM_RESET_FAILED))
        return;
    const size_t n = KW_MIN((len - head) / sizeof(uint16_t), (size_t)KW_SCTP_STREAMS);
    sctp->list_kind = reset->strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN ? KW_SCTP_THEY_CLOSED
                                                                             : KW_SCTP_WE_CLOSED;
    for (size_t i = 0; i < n; i++)
        sctp->list[sctp->n_list++] = reset->strreset_stream_list[i];
}

static void noted(kw_sctp *sctp, size_t len, kw_sctp_event *out)
{
    union sctp_notification note;
    struct {
        uint16_t type, flags;
        uint32_t length;
    } head;
    if (len < sizeof head)
        return;
    memcpy(&head, sctp->stack->buffer, sizeof head);
    if (head.type == SCTP_ASSOC_CHANGE) {
        memset(&note, 0, sizeof note);
        memcpy(&note, sctp->stack->buffer, KW_MIN(len, sizeof note));
        associated(sctp, &note, len, out);
    } else if (head.type == SCTP_STREAM_RESET_EVENT) {
        closed(sctp, (const union sctp_notification *)(const void *)sctp->stack->buffer, len);
    }
}

static bool from_list(kw_sctp *sctp, kw_sctp_event *out)
{
    if (sctp->n_list == 0)
        return false;
    out->kind = sctp->list_kind;
    out->stream = sctp->list[--sctp->n_list];
    return true;
}

void kw_sctp_next(kw_sctp *sctp, kw_sctp_event *out)
{
    *out = (kw_sctp_event){.kind = KW_SCTP_NOTHING};
    while (out->kind == KW_SCTP_NOTHING && !from_list(sctp, out)) {
        struct sctp_rcvinfo info = {0};
        socklen_t info_len = sizeof info, from_len = 0;
        unsigned kind = 0;
        int flags = 0;
        if (sctp->over) {
            out->kind = KW_SCTP_OVER;
            return;
        }
        const ssize_t n = usrsctp_recvv(sctp->socket, sctp->stack->buffer, MESSAGE_MAX, NULL,
                                        &from_len, &info, &info_len, &kind, &flags);
        if (n < 0 && (errno == EWOULDBLOCK || errno == EAGAIN || errno == EINPROGRESS ||
                      errno == ENOTCONN || errno == EINTR))
            return;
        if (n <= 0) {
            sctp->over = true;
        } else if (flags & MSG_NOTIFICATION) {
            noted(sctp, (size_t)n, out);
        } else if (kind == SCTP_RECVV_RCVINFO) {
            *out = (kw_sctp_event){.kind = KW_SCTP_DATA,
                                   .stream = info.rcv_sid,
                                   .payload = ntohl(info.rcv_ppid),
                                   .whole = (flags & MSG_EOR) != 0,
                                   .bytes = {sctp->stack->buffer, (size_t)n}};
        }
    }
}

/* ---- messages out -------------------------------------------------------------------------- */

static bool is_later(int code)
{
    return code == EWOULDBLOCK || code == EAGAIN || code == EINPROGRESS || code == EALREADY ||
           code == ENOBUFS || code == ENOMEM;
}

kw_sctp_sent kw_sctp_send(kw_sctp *sctp, uint16_t stream, uint32_t payload, kw_bytes message)
{
    struct sctp_sendv_spa how = {
        .sendv_flags = SCTP_SEND_SNDINFO_VALID,
        .sendv_sndinfo = {.snd_sid = stream, .snd_flags = SCTP_EOR, .snd_ppid = htonl(payload)}};
    const ssize_t n = usrsctp_sendv(sctp->socket, message.data, message.len, NULL, 0, &how,
                                    sizeof how, SCTP_SENDV_SPA, 0);
    if (n >= 0)
        return KW_SCTP_SENT;
    return is_later(errno) ? KW_SCTP_LATER : KW_SCTP_FAILED;
}

bool kw_sctp_quiet(kw_sctp *sctp)
{
    struct sctp_status status = {0};
    socklen_t len = sizeof status;
    return usrsctp_getsockopt(sctp->socket, IPPROTO_SCTP, SCTP_STATUS, &status, &len) == 0 &&
           status.sstat_unackdata == 0 && status.sstat_penddata == 0;
}

kw_sctp_sent kw_sctp_end_streams(kw_sctp *sctp, const uint16_t *streams, size_t n)
{
    enum { head = sizeof(struct sctp_reset_streams) };
    _Alignas(struct sctp_reset_streams) uint8_t room[head + KW_SCTP_STREAMS * sizeof *streams];
    struct sctp_reset_streams *const reset = (struct sctp_reset_streams *)(void *)room;
    kw_assert(n > 0 && n <= KW_SCTP_STREAMS);
    *reset = (struct sctp_reset_streams){.srs_assoc_id = SCTP_ALL_ASSOC,
                                         .srs_flags = SCTP_STREAM_RESET_OUTGOING,
                                         .srs_number_streams = (uint16_t)n};
    memcpy(room + head, streams, n * sizeof *streams);
    if (usrsctp_setsockopt(sctp->socket, IPPROTO_SCTP, SCTP_RESET_STREAMS, room,
                           (socklen_t)(head + n * sizeof *streams)) == 0)
        return KW_SCTP_SENT;
    return is_later(errno) ? KW_SCTP_LATER : KW_SCTP_FAILED;
}
