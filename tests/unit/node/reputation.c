/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* reputation.c - scores fall and recover, bans end and are kept, two processes add up, and a flood
 * of strangers pushes nobody out who matters. */
#include "node/reputation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HOUR INT64_C(3600000)

static int64_t clock_ms;
static int n_banned;

static int64_t at_clock(void *user)
{
    (void)user;
    return clock_ms;
}

static void on_banned(void *user)
{
    (void)user;
    n_banned++;
}

static kw_reputation *open_at(const char *path)
{
    const kw_reputation_config config = {.path = path, .now = at_clock, .banned = on_banned};
    kw_reputation *r = NULL;
    kw_error err = {.message = ""};
    if (kw_reputation_open(&config, &r, &err) != KW_OK)
        fail_msg("%s", err.message);
    return r;
}

static kw_peer_id peer_of(unsigned n)
{
    kw_peer_id peer = {.len = 38, .bytes = {0, 36, 8, 1, 18, 32}};
    memcpy(peer.bytes + 6, &n, sizeof n);
    return peer;
}

static kw_multiaddr addr_of(const char *text)
{
    kw_multiaddr addr;
    assert_int_equal(kw_multiaddr_parse(kw_str_from(text), &addr, NULL), KW_OK);
    return addr;
}

static int set_up(void **state)
{
    (void)state;
    clock_ms = INT64_C(1000000000000);
    n_banned = 0;
    return 0;
}

static void scores_fall_and_recover(void **state)
{
    (void)state;
    kw_reputation *r = open_at(NULL);
    const kw_peer_id p = peer_of(1);
    assert_true(kw_reputation_score(r, &p) == 0);
    kw_reputation_report(r, &p, NULL, KW_CONDUCT_MALFORMED);
    assert_float_equal(kw_reputation_score(r, &p), -20, 1e-6);
    clock_ms += HOUR;
    assert_float_equal(kw_reputation_score(r, &p), -10, 1e-6);
    kw_reputation_good(r, &p, 4 << 20);
    assert_float_equal(kw_reputation_score(r, &p), -6, 1e-6);
    kw_reputation_good(r, &p, UINT64_C(1) << 40);
    assert_float_equal(kw_reputation_score(r, &p), 20, 1e-6);
    assert_true(kw_reputation_allows(r, &p, NULL));
    assert_int_equal(n_banned, 0);
    kw_reputation_close(r);
}

static void bans_end_and_grow(void **state)
{
    (void)state;
    kw_reputation *r = open_at(NULL);
    const kw_peer_id p = peer_of(1), other = peer_of(2);
    kw_reputation_good(r, &p, UINT64_C(1) << 40); /* no credit is large enough */
    int64_t minutes = 10;
    for (int i = 0; i < 3; i++, minutes *= 4) {
        kw_reputation_report(r, &p, NULL, KW_CONDUCT_BAD_BLOCK);
        assert_int_equal(n_banned, i + 1);
        assert_false(kw_reputation_allows(r, &p, NULL));
        assert_true(kw_reputation_allows(r, &other, NULL));
        kw_reputation_report(r, &p, NULL, KW_CONDUCT_BAD_BLOCK); /* paid for already */
        clock_ms += minutes * 60000 - 1;
        assert_false(kw_reputation_allows(r, &p, NULL));
        clock_ms += 1;
        assert_true(kw_reputation_allows(r, &p, NULL));
    }
    clock_ms += 200 * HOUR; /* a week without: the first time again */
    kw_reputation_report(r, &p, NULL, KW_CONDUCT_BAD_BLOCK);
    clock_ms += 600000;
    assert_true(kw_reputation_allows(r, &p, NULL));
    kw_reputation_close(r);
}

static void slowness_alone_does_not_ban(void **state)
{
    (void)state;
    kw_reputation *r = open_at(NULL);
    const kw_peer_id p = peer_of(1);
    for (int i = 0; i < 100; i++)
        kw_reputation_report(r, &p, NULL, i % 2 ? KW_CONDUCT_STALL : KW_CONDUCT_LOST);
    assert_true(kw_reputation_allows(r, &p, NULL));
    assert_float_equal(kw_reputation_score(r, &p), -60, 1e-6);
    kw_reputation_report(r, &p, NULL, KW_CONDUCT_MALFORMED);
    assert_false(kw_reputation_allows(r, &p, NULL));
    kw_reputation_close(r);
}

static void addresses_answer_for_their_peers(void **state)
{
    (void)state;
    kw_reputation *r = open_at(NULL);
    const kw_multiaddr here = addr_of("/ip4/192.0.2.7/tcp/4001"),
                       next = addr_of("/ip4/192.0.2.8/tcp/4001"),
                       relayed = addr_of("/ip4/192.0.2.9/tcp/1/p2p/"
                                         "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5/"
                                         "p2p-circuit"),
                       loopback = addr_of("/ip4/127.0.0.1/tcp/4001");
    for (unsigned i = 0; i < 4; i++) { /* each under a new name */
        const kw_peer_id p = peer_of(i);
        assert_true(kw_reputation_allows(r, &p, &here));
        kw_reputation_report(r, &p, &here, KW_CONDUCT_BAD_BLOCK);
        kw_reputation_report(r, &p, &relayed, KW_CONDUCT_BAD_BLOCK);
        kw_reputation_report(r, &p, &loopback, KW_CONDUCT_BAD_BLOCK);
    }
    const kw_peer_id fifth = peer_of(5);
    assert_false(kw_reputation_allows(r, &fifth, &here));
    assert_true(kw_reputation_allows(r, &fifth, &next));
    assert_true(kw_reputation_allows(r, &fifth, &relayed));
    assert_true(kw_reputation_allows(r, &fifth, &loopback));
    const kw_multiaddr six = addr_of("/ip6/2001:db8:1:2:3::4/tcp/1"),
                       near = addr_of("/ip6/2001:db8:1:2:9::9/tcp/2"),
                       far = addr_of("/ip6/2001:db8:1:3::4/tcp/1");
    for (int i = 0; i < 40; i++)
        kw_reputation_report(r, NULL, &six, KW_CONDUCT_ABUSE);
    assert_false(kw_reputation_allows(r, NULL, &near));
    assert_true(kw_reputation_allows(r, NULL, &far));
    kw_reputation_close(r);
}

typedef struct rows {
    size_t n;
    kw_reputation_row last;
} rows;

static void count_row(void *user, const kw_reputation_row *row)
{
    rows *const seen = user;
    seen->n++;
    seen->last = *row;
}

static void owners_ban_and_unban(void **state)
{
    (void)state;
    kw_reputation *r = open_at(NULL);
    kw_peer_id peer;
    kw_multiaddr addr;
    kw_error err;
    rows seen = {0};
    static const char *const none[] = {"", "/", "1.2.3", "/dns4/example.org/tcp/1", "Qm", "::1/63"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_not_equal(kw_reputation_parse(kw_str_from(none[i]), &peer, &addr, &err), KW_OK);
    assert_int_equal(kw_reputation_parse(KW_STR("2001:db8::/64"), &peer, &addr, &err), KW_OK);
    assert_int_equal(kw_reputation_ban(r, &peer, &addr, 60, &err), KW_OK);
    kw_reputation_each(r, count_row, &seen);
    assert_int_equal(seen.n, 1);
    assert_string_equal(seen.last.who, "2001:db8::/64");
    assert_int_equal(seen.last.ban_s, 60);
    assert_string_equal(seen.last.why, "by the owner");
    assert_int_equal(kw_reputation_parse(kw_str_from(seen.last.who), &peer, &addr, &err), KW_OK);
    assert_int_equal(kw_reputation_unban(r, &peer, &addr, &err), KW_OK);
    assert_true(kw_reputation_allows(r, NULL, &addr));
    assert_int_equal(kw_reputation_unban(r, &peer, &addr, &err), KW_E_NOTFOUND);
    assert_int_equal(kw_reputation_ban(r, NULL, NULL, 60, &err), KW_E_ARG);
    const kw_peer_id p = peer_of(1);
    assert_int_equal(kw_reputation_ban(r, &p, NULL, KW_REPUTATION_FOREVER, &err), KW_OK);
    clock_ms += 100000 * HOUR;
    assert_false(kw_reputation_allows(r, &p, NULL));
    seen.n = 0;
    kw_reputation_each(r, count_row, &seen);
    assert_int_equal(seen.n, 1);
    assert_true(seen.last.is_peer && seen.last.ban_s == KW_REPUTATION_FOREVER);
    kw_reputation_close(r);
}

static void strangers_push_out_strangers(void **state)
{
    (void)state;
    kw_reputation *r = open_at(NULL);
    const kw_peer_id bad = peer_of(1000001), poor = peer_of(1000002), owners = peer_of(1000003);
    kw_reputation_report(r, &bad, NULL, KW_CONDUCT_BAD_BLOCK);
    kw_reputation_report(r, &poor, NULL, KW_CONDUCT_MALFORMED);
    kw_reputation_report(r, &poor, NULL, KW_CONDUCT_MALFORMED);
    assert_int_equal(kw_reputation_ban(r, &owners, NULL, KW_REPUTATION_FOREVER, NULL), KW_OK);
    for (unsigned i = 0; i < 3 * KW_REPUTATION_ROWS; i++) {
        const kw_peer_id p = peer_of(i);
        clock_ms += 100;
        kw_reputation_report(r, &p, NULL, KW_CONDUCT_ABUSE);
    }
    rows seen = {0};
    kw_reputation_each(r, count_row, &seen);
    assert_int_equal(seen.n, KW_REPUTATION_ROWS);
    assert_true(kw_reputation_score(r, &poor) < -25);
    assert_true(kw_reputation_score(r, &bad) < -25);
    assert_false(kw_reputation_allows(r, &owners, NULL));
    kw_reputation_close(r);
}

static void a_table_full_of_bans(void **state)
{
    (void)state;
    kw_reputation *r = open_at(NULL);
    kw_error err;
    for (unsigned i = 0; i < KW_REPUTATION_ROWS; i++) {
        const kw_peer_id p = peer_of(i);
        assert_int_equal(kw_reputation_ban(r, &p, NULL, KW_REPUTATION_FOREVER, &err), KW_OK);
    }
    const kw_peer_id more = peer_of(1000000);
    kw_reputation_report(r, &more, NULL, KW_CONDUCT_BAD_BLOCK);
    assert_true(kw_reputation_allows(r, &more, NULL));
    assert_int_equal(kw_reputation_ban(r, &more, NULL, 60, &err), KW_E_LIMIT);
    kw_reputation_close(r);
}

/* ---- the database ---- */

static void path_of_test(char out[64])
{
    (void)snprintf(out, 64, "/tmp/kwaai-reputation-XXXXXX");
    const int fd = mkstemp(out);
    assert_true(fd >= 0);
    close(fd);
}

static void remove_all(const char *path)
{
    char name[80];
    unlink(path);
    (void)snprintf(name, sizeof name, "%s-wal", path);
    unlink(name);
    (void)snprintf(name, sizeof name, "%s-shm", path);
    unlink(name);
}

static void bans_outlive_the_process(void **state)
{
    (void)state;
    char path[64];
    path_of_test(path);
    const kw_peer_id p = peer_of(1), q = peer_of(2);
    const kw_multiaddr addr = addr_of("/ip4/192.0.2.7/tcp/1");
    kw_reputation *r = open_at(path);
    kw_reputation_report(r, &p, &addr, KW_CONDUCT_BAD_BLOCK);
    assert_int_equal(kw_reputation_ban(r, NULL, &addr, KW_REPUTATION_FOREVER, NULL), KW_OK);
    kw_reputation_report(r, &q, NULL, KW_CONDUCT_STALL);
    kw_reputation_close(r);
    clock_ms += 60000;
    n_banned = 0;
    r = open_at(path);
    assert_int_equal(n_banned, 1); /* whoever is connected is looked at */
    assert_false(kw_reputation_allows(r, &p, NULL));
    assert_false(kw_reputation_allows(r, NULL, &addr));
    assert_true(kw_reputation_score(r, &q) < -9);
    assert_int_equal(kw_reputation_unban(r, NULL, &addr, NULL), KW_OK);
    kw_reputation_close(r);
    clock_ms += 600000;
    r = open_at(path);
    assert_true(kw_reputation_allows(r, &p, &addr));
    kw_reputation_close(r);
    remove_all(path);
}

static void two_processes_add_up(void **state)
{
    (void)state;
    char path[64];
    path_of_test(path);
    const kw_peer_id p = peer_of(1), q = peer_of(2);
    kw_reputation *a = open_at(path), *b = open_at(path);
    for (int i = 0; i < 2; i++) {
        kw_reputation_report(a, &p, NULL, KW_CONDUCT_MALFORMED);
        kw_reputation_report(b, &p, NULL, KW_CONDUCT_MALFORMED);
    }
    assert_int_equal(kw_reputation_sync(a, NULL), KW_OK);
    assert_true(kw_reputation_allows(a, &p, NULL));
    assert_int_equal(kw_reputation_sync(b, NULL), KW_OK);
    assert_false(kw_reputation_allows(b, &p, NULL)); /* four times 20 */
    n_banned = 0;
    assert_int_equal(kw_reputation_sync(a, NULL), KW_OK);
    assert_false(kw_reputation_allows(a, &p, NULL));
    assert_int_equal(n_banned, 1);
    kw_reputation_report(a, &q, NULL, KW_CONDUCT_MALFORMED);
    assert_int_equal(kw_reputation_sync(a, NULL), KW_OK);
    kw_reputation_good(b, &q, 5 << 20);
    assert_int_equal(kw_reputation_sync(b, NULL), KW_OK);
    assert_int_equal(kw_reputation_sync(a, NULL), KW_OK);
    assert_float_equal(kw_reputation_score(a, &q), -15, 1e-6);
    assert_int_equal(kw_reputation_unban(b, &p, NULL, NULL), KW_OK);
    assert_int_equal(kw_reputation_sync(a, NULL), KW_OK);
    assert_true(kw_reputation_allows(a, &p, NULL));
    kw_reputation_close(a);
    kw_reputation_close(b);
    remove_all(path);
}

static void a_damaged_database_is_said(void **state)
{
    (void)state;
    char path[64];
    path_of_test(path);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    for (int i = 0; i < 5000; i++)
        fputc(i % 251, f);
    fclose(f);
    const kw_reputation_config config = {.path = path};
    kw_reputation *r = NULL;
    kw_error err;
    assert_int_equal(kw_reputation_open(&config, &r, &err), KW_E_FORMAT);
    assert_null(r);
    assert_non_null(strstr(err.message, path));
    remove_all(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(scores_fall_and_recover, set_up),
        cmocka_unit_test_setup(bans_end_and_grow, set_up),
        cmocka_unit_test_setup(slowness_alone_does_not_ban, set_up),
        cmocka_unit_test_setup(addresses_answer_for_their_peers, set_up),
        cmocka_unit_test_setup(owners_ban_and_unban, set_up),
        cmocka_unit_test_setup(strangers_push_out_strangers, set_up),
        cmocka_unit_test_setup(a_table_full_of_bans, set_up),
        cmocka_unit_test_setup(bans_outlive_the_process, set_up),
        cmocka_unit_test_setup(two_processes_add_up, set_up),
        cmocka_unit_test_setup(a_damaged_database_is_said, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
