/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_message.c - the message of Kademlia reads as others write it, and its keys are theirs. */
#include "net/kad_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hex.h"

static kw_bytes view(const kw_buf *buf)
{
    return (kw_bytes){(const uint8_t *)buf->data, buf->len};
}

static kw_peer_id peer_of_seed_1(void)
{
    kw_peer_id id;
    const kw_str text = KW_STR("12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5");
    assert_int_equal(kw_peer_id_parse(text, &id, NULL), KW_OK);
    return id;
}

/* Vectors of js-libp2p: the key of a multihash, and of a peer. */
static void keys_are_those_of_others(void **state)
{
    (void)state;
    uint8_t hash[34], key[32], node[32];
    (void)kw_hex("1220e536c7f88d731f374dccb568aff6f56e838a19382e488039b1ca8ad2599e82fe", hash, 34);
    (void)kw_hex("d623250f3f660ab4c3a53d3c97b3f6a0194c548053488d093520206248253bcb", key, 32);
    (void)kw_hex("2ea99e04b7226ebb09856fdd2c3df7aad5dbc53dbcbb110d5e1ff64b7626122e", node, 32);
    const kw_kad_key of_hash = kw_kad_key_of((kw_bytes){hash, sizeof hash});
    assert_memory_equal(of_hash.bytes, key, 32);
    const kw_peer_id id = peer_of_seed_1();
    const kw_kad_key of_peer = kw_kad_key_of_peer(&id);
    assert_memory_equal(of_peer.bytes, node, 32);
}

static void distance_is_by_the_first_bit_that_differs(void **state)
{
    (void)state;
    kw_kad_key zero = {{0}}, low = {{0}}, high = {{0}};
    low.bytes[31] = 1;
    high.bytes[2] = 0x10;
    assert_int_equal(kw_kad_common_bits(&zero, &zero), KW_KAD_KEY_BITS);
    assert_int_equal(kw_kad_common_bits(&zero, &low), 255);
    assert_int_equal(kw_kad_common_bits(&zero, &high), 19);
    assert_true(kw_kad_compare(&zero, &low, &high) < 0);
    assert_true(kw_kad_compare(&high, &low, &high) > 0);
    assert_int_equal(kw_kad_compare(&zero, &low, &low), 0);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    kw_buf out = {0};
    kw_kad_peer peer = {.id = peer_of_seed_1()};
    for (size_t i = 0; i < KW_KAD_ADDRS; i++) {
        const uint8_t ip[4] = {192, 168, 0, (uint8_t)i};
        peer.addrs[peer.n_addrs++] = kw_multiaddr_of_ip(false, ip, 4001, false);
    }
    kw_kad_put_head(&out, KW_KAD_GET_PROVIDERS, (kw_bytes){(const uint8_t *)"key", 3});
    for (int i = 0; i < 3; i++)
        kw_kad_put_peer(&out, KW_KAD_CLOSER, &peer);
    kw_kad_put_peer(&out, KW_KAD_PROVIDERS, &peer);
    kw_kad_put_record(&out, (kw_bytes){(const uint8_t *)"key", 3},
                      (kw_bytes){(const uint8_t *)"value", 5}, 1795648530);
    assert_int_equal(kw_buf_status(&out, NULL), KW_OK);
    assert_non_null(memmem(out.data, out.len, "2026-11-25T23:15:30.000000000Z", 30));

    kw_kad_message message;
    assert_int_equal(kw_kad_message_get(view(&out), &message, NULL), KW_OK);
    assert_int_equal(message.type, KW_KAD_GET_PROVIDERS);
    assert_int_equal(message.key.len, 3);
    assert_true(message.has_record);
    assert_memory_equal(message.record_value.data, "value", 5);
    kw_kad_peer got;
    size_t n = 0;
    for (kw_pb at = kw_pb_read(message.body); kw_kad_message_next(&at, KW_KAD_CLOSER, &got); n++) {
        assert_true(kw_peer_id_equal(&got.id, &peer.id));
        assert_int_equal(got.n_addrs, KW_KAD_ADDRS);
        assert_true(kw_multiaddr_equal(&got.addrs[7], &peer.addrs[7]));
    }
    assert_int_equal(n, 3);
    kw_buf_free(&out);
}

static void what_does_not_parse_is_skipped(void **state)
{
    (void)state;
    kw_buf out = {0};
    kw_kad_peer peer = {.id = peer_of_seed_1()};
    kw_kad_put_head(&out, KW_KAD_FIND_NODE, (kw_bytes){NULL, 0});
    size_t begin = kw_pb_begin(&out); /* an id that is none */
    kw_pb_put_bytes(&out, 1, (kw_bytes){(const uint8_t *)"nobody", 6});
    kw_pb_end(&out, KW_KAD_CLOSER, begin);
    begin = kw_pb_begin(&out); /* an address of a kind that nobody knows, and one without an end */
    kw_pb_put_bytes(&out, 1, (kw_bytes){peer.id.bytes, peer.id.len});
    kw_pb_put_bytes(&out, 2, (kw_bytes){(const uint8_t *)"\xff\x7f\x01", 3});
    kw_pb_put_bytes(&out, 2, (kw_bytes){(const uint8_t *)"\x04\x0a", 2});
    kw_pb_end(&out, KW_KAD_CLOSER, begin);
    kw_pb_put_bytes(&out, KW_KAD_CLOSER, (kw_bytes){(const uint8_t *)"\x0a\x63", 2});
    kw_kad_message message;
    kw_kad_peer got;
    assert_int_equal(kw_kad_message_get(view(&out), &message, NULL), KW_OK);
    kw_pb at = kw_pb_read(message.body);
    assert_true(kw_kad_message_next(&at, KW_KAD_CLOSER, &got));
    assert_true(kw_peer_id_equal(&got.id, &peer.id));
    assert_int_equal(got.n_addrs, 0);
    assert_false(kw_kad_message_next(&at, KW_KAD_CLOSER, &got));
    kw_buf_free(&out);
}

static void limits_are_kept(void **state)
{
    (void)state;
    static uint8_t big[KW_KAD_VALUE_MAX + 1];
    kw_kad_message message;
    kw_error err;
    kw_buf out = {0};
    kw_kad_put_head(&out, KW_KAD_GET_VALUE, (kw_bytes){big, KW_KAD_KEY_MAX + 1});
    assert_int_equal(kw_kad_message_get(view(&out), &message, &err), KW_E_LIMIT);
    out.len = 0;
    kw_kad_put_record(&out, (kw_bytes){big, 1}, (kw_bytes){big, sizeof big}, 0);
    assert_int_equal(kw_kad_message_get(view(&out), &message, &err), KW_E_LIMIT);
    assert_int_equal(kw_kad_message_get((kw_bytes){(const uint8_t *)"\x08\x06", 2}, &message, &err),
                     KW_E_FORMAT);
    assert_int_equal(kw_kad_message_get((kw_bytes){(const uint8_t *)"\x12\x06", 2}, &message, &err),
                     KW_E_FORMAT);
    kw_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_those_of_others),
        cmocka_unit_test(distance_is_by_the_first_bit_that_differs),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_does_not_parse_is_skipped),
        cmocka_unit_test(limits_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
