/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pretoken.c - the ways to cut text that are written out equal the published expressions. */
#include "golden.h"

#include "base/utf8.h"
#include "text/pattern.h"
#include "text/pretoken.h"
#include "text/steps.h"
#include "text/unicode_table.h"

/* As the models' own files write them. */
static const struct {
    kw_pretokenizer pre;
    const char *expression;
} known[] = {
    {KW_PRE_GPT2,
     "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"},
    {KW_PRE_LLAMA3, "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
                    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
    {KW_PRE_QWEN2, "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
                   "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
    {KW_PRE_CLIP, "(?i)'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"},
    {KW_PRE_WORDS, "\\S+"},
    {KW_PRE_BERT, "[\\p{P}$+<=>^`|~]|[^\\s\\p{P}$+<=>^`|~]+"},
};
enum { N_KNOWN = sizeof(known) / sizeof(known[0]) };

static kw_pattern *compile(kw_str expression)
{
    kw_pattern *pattern;
    kw_error err;
    check_ok(kw_pattern_compile(expression, &pattern, &err), &err);
    return pattern;
}

static kw_matcher *begin(const kw_pattern *pattern, kw_str text)
{
    kw_matcher *matcher;
    kw_error err;
    check_ok(kw_matcher_begin(pattern, text, &matcher, &err), &err);
    return matcher;
}

static bool find(kw_matcher *matcher, size_t from, size_t *start, size_t *end)
{
    bool found;
    kw_error err;
    check_ok(kw_matcher_find(matcher, from, &found, start, end, &err), &err);
    return found;
}

/* Characters that the expressions tell apart, ASCII ones first and far more often. */
static size_t random_text(uint64_t *seed, char *out, size_t n, bool foreign)
{
    static const char ascii[] = "  \t\n\r\v''''sStTmMdDrReEvVlLabzAZ019.,!?-_/(\x1c\x01\x7f";
    static const uint32_t others[] = {0xE9,   0x17F,  0x85,    0xA0,     0x2028, 0x3000,
                                      0x4E2D, 0x301,  0x1F600, 0xBD,     0x664,  0x180E,
                                      0x2160, 0x212A, 0xFEFF,  0x10FFFF, 0x200B, 0x203F};
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t r = next_random(seed);
        if (foreign && r % 9 == 0)
            len += kw_utf8_encode(others[r / 16 % (sizeof(others) / sizeof(others[0]))], out + len);
        else
            out[len++] = ascii[r / 16 % (sizeof(ascii) - 1)];
    }
    return len;
}

static kw_pattern *compile_published(size_t k)
{
    kw_arena arena = {0};
    kw_str rewritten;
    check_ok(kw_pattern_portable(kw_str_from(known[k].expression), &arena, &rewritten, NULL), NULL);
    kw_pattern *pattern = compile(rewritten);
    kw_arena_free(&arena);
    return pattern;
}

/* Every piece of a text is the engine's. */
static void check_pieces(size_t k, const kw_pattern *pattern, kw_str text)
{
    kw_matcher *matcher = begin(pattern, text);
    for (size_t at = 0; at < text.len;) {
        size_t start = text.len, end = text.len, walked = at;
        find(matcher, at, &start, &end);
        const size_t walked_end = kw_pretoken_next(known[k].pre, text.data, text.len, &walked);
        if (walked_end != end || walked != start)
            print_error("way %zu at %zu of \"%.*s\": walk %zu..%zu, engine %zu..%zu\n", k, at,
                        KW_FMT(text), walked, walked_end, start, end);
        assert_int_equal(walked, start);
        assert_int_equal(walked_end, end);
        at = end;
    }
    kw_matcher_end(matcher);
}

static void test_walks_equal_engine(void **state)
{
    (void)state;
    uint64_t seed = 20240607;
    for (size_t k = 0; k < N_KNOWN; k++) {
        kw_pattern *pattern = compile_published(k);
        for (int round = 0; round < 20000; round++) {
            char data[128];
            const size_t len =
                random_text(&seed, data, 1 + next_random(&seed) % 24, round % 2 == 1);
            check_pieces(k, pattern, (kw_str){data, len});
        }
        kw_pattern_free(pattern);
    }
}

/* Every character that is assigned, beside a letter, a space, a number and a sign. */
static void test_walks_every_character(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_KNOWN; k++) {
        kw_pattern *pattern = compile_published(k);
        for (uint32_t c = 0; c < 0x110000; c += c < 0x3400 ? 1 : 7) {
            char text[24];
            size_t len = 0;
            if (kw_unicode_class(c) == 0 || kw_utf8_encode(c, text) == 0)
                continue;
            text[len++] = 'a';
            len += kw_utf8_encode(c, text + len);
            text[len++] = ' ';
            len += kw_utf8_encode(c, text + len);
            len += kw_utf8_encode(c, text + len);
            text[len++] = '1';
            len += kw_utf8_encode(c, text + len);
            text[len++] = '.';
            check_pieces(k, pattern, (kw_str){text, len});
        }
        kw_pattern_free(pattern);
    }
}

/* All texts of up to four characters from a set that has one of each kind. */
static void test_walks_exhaustive(void **state)
{
    (void)state;
    static const char set[] = {' ', '\n', '\r', '\t', '\'', 's', 'L', 'l', 'r', 'E', '1', '.', 'x'};
    const size_t n = sizeof(set);
    for (size_t k = 0; k < N_KNOWN; k++) {
        kw_pattern *pattern = compile_published(k);
        for (size_t code = 0; code < n * n * n * n; code++) {
            const char text[4] = {set[code % n], set[code / n % n], set[code / n / n % n],
                                  set[code / n / n / n]};
            check_pieces(k, pattern, (kw_str){text, 4});
            if (code < n * n * n)
                check_pieces(k, pattern, (kw_str){text, 1 + code % 3});
        }
        kw_pattern_free(pattern);
    }
}

static void test_recognised(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++)
        assert_int_equal(kw_pretoken_recognise(kw_str_from(known[k].expression)), known[k].pre);
    assert_int_equal(kw_pretoken_recognise(KW_STR("\\p{N}")), KW_PRE_CUSTOM);
    size_t start = 0;
    assert_false(kw_pretoken_known(KW_PRE_NONE));
    assert_int_equal(kw_pretoken_next(KW_PRE_NONE, "ab", 2, &start), 2);
}

static void test_white_space(void **state)
{
    (void)state;
    kw_arena arena = {0};
    kw_str space;
    check_ok(kw_pattern_portable(KW_STR("\\s"), &arena, &space, NULL), NULL);
    kw_pattern *pattern = compile(space);
    size_t n_spaces = 0;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        char utf8[4];
        const size_t len = kw_utf8_encode(c, utf8);
        if (len == 0 || (c > 0x3100 && c % 97 != 0))
            continue;
        size_t start, end;
        kw_matcher *matcher = begin(pattern, (kw_str){utf8, len});
        const bool is = find(matcher, 0, &start, &end);
        assert_int_equal(is, kw_is_space(c));
        n_spaces += is;
        kw_matcher_end(matcher);
    }
    assert_int_equal(n_spaces, 25); /* PropList.txt */
    kw_pattern_free(pattern);
    kw_arena_free(&arena);
}

static void test_rewriting(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"abc", "abc"},
        {"\\d+\\D", "\\p{Nd}+\\P{Nd}"},
        {"[\\d]", "[\\p{Nd}]"},
        {"\\w", "[\\p{L}\\p{M}\\p{N}\\p{Pc}]"},
        {"[^\\w]", "[^\\p{L}\\p{M}\\p{N}\\p{Pc}]"},
        {"\\W", "[^\\p{L}\\p{M}\\p{N}\\p{Pc}]"},
        {"\\\\s\\[\\s", "\\\\s\\[[\\t-\\r \xC2\x85\\p{Z}]"},
        {"[\\S]\\S", "[\\S][^\\t-\\r \xC2\x85\\p{Z}]"},
        {"\\u4e00-\\u9FA5", "\xE4\xB8\x80-\xE9\xBE\xA5"},
        {"\\u0041\\uD800\\u12", "\\u0041\\uD800\\u12"},
        {"a\\", "a\\"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        kw_arena arena = {0};
        kw_str out;
        check_ok(kw_pattern_portable(kw_str_from(pairs[i][0]), &arena, &out, NULL), NULL);
        assert_true(kw_str_is(out, pairs[i][1]));
        kw_arena_free(&arena);
    }
}

/* Expressions and texts made to hurt end in an error, soon. */
static void test_limits(void **state)
{
    (void)state;
    kw_pattern *pattern;
    kw_error err;
    assert_int_equal(kw_pattern_compile(KW_STR("(unclosed"), &pattern, &err), KW_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "unclosed"));
    assert_int_equal(kw_pattern_compile(KW_STR("\\C"), &pattern, &err), KW_E_UNSUPPORTED);
    char *nested = malloc(70000);
    assert_non_null(nested);
    memset(nested, '(', 70000);
    assert_int_equal(kw_pattern_compile((kw_str){nested, 5000}, &pattern, &err), KW_E_UNSUPPORTED);
    assert_int_equal(kw_pattern_compile((kw_str){nested, 70000}, &pattern, &err), KW_E_LIMIT);
    free(nested);

    char text[4000];
    memset(text, 'a', sizeof(text));
    pattern = compile(KW_STR("^(?:a+)+$x|(a|aa)+b"));
    kw_matcher *matcher = begin(pattern, (kw_str){text, sizeof(text)});
    bool found;
    size_t start, end;
    assert_int_equal(kw_matcher_find(matcher, 0, &found, &start, &end, &err), KW_E_LIMIT);
    kw_matcher_end(matcher);
    kw_pattern_free(pattern);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walks_equal_engine),
        cmocka_unit_test(test_walks_exhaustive),
        cmocka_unit_test(test_recognised),
        cmocka_unit_test(test_walks_every_character),
        cmocka_unit_test(test_white_space),
        cmocka_unit_test(test_rewriting),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
