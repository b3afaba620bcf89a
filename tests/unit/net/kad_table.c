/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_table.c - the routing table keeps those who answer, few of one owner, and finds the closest;
 * a lookup asks the closest and ends when they have answered. */
#include "net/kad_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "net/ip_scope.h"
#include "net/kad_lookup.h"

static kw_peer_id peer(uint32_t n)
{
    kw_peer_id id = {.len = 34, .bytes = {0x12, 0x20}};
    for (uint32_t i = 0; i < 32; i += 4) {
        const uint32_t word = kw_rng_u32(7, n, i);
        memcpy(id.bytes + 2 + i, &word, 4);
    }
    return id;
}

static kw_multiaddr addr(const char *text)
{
    kw_multiaddr out;
    assert_int_equal(kw_multiaddr_parse(kw_str_from(text), &out, NULL), KW_OK);
    return out;
}

static kw_kad_table *open_table(void)
{
    kw_kad_table *table;
    const kw_peer_id self = peer(0);
    assert_int_equal(kw_kad_table_open(&self, &table, NULL), KW_OK);
    return table;
}

static void closest_are_exact(void **state)
{
    (void)state;
    kw_kad_table *table = open_table();
    static bool in[1000];
    for (uint32_t i = 1; i < 1000; i++) {
        const kw_peer_id id = peer(i);
        in[i] = kw_kad_table_add(table, &id, 0, i) == KW_KAD_ADDED;
    }
    assert_in_range(kw_kad_table_size(table), 100, 200);
    assert_int_equal(kw_kad_table_bucket(table, 0), KW_KAD_K);
    for (uint32_t t = 0; t < 50; t++) {
        const kw_peer_id target = peer(5000 + t), except = peer(1);
        const kw_kad_key key = kw_kad_key_of_peer(&target);
        kw_kad_entry found[KW_KAD_K];
        assert_int_equal(kw_kad_table_closest(table, &key, &except, found, KW_KAD_K), KW_KAD_K);
        for (size_t i = 1; i < KW_KAD_K; i++)
            assert_true(kw_kad_compare(&key, &found[i - 1].key, &found[i].key) < 0);
        size_t closer = 0;
        for (uint32_t i = 2; i < 1000; i++) {
            const kw_peer_id id = peer(i);
            const kw_kad_key k = kw_kad_key_of_peer(&id);
            closer += in[i] && kw_kad_compare(&key, &k, &found[KW_KAD_K - 1].key) < 0;
        }
        assert_int_equal(closer, KW_KAD_K - 1);
    }
    kw_kad_table_free(table);
}

static void who_answers_stays(void **state)
{
    (void)state;
    kw_kad_table *table = open_table();
    const kw_peer_id self = peer(0);
    assert_int_equal(kw_kad_table_add(table, &self, 0, 1), KW_KAD_REFUSED);
    uint32_t n = 1;
    kw_peer_id id, first = peer(0);
    do { /* until a bucket is full */
        id = peer(n++);
        if (n == 2)
            first = id;
    } while (kw_kad_table_add(table, &id, 0, 100 + n) != KW_KAD_FULL);
    const size_t size = kw_kad_table_size(table);
    assert_true(kw_peer_id_equal(&kw_kad_table_stale(table, 1000)->peer, &first));
    assert_null(kw_kad_table_stale(table, 50));
    assert_int_equal(kw_kad_table_add(table, &first, 0, 900), KW_KAD_KNOWN);
    assert_false(kw_peer_id_equal(&kw_kad_table_stale(table, 1000)->peer, &first));
    for (uint32_t i = 1; i < n - 1; i++) { /* each fails once and makes room when somebody comes */
        const kw_peer_id other = peer(i);
        kw_kad_table_failed(table, &other);
    }
    assert_int_equal(kw_kad_table_size(table), size);
    assert_int_equal(kw_kad_table_add(table, &id, 0, 1000), KW_KAD_ADDED);
    assert_int_equal(kw_kad_table_size(table), size);
    for (uint32_t i = 1; i < n - 1; i++) {
        const kw_peer_id other = peer(i);
        kw_kad_table_failed(table, &other);
    }
    assert_int_equal(kw_kad_table_size(table), 1);
    kw_kad_table_free(table);
}

static void one_owner_has_few_places(void **state)
{
    (void)state;
    kw_kad_table *table = open_table();
    const kw_multiaddr a = addr("/ip4/45.1.2.3/tcp/1"), b = addr("/ip4/45.1.200.3/tcp/2");
    const kw_multiaddr c = addr("/ip4/45.2.2.3/tcp/1"), d = addr("/ip6/2a01:4f8::1/tcp/1");
    assert_int_equal(kw_ip_group(&a), kw_ip_group(&b));
    assert_int_not_equal(kw_ip_group(&a), kw_ip_group(&c));
    assert_int_not_equal(kw_ip_group(&a), kw_ip_group(&d));
    const kw_multiaddr e = addr("/ip4/12.1.2.3/tcp/1"), f = addr("/ip4/12.200.2.3/tcp/1");
    assert_int_equal(kw_ip_group(&e), kw_ip_group(&f));
    static const char *const within[] = {
        "/ip4/10.1.2.3/tcp/1",   "/ip4/127.0.0.1/tcp/1",   "/ip4/192.168.7.7/tcp/1",
        "/ip4/172.31.0.1/tcp/1", "/ip4/169.254.1.1/tcp/1", "/ip4/100.64.0.1/tcp/1",
        "/ip6/::1/tcp/1",        "/ip6/fe80::1/tcp/1",     "/ip6/fd00::1/tcp/1"};
    for (size_t i = 0; i < sizeof within / sizeof *within; i++) {
        const kw_multiaddr private = addr(within[i]);
        assert_int_equal(kw_ip_group(&private), 0);
        assert_false(kw_ip_public(&private));
    }
    size_t n = 0;
    for (uint32_t i = 1; i < 200; i++) {
        const kw_peer_id id = peer(i);
        n += kw_kad_table_add(table, &id, kw_ip_group(&a), i) == KW_KAD_ADDED;
    }
    assert_int_equal(n, KW_KAD_GROUP_IN_TABLE);
    for (size_t i = 0; i < KW_KAD_KEY_BITS; i++)
        assert_in_range(kw_kad_table_bucket(table, i), 0, KW_KAD_GROUP_IN_BUCKET);
    kw_kad_table_free(table);
}

static void lookup_ends_with_the_closest(void **state)
{
    (void)state;
    static kw_kad_lookup lookup;
    const kw_peer_id target = peer(9999);
    lookup = (kw_kad_lookup){.target = kw_kad_key_of_peer(&target)};
    assert_true(kw_kad_lookup_over(&lookup));
    for (uint32_t i = 1; i < 1000; i++) { /* more than are kept */
        const kw_peer_id id = peer(i);
        (void)kw_kad_lookup_heard(&lookup, &id);
    }
    assert_int_equal(lookup.n, KW_KAD_CANDIDATES);
    kw_peer_id asked[KW_KAD_ALPHA + 1];
    size_t n = 0, failures = 0;
    while (!kw_kad_lookup_over(&lookup)) {
        while (kw_kad_lookup_next(&lookup, &asked[n]))
            n++;
        assert_in_range(n, 1, KW_KAD_ALPHA);
        const bool answers = lookup.n_asked % 3 != 0; /* the one that was asked last */
        failures += !answers;
        kw_kad_lookup_answered(&lookup, &asked[--n], answers);
    }
    kw_peer_id closest[KW_KAD_K];
    assert_int_equal(kw_kad_lookup_closest(&lookup, closest, KW_KAD_K), KW_KAD_K);
    assert_true(failures > 0 && lookup.n_asked <= KW_KAD_K + failures + KW_KAD_ALPHA);
}

static void slow_ones_hold_up_nobody(void **state)
{
    (void)state;
    static kw_kad_lookup lookup;
    const kw_peer_id target = peer(9999);
    kw_peer_id asked[KW_KAD_ALPHA], more;
    lookup = (kw_kad_lookup){.target = kw_kad_key_of_peer(&target)};
    for (uint32_t i = 1; i < 100; i++) {
        const kw_peer_id id = peer(i);
        (void)kw_kad_lookup_heard(&lookup, &id);
    }
    for (size_t i = 0; i < KW_KAD_ALPHA; i++)
        assert_true(kw_kad_lookup_next(&lookup, &asked[i]));
    assert_false(kw_kad_lookup_next(&lookup, &more));
    kw_kad_lookup_slow(&lookup, &asked[0]);
    kw_kad_lookup_slow(&lookup, &asked[0]);
    assert_true(kw_kad_lookup_next(&lookup, &more));
    assert_false(kw_kad_lookup_next(&lookup, &more));
    assert_int_equal(lookup.n_slow, 1);
    kw_kad_lookup_answered(&lookup, &asked[0], true); /* late is not never */
    assert_int_equal(lookup.n_slow, 0);
    assert_int_equal(lookup.n_under_way, KW_KAD_ALPHA);
    assert_int_equal(kw_kad_lookup_closest(&lookup, &more, 1), 1);
    assert_true(kw_peer_id_equal(&more, &asked[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closest_are_exact),        cmocka_unit_test(who_answers_stays),
        cmocka_unit_test(one_owner_has_few_places), cmocka_unit_test(lookup_ends_with_the_closest),
        cmocka_unit_test(slow_ones_hold_up_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
