/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* relay_finder.c - choosing relays.
 *
 * A candidate is a peer that we dialed at an address of TCP (so others can), and that says in
 * identify that it is a relay. Of several the one in a group of addresses where we have none yet is
 * asked first: what takes one relay away may take its neighbours. kw_relay asks, and asks again
 * before a place expires; a relay that refused twice in a row is replaced, and left alone for a
 * while. When there is no candidate, a lookup of a key drawn at random meets other peers. */
#include "net/relay_finder.h"

#include "base/check.h"
#include "crypto/crypto.h"
#include "net/ip_scope.h"
#include "net/relay_message.h"

#include <stdlib.h>
#include <string.h>

#define FAILED_MAX 32 /* remembered */
#define REFUSALS 2    /* in a row, until a relay is replaced */
#define PEERS_MAX 256 /* looked at */

typedef struct failed {
    kw_peer_id peer;
    uint64_t at_ms;
} failed;

struct kw_relay_finder {
    kw_relay_finder_config config;
    kw_timer *timer;
    kw_peer_id chosen[KW_RELAYS_MAX];
    size_t n_chosen;
    failed failed[FAILED_MAX];
    size_t n_failed;
    kw_kad_query *query; /* NULL: none is under way */
    uint64_t search_due_ms;
};

static uint64_t now_of(const kw_relay_finder *f)
{
    return kw_loop_now(kw_host_loop(f->config.host));
}

/* ---- those that were chosen ---- */

static void give_up(kw_relay_finder *f, size_t i)
{
    kw_relay_drop(f->config.relay, &f->chosen[i]);
    f->chosen[i] = f->chosen[--f->n_chosen];
}

/* The oldest makes room. */
static void note_failed(kw_relay_finder *f, const kw_peer_id *peer)
{
    if (f->n_failed == FAILED_MAX)
        memmove(f->failed, f->failed + 1, --f->n_failed * sizeof f->failed[0]);
    f->failed[f->n_failed++] = (failed){.peer = *peer, .at_ms = now_of(f)};
}

static bool failed_lately(const kw_relay_finder *f, const kw_peer_id *peer)
{
    for (size_t i = 0; i < f->n_failed; i++)
        if (kw_peer_id_equal(&f->failed[i].peer, peer) &&
            now_of(f) - f->failed[i].at_ms < f->config.again_ms)
            return true;
    return false;
}

static const kw_reservation *place_at(const kw_reservation *places, size_t n,
                                      const kw_peer_id *peer)
{
    for (size_t i = 0; i < n; i++)
        if (kw_peer_id_equal(&places[i].relay, peer))
            return &places[i];
    return NULL;
}

static void replace_failed(kw_relay_finder *f)
{
    kw_reservation places[KW_RELAYS_MAX];
    const size_t n = kw_relay_reservations(f->config.relay, places, KW_COUNT(places));
    for (size_t i = f->n_chosen; i-- > 0;) {
        const kw_reservation *place = place_at(places, n, &f->chosen[i]);
        if (place && (place->held || place->n_failed < REFUSALS))
            continue;
        note_failed(f, &f->chosen[i]);
        give_up(f, i);
    }
}

/* ---- candidates ---- */

static bool may_be_asked(const kw_relay_finder *f, const kw_peer_info *info,
                         const kw_reservation *places, size_t n)
{
    kw_multiaddr_part tcp;
    return !info->inbound && !info->relayed && kw_multiaddr_find(&info->addr, KW_MA_TCP, &tcp) &&
           (f->config.anywhere || kw_ip_public(&info->addr)) && !place_at(places, n, &info->id) &&
           !failed_lately(f, &info->id) &&
           kw_host_peer_speaks(f->config.host, &info->id, KW_RELAY_HOP_ID);
}

static bool has_neighbour(const kw_multiaddr *addr, const kw_reservation *places, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (places[i].addr.len > 0 && kw_ip_group(&places[i].addr) == kw_ip_group(addr))
            return true;
    return false;
}

/* False: nobody is there. */
static bool choose(kw_relay_finder *f, const kw_peer_info *infos, size_t n_infos)
{
    kw_reservation places[KW_RELAYS_MAX];
    const size_t n = kw_relay_reservations(f->config.relay, places, KW_COUNT(places));
    const kw_peer_info *best = NULL;
    if (f->n_chosen == KW_RELAYS_MAX)
        return false;
    for (size_t i = 0; i < n_infos; i++)
        if (may_be_asked(f, &infos[i], places, n) &&
            (!best ||
             (has_neighbour(&best->addr, places, n) && !has_neighbour(&infos[i].addr, places, n))))
            best = &infos[i];
    if (!best)
        return false;
    kw_multiaddr addr = best->addr;
    const kw_bytes id = {best->id.bytes, best->id.len};
    if (kw_multiaddr_add(&addr, KW_MA_P2P, id, NULL) != KW_OK ||
        kw_relay_reserve(f->config.relay, &addr, NULL) != KW_OK)
        return false;
    f->chosen[f->n_chosen++] = best->id;
    return true;
}

static void on_searched(void *user, kw_status status, size_t n)
{
    kw_relay_finder *f = user;
    (void)status;
    (void)n;
    f->query = NULL; /* whom it met is connected, and known by the next tick */
}

static void search(kw_relay_finder *f)
{
    static const kw_kad_events events = {.done = on_searched};
    kw_identity nobody;
    if (!f->config.kad || f->query || now_of(f) < f->search_due_ms)
        return;
    f->search_due_ms = now_of(f) + f->config.search_ms;
    if (kw_identity_new(&nobody, NULL) == KW_OK &&
        kw_kad_find_peer(f->config.kad, &nobody.id, &events, f, &f->query, NULL) != KW_OK)
        f->query = NULL;
}

static void look(kw_relay_finder *f)
{
    kw_peer_info *infos = calloc(PEERS_MAX, sizeof *infos);
    const size_t n = infos ? KW_MIN(kw_host_peers(f->config.host, infos, PEERS_MAX), PEERS_MAX) : 0;
    bool found = true;
    while (found && kw_relay_reservations(f->config.relay, NULL, 0) < f->config.n_wanted)
        found = choose(f, infos, n);
    free(infos);
    if (!found)
        search(f);
}

static void on_tick(void *user)
{
    kw_relay_finder *f = user;
    const kw_reach reach = f->config.reach(f->config.user);
    replace_failed(f);
    if (reach == KW_REACH_PRIVATE)
        look(f);
    while (reach == KW_REACH_PUBLIC && f->n_chosen > 0)
        give_up(f, f->n_chosen - 1);
}

/* ---- opening and closing ---- */

kw_status kw_relay_finder_open(const kw_relay_finder_config *config, kw_relay_finder **out,
                               kw_error *err)
{
    kw_relay_finder *f = calloc(1, sizeof *f);
    if (!f)
        return kw_fail(err, KW_E_NOMEM, "relay: out of memory");
    f->config = *config;
    if (f->config.n_wanted == 0)
        f->config.n_wanted = 2;
    if (f->config.tick_ms == 0)
        f->config.tick_ms = 2000;
    if (f->config.search_ms == 0)
        f->config.search_ms = 60000;
    if (f->config.again_ms == 0)
        f->config.again_ms = 600000;
    const kw_status status = kw_timer_open(kw_host_loop(config->host), on_tick, f, &f->timer, err);
    if (status != KW_OK) {
        free(f);
        return status;
    }
    kw_timer_set(f->timer, f->config.tick_ms, f->config.tick_ms);
    *out = f;
    return KW_OK;
}

void kw_relay_finder_close(kw_relay_finder *f)
{
    if (f->query)
        kw_kad_cancel(f->query);
    kw_timer_close(f->timer);
    while (f->n_chosen > 0)
        give_up(f, f->n_chosen - 1);
    free(f);
}
