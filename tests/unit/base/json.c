/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* json.c - the pull parser: what RFC 8259 allows and what it forbids, the stream of tokens, strings
 * and numbers, and a document cut or damaged at every byte. */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/utf8.h"

/* Reads all tokens; *n counts them. Checks what holds for every input. */
static kw_status walk(kw_str text, size_t *n, kw_error *err)
{
    kw_json json;
    kw_json_init(&json, text, "test");
    kw_json_token token;
    size_t before = 0;
    *n = 0;
    do {
        const kw_status status = kw_json_next(&json, &token, err);
        if (status != KW_OK) {
            kw_error again;
            assert_int_equal(kw_json_next(&json, &token, &again), status);
            assert_string_equal(err->message, again.message);
            return status;
        }
        assert_true(json.pos >= before && json.pos <= text.len);
        before = json.pos;
        ++*n;
        assert_true(*n <= 2 * text.len + 1);
    } while (token.kind != KW_JSON_END);
    assert_int_equal(kw_json_next(&json, &token, err), KW_OK);
    assert_int_equal(token.kind, KW_JSON_END);
    return KW_OK;
}

static kw_status walk_text(const char *text, kw_error *err)
{
    size_t n;
    return walk(kw_str_from(text), &n, err);
}

static void what_is_allowed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "1",
        "10",
        "-10.25",
        "1e5",
        "1E+5",
        "1.5e-5",
        "0.0",
        "0e0",
        "true",
        "false",
        "null",
        "\"\"",
        "\"a\"",
        "{}",
        "[]",
        " [ ] ",
        "\t\r\n {\n}\t",
        "[1]",
        "[1,2]",
        "[[],{}]",
        "{\"a\":1}",
        "{\"a\":{\"b\":[]},\"c\":null}",
        "{\"\":0}",
        "{\"a\":1,\"a\":2}",
        "\"\\u0000\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\uD834\\uDD1E\"",
        "\"\\ud800\"",
        "\"\xF0\x9D\x84\x9E\"",
        "\"\x7F\"",
        "[1e400]",
        "123456789012345678901234567890",
        "\"\xEF\xBF\xBF\"",
        "[true,false,null]",
        "{\"a\" : \"b\" , \"c\" : [ 1 , 2 ] }",
    };
    for (size_t i = 0; i < KW_COUNT(texts); i++) {
        kw_error err;
        if (walk_text(texts[i], &err) != KW_OK)
            fail_msg("refused: %s (%s)", texts[i], err.message);
    }
}

/* Each is refused as KW_E_FORMAT. */
static const char *const forbidden[] = {
    "",
    " ",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[,]",
    "[1 2]",
    "[1}",
    "{]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{,}",
    "{a:1}",
    "{1:2}",
    "{\"a\":1 \"b\":2}",
    "{\"a\" 1}",
    "{\"a\":1]",
    "[\"a\":1]",
    "1 2",
    "[] []",
    "{}{}",
    "nul",
    "nulL",
    "truE",
    "True",
    "tru",
    "falsee",
    "nullx",
    "NaN",
    "Infinity",
    "-Infinity",
    "+1",
    "-",
    "--1",
    "01",
    "-01",
    "1.",
    ".5",
    "1.e5",
    "1e",
    "1e+",
    "0x10",
    "1_0",
    "'a'",
    "\"\\x41\"",
    "\"\\u12\"",
    "\"\\u123g\"",
    "\"\\",
    "\"\\u",
    "\"a\nb\"",
    "\"a\tb\"",
    "\"\x01\"",
    "\"\x80\"",
    "\"\xC0\x80\"",
    "\"\xED\xA0\x80\"",
    "\"\xF5\x80\x80\x80\"",
    "\"\xE2\x82\"",
    "\xEF\xBB\xBF{}",
    "// c\n1",
    "/* c */1",
    "[1]x",
    "\v1",
    "\f1",
    "\xC2\xA0[]",
    "\"a",
    "{\"a",
    "{\"a\"",
    "{\"a\":",
    "\"\\\"",
    "[\"\\uD800\\uZZZZ\"]",
    "[1,,2]",
    "[\"a\",\n4\n,1,",
    "{\"a\":\"b\"}#",
    "[-]",
    "[1.2.3]",
    "[1e5e5]",
};

static void what_is_forbidden(void **state)
{
    (void)state;
    for (size_t i = 0; i < KW_COUNT(forbidden); i++) {
        kw_error err;
        if (walk_text(forbidden[i], &err) != KW_E_FORMAT)
            fail_msg("accepted: %s", forbidden[i]);
        if (strncmp(err.message, "test: byte ", 11) != 0 ||
            strtoul(err.message + 11, NULL, 10) > strlen(forbidden[i]))
            fail_msg("%s: message %s", forbidden[i], err.message);
    }
    size_t n;
    kw_error err;
    assert_int_equal(walk((kw_str){"\"a\0b\"", 5}, &n, &err), KW_E_FORMAT);
    assert_int_equal(walk((kw_str){"1\0", 2}, &n, &err), KW_E_FORMAT);
    assert_int_equal(walk((kw_str){NULL, 0}, &n, &err), KW_E_FORMAT);
}

static void messages_name_subject_offset_and_finding(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{\"a\" 1}", "test: byte 5: expected ':', found '1'"},
        {"[1, 2", "test: byte 5: expected ',' or ']', found the end of the text"},
        {"[1,]", "test: byte 3: expected a value, found ']'"},
        {"{\"a\":1,}", "test: byte 7: expected a key, found '}'"},
        {"[\"a\x01\"]", "test: byte 3: control character 0x01 in a string"},
        {"[\"a\xFF\"]", "test: byte 3: invalid UTF-8 (byte 0xff) in a string"},
        {"[\"a\\q\"]", "test: byte 3: invalid escape in a string"},
        {"[\"abc", "test: byte 1: the string never ends"},
        {"[007]", "test: byte 1: a number with a leading zero"},
        {"1 2", "test: byte 2: expected nothing more, found '2'"},
        {"\x01", "test: byte 0: expected a value, found byte 0x01"},
    };
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        kw_error err;
        assert_int_equal(walk_text(cases[i].text, &err), KW_E_FORMAT);
        assert_string_equal(err.message, cases[i].message);
    }
}

static void tokens_come_in_order(void **state)
{
    (void)state;
    static const struct {
        kw_json_kind kind;
        const char *text;
    } want[] = {
        {KW_JSON_OBJECT, ""},       {KW_JSON_KEY, "a"},        {KW_JSON_ARRAY, ""},
        {KW_JSON_NUMBER, "-1.5e3"}, {KW_JSON_STRING, "x\\ny"}, {KW_JSON_ARRAY, ""},
        {KW_JSON_ARRAY_END, ""},    {KW_JSON_OBJECT, ""},      {KW_JSON_OBJECT_END, ""},
        {KW_JSON_ARRAY_END, ""},    {KW_JSON_KEY, "b"},        {KW_JSON_TRUE, ""},
        {KW_JSON_KEY, "c"},         {KW_JSON_FALSE, ""},       {KW_JSON_KEY, ""},
        {KW_JSON_NULL, ""},         {KW_JSON_OBJECT_END, ""},  {KW_JSON_END, ""},
        {KW_JSON_END, ""},
    };
    const char *text =
        " { \"a\" : [ -1.5e3 , \"x\\ny\" , [ ] , { } ] ,\n\"b\":true,\"c\":false,\"\":null } ";
    kw_json json;
    kw_json_init(&json, kw_str_from(text), NULL);
    for (size_t i = 0; i < KW_COUNT(want); i++) {
        kw_json_token token;
        assert_int_equal(kw_json_next(&json, &token, NULL), KW_OK);
        assert_int_equal(token.kind, want[i].kind);
        assert_true(kw_str_is(token.text, want[i].text));
        assert_int_equal(token.escaped, token.kind == KW_JSON_STRING);
    }
}

static void nesting_is_limited(void **state)
{
    (void)state;
    char text[2 * KW_JSON_MAX_DEPTH + 2];
    size_t n;
    kw_error err;
    memset(text, '[', KW_JSON_MAX_DEPTH);
    memset(text + KW_JSON_MAX_DEPTH, ']', KW_JSON_MAX_DEPTH);
    assert_int_equal(walk((kw_str){text, 2 * KW_JSON_MAX_DEPTH}, &n, &err), KW_OK);
    assert_int_equal(n, 2 * KW_JSON_MAX_DEPTH + 1);
    memset(text, '[', KW_JSON_MAX_DEPTH + 1);
    assert_int_equal(walk((kw_str){text, sizeof(text)}, &n, &err), KW_E_LIMIT);
    assert_string_equal(err.message, "test: byte 128: nested deeper than 128");
}

/* One token of a kind from a text that is one value. */
static kw_json_token first(kw_json *json, const char *text)
{
    kw_json_token token;
    kw_json_init(json, kw_str_from(text), "test");
    assert_int_equal(kw_json_next(json, &token, NULL), KW_OK);
    return token;
}

static void strings_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        kw_str want;
    } cases[] = {
        {"\"\"", {"", 0}},
        {"\"plain\"", {"plain", 5}},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", {"\"\\/\b\f\n\r\t", 8}},
        {"\"a\\u0000b\"", {"a\0b", 3}},
        {"\"\\u00e9\\u20AC\\u0041\"",
         {"\xC3\xA9\xE2\x82\xAC"
          "A",
          6}},
        {"\"\\uD834\\uDD1E!\"", {"\xF0\x9D\x84\x9E!", 5}},
        {"\"\\uDBFF\\uDFFF\"", {"\xF4\x8F\xBF\xBF", 4}},
        {"\"\\uD834\"", {"\xEF\xBF\xBD", 3}},
        {"\"\\uD834x\"", {"\xEF\xBF\xBDx", 4}},
        {"\"\\uDD1E\\uD834\"", {"\xEF\xBF\xBD\xEF\xBF\xBD", 6}},
        {"\"\\uD834\\u0041\"",
         {"\xEF\xBF\xBD"
          "A",
          4}},
        {"\"\\uD834\\n\"", {"\xEF\xBF\xBD\n", 4}},
        {"\"\\uD834\\uD834\\uDD1E\"", {"\xEF\xBF\xBD\xF0\x9D\x84\x9E", 7}},
        {"\"\xC3\xA9\\t\xC3\xA9\"", {"\xC3\xA9\t\xC3\xA9", 5}},
    };
    kw_arena arena = {0};
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        kw_json json;
        const kw_json_token token = first(&json, cases[i].text);
        kw_str out;
        assert_int_equal(kw_json_string(&json, &token, &arena, &out, NULL), KW_OK);
        assert_true(kw_str_eq(out, cases[i].want));
        assert_int_equal(token.escaped, out.data != token.text.data);
    }
    kw_arena_free(&arena);

    kw_json json;
    kw_error err;
    kw_str out = {NULL, 77};
    kw_arena full = {.limit_bytes = 1};
    kw_json_token token = first(&json, "\"a\\n\"");
    assert_int_equal(kw_json_string(&json, &token, &full, &out, &err), KW_E_NOMEM);
    token = first(&json, "12");
    assert_int_equal(kw_json_string(&json, &token, &full, &out, &err), KW_E_FORMAT);
    assert_string_equal(err.message, "test: byte 0: expected a string, found a number");
    assert_int_equal(out.len, 77);
}

static void integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int i64_ok, u64_ok;
        int64_t i64;
        uint64_t u64;
    } cases[] = {
        {"0", 1, 1, 0, 0},
        {"-0", 1, 1, 0, 0},
        {"42", 1, 1, 42, 42},
        {"-1", 1, 0, -1, 0},
        {"9223372036854775807", 1, 1, INT64_MAX, INT64_MAX},
        {"9223372036854775808", 0, 1, 0, UINT64_C(1) << 63},
        {"-9223372036854775808", 1, 0, INT64_MIN, 0},
        {"-9223372036854775809", 0, 0, 0, 0},
        {"18446744073709551615", 0, 1, 0, UINT64_MAX},
        {"18446744073709551616", 0, 0, 0, 0},
        {"99999999999999999999", 0, 0, 0, 0},
        {"32768.0", 1, 1, 32768, 32768},
        {"1e3", 1, 1, 1000, 1000},
        {"-1.5e1", 1, 0, -15, 0},
        {"1.5", 0, 0, 0, 0},
        {"1e-1", 0, 0, 0, 0},
        {"1e16", 0, 0, 0, 0},
        {"1e999", 0, 0, 0, 0},
        {"9007199254740991.0", 1, 1, INT64_C(9007199254740991), UINT64_C(9007199254740991)},
        {"9007199254740993.0", 0, 0, 0, 0},
    };
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        kw_json json;
        const kw_json_token token = first(&json, cases[i].text);
        int64_t s = 77;
        uint64_t u = 77;
        const kw_status s_want = cases[i].i64_ok ? KW_OK : KW_E_FORMAT;
        const kw_status u_want = cases[i].u64_ok ? KW_OK : KW_E_FORMAT;
        assert_int_equal(kw_json_i64(&json, &token, &s, NULL), s_want);
        assert_int_equal(kw_json_u64(&json, &token, &u, NULL), u_want);
        assert_true(s == (cases[i].i64_ok ? cases[i].i64 : 77));
        assert_true(u == (cases[i].u64_ok ? cases[i].u64 : 77));
    }
    kw_json json;
    const kw_json_token token = first(&json, "true");
    int64_t s;
    kw_error err;
    assert_int_equal(kw_json_i64(&json, &token, &s, &err), KW_E_FORMAT);
    assert_string_equal(err.message, "test: byte 4: expected a number, found true");
}

static void reals(void **state)
{
    (void)state;
    kw_json json;
    double out = 77.0;
    kw_json_token token = first(&json, "-1.25e2");
    assert_int_equal(kw_json_f64(&json, &token, &out, NULL), KW_OK);
    assert_true(out == -125.0);
    token = first(&json, "1e400");
    kw_error err;
    assert_int_equal(kw_json_f64(&json, &token, &out, &err), KW_E_FORMAT);
    assert_string_equal(err.message, "test: byte 0: number 1e400 is out of range");
    assert_true(out == -125.0);
}

static void expect_and_skip(void **state)
{
    (void)state;
    kw_json json;
    kw_json_token token;
    kw_error err;
    kw_json_init(&json, KW_STR("{\"a\":[1,[2,{\"b\":3}]],\"c\":{\"d\":4},\"e\":5,\"f\":6}"),
                 "test");
    assert_int_equal(kw_json_expect(&json, KW_JSON_OBJECT, &token, &err), KW_OK);
    assert_int_equal(kw_json_expect(&json, KW_JSON_KEY, &token, &err), KW_OK);
    assert_int_equal(kw_json_expect(&json, KW_JSON_ARRAY, &token, &err), KW_OK);
    assert_int_equal(kw_json_skip(&json, &token, &err), KW_OK);
    assert_int_equal(kw_json_expect(&json, KW_JSON_KEY, &token, &err), KW_OK);
    assert_true(kw_str_is(token.text, "c"));
    /* A key skips its value. */
    assert_int_equal(kw_json_skip(&json, &token, &err), KW_OK);
    assert_int_equal(kw_json_expect(&json, KW_JSON_KEY, &token, &err), KW_OK);
    assert_true(kw_str_is(token.text, "e"));
    assert_int_equal(kw_json_expect(&json, KW_JSON_NUMBER, &token, &err), KW_OK);
    assert_int_equal(kw_json_skip(&json, &token, &err), KW_OK);
    assert_int_equal(kw_json_expect(&json, KW_JSON_STRING, &token, &err), KW_E_FORMAT);
    assert_string_equal(err.message, "test: byte 39: expected a string, found a key");

    kw_json_init(&json, KW_STR("[1,[2,3"), "test");
    assert_int_equal(kw_json_expect(&json, KW_JSON_ARRAY, &token, &err), KW_OK);
    assert_int_equal(kw_json_skip(&json, &token, &err), KW_E_FORMAT);
}

static const char document[] = "{\"version\": \"1.0\", \"added_tokens\": [{\"id\": 0, \"content\": "
                               "\"<unk>\", \"special\": true}],\n"
                               " \"model\": {\"type\": \"BPE\", \"dropout\": null, \"vocab\": "
                               "{\"\\u0120the\": 262, \"caf\xC3\xA9\": -1.5e-3,\n"
                               " \"\xF0\x9F\x98\x80\\ud83d\\ude00\": 1E+2, \"\": [[], {}, [false, "
                               "\"\\\\\\\"/\\/\"]]}, \"merges\": [\"a b\", \"c d\"]}} ";

/* Exact-size copies, so that a sanitizer sees a read past the end. */
static void every_truncation_fails_within_its_bounds(void **state)
{
    (void)state;
    const size_t len = sizeof(document) - 1;
    for (size_t cut = 0; cut <= len; cut++) {
        char *copy = malloc(cut ? cut : 1);
        assert_non_null(copy);
        memcpy(copy, document, cut);
        size_t n;
        kw_error err;
        const kw_status status = walk((kw_str){copy, cut}, &n, &err);
        assert_int_equal(status, cut >= len - 1 ? KW_OK : KW_E_FORMAT);
        if (status != KW_OK)
            assert_true(strtoul(err.message + 11, NULL, 10) <= cut);
        free(copy);
    }
}

/* Every byte replaced by every value: no crash, no endless loop, and what passes has valid strings.
 */
static void every_damaged_byte_is_survived(void **state)
{
    (void)state;
    const size_t len = sizeof(document) - 1;
    char *copy = malloc(len);
    assert_non_null(copy);
    memcpy(copy, document, len);
    size_t accepted = 0;
    for (size_t at = 0; at < len; at++) {
        for (int value = 0; value < 256; value++) {
            copy[at] = (char)value;
            size_t n;
            kw_error err;
            if (walk((kw_str){copy, len}, &n, &err) == KW_OK) {
                assert_true(kw_utf8_valid(copy, len));
                accepted++;
            }
        }
        copy[at] = document[at];
    }
    free(copy);
    assert_in_range(accepted, len, len * 128);
}

/* Validity of the inside of a string by a scanner that takes one byte at a time. */
static bool reference_string(const unsigned char *s, size_t len)
{
    size_t i = 0;
    while (i < len) {
        if (s[i] < 0x20 || s[i] == '"')
            return false;
        if (s[i] == '\\') {
            static const char simple[] = "\"\\/bfnrt";
            if (i + 1 >= len)
                return false;
            if (s[i + 1] == 'u') {
                if (len - i < 6 || strspn((const char *)s + i + 2, "0123456789abcdefABCDEF") < 4)
                    return false;
                i += 6;
            } else if (s[i + 1] != 0 && strchr(simple, s[i + 1])) {
                i += 2;
            } else {
                return false;
            }
        } else {
            i++;
        }
    }
    return kw_utf8_valid((const char *)s, len);
}

/* Strings over the bytes that matter, long enough for the scanner that takes eight at a time. */
static void random_strings_equal_a_simple_scanner(void **state)
{
    (void)state;
    static const char bytes[] =
        "aaaaaaaa  !#[]~\x7F\"\\\\unb0F/\x1F\x01\x80\xC3\xA9\xC3\xA9\xE2\x82\xAC";
    int n_valid = 0, n_invalid = 0;
    for (uint64_t i = 0; i < 300000; i++) {
        char text[48];
        const size_t len = kw_rng_u32(5, 0, i) % 40;
        const uint32_t kinds = i % 3 == 0 ? (uint32_t)sizeof(bytes) - 1 : i % 3 == 1 ? 18 : 26;
        text[0] = '"';
        for (size_t j = 0; j < len; j++)
            text[1 + j] = bytes[kw_rng_u32(6, i, j) % kinds];
        memcpy(text + 1 + len, "\"", 2);
        const bool want = reference_string((const unsigned char *)text + 1, len);
        size_t n;
        kw_error err;
        const bool got = walk((kw_str){text, len + 2}, &n, &err) == KW_OK;
        if (got != want)
            fail_msg("%d for %d: %s", got, want, text);
        n_valid += want;
        n_invalid += !want;
    }
    assert_true(n_valid > 10000 && n_invalid > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_allowed),
        cmocka_unit_test(what_is_forbidden),
        cmocka_unit_test(messages_name_subject_offset_and_finding),
        cmocka_unit_test(tokens_come_in_order),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(strings_are_decoded),
        cmocka_unit_test(integers),
        cmocka_unit_test(reals),
        cmocka_unit_test(expect_and_skip),
        cmocka_unit_test(every_truncation_fails_within_its_bounds),
        cmocka_unit_test(every_damaged_byte_is_survived),
        cmocka_unit_test(random_strings_equal_a_simple_scanner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
