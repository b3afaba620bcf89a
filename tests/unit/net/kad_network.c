/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_network.c - a network of hundreds of nodes without a socket, on a clock of its own: messages
 * are delayed and lost, some nodes lie, some die, and what was provided is found all the same. */
#include "net/kad_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"

#define N_NODES 200 /* an index is a byte */
#define N_EVENTS 200000
#define N_LIES 16384
#define SEED 20261125

typedef enum kind { REQUEST, REPLY, ACCEPTED, UNREACHABLE } kind;

typedef struct event {
    uint64_t at_ms, order;
    kind kind;
    size_t from, to; /* who does it, and to whom */
    uint64_t ticket;
    bool answered;
    uint8_t *bytes; /* owned */
    size_t len;
} event;

typedef struct sim_node {
    struct sim *sim;
    size_t index;
    kw_peer_id id;
    kw_kad_node *kad;
    kw_kad_providers *providers;
    kw_kad_values *values;
    bool dead, liar;
    size_t n_asked; /* requests sent */
} sim_node;

typedef struct sim {
    uint64_t now_ms, draws, order;
    unsigned loss_percent;
    sim_node nodes[N_NODES];
    kw_peer_id nobody[N_LIES]; /* who does not exist, by the first byte of their keys */
    size_t lies_at[257];
    event *heap; /* owned, [N_EVENTS] */
    size_t n_events;
} sim;

static uint32_t draw(sim *s, uint32_t below)
{
    return kw_rng_u32(SEED, 1, s->draws++) % below;
}

/* ---- events in order of time ---- */

static bool before(const event *a, const event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void swap_events(event *a, event *b)
{
    const event t = *a;
    *a = *b;
    *b = t;
}

static void push(sim *s, event e, kw_bytes bytes)
{
    assert_true(s->n_events < N_EVENTS);
    e.order = s->order++;
    e.len = bytes.len;
    e.bytes = malloc(bytes.len + 1);
    assert_non_null(e.bytes);
    if (bytes.len > 0)
        memcpy(e.bytes, bytes.data, bytes.len);
    size_t i = s->n_events++;
    s->heap[i] = e;
    for (; i > 0 && before(&s->heap[i], &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap_events(&s->heap[i], &s->heap[(i - 1) / 2]);
}

static event pop(sim *s)
{
    const event first = s->heap[0];
    s->heap[0] = s->heap[--s->n_events];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < s->n_events; child++) {
            if (before(&s->heap[child], &s->heap[least]))
                least = child;
        }
        if (least == i)
            return first;
        swap_events(&s->heap[i], &s->heap[least]);
        i = least;
    }
}

/* ---- the interface ---- */

static size_t index_of(const sim *s, const kw_peer_id *id)
{
    const size_t index = id->bytes[2]; /* see grow */
    return index < N_NODES && kw_peer_id_equal(&s->nodes[index].id, id) ? index : N_NODES;
}

static kw_multiaddr address_of(size_t index)
{
    const uint8_t ip[4] = {10, (uint8_t)(index >> 16), (uint8_t)(index >> 8), (uint8_t)index};
    return kw_multiaddr_of_ip(false, ip, 4001, false);
}

static uint64_t sim_now(void *user)
{
    const sim_node *node = user;
    return node->sim->now_ms;
}

static void sim_wake(void *user)
{
    (void)user; /* every node is ticked often */
}

static void sim_send(void *user, uint64_t ticket, const kw_peer_id *peer, kw_bytes request,
                     bool answered)
{
    sim_node *node = user;
    sim *s = node->sim;
    const size_t to = index_of(s, peer);
    node->n_asked++;
    event e = {.at_ms = s->now_ms + 5 + draw(s, 95),
               .kind = REQUEST,
               .from = node->index,
               .to = to,
               .ticket = ticket,
               .answered = answered};
    if (to == N_NODES) { /* nobody is there: the dial fails */
        e.kind = UNREACHABLE;
        e.at_ms += 2000;
    } else if (draw(s, 100) < s->loss_percent) {
        return;
    }
    push(s, e, request);
}

static void sim_drop(void *user, uint64_t ticket)
{
    (void)user;
    (void)ticket; /* late replies are for tickets that nobody knows */
}

static void sim_learn(void *user, const kw_kad_peer *peer, uint64_t ttl_ms)
{
    (void)user;
    assert_in_range(peer->n_addrs, 1, KW_KAD_ADDRS);
    assert_true(ttl_ms > 0);
}

static void sim_known(void *user, kw_kad_peer *peer)
{
    const sim_node *node = user;
    const size_t index = index_of(node->sim, &peer->id);
    if (index < N_NODES) {
        peer->addrs[0] = address_of(index);
        peer->n_addrs = 1;
    }
}

static bool sim_address(void *user, const kw_peer_id *peer, kw_multiaddr *out)
{
    const sim_node *node = user;
    *out = address_of(index_of(node->sim, peer));
    return true;
}

static const kw_kad_io io = {.now_ms = sim_now,
                             .wake = sim_wake,
                             .send = sim_send,
                             .drop = sim_drop,
                             .learn = sim_learn,
                             .known = sim_known,
                             .address = sim_address};

/* ---- running ---- */

static kw_peer_id random_id(sim *s)
{
    kw_peer_id id = {.len = 34, .bytes = {0x12, 0x20}};
    for (size_t i = 2; i < 34; i++)
        id.bytes[i] = (uint8_t)draw(s, 256);
    return id;
}

/* Peers that do not exist, 64 or so for each first byte of a key: closer to any key than most of
 * those that do. */
static void make_up(sim *s)
{
    static uint8_t first[N_LIES];
    static kw_peer_id ids[N_LIES];
    for (size_t i = 0; i < N_LIES; i++) {
        ids[i] = random_id(s);
        ids[i].bytes[2] = 255; /* no index */
        first[i] = kw_kad_key_of_peer(&ids[i]).bytes[0];
    }
    size_t n = 0;
    for (size_t byte = 0; byte < 256; byte++) {
        s->lies_at[byte] = n;
        for (size_t i = 0; i < N_LIES; i++) {
            if (first[i] == byte)
                s->nobody[n++] = ids[i];
        }
    }
    s->lies_at[256] = n;
}

/* A liar names the closest that do not exist, has a value of its own, or talks nonsense. */
static void lie(sim *s, const event *e, kw_buf *reply)
{
    kw_kad_message message;
    if (kw_kad_message_get((kw_bytes){e->bytes, e->len}, &message, NULL) != KW_OK)
        return;
    if (draw(s, 4) == 0) {
        for (int i = 0; i < 50; i++)
            kw_buf_add(reply, &"\x00\xff\x42\x13\x37"[draw(s, 5)], 1);
        return;
    }
    kw_kad_put_head(reply, message.type, message.key);
    const size_t byte = kw_kad_key_of(message.key).bytes[0];
    const size_t at = s->lies_at[byte], n = s->lies_at[byte + 1] - at;
    for (size_t i = 0; i < 30; i++) {
        kw_kad_peer peer = {.n_addrs = 1, .addrs = {address_of(70000)}};
        peer.id = s->nobody[n > 0 ? at + draw(s, (uint32_t)n) : i];
        kw_kad_put_peer(reply, KW_KAD_CLOSER, &peer);
    }
    kw_kad_put_record(reply, message.key, (kw_bytes){(const uint8_t *)"evil", 4}, 0);
}

static void serve(sim *s, const event *e)
{
    sim_node *node = &s->nodes[e->to];
    kw_buf reply = {0};
    kw_status status = KW_OK;
    if (node->dead)
        return;
    if (node->liar)
        lie(s, e, &reply);
    else
        status = kw_kad_node_serve(node->kad, &s->nodes[e->from].id, (kw_bytes){e->bytes, e->len},
                                   &reply, NULL);
    kw_kad_node_met(node->kad, &s->nodes[e->from].id); /* by identify */
    event back = {.at_ms = s->now_ms + 5 + draw(s, 95),
                  .kind = status != KW_OK ? UNREACHABLE
                          : e->answered   ? REPLY
                                          : ACCEPTED,
                  .from = e->from,
                  .to = e->to,
                  .ticket = e->ticket};
    if (draw(s, 100) >= s->loss_percent)
        push(s, back, (kw_bytes){(const uint8_t *)reply.data, reply.len});
    kw_buf_free(&reply);
}

static void happen(sim *s, const event *e)
{
    sim_node *asker = &s->nodes[e->from];
    if (e->kind == REQUEST)
        serve(s, e);
    else if (asker->dead)
        return;
    else if (e->kind == UNREACHABLE)
        kw_kad_node_failed(asker->kad, e->ticket);
    else
        kw_kad_node_reply(asker->kad, e->ticket,
                          (kw_bytes){e->bytes, e->kind == REPLY ? e->len : 0});
}

/* A node that has lost everybody begins again, as kad.c does. */
static void tick(sim *s, sim_node *node)
{
    if (!node->kad || node->dead || node->liar)
        return;
    for (int i = 0; i < 100 && node->index > 0 && kw_kad_node_peers(node->kad) == 0; i++) {
        const sim_node *friend = &s->nodes[draw(s, N_NODES)];
        if (friend->kad && !friend->liar && !friend->dead)
            kw_kad_node_met(node->kad, &friend->id);
    }
    kw_kad_node_tick(node->kad);
}

static void run(sim *s, uint64_t ms)
{
    const uint64_t end = s->now_ms + ms;
    while (s->now_ms < end) {
        for (size_t i = 0; i < N_NODES; i++)
            tick(s, &s->nodes[i]);
        const uint64_t turn = s->now_ms + 200;
        while (s->n_events > 0 && s->heap[0].at_ms < turn) {
            const event e = pop(s);
            s->now_ms = KW_MAX(s->now_ms, e.at_ms);
            happen(s, &e);
            free(e.bytes);
        }
        s->now_ms = turn;
    }
}

static bool valid(void *user, kw_bytes key, kw_bytes value)
{
    (void)user;
    (void)key;
    return value.len == 2 && value.data[0] == 'v';
}

static bool better(void *user, kw_bytes key, kw_bytes a, kw_bytes b)
{
    (void)user;
    (void)key;
    return a.data[1] > b.data[1];
}

static void open_node(sim *s, size_t i)
{
    static const kw_kad_validator validator = {"/kwaai/", valid, better, NULL};
    const kw_kad_values_config values = {.validators = &validator, .n_validators = 1};
    const kw_kad_providers_config providers = {.salt = i};
    sim_node *node = &s->nodes[i];
    assert_int_equal(kw_kad_providers_open(&providers, &node->providers, NULL), KW_OK);
    assert_int_equal(kw_kad_values_open(&values, &node->values, NULL), KW_OK);
    const kw_kad_node_config config = {.io = &io,
                                       .user = node,
                                       .self = node->id,
                                       .providers = node->providers,
                                       .values = node->values,
                                       .seed = i};
    assert_int_equal(kw_kad_node_open(&config, &node->kad, NULL), KW_OK);
}

/* Nodes join one by one, each knowing one that is there. */
static sim *grow(unsigned loss_percent, unsigned liar_percent)
{
    sim *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->heap = calloc(N_EVENTS, sizeof *s->heap);
    assert_non_null(s->heap);
    s->now_ms = 1000;
    s->loss_percent = loss_percent;
    if (liar_percent > 0)
        make_up(s);
    for (size_t i = 0; i < N_NODES; i++) {
        s->nodes[i] = (sim_node){.sim = s, .index = i, .id = random_id(s)};
        s->nodes[i].id.bytes[2] = (uint8_t)i;
        s->nodes[i].liar = i > 0 && draw(s, 100) < liar_percent;
    }
    for (size_t i = 0; i < N_NODES; i++) {
        open_node(s, i);
        run(s, 200);
    }
    run(s, 60000);
    return s;
}

static void end(sim *s)
{
    for (size_t i = 0; i < N_NODES; i++) {
        kw_kad_node_free(s->nodes[i].kad);
        kw_kad_providers_free(s->nodes[i].providers);
        kw_kad_values_free(s->nodes[i].values);
    }
    while (s->n_events > 0)
        free(s->heap[--s->n_events].bytes);
    free(s->heap);
    free(s);
}

/* ---- tasks that are waited for ---- */

typedef struct outcome {
    bool done;
    kw_status status;
    size_t n, n_peers;
    kw_kad_peer peers[KW_KAD_K];
    uint8_t value[8];
} outcome;

static void on_peer(void *user, const kw_kad_peer *peer)
{
    outcome *o = user;
    assert_false(o->done);
    if (o->n_peers < KW_KAD_K)
        o->peers[o->n_peers++] = *peer;
}

static void on_value(void *user, kw_bytes value)
{
    outcome *o = user;
    assert_in_range(value.len, 1, sizeof o->value);
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

static kw_kad_task *start(sim *s, size_t node, kw_kad_goal goal, kw_bytes key, kw_bytes value,
                          outcome *o)
{
    kw_kad_task *task;
    *o = (outcome){0};
    const kw_kad_task_config config = {
        .goal = goal, .key = key, .value = value, .events = &events, .user = o};
    assert_int_equal(kw_kad_task_start(s->nodes[node].kad, &config, &task, NULL), KW_OK);
    assert_false(o->done);
    return task;
}

static void wait_for(sim *s, outcome *o)
{
    for (int i = 0; i < 400 && !o->done; i++)
        run(s, 200);
    assert_true(o->done);
}

static size_t honest(sim *s)
{
    for (;;) {
        const size_t i = draw(s, N_NODES);
        if (!s->nodes[i].liar && !s->nodes[i].dead)
            return i;
    }
}

static const kw_bytes nothing = {NULL, 0};

static kw_bytes bytes_of(const kw_peer_id *id)
{
    return (kw_bytes){id->bytes, id->len};
}

/* How many of the true closest, among those that live and are honest, a lookup came upon. */
static size_t true_closest(const sim *s, const kw_kad_key *target, const outcome *o, size_t self)
{
    size_t hits = 0;
    for (size_t i = 0; i < o->n_peers; i++) {
        const kw_kad_key key = kw_kad_key_of_peer(&o->peers[i].id);
        size_t closer = 0;
        for (size_t j = 0; j < N_NODES; j++) {
            const kw_kad_key other = kw_kad_key_of_peer(&s->nodes[j].id);
            closer += j != self && !s->nodes[j].dead && !s->nodes[j].liar &&
                      kw_kad_compare(target, &other, &key) < 0;
        }
        hits += closer < KW_KAD_K;
    }
    return hits;
}

static void quiet_network_is_exact(void **state)
{
    (void)state;
    sim *s = grow(0, 0);
    outcome o;
    size_t asked = 0;
    for (int i = 0; i < 20; i++) {
        const size_t node = honest(s);
        const kw_peer_id target = random_id(s);
        const kw_kad_key key = kw_kad_key_of_peer(&target);
        const size_t before_it = s->nodes[node].n_asked;
        (void)start(s, node, KW_KAD_CLOSEST, bytes_of(&target), nothing, &o);
        wait_for(s, &o);
        asked += s->nodes[node].n_asked - before_it;
        assert_int_equal(o.n, KW_KAD_K);
        assert_int_equal(o.n_peers, KW_KAD_K);
        assert_int_equal(true_closest(s, &key, &o, node), KW_KAD_K);
    }
    assert_in_range(asked / 20, KW_KAD_K, 60); /* of 199: logarithmic, and 20 at the end */
    for (int i = 0; i < 20; i++) {
        const size_t wanted = draw(s, N_NODES);
        (void)start(s, (wanted + 1) % N_NODES, KW_KAD_FIND_PEER, bytes_of(&s->nodes[wanted].id),
                    nothing, &o);
        wait_for(s, &o);
        assert_int_equal(o.status, KW_OK);
        assert_true(kw_peer_id_equal(&o.peers[0].id, &s->nodes[wanted].id));
    }
    const kw_peer_id nobody = random_id(s);
    (void)start(s, 3, KW_KAD_FIND_PEER, bytes_of(&nobody), nothing, &o);
    wait_for(s, &o);
    assert_int_equal(o.status, KW_E_NOTFOUND);
    end(s);
}

static void provided_is_found_among_loss_and_liars(void **state)
{
    (void)state;
    sim *s = grow(5, 10);
    size_t found = 0, stored = 0;
    for (int round = 0; round < 10; round++) {
        const size_t provider = honest(s);
        const kw_peer_id content = random_id(s); /* a multihash of SHA-256 like any other */
        outcome o;
        (void)start(s, provider, KW_KAD_PROVIDE, bytes_of(&content), nothing, &o);
        wait_for(s, &o);
        assert_int_equal(o.status, KW_OK);
        stored += o.n;
        for (size_t i = 0; i < N_NODES / 100; i++) { /* some leave without a word */
            const size_t victim = honest(s);
            s->nodes[victim].dead = victim != provider;
        }
        for (int i = 0; i < 5; i++) {
            const size_t node = honest(s);
            (void)start(s, node, KW_KAD_FIND_PROVIDERS, bytes_of(&content), nothing, &o);
            wait_for(s, &o);
            for (size_t j = 0; j < o.n_peers; j++)
                assert_true(kw_peer_id_equal(&o.peers[j].id, &s->nodes[provider].id));
            found += o.n_peers == 1 || node == provider;
        }
    }
    assert_true(stored >= 10 * 12);
    assert_int_equal(found, 50);
    end(s);
}

static void cancelled_tasks_are_silent(sim *s)
{
    for (int i = 0; i < 100; i++) {
        outcome *o = malloc(sizeof *o); /* an event after the cancel would touch freed memory */
        assert_non_null(o);
        const kw_peer_id target = random_id(s);
        const kw_kad_goal goals[] = {KW_KAD_CLOSEST, KW_KAD_FIND_PEER, KW_KAD_PROVIDE,
                                     KW_KAD_FIND_PROVIDERS, KW_KAD_GET};
        kw_kad_task *task =
            start(s, honest(s), goals[draw(s, KW_COUNT(goals))], bytes_of(&target), nothing, o);
        run(s, draw(s, 2000));
        if (!o->done)
            kw_kad_task_cancel(task);
        free(o);
    }
    run(s, 30000);
}

static void values_and_cancelled_tasks(void **state)
{
    (void)state;
    sim *s = grow(5, 10);
    const kw_bytes key = {(const uint8_t *)"/kwaai/model", 12};
    const kw_bytes old = {(const uint8_t *)"v1", 2}, new = {(const uint8_t *)"v2", 2};
    outcome o;
    (void)start(s, honest(s), KW_KAD_PUT, key, old, &o);
    wait_for(s, &o);
    assert_true(o.n >= 10);
    (void)start(s, honest(s), KW_KAD_GET, key, nothing, &o);
    wait_for(s, &o);
    assert_string_equal((const char *)o.value, "v1");
    (void)start(s, honest(s), KW_KAD_PUT, key, new, &o);
    wait_for(s, &o);
    for (int i = 0; i < 5; i++) {
        (void)start(s, honest(s), KW_KAD_GET, key, nothing, &o);
        wait_for(s, &o);
        assert_int_equal(o.status, KW_OK);
        assert_string_equal((const char *)o.value, "v2");
    }
    kw_kad_task *task;
    const kw_kad_task_config bad = {.goal = KW_KAD_PUT,
                                    .key = key,
                                    .value = {(const uint8_t *)"evil", 4},
                                    .events = &events,
                                    .user = &o};
    assert_int_equal(kw_kad_task_start(s->nodes[0].kad, &bad, &task, NULL), KW_E_ARG);
    cancelled_tasks_are_silent(s);
    end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quiet_network_is_exact),
        cmocka_unit_test(provided_is_found_among_loss_and_liars),
        cmocka_unit_test(values_and_cancelled_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
