/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pull_names.c - header fields, well formed and not; names of models elsewhere; journals. */
#include "hub/web_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/check.h"
#include "hub/journal.h"
#include "hub/reference.h"

static kw_web_reply reply_of(const char *field)
{
    kw_web_reply reply = {0};
    assert_true(kw_web_header_line(&reply, KW_STR("HTTP/1.1 206 Partial Content\r\n")));
    assert_true(kw_web_header_line(&reply, kw_str_from(field)));
    return reply;
}

static void test_fields(void **state)
{
    (void)state;
    kw_web_reply r = reply_of("CONTENT-RANGE:  bytes 10-19/1234 \r\n");
    assert_true(r.ranged && r.from == 10 && r.total == 1234 && r.status == 206);
    r = reply_of("Content-Range: bytes 0-0/*\r\n");
    assert_true(r.ranged && r.from == 0 && r.total == KW_WEB_UNKNOWN);
    r = reply_of("Content-Range: bytes */7\r\n");
    assert_true(r.ranged && r.from == KW_WEB_UNKNOWN && r.total == 7);
    static const char *const bad[] = {
        "bytes 5-4/10", "bytes 1-2",  "bytes 1-2/3x", "items 0-1/2",
        "bytes -1/2",   "bytes 1-/2", "bytes 1-2/",   "bytes 99999999999999999999-1/2",
    };
    for (size_t i = 0; i < KW_COUNT(bad); i++) {
        char line[100];
        snprintf(line, sizeof(line), "Content-Range: %s\r\n", bad[i]);
        assert_false(reply_of(line).ranged);
    }
    assert_true(reply_of("Content-Length: 18446744073709551615").length == KW_WEB_UNKNOWN);
    assert_true(reply_of("Content-Length: 12a").length == KW_WEB_UNKNOWN);
    assert_true(reply_of("Content-Length: 12").length == 12);
    assert_string_equal(reply_of("ETag: \"x\"").tag, "\"x\"");
    assert_string_equal(reply_of("ETag: W/\"x\"").tag, "");
    assert_string_equal(reply_of("ETag: \"x y\"").tag, "");
    assert_int_equal(reply_of("Retry-After: 3").retry_ms, 3000);
    assert_int_equal(reply_of("Retry-After: Fri, 31 Dec 1999 23:59:59 GMT").retry_ms, 0);
    assert_true(reply_of("Content-Encoding: gzip").encoded);
    assert_string_equal(reply_of("Link: <https://h/x?c=1>; rel=\"next\"").next, "https://h/x?c=1");
    assert_string_equal(reply_of("Link: <https://h/x>; rel=\"prev\"").next, "");
    /* A name with a zero in it is no name that we know, and nothing behind ours is looked at. */
    assert_true(kw_web_header_line(&r, (kw_str){"ETag\0x: \"y\"", 11}));
    r = reply_of("ETag: \"x\"");
    assert_true(kw_web_header_line(&r, KW_STR("HTTP/1.1 200 OK\r\n")));
    assert_string_equal(r.tag, "");
}

static void test_references(void **state)
{
    static const struct {
        const char *text;
        kw_reference_kind kind;
        const char *model, *repo, *file, *revision;
    } rows[] = {
        {"hf.co/Org/Name.x:Q4_K_M", KW_REF_HUGGINGFACE, "Org/Name.x", "Org/Name.x", "Q4_K_M", ""},
        {"org/name", KW_REF_HUGGINGFACE, "org/name", "org/name", "", ""},
        {"huggingface.co/a/b:sub/m.gguf", KW_REF_HUGGINGFACE, "a/b", "a/b", "sub/m.gguf", ""},
        {"https://huggingface.co/a/b", KW_REF_HUGGINGFACE, "a/b", "a/b", "", ""},
        {"https://huggingface.co/a/b/resolve/v1/s/m.gguf?download=true", KW_REF_HUGGINGFACE, "a/b",
         "a/b", "s/m.gguf", "v1"},
        {"https://huggingface.co/a/b/tree/v1", KW_REF_HUGGINGFACE, "a/b", "a/b", "", "v1"},
        {"ollama.com/library/x:8b", KW_REF_OLLAMA, "library/x/8b", "library/x", "8b", ""},
        {"ollama.com/x", KW_REF_OLLAMA, "library/x/latest", "library/x", "latest", ""},
        {"http://h:80/p/m.v2.gguf?q", KW_REF_URL, "h/m.v2", "", "m.v2.gguf", ""},
        {"https://h/a%20b.gguf", KW_REF_URL, "h/a_20b", "", "a_20b.gguf", ""},
        {"ipfs://bafkqaaa/m.gguf", KW_REF_IPFS, "ipfs/bafkqaaa", "bafkqaaa", "m.gguf", ""},
    };
    static const char *const bad[] = {
        "",
        "name",
        "a/b/c",
        "../b",
        "a/..",
        "a/b:",
        "a/b:../x",
        "a/b:/etc/passwd",
        "a/b:x//y",
        "a/b:.hidden",
        "https://huggingface.co/a/b/resolve/../x",
        "http:///x",
        "http://u:p@h/x",
        "http://h/a b",
        "ollama.com/a/b/c/d",
        "ollama.com/x:",
        "ipfs://",
        "a/b\n",
        "a/b:x\\y",
        "https://huggingface.co/a/b/commits/x",
    };
    (void)state;
    for (size_t i = 0; i < KW_COUNT(rows); i++) {
        kw_reference ref;
        assert_int_equal(kw_reference_parse(kw_str_from(rows[i].text), &ref, NULL), KW_OK);
        assert_int_equal(ref.kind, rows[i].kind);
        assert_string_equal(ref.model, rows[i].model);
        assert_string_equal(ref.repo, rows[i].repo);
        assert_string_equal(ref.file, rows[i].file);
        assert_string_equal(ref.revision, rows[i].revision);
    }
    for (size_t i = 0; i < KW_COUNT(bad); i++) {
        kw_reference ref;
        assert_int_equal(kw_reference_parse(kw_str_from(bad[i]), &ref, NULL), KW_E_ARG);
    }
}

static void test_journal(void **state)
{
    (void)state;
    const kw_plan plan = {.size = 1000, .block_size = 100, .digest = {1}};
    const uint8_t bits[2] = {0x55, 0x01};
    uint8_t got[2] = {0};
    kw_buf text = {0};
    kw_journal_put(&plan, bits, &text);
    const kw_bytes whole = {(const uint8_t *)text.data, text.len};
    assert_int_equal(kw_journal_get(whole, &plan, got, NULL), KW_OK);
    assert_memory_equal(got, bits, 2);
    for (size_t len = 0; len < text.len; len++)
        assert_int_not_equal(kw_journal_get((kw_bytes){whole.data, len}, &plan, got, NULL), KW_OK);
    for (size_t i = 0; i < text.len; i++) {
        text.data[i] ^= 4;
        assert_int_not_equal(kw_journal_get(whole, &plan, got, NULL), KW_OK);
        text.data[i] ^= 4;
    }
    kw_plan other = plan;
    other.digest[31] = 1;
    assert_int_equal(kw_journal_get(whole, &other, got, NULL), KW_E_NOTFOUND);
    other = plan;
    other.size = 1001;
    assert_int_equal(kw_journal_get(whole, &other, got, NULL), KW_E_NOTFOUND);
    kw_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
