/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_task.c - lookups and what they are for: finding peers, providers and values, and leaving
 * records with the closest.
 *
 * Invariant: a task is NEW until its first step, LOOKING (its lookup asks), then STORING when it
 * has something to leave with the closest, then ENDED; `done` is called on the way to ENDED and
 * nothing afterwards. Source: libp2p kad-dht specification, "DHT operations". */
#include "net/kad_node_parts.h"

#include <stdlib.h>
#include <time.h>

static kw_bytes key_of(const kw_kad_task *task)
{
    return (kw_bytes){task->key, task->key_len};
}

static kw_bytes value_of(const kw_kad_task *task)
{
    return (kw_bytes){(const uint8_t *)task->value.data, task->value.len};
}

void kw_kad_task_free(kw_kad_task *task)
{
    kw_buf_free(&task->value);
    free(task->seen);
    free(task);
}

static void finish(kw_kad_task *task)
{
    if (task->phase == KW_KAD_ENDED)
        return;
    task->phase = KW_KAD_ENDED;
    kw_kad_drop_requests(task->node, task);
    task->events->done(task->user, task->n_found > 0 ? KW_OK : KW_E_NOTFOUND, task->n_found);
}

void kw_kad_task_cancel(kw_kad_task *task)
{
    kw_kad_node *node = task->node;
    kw_kad_enter(node);
    task->phase = KW_KAD_ENDED;
    kw_kad_drop_requests(node, task);
    kw_kad_leave(node);
}

kw_kad_type kw_kad_task_asks(const kw_kad_task *task)
{
    if (task->phase == KW_KAD_STORING)
        return task->goal == KW_KAD_PUT ? KW_KAD_PUT_VALUE : KW_KAD_ADD_PROVIDER;
    if (task->goal == KW_KAD_FIND_PROVIDERS)
        return KW_KAD_GET_PROVIDERS;
    return task->goal == KW_KAD_GET ? KW_KAD_GET_VALUE : KW_KAD_FIND_NODE;
}

/* ---- what is found ---- */

static void tell_peer(kw_kad_task *task, const kw_kad_peer *peer)
{
    if (task->events->peer)
        task->events->peer(task->user, peer);
}

static void found_provider(kw_kad_task *task, const kw_kad_peer *peer)
{
    for (size_t i = 0; i < task->n_found; i++) {
        if (kw_peer_id_equal(&task->seen[i], &peer->id))
            return;
    }
    if (task->n_found == KW_KAD_PROVIDERS_SEEN)
        return;
    task->seen[task->n_found++] = peer->id;
    tell_peer(task, peer);
    if (task->phase != KW_KAD_ENDED && task->want > 0 && task->n_found >= task->want)
        finish(task);
}

static void found_value(kw_kad_task *task, kw_bytes value)
{
    const kw_kad_values *values = task->node->config.values;
    if (!kw_kad_values_valid(values, key_of(task), value))
        return;
    task->n_found++;
    if (task->value.len == 0 || kw_kad_values_better(values, key_of(task), value, value_of(task))) {
        task->value.len = 0;
        kw_buf_add(&task->value, (const char *)value.data, value.len);
        if (task->events->value && !task->value.failed)
            task->events->value(task->user, value);
    }
    if (task->phase != KW_KAD_ENDED && task->want > 0 && task->n_found >= task->want)
        finish(task);
}

static bool is_target(const kw_kad_task *task, const kw_peer_id *peer)
{
    return task->goal == KW_KAD_FIND_PEER && peer->len == task->key_len &&
           memcmp(peer->bytes, task->key, peer->len) == 0;
}

static void tell_by_id(kw_kad_task *task, const kw_peer_id *id)
{
    kw_kad_peer peer = {.id = *id};
    task->node->config.io->known(task->node->config.user, &peer);
    tell_peer(task, &peer);
}

/* What we know ourselves, before anybody is asked. */
static void begin(kw_kad_task *task)
{
    kw_kad_node *node = task->node;
    kw_kad_entry closest[KW_KAD_K];
    const size_t n_closest =
        kw_kad_table_closest(node->table, &task->lookup.target, NULL, closest, KW_KAD_K);
    for (size_t i = 0; i < n_closest; i++)
        (void)kw_kad_lookup_heard(&task->lookup, &closest[i].peer);
    task->phase = KW_KAD_LOOKING;
    if (task->goal == KW_KAD_FIND_PROVIDERS) {
        kw_peer_id ids[KW_KAD_K];
        const size_t n = kw_kad_providers_get(node->config.providers, &task->lookup.target,
                                              kw_kad_now(node), ids, KW_KAD_K);
        for (size_t i = 0; i < n && task->phase == KW_KAD_LOOKING; i++) {
            kw_kad_peer peer = {.id = ids[i]};
            node->config.io->known(node->config.user, &peer);
            if (!kw_peer_id_equal(&peer.id, &node->config.self))
                found_provider(task, &peer);
        }
    } else if (task->goal == KW_KAD_GET) {
        kw_bytes value;
        if (kw_kad_values_get(node->config.values, key_of(task), kw_kad_now(node), &value))
            found_value(task, value);
    }
}

/* ---- steps ---- */

static bool ask(kw_kad_task *task, const kw_peer_id *peer)
{
    kw_buf request = {0};
    kw_kad_put_head(&request, kw_kad_task_asks(task), key_of(task));
    const bool sent = !request.failed &&
                      kw_kad_send(task->node, task, peer,
                                  (kw_bytes){(const uint8_t *)request.data, request.len}, true);
    kw_buf_free(&request);
    return sent;
}

static void put_payload(const kw_kad_task *task, kw_buf *request)
{
    if (task->goal == KW_KAD_PUT) {
        kw_kad_put_record(request, key_of(task), value_of(task), (uint64_t)time(NULL));
        return;
    }
    kw_kad_peer self = {.id = task->node->config.self};
    task->node->config.io->known(task->node->config.user, &self);
    (void)kw_kad_filter(task->node, &self);
    kw_kad_put_peer(request, KW_KAD_PROVIDERS, &self);
}

/* Leaves the record with the closest that answered. */
static void store(kw_kad_task *task)
{
    kw_peer_id closest[KW_KAD_K];
    const size_t n = kw_kad_lookup_closest(&task->lookup, closest, KW_KAD_K);
    kw_buf request = {0};
    task->phase = KW_KAD_STORING;
    kw_kad_drop_requests(task->node, task);
    kw_kad_put_head(&request, kw_kad_task_asks(task), key_of(task));
    put_payload(task, &request);
    for (size_t i = 0; i < n && !request.failed; i++)
        task->n_storing += kw_kad_send(task->node, task, &closest[i],
                                       (kw_bytes){(const uint8_t *)request.data, request.len},
                                       task->goal == KW_KAD_PUT);
    kw_buf_free(&request);
}

void kw_kad_task_stored(kw_kad_task *task, bool stored)
{
    task->n_storing--;
    task->n_found += stored;
}

static void lookup_over(kw_kad_task *task)
{
    if (task->goal == KW_KAD_PROVIDE || task->goal == KW_KAD_PUT) {
        store(task);
        return;
    }
    if (task->goal == KW_KAD_CLOSEST) {
        kw_peer_id closest[KW_KAD_K];
        task->n_found = kw_kad_lookup_closest(&task->lookup, closest, KW_KAD_K);
        for (size_t i = 0; i < task->n_found && task->phase == KW_KAD_LOOKING; i++)
            tell_by_id(task, &closest[i]);
    } else if (task->goal == KW_KAD_FIND_PEER && task->n_found > 0) {
        /* Others name it, and it does not answer here: a client has no need to. */
        kw_peer_id id;
        if (kw_peer_id_get(key_of(task), &id, NULL) == KW_OK)
            tell_by_id(task, &id);
    }
    finish(task);
}

/* What is to be left with others is left with those who answered so far; the rest is over. */
void kw_kad_task_late(kw_kad_task *task)
{
    const bool stores = task->goal == KW_KAD_PROVIDE || task->goal == KW_KAD_PUT;
    if (task->phase == KW_KAD_LOOKING && stores) {
        task->deadline_ms += KW_KAD_REQUEST_MS;
        store(task);
    } else {
        finish(task);
    }
}

void kw_kad_task_step(kw_kad_task *task)
{
    kw_peer_id peer;
    if (task->phase == KW_KAD_NEW)
        begin(task);
    while (task->phase == KW_KAD_LOOKING && kw_kad_lookup_next(&task->lookup, &peer)) {
        if (!ask(task, &peer))
            kw_kad_lookup_answered(&task->lookup, &peer, false);
    }
    if (task->phase == KW_KAD_LOOKING && kw_kad_lookup_over(&task->lookup))
        lookup_over(task);
    if (task->phase == KW_KAD_STORING && task->n_storing == 0)
        finish(task);
}

/* Candidates that a peer names: those that can be dialed, at most KW_KAD_K. */
static void hear(kw_kad_task *task, const kw_kad_message *message)
{
    const kw_kad_node *node = task->node;
    kw_pb at = kw_pb_read(message->body);
    kw_kad_peer peer;
    for (size_t n = 0; n < KW_KAD_K && kw_kad_message_next(&at, KW_KAD_CLOSER, &peer); n++) {
        if (kw_peer_id_equal(&peer.id, &node->config.self) || !kw_kad_filter(node, &peer))
            continue;
        node->config.io->learn(node->config.user, &peer, KW_KAD_REFRESH_MS);
        (void)kw_kad_lookup_heard(&task->lookup, &peer.id);
        if (is_target(task, &peer.id))
            task->n_found = 1; /* by hearsay, until it answers */
    }
}

static void hear_providers(kw_kad_task *task, const kw_kad_message *message)
{
    const kw_kad_node *node = task->node;
    kw_pb at = kw_pb_read(message->body);
    kw_kad_peer peer;
    for (size_t n = 0; n < KW_KAD_PROVIDERS_SEEN && task->phase == KW_KAD_LOOKING &&
                       kw_kad_message_next(&at, KW_KAD_PROVIDERS, &peer);
         n++) {
        if (kw_peer_id_equal(&peer.id, &node->config.self))
            continue;
        if (kw_kad_filter(node, &peer))
            node->config.io->learn(node->config.user, &peer, KW_KAD_REFRESH_MS);
        found_provider(task, &peer);
    }
}

void kw_kad_task_reply(kw_kad_task *task, const kw_peer_id *from, const kw_kad_message *message)
{
    kw_kad_lookup_answered(&task->lookup, from, true);
    if (is_target(task, from)) {
        task->n_found = 1;
        tell_by_id(task, from);
        finish(task);
        return;
    }
    hear(task, message);
    if (task->goal == KW_KAD_FIND_PROVIDERS)
        hear_providers(task, message);
    else if (task->goal == KW_KAD_GET && message->has_record)
        found_value(task, message->record_value);
}

/* ---- begin ---- */

static kw_status check(const kw_kad_node *node, const kw_kad_task_config *config, kw_error *err)
{
    const bool multihash = config->goal == KW_KAD_PROVIDE || config->goal == KW_KAD_FIND_PROVIDERS;
    const size_t most = multihash ? KW_KAD_PROVIDER_KEY_MAX : KW_KAD_KEY_MAX;
    if (config->key.len == 0 || config->key.len > most)
        return kw_fail(err, KW_E_LIMIT, "kad: a key of %zu bytes is not of 1 to %zu",
                       config->key.len, most);
    if (node->n_tasks >= KW_KAD_TASKS)
        return kw_fail(err, KW_E_LIMIT, "kad: %d lookups are under way, the limit", KW_KAD_TASKS);
    if (config->goal == KW_KAD_PUT &&
        !kw_kad_values_valid(node->config.values, config->key, config->value))
        return kw_fail(err, KW_E_ARG, "kad: the value of %zu bytes is not valid under its key",
                       config->value.len);
    return KW_OK;
}

kw_status kw_kad_task_start(kw_kad_node *node, const kw_kad_task_config *config, kw_kad_task **out,
                            kw_error *err)
{
    KW_TRY(check(node, config, err));
    kw_kad_task *task = calloc(1, sizeof *task);
    if (task && config->goal == KW_KAD_FIND_PROVIDERS)
        task->seen = calloc(KW_KAD_PROVIDERS_SEEN, sizeof *task->seen);
    if (task && config->value.len > 0)
        kw_buf_add(&task->value, (const char *)config->value.data, config->value.len);
    if (!task || task->value.failed || (config->goal == KW_KAD_FIND_PROVIDERS && !task->seen)) {
        if (task)
            kw_kad_task_free(task);
        return kw_fail(err, KW_E_NOMEM, "kad: no memory for a lookup");
    }
    task->node = node;
    task->goal = config->goal;
    task->events = config->events;
    task->user = config->user;
    task->want = config->want;
    task->deadline_ms = kw_kad_now(node) + KW_KAD_TASK_MS;
    memcpy(task->key, config->key.data, config->key.len);
    task->key_len = config->key.len;
    task->lookup.target = kw_kad_key_of(config->key);
    task->next = node->tasks;
    node->tasks = task;
    node->n_tasks++;
    *out = task;
    node->config.io->wake(node->config.user);
    return KW_OK;
}
