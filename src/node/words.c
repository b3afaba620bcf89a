/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* words.c - what the owner of a node may say to it, and the answers. */
#include "node/node_internal.h"

#include "base/check.h"
#include "net/perf.h"

#include <stdlib.h>
#include <string.h>

#define PEERS_SHOWN 1024

static void add_text(kw_buf *out, const char *key, const char *text)
{
    kw_buf_printf(out, "\"%s\": ", key);
    kw_buf_json(out, kw_str_from(text));
}

static void answer(kw_control_call *call, kw_buf *out)
{
    if (out->failed)
        kw_control_refuse(call, "no memory for the answer");
    else
        kw_control_answer(call, (kw_str){out->data, out->len});
    kw_buf_free(out);
}

static size_t peers_of(const kw_node *node, kw_peer_info **out)
{
    kw_peer_info *peers = calloc(PEERS_SHOWN, sizeof *peers);
    *out = peers;
    return peers ? KW_MIN(kw_host_peers(node->host, peers, PEERS_SHOWN), (size_t)PEERS_SHOWN) : 0;
}

/* Whether it gives, and what it takes. */
static void say_services(const kw_node *node, kw_buf *out)
{
    const char *why;
    const bool gives = kw_contribution_gives(node->contribution, &why);
    kw_buf_printf(out, ", \"gives\": %s, ", gives ? "true" : "false");
    add_text(out, "because", why);
    if (!node->follow)
        return;
    kw_follow_info follow;
    kw_follow_get_info(node->follow, &follow);
    kw_buf_printf(out, ", \"follows\": %zu, \"fetched\": %llu, \"refused\": %llu, ", follow.n_keys,
                  (unsigned long long)follow.n_fetched, (unsigned long long)follow.n_refused);
    add_text(out, "fetching", follow.fetching);
}

static void say_status(kw_node *node, kw_control_call *call, char *const *words)
{
    (void)words;
    kw_buf out = {0};
    char id[KW_PEER_ID_TEXT_MAX], text[KW_MULTIADDR_TEXT_MAX];
    kw_multiaddr addrs[16];
    kw_peer_info *peers;
    const size_t n_peers = peers_of(node, &peers);
    uint64_t in = 0, sent = 0;
    for (size_t i = 0; i < n_peers; i++) {
        in += peers[i].traffic.bytes_in;
        sent += peers[i].traffic.bytes_out;
    }
    free(peers);
    kw_peer_id_text(kw_host_id(node->host), id);
    kw_buf_printf(&out, "{");
    add_text(&out, "peer", id);
    kw_buf_printf(&out, ", ");
    add_text(&out, "agent", node->config.agent);
    kw_buf_printf(&out, ", \"addrs\": [");
    const size_t n = KW_MIN(kw_host_addrs(node->host, addrs, KW_COUNT(addrs)), KW_COUNT(addrs));
    for (size_t i = 0; i < n; i++) {
        kw_multiaddr_text(&addrs[i], text);
        kw_buf_printf(&out, i ? ", \"" : "\"");
        kw_buf_printf(&out, "%s/p2p/%s\"", text, id);
    }
    kw_bitswap_info blocks;
    kw_kad_info kad;
    kw_bitswap_get_info(node->bitswap, &blocks);
    kw_kad_get_info(node->kad, &kad);
    kw_registry_info registry;
    kw_registry_get_info(node->registry, &registry);
    kw_buf_printf(&out,
                  "], \"uptime_s\": %llu, \"peers\": %zu, \"bytes_in\": %llu, \"bytes_out\": %llu",
                  (unsigned long long)((kw_loop_now(node->loop) - node->started_ms) / 1000),
                  n_peers, (unsigned long long)in, (unsigned long long)sent);
    kw_buf_printf(&out,
                  ", \"blocks_in\": %llu, \"blocks_out\": %llu, \"blocks_twice\": %llu, "
                  "\"control_out\": %llu, \"messages_out\": %llu, "
                  "\"dht_peers\": %zu, \"provided\": %zu, "
                  "\"offered\": %zu, \"asked\": %llu",
                  (unsigned long long)blocks.blocks_in, (unsigned long long)blocks.blocks_out,
                  (unsigned long long)blocks.duplicates, (unsigned long long)blocks.control_out,
                  (unsigned long long)blocks.messages_out,
                  kad.n_peers[0] + kad.n_peers[1] + kad.n_peers[2], kad.n_provided,
                  registry.n_offered, (unsigned long long)registry.n_answered);
    kw_node_put_reach(node, &out);
    say_services(node, &out);
    kw_buf_printf(&out, "}");
    answer(call, &out);
}

static void say_peers(kw_node *node, kw_control_call *call, char *const *words)
{
    (void)words;
    kw_buf out = {0};
    kw_peer_info *peers;
    const size_t n = peers_of(node, &peers);
    kw_buf_printf(&out, "[");
    for (size_t i = 0; i < n; i++) {
        char id[KW_PEER_ID_TEXT_MAX], addr[KW_MULTIADDR_TEXT_MAX];
        kw_peer_id_text(&peers[i].id, id);
        kw_multiaddr_text(&peers[i].addr, addr);
        kw_buf_printf(&out, i ? ", {" : "{");
        add_text(&out, "peer", id);
        kw_buf_printf(&out, ", ");
        add_text(&out, "addr", addr);
        kw_buf_printf(&out, ", ");
        add_text(&out, "agent", peers[i].agent);
        kw_buf_printf(&out,
                      ", \"inbound\": %s, \"relayed\": %s, \"streams\": %zu, \"rtt_ms\": %llu, "
                      "\"bytes_in\": %llu, \"bytes_out\": %llu, \"score\": %.1f}",
                      peers[i].inbound ? "true" : "false", peers[i].relayed ? "true" : "false",
                      peers[i].traffic.n_streams, (unsigned long long)peers[i].traffic.rtt_ms,
                      (unsigned long long)peers[i].traffic.bytes_in,
                      (unsigned long long)peers[i].traffic.bytes_out,
                      kw_reputation_score(kw_guard_reputation(node->guard), &peers[i].id));
    }
    kw_buf_printf(&out, "]");
    free(peers);
    answer(call, &out);
}

/* ---- words that take time ------------------------------------------------------------------ */

enum { CONNECT, PING, PERF };

typedef struct errand {
    kw_node *node;
    kw_control_call *call;
    int what;          /* CONNECT and so on */
    uint64_t up, down; /* PERF: bytes */
} errand;

static void measured(void *user, kw_status status, const kw_perf_result *result)
{
    errand *const e = user;
    kw_buf out = {0};
    if (status != KW_OK) {
        kw_control_refuse(e->call, status == KW_E_UNSUPPORTED
                                       ? "the peer does not speak /perf/1.0.0"
                                       : "the test was cut off");
    } else {
        kw_buf_printf(
            &out, "{\"sent\": %llu, \"send_us\": %llu, \"received\": %llu, \"receive_us\": %llu}",
            (unsigned long long)result->up_bytes, (unsigned long long)result->up_us,
            (unsigned long long)result->down_bytes, (unsigned long long)result->down_us);
        answer(e->call, &out);
    }
    free(e);
}

static void pinged(void *user, kw_status status, uint64_t rtt_us)
{
    errand *const e = user;
    kw_buf out = {0};
    if (status != KW_OK) {
        kw_control_refuse(e->call, "the peer does not answer the ping");
    } else {
        kw_buf_printf(&out, "{\"us\": %llu}", (unsigned long long)rtt_us);
        answer(e->call, &out);
    }
    free(e);
}

static void connected(void *user, const kw_peer_id *peer, kw_status status, const char *why)
{
    errand *const e = user;
    if (status != KW_OK) {
        kw_control_refuse(e->call, why ? why : kw_status_name(status));
        free(e);
        return;
    }
    if (e->what == PING) {
        kw_host_ping(e->node->host, peer, pinged, e);
        return;
    }
    if (e->what == PERF) {
        kw_perf_run(e->node->host, peer, e->up, e->down, measured, e);
        return;
    }
    char id[KW_PEER_ID_TEXT_MAX];
    kw_buf out = {0};
    kw_peer_id_text(peer, id);
    kw_buf_printf(&out, "{");
    add_text(&out, "peer", id);
    kw_buf_printf(&out, "}");
    answer(e->call, &out);
    free(e);
}

static void reach(kw_node *node, kw_control_call *call, char *const *words, int what)
{
    errand *e = malloc(sizeof *e);
    if (!e) {
        kw_control_refuse(call, "no memory");
        return;
    }
    const char *const whom = words[1];
    *e = (errand){.node = node, .call = call, .what = what};
    if (what == PERF) {
        e->up = strtoull(words[2], NULL, 10);
        e->down = strtoull(words[3], NULL, 10);
    }
    kw_multiaddr addr;
    kw_peer_id peer;
    kw_error err;
    const bool is_addr = whom[0] == '/';
    const kw_status status = is_addr ? kw_multiaddr_parse(kw_str_from(whom), &addr, &err)
                                     : kw_peer_id_parse(kw_str_from(whom), &peer, &err);
    if (status != KW_OK) {
        kw_control_refuse(call, err.message);
        free(e);
        return;
    }
    kw_host_connect(node->host, is_addr ? NULL : &peer, is_addr ? &addr : NULL, connected, e);
}

static void say_connect(kw_node *node, kw_control_call *call, char *const *words)
{
    reach(node, call, words, CONNECT);
}

static void say_ping(kw_node *node, kw_control_call *call, char *const *words)
{
    reach(node, call, words, PING);
}

static void say_perf(kw_node *node, kw_control_call *call, char *const *words)
{
    reach(node, call, words, PERF);
}

/* ---- the DHT ------------------------------------------------------------------------------- */

typedef struct finding {
    kw_control_call *call;
    kw_buf out;
    size_t n;
} finding;

static void found(void *user, const kw_kad_peer *peer)
{
    finding *const f = user;
    char id[KW_PEER_ID_TEXT_MAX];
    kw_peer_id_text(&peer->id, id);
    kw_buf_printf(&f->out, f->n++ ? ", {" : "{");
    add_text(&f->out, "peer", id);
    kw_buf_printf(&f->out, ", \"addrs\": [");
    for (size_t i = 0; i < peer->n_addrs; i++) {
        char addr[KW_MULTIADDR_TEXT_MAX];
        kw_multiaddr_text(&peer->addrs[i], addr);
        kw_buf_printf(&f->out, i ? ", " : "");
        kw_buf_json(&f->out, kw_str_from(addr));
    }
    kw_buf_printf(&f->out, "]}");
}

static void looked(void *user, kw_status status, size_t n)
{
    finding *const f = user;
    (void)status; /* nobody is an answer too */
    (void)n;
    kw_buf_printf(&f->out, "]");
    answer(f->call, &f->out);
    free(f);
}

static void provided(void *user, kw_status status, size_t n)
{
    finding *const f = user;
    if (status != KW_OK) {
        kw_control_refuse(f->call, "nobody could be told");
        kw_buf_free(&f->out);
    } else {
        kw_buf_printf(&f->out, "{\"told\": %zu}", n);
        answer(f->call, &f->out);
    }
    free(f);
}

/* A query about the content of words[1]. */
static void about(kw_node *node, kw_control_call *call, char *const *words, bool provide)
{
    static const kw_kad_events find_events = {.peer = found, .done = looked};
    static const kw_kad_events provide_events = {.done = provided};
    kw_cid cid;
    kw_error err;
    kw_kad_query *query;
    finding *f = calloc(1, sizeof *f);
    kw_status status = f ? kw_cid_parse(kw_str_from(words[1]), &cid, &err)
                         : kw_fail(&err, KW_E_NOMEM, "no memory");
    if (status == KW_OK) {
        uint8_t key[KW_CID_MAX];
        const kw_bytes multihash = {key, kw_cid_multihash(&cid, key)};
        f->call = call;
        if (!provide)
            kw_buf_printf(&f->out, "[");
        status = provide ? kw_kad_provide(node->kad, multihash, &provide_events, f, &query, &err)
                         : kw_kad_find_providers(node->kad, multihash, 20, &find_events, f, &query,
                                                 &err);
    }
    if (status != KW_OK) {
        kw_control_refuse(call, err.message);
        if (f)
            kw_buf_free(&f->out);
        free(f);
    }
}

static void say_provide(kw_node *node, kw_control_call *call, char *const *words)
{
    about(node, call, words, true);
}

static void say_find(kw_node *node, kw_control_call *call, char *const *words)
{
    about(node, call, words, false);
}

static void say_disconnect(kw_node *node, kw_control_call *call, char *const *words)
{
    kw_peer_id peer;
    kw_error err;
    if (kw_peer_id_parse(kw_str_from(words[1]), &peer, &err) != KW_OK) {
        kw_control_refuse(call, err.message);
        return;
    }
    kw_host_disconnect(node->host, &peer);
    kw_control_answer(call, KW_STR("{}"));
}

static void say_follow(kw_node *node, kw_control_call *call, char *const *words)
{
    (void)words;
    if (node->follow)
        kw_follow_look(node->follow);
    kw_control_answer(call, KW_STR("{}"));
}

static void say_stop(kw_node *node, kw_control_call *call, char *const *words)
{
    (void)words;
    kw_control_answer(call, KW_STR("{}"));
    kw_node_stop(node);
}

static void say_pulled(kw_node *node, kw_control_call *call, char *const *words)
{
    kw_pulls_tell(node->pulls, call, words[1]);
}

static void say_unpull(kw_node *node, kw_control_call *call, char *const *words)
{
    kw_pulls_cancel(node->pulls, call, words[1]);
}

static const struct {
    const char *word;
    size_t n; /* words in all */
    void (*say)(kw_node *node, kw_control_call *call, char *const *words);
} table[] = {
    {"status", 1, say_status}, {"peers", 1, say_peers},   {"connect", 2, say_connect},
    {"ping", 2, say_ping},     {"perf", 4, say_perf},     {"provide", 2, say_provide},
    {"find", 2, say_find},     {"stop", 1, say_stop},     {"disconnect", 2, say_disconnect},
    {"pulled", 2, say_pulled}, {"unpull", 2, say_unpull}, {"follow", 1, say_follow},
};

void kw_node_word(void *user, kw_control_call *call, char *const *words, size_t n)
{
    kw_node *const node = user;
    if (strcmp(words[0], "pull") == 0 && n >= 2) {
        kw_pulls_start(node->pulls, call, words + 1, n - 1);
        return;
    }
    for (size_t i = 0; i < KW_COUNT(table); i++) {
        if (strcmp(words[0], table[i].word) == 0 && n == table[i].n) {
            table[i].say(node, call, words);
            return;
        }
    }
    kw_control_refuse(call, "a node does not know these words");
}
