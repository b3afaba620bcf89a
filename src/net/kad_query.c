/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_query.c - one query over all networks, and the keys that we provide.
 *
 * Invariants: a query has a task in each network that has not ended; `done` is called when the last
 * ends, with the sum of what they found. A key of our own has at most one query under way, which
 * belongs to it even when the caller's events ride on it. */
#include "net/kad_parts.h"

#include <stdlib.h>

#define SEEN 512 /* providers of one query */
#define OWN_MAX 10000
#define OWN_AT_ONCE 4       /* keys said at the same time */
#define OWN_RETRY_MS 300000 /* after nobody took a record */

typedef struct part {
    kw_kad_query *query;
    kw_kad_task *task; /* NULL: ended */
} part;

struct kw_kad_query {
    kw_kad_query *next;
    kw_kad *kad;
    part parts[KW_KAD_NETWORKS];
    size_t n_left, n_found;
    const kw_kad_events *events; /* NULL: nobody listens */
    void *user;
    kw_kad_own *own;  /* that is provided, or NULL */
    kw_peer_id *seen; /* owned, [SEEN]: providers so far; NULL when none are looked for */
    size_t n_seen;
    kw_buf key, best; /* of values */
};

static kw_bytes view(const kw_buf *buf)
{
    return (kw_bytes){(const uint8_t *)buf->data, buf->len};
}

static void free_query(kw_kad_query *query)
{
    kw_kad_query **at = &query->kad->queries;
    while (*at != query)
        at = &(*at)->next;
    *at = query->next;
    if (query->own) {
        query->own->query = NULL;
        query->kad->n_saying--;
    }
    kw_buf_free(&query->key);
    kw_buf_free(&query->best);
    free(query->seen);
    free(query);
}

void kw_kad_query_free_all(kw_kad *kad)
{
    while (kad->queries)
        free_query(kad->queries);
}

/* Whether a provider is new; another network may have named it, and all look into our records. */
static bool is_new(kw_kad_query *q, const kw_peer_id *peer)
{
    for (size_t i = 0; i < q->n_seen; i++) {
        if (kw_peer_id_equal(&q->seen[i], peer))
            return false;
    }
    if (q->n_seen == SEEN)
        return false;
    q->seen[q->n_seen++] = *peer;
    return true;
}

static void on_peer(void *user, const kw_kad_peer *peer)
{
    const part *p = user;
    kw_kad_query *q = p->query;
    if (q->seen && !is_new(q, &peer->id))
        return;
    if (q->events && q->events->peer)
        q->events->peer(q->user, peer);
}

static void on_value(void *user, kw_bytes value)
{
    const part *p = user;
    kw_kad_query *q = p->query;
    if (q->best.len > 0 &&
        !kw_kad_values_better(q->kad->values, view(&q->key), value, view(&q->best)))
        return;
    q->best.len = 0;
    kw_buf_add(&q->best, (const char *)value.data, value.len);
    if (q->events && q->events->value)
        q->events->value(q->user, value);
}

static void on_done(void *user, kw_status status, size_t n)
{
    part *p = user;
    kw_kad_query *q = p->query;
    (void)status;
    p->task = NULL;
    q->n_found += n;
    if (--q->n_left > 0)
        return;
    const kw_kad_events *events = q->events;
    void *who = q->user;
    const size_t found = q->seen ? q->n_seen : q->n_found;
    if (q->own)
        q->own->due_ms = kw_loop_now(kw_host_loop(q->kad->host)) +
                         (found > 0 ? KW_KAD_REPUBLISH_MS : OWN_RETRY_MS);
    free_query(q);
    if (events)
        events->done(who, found > 0 ? KW_OK : KW_E_NOTFOUND, found);
}

void kw_kad_cancel(kw_kad_query *query)
{
    if (query->own) { /* the record is still to be left with others */
        query->events = NULL;
        return;
    }
    for (size_t i = 0; i < KW_KAD_NETWORKS; i++) {
        if (query->parts[i].task)
            kw_kad_task_cancel(query->parts[i].task);
    }
    free_query(query);
}

static kw_status start(kw_kad *kad, const kw_kad_task_config *task, kw_kad_query **out,
                       kw_error *err)
{
    static const kw_kad_events events = {on_peer, on_value, on_done};
    const bool publishing = task->goal == KW_KAD_PROVIDE || task->goal == KW_KAD_PUT;
    kw_kad_query *q = calloc(1, sizeof *q);
    if (!q)
        return kw_fail(err, KW_E_NOMEM, "kad: no memory for a query");
    *q = (kw_kad_query){
        .next = kad->queries, .kad = kad, .events = task->events, .user = task->user};
    kad->queries = q;
    if (task->goal == KW_KAD_FIND_PROVIDERS && !(q->seen = calloc(SEEN, sizeof *q->seen))) {
        free_query(q);
        return kw_fail(err, KW_E_NOMEM, "kad: no memory for a query");
    }
    kw_buf_add(&q->key, (const char *)task->key.data, task->key.len);
    kw_status status = kw_buf_status(&q->key, err);
    for (size_t i = 0; i < kad->n_sides && status == KW_OK; i++) {
        if (publishing && !kad->sides[i].network.publish)
            continue;
        kw_kad_task_config config = *task;
        config.events = &events;
        config.user = &q->parts[i];
        q->parts[i].query = q;
        status = kw_kad_task_start(kad->sides[i].node, &config, &q->parts[i].task, err);
        q->n_left += status == KW_OK;
    }
    if (status == KW_OK && q->n_left == 0)
        status = kw_fail(err, KW_E_ARG, "kad: no network is published to");
    if (status != KW_OK)
        kw_kad_cancel(q);
    else
        *out = q;
    return status;
}

kw_status kw_kad_find_peer(kw_kad *kad, const kw_peer_id *peer, const kw_kad_events *events,
                           void *user, kw_kad_query **out, kw_error *err)
{
    return start(kad,
                 &(kw_kad_task_config){.goal = KW_KAD_FIND_PEER,
                                       .key = {peer->bytes, peer->len},
                                       .events = events,
                                       .user = user},
                 out, err);
}

kw_status kw_kad_find_providers(kw_kad *kad, kw_bytes multihash, size_t want,
                                const kw_kad_events *events, void *user, kw_kad_query **out,
                                kw_error *err)
{
    return start(kad,
                 &(kw_kad_task_config){.goal = KW_KAD_FIND_PROVIDERS,
                                       .key = multihash,
                                       .want = want,
                                       .events = events,
                                       .user = user},
                 out, err);
}

kw_status kw_kad_get(kw_kad *kad, kw_bytes key, size_t want, const kw_kad_events *events,
                     void *user, kw_kad_query **out, kw_error *err)
{
    return start(kad,
                 &(kw_kad_task_config){
                     .goal = KW_KAD_GET, .key = key, .want = want, .events = events, .user = user},
                 out, err);
}

kw_status kw_kad_put(kw_kad *kad, kw_bytes key, kw_bytes value, const kw_kad_events *events,
                     void *user, kw_kad_query **out, kw_error *err)
{
    const uint64_t now = kw_loop_now(kw_host_loop(kad->host));
    KW_TRY(
        start(kad,
              &(kw_kad_task_config){
                  .goal = KW_KAD_PUT, .key = key, .value = value, .events = events, .user = user},
              out, err));
    (void)kw_kad_values_put(kad->values, key, value, now + KW_KAD_VALUE_TTL_MS, NULL);
    return KW_OK;
}

/* ---- keys of our own ---- */

static kw_kad_own **find_own(kw_kad *kad, kw_bytes key)
{
    kw_kad_own **at = &kad->own;
    while (*at && ((*at)->key_len != key.len || memcmp((*at)->key, key.data, key.len) != 0))
        at = &(*at)->next;
    return at;
}

static kw_status add_own(kw_kad *kad, kw_bytes multihash, kw_kad_own **out, kw_error *err)
{
    if (multihash.len == 0 || multihash.len > KW_KAD_PROVIDER_KEY_MAX)
        return kw_fail(err, KW_E_LIMIT, "kad: a key of %zu bytes is not of 1 to %d", multihash.len,
                       KW_KAD_PROVIDER_KEY_MAX);
    kw_kad_own **at = find_own(kad, multihash);
    if (*at) {
        *out = *at;
        return KW_OK;
    }
    if (kad->n_own >= OWN_MAX)
        return kw_fail(err, KW_E_LIMIT, "kad: %d keys are provided, the limit", OWN_MAX);
    kw_kad_own *own = calloc(1, sizeof *own);
    if (!own)
        return kw_fail(err, KW_E_NOMEM, "kad: no memory for a key to provide");
    const kw_kad_key key = kw_kad_key_of(multihash);
    const kw_status status =
        kw_kad_providers_put(kad->providers, &key, kw_host_id(kad->host), UINT64_MAX, err);
    if (status != KW_OK) {
        free(own);
        return status;
    }
    memcpy(own->key, multihash.data, multihash.len);
    own->key_len = multihash.len;
    *at = *out = own;
    kad->n_own++;
    return KW_OK;
}

static kw_status say(kw_kad *kad, kw_kad_own *own, const kw_kad_events *events, void *user,
                     kw_error *err)
{
    kw_kad_query *query;
    own->due_ms = kw_loop_now(kw_host_loop(kad->host)) + OWN_RETRY_MS;
    KW_TRY(start(kad,
                 &(kw_kad_task_config){.goal = KW_KAD_PROVIDE,
                                       .key = {own->key, own->key_len},
                                       .events = events,
                                       .user = user},
                 &query, err));
    query->own = own;
    own->query = query;
    kad->n_saying++;
    return KW_OK;
}

kw_status kw_kad_provide(kw_kad *kad, kw_bytes multihash, const kw_kad_events *events, void *user,
                         kw_kad_query **out, kw_error *err)
{
    kw_kad_own *own;
    KW_TRY(add_own(kad, multihash, &own, err));
    *out = NULL;
    if (!events)
        return KW_OK;
    if (own->query) {
        if (own->query->events)
            return kw_fail(err, KW_E_ARG, "kad: this key is being provided already");
        own->query->events = events; /* it is being said: the caller hears how it ends */
        own->query->user = user;
    } else {
        KW_TRY(say(kad, own, events, user, err));
    }
    *out = own->query;
    return KW_OK;
}

void kw_kad_unprovide(kw_kad *kad, kw_bytes multihash)
{
    kw_kad_own **at = find_own(kad, multihash), *own = *at;
    if (!own)
        return;
    const kw_kad_key key = kw_kad_key_of(multihash);
    kw_kad_providers_drop(kad->providers, &key, kw_host_id(kad->host));
    if (own->query) { /* what is under way ends by itself */
        own->query->own = NULL;
        kad->n_saying--;
    }
    *at = own->next;
    kad->n_own--;
    free(own);
}

void kw_kad_own_tick(kw_kad *kad, uint64_t now_ms)
{
    for (kw_kad_own *own = kad->own; own && kad->n_saying < OWN_AT_ONCE; own = own->next) {
        if (!own->query && own->due_ms <= now_ms)
            (void)say(kad, own, NULL, NULL, NULL);
    }
}

void kw_kad_own_free_all(kw_kad *kad)
{
    while (kad->own) {
        kw_kad_own *own = kad->own;
        kad->own = own->next;
        free(own);
    }
}
