/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* registry_search.c - one question to everybody who may know: connected peers and providers of the
 * DHT, four at a time, each once. */
#include "node/registry_internal.h"

#include "base/check.h"

#include <stdlib.h>

#define AT_ONCE 4

typedef struct asked {
    kw_registry_search *search;
    kw_peer_id peer;
    kw_registry_ask *ask; /* under way */
    bool begun;
} asked;

struct kw_registry_search {
    kw_registry *registry;
    kw_registry_search *next;
    kw_kad *kad;
    kw_kad_query *query;
    kw_registry_question question;
    kw_registry_search_events events;
    void *user;
    kw_timer *timer; /* fires once, for what may not come within a call */
    asked peers[KW_REGISTRY_SEARCH_PEERS];
    size_t n_peers, n_under_way;
};

/* The next step is taken from the loop, so that no event comes within a call. */
static void soon(kw_registry_search *s)
{
    kw_timer_set(s->timer, 0, 0);
}

static void add_peer(kw_registry_search *s, const kw_peer_id *peer)
{
    if (s->n_peers == KW_REGISTRY_SEARCH_PEERS ||
        kw_peer_id_equal(peer, kw_host_id(s->registry->config.host)))
        return;
    for (size_t i = 0; i < s->n_peers; i++)
        if (kw_peer_id_equal(&s->peers[i].peer, peer))
            return;
    s->peers[s->n_peers++] = (asked){.search = s, .peer = *peer};
    soon(s);
}

static void on_answer(void *user, kw_status status, const kw_registry_answer *answer)
{
    asked *const p = user;
    kw_registry_search *const s = p->search;
    p->ask = NULL;
    s->n_under_way--;
    soon(s);
    if (status == KW_OK)
        s->events.answer(s->user, &p->peer, answer);
}

static void on_step(void *user)
{
    kw_registry_search *const s = user;
    for (size_t i = 0; i < s->n_peers && s->n_under_way < AT_ONCE; i++) {
        asked *const p = &s->peers[i];
        if (p->begun)
            continue;
        p->begun = true;
        if (kw_registry_ask_peer(s->registry, &p->peer, &s->question, on_answer, p, &p->ask,
                                 NULL) == KW_OK)
            s->n_under_way++;
        else
            p->ask = NULL;
    }
    if (s->n_under_way == 0 && !s->query)
        s->events.idle(s->user);
}

static void on_provider(void *user, const kw_kad_peer *peer)
{
    add_peer(user, &peer->id);
}

static void on_looked(void *user, kw_status status, size_t n)
{
    kw_registry_search *const s = user;
    (void)status;
    (void)n;
    s->query = NULL;
    soon(s);
}

void kw_registry_search_again(kw_registry_search *s)
{
    static const kw_kad_events events = {.peer = on_provider, .done = on_looked};
    kw_host *const host = s->registry->config.host;
    kw_peer_info *const peers = calloc(256, sizeof *peers);
    const size_t n = peers ? KW_MIN(kw_host_peers(host, peers, 256), (size_t)256) : 0;
    for (size_t i = 0; i < n; i++)
        if (kw_host_peer_speaks(host, &peers[i].id, KW_REGISTRY_ID))
            add_peer(s, &peers[i].id);
    free(peers);
    uint8_t key[KW_REGISTRY_KEY_LEN];
    kw_registry_key(&s->question, key);
    if (s->kad && !s->query &&
        kw_kad_find_providers(s->kad, (kw_bytes){key, sizeof key}, KW_REGISTRY_SEARCH_PEERS,
                              &events, s, &s->query, NULL) != KW_OK)
        s->query = NULL;
    soon(s);
}

kw_status kw_registry_search_open(kw_registry *registry, kw_kad *kad,
                                  const kw_registry_question *question,
                                  const kw_registry_search_events *events, void *user,
                                  kw_registry_search **out, kw_error *err)
{
    kw_registry_search *s = calloc(1, sizeof *s);
    if (!s)
        return kw_fail(err, KW_E_NOMEM, "registry: no memory for a search");
    s->registry = registry;
    s->kad = kad;
    s->question = *question;
    s->events = *events;
    s->user = user;
    const kw_status status =
        kw_timer_open(kw_host_loop(registry->config.host), on_step, s, &s->timer, err);
    if (status != KW_OK) {
        free(s);
        return status;
    }
    s->next = registry->searches;
    registry->searches = s;
    *out = s;
    kw_registry_search_again(s);
    return KW_OK;
}

void kw_registry_search_close(kw_registry_search *s)
{
    for (kw_registry_search **place = &s->registry->searches; *place; place = &(*place)->next) {
        if (*place == s) {
            *place = s->next;
            break;
        }
    }
    if (s->query)
        kw_kad_cancel(s->query);
    for (size_t i = 0; i < s->n_peers; i++)
        if (s->peers[i].ask)
            kw_registry_cancel(s->peers[i].ask);
    kw_timer_close(s->timer);
    free(s);
}
