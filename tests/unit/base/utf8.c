/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* utf8.c - every scalar value there and back; every sequence of bytes that is none is refused, by
 * comparison with a decoder written from the definition of code points instead of byte ranges. */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The length of the valid character at text[0..len), or 0: decodes by bit fields, then refuses what
 * is overlong, a surrogate, or beyond 10FFFF. */
static size_t reference(const unsigned char *text, size_t len, uint32_t *out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char c = text[0];
    const size_t n = c < 0x80             ? 1
                     : (c & 0xE0) == 0xC0 ? 2
                     : (c & 0xF0) == 0xE0 ? 3
                     : (c & 0xF8) == 0xF0 ? 4
                                          : 0;
    if (n == 0 || n > len)
        return 0;
    uint32_t value = n == 1 ? c : c & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (text[i] & 0x3F);
    }
    if (value < least[n] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *out = value;
    return n;
}

static void every_scalar_value_returns(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        char text[4];
        uint32_t back;
        const size_t n = kw_utf8_encode(c, text);
        if (c >= 0xD800 && c <= 0xDFFF) {
            assert_int_equal(n, 0);
            continue;
        }
        assert_int_equal(n, c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4);
        assert_int_equal(kw_utf8_decode(text, n, &back), n);
        assert_int_equal(back, c);
        assert_true(kw_utf8_valid(text, n));
        for (size_t cut = 1; cut < n; cut++) {
            assert_int_equal(kw_utf8_complete(text, cut), 0);
            assert_false(kw_utf8_valid(text, cut));
        }
        assert_int_equal(kw_utf8_complete(text, n), n);
    }
    char text[4];
    assert_int_equal(kw_utf8_encode(0x110000, text), 0);
    assert_int_equal(kw_utf8_encode(KW_UTF8_BAD, text), 0);
}

/* All first and second bytes, with third and fourth at the edges of their ranges. */
static void every_sequence_decodes_as_defined(void **state)
{
    (void)state;
    static const unsigned char edge[] = {0x00, 0x7F, 0x80, 0x8F, 0x90,
                                         0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
    for (unsigned i = 0; i < 65536u * 100; i++) {
        const unsigned char text[4] = {(unsigned char)(i >> 8), (unsigned char)i,
                                       edge[(i >> 16) % 10], edge[(i >> 16) / 10]};
        for (size_t len = 1; len <= 4; len++) {
            uint32_t want = KW_UTF8_BAD, got;
            const size_t n = reference(text, len, &want);
            const size_t used = kw_utf8_decode((const char *)text, len, &got);
            if (got != want || used != (n ? n : 1))
                fail_msg("%02x %02x %02x %02x of %zu bytes", text[0], text[1], text[2], text[3],
                         len);
        }
    }
}

/* A character or an error at every position of a long text, so that blocks of eight are crossed. */
static void validity_of_long_texts(void **state)
{
    (void)state;
    static const char *const parts[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    char text[64];
    for (size_t at = 0; at < 40; at++) {
        for (size_t p = 0; p < 3; p++) {
            memset(text, 'a', sizeof(text));
            memcpy(text + at, parts[p], strlen(parts[p]));
            assert_true(kw_utf8_valid(text, sizeof(text)));
            text[at] = 'a';
            assert_false(kw_utf8_valid(text, sizeof(text)));
        }
    }
    assert_true(kw_utf8_valid("", 0));
    assert_false(kw_utf8_valid("\xC0\x80", 2));
}

static void complete_keeps_what_can_still_become_valid(void **state)
{
    (void)state;
    assert_int_equal(kw_utf8_complete("", 0), 0);
    assert_int_equal(kw_utf8_complete("ab", 2), 2);
    assert_int_equal(kw_utf8_complete("a\xF0\x9F\x98", 4), 1);
    assert_int_equal(kw_utf8_complete("a\xF0\x9F", 3), 1);
    assert_int_equal(kw_utf8_complete("a\xE2", 2), 1);
    /* These never become valid: nothing is held back. */
    assert_int_equal(kw_utf8_complete("a\xFF", 2), 2);
    assert_int_equal(kw_utf8_complete("a\x80", 2), 2);
    assert_int_equal(kw_utf8_complete("\xE0\x80", 2), 2);
    assert_int_equal(kw_utf8_complete("\xED\xA0", 2), 2);
    assert_int_equal(kw_utf8_complete("\xC3\xA9\xA9", 3), 3);
    assert_int_equal(kw_utf8_complete("\x80\x80\x80\x80", 4), 4);
}

static void decoding_nothing(void **state)
{
    (void)state;
    uint32_t out = 0;
    assert_int_equal(kw_utf8_decode("", 0, &out), 0);
    assert_int_equal(out, KW_UTF8_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scalar_value_returns),
        cmocka_unit_test(every_sequence_decodes_as_defined),
        cmocka_unit_test(validity_of_long_texts),
        cmocka_unit_test(complete_keeps_what_can_still_become_valid),
        cmocka_unit_test(decoding_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
