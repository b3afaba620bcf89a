/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_host.c - ten hosts on one loop, over loopback: provide and find, put and get, find a peer
 * that is only a client, cancel, and close in the middle of it all. And two of them by mDNS. */
#include "net/kad.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/mdns.h"

#define N_HOSTS 10
#define CLIENT (N_HOSTS - 1)
#define KWAAI "/kwaai/kad/1.0.0"
#define LAN "/ipfs/lan/kad/1.0.0"

static const kw_bytes content = {(const uint8_t *)"\x12\x20"
                                                  "0123456789abcdef0123456789abcdef",
                                 34};
static const kw_bytes key = {(const uint8_t *)"/kwaai/model", 12};

typedef struct outcome {
    bool done;
    kw_status status;
    size_t n, n_peers;
    kw_kad_peer last;
    char value[8];
} outcome;

typedef struct swarm {
    kw_loop *loop;
    kw_identity identities[N_HOSTS];
    kw_host *hosts[N_HOSTS];
    kw_kad *kads[N_HOSTS];
    size_t n_saved, n_closed;
    kw_kad_record saved;
} swarm;

static bool valid(void *user, kw_bytes k, kw_bytes value)
{
    (void)user;
    (void)k;
    return value.len == 2;
}

static void save(void *user, const kw_kad_record *record)
{
    swarm *s = user;
    s->n_saved++;
    s->saved = *record;
}

static void open_host(swarm *s, size_t i)
{
    static const kw_kad_validator validator = {"/kwaai/", valid, NULL, NULL};
    const kw_kad_network networks[] = {
        {.protocol = KWAAI, .server = i != CLIENT, .publish = true},
        {.protocol = LAN, .server = false},
    };
    uint8_t seed[32] = {(uint8_t)(i + 1)};
    kw_multiaddr any;
    kw_error err = {.message = ""};
    assert_int_equal(kw_identity_of_seed(seed, &s->identities[i], NULL), KW_OK);
    const kw_host_config host = {
        .loop = s->loop,
        .identity = &s->identities[i],
        .agent = "kwaai/test",
        .limits = {.connections_per_ip = 100, .handshakes_per_second = 1000},
    };
    assert_int_equal(kw_host_open(&host, &s->hosts[i], &err), KW_OK);
    assert_int_equal(kw_multiaddr_parse(KW_STR("/ip4/127.0.0.1/tcp/0"), &any, NULL), KW_OK);
    assert_int_equal(kw_host_listen(s->hosts[i], &any, &err), KW_OK);
    const kw_kad_config config = {.host = s->hosts[i],
                                  .networks = networks,
                                  .n_networks = 2,
                                  .validators = &validator,
                                  .n_validators = 1,
                                  .save = save,
                                  .save_user = s};
    assert_int_equal(kw_kad_open(&config, &s->kads[i], &err), KW_OK);
}

static void on_host_closed(void *user)
{
    swarm *s = user;
    s->n_closed++;
}

static void close_all(void *user)
{
    swarm *s = user;
    for (size_t i = 0; i < N_HOSTS && s->hosts[i]; i++) {
        kw_kad_close(s->kads[i]);
        kw_host_close(s->hosts[i], on_host_closed, s);
    }
}

static void close_swarm(swarm *s, size_t n)
{
    assert_int_equal(kw_loop_post(s->loop, close_all, s, NULL), KW_OK);
    for (int i = 0; i < 500 && s->n_closed < n; i++)
        kw_loop_step(s->loop, 10);
    assert_int_equal(s->n_closed, n);
    kw_loop_close(s->loop);
}

static void on_peer(void *user, const kw_kad_peer *peer)
{
    outcome *o = user;
    o->n_peers++;
    o->last = *peer;
}

static void on_value(void *user, kw_bytes value)
{
    outcome *o = user;
    assert_true(value.len < sizeof o->value);
    memcpy(o->value, value.data, value.len);
}

static void on_done(void *user, kw_status status, size_t n)
{
    outcome *o = user;
    assert_false(o->done);
    o->done = true;
    o->status = status;
    o->n = n;
}

static const kw_kad_events events = {on_peer, on_value, on_done};

static void wait_for(swarm *s, const outcome *o)
{
    for (int i = 0; i < 3000 && !o->done; i++)
        kw_loop_step(s->loop, 10);
    assert_true(o->done);
}

/* Until everybody knows most of the others. */
static void bootstrap(swarm *s)
{
    kw_multiaddr addr;
    assert_true(kw_host_addrs(s->hosts[0], &addr, 1) >= 1);
    for (size_t i = 1; i < N_HOSTS; i++)
        assert_int_equal(kw_kad_bootstrap(s->kads[i], &addr, 1, NULL), KW_OK);
    for (int step = 0; step < 2000; step++) {
        size_t least = N_HOSTS;
        for (size_t i = 0; i < N_HOSTS; i++) {
            kw_kad_info info;
            kw_kad_get_info(s->kads[i], &info);
            least = info.n_peers[0] < least ? info.n_peers[0] : least;
        }
        if (least >= 6)
            return;
        kw_loop_step(s->loop, 10);
    }
    fail_msg("not everybody knows six others after 20 s");
}

static void what_one_has_all_find(void **state)
{
    (void)state;
    static swarm s;
    outcome o = {.done = false};
    kw_kad_query *query;
    kw_kad_info info;
    s = (swarm){.loop = NULL};
    assert_int_equal(kw_loop_open(&s.loop, NULL), KW_OK);
    for (size_t i = 0; i < N_HOSTS; i++)
        open_host(&s, i);
    bootstrap(&s);

    assert_int_equal(kw_kad_provide(s.kads[3], content, &events, &o, &query, NULL), KW_OK);
    wait_for(&s, &o);
    assert_int_equal(o.status, KW_OK);
    assert_in_range(o.n, 6, N_HOSTS - 2);
    for (int i = 0; i < 100 && s.n_saved < o.n; i++)
        kw_loop_step(s.loop, 10);
    assert_int_equal(s.n_saved, o.n);
    assert_true(kw_peer_id_equal(&s.saved.provider, &s.identities[3].id));
    for (size_t i = 0; i < N_HOSTS; i += 3) {
        const size_t who = i == 3 ? CLIENT : i;
        o = (outcome){.done = false};
        assert_int_equal(kw_kad_find_providers(s.kads[who], content, 1, &events, &o, &query, NULL),
                         KW_OK);
        wait_for(&s, &o);
        assert_int_equal(o.n_peers, 1);
        assert_true(kw_peer_id_equal(&o.last.id, &s.identities[3].id));
        assert_true(o.last.n_addrs > 0);
    }

    o = (outcome){.done = false};
    const kw_bytes value = {(const uint8_t *)"v1", 2};
    assert_int_equal(kw_kad_put(s.kads[5], key, value, &events, &o, &query, NULL), KW_OK);
    wait_for(&s, &o);
    assert_int_equal(o.status, KW_OK);
    o = (outcome){.done = false};
    assert_int_equal(kw_kad_get(s.kads[CLIENT], key, 3, &events, &o, &query, NULL), KW_OK);
    wait_for(&s, &o);
    assert_string_equal(o.value, "v1");

    o = (outcome){.done = false};
    assert_int_equal(
        kw_kad_find_peer(s.kads[4], &s.identities[CLIENT].id, &events, &o, &query, NULL), KW_OK);
    wait_for(&s, &o);
    assert_int_equal(o.status, KW_OK);
    assert_true(kw_peer_id_equal(&o.last.id, &s.identities[CLIENT].id));

    kw_kad_get_info(s.kads[3], &info);
    assert_int_equal(info.n_provided, 1);
    assert_int_equal(info.n_peers[1], 0); /* nobody serves that network */
    kw_kad_unprovide(s.kads[3], content);
    for (int i = 0; i < 20; i++) { /* some are cancelled, the others under way at the end */
        assert_int_equal(
            kw_kad_find_providers(s.kads[i % N_HOSTS], key, 0, &events, &o, &query, NULL), KW_OK);
        kw_loop_step(s.loop, 0);
        o.done = false;
        if (i < 10 && i % 2 == 0)
            kw_kad_cancel(query);
    }
    close_swarm(&s, N_HOSTS);
}

static void records_come_back_after_a_restart(void **state)
{
    (void)state;
    static swarm s;
    kw_kad_info info;
    s = (swarm){.loop = NULL};
    assert_int_equal(kw_loop_open(&s.loop, NULL), KW_OK);
    open_host(&s, 0);
    kw_kad_record record = {.key_len = 2, .provider = s.identities[0].id, .expires_s = 1};
    assert_int_equal(kw_kad_restore(s.kads[0], &record, NULL), KW_OK); /* long ago */
    record.provider.bytes[10] ^= 1;
    record.expires_s = UINT64_MAX;
    assert_int_equal(kw_kad_restore(s.kads[0], &record, NULL), KW_OK);
    record.key_len = 0;
    assert_int_equal(kw_kad_restore(s.kads[0], &record, NULL), KW_E_FORMAT);
    kw_kad_get_info(s.kads[0], &info);
    assert_int_equal(info.n_records, 1);
    close_swarm(&s, 1);
}

/* ---- mDNS ---- */

static void on_found(void *user, const kw_peer_id *peer)
{
    (void)peer;
    *(bool *)user = true;
}

static void neighbours_meet(void **state)
{
    (void)state;
    static swarm s;
    kw_mdns *mdns[2] = {NULL, NULL};
    bool found = false;
    s = (swarm){.loop = NULL};
    assert_int_equal(kw_loop_open(&s.loop, NULL), KW_OK);
    for (size_t i = 0; i < 2; i++) {
        open_host(&s, i);
        const kw_mdns_config config = {.host = s.hosts[i],
                                       .port = (uint16_t)(20000 + getpid() % 20000),
                                       .interval_ms = 300,
                                       .found = on_found,
                                       .user = &found,
                                       .dont_dial = i == 1};
        assert_int_equal(kw_mdns_open(&config, &mdns[i], NULL), KW_OK);
    }
    const kw_peer_id *other = &s.identities[1].id;
    for (int i = 0; i < 500 && !kw_host_connected(s.hosts[0], other); i++)
        kw_loop_step(s.loop, 10);
    const bool met = kw_host_connected(s.hosts[0], other);
    for (size_t i = 0; i < 2; i++)
        kw_mdns_close(mdns[i]);
    close_swarm(&s, 2);
    if (!found) {
        printf("skip: no interface here multicasts to itself\n");
        skip();
    }
    assert_true(met);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_has_all_find),
        cmocka_unit_test(records_come_back_after_a_restart),
        cmocka_unit_test(neighbours_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
