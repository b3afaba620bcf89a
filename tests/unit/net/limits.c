/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* limits.c - connections and handshakes of one address, IPv6 by its /64, and a table that is full.
 */
#include "net/limits.h"

#include "net/bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const uint8_t one[4] = {10, 0, 0, 1}, two[4] = {10, 0, 0, 2};

static kw_limits *open_limits(size_t connections, size_t handshakes, size_t burst)
{
    kw_limits *limits = NULL;
    assert_int_equal(kw_limits_open(connections, handshakes, burst, 7, &limits, NULL), KW_OK);
    return limits;
}

static void connections_are_counted(void **state)
{
    (void)state;
    kw_limits *limits = open_limits(2, 100, 100);
    kw_error err;
    assert_int_equal(kw_limits_enter(limits, false, one, 0, &err), KW_OK);
    assert_int_equal(kw_limits_enter(limits, false, one, 0, &err), KW_OK);
    assert_int_equal(kw_limits_enter(limits, false, one, 0, &err), KW_E_LIMIT);
    assert_int_equal(kw_limits_enter(limits, false, two, 0, &err), KW_OK);
    kw_limits_leave(limits, false, one, 0);
    assert_int_equal(kw_limits_enter(limits, false, one, 0, &err), KW_OK);
    kw_limits_close(limits);
}

static void handshakes_refill(void **state)
{
    (void)state;
    kw_limits *limits = open_limits(100, 4, 8);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(kw_limits_enter(limits, false, one, 1000, NULL), KW_OK);
        kw_limits_leave(limits, false, one, 1000);
    }
    assert_int_equal(kw_limits_enter(limits, false, one, 1000, NULL), KW_E_LIMIT);
    assert_int_equal(kw_limits_enter(limits, false, one, 1249, NULL), KW_E_LIMIT);
    assert_int_equal(kw_limits_enter(limits, false, one, 1251, NULL), KW_OK);
    assert_int_equal(kw_limits_enter(limits, false, one, 1252, NULL), KW_E_LIMIT);
    kw_limits_close(limits);
}

static void requests_wait_for_their_turn(void **state)
{
    (void)state;
    const kw_rate rate = {.per_second = 100, .burst = 400};
    kw_limits *limits = open_limits(4, 100, 100);
    assert_true(kw_limits_request(limits, false, one, 1e9, 0)); /* it never came in */
    kw_limits_set_requests(limits, &rate);
    assert_int_equal(kw_limits_enter(limits, false, one, 1000, NULL), KW_OK);
    assert_int_equal(kw_limits_enter(limits, false, two, 1000, NULL), KW_OK);
    assert_true(kw_limits_request(limits, false, one, 500, 1000)); /* into debt, once */
    assert_false(kw_limits_request(limits, false, one, 1, 1000));
    assert_false(kw_limits_request(limits, false, one, 1, 1999));
    assert_true(kw_limits_request(limits, false, one, 1, 2010));
    assert_true(kw_limits_request(limits, false, two, 1, 1000)); /* another's debt is not its own */
    /* Who leaves in debt comes back to it. */
    assert_true(kw_limits_request(limits, false, one, 1000, 2100));
    kw_limits_leave(limits, false, one, 2100);
    assert_int_equal(kw_limits_enter(limits, false, one, 2200, NULL), KW_OK);
    assert_false(kw_limits_request(limits, false, one, 1, 2200));
    assert_true(kw_limits_request(limits, false, one, 1, 1000000));
    kw_limits_close(limits);
}

/* A little from the beginning, a little with time, and what is earned, up to an end. */
static void credit_is_earned(void **state)
{
    (void)state;
    kw_limits *limits = open_limits(4, 100, 100);
    assert_false(kw_limits_has_credit(limits, false, one, 0)); /* it never came in */
    assert_int_equal(kw_limits_enter(limits, false, one, 1000, NULL), KW_OK);
    kw_limits_earn(limits, false, one, -255, 1000);
    assert_true(kw_limits_has_credit(limits, false, one, 1000));
    kw_limits_earn(limits, false, one, -129, 1000);
    assert_false(kw_limits_has_credit(limits, false, one, 2900));
    assert_true(kw_limits_has_credit(limits, false, one, 3100));
    kw_limits_earn(limits, false, one, -1000, 3100);
    kw_limits_earn(limits, false, one, 1000, 3100);
    assert_true(kw_limits_has_credit(limits, false, one, 3100));
    kw_limits_earn(limits, false, one, 1e9, 3100);
    kw_limits_earn(limits, false, one, -4096, 3100);
    assert_false(kw_limits_has_credit(limits, false, one, 3100));
    /* Who leaves in debt comes back to it, under another key too. */
    kw_limits_leave(limits, false, one, 3100);
    assert_int_equal(kw_limits_enter(limits, false, one, 3101, NULL), KW_OK);
    kw_limits_earn(limits, false, one, -1, 3101);
    assert_false(kw_limits_has_credit(limits, false, one, 3110));
    kw_limits_close(limits);
}

static void networks_of_ip6_are_one(void **state)
{
    (void)state;
    kw_limits *limits = open_limits(1, 100, 100);
    uint8_t six[16] = {0x20, 0x01, 0x0d, 0xb8};
    const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1};
    assert_int_equal(kw_limits_enter(limits, true, six, 0, NULL), KW_OK);
    six[15] = 9; /* the same subscriber */
    assert_int_equal(kw_limits_enter(limits, true, six, 0, NULL), KW_E_LIMIT);
    six[7] = 9; /* another */
    assert_int_equal(kw_limits_enter(limits, true, six, 0, NULL), KW_OK);
    assert_int_equal(kw_limits_enter(limits, true, mapped, 0, NULL), KW_OK);
    assert_int_equal(kw_limits_enter(limits, false, one, 0, NULL), KW_E_LIMIT);
    kw_limits_close(limits);
}

static void a_full_table_refuses_and_recovers(void **state)
{
    (void)state;
    kw_limits *limits = open_limits(1, 1, 1);
    size_t let_in = 0;
    for (uint32_t i = 0; i < 3 * KW_LIMITS_ADDRESSES; i++) {
        const uint8_t address[4] = {11, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        if (kw_limits_enter(limits, false, address, 0, NULL) == KW_OK)
            let_in++;
    }
    assert_in_range(let_in, KW_LIMITS_ADDRESSES / 2, KW_LIMITS_ADDRESSES);
    for (uint32_t i = 0; i < 3 * KW_LIMITS_ADDRESSES; i++) {
        const uint8_t address[4] = {11, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        kw_limits_leave(limits, false, address, 0);
    }
    assert_int_equal(kw_limits_enter(limits, false, one, 5000, NULL), KW_OK);
    kw_limits_close(limits);
}

/* Two who send as much as they may take turns at one rate, whatever size they send at a time; alone
 * one has all of it. */
static void one_cap(void **state)
{
    kw_cap cap = kw_cap_of(1000000, 1);
    double sent[KW_CAP_SENDERS] = {0};
    (void)state;
    for (uint64_t now = 1; now < 20001; now += 10)
        for (int i = 0; i < KW_CAP_SENDERS; i++) {
            const double size = i == KW_CAP_BITSWAP ? 300000 : 32768;
            while ((i != KW_CAP_HTTP || now < 10001) && kw_cap_has(&cap, (kw_cap_sender)i, now)) {
                kw_cap_spend(&cap, (kw_cap_sender)i, size);
                sent[i] += size;
            }
        }
    assert_in_range((uint64_t)(sent[0] + sent[1]), 19500000, 20900000);
    assert_in_range((uint64_t)sent[KW_CAP_HTTP], 500000, 9000000); /* in ten seconds, in turns */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_cap),
                                       cmocka_unit_test(connections_are_counted),
                                       cmocka_unit_test(handshakes_refill),
                                       cmocka_unit_test(requests_wait_for_their_turn),
                                       cmocka_unit_test(credit_is_earned),
                                       cmocka_unit_test(networks_of_ip6_are_one),
                                       cmocka_unit_test(a_full_table_refuses_and_recovers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
