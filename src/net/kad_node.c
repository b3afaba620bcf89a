/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_node.c - requests and their timeouts, the table and its upkeep.
 *
 * Invariants: every ticket that was given out is in `requests` until it is answered, failed or
 * dropped; a task is freed only when no call into the node is under way, so that an event may end
 * any task. A peer enters the table when it has answered or says that it serves, never because
 * another one named it. */
#include "net/kad_node_parts.h"

#include "base/check.h"
#include "base/rng.h"
#include "net/ip_scope.h"

#include <stdlib.h>

#define ALIVE_MS 10000U         /* between two questions whether somebody is alive */
#define ALIVE_QUESTIONS 4       /* asked at a time */
#define DEEPEST_BUCKET 12U      /* that a refresh looks into; our own key covers those behind */
#define DRAWS (1U << 14)        /* keys tried for one in a bucket */
#define SWEEP_OVERDUE_MS 600000 /* not heard for so long, a peer is asked */
#define FIRST_REFRESH_MS 500    /* after the first peer came */
#define NEVER UINT64_MAX

uint64_t kw_kad_now(const kw_kad_node *node)
{
    return node->config.io->now_ms(node->config.user);
}

kw_status kw_kad_node_open(const kw_kad_node_config *config, kw_kad_node **out, kw_error *err)
{
    kw_kad_node *node = calloc(1, sizeof *node);
    if (!node)
        return kw_fail(err, KW_E_NOMEM, "kad: no memory for a node");
    node->config = *config;
    node->refresh_ms = NEVER;
    node->refresh_bucket = KW_KAD_KEY_BITS;
    const kw_status status = kw_kad_table_open(&config->self, &node->table, err);
    if (status != KW_OK)
        kw_kad_node_free(node);
    else
        *out = node;
    return status;
}

void kw_kad_node_free(kw_kad_node *node)
{
    if (!node)
        return;
    kw_kad_drop_requests(node, NULL);
    while (node->tasks) {
        kw_kad_task *task = node->tasks;
        node->tasks = task->next;
        kw_kad_task_free(task);
    }
    kw_kad_table_free(node->table);
    free(node);
}

void kw_kad_enter(kw_kad_node *node)
{
    node->depth++;
}

void kw_kad_leave(kw_kad_node *node)
{
    if (--node->depth > 0)
        return;
    for (kw_kad_task **at = &node->tasks; *at;) {
        kw_kad_task *task = *at;
        if (task->phase != KW_KAD_ENDED) {
            at = &task->next;
            continue;
        }
        *at = task->next;
        node->n_tasks--;
        kw_kad_task_free(task);
    }
}

/* ---- requests ---- */

bool kw_kad_send(kw_kad_node *node, kw_kad_task *task, const kw_peer_id *peer, kw_bytes request,
                 bool answered)
{
    kw_kad_request *r = malloc(sizeof *r);
    if (!r)
        return false;
    *r = (kw_kad_request){.next = node->requests,
                          .ticket = ++node->last_ticket,
                          .deadline_ms = kw_kad_now(node) + KW_KAD_REQUEST_MS,
                          .task = task,
                          .peer = *peer};
    node->requests = r;
    node->config.io->send(node->config.user, r->ticket, peer, request, answered);
    return true;
}

/* Takes a request out of the list; NULL: nobody waits for it. */
static kw_kad_request *take(kw_kad_node *node, uint64_t ticket)
{
    for (kw_kad_request **at = &node->requests; *at; at = &(*at)->next) {
        if ((*at)->ticket == ticket) {
            kw_kad_request *r = *at;
            *at = r->next;
            return r;
        }
    }
    return NULL;
}

/* Those of a task, or all (task NULL). */
void kw_kad_drop_requests(kw_kad_node *node, const kw_kad_task *task)
{
    for (kw_kad_request **at = &node->requests; *at;) {
        kw_kad_request *r = *at;
        if (task && r->task != task) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        node->config.io->drop(node->config.user, r->ticket);
        free(r);
    }
}

static void request_failed(kw_kad_node *node, const kw_kad_request *r)
{
    kw_kad_table_failed(node->table, &r->peer);
    if (!r->task || r->task->phase == KW_KAD_ENDED)
        return;
    if (r->task->phase == KW_KAD_STORING)
        kw_kad_task_stored(r->task, false);
    else
        kw_kad_lookup_answered(&r->task->lookup, &r->peer, false);
    kw_kad_task_step(r->task);
}

void kw_kad_node_failed(kw_kad_node *node, uint64_t ticket)
{
    kw_kad_request *r = take(node, ticket);
    if (!r)
        return;
    kw_kad_enter(node);
    request_failed(node, r);
    free(r);
    kw_kad_leave(node);
}

/* Of the request's type, or false. */
static bool understand(const kw_kad_request *r, kw_bytes reply, kw_kad_message *out)
{
    const kw_kad_type type = r->task ? kw_kad_task_asks(r->task) : KW_KAD_FIND_NODE;
    return kw_kad_message_get(reply, out, NULL) == KW_OK && out->type == type;
}

void kw_kad_node_reply(kw_kad_node *node, uint64_t ticket, kw_bytes reply)
{
    kw_kad_request *r = take(node, ticket);
    if (!r)
        return;
    kw_kad_enter(node);
    kw_kad_message message = {0};
    const bool silent = r->task && kw_kad_task_asks(r->task) == KW_KAD_ADD_PROVIDER;
    if (!silent && !understand(r, reply, &message)) {
        request_failed(node, r);
    } else {
        kw_kad_node_met(node, &r->peer);
        if (r->task && r->task->phase == KW_KAD_STORING)
            kw_kad_task_stored(r->task, true);
        else if (r->task && r->task->phase == KW_KAD_LOOKING)
            kw_kad_task_reply(r->task, &r->peer, &message);
        if (r->task)
            kw_kad_task_step(r->task);
    }
    free(r);
    kw_kad_leave(node);
}

/* ---- the table ---- */

bool kw_kad_filter(const kw_kad_node *node, kw_kad_peer *peer)
{
    size_t n = 0;
    for (size_t i = 0; i < peer->n_addrs; i++) {
        if (!node->config.public_only || kw_ip_public(&peer->addrs[i]))
            peer->addrs[n++] = peer->addrs[i];
    }
    peer->n_addrs = n;
    return n > 0;
}

void kw_kad_node_met(kw_kad_node *node, const kw_peer_id *peer)
{
    kw_multiaddr addr;
    uint64_t group = 1;
    if (!kw_kad_table_has(node->table, peer) &&
        node->config.io->address(node->config.user, peer, &addr)) {
        group = kw_ip_group(&addr);
        if (group == 0 && node->config.public_only)
            return;
    }
    const uint64_t now = kw_kad_now(node);
    const bool first = kw_kad_table_size(node->table) == 0;
    if (kw_kad_table_add(node->table, peer, group, now) == KW_KAD_ADDED && first)
        node->refresh_ms = KW_MIN(node->refresh_ms, now + FIRST_REFRESH_MS);
}

size_t kw_kad_node_peers(const kw_kad_node *node)
{
    return kw_kad_table_size(node->table);
}

/* A random peer id (of a SHA-256) whose key has exactly these bits in common with ours, or nearly.
 */
static kw_peer_id draw(kw_kad_node *node, size_t common_bits)
{
    kw_peer_id id = {.len = 34, .bytes = {0x12, 0x20}};
    const kw_kad_key *self = kw_kad_table_self(node->table);
    for (unsigned i = 0; i < DRAWS; i++) {
        const uint64_t n = ++node->draws;
        const uint32_t counter[4] = {(uint32_t)n, (uint32_t)(n >> 32), 0, 0};
        const uint32_t key[2] = {(uint32_t)node->config.seed, (uint32_t)(node->config.seed >> 32)};
        uint32_t words[4];
        kw_philox(counter, key, words);
        memcpy(id.bytes + 2, words, sizeof words);
        const kw_kad_key k = kw_kad_key_of_peer(&id);
        if (kw_kad_common_bits(self, &k) == common_bits)
            break;
    }
    return id;
}

static void refreshed(void *user, kw_status status, size_t n)
{
    kw_kad_node *node = user;
    (void)status;
    (void)n;
    node->refreshing = NULL;
}

/* The next lookup of a refresh: our own key, then one in each bucket, as deep as somebody is. */
static void refresh_next(kw_kad_node *node)
{
    static const kw_kad_events events = {.done = refreshed};
    size_t deepest = 0;
    for (size_t i = 0; i <= DEEPEST_BUCKET; i++)
        deepest = kw_kad_table_bucket(node->table, i) > 0 ? i : deepest;
    kw_peer_id target = node->config.self;
    if (node->refresh_bucket > 0)
        target = draw(node, node->refresh_bucket - 1);
    const kw_kad_task_config config = {
        .goal = KW_KAD_CLOSEST, .key = {target.bytes, target.len}, .events = &events, .user = node};
    if (kw_kad_task_start(node, &config, &node->refreshing, NULL) != KW_OK)
        return;
    node->refresh_bucket++;
    if (node->refresh_bucket > deepest + 1)
        node->refresh_bucket = KW_KAD_KEY_BITS;
}

/* Looks up our own key and one in each bucket, to know who is around. */
static void refresh(kw_kad_node *node)
{
    node->refresh_ms = kw_kad_now(node) + KW_KAD_REFRESH_MS;
    node->refresh_bucket = 0;
    node->config.io->wake(node->config.user);
}

/* Asks those who have not been heard for long. */
static void ask_the_silent(kw_kad_node *node, uint64_t now)
{
    size_t under_way = 0;
    for (const kw_kad_request *r = node->requests; r; r = r->next)
        under_way += r->task == NULL;
    kw_buf request = {0};
    kw_kad_put_head(&request, KW_KAD_FIND_NODE,
                    (kw_bytes){node->config.self.bytes, node->config.self.len});
    const uint64_t before = now > SWEEP_OVERDUE_MS ? now - SWEEP_OVERDUE_MS : 0;
    const kw_kad_entry *entry = kw_kad_table_stale(node->table, before);
    if (entry && under_way < ALIVE_QUESTIONS && !request.failed)
        (void)kw_kad_send(node, NULL, &entry->peer,
                          (kw_bytes){(const uint8_t *)request.data, request.len}, true);
    kw_buf_free(&request);
}

/* Whose time is over; NULL: nobody's. */
static const kw_kad_request *overdue(const kw_kad_node *node, uint64_t now)
{
    const kw_kad_request *r = node->requests;
    while (r && r->deadline_ms > now)
        r = r->next;
    return r;
}

static void time_out(kw_kad_node *node, uint64_t now)
{
    for (const kw_kad_request *r; (r = overdue(node, now)) != NULL;) {
        const uint64_t ticket = r->ticket;
        node->config.io->drop(node->config.user, ticket);
        kw_kad_node_failed(node, ticket);
    }
}

static void mark_slow(kw_kad_node *node, uint64_t now)
{
    for (const kw_kad_request *r = node->requests; r; r = r->next) {
        if (r->task && r->task->phase == KW_KAD_LOOKING &&
            r->deadline_ms - now <= KW_KAD_REQUEST_MS - KW_KAD_SLOW_MS)
            kw_kad_lookup_slow(&r->task->lookup, &r->peer);
    }
}

void kw_kad_node_tick(kw_kad_node *node)
{
    const uint64_t now = kw_kad_now(node);
    kw_kad_enter(node);
    time_out(node, now);
    mark_slow(node, now);
    if (now >= node->refresh_ms)
        refresh(node);
    if (node->refresh_bucket < KW_KAD_KEY_BITS && !node->refreshing)
        refresh_next(node);
    if (now >= node->alive_ms) {
        node->alive_ms = now + ALIVE_MS / ALIVE_QUESTIONS;
        ask_the_silent(node, now);
    }
    for (kw_kad_task *task = node->tasks; task; task = task->next) {
        if (now >= task->deadline_ms)
            kw_kad_task_late(task);
        kw_kad_task_step(task);
    }
    kw_kad_leave(node);
}
