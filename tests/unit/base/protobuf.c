/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* protobuf.c - varints and protocol buffers: what is written is read, what breaks a rule is bad. */
#include "base/protobuf.h"
#include "base/uvarint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

static void uvarints(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        uint8_t bytes[10];
        size_t len;
    } cases[] = {
        {0, {0}, 1},
        {127, {0x7f}, 1},
        {128, {0x80, 1}, 2},
        {300, {0xac, 2}, 2},
        {16384, {0x80, 0x80, 1}, 3},
        {UINT64_MAX, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, 10},
    };
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        uint8_t out[KW_UVARINT_MAX];
        uint64_t value;
        size_t used;
        assert_int_equal(kw_uvarint_put(out, cases[i].value), cases[i].len);
        assert_memory_equal(out, cases[i].bytes, cases[i].len);
        for (size_t n = 0; n < cases[i].len; n++)
            assert_int_equal(kw_uvarint_get((kw_bytes){out, n}, 10, true, &value, &used),
                             KW_UVARINT_MORE);
        assert_int_equal(kw_uvarint_get((kw_bytes){out, cases[i].len}, 10, true, &value, &used),
                         KW_UVARINT_OK);
        assert_true(value == cases[i].value && used == cases[i].len);
    }
}

static kw_uvarint_result get(const char *bytes, size_t len, size_t max, bool strict)
{
    uint64_t value;
    size_t used;
    return kw_uvarint_get((kw_bytes){(const uint8_t *)bytes, len}, max, strict, &value, &used);
}

static void bad_uvarints(void **state)
{
    (void)state;
    assert_int_equal(get("\x80\x00", 2, 9, true), KW_UVARINT_BAD);
    assert_int_equal(get("\x80\x00", 2, 9, false), KW_UVARINT_OK);
    assert_int_equal(get("\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 9, 9, true), KW_UVARINT_OK);
    assert_int_equal(get("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, 9, true), KW_UVARINT_BAD);
    assert_int_equal(get("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, 10, true), KW_UVARINT_BAD);
    assert_int_equal(get("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10, 99, false),
                     KW_UVARINT_BAD);
    assert_int_equal(get("", 0, 9, true), KW_UVARINT_MORE);
}

static void round_trip(void **state)
{
    (void)state;
    kw_buf out = {0};
    kw_pb_field f;
    kw_pb_put_u64(&out, 1, 150);
    kw_pb_put_text(&out, 2, KW_STR("testing"));
    const size_t outer = kw_pb_begin(&out);
    kw_pb_put_fixed64(&out, 9, 0x0102030405060708);
    const size_t inner = kw_pb_begin(&out);
    kw_pb_end(&out, 3, inner);
    kw_pb_end(&out, 536870911, outer);
    static const uint8_t head[] = {0x08, 0x96, 0x01, 0x12, 0x07, 't'};
    assert_memory_equal(out.data, head, sizeof(head));
    kw_pb m = kw_pb_read((kw_bytes){(const uint8_t *)out.data, out.len});
    assert_true(kw_pb_next(&m, &f) && f.number == 1 && f.type == KW_PB_VARINT && f.value == 150);
    assert_true(kw_pb_next(&m, &f) && f.number == 2 && f.type == KW_PB_BYTES && f.bytes.len == 7);
    assert_true(kw_pb_next(&m, &f) && f.number == 536870911 && f.type == KW_PB_BYTES);
    kw_pb nested = kw_pb_read(f.bytes);
    assert_true(kw_pb_next(&nested, &f) && f.number == 9 && f.value == 0x0102030405060708);
    assert_true(kw_pb_next(&nested, &f) && f.number == 3 && f.bytes.len == 0);
    assert_true(!kw_pb_next(&nested, &f) && !nested.bad && !kw_pb_next(&m, &f) && !m.bad);
    kw_buf_free(&out);
}

/* A whole message is read, each of its beginnings that cuts a field is bad. */
static void cut(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x08, 0x96, 0x01, 0x12, 2, 'a', 'b', 0x1d, 1, 0, 0,
                                    0,    0x21, 1,    0,    0, 0,   0,   0,    0, 0};
    static const size_t ends[] = {0, 3, 7, 12, 21};
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        kw_pb m = kw_pb_read((kw_bytes){bytes, n});
        kw_pb_field f;
        bool is_end = false;
        while (kw_pb_next(&m, &f))
            ;
        for (size_t i = 0; i < KW_COUNT(ends); i++)
            is_end = is_end || ends[i] == n;
        assert_int_equal(m.bad, !is_end);
    }
}

static void broken_rules(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[12];
        size_t len;
    } cases[] = {
        {{0x00, 1}, 2},                          /* field 0 */
        {{0x0b, 0x0c}, 2},                       /* a group */
        {{0x0e, 1}, 2},                          /* type 6 */
        {{0x12, 0xff, 0xff, 0xff, 0xff, 15}, 6}, /* a length past the end */
        {{0x80, 0x80, 0x80, 0x80, 0x10, 1}, 6},  /* field 2^29 */
        {{0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, 11},
    };
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        kw_pb m = kw_pb_read((kw_bytes){cases[i].bytes, cases[i].len});
        kw_pb_field f;
        assert_false(kw_pb_next(&m, &f));
        assert_true(m.bad);
        assert_false(kw_pb_next(&m, &f));
    }
    static const uint8_t number[] = {0x08, 1};
    kw_pb m = kw_pb_read((kw_bytes){number, 2});
    kw_pb_field f;
    kw_bytes bytes;
    uint64_t value;
    assert_true(kw_pb_next(&m, &f) && kw_pb_u64(&m, &f, &value) && value == 1);
    assert_false(kw_pb_bytes(&m, &f, &bytes));
    assert_true(m.bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uvarints), cmocka_unit_test(bad_uvarints), cmocka_unit_test(round_trip),
        cmocka_unit_test(cut),      cmocka_unit_test(broken_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
