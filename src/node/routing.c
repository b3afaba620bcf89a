/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* routing.c - see routing.h. */
#include "node/routing.h"

#include "hub/json_read.h"
#include "net/ip_scope.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_MAX ((size_t)1 << 20)
#define ADDRS_OF_PEER 3
#define ADDRS_READ 64     /* of one record */
#define RECORDS_READ 1000 /* of an answer */
#define BITSWAP "transport-bitswap"
#define GATEWAY "transport-ipfs-gateway-http"

/* A provider, as the answer has it. */
typedef struct record {
    kw_str schema, id;
    kw_str addrs[ADDRS_READ];
    size_t n_addrs;
    bool bitswap, gateway; /* of its protocols */
    bool any;              /* it names none: it may speak any */
} record;

/* ---- what is taken of it ---- */

/* An address of TCP that leads to the peer, and not to a relay. */
static bool take_addr(kw_str text, const kw_peer_id *peer, bool near, kw_multiaddr *out)
{
    kw_multiaddr addr, without;
    kw_multiaddr_part part;
    kw_peer_id named;
    if (kw_multiaddr_parse(text, &addr, NULL) != KW_OK)
        return false;
    if (!kw_multiaddr_split(&addr, &without, &named))
        without = addr;
    else if (!kw_peer_id_equal(&named, peer))
        return false;
    if (!kw_multiaddr_find(&without, KW_MA_TCP, &part) ||
        kw_multiaddr_find(&without, KW_MA_P2P_CIRCUIT, &part) ||
        kw_multiaddr_find(&without, KW_MA_HTTP, &part) ||
        kw_multiaddr_find(&without, KW_MA_HTTPS, &part) || (!near && !kw_ip_public(&without)))
        return false;
    *out = without;
    return kw_multiaddr_add(out, KW_MA_P2P, (kw_bytes){peer->bytes, peer->len}, NULL) == KW_OK;
}

static void take_peer(const record *r, bool near, kw_routed *out)
{
    kw_peer_id peer;
    size_t taken = 0;
    if (kw_peer_id_parse(r->id, &peer, NULL) != KW_OK)
        return;
    for (size_t i = 0; i < r->n_addrs && taken < ADDRS_OF_PEER; i++) {
        if (out->n_peers < KW_ROUTED_PEERS &&
            take_addr(r->addrs[i], &peer, near, &out->peers[out->n_peers])) {
            out->n_peers++;
            taken++;
        }
    }
}

/* "/dns/example.org/tcp/443/https" and "/dns/example.org/tcp/443/tls/http" are https://example.org;
 * any other form that the specification allows is not in use. */
static bool take_url(kw_str text, bool near, char out[KW_ROUTED_URL])
{
    kw_multiaddr addr;
    kw_multiaddr_part host, tcp, other;
    char name[KW_MULTIADDR_MAX + 1];
    if (kw_multiaddr_parse(text, &addr, NULL) != KW_OK ||
        !kw_multiaddr_find(&addr, KW_MA_TCP, &tcp))
        return false;
    const unsigned port = (unsigned)(tcp.value.data[0] << 8 | tcp.value.data[1]);
    const bool http = kw_multiaddr_find(&addr, KW_MA_HTTP, &other);
    const bool tls = kw_multiaddr_find(&addr, KW_MA_HTTPS, &other) ||
                     (http && kw_multiaddr_find(&addr, KW_MA_TLS, &other));
    if (near && http && !tls && kw_multiaddr_find(&addr, KW_MA_IP4, &host)) {
        snprintf(out, KW_ROUTED_URL, "http://%u.%u.%u.%u:%u", host.value.data[0],
                 host.value.data[1], host.value.data[2], host.value.data[3], port);
        return true;
    }
    if (!tls || (!kw_multiaddr_find(&addr, KW_MA_DNS, &host) &&
                 !kw_multiaddr_find(&addr, KW_MA_DNS4, &host) &&
                 !kw_multiaddr_find(&addr, KW_MA_DNS6, &host)))
        return false;
    memcpy(name, host.value.data, host.value.len);
    name[host.value.len] = 0;
    if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") !=
            host.value.len ||
        !strpbrk(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") ||
        !strchr(name, '.'))
        return false;
    snprintf(out, KW_ROUTED_URL, port == 443 ? "https://%s" : "https://%s:%u", name, port);
    return true;
}

static void take_gateway(const record *r, bool near, kw_routed *out)
{
    char url[KW_ROUTED_URL];
    bool known = false;
    for (size_t i = 0; i < r->n_addrs; i++) {
        if (out->n_gateways == KW_ROUTED_GATEWAYS || !take_url(r->addrs[i], near, url))
            continue;
        for (size_t k = 0; k < out->n_gateways; k++)
            known = known || strcmp(out->gateways[k], url) == 0;
        if (!known)
            memcpy(out->gateways[out->n_gateways++], url, sizeof(url));
        return; /* one of a provider will do */
    }
}

static void take_record(const record *r, bool near, kw_routed *out)
{
    const bool older = kw_str_is(r->schema, "bitswap"); /* of before 2023, deprecated */
    if (!older && !kw_str_is(r->schema, "peer"))
        return;
    if (r->gateway)
        take_gateway(r, near, out);
    if (r->bitswap || older || (r->any && !r->gateway))
        take_peer(r, near, out);
}

/* ---- reading it ---- */

static kw_status read_texts(kw_json_read *json, kw_str *texts, size_t max, size_t *n, kw_error *err)
{
    kw_json_token t;
    *n = 0;
    KW_TRY(kw_json_next(&json->json, &t, err));
    if (t.kind == KW_JSON_NULL)
        return KW_OK;
    if (t.kind != KW_JSON_ARRAY)
        return kw_fail(err, KW_E_FORMAT, "router: a list is no list");
    for (;;) {
        kw_str text;
        KW_TRY(kw_json_next(&json->json, &t, err));
        if (t.kind == KW_JSON_ARRAY_END)
            return KW_OK;
        if (t.kind != KW_JSON_STRING)
            return kw_fail(err, KW_E_FORMAT, "router: a list has something but texts");
        KW_TRY(kw_json_string(&json->json, &t, &json->arena, &text, err));
        if (*n < max)
            texts[(*n)++] = text;
    }
}

static kw_status read_protocols(kw_json_read *json, record *r, kw_error *err)
{
    kw_str names[ADDRS_READ];
    size_t n;
    KW_TRY(read_texts(json, names, ADDRS_READ, &n, err));
    r->any = n == 0;
    for (size_t i = 0; i < n; i++) {
        r->bitswap = r->bitswap || kw_str_is(names[i], BITSWAP);
        r->gateway = r->gateway || kw_str_is(names[i], GATEWAY);
    }
    return KW_OK;
}

/* The rest of a record whose object is open. */
static kw_status read_record(kw_json_read *json, record *r, kw_error *err)
{
    kw_str key;
    bool more;
    *r = (record){.any = true};
    for (;;) {
        KW_TRY(kw_json_read_key(json, &key, &more, err));
        if (!more)
            return KW_OK;
        if (kw_str_is(key, "Schema"))
            KW_TRY(kw_json_read_text(json, &r->schema, err));
        else if (kw_str_is(key, "ID"))
            KW_TRY(kw_json_read_text(json, &r->id, err));
        else if (kw_str_is(key, "Addrs"))
            KW_TRY(read_texts(json, r->addrs, ADDRS_READ, &r->n_addrs, err));
        else if (kw_str_is(key, "Protocols"))
            KW_TRY(read_protocols(json, r, err));
        else
            KW_TRY(kw_json_read_skip(json, err));
    }
}

static kw_status read_records(kw_json_read *json, bool near, kw_routed *out, kw_error *err)
{
    kw_json_token t;
    KW_TRY(kw_json_next(&json->json, &t, err));
    if (t.kind == KW_JSON_NULL)
        return KW_OK;
    if (t.kind != KW_JSON_ARRAY)
        return kw_fail(err, KW_E_FORMAT, "router: \"Providers\" is no list");
    for (size_t n = 0;; n++) {
        record r;
        KW_TRY(kw_json_next(&json->json, &t, err));
        if (t.kind == KW_JSON_ARRAY_END)
            return KW_OK;
        if (t.kind != KW_JSON_OBJECT)
            return kw_fail(err, KW_E_FORMAT, "router: a provider is no object");
        if (n == RECORDS_READ)
            return kw_fail(err, KW_E_LIMIT, "router: more than %d providers", RECORDS_READ);
        KW_TRY(read_record(json, &r, err));
        take_record(&r, near, out);
    }
}

static kw_status read_answer(kw_json_read *json, bool near, kw_routed *out, kw_error *err)
{
    kw_str key;
    kw_json_token end;
    bool more;
    KW_TRY(kw_json_read_object(json, err));
    for (;;) {
        KW_TRY(kw_json_read_key(json, &key, &more, err));
        if (!more)
            return kw_json_expect(&json->json, KW_JSON_END, &end, err);
        if (kw_str_is(key, "Providers"))
            KW_TRY(read_records(json, near, out, err));
        else
            KW_TRY(kw_json_read_skip(json, err));
    }
}

kw_status kw_routing_read(kw_str json, bool near, kw_routed *out, kw_error *err)
{
    kw_json_read reading = kw_json_read_begin(json, "router");
    const kw_status status = read_answer(&reading, near, out, err);
    kw_arena_free(&reading.arena);
    return status;
}

/* ---- asking ---- */

static bool is_here(const char *url)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]"};
    char host[80];
    if (!kw_web_host(url, host, sizeof(host)))
        return false;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        const size_t n = strlen(hosts[i]);
        if (strncmp(host, hosts[i], n) == 0 && (host[n] == 0 || host[n] == ':'))
            return true;
    }
    return false;
}

kw_status kw_routing_find(const kw_router *router, const kw_cid *cid, kw_routed *out, kw_error *err)
{
    char name[KW_CID_TEXT_MAX];
    kw_buf url = {0}, json = {0};
    kw_web_reply reply;
    size_t base = strlen(router->url);
    while (base > 0 && router->url[base - 1] == '/')
        base--;
    kw_cid_text(cid, name);
    kw_buf_printf(&url, "%.*s/routing/v1/providers/%s", (int)base, router->url, name);
    kw_status status = kw_buf_status(&url, err);
    if (status == KW_OK) {
        const kw_web_document document = {.url = url.data,
                                          .accept = "application/json",
                                          .max = ANSWER_MAX,
                                          .still = router->still,
                                          .user = router->user};
        status = kw_web_read(router->web, &document, &json, &reply, err);
        if (status == KW_OK)
            status = kw_routing_read((kw_str){json.data, json.len}, is_here(router->url), out, err);
        else if (status == KW_E_NOTFOUND)
            status = KW_OK; /* it knows nobody */
    }
    kw_buf_free(&url);
    kw_buf_free(&json);
    return status;
}
