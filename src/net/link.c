/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* link.c - one connection over its TCP socket, or over what carries it instead (kw_link_below).
 *
 * Bytes out go to the socket at once as far as it takes them; the rest waits in `pending`, which
 * becomes one write as soon as the one under way (`flight`) ends. Bytes in come through one buffer
 * of the host. An idle link therefore holds no buffer of its own.
 *
 * The end has two halves: kw_connection says that it is over (or never began), then what is queued
 * leaves within a second, the socket is closed, and only its callback frees the link. */
#include "net/carrier.h"

#include "base/check.h"
#include "net/circuit.h"

#include <stdlib.h>
#include <string.h>

#define FLUSH_MS 1000  /* for the last bytes after the end */
#define STUCK_MS 30000 /* a peer that takes no byte of what is queued */
#define RETIRED_MS 2000
#define WORTH_BYTES ((uint64_t)64 << 10) /* a transfer moves so much within a few seconds */

/* ---- closing the socket ---- */

static void gone(uv_handle_t *handle)
{
    kw_link *link = handle->data;
    kw_host *host = link->host;
    kw_link **turn = &host->turns;
    while (*turn && *turn != link)
        turn = &(*turn)->next_turn;
    if (*turn)
        *turn = link->next_turn;
    kw_connection_free(link->connection);
    kw_carrier_free(link);
    if (link->below)
        link->below->free(link->below_user);
    host->buffered -= link->flight.len + link->pending.len;
    kw_buf_free(&link->flight);
    kw_buf_free(&link->pending);
    free(link);
    kw_host_released(host);
}

static void close_socket(kw_link *link)
{
    if (link->socket_gone)
        return;
    kw_host *host = link->host;
    link->socket_gone = true;
    if (link->circuit)
        kw_circuit_leave(link);
    if (link->next)
        link->next->prev = link->prev;
    *(link->prev ? &link->prev->next : &host->links) = link->next;
    host->n_links--;
    if (link->counted)
        kw_limits_leave(host->gate, link->ip6, link->ip, kw_loop_now(host->loop));
    if (link->below)
        link->below->close(link->below_user);
    uv_close((uv_handle_t *)&link->tcp, gone);
}

/* Once, when nothing more is to be expected of it. */
static void end(kw_link *link, kw_status why, const char *reason)
{
    if (link->over)
        return;
    link->over = true;
    if (why == KW_E_FORMAT)
        kw_link_blame(link, KW_HOST_MALFORMED);
    else if (why == KW_E_LIMIT)
        kw_link_blame(link, link->secured || !link->connection ? KW_HOST_ABUSE : KW_HOST_SLOW);
    if (link->mode == KW_LINK_CONNECTING)
        link->host->n_connecting--;
    kw_peer_left(link);
    if (link->dial)
        kw_dial_lost(link->dial, link, why, reason);
    if (link->flight.len + link->pending.len == 0 || why == KW_E_IO)
        close_socket(link);
    else
        link->busy_ms = kw_loop_now(link->host->loop);
}

void kw_link_fail(kw_link *link, kw_status why, const char *reason)
{
    if (link->connection && !link->over)
        kw_connection_lost(link->connection, why);
    end(link, why, reason);
    close_socket(link);
}

void kw_link_finish(kw_link *link)
{
    end(link, KW_OK, "answered");
}

void kw_link_close(kw_link *link)
{
    if (link->over)
        return;
    if (link->connection)
        kw_connection_close(link->connection);
    else
        kw_link_fail(link, KW_E_CANCELLED, "closed");
}

/* ---- bytes out ---- */

static void flush(kw_link *link);

static void backlog(kw_link *link)
{
    const kw_host *host = link->host;
    size_t bytes = link->flight.len + link->pending.len + kw_circuit_queued(link);
    if (bytes > 0 && host->buffered > host->limits.buffered_bytes)
        bytes += host->limits.buffered_bytes;
    if (!link->over && link->connection)
        kw_connection_backlog(link->connection, bytes);
}

static void written(uv_write_t *write, int code)
{
    kw_link *link = write->data;
    link->host->buffered -= link->flight.len;
    kw_buf_free(&link->flight);
    link->wrote = true;
    if (link->socket_gone)
        return;
    if (code != 0) {
        kw_link_fail(link, KW_E_IO, uv_strerror(code));
        return;
    }
    kw_link_drained(link);
}

void kw_link_drained(kw_link *link)
{
    flush(link);
    if (link->over && link->flight.len + link->pending.len == 0) {
        close_socket(link);
    } else if (!link->over) {
        backlog(link);
        kw_carrier_drained(link);
    }
}

static void flush_circuit(kw_link *link)
{
    kw_buf *const pending = &link->pending;
    const size_t n =
        kw_circuit_write(link, (kw_bytes){(const uint8_t *)pending->data, pending->len});
    link->host->buffered -= n;
    pending->len -= n;
    if (pending->len > 0)
        memmove(pending->data, pending->data + n, pending->len);
    else
        kw_buf_free(pending);
}

static void flush(kw_link *link)
{
    if (link->pending.len == 0 || link->flight.len > 0 || link->socket_gone)
        return;
    if (link->relayed) {
        flush_circuit(link);
        return;
    }
    link->flight = link->pending;
    link->pending = (kw_buf){0};
    link->write.data = link;
    const uv_buf_t buf = uv_buf_init(link->flight.data, (unsigned)link->flight.len);
    if (kw_loop_write(link->host->loop, &link->write, (uv_stream_t *)&link->tcp, &buf, written) ==
        0)
        return;
    link->host->buffered -= link->flight.len;
    kw_buf_free(&link->flight);
    link->broken = true; /* the tick ends it: we may be within the connection now */
}

void kw_link_write(kw_link *link, kw_bytes bytes)
{
    if (link->socket_gone || bytes.len == 0)
        return;
    if (link->relayed && link->pending.len == 0) {
        const size_t n = kw_circuit_write(link, bytes);
        bytes = (kw_bytes){bytes.data + n, bytes.len - n};
        backlog(link);
        if (bytes.len == 0)
            return;
    } else if (link->flight.len + link->pending.len == 0) {
        const uv_buf_t buf = {.base = (char *)(uintptr_t)bytes.data, .len = bytes.len};
        const int n = kw_loop_try_write(link->host->loop, (uv_stream_t *)&link->tcp, &buf);
        if (n > 0) {
            bytes.data += n;
            bytes.len -= (size_t)n;
        }
        if (bytes.len == 0)
            return;
    }
    kw_buf_add(&link->pending, (const char *)bytes.data, bytes.len);
    if (link->pending.failed) {
        link->broken = true;
        return;
    }
    link->host->buffered += bytes.len;
    flush(link);
    backlog(link);
}

/* ---- bytes in ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    const kw_link *link = handle->data;
    (void)suggested;
    *buf = uv_buf_init(link->host->read_buffer, KW_READ_BUFFER);
}

kw_status kw_link_shake_hands(kw_link *link, const kw_peer_id *expected, kw_error *err)
{
    kw_host *host = link->host;
    const kw_connection_config config = {.identity = host->identity,
                                         .owner = &host->owner,
                                         .user = link,
                                         .initiator = !link->inbound,
                                         .expected = expected ? *expected : (kw_peer_id){.len = 0},
                                         .window_budget = &host->window_budget,
                                         .now_ms = kw_loop_now(host->loop)};
    KW_TRY(kw_carrier_begin_psk(link, err));
    return kw_connection_open(&config, &link->connection, err);
}

void kw_link_take(kw_link *link, kw_bytes bytes)
{
    kw_connection_receive(link->connection, bytes, kw_loop_now(link->host->loop));
    kw_link_settle(link);
}

void kw_link_settle(kw_link *link)
{
    if (link->over || !link->secured || link->started)
        return;
    link->started = true;
    if (link->refused)
        kw_link_fail(link, KW_E_CANCELLED, link->refused);
    else
        kw_link_started(link);
}

/* What four bytes say: a way for the rest to take. */
static kw_status choose(kw_link *link, kw_error *err)
{
    static const uint8_t multistream[4] = {0x13, '/', 'm', 'u'};
    if (memcmp(link->first, "GET ", 4) == 0 || memcmp(link->first, "HEAD", 4) == 0)
        return kw_carrier_begin_http(link, err);
    const bool hidden = link->host->config.psk != NULL;
    if (!hidden && memcmp(link->first, multistream, sizeof multistream) != 0)
        return kw_fail(err, KW_E_FORMAT, "neither libp2p nor HTTP");
    link->mode = hidden ? KW_LINK_CARRIED : KW_LINK_RAW;
    return kw_link_shake_hands(link, &link->expected, err);
}

static void receive(kw_link *link, kw_bytes bytes)
{
    if (link->over || bytes.len == 0)
        return; /* only the last bytes out are of interest */
    if (link->mode == KW_LINK_RAW)
        kw_link_take(link, bytes);
    else
        kw_carrier_receive(link, bytes);
}

/* The first four bytes of an inbound link say what it is. */
static void sniff(kw_link *link, kw_bytes bytes)
{
    kw_error err;
    while (link->n_first < sizeof link->first && bytes.len > 0) {
        link->first[link->n_first++] = *bytes.data++;
        bytes.len--;
    }
    if (link->n_first < sizeof link->first)
        return;
    const kw_status status = choose(link, &err);
    if (status != KW_OK) {
        kw_link_fail(link, status, err.message);
        return;
    }
    receive(link, (kw_bytes){link->first, sizeof link->first});
    receive(link, bytes);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    kw_link *link = stream->data;
    if (n == 0 || link->socket_gone)
        return;
    if (n < 0) {
        kw_link_fail(link, KW_E_IO, n == UV_EOF ? "the peer hung up" : uv_strerror((int)n));
        return;
    }
    const kw_bytes bytes = {(const uint8_t *)buf->base, (size_t)n};
    if (link->mode == KW_LINK_SNIFFING)
        sniff(link, bytes);
    else
        receive(link, bytes);
}

/* ---- what the connection says ---- */

static void on_send(void *user, kw_bytes bytes)
{
    kw_carrier_send(user, bytes);
}

static void on_secured(void *user, const kw_peer_id *peer)
{
    kw_link *link = user;
    link->secured = true; /* kw_link_started follows outside of the connection */
    kw_peer_came(link, peer);
}

/* At most protocol->max_per_peer streams over all connections of the peer. */
static bool within_limit(const kw_link *link, const kw_protocol *protocol)
{
    if (protocol->max_per_peer == 0)
        return true;
    size_t n = 0;
    for (const kw_link *l = link->peer->links; l; l = l->next_of_peer)
        if (!l->over)
            n += kw_connection_count(l->connection, protocol->id);
    return n <= protocol->max_per_peer;
}

static bool on_incoming(void *user, kw_stream *stream, const char *id)
{
    const kw_link *link = user;
    const kw_protocol *protocol = kw_host_protocol(link->host, id);
    if (!protocol || !link->peer || (link->limited && !protocol->limited) ||
        (link->relayed && protocol->direct) || !within_limit(link, protocol))
        return false;
    if (!kw_host_request(link->host, &link->peer->node.id, KW_COST_STREAM)) {
        kw_link_blame(link, KW_HOST_ABUSE);
        return false;
    }
    return protocol->incoming(protocol->user, stream);
}

static bool on_speaks(void *user, const char *id)
{
    return kw_host_protocol(((kw_link *)user)->host, id) != NULL;
}

static void on_closed(void *user, kw_status why, const char *reason)
{
    end(user, why, reason ? reason : kw_status_name(why));
}

/* Ends that came outside of the connection's calls are told in a turn of their own. */
static void on_turn(void *user)
{
    kw_link *link = user;
    kw_host *host = link->host;
    if (link->turn_due || link->socket_gone)
        return;
    link->turn_due = true;
    link->next_turn = host->turns;
    host->turns = link;
    kw_timer_set(host->soon_timer, 0, 0);
}

void kw_link_turns(kw_host *host)
{
    while (host->turns) {
        kw_link *link = host->turns;
        host->turns = link->next_turn;
        link->next_turn = NULL;
        link->turn_due = false;
        kw_connection_turn(link->connection);
    }
}

void kw_link_owner(kw_connection_owner *owner)
{
    *owner = (kw_connection_owner){.send = on_send,
                                   .secured = on_secured,
                                   .incoming = on_incoming,
                                   .speaks = on_speaks,
                                   .closed = on_closed,
                                   .soon = on_turn};
}

/* ---- a link's life ---- */

static kw_link *new_link(kw_host *host, bool inbound)
{
    kw_link *link = calloc(1, sizeof *link);
    if (!link)
        return NULL;
    link->host = host;
    link->inbound = inbound;
    link->opened_ms = link->busy_ms = link->stuck_ms = kw_loop_now(host->loop);
    link->moved_ms = link->opened_ms;
    return link;
}

static void add_link(kw_link *link)
{
    kw_host *host = link->host;
    link->next = host->links;
    if (link->next)
        link->next->prev = link;
    host->links = link;
    host->n_links++;
    host->n_handles++;
    if (!link->inbound)
        host->n_connecting++;
}

kw_status kw_link_open(kw_host *host, bool inbound, int family, kw_link **out, kw_error *err)
{
    kw_link *link = new_link(host, inbound);
    if (!link)
        return kw_fail(err, KW_E_NOMEM, "host: out of memory for a connection");
    const int code = uv_tcp_init_ex(kw_loop_uv(host->loop), &link->tcp, (unsigned)family);
    if (code != 0) {
        free(link);
        return kw_uv_fail(err, "host: a socket", code);
    }
    link->tcp.data = link;
    link->mode = inbound ? KW_LINK_SNIFFING : KW_LINK_CONNECTING;
    add_link(link);
    *out = link;
    return KW_OK;
}

kw_status kw_link_open_below(kw_host *host, bool inbound, const kw_link_below *below, void *user,
                             kw_link **out, kw_error *err)
{
    kw_link *link = new_link(host, inbound);
    if (!link)
        return kw_fail(err, KW_E_NOMEM, "host: out of memory for a connection");
    (void)uv_timer_init(kw_loop_uv(host->loop), &link->none);
    link->none.data = link;
    link->below = below;
    link->below_user = user;
    link->mode = inbound ? KW_LINK_BELOW : KW_LINK_CONNECTING;
    add_link(link);
    *out = link;
    return KW_OK;
}

void kw_link_carried(kw_link *link)
{
    if (link->mode != KW_LINK_CONNECTING)
        return;
    link->host->n_connecting--;
    link->mode = KW_LINK_BELOW;
}

kw_status kw_link_begin(kw_link *link, kw_error *err)
{
    (void)uv_tcp_nodelay(&link->tcp, 1);
    const int code = uv_read_start((uv_stream_t *)&link->tcp, on_alloc, on_read);
    if (code != 0)
        return kw_uv_fail(err, "host: reading", code);
    if (link->inbound)
        return KW_OK;
    link->host->n_connecting--;
    link->mode = link->host->config.psk ? KW_LINK_CARRIED : KW_LINK_RAW;
    if (link->ws)
        return kw_carrier_begin_ws(link, err);
    return kw_link_shake_hands(link, &link->expected, err);
}

/* A queue of which nothing has left for long. */
static bool is_stuck(kw_link *link, uint64_t now_ms)
{
    const bool waits = link->flight.len > 0 && !link->wrote;
    link->wrote = false;
    if (!waits)
        link->stuck_ms = now_ms;
    return link->broken || now_ms - link->stuck_ms > STUCK_MS;
}

/* Between requests a client has as long as for a handshake. */
static void tick_http(kw_link *link, uint64_t now_ms)
{
    if (kw_carrier_busy(link))
        link->busy_ms = now_ms;
    else if (now_ms - link->busy_ms > link->host->limits.handshake_ms)
        kw_link_fail(link, KW_E_CANCELLED, "no request in time");
}

static void note_moved(kw_link *link, uint64_t now_ms)
{
    kw_connection_info info;
    kw_connection_get_info(link->connection, &info);
    if (info.bytes_in + info.bytes_out - link->moved_bytes < WORTH_BYTES)
        return;
    link->moved_bytes = info.bytes_in + info.bytes_out;
    link->moved_ms = now_ms;
}

static void tick_connection(kw_link *link, uint64_t now_ms)
{
    const uint64_t idle_ms = link->host->limits.idle_ms;
    if (kw_connection_streams(link->connection) > 0)
        link->busy_ms = now_ms;
    note_moved(link, now_ms);
    kw_identify_tick(link, now_ms);
    kw_connection_tick(link->connection, now_ms);
    const uint64_t patience = link->retired ? KW_MIN(idle_ms, RETIRED_MS) : idle_ms;
    if (link->peer && link->peer->n_kept > 0 && !link->retired)
        link->busy_ms = now_ms;
    if (!link->over && link->secured && now_ms - link->busy_ms > patience)
        kw_link_close(link);
}

void kw_link_tick(kw_link *link, uint64_t now_ms)
{
    const kw_host_limits *limits = &link->host->limits;
    if (link->socket_gone)
        return;
    if (link->over && now_ms - link->busy_ms > FLUSH_MS)
        close_socket(link);
    else if (is_stuck(link, now_ms))
        kw_link_fail(link, KW_E_IO, "takes no bytes");
    else if (link->over)
        return;
    else if (link->mode == KW_LINK_HTTP)
        tick_http(link, now_ms);
    else if (!link->secured && now_ms - link->opened_ms > limits->handshake_ms)
        kw_link_fail(link, KW_E_LIMIT, "the handshake took too long");
    else if (link->connection)
        tick_connection(link, now_ms);
}
