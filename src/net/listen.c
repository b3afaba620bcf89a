/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* listen.c - sockets that listen, who is let in, and under which addresses others find us. */
#include "net/webrtc.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define BACKLOG 256
#define MAX_LISTENERS 16

struct kw_listener {
    uv_tcp_t tcp;
    kw_host *host;
    kw_listener *next;
    kw_multiaddr addr; /* /ip4/../tcp/P with the port that it has */
    bool raw, ws;      /* which of its addresses are told to others */
};

kw_multiaddr kw_addr_of_socket(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address;
        return kw_multiaddr_of_ip(true, six->sin6_addr.s6_addr, ntohs(six->sin6_port), false);
    }
    const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)address;
    uint8_t bytes[4];
    memcpy(bytes, &four->sin_addr, sizeof bytes);
    return kw_multiaddr_of_ip(false, bytes, ntohs(four->sin_port), false);
}

/* ---- letting in ---- */

#define PATIENCE_MS 2000 /* for who has not said who it is, when others wait */

/* Since when a link has been of no use. Open streams are none by themselves, or who opens one and
 * says nothing would keep its place for ever: a transfer moves bytes. */
static uint64_t useless_since(const kw_link *link)
{
    if (!link->secured)
        return link->opened_ms;
    return kw_connection_streams(link->connection) == 0 ? link->busy_ms : link->moved_ms;
}

static bool gives_way(const kw_link *link, uint64_t now)
{
    const kw_host *host = link->host;
    if (link->over || link->mode == KW_LINK_HTTP)
        return false;
    if (!link->secured)
        return link->inbound && now - useless_since(link) > PATIENCE_MS;
    if (link->peer && link->peer->n_kept > 0)
        return false;
    return (link->inbound || kw_connection_streams(link->connection) == 0) &&
           now - useless_since(link) > host->limits.idle_ms / 4;
}

/* What is left of what a peer may ask for: who floods has nothing left, and is the first to go. */
static double left_of(kw_link *link, uint64_t now)
{
    const kw_rate *rate = &link->host->requests;
    if (!link->peer || link->over)
        return rate->burst;
    kw_bucket_fill(&link->peer->requests, rate, now);
    return link->peer->requests.left;
}

/* A full host makes room for who has something to say: who has been of no use for longest goes, or
 * else who has asked for most. */
static bool make_room(kw_host *host)
{
    const uint64_t now = kw_loop_now(host->loop);
    kw_link *idlest = NULL, *greediest = NULL;
    double least = host->requests.burst / 2;
    for (kw_link *l = host->links; l; l = l->next) {
        if (gives_way(l, now) && (!idlest || useless_since(l) < useless_since(idlest)))
            idlest = l;
        if (left_of(l, now) < least) {
            least = left_of(l, now);
            greediest = l;
        }
    }
    if (!idlest && !greediest)
        return false;
    kw_link_fail(idlest ? idlest : greediest, KW_E_CANCELLED, "others wait");
    return true;
}

/* Of those that have not said who they are, at most half of what there is room for: who begins and
 * does not go on is not to keep others out. The oldest leaves, for a handshake takes no time. */
static void make_way(kw_host *host, const kw_link *newest)
{
    kw_link *oldest = NULL;
    size_t n = 0;
    for (kw_link *l = host->links; l; l = l->next) {
        if (!l->inbound || l->secured || l->over || l == newest || l->mode == KW_LINK_HTTP)
            continue;
        n++;
        if (!oldest || l->opened_ms <= oldest->opened_ms)
            oldest = l;
    }
    if (oldest && n >= (host->limits.connections + 1) / 2)
        kw_link_fail(oldest, KW_E_CANCELLED, "others wait to say who they are");
}

static void name_peer(kw_link *link)
{
    struct sockaddr_storage peer;
    int size = (int)sizeof peer;
    memset(&peer, 0, sizeof peer);
    if (uv_tcp_getpeername(&link->tcp, (struct sockaddr *)&peer, &size) != 0)
        return;
    link->addr = kw_addr_of_socket((const struct sockaddr *)&peer);
    link->ip6 = peer.ss_family == AF_INET6;
    kw_multiaddr_part part;
    if (kw_multiaddr_find(&link->addr, link->ip6 ? KW_MA_IP6 : KW_MA_IP4, &part))
        memcpy(link->ip, part.value.data, part.value.len);
}

kw_status kw_link_let_in(kw_link *link, kw_error *err)
{
    kw_host *host = link->host;
    const kw_peer_id nobody = {.len = 0};
    if (!kw_host_allows(host, &nobody, &link->addr, true))
        return kw_fail(err, KW_E_CANCELLED, "host: not allowed");
    KW_TRY(kw_limits_enter(host->gate, link->ip6, link->ip, kw_loop_now(host->loop), err));
    link->counted = true;
    make_way(host, link);
    if (host->n_links > host->limits.connections && !make_room(host))
        return kw_fail(err, KW_E_CANCELLED, "host: has %zu connections", host->limits.connections);
    return KW_OK;
}

static kw_status let_in(kw_link *link, kw_error *err)
{
    name_peer(link);
    KW_TRY(kw_link_let_in(link, err));
    return kw_link_begin(link, err);
}

static void on_connection(uv_stream_t *server, int code)
{
    const kw_listener *listener = server->data;
    kw_link *link;
    kw_error err;
    if (code != 0 || kw_link_open(listener->host, true, 0, &link, &err) != KW_OK)
        return;
    if (uv_accept(server, (uv_stream_t *)&link->tcp) != 0) {
        kw_link_fail(link, KW_E_IO, "not accepted");
        return;
    }
    const kw_status status = let_in(link, &err);
    if (status != KW_OK)
        kw_link_fail(link, status, err.message);
}

/* ---- listening ---- */

static void listener_gone(uv_handle_t *handle)
{
    kw_listener *listener = handle->data;
    kw_host *host = listener->host;
    free(listener);
    kw_host_released(host);
}

void kw_listen_close_all(kw_host *host)
{
    while (host->listeners) {
        kw_listener *listener = host->listeners;
        host->listeners = listener->next;
        uv_close((uv_handle_t *)&listener->tcp, listener_gone);
    }
}

/* Whether an address is /ip{4,6}/A/tcp/P, perhaps with /ws and /p2p behind it. */
static bool can_listen(const kw_multiaddr *addr, kw_multiaddr_part *ip, kw_multiaddr_part *tcp,
                       bool *ws)
{
    kw_multiaddr_part more;
    size_t at = 0;
    *ws = false;
    if (!kw_multiaddr_next(addr, &at, ip) || !kw_multiaddr_next(addr, &at, tcp))
        return false;
    while (kw_multiaddr_next(addr, &at, &more)) {
        if (more.code != KW_MA_WS && more.code != KW_MA_P2P)
            return false;
        *ws = *ws || more.code == KW_MA_WS;
    }
    return (ip->code == KW_MA_IP4 || ip->code == KW_MA_IP6) && tcp->code == KW_MA_TCP;
}

void kw_socket_of_addr(const kw_multiaddr *addr, struct sockaddr_storage *out)
{
    kw_multiaddr_part ip, port;
    size_t at = 0;
    memset(out, 0, sizeof *out);
    if (!kw_multiaddr_next(addr, &at, &ip) || !kw_multiaddr_next(addr, &at, &port))
        return;
    if (ip.code == KW_MA_IP6) {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
        six->sin6_family = AF_INET6;
        memcpy(&six->sin6_addr, ip.value.data, 16);
        memcpy(&six->sin6_port, port.value.data, 2);
    } else {
        struct sockaddr_in *four = (struct sockaddr_in *)out;
        four->sin_family = AF_INET;
        memcpy(&four->sin_addr, ip.value.data, 4);
        memcpy(&four->sin_port, port.value.data, 2);
    }
}

static kw_status to_socket(const kw_multiaddr *addr, struct sockaddr_storage *out, bool *ws,
                           kw_error *err)
{
    kw_multiaddr_part ip, tcp;
    if (!can_listen(addr, &ip, &tcp, ws)) {
        char text[KW_MULTIADDR_TEXT_MAX];
        kw_multiaddr_text(addr, text);
        return kw_fail(err, KW_E_UNSUPPORTED, "host: cannot listen on %.180s", text);
    }
    kw_socket_of_addr(addr, out);
    return KW_OK;
}

/* Whether a listener has this very address already (asked for with and without /ws). */
static kw_listener *listening(const kw_host *host, const struct sockaddr_storage *address)
{
    const kw_multiaddr addr = kw_addr_of_socket((const struct sockaddr *)address);
    kw_listener *l = host->listeners;
    while (l && !kw_multiaddr_equal(&l->addr, &addr))
        l = l->next;
    return l;
}

/* Once nobody else can have taken the port by it: our own dials may go out from it. */
static void share_port(const uv_tcp_t *tcp)
{
    const int on = 1;
    uv_os_fd_t fd;
    if (uv_fileno((const uv_handle_t *)tcp, &fd) == 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

static int bind_and_listen(kw_listener *listener, const struct sockaddr_storage *address)
{
    struct sockaddr_storage bound;
    int size = (int)sizeof bound;
    const unsigned flags = address->ss_family == AF_INET6 ? UV_TCP_IPV6ONLY : 0;
    int code = uv_tcp_bind(&listener->tcp, (const struct sockaddr *)address, flags);
    if (code == 0)
        code = uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, on_connection);
    memset(&bound, 0, sizeof bound);
    if (code == 0)
        code = uv_tcp_getsockname(&listener->tcp, (struct sockaddr *)&bound, &size);
    if (code == 0)
        listener->addr = kw_addr_of_socket((const struct sockaddr *)&bound);
    if (code == 0)
        share_port(&listener->tcp);
    return code;
}

bool kw_listen_bind(const kw_host *host, const kw_link *link, int family)
{
    const int on = 1;
    uv_os_fd_t fd;
    struct sockaddr_storage address;
    const socklen_t size =
        family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    for (const kw_listener *l = host->listeners; l; l = l->next) {
        kw_socket_of_addr(&l->addr, &address);
        if (address.ss_family != family || uv_fileno((const uv_handle_t *)&link->tcp, &fd) != 0)
            continue;
        return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
               setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 &&
               bind(fd, (const struct sockaddr *)&address, size) == 0;
    }
    return false;
}

static kw_status new_listener(kw_host *host, kw_listener **out, kw_error *err)
{
    size_t n = 0;
    for (const kw_listener *l = host->listeners; l; l = l->next)
        n++;
    if (n >= MAX_LISTENERS)
        return kw_fail(err, KW_E_LIMIT, "host: listens on %d addresses", MAX_LISTENERS);
    kw_listener *listener = calloc(1, sizeof *listener);
    if (!listener)
        return kw_fail(err, KW_E_NOMEM, "host: out of memory");
    const int code = uv_tcp_init(kw_loop_uv(host->loop), &listener->tcp);
    if (code != 0) {
        free(listener);
        return kw_fail(err, KW_E_IO, "host: a socket: %s", uv_strerror(code));
    }
    listener->host = host;
    listener->tcp.data = listener;
    host->n_handles++;
    *out = listener;
    return KW_OK;
}

kw_status kw_host_listen(kw_host *host, const kw_multiaddr *addr, kw_error *err)
{
    struct sockaddr_storage address;
    bool ws;
    host->push_due = true;
    if (kw_webrtc_is(addr))
        return kw_webrtc_listen(host, addr, err);
    KW_TRY(to_socket(addr, &address, &ws, err));
    kw_listener *listener = listening(host, &address);
    if (!listener) {
        KW_TRY(new_listener(host, &listener, err));
        const int code = bind_and_listen(listener, &address);
        if (code != 0) {
            char text[KW_MULTIADDR_TEXT_MAX];
            kw_multiaddr_text(addr, text);
            uv_close((uv_handle_t *)&listener->tcp, listener_gone);
            return kw_fail(err, KW_E_IO, "host: cannot listen on %.120s: %s", text,
                           uv_strerror(code));
        }
        kw_listener **last = &host->listeners;
        while (*last)
            last = &(*last)->next;
        *last = listener;
    }
    *(ws ? &listener->ws : &listener->raw) = true;
    return KW_OK;
}

/* ---- our addresses ---- */

typedef struct addresses {
    kw_multiaddr *out;
    size_t n, max;
} addresses;

static void add_one(addresses *list, const kw_multiaddr *addr)
{
    if (list->n < list->max)
        list->out[list->n] = *addr;
    list->n++;
}

/* One address of a listener or of a WebRTC port, as others are told it. */
typedef struct spoken {
    const kw_listener *listener; /* one of the two */
    const kw_webrtc *webrtc;
} spoken;

static void add_spoken(addresses *list, const spoken *by, const kw_multiaddr *addr)
{
    kw_multiaddr more = *addr;
    if (by->webrtc) {
        if (kw_webrtc_complete(by->webrtc, &more, NULL) == KW_OK)
            add_one(list, &more);
        return;
    }
    if (by->listener->raw)
        add_one(list, addr);
    if (by->listener->ws && kw_multiaddr_add(&more, KW_MA_WS, (kw_bytes){0}, NULL) == KW_OK)
        add_one(list, &more);
}

static bool is_wildcard(const kw_multiaddr *addr)
{
    static const uint8_t zero[16];
    kw_multiaddr_part ip;
    size_t at = 0;
    return kw_multiaddr_next(addr, &at, &ip) && memcmp(ip.value.data, zero, ip.value.len) == 0;
}

/* The address of an interface with the port of a bound one; false: of no use to others. */
static bool of_interface(const uv_interface_address_t *interface, const kw_multiaddr *bound,
                         kw_multiaddr *out)
{
    uint8_t four[4];
    kw_multiaddr_part ip, port;
    size_t at = 0;
    const struct in6_addr *address = &interface->address.address6.sin6_addr;
    if (!kw_multiaddr_next(bound, &at, &ip) || !kw_multiaddr_next(bound, &at, &port))
        return false;
    const bool six = ip.code == KW_MA_IP6;
    if ((interface->address.address4.sin_family == AF_INET6) != six)
        return false;
    if (six && IN6_IS_ADDR_LINKLOCAL(address))
        return false; /* needs a zone, which means nothing elsewhere */
    memcpy(four, &interface->address.address4.sin_addr, sizeof four);
    const uint16_t number = (uint16_t)(port.value.data[0] << 8 | port.value.data[1]);
    *out = kw_multiaddr_of_ip(six, six ? address->s6_addr : four, number, port.code == KW_MA_UDP);
    return true;
}

/* Those of all interfaces; loopback ones only where there are no others. */
static void add_interfaces(addresses *list, const spoken *by, const kw_multiaddr *bound)
{
    uv_interface_address_t *all;
    int n;
    if (uv_interface_addresses(&all, &n) != 0)
        return;
    const size_t before = list->n;
    kw_multiaddr addr;
    for (int internal = 0; internal < 2 && list->n == before; internal++)
        for (int i = 0; i < n; i++)
            if (all[i].is_internal == internal && of_interface(&all[i], bound, &addr))
                add_spoken(list, by, &addr);
    uv_free_interface_addresses(all, n);
}

static void add_all(addresses *list, const spoken *by, const kw_multiaddr *bound)
{
    if (is_wildcard(bound))
        add_interfaces(list, by, bound);
    else
        add_spoken(list, by, bound);
}

size_t kw_host_addrs(const kw_host *host, kw_multiaddr *out, size_t n)
{
    addresses list = {.out = out, .max = n};
    for (const kw_listener *l = host->listeners; l; l = l->next)
        add_all(&list, &(spoken){.listener = l}, &l->addr);
    for (const kw_webrtc *w = NULL; (w = kw_webrtc_next(host, w)) != NULL;)
        add_all(&list, &(spoken){.webrtc = w}, kw_webrtc_bound(w));
    for (size_t kind = 0; kind < KW_ALSO; kind++)
        for (size_t i = 0; i < host->n_also[kind]; i++)
            add_one(&list, &host->also[kind][i]);
    return list.n;
}

void kw_host_set_also(kw_host *host, kw_host_also kind, const kw_multiaddr *addrs, size_t n)
{
    n = KW_MIN(n, KW_ALSO_ADDRS);
    bool same = n == host->n_also[kind];
    for (size_t i = 0; i < n; i++) {
        same = same && kw_multiaddr_equal(&host->also[kind][i], &addrs[i]);
        host->also[kind][i] = addrs[i];
    }
    host->n_also[kind] = n;
    host->push_due = host->push_due || !same;
}
