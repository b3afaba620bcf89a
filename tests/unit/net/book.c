/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* book.c - the peer book: newest first, expiry, pins, bounds, backoff. */
#include "net/book.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static kw_book *open_book(void)
{
    kw_book *book = NULL;
    assert_int_equal(kw_book_open(99, &book, NULL), KW_OK);
    return book;
}

static kw_peer_id peer(uint32_t n)
{
    kw_peer_id id = {.len = 34, .bytes = {0x12, 0x20}};
    memcpy(id.bytes + 2, &n, sizeof n);
    return id;
}

static kw_multiaddr addr(uint8_t n)
{
    return (kw_multiaddr){.len = 8, .bytes = {4, 127, 0, 0, n, 6, 0x0f, 0xa1}};
}

static void learn(kw_book *book, uint32_t who, uint8_t where, uint64_t now, uint64_t ttl)
{
    const kw_peer_id id = peer(who);
    const kw_multiaddr a = addr(where);
    assert_int_equal(kw_book_learn(book, &id, &a, now, ttl, NULL), KW_OK);
}

static size_t known(kw_book *book, uint32_t who, uint64_t now, kw_multiaddr out[KW_BOOK_ADDRS])
{
    const kw_peer_id id = peer(who);
    return kw_book_known(book, &id, now, out, KW_BOOK_ADDRS);
}

static void newest_first_and_once(void **state)
{
    (void)state;
    kw_book *book = open_book();
    kw_multiaddr out[KW_BOOK_ADDRS];
    learn(book, 1, 1, 0, 1000);
    learn(book, 1, 2, 0, 1000);
    learn(book, 1, 1, 5, 10);
    assert_int_equal(known(book, 1, 900, out), 2);
    assert_int_equal(out[0].bytes[4], 1);
    assert_int_equal(out[1].bytes[4], 2);
    assert_int_equal(known(book, 2, 0, out), 0);
    kw_book_close(book);
}

static void addresses_expire_unless_pinned(void **state)
{
    (void)state;
    kw_book *book = open_book();
    kw_multiaddr out[KW_BOOK_ADDRS];
    const kw_peer_id id = peer(1);
    learn(book, 1, 1, 0, 100);
    kw_book_pin(book, &id, true);
    assert_int_equal(known(book, 1, 500, out), 1);
    kw_book_pin(book, &id, false);
    assert_int_equal(known(book, 1, 500, out), 0);
    learn(book, 1, 2, 500, UINT64_MAX);
    assert_int_equal(known(book, 1, UINT64_MAX - 1, out), 1);
    kw_book_close(book);
}

static void bounds_hold(void **state)
{
    (void)state;
    kw_book *book = open_book();
    kw_multiaddr out[KW_BOOK_ADDRS];
    for (uint8_t i = 0; i < 40; i++)
        learn(book, 1, i, 0, 1000 + i);
    assert_int_equal(known(book, 1, 0, out), KW_BOOK_ADDRS);
    assert_int_equal(out[KW_BOOK_ADDRS - 1].bytes[4], 40 - KW_BOOK_ADDRS);
    for (uint32_t i = 2; i < KW_BOOK_PEERS + 20; i++)
        learn(book, i, 1, 0, 2000 + i);
    assert_int_equal(kw_book_size(book), KW_BOOK_PEERS);
    assert_int_equal(known(book, 1, 0, out), 0); /* it would have expired first */
    assert_int_equal(known(book, KW_BOOK_PEERS + 19, 0, out), 1);
    kw_book_close(book);
}

static void backoff_doubles_and_ends(void **state)
{
    (void)state;
    kw_book *book = open_book();
    const kw_peer_id id = peer(1);
    assert_int_equal(kw_book_wait(book, &id, 0), 0);
    kw_book_failed(book, &id, 0);
    assert_int_equal(kw_book_wait(book, &id, 1000), 4000);
    assert_int_equal(kw_book_wait(book, &id, 5000), 0);
    kw_book_failed(book, &id, 5000);
    assert_int_equal(kw_book_wait(book, &id, 5000), 10000);
    for (int i = 0; i < 70; i++)
        kw_book_failed(book, &id, 0);
    assert_int_equal(kw_book_wait(book, &id, 0), 300000);
    kw_book_reached(book, &id);
    assert_int_equal(kw_book_wait(book, &id, 0), 0);
    kw_book_close(book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newest_first_and_once), cmocka_unit_test(addresses_expire_unless_pinned),
        cmocka_unit_test(bounds_hold), cmocka_unit_test(backoff_doubles_and_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
