/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dns.c - DNS messages read and write; compression ends; names stay names. */
#include "net/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SERVICE "_p2p._udp.local"

static kw_bytes view(const kw_buf *buf)
{
    return (kw_bytes){(const uint8_t *)buf->data, buf->len};
}

static void an_answer_reads_as_written(void **state)
{
    (void)state;
    const kw_str texts[] = {KW_STR("dnsaddr=/ip4/10.0.0.1/tcp/1/p2p/x"), KW_STR(""), KW_STR("b")};
    kw_buf out = {0};
    kw_dns_put_header(
        &out,
        &(kw_dns_header){
            .id = 0x1234, .response = true, .n_questions = 1, .n_answers = 1, .n_additional = 1});
    assert_int_equal(kw_dns_put_question(&out, SERVICE, KW_DNS_PTR, NULL), KW_OK);
    assert_int_equal(kw_dns_put_ptr(&out, SERVICE, 120, "me." SERVICE, NULL), KW_OK);
    assert_int_equal(kw_dns_put_txt(&out, "me." SERVICE, 70000, texts, 3, NULL), KW_OK);
    kw_dns_message message;
    kw_dns_record record;
    kw_dns_name target;
    assert_int_equal(kw_dns_get(view(&out), &message, NULL), KW_OK);
    assert_int_equal(message.id, 0x1234);
    assert_true(message.response);
    assert_int_equal(message.rcode, 0);
    assert_true(kw_dns_question(&message, &record));
    assert_true(kw_dns_name_is(&record.name, "_P2P._udp.LOCAL"));
    assert_false(kw_dns_name_is(&record.name, "_p2p._udp.loca"));
    assert_false(kw_dns_question(&message, &record));
    assert_true(kw_dns_record_next(&message, &record));
    assert_true(kw_dns_target(&message, &record, &target));
    assert_true(kw_dns_name_is(&target, "me." SERVICE));
    assert_true(kw_dns_record_next(&message, &record));
    assert_int_equal(record.ttl_s, 70000);
    kw_str text;
    size_t at = 0, n = 0;
    while (kw_dns_text(&record, &at, &text))
        assert_true(kw_str_eq(text, texts[n++]));
    assert_int_equal(n, 3);
    assert_false(kw_dns_record_next(&message, &record));
    kw_buf_free(&out);
}

/* A name by pointer, as other writers do. */
static void compressed_names_are_followed(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "\0\0\x84\0\0\0\0\1\0\0\0\0"
                                   "\4_p2p\4_udp\5local\0\0\x0c\0\1\0\0\0\x78\0\5\2me\xc0\x0c";
    kw_dns_message message;
    kw_dns_record record;
    kw_dns_name target;
    assert_int_equal(kw_dns_get((kw_bytes){bytes, sizeof bytes - 1}, &message, NULL), KW_OK);
    assert_true(kw_dns_record_next(&message, &record));
    assert_true(kw_dns_target(&message, &record, &target));
    assert_string_equal(target.text, "me._p2p._udp.local");
    for (size_t cut = 12; cut < sizeof bytes - 1; cut++) {
        assert_int_equal(kw_dns_get((kw_bytes){bytes, cut}, &message, NULL), KW_OK);
        assert_false(kw_dns_record_next(&message, &record));
    }
    assert_int_equal(kw_dns_get((kw_bytes){bytes, 11}, &message, NULL), KW_E_FORMAT);
}

static bool reads(const char *name, size_t len)
{
    uint8_t bytes[600] = {0, 0, 0, 0, 0, 1};
    memcpy(bytes + 12, name, len);
    kw_dns_message message;
    kw_dns_record record;
    assert_int_equal(kw_dns_get((kw_bytes){bytes, 12 + len + 4}, &message, NULL), KW_OK);
    return kw_dns_question(&message, &record);
}

static void names_that_are_none_are_refused(void **state)
{
    (void)state;
    assert_true(reads("\1a\0", 3));
    assert_false(reads("\xc0\x0c", 2));    /* points at itself */
    assert_false(reads("\1a\xc0\x0c", 4)); /* leads back to its own beginning */
    assert_false(reads("\xc0\x0e\1a", 4)); /* points ahead */
    assert_false(reads("\x40"
                       "a\0",
                       3));            /* a kind of label that nobody uses */
    assert_false(reads("\3a.b\0", 5)); /* a dot within a label */
    assert_false(reads("\2a\x01\0", 4));
    char name[300];
    memset(name, 1,
           sizeof name); /* 127 labels of one byte end at 255 bytes: too long by a little */
    for (size_t i = 1; i < 256; i += 2)
        name[i] = 'a';
    name[254] = 0;
    assert_true(reads(name, 255));
    name[254] = 1;
    name[256] = 0;
    assert_false(reads(name, 257));
    kw_buf out = {0};
    assert_int_equal(kw_dns_put_question(&out, "a..b", KW_DNS_PTR, NULL), KW_E_ARG);
    memset(name, 'a', sizeof name);
    name[64] = '\0';
    assert_int_equal(kw_dns_put_question(&out, name, KW_DNS_PTR, NULL), KW_E_ARG);
    name[63] = '\0';
    assert_int_equal(kw_dns_put_question(&out, name, KW_DNS_PTR, NULL), KW_OK);
    const kw_str big = {name, 256};
    assert_int_equal(kw_dns_put_txt(&out, "a", 1, &big, 1, NULL), KW_E_ARG);
    kw_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_reads_as_written),
        cmocka_unit_test(compressed_names_are_followed),
        cmocka_unit_test(names_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
