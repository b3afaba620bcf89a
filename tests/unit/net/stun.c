/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* stun.c - the vectors of RFC 5769, answers to both versions of webrtc-direct, and that nothing
 * which was changed or cut is answered. */
#include "net/stun.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"

static const char v1[] = "libp2p+webrtc+v1/0123456789abcdef:libp2p+webrtc+v1/0123456789abcdef";
static const char v2[] = "libp2p+webrtc+v2/0123456789abcdef0123+/:abcd";
static const uint8_t id[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static const kw_stun_from from4 = {.ip = {192, 0, 2, 1}, .port = 32853};

static const uint8_t request[] = {
    0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73,
    0x74, 0x20, 0x63, 0x6c, 0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff,
    0x80, 0x29, 0x00, 0x08, 0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09,
    0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76, 0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14,
    0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49,
    0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf};
static const uint8_t response[] = {
    0x01, 0x01, 0x00, 0x3c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
    0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
    0x00, 0x08, 0x00, 0x14, 0x2b, 0x91, 0xf5, 0x99, 0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89, 0xf9,
    0x2a, 0xf9, 0xba, 0x53, 0xf0, 0x6b, 0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c, 0x96};

static void vectors(void **state)
{
    (void)state;
    const kw_str password = KW_STR("VOkJxbRl1RmTxUk/WvJxBt");
    kw_stun stun;
    assert_int_equal(kw_stun_read((kw_bytes){request, sizeof request}, &stun, NULL), KW_OK);
    assert_int_equal(stun.type, KW_STUN_REQUEST);
    assert_true(kw_str_is(stun.username, "evtj:h6vY"));
    assert_true(kw_stun_verify(&stun, password));
    assert_false(kw_stun_verify(&stun, KW_STR("VOkJxbRl1RmTxUk/WvJxBu")));
    assert_int_equal(kw_stun_read((kw_bytes){response, sizeof response}, &stun, NULL), KW_OK);
    assert_int_equal(stun.type, KW_STUN_SUCCESS);
    assert_true(kw_stun_verify(&stun, password));
}

static size_t ask(const char *username, size_t password_len, uint8_t out[KW_STUN_MAX])
{
    size_t len = 0;
    assert_int_equal(
        kw_stun_ask(id, kw_str_from(username), (kw_str){username, password_len}, out, &len, NULL),
        KW_OK);
    return len;
}

static size_t before_colon(const char *username)
{
    return (size_t)(strchr(username, ':') - username);
}

static void answers(void **state)
{
    (void)state;
    const char *const names[] = {v1, v2};
    for (size_t i = 0; i < 2; i++) {
        uint8_t asked[KW_STUN_MAX], said[KW_STUN_ANSWER_MAX];
        size_t len = 0;
        kw_stun stun;
        const size_t asked_len = ask(names[i], before_colon(names[i]), asked);
        assert_int_equal(kw_stun_answer((kw_bytes){asked, asked_len}, &from4, said, &len, NULL),
                         KW_OK);
        assert_int_equal(len, 64);
        assert_true(len <= asked_len);
        assert_int_equal(kw_stun_read((kw_bytes){said, len}, &stun, NULL), KW_OK);
        assert_int_equal(stun.type, KW_STUN_SUCCESS);
        assert_memory_equal(said + 8, id, sizeof id);
        assert_true(kw_stun_verify(&stun, (kw_str){names[i], before_colon(names[i])}));
        assert_memory_equal(said + 20, response + 36, 12); /* the same address in the vector */
    }
}

static void an_answer_to_ip6(void **state)
{
    (void)state;
    const kw_stun_from from = {.ip6 = true, .ip = {0x20, 0x01, 0x0d, 0xb8, [15] = 7}, .port = 1};
    uint8_t asked[KW_STUN_MAX], said[KW_STUN_ANSWER_MAX];
    size_t len = 0;
    const size_t asked_len = ask(v1, before_colon(v1), asked);
    assert_int_equal(kw_stun_answer((kw_bytes){asked, asked_len}, &from, said, &len, NULL), KW_OK);
    assert_int_equal(len, KW_STUN_ANSWER_MAX);
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(said[28 + i] ^ said[4 + i], from.ip[i]);
}

static void not_answered(const uint8_t *bytes, size_t len)
{
    uint8_t said[KW_STUN_ANSWER_MAX];
    size_t n = 0;
    kw_error err = {.message = ""};
    uint8_t *copy = malloc(len ? len : 1); /* exactly as long */
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    assert_int_not_equal(kw_stun_answer((kw_bytes){copy, len}, &from4, said, &n, &err), KW_OK);
    assert_true(err.message[0] != '\0');
    free(copy);
}

static void whatever_is_changed_is_not_answered(void **state)
{
    (void)state;
    uint8_t asked[KW_STUN_MAX];
    const size_t len = ask(v1, before_colon(v1), asked);
    for (size_t n = 0; n < len; n++)
        not_answered(asked, n);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        asked[bit / 8] ^= (uint8_t)(1u << bit % 8);
        not_answered(asked, len);
        asked[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void other_names_are_not_answered(void **state)
{
    (void)state;
    static const char *const names[] = {
        "libp2p+webrtc+v3/0123456789abcdef:libp2p+webrtc+v3/0123456789abcdef",
        "libp2p+webrtc+v1/0123456789abcdef:libp2p+webrtc+v1/0123456789abcdeg", /* v1: the same */
        "libp2p+webrtc+v1/:libp2p+webrtc+v1/",                                 /* too short */
        "libp2p+webrtc+v2/0123456789:abcd", /* a short password */
        "libp2p+webrtc+v2/0123456789abcdef0123+/:abc",
        "libp2p+webrtc+v2/0123456789abcdef0123_-:abcd",
        "evtj:h6vYaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        uint8_t asked[KW_STUN_MAX];
        not_answered(asked, ask(names[i], before_colon(names[i]), asked));
    }
    uint8_t asked[KW_STUN_MAX];
    not_answered(asked, ask(v1, before_colon(v1) - 1, asked)); /* another password */
    not_answered(asked, ask("nocolonatallnocolonatallnocolonatallnocolon", 20, asked));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(vectors), cmocka_unit_test(answers),
                                       cmocka_unit_test(an_answer_to_ip6),
                                       cmocka_unit_test(whatever_is_changed_is_not_answered),
                                       cmocka_unit_test(other_names_are_not_answered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
