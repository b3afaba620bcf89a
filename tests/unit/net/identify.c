/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* identify.c - the identify message: both ways, split in several, with what we do not know, and
 * within its bounds. */
#include "net/identify_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static kw_bytes bytes_of(const kw_buf *buf)
{
    return (kw_bytes){(const uint8_t *)buf->data, buf->len};
}

static void written_and_read(void **state)
{
    (void)state;
    static kw_identify say, heard;
    kw_buf out = {0};
    say = (kw_identify){.agent = KW_STR("kwaai/0.1.0"), .version = KW_STR("ipfs/0.1.0")};
    heard = (kw_identify){0};
    say.protocols[say.n_protocols++] = KW_STR("/ipfs/id/1.0.0");
    say.protocols[say.n_protocols++] = KW_STR("DHTProtocol.rpc_ping");
    assert_int_equal(kw_multiaddr_parse(KW_STR("/ip4/10.0.0.1/tcp/4001/ws"), &say.addrs[0], NULL),
                     KW_OK);
    say.n_addrs = 1;
    assert_int_equal(kw_multiaddr_parse(KW_STR("/ip6/::1/tcp/9"), &say.observed, NULL), KW_OK);
    kw_identify_put(&say, &out);
    assert_int_equal(kw_identify_get(bytes_of(&out), &heard, NULL), KW_OK);
    assert_true(kw_str_eq(heard.agent, say.agent) && kw_str_eq(heard.version, say.version));
    assert_int_equal(heard.n_protocols, 2);
    assert_true(kw_str_eq(heard.protocols[1], say.protocols[1]));
    assert_true(heard.n_addrs == 1 && kw_multiaddr_equal(&heard.addrs[0], &say.addrs[0]));
    assert_true(kw_multiaddr_equal(&heard.observed, &say.observed));
    /* A second message adds to the first. */
    assert_int_equal(kw_identify_get(bytes_of(&out), &heard, NULL), KW_OK);
    assert_int_equal(heard.n_protocols, 4);
    kw_buf_free(&out);
}

static void bounds_hold(void **state)
{
    (void)state;
    static kw_identify say, heard;
    static char name[KW_PROTOCOL_MAX];
    kw_buf out = {0};
    say = heard = (kw_identify){0};
    memset(name, 'x', sizeof name);
    for (size_t i = 0; i < KW_IDENTIFY_PROTOCOLS; i++)
        say.protocols[say.n_protocols++] = (kw_str){name, sizeof name};
    kw_identify_put(&say, &out);
    assert_true(out.len <= 4096 && out.len > 3800);
    for (int i = 0; i < 5; i++)
        assert_int_equal(kw_identify_get(bytes_of(&out), &heard, NULL), KW_OK);
    assert_int_equal(heard.n_protocols, KW_IDENTIFY_PROTOCOLS);
    kw_buf_free(&out);
}

static void odd_messages(void **state)
{
    (void)state;
    static kw_identify heard;
    heard = (kw_identify){0};
    /* an address that is none, one of a kind that we do not know, a name with a zero, field 9 */
    static const uint8_t odd[] = {0x12, 1,   0xff, 0x12, 3, 0xff, 0xff, 0x7f, 0x1a,
                                  2,    'a', 0,    0x1a, 0, 0x4a, 1,    'x'};
    assert_int_equal(kw_identify_get((kw_bytes){odd, sizeof odd}, &heard, NULL), KW_OK);
    assert_true(heard.n_addrs == 0 && heard.n_protocols == 0);
    static const uint8_t number[] = {0x18, 5}, cut[] = {0x1a, 5, 'a'};
    assert_int_equal(kw_identify_get((kw_bytes){number, sizeof number}, &heard, NULL), KW_E_FORMAT);
    assert_int_equal(kw_identify_get((kw_bytes){cut, sizeof cut}, &heard, NULL), KW_E_FORMAT);
    char text[8];
    kw_identify_text(KW_STR("a\x1b[31m\xc3\xa4"), text, sizeof text);
    assert_string_equal(text, "a?[31m?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(written_and_read),
                                       cmocka_unit_test(bounds_hold),
                                       cmocka_unit_test(odd_messages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
