/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* relay_finder.c - a host that nobody can dial chooses its relays, and others when they go. */
#include "nodes.h"

#include "net/hop.h"
#include "net/relay_finder.h"

#include "base/check.h"

#define RELAYS 4
#define KWAAI "/kwaai/kad/1.0.0"

typedef struct world {
    kw_loop *loop;
    node relays[RELAYS], plain, hidden;
    kw_hop *hops[RELAYS];
    kw_multiaddr addrs[RELAYS];
    kw_relay *relay;
    kw_relay_finder *finder;
    kw_reach reach;
} world;

static kw_reach reach_of(void *user)
{
    return ((const world *)user)->reach;
}

static const kw_host_config wide = {
    .limits = {.connections_per_ip = 100, .handshakes_per_second = 1000}};

static void open_world(world *w, kw_reach reach)
{
    *w = (world){.loop = open_loop(), .reach = reach};
    node_open(&w->hidden, w->loop, 9, &wide);
    node_open(&w->plain, w->loop, 8, &wide);
    for (uint8_t i = 0; i < RELAYS; i++) {
        node_open(&w->relays[i], w->loop, (uint8_t)(i + 1), &wide);
        w->addrs[i] = node_listen(&w->relays[i]);
        assert_int_equal(kw_hop_open(w->relays[i].host, NULL, &w->hops[i], NULL), KW_OK);
    }
    assert_int_equal(kw_relay_open(w->hidden.host, &w->relay, NULL), KW_OK);
}

static void open_finder(world *w, kw_kad *kad, bool anywhere)
{
    const kw_relay_finder_config config = {.host = w->hidden.host,
                                           .relay = w->relay,
                                           .kad = kad,
                                           .reach = reach_of,
                                           .user = w,
                                           .anywhere = anywhere,
                                           .tick_ms = 50,
                                           .search_ms = 300};
    assert_int_equal(kw_relay_finder_open(&config, &w->finder, NULL), KW_OK);
}

static void close_relay(world *w, size_t i)
{
    if (!w->hops[i])
        return;
    kw_hop_close(w->hops[i]);
    w->hops[i] = NULL;
    node_close(&w->relays[i], w->loop);
}

static void close_world(world *w)
{
    if (w->finder)
        kw_relay_finder_close(w->finder);
    kw_relay_close(w->relay);
    node_close(&w->hidden, w->loop);
    node_close(&w->plain, w->loop);
    for (size_t i = 0; i < RELAYS; i++)
        close_relay(w, i);
    kw_loop_close(w->loop);
}

static size_t n_held(const world *w)
{
    kw_reservation places[KW_RELAYS_MAX];
    size_t held = 0;
    const size_t n = kw_relay_reservations(w->relay, places, KW_COUNT(places));
    for (size_t i = 0; i < n; i++)
        held += places[i].held;
    return held;
}

static void wait_held(world *w, size_t n, uint64_t ms)
{
    const uint64_t until = kw_loop_now(w->loop) + ms;
    while (n_held(w) != n && kw_loop_now(w->loop) < until)
        kw_loop_step(w->loop, 10);
    assert_int_equal(n_held(w), n);
}

static size_t n_relayed_addrs(const world *w)
{
    kw_multiaddr addrs[16];
    kw_multiaddr_part part;
    size_t relayed = 0;
    const size_t n = KW_MIN(kw_host_addrs(w->hidden.host, addrs, KW_COUNT(addrs)), KW_COUNT(addrs));
    for (size_t i = 0; i < n; i++)
        relayed += kw_multiaddr_find(&addrs[i], KW_MA_P2P_CIRCUIT, &part);
    return relayed;
}

/* Two of the relays that it is connected to; another one when one of them goes; none once it can be
 * dialed. */
static void two_are_chosen_and_replaced(void **state)
{
    (void)state;
    world w;
    open_world(&w, KW_REACH_UNKNOWN);
    const kw_multiaddr plain = node_listen(&w.plain);
    nodes_connect(w.loop, &w.hidden, &w.plain, &plain);
    for (size_t i = 0; i < 3; i++)
        nodes_connect(w.loop, &w.hidden, &w.relays[i], &w.addrs[i]);
    open_finder(&w, NULL, true);
    wait_ms(w.loop, 400);
    assert_int_equal(kw_relay_reservations(w.relay, NULL, 0), 0); /* nothing is known yet */
    w.reach = KW_REACH_PRIVATE;
    wait_held(&w, 2, 5000);
    wait_ms(w.loop, 300);
    assert_int_equal(kw_relay_reservations(w.relay, NULL, 0), 2);
    assert_int_equal(n_relayed_addrs(&w), 2);
    for (size_t i = 0; i < 3; i++) {
        kw_hop_info info;
        kw_hop_get_info(w.hops[i], &info);
        if (info.n_reservations > 0) {
            close_relay(&w, i);
            break;
        }
    }
    wait_held(&w, 1, 5000);
    wait_held(&w, 2, 15000);
    w.reach = KW_REACH_PUBLIC;
    wait_held(&w, 0, 2000);
    assert_int_equal(kw_relay_reservations(w.relay, NULL, 0), 0);
    assert_int_equal(n_relayed_addrs(&w), 0);
    close_world(&w);
}

/* Named ones count; a relay in a private network is none for the Internet; who dialed us may not be
 * dialed by others. */
static void who_is_not_asked(void **state)
{
    (void)state;
    world w;
    open_world(&w, KW_REACH_PRIVATE);
    for (size_t i = 0; i < 2; i++)
        nodes_connect(w.loop, &w.hidden, &w.relays[i], &w.addrs[i]);
    open_finder(&w, NULL, false);
    wait_ms(w.loop, 400);
    assert_int_equal(kw_relay_reservations(w.relay, NULL, 0), 0);
    kw_relay_finder_close(w.finder);
    for (size_t i = 0; i < 2; i++)
        close_relay(&w, i);
    const kw_multiaddr own = node_listen(&w.hidden);
    nodes_connect(w.loop, &w.relays[2], &w.hidden, &own);
    open_finder(&w, NULL, true);
    wait_ms(w.loop, 400);
    assert_int_equal(kw_relay_reservations(w.relay, NULL, 0), 0);
    kw_multiaddr named = w.addrs[3];
    const kw_peer_id *id = &w.relays[3].identity.id;
    assert_int_equal(kw_multiaddr_add(&named, KW_MA_P2P, (kw_bytes){id->bytes, id->len}, NULL),
                     KW_OK);
    assert_int_equal(kw_relay_reserve(w.relay, &named, NULL), KW_OK);
    wait_held(&w, 1, 5000);
    w.reach = KW_REACH_PUBLIC;
    wait_ms(w.loop, 200);
    assert_int_equal(n_held(&w), 1); /* the owner's choice stays */
    close_world(&w);
}

/* Nobody whom it is connected to is a relay, but one of the DHT is. */
static void one_is_found_through_the_dht(void **state)
{
    (void)state;
    world w;
    kw_kad *kads[3];
    const kw_kad_network server = {.protocol = KWAAI, .server = true};
    const kw_kad_network guest = {.protocol = KWAAI};
    open_world(&w, KW_REACH_PRIVATE);
    const kw_multiaddr plain = node_listen(&w.plain);
    kw_host *const hosts[] = {w.relays[0].host, w.plain.host, w.hidden.host};
    for (size_t i = 0; i < KW_COUNT(hosts); i++) {
        const kw_kad_config config = {
            .host = hosts[i], .networks = i < 2 ? &server : &guest, .n_networks = 1};
        assert_int_equal(kw_kad_open(&config, &kads[i], NULL), KW_OK);
    }
    nodes_connect(w.loop, &w.plain, &w.relays[0], &w.addrs[0]);
    wait_ms(w.loop, 300);
    nodes_connect(w.loop, &w.hidden, &w.plain, &plain);
    wait_ms(w.loop, 300);
    open_finder(&w, kads[2], true);
    wait_held(&w, 1, 8000);
    kw_reservation place;
    assert_int_equal(kw_relay_reservations(w.relay, &place, 1), 1);
    assert_true(kw_peer_id_equal(&place.relay, &w.relays[0].identity.id));
    kw_relay_finder_close(w.finder);
    w.finder = NULL;
    for (size_t i = 0; i < KW_COUNT(kads); i++)
        kw_kad_close(kads[i]);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_are_chosen_and_replaced),
                                       cmocka_unit_test(who_is_not_asked),
                                       cmocka_unit_test(one_is_found_through_the_dht)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
