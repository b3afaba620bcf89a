/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dnsaddr.h - what /dnsaddr/HOST stands for: the addresses that TXT records of _dnsaddr.HOST hold.
 *
 * One lookup asks the resolvers of the system by UDP, follows entries that are /dnsaddr again, and
 * is bounded in time, questions and answers. */
#ifndef KW_NET_DNSADDR_H
#define KW_NET_DNSADDR_H

#include "net/loop.h"
#include "wire/multiaddr.h"

#define KW_DNSADDR_MAX 64       /* addresses of one lookup */
#define KW_DNSADDR_QUESTIONS 16 /* names that one lookup asks for */
#define KW_DNSADDR_SERVERS 3

typedef struct kw_dns_server {
    char ip[64]; /* of IPv4 or IPv6, with a zone where it has one */
    uint16_t port;
} kw_dns_server;

/* The lines "nameserver IP" of a resolv.conf; how many there are, at most KW_DNSADDR_SERVERS. */
size_t kw_dns_servers(kw_str conf, kw_dns_server out[KW_DNSADDR_SERVERS]);

typedef struct kw_dnsaddr kw_dnsaddr;
/* addrs: borrowed for the call. KW_OK, KW_E_NOTFOUND (no such record), or KW_E_IO (no answer). */
typedef void (*kw_dnsaddr_fn)(void *user, kw_status status, const kw_multiaddr *addrs, size_t n);

typedef struct kw_dnsaddr_config {
    kw_loop *loop;                /* borrowed */
    const kw_dns_server *servers; /* NULL: those of /etc/resolv.conf */
    size_t n_servers;
    uint64_t timeout_ms; /* of one question to one server; 0: 2,000 */
    kw_dnsaddr_fn done;  /* once, not within kw_dnsaddr_open */
    void *user;
} kw_dnsaddr_config;

/* addr: /dnsaddr/HOST, perhaps with /p2p behind it: then only addresses of that peer count. */
kw_status kw_dnsaddr_open(const kw_dnsaddr_config *config, const kw_multiaddr *addr,
                          kw_dnsaddr **out, kw_error *err);
/* No call comes any more. Not after done. */
void kw_dnsaddr_cancel(kw_dnsaddr *lookup);

#endif
