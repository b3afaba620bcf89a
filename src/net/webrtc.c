/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* webrtc.c - WebRTC-direct on a UDP socket. See webrtc.h; rtc.c is one connection.
 *
 * The first byte of a datagram says what it is (RFC 7983). STUN is answered from the request alone.
 * DTLS goes to the session of its address, or asks for a cookie; only who sent that back becomes a
 * link, with the limits that every inbound link has. No answer is longer than what it answers until
 * then. A session whose address has been silent for long is over: browsers ask by STUN every few
 * seconds whether they are still welcome. Who we dial is asked by STUN until it answers, then DTLS
 * begins; all that are dialed share a socket. */
#include "net/webrtc.h"

#include "base/check.h"
#include "crypto/crypto.h"
#include "net/rtc.h"
#include "net/stun.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 10
#define SILENCE_MS 30000
#define MAX_PORTS 8
#define N_BUCKETS 256
#define KEY_MAX 19
#define STUN_PER_SECOND 50
#define ASK_MS 100      /* until a dialed address has answered */
#define CONSENT_MS 5000 /* and from then on (RFC 7675) */
#define UFRAG "libp2p+webrtc+v1/"
#define UFRAG_RANDOM 16 /* bytes, in hexadecimal */
#define SOCKET_BUFFER (1 << 20)

typedef struct session session;

/* What the ports of all hosts on a loop share. */
typedef struct shared {
    kw_loop *loop;
    kw_sctp_stack *stack;
    kw_timer *timer;
    kw_webrtc *ports; /* by next_of_loop */
    size_t n_sessions;
    uint64_t ticked_ms;
} shared;

struct kw_webrtc {
    uv_udp_t udp;
    kw_host *host;
    kw_webrtc *next, *next_of_loop;
    shared *shared;
    kw_multiaddr bound;
    uint8_t hash[32]; /* of the certificate */
    kw_dtls_context *dtls;
    kw_limits *stun; /* requests that an address may make */
    session *buckets[N_BUCKETS];
    size_t n_refs; /* the socket, and sessions */
    bool closing, dials /* takes no strangers */;
};

struct session {
    session *next; /* of its bucket */
    kw_webrtc *port;
    kw_link *link;
    kw_rtc *rtc; /* owned */
    struct sockaddr_storage from;
    uint8_t key[KEY_MAX];
    size_t key_len;
    uint64_t heard_ms;
    bool listed;
    /* Of one that we dial: */
    bool dials, answered;
    uint64_t asked_ms;
    uint8_t stun_id[12];
    char ufrag[sizeof UFRAG + (size_t)2 * UFRAG_RANDOM];
};

/* ---- addresses ----------------------------------------------------------------------------- */

bool kw_webrtc_is(const kw_multiaddr *addr)
{
    kw_multiaddr_part ip, udp, direct, more;
    size_t at = 0;
    if (!kw_multiaddr_next(addr, &at, &ip) || !kw_multiaddr_next(addr, &at, &udp) ||
        !kw_multiaddr_next(addr, &at, &direct))
        return false;
    while (kw_multiaddr_next(addr, &at, &more))
        if (more.code != KW_MA_CERTHASH && more.code != KW_MA_P2P)
            return false;
    return (ip.code == KW_MA_IP4 || ip.code == KW_MA_IP6) && udp.code == KW_MA_UDP &&
           direct.code == KW_MA_WEBRTC_DIRECT;
}

const kw_webrtc *kw_webrtc_next(const kw_host *host, const kw_webrtc *after)
{
    return after ? after->next : host->webrtc;
}

const kw_multiaddr *kw_webrtc_bound(const kw_webrtc *port)
{
    return &port->bound;
}

kw_status kw_webrtc_complete(const kw_webrtc *port, kw_multiaddr *addr, kw_error *err)
{
    uint8_t hash[34] = {0x12, 32}; /* a multihash of SHA-256 */
    memcpy(hash + 2, port->hash, sizeof port->hash);
    KW_TRY(kw_multiaddr_add(addr, KW_MA_WEBRTC_DIRECT, (kw_bytes){0}, err));
    return kw_multiaddr_add(addr, KW_MA_CERTHASH, (kw_bytes){hash, sizeof hash}, err);
}

static kw_stun_from where(const struct sockaddr *from)
{
    kw_stun_from out = {.ip6 = from->sa_family == AF_INET6};
    if (out.ip6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)from;
        memcpy(out.ip, &six->sin6_addr, 16);
        out.port = ntohs(six->sin6_port);
    } else {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)from;
        memcpy(out.ip, &four->sin_addr, 4);
        out.port = ntohs(four->sin_port);
    }
    return out;
}

static size_t key_of(const kw_stun_from *from, uint8_t key[KEY_MAX])
{
    const size_t len = from->ip6 ? 16 : 4;
    key[0] = from->ip6 ? 6 : 4;
    memcpy(key + 1, from->ip, len);
    key[1 + len] = (uint8_t)(from->port >> 8);
    key[2 + len] = (uint8_t)from->port;
    return len + 3;
}

static session **bucket_of(kw_webrtc *port, const uint8_t *key, size_t len)
{
    uint64_t h = port->host->peers.salt;
    for (size_t i = 0; i < len; i++)
        h = (h ^ key[i]) * UINT64_C(0x9e3779b97f4a7c15);
    return &port->buckets[(h >> 40) % N_BUCKETS];
}

static session *find(kw_webrtc *port, const uint8_t *key, size_t len)
{
    session *s = *bucket_of(port, key, len);
    while (s && (s->key_len != len || memcmp(s->key, key, len) != 0))
        s = s->next;
    return s;
}

static void send_to(kw_webrtc *port, const struct sockaddr *to, kw_bytes datagram)
{
    const uv_buf_t buf = {.base = (char *)(uintptr_t)datagram.data, .len = datagram.len};
    if (!port->closing)
        (void)uv_udp_try_send(&port->udp, &buf, 1, to); /* UDP: what is lost is sent again */
}

/* ---- the loop's share ---------------------------------------------------------------------- */

/* Asks a dialed address by STUN: is it there, and, later, are we still welcome. */
static void ask(session *s, uint64_t now)
{
    uint8_t request[KW_STUN_MAX];
    char name[2 * sizeof s->ufrag];
    size_t len;
    (void)snprintf(name, sizeof name, "%s:%s", s->ufrag, s->ufrag);
    s->asked_ms = now;
    if (kw_crypto_random(s->stun_id, sizeof s->stun_id, NULL) == KW_OK &&
        kw_stun_ask(s->stun_id, kw_str_from(name), kw_str_from(s->ufrag), request, &len, NULL) ==
            KW_OK)
        send_to(s->port, (const struct sockaddr *)&s->from, (kw_bytes){request, len});
}

static void tick_session(session *s, uint64_t now)
{
    if (s->dials && now - s->asked_ms >= (s->answered ? CONSENT_MS : ASK_MS))
        ask(s, now);
    if (s->dials && !s->answered)
        return;
    kw_rtc_tick(s->rtc, now);
    kw_link_settle(s->link);
    if (s->listed && now - s->heard_ms > SILENCE_MS)
        kw_link_fail(s->link, KW_E_IO, "silent");
}

static void on_tick(void *user)
{
    shared *all = user;
    const uint64_t now = kw_loop_now(all->loop);
    kw_sctp_stack_tick(all->stack, (uint32_t)KW_MIN(now - all->ticked_ms, 1000));
    all->ticked_ms = now;
    for (kw_webrtc *port = all->ports; port; port = port->next_of_loop)
        for (size_t i = 0; i < N_BUCKETS; i++)
            for (session *s = port->buckets[i], *next; s; s = next) {
                next = s->next; /* links, and so sessions, are freed by the loop alone */
                tick_session(s, now);
            }
}

static kw_status share(kw_loop *loop, shared **out, kw_error *err)
{
    shared **place = (shared **)kw_loop_place(loop);
    if (*place) {
        *out = *place;
        return KW_OK;
    }
    shared *all = calloc(1, sizeof *all);
    if (!all)
        return kw_fail(err, KW_E_NOMEM, "webrtc: out of memory");
    all->loop = loop;
    kw_status status = kw_sctp_stack_open(&all->stack, err);
    if (status == KW_OK)
        status = kw_timer_open(loop, on_tick, all, &all->timer, err);
    if (status != KW_OK) {
        kw_sctp_stack_close(all->stack);
        free(all);
        return status;
    }
    *place = *out = all;
    return KW_OK;
}

/* The last port takes it along. */
static void end_share(kw_webrtc *port)
{
    shared *all = port->shared;
    kw_webrtc **at = &all->ports;
    while (*at && *at != port)
        at = &(*at)->next_of_loop;
    if (*at)
        *at = port->next_of_loop;
    if (all->ports)
        return;
    *kw_loop_place(all->loop) = NULL;
    kw_timer_close(all->timer);
    kw_sctp_stack_close(all->stack);
    free(all);
}

static void free_port(kw_webrtc *port)
{
    kw_host *host = port->host;
    if (port->shared)
        end_share(port);
    kw_dtls_context_close(port->dtls);
    kw_limits_close(port->stun);
    free(port);
    kw_host_released(host);
}

static void release(kw_webrtc *port)
{
    if (--port->n_refs == 0)
        free_port(port);
}

static void socket_gone(uv_handle_t *handle)
{
    release(handle->data);
}

/* ---- sessions ------------------------------------------------------------------------------ */

static void on_send(void *user, kw_bytes datagram)
{
    const session *s = user;
    send_to(s->port, (const struct sockaddr *)&s->from, datagram);
}

static kw_connection *on_up(void *user, const kw_connection_config *part)
{
    session *s = user;
    kw_host *host = s->port->host;
    kw_connection_config config = *part;
    config.identity = host->identity;
    config.owner = &host->owner;
    config.user = s->link;
    config.expected = s->link->expected;
    kw_link_carried(s->link);
    return kw_connection_open(&config, &s->link->connection, NULL) == KW_OK ? s->link->connection
                                                                            : NULL;
}

static void on_lost(void *user, kw_status why, const char *reason)
{
    session *s = user;
    kw_link_fail(s->link, why, reason);
}

/* The link has ended: nothing goes in or out any more. */
static void on_close(void *user)
{
    session *s = user;
    kw_rtc_close(s->rtc);
    if (!s->listed)
        return;
    session **at = bucket_of(s->port, s->key, s->key_len);
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    s->listed = false;
    if (--s->port->shared->n_sessions == 0)
        kw_timer_clear(s->port->shared->timer);
}

static void on_free(void *user)
{
    session *s = user;
    kw_webrtc *port = s->port;
    kw_rtc_free(s->rtc);
    free(s);
    release(port);
}

static const kw_link_below below = {.close = on_close, .free = on_free};

static void list(session *s)
{
    shared *all = s->port->shared;
    session **bucket = bucket_of(s->port, s->key, s->key_len);
    s->next = *bucket;
    *bucket = s;
    s->listed = true;
    if (all->n_sessions++ > 0)
        return;
    all->ticked_ms = kw_loop_now(all->loop);
    kw_timer_set(all->timer, TICK_MS, TICK_MS);
}

/* dtls is owned from here. peer_hash: of who was dialed; NULL: somebody came, and his address is
 * proven. */
static kw_status open_session(kw_webrtc *port, const struct sockaddr *from, kw_dtls *dtls,
                              const uint8_t *peer_hash, session **out, kw_error *err)
{
    static const kw_rtc_events events = {.send = on_send, .up = on_up, .lost = on_lost};
    const kw_stun_from at = where(from);
    kw_host *host = port->host;
    session *s = calloc(1, sizeof *s);
    if (!s) {
        kw_dtls_free(dtls);
        return kw_fail(err, KW_E_NOMEM, "webrtc: out of memory");
    }
    const kw_rtc_config config = {.stack = port->shared->stack,
                                  .dtls = dtls,
                                  .own_hash = port->hash,
                                  .peer_hash = peer_hash,
                                  .server = !peer_hash,
                                  .events = &events,
                                  .user = s,
                                  .now_ms = kw_loop_now(host->loop)};
    *s = (session){.port = port, .heard_ms = config.now_ms, .dials = peer_hash != NULL};
    s->key_len = key_of(&at, s->key);
    memcpy(&s->from, from, at.ip6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
    kw_status status = kw_rtc_open(&config, &s->rtc, err);
    if (status == KW_OK)
        status = kw_link_open_below(host, !s->dials, &below, s, &s->link, err);
    if (status != KW_OK) {
        kw_rtc_free(s->rtc);
        free(s);
        return status;
    }
    port->n_refs++;
    s->link->ip6 = at.ip6;
    memcpy(s->link->ip, at.ip, sizeof at.ip);
    s->link->addr = kw_multiaddr_of_ip(at.ip6, at.ip, at.port, true);
    (void)kw_multiaddr_add(&s->link->addr, KW_MA_WEBRTC_DIRECT, (kw_bytes){0}, NULL);
    *out = s;
    return KW_OK;
}

/* ---- datagrams in -------------------------------------------------------------------------- */

static void take(session *s, kw_bytes datagram)
{
    s->heard_ms = kw_loop_now(s->port->host->loop);
    kw_rtc_receive(s->rtc, datagram, s->heard_ms);
    kw_link_settle(s->link);
}

static void greet(kw_webrtc *port, const struct sockaddr *from, kw_bytes key, kw_bytes datagram)
{
    kw_buf reply = {0};
    kw_dtls *dtls = NULL;
    session *s;
    kw_error err;
    if (kw_dtls_greet(port->dtls, key, datagram, &reply, &dtls, &err) == KW_OK &&
        reply.len <= datagram.len && reply.len > 0)
        send_to(port, from, (kw_bytes){(const uint8_t *)reply.data, reply.len});
    kw_buf_free(&reply);
    if (!dtls || open_session(port, from, dtls, NULL, &s, &err) != KW_OK)
        return;
    const kw_status status = kw_link_let_in(s->link, &err);
    if (status != KW_OK) {
        kw_link_fail(s->link, status, err.message);
        return;
    }
    list(s);
    take(s, datagram);
}

/* To what we asked last. */
static bool is_answer(const session *s, kw_bytes message)
{
    kw_stun stun;
    return kw_stun_read(message, &stun, NULL) == KW_OK && stun.type == KW_STUN_SUCCESS &&
           memcmp(message.data + 8, s->stun_id, sizeof s->stun_id) == 0 &&
           kw_stun_verify(&stun, kw_str_from(s->ufrag));
}

static void answer(kw_webrtc *port, const struct sockaddr *from, const kw_stun_from *at, session *s,
                   kw_bytes request)
{
    uint8_t out[KW_STUN_ANSWER_MAX];
    size_t len;
    const uint64_t now = kw_loop_now(port->host->loop);
    if (kw_limits_enter(port->stun, at->ip6, at->ip, now, NULL) != KW_OK)
        return;
    kw_limits_leave(port->stun, at->ip6, at->ip, now);
    if (s && s->dials && is_answer(s, request)) {
        s->answered = true;
        s->heard_ms = now;
        return;
    }
    if (kw_stun_answer(request, at, out, &len, NULL) != KW_OK)
        return;
    if (s)
        s->heard_ms = now;
    send_to(port, from, (kw_bytes){out, len});
}

static void on_datagram(uv_udp_t *udp, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from,
                        unsigned flags)
{
    kw_webrtc *port = udp->data;
    uint8_t key[KEY_MAX];
    if (n <= 0 || !from || flags & UV_UDP_PARTIAL || port->host->closing)
        return;
    const kw_bytes datagram = {(const uint8_t *)buf->base, (size_t)n};
    const kw_stun_from at = where(from);
    const size_t key_len = key_of(&at, key);
    session *s = find(port, key, key_len);
    if (datagram.data[0] < 4)
        answer(port, from, &at, s, datagram);
    else if (datagram.data[0] >= 20 && datagram.data[0] < 64 && s)
        take(s, datagram);
    else if (datagram.data[0] == 22 && !port->dials) /* a handshake */
        greet(port, from, (kw_bytes){key, key_len}, datagram);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    const kw_webrtc *port = handle->data;
    (void)suggested;
    *buf = uv_buf_init(port->host->read_buffer, KW_READ_BUFFER);
}

/* ---- listening ----------------------------------------------------------------------------- */

static kw_status bind_socket(kw_webrtc *port, const kw_multiaddr *addr, kw_error *err)
{
    struct sockaddr_storage address, bound;
    int size = (int)sizeof bound, buffer = SOCKET_BUFFER;
    kw_socket_of_addr(addr, &address);
    const unsigned flags = address.ss_family == AF_INET6 ? UV_UDP_IPV6ONLY : 0;
    int code = uv_udp_bind(&port->udp, (const struct sockaddr *)&address, flags);
    if (code == 0)
        code = uv_udp_recv_start(&port->udp, on_alloc, on_datagram);
    memset(&bound, 0, sizeof bound);
    if (code == 0)
        code = uv_udp_getsockname(&port->udp, (struct sockaddr *)&bound, &size);
    if (code != 0) {
        char text[KW_MULTIADDR_TEXT_MAX];
        kw_multiaddr_text(addr, text);
        return kw_fail(err, KW_E_IO, "host: cannot listen on %.120s: %s", text, uv_strerror(code));
    }
    (void)uv_recv_buffer_size((uv_handle_t *)&port->udp, &buffer);
    (void)uv_send_buffer_size((uv_handle_t *)&port->udp, &buffer);
    const kw_stun_from at = where((const struct sockaddr *)&bound);
    port->bound = kw_multiaddr_of_ip(at.ip6, at.ip, at.port, true);
    return KW_OK;
}

static kw_status open_parts(kw_webrtc *port, kw_error *err)
{
    kw_host *host = port->host;
    if (!host->config.certificate && !host->certificate)
        KW_TRY(kw_certificate_new(&host->certificate, err));
    const kw_certificate *const certificate =
        host->certificate ? host->certificate : host->config.certificate;
    memcpy(port->hash, kw_certificate_hash(certificate), sizeof port->hash);
    KW_TRY(kw_dtls_context_open(certificate, &port->dtls, err));
    KW_TRY(kw_limits_open(SIZE_MAX, STUN_PER_SECOND, 2 * STUN_PER_SECOND, host->peers.salt,
                          &port->stun, err));
    KW_TRY(share(host->loop, &port->shared, err));
    port->next_of_loop = port->shared->ports;
    port->shared->ports = port;
    return KW_OK;
}

/* Its end frees it, as soon as no session uses it. */
static void close_port(kw_webrtc *port)
{
    port->closing = true;
    uv_close((uv_handle_t *)&port->udp, socket_gone);
}

static kw_status open_port(kw_host *host, const kw_multiaddr *addr, bool dials, kw_webrtc **out,
                           kw_error *err)
{
    if (host->config.psk)
        return kw_fail(err, KW_E_UNSUPPORTED, "host: a private network has no WebRTC");
    kw_webrtc *port = calloc(1, sizeof *port);
    if (!port)
        return kw_fail(err, KW_E_NOMEM, "host: out of memory");
    const int code = uv_udp_init(kw_loop_uv(host->loop), &port->udp);
    if (code != 0) {
        free(port);
        return kw_uv_fail(err, "host: a socket", code);
    }
    port->udp.data = port;
    port->host = host;
    port->dials = dials;
    port->n_refs = 1;
    host->n_handles++;
    kw_status status = open_parts(port, err);
    if (status == KW_OK)
        status = bind_socket(port, addr, err);
    if (status != KW_OK) {
        close_port(port);
        return status;
    }
    *out = port;
    return KW_OK;
}

kw_status kw_webrtc_listen(kw_host *host, const kw_multiaddr *addr, kw_error *err)
{
    size_t n = 0;
    kw_webrtc **last = &host->webrtc;
    for (; *last; last = &(*last)->next)
        n++;
    if (n >= MAX_PORTS)
        return kw_fail(err, KW_E_LIMIT, "host: listens on %d ports of WebRTC", MAX_PORTS);
    return open_port(host, addr, false, last, err);
}

void kw_webrtc_close_all(kw_host *host)
{
    while (host->webrtc) {
        kw_webrtc *port = host->webrtc;
        host->webrtc = port->next;
        close_port(port);
    }
    for (size_t i = 0; i < KW_COUNT(host->webrtc_dials); i++) {
        if (host->webrtc_dials[i])
            close_port(host->webrtc_dials[i]);
        host->webrtc_dials[i] = NULL;
    }
}

/* ---- dialing ------------------------------------------------------------------------------- */

/* The SHA-256 that a certhash is of, or NULL. */
static const uint8_t *hash_of(const kw_multiaddr *addr)
{
    kw_multiaddr_part part;
    if (!kw_multiaddr_find(addr, KW_MA_CERTHASH, &part) || part.value.len != 34 ||
        part.value.data[0] != 0x12 || part.value.data[1] != 32)
        return NULL;
    return part.value.data + 2;
}

bool kw_webrtc_dialable(const kw_multiaddr *addr)
{
    return kw_sctp_there() && kw_webrtc_is(addr) && hash_of(addr);
}

static kw_status dialing_port(kw_host *host, bool ip6, kw_webrtc **out, kw_error *err)
{
    static const uint8_t any[16];
    *out = host->webrtc_dials[ip6];
    if (*out)
        return KW_OK;
    const kw_multiaddr addr = kw_multiaddr_of_ip(ip6, any, 0, true);
    KW_TRY(open_port(host, &addr, true, &host->webrtc_dials[ip6], err));
    *out = host->webrtc_dials[ip6];
    return KW_OK;
}

static kw_status draw_ufrag(char out[sizeof UFRAG + (size_t)2 * UFRAG_RANDOM], kw_error *err)
{
    uint8_t random[UFRAG_RANDOM];
    KW_TRY(kw_crypto_random(random, sizeof random, err));
    memcpy(out, UFRAG, sizeof UFRAG);
    for (size_t i = 0; i < sizeof random; i++)
        (void)snprintf(out + sizeof UFRAG - 1 + 2 * i, 3, "%02x", random[i]);
    return KW_OK;
}

kw_status kw_webrtc_dial(kw_host *host, const kw_multiaddr *addr, kw_link **out, kw_error *err)
{
    struct sockaddr_storage address;
    kw_webrtc *port;
    kw_dtls *dtls;
    session *s;
    kw_socket_of_addr(addr, &address);
    const struct sockaddr *const to = (const struct sockaddr *)&address;
    const kw_stun_from at = where(to);
    uint8_t key[KEY_MAX];
    KW_TRY(dialing_port(host, at.ip6, &port, err));
    if (find(port, key, key_of(&at, key)))
        return kw_fail(err, KW_E_IO, "webrtc: there is a connection to this address already");
    KW_TRY(kw_dtls_dial(port->dtls, &dtls, err));
    KW_TRY(open_session(port, to, dtls, hash_of(addr), &s, err));
    const kw_status status = draw_ufrag(s->ufrag, err);
    if (status != KW_OK) {
        kw_link_fail(s->link, status, "no randomness");
        return status;
    }
    list(s);
    ask(s, kw_loop_now(host->loop));
    *out = s->link;
    return KW_OK;
}
