/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* mdns.c - multicast DNS on the interfaces of this machine, IPv4 and IPv6.
 *
 * One socket for each family, joined to the group on every interface (and again with each question,
 * because interfaces come and go). Limits: DATAGRAMS a second are read, one answer a second is
 * sent, and DIALS a second are begun; what is learned expires with its record.
 * Sources: libp2p specification, discovery/mdns; RFC 6762. */
#include "net/mdns.h"

#include "base/check.h"
#include "crypto/crypto.h"
#include "net/loop_uv.h"
#include "net/mdns_message.h"

#include <stdio.h>
#include <stdlib.h>

#define GROUP4 "224.0.0.251"
#define GROUP6 "ff02::fb"
#define PORT 5353
#define INTERVAL_MS 10000
#define TTL 255
#define DATAGRAMS 64
#define DIALS 2
#define OWN_ADDRS 32
#define INTERFACE_MAX 64 /* of an interface */

typedef struct family {
    uv_udp_t udp;
    bool open, ip6;
} family;

struct kw_mdns {
    kw_mdns_config config;
    family families[2]; /* IPv4, IPv6 */
    unsigned n_open;    /* handles that are not closed yet */
    kw_timer *ask, *second;
    char label[KW_MDNS_LABEL + 1];
    unsigned n_read, n_dialed; /* in this second */
    bool answered;
    uint8_t datagram[KW_DNS_MESSAGE_MAX];
};

/* ---- sending ---- */

/* To the group through one interface. Errors are of interfaces that just went; the next question
 * tries again. */
static void send_through(family *f, uint16_t port, const uv_interface_address_t *via,
                         const kw_buf *bytes)
{
    char name[INTERFACE_MAX + 16];
    struct sockaddr_in to4;
    struct sockaddr_in6 to6;
    uv_buf_t buf = uv_buf_init(bytes->data, (unsigned)bytes->len);
    if (!f->ip6) {
        if (uv_ip4_name(&via->address.address4, name, sizeof name) == 0 &&
            uv_udp_set_multicast_interface(&f->udp, name) == 0 &&
            uv_ip4_addr(GROUP4, port, &to4) == 0)
            (void)uv_udp_try_send(&f->udp, &buf, 1, (const struct sockaddr *)&to4);
        return;
    }
    (void)snprintf(name, sizeof name, GROUP6 "%%%.*s", INTERFACE_MAX, via->name);
    if (uv_ip6_addr(name, port, &to6) == 0)
        (void)uv_udp_try_send(&f->udp, &buf, 1, (const struct sockaddr *)&to6);
}

static void join(family *f, const uv_interface_address_t *via)
{
    char name[INTERFACE_MAX + 16];
    if (!f->ip6) {
        if (uv_ip4_name(&via->address.address4, name, sizeof name) == 0)
            (void)uv_udp_set_membership(&f->udp, GROUP4, name, UV_JOIN_GROUP);
        return;
    }
    (void)snprintf(name, sizeof name, "::%%%.*s", INTERFACE_MAX, via->name);
    (void)uv_udp_set_membership(&f->udp, GROUP6, name, UV_JOIN_GROUP);
}

/* Calls for each interface and family; bytes NULL: joins. */
static void on_interfaces(kw_mdns *mdns, const kw_buf *bytes)
{
    uv_interface_address_t *list;
    int n;
    if (uv_interface_addresses(&list, &n) != 0)
        return;
    for (int i = 0; i < n; i++) {
        const bool ip6 = list[i].address.address4.sin_family == AF_INET6;
        family *f = &mdns->families[ip6];
        if (f->open && bytes)
            send_through(f, mdns->config.port, &list[i], bytes);
        else if (f->open)
            join(f, &list[i]);
    }
    uv_free_interface_addresses(list, n);
}

static void ask(void *user)
{
    kw_mdns *mdns = user;
    kw_buf query = {0};
    on_interfaces(mdns, NULL);
    if (kw_mdns_put_query(&query, NULL) == KW_OK)
        on_interfaces(mdns, &query);
    kw_buf_free(&query);
}

static void answer(kw_mdns *mdns)
{
    kw_multiaddr addrs[OWN_ADDRS];
    kw_buf out = {0};
    const size_t n = KW_MIN(kw_host_addrs(mdns->config.host, addrs, OWN_ADDRS), OWN_ADDRS);
    if (kw_mdns_put_answer(&out, mdns->label, kw_host_id(mdns->config.host), addrs, n, NULL) ==
        KW_OK)
        on_interfaces(mdns, &out);
    kw_buf_free(&out);
}

/* ---- receiving ---- */

static void learn(kw_mdns *mdns, const kw_mdns_answer *said)
{
    kw_host *host = mdns->config.host;
    if (said->ttl_s == 0 || kw_peer_id_equal(&said->peer, kw_host_id(host)))
        return;
    kw_host_learn(host, &said->peer, said->addrs, said->n_addrs, (uint64_t)said->ttl_s * 1000);
    if (!mdns->config.dont_dial && !kw_host_connected(host, &said->peer) &&
        mdns->n_dialed < DIALS) {
        mdns->n_dialed++;
        kw_host_connect(host, &said->peer, NULL, NULL, NULL);
    }
    if (mdns->config.found)
        mdns->config.found(mdns->config.user, &said->peer);
}

static void on_datagram(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf,
                        const struct sockaddr *from, unsigned flags)
{
    kw_mdns *mdns = udp->data;
    kw_mdns_answer said;
    if (len <= 0 || !from || (flags & UV_UDP_PARTIAL) || ++mdns->n_read > DATAGRAMS)
        return;
    switch (kw_mdns_read((kw_bytes){(const uint8_t *)buf->base, (size_t)len}, &said)) {
    case KW_MDNS_QUERY:
        if (!mdns->answered)
            answer(mdns);
        mdns->answered = true;
        break;
    case KW_MDNS_ANSWER:
        learn(mdns, &said);
        break;
    case KW_MDNS_NOTHING:
        break;
    }
}

static void give_room(uv_handle_t *udp, size_t suggested, uv_buf_t *buf)
{
    kw_mdns *mdns = udp->data;
    (void)suggested;
    *buf = uv_buf_init((char *)mdns->datagram, sizeof mdns->datagram);
}

static void next_second(void *user)
{
    kw_mdns *mdns = user;
    mdns->n_read = mdns->n_dialed = 0;
    mdns->answered = false;
}

/* ---- life ---- */

static void on_closed(uv_handle_t *udp)
{
    kw_mdns *mdns = udp->data;
    mdns->n_open--;
    if (mdns->n_open == 0)
        free(mdns);
}

static int open_family(kw_mdns *mdns, bool ip6)
{
    family *f = &mdns->families[ip6];
    struct sockaddr_in any4;
    struct sockaddr_in6 any6;
    f->ip6 = ip6;
    f->udp.data = mdns;
    int code = uv_udp_init(kw_loop_uv(kw_host_loop(mdns->config.host)), &f->udp);
    if (code != 0)
        return code;
    mdns->n_open++;
    (void)uv_ip4_addr("0.0.0.0", mdns->config.port, &any4);
    (void)uv_ip6_addr("::", mdns->config.port, &any6);
    code = ip6 ? uv_udp_bind(&f->udp, (const struct sockaddr *)&any6,
                             UV_UDP_REUSEADDR | UV_UDP_IPV6ONLY)
               : uv_udp_bind(&f->udp, (const struct sockaddr *)&any4, UV_UDP_REUSEADDR);
    if (code == 0)
        code = uv_udp_set_multicast_loop(&f->udp, 1);
    if (code == 0)
        code = uv_udp_set_multicast_ttl(&f->udp, TTL);
    if (code == 0)
        code = uv_udp_recv_start(&f->udp, give_room, on_datagram);
    f->open = code == 0;
    if (code != 0)
        uv_close((uv_handle_t *)&f->udp, on_closed);
    return code;
}

static kw_status draw_label(kw_mdns *mdns, kw_error *err)
{
    uint8_t random[KW_MDNS_LABEL];
    KW_TRY(kw_crypto_random(random, sizeof random, err));
    for (size_t i = 0; i < KW_MDNS_LABEL; i++)
        mdns->label[i] = (char)('a' + random[i] % 26);
    return KW_OK;
}

static kw_status start(kw_mdns *mdns, kw_error *err)
{
    kw_loop *loop = kw_host_loop(mdns->config.host);
    KW_TRY(draw_label(mdns, err));
    KW_TRY(kw_timer_open(loop, ask, mdns, &mdns->ask, err));
    KW_TRY(kw_timer_open(loop, next_second, mdns, &mdns->second, err));
    const int ip4 = open_family(mdns, false), ip6 = open_family(mdns, true);
    if (ip4 != 0 && ip6 != 0)
        return kw_uv_fail(err, "mdns: neither IPv4 nor IPv6", ip4);
    kw_timer_set(mdns->ask, 0, mdns->config.interval_ms);
    kw_timer_set(mdns->second, 1000, 1000);
    return KW_OK;
}

kw_status kw_mdns_open(const kw_mdns_config *config, kw_mdns **out, kw_error *err)
{
    kw_mdns *mdns = calloc(1, sizeof *mdns);
    if (!mdns)
        return kw_fail(err, KW_E_NOMEM, "mdns: no memory");
    mdns->config = *config;
    mdns->n_open = 1; /* ourselves, until kw_mdns_close */
    if (mdns->config.port == 0)
        mdns->config.port = PORT;
    if (mdns->config.interval_ms == 0)
        mdns->config.interval_ms = INTERVAL_MS;
    const kw_status status = start(mdns, err);
    if (status != KW_OK)
        kw_mdns_close(mdns);
    else
        *out = mdns;
    return status;
}

void kw_mdns_close(kw_mdns *mdns)
{
    if (!mdns)
        return;
    if (mdns->ask)
        kw_timer_close(mdns->ask);
    if (mdns->second)
        kw_timer_close(mdns->second);
    for (size_t i = 0; i < KW_COUNT(mdns->families); i++) {
        if (mdns->families[i].open)
            uv_close((uv_handle_t *)&mdns->families[i].udp, on_closed);
        mdns->families[i].open = false;
    }
    mdns->n_open--;
    if (mdns->n_open == 0)
        free(mdns);
}
