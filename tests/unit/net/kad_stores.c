/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_stores.c - provider records and values: limits, expiry, the authenticated sender, the
 * validator, and requests that break a rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "net/kad_node.h"

static kw_peer_id peer(uint32_t n)
{
    kw_peer_id id = {.len = 34, .bytes = {0x12, 0x20}};
    memcpy(id.bytes + 2, &n, sizeof n);
    return id;
}

static kw_kad_key key(uint32_t n)
{
    return kw_kad_key_of((kw_bytes){(const uint8_t *)&n, sizeof n});
}

static void records_follow_a_model(void **state)
{
    (void)state;
    enum { KEYS = 40, PEERS = 30, STEPS = 20000 };
    static uint64_t model[KEYS][PEERS]; /* expiry, 0: none */
    memset(model, 0, sizeof model);
    kw_kad_providers *p;
    const kw_kad_providers_config config = {.salt = 5};
    assert_int_equal(kw_kad_providers_open(&config, &p, NULL), KW_OK);
    for (uint32_t step = 0; step < STEPS; step++) {
        const uint32_t k = kw_rng_u32(1, 0, step) % KEYS, who = kw_rng_u32(1, 1, step) % PEERS;
        const uint64_t expires = step + 1 + kw_rng_u32(1, 2, step) % 900;
        const kw_kad_key name = key(k);
        const kw_peer_id id = peer(who);
        assert_int_equal(kw_kad_providers_put(p, &name, &id, expires, NULL), KW_OK);
        model[k][who] = model[k][who] > expires ? model[k][who] : expires;
        size_t in_model = 0, total = 0;
        for (uint32_t i = 0; i < PEERS; i++)
            in_model += model[k][i] > step;
        kw_peer_id out[PEERS + 1];
        assert_int_equal(kw_kad_providers_get(p, &name, step, out, PEERS + 1), in_model);
        if (step % 100 != 0)
            continue;
        kw_kad_providers_sweep(p, step);
        for (size_t i = 0; i < (size_t)KEYS * PEERS; i++) {
            uint64_t *at = &model[i / PEERS][i % PEERS];
            *at = *at > step ? *at : 0;
            total += *at != 0;
        }
        assert_int_equal(kw_kad_providers_count(p), total);
    }
    kw_kad_providers_sweep(p, UINT64_MAX);
    assert_int_equal(kw_kad_providers_count(p), 0);
    kw_kad_providers_free(p);
}

static void limits_of_records_hold(void **state)
{
    (void)state;
    kw_kad_providers *p;
    const kw_kad_providers_config config = {.self = key(0), .max_records = 300, .max_of_peer = 50};
    assert_int_equal(kw_kad_providers_open(&config, &p, NULL), KW_OK);
    const kw_peer_id greedy = peer(1);
    for (uint32_t i = 0; i < 60; i++) {
        const kw_kad_key k = key(i);
        assert_int_equal(kw_kad_providers_put(p, &k, &greedy, 10, NULL),
                         i < 50 ? KW_OK : KW_E_LIMIT);
    }
    for (uint32_t i = 0; i < 5000; i++) {
        const kw_kad_key k = key(i);
        const kw_peer_id id = peer(100 + i);
        (void)kw_kad_providers_put(p, &k, &id, 10, NULL);
        assert_in_range(kw_kad_providers_count(p), 50, 300);
    }
    /* A flood cannot displace what is closest to us. */
    const kw_kad_key self = key(0);
    kw_peer_id out[KW_KAD_K];
    assert_int_equal(kw_kad_providers_get(p, &self, 0, out, KW_KAD_K), 2);
    kw_kad_providers_free(p);
}

static bool even(void *user, kw_bytes k, kw_bytes value)
{
    (void)user;
    (void)k;
    return value.data[0] % 2 == 0;
}

static bool larger(void *user, kw_bytes k, kw_bytes a, kw_bytes b)
{
    (void)user;
    (void)k;
    return a.data[0] > b.data[0];
}

static kw_kad_values *open_values(size_t max_values)
{
    kw_kad_values *values;
    const kw_kad_validator validator = {"/kwaai/", even, larger, NULL};
    const kw_kad_values_config config = {
        .validators = &validator, .n_validators = 1, .max_values = max_values};
    assert_int_equal(kw_kad_values_open(&config, &values, NULL), KW_OK);
    return values;
}

static kw_bytes text(const char *s)
{
    return (kw_bytes){(const uint8_t *)s, strlen(s)};
}

static void values_are_valid_and_best(void **state)
{
    (void)state;
    kw_kad_values *values = open_values(2);
    const kw_bytes k = text("/kwaai/a");
    kw_bytes got;
    assert_int_equal(kw_kad_values_put(values, k, text("b"), 10, NULL), KW_OK);
    assert_int_equal(kw_kad_values_put(values, k, text("c"), 10, NULL), KW_E_FORMAT);
    assert_int_equal(kw_kad_values_put(values, k, text("d"), 10, NULL), KW_OK);
    assert_int_equal(kw_kad_values_put(values, k, text("b"), 10, NULL), KW_E_LIMIT);
    assert_true(kw_kad_values_get(values, k, 5, &got));
    assert_memory_equal(got.data, "d", 1);
    assert_false(kw_kad_values_get(values, k, 10, &got));
    assert_int_equal(kw_kad_values_put(values, text("/other/a"), text("b"), 10, NULL), KW_E_FORMAT);
    assert_int_equal(kw_kad_values_put(values, text("/kwaai/"), text("b"), 10, NULL), KW_E_FORMAT);
    assert_int_equal(kw_kad_values_put(values, k, text(""), 10, NULL), KW_E_FORMAT);
    assert_int_equal(kw_kad_values_put(values, text("/kwaai/b"), text("b"), 20, NULL), KW_OK);
    assert_int_equal(kw_kad_values_put(values, text("/kwaai/c"), text("b"), 20, NULL), KW_E_LIMIT);
    kw_kad_values_sweep(values, 15);
    assert_int_equal(kw_kad_values_put(values, text("/kwaai/c"), text("b"), 20, NULL), KW_OK);
    const kw_bytes owner = text("a public key");
    const kw_peer_id id = kw_peer_id_of(owner);
    uint8_t name[4 + KW_PEER_ID_MAX] = "/pk/";
    memcpy(name + 4, id.bytes, id.len);
    const kw_bytes pk = {name, 4U + id.len};
    assert_true(kw_kad_values_valid(values, pk, owner));
    assert_false(kw_kad_values_valid(values, pk, text("another")));
    kw_kad_values_free(values);
}

/* ---- a node that serves ---- */

static uint64_t now(void *user)
{
    (void)user;
    return 1000;
}

static void wake(void *user)
{
    (void)user;
}

static void send(void *user, uint64_t ticket, const kw_peer_id *to, kw_bytes request, bool answered)
{
    (void)user;
    (void)ticket;
    (void)to;
    (void)request;
    (void)answered;
}

static void learn(void *user, const kw_kad_peer *p, uint64_t ttl_ms)
{
    int *n = user;
    *n += p->n_addrs > 0 && ttl_ms == KW_KAD_PROVIDER_TTL_MS;
}

static void known(void *user, kw_kad_peer *p)
{
    (void)user;
    static const uint8_t ip[4] = {192, 168, 1, 1};
    p->addrs[p->n_addrs++] = kw_multiaddr_of_ip(false, ip, 1, false);
}

static bool address(void *user, const kw_peer_id *p, kw_multiaddr *out)
{
    (void)user;
    kw_kad_peer any = {.id = *p};
    known(user, &any);
    *out = any.addrs[0];
    return true;
}

static const kw_kad_io io = {
    .now_ms = now, .wake = wake, .send = send, .learn = learn, .known = known, .address = address};

typedef struct server {
    kw_kad_node *node;
    kw_kad_providers *providers;
    kw_kad_values *values;
    int learned;
} server;

static void open_server(server *s, bool public_only)
{
    *s = (server){.values = open_values(0)};
    const kw_kad_providers_config providers = {.salt = 1};
    assert_int_equal(kw_kad_providers_open(&providers, &s->providers, NULL), KW_OK);
    const kw_kad_node_config config = {.io = &io,
                                       .user = &s->learned,
                                       .self = peer(0),
                                       .providers = s->providers,
                                       .values = s->values,
                                       .public_only = public_only};
    assert_int_equal(kw_kad_node_open(&config, &s->node, NULL), KW_OK);
}

static void close_server(server *s)
{
    kw_kad_node_free(s->node);
    kw_kad_providers_free(s->providers);
    kw_kad_values_free(s->values);
}

static kw_status ask(server *s, const kw_buf *request, kw_buf *reply)
{
    const kw_peer_id from = peer(7);
    reply->len = 0;
    return kw_kad_node_serve(s->node, &from,
                             (kw_bytes){(const uint8_t *)request->data, request->len}, reply, NULL);
}

static size_t count(const kw_buf *reply, kw_kad_list list, size_t *n_addrs)
{
    size_t n = 0;
    kw_kad_peer p;
    *n_addrs = 0;
    kw_pb at = kw_pb_read((kw_bytes){(const uint8_t *)reply->data, reply->len});
    for (; kw_kad_message_next(&at, list, &p); n++)
        *n_addrs += p.n_addrs;
    return n;
}

static void only_the_sender_provides(void **state)
{
    (void)state;
    server s;
    open_server(&s, false);
    kw_buf request = {0}, reply = {0};
    kw_kad_peer claimed = {.id = peer(8)}, sender = {.id = peer(7)};
    size_t n_addrs;
    known(NULL, &claimed);
    known(NULL, &sender);
    kw_kad_put_head(&request, KW_KAD_ADD_PROVIDER, text("content"));
    kw_kad_put_peer(&request, KW_KAD_PROVIDERS, &claimed);
    assert_int_equal(ask(&s, &request, &reply), KW_OK);
    assert_int_equal(reply.len, 0);
    assert_int_equal(kw_kad_providers_count(s.providers), 0);
    kw_kad_put_peer(&request, KW_KAD_PROVIDERS, &sender);
    assert_int_equal(ask(&s, &request, &reply), KW_OK);
    assert_int_equal(kw_kad_providers_count(s.providers), 1);
    assert_int_equal(s.learned, 1);
    request.len = 0;
    kw_kad_put_head(&request, KW_KAD_GET_PROVIDERS, text("content"));
    assert_int_equal(ask(&s, &request, &reply), KW_OK);
    assert_int_equal(count(&reply, KW_KAD_PROVIDERS, &n_addrs), 1);
    assert_int_equal(n_addrs, 1);
    kw_buf_free(&request);
    kw_buf_free(&reply);
    close_server(&s);
}

static void answers_name_the_closest(void **state)
{
    (void)state;
    for (int public_only = 0; public_only < 2; public_only++) {
        server s;
        open_server(&s, public_only);
        kw_buf request = {0}, reply = {0};
        size_t n_addrs;
        for (uint32_t i = 1; i < 60; i++) {
            const kw_peer_id id = peer(i);
            kw_kad_node_met(s.node, &id);
        }
        assert_int_equal(kw_kad_node_peers(s.node) > 20, public_only ? 0 : 1);
        kw_kad_put_head(&request, KW_KAD_FIND_NODE, text("anything"));
        assert_int_equal(ask(&s, &request, &reply), KW_OK);
        assert_int_equal(count(&reply, KW_KAD_CLOSER, &n_addrs), public_only ? 0 : KW_KAD_K);
        kw_buf_free(&request);
        kw_buf_free(&reply);
        close_server(&s);
    }
}

static void rules_are_kept(void **state)
{
    (void)state;
    server s;
    open_server(&s, false);
    kw_buf request = {0}, reply = {0};
    static const uint8_t long_key[KW_KAD_PROVIDER_KEY_MAX + 1];
    kw_kad_put_head(&request, KW_KAD_PING, (kw_bytes){NULL, 0});
    assert_int_equal(ask(&s, &request, &reply), KW_OK);
    assert_int_equal(reply.len, request.len);
    assert_memory_equal(reply.data, request.data, request.len);
    for (kw_kad_type type = KW_KAD_PUT_VALUE; type < KW_KAD_PING; type++) {
        request.len = 0;
        kw_kad_put_head(&request, type, (kw_bytes){NULL, 0});
        assert_int_equal(ask(&s, &request, &reply), KW_E_FORMAT);
    }
    request.len = 0;
    kw_kad_put_head(&request, KW_KAD_GET_PROVIDERS, (kw_bytes){long_key, sizeof long_key});
    assert_int_equal(ask(&s, &request, &reply), KW_E_LIMIT);
    request.len = 0;
    kw_kad_put_head(&request, KW_KAD_PUT_VALUE, text("/kwaai/a"));
    assert_int_equal(ask(&s, &request, &reply), KW_E_FORMAT); /* no record */
    kw_kad_put_record(&request, text("/kwaai/b"), text("b"), 0);
    assert_int_equal(ask(&s, &request, &reply), KW_E_FORMAT); /* of another key */
    request.len = 0;
    kw_kad_put_head(&request, KW_KAD_PUT_VALUE, text("/kwaai/a"));
    kw_kad_put_record(&request, text("/kwaai/a"), text("b"), 0);
    assert_int_equal(ask(&s, &request, &reply), KW_OK);
    request.len = 0;
    kw_kad_put_head(&request, KW_KAD_GET_VALUE, text("/kwaai/a"));
    assert_int_equal(ask(&s, &request, &reply), KW_OK);
    kw_kad_message message;
    assert_int_equal(
        kw_kad_message_get((kw_bytes){(const uint8_t *)reply.data, reply.len}, &message, NULL),
        KW_OK);
    assert_true(message.has_record);
    assert_memory_equal(message.record_value.data, "b", 1);
    kw_buf_free(&request);
    kw_buf_free(&reply);
    close_server(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_follow_a_model),    cmocka_unit_test(limits_of_records_hold),
        cmocka_unit_test(values_are_valid_and_best), cmocka_unit_test(only_the_sender_provides),
        cmocka_unit_test(answers_name_the_closest),  cmocka_unit_test(rules_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
