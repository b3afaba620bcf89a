/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dnsaddr.c - a small client of DNS for TXT records, by UDP.
 *
 * One question is under way at a time: each server is asked in turn, twice round. An answer counts
 * when it comes from that server (the socket is connected to it), has the id of the question, which
 * is random, and repeats the question. Names that answers refer to are queued, each once, up to
 * KW_DNSADDR_QUESTIONS. Sources: multiaddr specification, dnsaddr; RFC 1035; RFC 6891 (a larger
 * datagram). */
#include "net/dnsaddr.h"

#include "base/check.h"
#include "crypto/crypto.h"
#include "net/dns.h"
#include "net/loop_uv.h"
#include "os/file.h"

#include <stdio.h>
#include <stdlib.h>

#define RESOLV_CONF "/etc/resolv.conf"
#define CONF_MAX 65536
#define PORT 53
#define TIMEOUT_MS 2000
#define ROUNDS 2
#define DATAGRAM 1232
#define PREFIX "dnsaddr="
#define HOST_PREFIX "_dnsaddr."

/* One for each try: a connected socket takes datagrams of its server alone. */
typedef struct question {
    uv_udp_t udp;
    kw_dnsaddr *lookup;
} question;

struct kw_dnsaddr {
    kw_dnsaddr_config config;
    kw_dns_server servers[KW_DNSADDR_SERVERS];
    size_t n_servers, n_tries; /* of the question under way */
    question *question;        /* under way, or NULL */
    kw_timer *timer;
    kw_peer_id peer; /* who is wanted; len 0: anybody */
    uint16_t id;
    size_t n_names, n_done, n_failed;
    char names[KW_DNSADDR_QUESTIONS][KW_DNS_NAME_MAX]; /* to ask for, in order */
    size_t n_addrs;
    kw_multiaddr addrs[KW_DNSADDR_MAX];
    uint8_t datagram[KW_DNS_MESSAGE_MAX];
};

size_t kw_dns_servers(kw_str conf, kw_dns_server out[KW_DNSADDR_SERVERS])
{
    size_t n = 0;
    for (size_t at = 0; at < conf.len && n < KW_DNSADDR_SERVERS;) {
        char line[128] = "";
        const char *end = memchr(conf.data + at, '\n', conf.len - at);
        const size_t len = end ? (size_t)(end - conf.data) - at : conf.len - at;
        memcpy(line, conf.data + at, KW_MIN(len, sizeof line - 1));
        if (sscanf(line, " nameserver%*[ \t]%63s", out[n].ip) == 1)
            out[n++].port = PORT;
        at += len + 1;
    }
    return n;
}

static kw_status system_servers(kw_dnsaddr *d, kw_error *err)
{
    kw_map map;
    KW_TRY(kw_map_open(RESOLV_CONF, true, &map, err));
    const kw_str conf = {(const char *)map.data, KW_MIN(map.len, CONF_MAX)};
    d->n_servers = kw_dns_servers(conf, d->servers);
    kw_map_close(&map);
    return KW_OK;
}

/* ---- names and addresses ---- */

static bool add_name(kw_dnsaddr *d, kw_bytes host)
{
    char name[KW_DNS_NAME_MAX];
    if (host.len == 0 || host.len >= sizeof name - sizeof HOST_PREFIX)
        return false;
    (void)snprintf(name, sizeof name, HOST_PREFIX "%.*s", (int)host.len, (const char *)host.data);
    for (size_t i = 0; i < d->n_names; i++) {
        if (strcmp(d->names[i], name) == 0)
            return true;
    }
    if (d->n_names == KW_DNSADDR_QUESTIONS)
        return false;
    memcpy(d->names[d->n_names++], name, sizeof name);
    return true;
}

static void take(kw_dnsaddr *d, kw_str text)
{
    kw_multiaddr addr, without;
    kw_multiaddr_part part;
    kw_peer_id peer;
    if (!kw_str_starts(text, KW_STR(PREFIX)) ||
        kw_multiaddr_parse((kw_str){text.data + sizeof PREFIX - 1, text.len - (sizeof PREFIX - 1)},
                           &addr, NULL) != KW_OK)
        return;
    const bool named = kw_multiaddr_split(&addr, &without, &peer);
    if (d->peer.len > 0 && named && !kw_peer_id_equal(&peer, &d->peer))
        return;
    if (kw_multiaddr_find(&addr, KW_MA_DNSADDR, &part))
        (void)add_name(d, part.value);
    else if (d->n_addrs < KW_DNSADDR_MAX)
        d->addrs[d->n_addrs++] = addr;
}

/* ---- questions ---- */

static void on_closed(uv_handle_t *udp)
{
    free(udp->data);
}

static void drop_question(kw_dnsaddr *d)
{
    if (!d->question)
        return;
    d->question->lookup = NULL;
    uv_close((uv_handle_t *)&d->question->udp, on_closed);
    d->question = NULL;
}

static void finish(kw_dnsaddr *d)
{
    kw_status status = d->n_failed > 0 ? KW_E_IO : KW_E_NOTFOUND;
    if (d->n_addrs > 0)
        status = KW_OK;
    d->config.done(d->config.user, status, d->addrs, d->n_addrs);
    kw_dnsaddr_cancel(d);
}

static kw_status put_question(kw_dnsaddr *d, kw_buf *out)
{
    /* The root, type OPT, how much we take, no flags, no data. */
    static const char opt[] = {0, 0, 41, DATAGRAM >> 8, (char)(DATAGRAM & 0xff), 0, 0, 0, 0, 0, 0};
    KW_TRY(kw_crypto_random(&d->id, sizeof d->id, NULL));
    kw_dns_put_header(
        out, &(kw_dns_header){.id = d->id, .recursion = true, .n_questions = 1, .n_additional = 1});
    KW_TRY(kw_dns_put_question(out, d->names[d->n_done], KW_DNS_TXT, NULL));
    kw_buf_add(out, opt, sizeof opt);
    return kw_buf_status(out, NULL);
}

static void on_answer(kw_dnsaddr *d, kw_bytes bytes)
{
    kw_dns_message message;
    kw_dns_record record;
    if (kw_dns_get(bytes, &message, NULL) != KW_OK || !message.response || message.id != d->id ||
        !kw_dns_question(&message, &record) || record.type != KW_DNS_TXT ||
        !kw_dns_name_is(&record.name, d->names[d->n_done]))
        return;
    while (kw_dns_record_next(&message, &record)) {
        kw_str text;
        for (size_t at = 0; kw_dns_text(&record, &at, &text);)
            take(d, text);
    }
    d->n_tries = 0;
    d->n_done++;
    drop_question(d);
    kw_timer_set(d->timer, 0, 0);
}

static void on_datagram(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf,
                        const struct sockaddr *from, unsigned flags)
{
    const question *q = udp->data;
    (void)flags;
    if (len > 0 && from && q->lookup)
        on_answer(q->lookup, (kw_bytes){(const uint8_t *)buf->base, (size_t)len});
}

static void give_room(uv_handle_t *udp, size_t suggested, uv_buf_t *buf)
{
    const question *q = udp->data;
    (void)suggested;
    *buf = uv_buf_init((char *)q->lookup->datagram, sizeof q->lookup->datagram);
}

static bool send_to(kw_dnsaddr *d, const kw_dns_server *server, const kw_buf *bytes)
{
    struct sockaddr_in6 ip6;
    struct sockaddr_in ip4;
    const struct sockaddr *to = (const struct sockaddr *)&ip4;
    uv_buf_t buf = uv_buf_init(bytes->data, (unsigned)bytes->len);
    if (uv_ip4_addr(server->ip, server->port, &ip4) != 0) {
        if (uv_ip6_addr(server->ip, server->port, &ip6) != 0)
            return false;
        to = (const struct sockaddr *)&ip6;
    }
    question *q = calloc(1, sizeof *q);
    if (!q || uv_udp_init(kw_loop_uv(d->config.loop), &q->udp) != 0) {
        free(q);
        return false;
    }
    q->udp.data = q;
    q->lookup = d;
    d->question = q;
    return uv_udp_connect(&q->udp, to) == 0 &&
           uv_udp_recv_start(&q->udp, give_room, on_datagram) == 0 &&
           uv_udp_try_send(&q->udp, &buf, 1, NULL) >= 0;
}

/* Asks the next server, the next name, or is done. */
static void step(void *user)
{
    kw_dnsaddr *d = user;
    drop_question(d);
    if (d->n_done == d->n_names) {
        finish(d);
        return;
    }
    if (d->n_tries == d->n_servers * ROUNDS) {
        d->n_failed++;
        d->n_done++;
        d->n_tries = 0;
        kw_timer_set(d->timer, 0, 0);
        return;
    }
    kw_buf bytes = {0};
    const kw_dns_server *server = &d->servers[d->n_tries++ % d->n_servers];
    const bool sent = put_question(d, &bytes) == KW_OK && send_to(d, server, &bytes);
    kw_buf_free(&bytes);
    kw_timer_set(d->timer, sent ? d->config.timeout_ms : 0, 0);
}

/* ---- life ---- */

static kw_status start(kw_dnsaddr *d, const kw_multiaddr *addr, kw_error *err)
{
    kw_multiaddr without = *addr;
    kw_multiaddr_part host;
    if (!kw_multiaddr_split(addr, &without, &d->peer))
        d->peer.len = 0;
    if (!kw_multiaddr_find(&without, KW_MA_DNSADDR, &host) || !add_name(d, host.value))
        return kw_fail(err, KW_E_ARG, "dnsaddr: the address is not /dnsaddr/ and a name");
    if (d->config.servers) {
        d->n_servers = KW_MIN(d->config.n_servers, KW_DNSADDR_SERVERS);
        for (size_t i = 0; i < d->n_servers; i++)
            d->servers[i] = d->config.servers[i];
    } else {
        KW_TRY(system_servers(d, err));
    }
    if (d->n_servers == 0)
        return kw_fail(err, KW_E_NOTFOUND, "dnsaddr: " RESOLV_CONF " names no server");
    KW_TRY(kw_timer_open(d->config.loop, step, d, &d->timer, err));
    kw_timer_set(d->timer, 0, 0);
    return KW_OK;
}

kw_status kw_dnsaddr_open(const kw_dnsaddr_config *config, const kw_multiaddr *addr,
                          kw_dnsaddr **out, kw_error *err)
{
    kw_dnsaddr *d = calloc(1, sizeof *d);
    if (!d)
        return kw_fail(err, KW_E_NOMEM, "dnsaddr: no memory");
    d->config = *config;
    if (d->config.timeout_ms == 0)
        d->config.timeout_ms = TIMEOUT_MS;
    const kw_status status = start(d, addr, err);
    if (status != KW_OK)
        kw_dnsaddr_cancel(d);
    else
        *out = d;
    return status;
}

void kw_dnsaddr_cancel(kw_dnsaddr *d)
{
    drop_question(d);
    if (d->timer)
        kw_timer_close(d->timer);
    free(d);
}
