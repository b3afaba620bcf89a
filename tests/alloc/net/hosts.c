/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hosts.c - each allocation fails once while two hosts meet over loopback: a connection and
 * identify, a ping, a provider record and a search for it, and blocks by bitswap.
 *
 * Time is real here, so two runs do not allocate alike to the last block: what must hold is that
 * every question ends once, that nothing crashes, and that nothing is leaked. libuv, OpenSSL and
 * libc allocate behind the wraps. kw-test: timeout 240 */
#include "alloc_each.h"

#include "base/check.h"
#include "net/bitswap.h"
#include "net/kad.h"
#include "net/loop_uv.h"

#include <string.h>

enum { BLOCKS = 6, BLOCK_BYTES = 5000 };
enum { BRIEF_MS = 60, LONG_MS = 20000 }; /* to wait: once something failed; before */
#define KAD "/kwaai/kad/1.0.0"

typedef struct world {
    kw_loop *loop;
    kw_identity identities[2];
    kw_host *hosts[2];
    kw_kad *kads[2];
    kw_bitswap *bitswaps[2];
    kw_bitswap_session *session;
    int n_hosts_closed;
    int connected, pinged, provided, found; /* times that they were answered */
    bool all_well;
    size_t n_blocks;
} world;

static uint8_t content[BLOCKS][BLOCK_BYTES];
static kw_cid names[BLOCKS];

/* ---- blocks ---- */

static bool has(void *user, const kw_cid *cid, size_t *size)
{
    (void)user;
    *size = BLOCK_BYTES;
    for (size_t i = 0; i < BLOCKS; i++)
        if (kw_cid_equal(cid, &names[i]))
            return true;
    return false;
}

static kw_status get(void *user, const kw_cid *cid, kw_block *out, kw_error *err)
{
    (void)user;
    for (size_t i = 0; i < BLOCKS; i++)
        if (kw_cid_equal(cid, &names[i])) {
            out->data = (kw_bytes){content[i], BLOCK_BYTES};
            return KW_OK;
        }
    return kw_fail(err, KW_E_NOTFOUND, "no such block");
}

static void release(void *user, kw_block *block)
{
    (void)user;
    (void)block;
}

static void got_block(void *user, const kw_cid *cid, kw_bytes data, const kw_peer_id *from)
{
    world *const w = user;
    (void)from;
    assert_true(kw_cid_verify(cid, data, NULL));
    w->n_blocks++;
}

static void got_missing(void *user, const kw_cid *cid)
{
    (void)user;
    (void)cid;
}

/* ---- answers ---- */

static void on_connected(void *user, const kw_peer_id *peer, kw_status status, const char *why)
{
    world *const w = user;
    (void)peer;
    (void)why;
    w->connected++;
    w->all_well &= status == KW_OK;
}

static void on_ping(void *user, kw_status status, uint64_t rtt_us)
{
    world *const w = user;
    (void)rtt_us;
    w->pinged++;
    w->all_well &= status == KW_OK;
}

static void on_provided(void *user, kw_status status, size_t n)
{
    world *const w = user;
    (void)n;
    w->provided++;
    w->all_well &= status == KW_OK;
}

static void on_found(void *user, kw_status status, size_t n)
{
    world *const w = user;
    (void)n;
    w->found++;
    w->all_well &= status == KW_OK;
}

static void on_peer(void *user, const kw_kad_peer *peer)
{
    (void)user;
    (void)peer;
}

static void on_host_closed(void *user)
{
    ((world *)user)->n_hosts_closed++;
}

/* ---- the course of things ---- */

static kw_status open_all(world *w, kw_error *err)
{
    static const kw_block_store store = {NULL, has, get, release};
    static const kw_kad_network network = {.protocol = KAD, .server = true, .publish = true};
    KW_TRY(kw_loop_open(&w->loop, err));
    for (int i = 0; i < 2; i++) {
        const uint8_t seed[32] = {(uint8_t)(i + 1)};
        KW_TRY(kw_identity_of_seed(seed, &w->identities[i], err));
        const kw_host_config host = {.loop = w->loop,
                                     .identity = &w->identities[i],
                                     .agent = "kwaai/test",
                                     .limits = {.handshake_ms = 200, .dial_ms = 200}};
        KW_TRY(kw_host_open(&host, &w->hosts[i], err));
        const kw_kad_config kad = {.host = w->hosts[i], .networks = &network, .n_networks = 1};
        KW_TRY(kw_kad_open(&kad, &w->kads[i], err));
        const kw_bitswap_config bitswap = {
            .host = w->hosts[i], .store = i == 1 ? &store : NULL, .stall_ms = 100};
        KW_TRY(kw_bitswap_open(&bitswap, &w->bitswaps[i], err));
    }
    kw_multiaddr any;
    KW_TRY(kw_multiaddr_parse(KW_STR("/ip4/127.0.0.1/tcp/0"), &any, err));
    return kw_host_listen(w->hosts[1], &any, err);
}

typedef bool (*condition)(const world *w);

/* What is never answered is answered when the hosts close. */
static bool wait_for(world *w, condition is_so)
{
    kw_loop_step(w->loop, 0);
    const uint64_t begin = kw_loop_now(w->loop);
    while (!is_so(w) && kw_loop_now(w->loop) - begin < (kw_alloc_hit() ? BRIEF_MS : LONG_MS))
        kw_loop_step(w->loop, 10);
    return is_so(w);
}

static bool are_connected(const world *w)
{
    return w->connected > 0;
}

/* Each has the other one in its table. */
static bool have_met(const world *w)
{
    kw_kad_info a, b;
    kw_kad_get_info(w->kads[0], &a);
    kw_kad_get_info(w->kads[1], &b);
    return a.n_peers[0] > 0 && b.n_peers[0] > 0;
}

static bool was_pinged(const world *w)
{
    return w->pinged > 0;
}

static bool was_provided(const world *w)
{
    return w->provided > 0;
}

static bool was_found(const world *w)
{
    return w->found > 0;
}

static bool is_here(const world *w)
{
    return w->n_blocks == BLOCKS;
}

static kw_status late(kw_error *err)
{
    return kw_fail(err, KW_E_NOMEM, "not in time");
}

static kw_status look_up(world *w, kw_error *err)
{
    static const kw_kad_events provides = {.done = on_provided}, finds = {on_peer, NULL, on_found};
    static const uint8_t multihash[34] = {0x12, 0x20, 1, 2, 3};
    const kw_bytes key = {multihash, sizeof multihash};
    kw_kad_query *query;
    if (!wait_for(w, have_met))
        return late(err);
    KW_TRY(kw_kad_provide(w->kads[1], key, &provides, w, &query, err));
    if (!wait_for(w, was_provided))
        return late(err);
    KW_TRY(kw_kad_find_providers(w->kads[0], key, 1, &finds, w, &query, err));
    return wait_for(w, was_found) ? KW_OK : late(err);
}

static kw_status fetch(world *w, kw_error *err)
{
    static const kw_bitswap_events events = {got_block, got_missing, NULL};
    KW_TRY(kw_bitswap_session_open(w->bitswaps[0], &events, w, &w->session, err));
    KW_TRY(kw_bitswap_add_peer(w->session, kw_host_id(w->hosts[1]), err));
    KW_TRY(kw_bitswap_want(w->session, names, BLOCKS, err));
    return wait_for(w, is_here) ? KW_OK : late(err);
}

static kw_status converse(world *w, kw_error *err)
{
    const kw_peer_id *const id = kw_host_id(w->hosts[1]);
    kw_multiaddr addr;
    assert_int_equal(kw_host_addrs(w->hosts[1], &addr, 1), 1);
    kw_host_connect(w->hosts[0], id, &addr, on_connected, w);
    if (!wait_for(w, are_connected))
        return late(err);
    kw_host_ping(w->hosts[0], id, on_ping, w);
    if (!wait_for(w, was_pinged))
        return late(err);
    KW_TRY(look_up(w, err));
    return fetch(w, err);
}

static void close_all(world *w)
{
    int n = 0;
    for (int i = 0; i < 2; i++) {
        kw_bitswap_close(w->bitswaps[i]);
        kw_kad_close(w->kads[i]);
        if (!w->hosts[i])
            continue;
        n++;
        kw_host_close(w->hosts[i], on_host_closed, w);
    }
    for (int i = 0; i < 300 && w->n_hosts_closed < n; i++)
        kw_loop_step(w->loop, 10);
    assert_int_equal(w->n_hosts_closed, n);
    kw_loop_close(w->loop);
}

static kw_status operation(void *user, kw_error *err)
{
    (void)user;
    world w = {.all_well = true};
    kw_status status = open_all(&w, err);
    if (status == KW_OK)
        status = converse(&w, err);
    close_all(&w);
    assert_in_range(w.connected + w.pinged + w.provided + w.found, 0, 4); /* each once at most */
    if (status == KW_OK && !w.all_well)
        status = KW_E_NOMEM;
    return status;
}

static void test_hosts(void **state)
{
    (void)state;
    for (size_t i = 0; i < BLOCKS; i++) {
        memset(content[i], (int)i + 1, BLOCK_BYTES);
        names[i] = kw_cid_of(KW_CODEC_RAW, (kw_bytes){content[i], BLOCK_BYTES}, NULL);
    }
    alloc_each(operation, NULL, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hosts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
