/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* psk.c - XSalsa20 against a vector of NaCl and in pieces, and files of keys, good and bad. */
#include "net/psk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* NaCl, tests/stream3.c */
static const uint8_t key[32] = {0x1b, 0x27, 0x55, 0x64, 0x73, 0xe9, 0x85, 0xd4, 0x62, 0xcd, 0x51,
                                0x19, 0x7a, 0x9a, 0x46, 0xc7, 0x60, 0x09, 0x54, 0x9e, 0xac, 0x64,
                                0x74, 0xf2, 0x06, 0xc4, 0xee, 0x08, 0x44, 0xf6, 0x83, 0x89};
static const uint8_t nonce[24] = {0x69, 0x69, 0x6e, 0xe9, 0x55, 0xb6, 0x2b, 0x73,
                                  0xcd, 0x62, 0xbd, 0xa8, 0x75, 0xfc, 0x73, 0xd6,
                                  0x82, 0x19, 0xe0, 0x03, 0x6b, 0x7a, 0x0b, 0x37};
static const uint8_t stream[32] = {0xee, 0xa6, 0xa7, 0x25, 0x1c, 0x1e, 0x72, 0x91, 0x6d, 0x11, 0xc2,
                                   0xcb, 0x21, 0x4d, 0x3c, 0x25, 0x25, 0x39, 0x12, 0x1d, 0x8e, 0x23,
                                   0x4e, 0x65, 0x2d, 0x65, 0x1f, 0xa4, 0xc8, 0xcf, 0xf8, 0x80};

static void xsalsa20_is_nacls(void **state)
{
    (void)state;
    kw_xsalsa20 cipher;
    uint8_t bytes[32] = {0};
    kw_xsalsa20_init(&cipher, key, nonce);
    kw_xsalsa20_xor(&cipher, bytes, sizeof bytes);
    assert_memory_equal(bytes, stream, sizeof stream);
}

static void pieces_make_the_same_stream(void **state)
{
    (void)state;
    kw_xsalsa20 a, b;
    uint8_t whole[1000] = {0}, pieces[1000] = {0};
    kw_xsalsa20_init(&a, key, nonce);
    kw_xsalsa20_init(&b, key, nonce);
    kw_xsalsa20_xor(&a, whole, sizeof whole);
    for (size_t at = 0, n = 1; at < sizeof pieces; at += n, n = n * 7 % 131 + 1)
        kw_xsalsa20_xor(&b, pieces + at, n < sizeof pieces - at ? n : sizeof pieces - at);
    assert_memory_equal(whole, pieces, sizeof whole);
}

#define DIGITS "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1c1d1e1f"
#define KIND "/key/swarm/psk/1.0.0/\n"

static kw_status parse(const char *file, uint8_t out[32])
{
    kw_error err;
    return kw_psk_parse(kw_str_from(file), out, &err);
}

static void key_files_are_read(void **state)
{
    (void)state;
    uint8_t out[32];
    assert_int_equal(parse(KIND "/base16/\n" DIGITS "\n", out), KW_OK);
    for (uint8_t i = 0; i < 32; i++)
        assert_int_equal(out[i], i);
    assert_int_equal(parse("/key/swarm/psk/1.0.0/\r\n/base16/\r\n" DIGITS, out), KW_OK);
    assert_int_equal(parse(KIND "/base64/\n" DIGITS, out), KW_E_UNSUPPORTED);
    assert_int_equal(parse("/key/swarm/psk/2.0.0/\n/base16/\n" DIGITS, out), KW_E_FORMAT);
    assert_int_equal(parse(KIND "/base16/\n00", out), KW_E_FORMAT);
    assert_int_equal(parse(KIND "/base16/\nx" DIGITS, out), KW_E_FORMAT);
    assert_int_equal(parse("", out), KW_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(xsalsa20_is_nacls),
                                       cmocka_unit_test(pieces_make_the_same_stream),
                                       cmocka_unit_test(key_files_are_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
