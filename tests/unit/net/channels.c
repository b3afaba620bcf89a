/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* channels.c - messages on a data channel cut anywhere, what is no message, and DCEP. */
#include "net/channels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "net/dcep.h"

/* Feeds bytes `step` at a time; how many messages came, the last in *out (its bytes copied). */
static int feed(const uint8_t *bytes, size_t len, size_t step, kw_channel_flag *flag, kw_fifo *all,
                bool *bad)
{
    kw_fifo part = {0};
    int n = 0;
    *bad = false;
    for (size_t at = 0; at < len && !*bad; at += step) {
        kw_bytes in = {bytes + at, KW_MIN(step, len - at)};
        kw_channel_message message;
        kw_channel_result result;
        while ((result = kw_channel_next(&part, &in, &message)) == KW_CHANNEL_ONE) {
            n++;
            *flag = message.flag;
            assert_true(kw_fifo_add(all, message.bytes));
            kw_channel_taken(&part);
        }
        *bad = result == KW_CHANNEL_BAD;
        assert_int_not_equal(result, KW_CHANNEL_NOMEM);
    }
    kw_fifo_free(&part);
    return n;
}

static void any_cut(void **state)
{
    (void)state;
    static uint8_t wire[3 * KW_CHANNEL_MESSAGE], payload[KW_CHANNEL_BYTES];
    static const size_t lengths[] = {0, 1, 5, 127, 128, 16000, KW_CHANNEL_BYTES};
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < KW_COUNT(lengths); i++) {
        const kw_bytes bytes = {payload, lengths[i]};
        size_t len = kw_channel_put(wire, KW_CHANNEL_NONE, bytes);
        len += kw_channel_put(wire + len, KW_CHANNEL_FIN, bytes);
        assert_true(len <= 2 * KW_CHANNEL_MESSAGE);
        len += kw_channel_put(wire + len, KW_CHANNEL_FIN_ACK, (kw_bytes){0});
        static const size_t steps[] = {1, 2, 3, 1000, 16384, sizeof wire};
        for (size_t k = 0; k < KW_COUNT(steps); k++) {
            kw_channel_flag flag = KW_CHANNEL_NONE;
            kw_fifo all = {0};
            bool bad;
            assert_int_equal(feed(wire, len, steps[k], &flag, &all, &bad), 3);
            assert_false(bad);
            assert_int_equal(flag, KW_CHANNEL_FIN_ACK);
            assert_int_equal(all.len, 2 * lengths[i]);
            if (lengths[i])
                assert_memory_equal(kw_fifo_view(&all).data + lengths[i], payload, lengths[i]);
            kw_fifo_free(&all);
        }
    }
}

/* As js-libp2p says FIN and FIN_ACK. */
static void known_bytes(void **state)
{
    (void)state;
    uint8_t out[KW_CHANNEL_HEAD];
    assert_int_equal(kw_channel_put(out, KW_CHANNEL_FIN, (kw_bytes){0}), 3);
    assert_memory_equal(out, "\x02\x08\x00", 3);
    assert_int_equal(kw_channel_put(out, KW_CHANNEL_FIN_ACK, (kw_bytes){0}), 3);
    assert_memory_equal(out, "\x02\x08\x03", 3);
}

static void no_message(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } wrong[] = {{"\x81\x80\x01", 3},         /* 16,385 bytes are announced */
                 {"\xff\xff\xff\xff\x01", 5}, /* no length of this kind */
                 {"\x02\x12\x05", 3},         /* a field past the end */
                 {"\x01\x0b", 2}};            /* a group */
    for (size_t i = 0; i < KW_COUNT(wrong); i++) {
        for (size_t step = 1; step <= wrong[i].len; step++) {
            kw_channel_flag flag = KW_CHANNEL_NONE;
            kw_fifo all = {0};
            bool bad;
            assert_int_equal(
                feed((const uint8_t *)wrong[i].bytes, wrong[i].len, step, &flag, &all, &bad), 0);
            assert_true(bad);
            kw_fifo_free(&all);
        }
    }
}

static void unknown_flags_are_ignored(void **state)
{
    (void)state;
    kw_channel_flag flag = KW_CHANNEL_FIN;
    kw_fifo all = {0};
    bool bad;
    assert_int_equal(feed((const uint8_t *)"\x04\x08\x09\x18\x01", 5, 5, &flag, &all, &bad), 1);
    assert_false(bad);
    assert_int_equal(flag, KW_CHANNEL_NONE);
}

static void dcep(void **state)
{
    (void)state;
    uint8_t open[KW_DCEP_OPEN_LEN];
    kw_dcep said;
    kw_error err;
    kw_dcep_open(open);
    assert_int_equal(kw_dcep_read((kw_bytes){open, sizeof open}, &said, &err), KW_OK);
    assert_int_equal(said.kind, KW_DCEP_OPEN);
    assert_int_equal(said.channel_type, 0);
    assert_int_equal(said.label.len, 0);
    for (size_t n = 0; n < sizeof open; n++)
        assert_int_not_equal(kw_dcep_read((kw_bytes){open, n}, &said, &err), KW_OK);
    const uint8_t named[] = {3, 0x80, 1, 0, 0, 0, 0, 3, 0, 2, 0, 1, 'a', 'b', 'c'};
    assert_int_equal(kw_dcep_read((kw_bytes){named, sizeof named}, &said, &err), KW_OK);
    assert_int_equal(said.channel_type, 0x80);
    assert_true(kw_str_is(said.label, "ab"));
    assert_true(kw_str_is(said.protocol, "c"));
    assert_int_not_equal(kw_dcep_read((kw_bytes){named, sizeof named - 1}, &said, &err), KW_OK);
    const uint8_t ack[] = {2}, other[] = {9};
    assert_int_equal(kw_dcep_read((kw_bytes){ack, 1}, &said, &err), KW_OK);
    assert_int_equal(said.kind, KW_DCEP_ACK);
    assert_int_equal(kw_dcep_read((kw_bytes){other, 1}, &said, &err), KW_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_cut), cmocka_unit_test(known_bytes), cmocka_unit_test(no_message),
        cmocka_unit_test(unknown_flags_are_ignored), cmocka_unit_test(dcep)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
