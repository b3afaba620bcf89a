/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* relay.c - hosts that reach each other through a third one. */
#include "nodes.h"

#include "net/dcutr.h"
#include "net/hop.h"
#include "net/relay.h"

typedef struct trio {
    kw_loop *loop;
    node relay, hidden, guest;
    kw_hop *hop;
    kw_relay *place;
    kw_multiaddr relay_addr; /* with /p2p */
    kw_multiaddr way;        /* to hidden, through the relay, without /p2p/hidden */
} trio;

static kw_multiaddr with_peer(kw_multiaddr addr, const kw_peer_id *id)
{
    assert_int_equal(kw_multiaddr_add(&addr, KW_MA_P2P, (kw_bytes){id->bytes, id->len}, NULL),
                     KW_OK);
    return addr;
}

static bool held(const trio *t)
{
    kw_reservation r;
    return kw_relay_reservations(t->place, &r, 1) == 1 && r.held;
}

static void wait_held(trio *t, bool wanted)
{
    for (int i = 0; i < 400 && held(t) != wanted; i++)
        kw_loop_step(t->loop, 20);
    assert_int_equal(held(t), wanted);
}

static void open_trio(trio *t, const kw_hop_limits *limits, const kw_host_config *config)
{
    *t = (trio){.loop = open_loop()};
    node_open(&t->relay, t->loop, 1, config);
    node_open(&t->hidden, t->loop, 2, config);
    node_open(&t->guest, t->loop, 3, config);
    const kw_multiaddr addr = node_listen(&t->relay);
    t->relay_addr = with_peer(addr, &t->relay.identity.id);
    t->way = t->relay_addr;
    assert_int_equal(kw_multiaddr_add(&t->way, KW_MA_P2P_CIRCUIT, (kw_bytes){0}, NULL), KW_OK);
    assert_int_equal(kw_hop_open(t->relay.host, limits, &t->hop, NULL), KW_OK);
    assert_int_equal(kw_relay_open(t->hidden.host, &t->place, NULL), KW_OK);
    assert_int_equal(kw_relay_reserve(t->place, &t->relay_addr, NULL), KW_OK);
    assert_int_equal(kw_perf_serve(t->hidden.host, NULL), KW_OK);
}

static void close_trio(trio *t)
{
    kw_relay_close(t->place);
    kw_hop_close(t->hop);
    node_close(&t->guest, t->loop);
    node_close(&t->hidden, t->loop);
    node_close(&t->relay, t->loop);
    kw_loop_close(t->loop);
}

static said connect_through(trio *t)
{
    said s = {0};
    kw_host_connect(t->guest.host, &t->hidden.identity.id, &t->way, on_said_connected, &s);
    assert_true(wait_for(t->loop, &s.done, 12000));
    return s;
}

static said perf_through(trio *t, uint64_t up, uint64_t down)
{
    said s = {0};
    kw_perf_run(t->guest.host, &t->hidden.identity.id, up, down, on_said_perf, &s);
    assert_true(wait_for(t->loop, &s.done, 20000));
    return s;
}

static kw_hop_info info_of(const trio *t)
{
    kw_hop_info info;
    kw_hop_get_info(t->hop, &info);
    return info;
}

static void reaches_who_is_hidden(void **state)
{
    (void)state;
    const kw_hop_limits limits = {.unlimited = true};
    trio t;
    open_trio(&t, &limits, NULL);
    assert_int_not_equal(connect_through(&t).status, KW_OK); /* no reservation yet */
    wait_held(&t, true);
    kw_multiaddr told;
    assert_int_equal(kw_host_addrs(t.hidden.host, &told, 1), 1);
    assert_true(kw_multiaddr_equal(&told, &t.way));
    const said s = connect_through(&t);
    if (s.status != KW_OK)
        fail_msg("%s", s.why);
    assert_true(node_pings(t.loop, &t.guest, &t.hidden));
    kw_peer_info infos[2];
    assert_int_equal(kw_host_peers(t.hidden.host, infos, 2), 2);
    assert_int_equal(infos[0].relayed + infos[1].relayed, 1);
    const said p = perf_through(&t, 12 << 20, 9 << 20);
    assert_int_equal(p.status, KW_OK);
    assert_int_equal(p.number, 9 << 20);
    assert_int_equal(info_of(&t).n_circuits, 1);
    kw_host_disconnect(t.guest.host, &t.hidden.identity.id);
    wait_ms(t.loop, 200);
    assert_int_equal(info_of(&t).n_circuits, 0);
    assert_false(kw_host_connected(t.hidden.host, &t.guest.identity.id));
    close_trio(&t);
}

static void a_limit_keeps_files_away(void **state)
{
    (void)state;
    trio t;
    open_trio(&t, NULL, NULL);
    wait_held(&t, true);
    assert_int_equal(connect_through(&t).status, KW_OK);
    assert_true(node_pings(t.loop, &t.guest, &t.hidden));
    assert_int_equal(perf_through(&t, 1000, 1000).status, KW_E_LIMIT);
    close_trio(&t);
}

static void bytes_are_counted(void **state)
{
    (void)state;
    const kw_hop_limits limits = {.circuit_bytes = 20000};
    trio t;
    open_trio(&t, &limits, NULL);
    wait_held(&t, true);
    assert_int_equal(connect_through(&t).status, KW_OK);
    for (int i = 0; i < 400 && info_of(&t).n_circuits > 0; i++) {
        said s = {0};
        kw_host_ping(t.guest.host, &t.hidden.identity.id, on_said_ping, &s);
        (void)wait_for(t.loop, &s.done, 3000);
    }
    assert_int_equal(info_of(&t).n_circuits, 0);
    assert_true(info_of(&t).bytes < 45000);
    close_trio(&t);
}

static void time_is_counted(void **state)
{
    (void)state;
    const kw_hop_limits limits = {.circuit_s = 1};
    trio t;
    open_trio(&t, &limits, NULL);
    wait_held(&t, true);
    assert_int_equal(connect_through(&t).status, KW_OK);
    wait_ms(t.loop, 2000);
    assert_int_equal(info_of(&t).n_circuits, 0);
    assert_false(kw_host_connected(t.guest.host, &t.hidden.identity.id));
    assert_true(held(&t));
    close_trio(&t);
}

static void places_are_counted(void **state)
{
    (void)state;
    const kw_hop_limits limits = {.reservations_per_ip = 1};
    trio t;
    kw_relay *second;
    kw_reservation r;
    open_trio(&t, &limits, NULL);
    wait_held(&t, true);
    assert_int_equal(kw_relay_open(t.guest.host, &second, NULL), KW_OK);
    assert_int_equal(kw_relay_reserve(second, &t.relay_addr, NULL), KW_OK);
    wait_ms(t.loop, 700);
    assert_int_equal(kw_relay_reservations(second, &r, 1), 1);
    assert_false(r.held);
    assert_string_equal(r.why, "the reservation is refused");
    assert_int_equal(info_of(&t).n_reservations, 1);
    kw_relay_close(second);
    close_trio(&t);
}

/* An idle connection to the relay stays; a lost one is made again. */
static void a_place_is_kept(void **state)
{
    (void)state;
    const kw_host_config config = {.limits = {.idle_ms = 300}};
    trio t;
    open_trio(&t, NULL, &config);
    wait_held(&t, true);
    wait_ms(t.loop, 1500);
    assert_true(held(&t));
    assert_true(kw_host_connected(t.relay.host, &t.hidden.identity.id));
    kw_host_disconnect(t.relay.host, &t.hidden.identity.id);
    wait_held(&t, false);
    assert_int_equal(kw_host_addrs(t.hidden.host, NULL, 0), 0);
    wait_held(&t, true);
    assert_int_equal(connect_through(&t).status, KW_OK);
    close_trio(&t);
}

/* Everything ends in any order while circuits are open. */
static void ends_at_any_time(void **state)
{
    (void)state;
    const kw_hop_limits limits = {.unlimited = true};
    for (int which = 0; which < 3; which++) {
        trio t;
        said s = {0};
        open_trio(&t, &limits, NULL);
        wait_held(&t, true);
        assert_int_equal(connect_through(&t).status, KW_OK);
        kw_perf_run(t.guest.host, &t.hidden.identity.id, 1 << 28, 1 << 28, on_said_perf, &s);
        wait_ms(t.loop, 50);
        if (which == 0)
            kw_host_disconnect(t.relay.host, &t.guest.identity.id);
        else if (which == 1)
            kw_host_disconnect(t.hidden.host, &t.relay.identity.id);
        if (which < 2)
            assert_true(wait_for(t.loop, &s.done, 5000));
        close_trio(&t);
        assert_true(s.done);
        assert_int_not_equal(s.status, KW_OK);
    }
}

static bool is_direct(const node *n, const kw_peer_id *peer)
{
    kw_peer_info infos[4];
    const size_t count = kw_host_peers(n->host, infos, 4);
    for (size_t i = 0; i < count && i < 4; i++)
        if (kw_peer_id_equal(&infos[i].id, peer))
            return !infos[i].relayed;
    return false;
}

/* listens: who is it that others can dial, the guest (bit 0) or who is hidden (bit 1). */
static void becomes_direct(int listens)
{
    trio t;
    kw_dcutr *dcutr[2];
    kw_dcutr_info info;
    open_trio(&t, NULL, NULL);
    if (listens & 1)
        (void)node_listen(&t.guest);
    if (listens & 2)
        (void)node_listen(&t.hidden);
    assert_int_equal(kw_dcutr_open(t.guest.host, &dcutr[0], NULL), KW_OK);
    assert_int_equal(kw_dcutr_open(t.hidden.host, &dcutr[1], NULL), KW_OK);
    wait_held(&t, true);
    assert_int_equal(connect_through(&t).status, KW_OK);
    for (int i = 0; i < 800 && !(is_direct(&t.guest, &t.hidden.identity.id) &&
                                 is_direct(&t.hidden, &t.guest.identity.id));
         i++)
        kw_loop_step(t.loop, 20);
    assert_true(is_direct(&t.guest, &t.hidden.identity.id));
    assert_true(is_direct(&t.hidden, &t.guest.identity.id));
    assert_int_equal(perf_through(&t, 3 << 20, 2 << 20).status, KW_OK);
    for (int i = 0; i < 400 && info_of(&t).n_circuits > 0; i++)
        kw_loop_step(t.loop, 20);
    assert_int_equal(info_of(&t).n_circuits, 0); /* the way through the relay is given up */
    wait_ms(t.loop, 300);
    kw_dcutr_get_info(dcutr[1], &info);
    assert_int_equal(info.n_tried, 1);
    assert_int_equal(info.n_direct, 1);
    kw_dcutr_close(dcutr[0]);
    kw_dcutr_close(dcutr[1]);
    close_trio(&t);
}

static void a_guest_that_listens_is_dialed(void **state)
{
    (void)state;
    becomes_direct(1);
}

static void who_is_hidden_is_dialed_on_sync(void **state)
{
    (void)state;
    becomes_direct(2);
}

static void both_dial_at_once(void **state)
{
    (void)state;
    becomes_direct(3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reaches_who_is_hidden),
                                       cmocka_unit_test(a_limit_keeps_files_away),
                                       cmocka_unit_test(bytes_are_counted),
                                       cmocka_unit_test(time_is_counted),
                                       cmocka_unit_test(places_are_counted),
                                       cmocka_unit_test(a_place_is_kept),
                                       cmocka_unit_test(ends_at_any_time),
                                       cmocka_unit_test(a_guest_that_listens_is_dialed),
                                       cmocka_unit_test(who_is_hidden_is_dialed_on_sync),
                                       cmocka_unit_test(both_dial_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
