/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* grammar.c - what grammars and schemas accept, what is refused, and masks: the same as trying
 * every token, and never a text that does not parse. */
#include "golden.h"

#include "base/check.h"
#include "base/json.h"
#include "base/rng.h"
#include "text/grammar.h"

static kw_matcher *open_matcher(const char *source, const kw_token_index *index, kw_grammar **g)
{
    kw_matcher *m;
    kw_error err = {0};
    check_ok(kw_grammar_parse(kw_str_from(source), "grammar", g, &err), &err);
    check_ok(kw_matcher_create(*g, index, &m, &err), &err);
    return m;
}

/* Whether the whole text is one of the grammar's; given whole and byte by byte. */
static bool accepts(kw_matcher *m, const char *text)
{
    bool whole, fits = true;
    kw_error err = {0};
    kw_matcher_reset(m);
    check_ok(kw_matcher_push(m, kw_str_from(text), &whole, &err), &err);
    const bool first = whole && kw_matcher_accepts(m);
    kw_matcher_reset(m);
    for (const char *c = text; *c && fits; c++)
        check_ok(kw_matcher_push(m, (kw_str){c, 1}, &fits, &err), &err);
    assert_int_equal(fits && kw_matcher_accepts(m), first);
    return first;
}

typedef struct language {
    const char *source;
    const char *yes[8], *no[8];
} language;

static void check_language(const char *grammar, const language *l)
{
    kw_grammar *g;
    kw_matcher *m = open_matcher(grammar, NULL, &g);
    for (size_t i = 0; i < 8 && l->yes[i]; i++)
        if (!accepts(m, l->yes[i]))
            fail_msg("%s does not accept %s", l->source, l->yes[i]);
    for (size_t i = 0; i < 8 && l->no[i]; i++)
        if (accepts(m, l->no[i]))
            fail_msg("%s accepts %s", l->source, l->no[i]);
    kw_matcher_free(m);
    kw_grammar_free(g);
}

static void grammars_accept_their_texts(void **state)
{
    static const language languages[] = {
        {"root ::= \"a\" | \"bc\"", {"a", "bc"}, {"", "b", "abc", "ab"}},
        {"root ::= \"\"", {""}, {"a"}},
        {"root ::= [a-c]+ \"x\"? [^a-c\\n]", {"a-", "abcx!", "ax\xC3\xA9"}, {"a", "xa", "aa\n"}},
        {"root ::= (\"a\"? \"b\"*)* \"!\"", {"!", "aab!", "bbaa!"}, {"", "!a"}},
        {"root ::= \"a\"{2,3} \"b\"{2} \"c\"{1,} \"d\"{0,1}",
         {"aabbc", "aaabbccd"},
         {"abbc", "aabbb", "aaaabbc", "aabb", "aabbcdd"}},
        {"root ::= .",
         {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\xA6\x99"},
         {"", "ab", "\xC3", "\xED\xA0\x80", "\xFF", "\xC0\x80", "\xF4\x90\x80\x80"}},
        {"root ::= [\\u0430-\\u044F]+ [\\x41\\U0001F600-\\U0001F64F]",
         {"\xD0\xB0\xD1\x8F"
          "A",
          "\xD0\xB0\xF0\x9F\x98\x80"},
         {"aA", "\xD0\xB0\xF0\x9F\xA6\x99"}},
        {"# sums in parentheses\nroot ::= sum # the whole\nsum ::= term (\n \"+\" term)*\n"
         "term ::= [0-9]+ |\n \"(\" sum \")\"\n",
         {"1", "1+22", "((1))+(2+3)"},
         {"", "1+", "(1", "1)", "()"}},
        {"root ::= x y\nx ::= \"a\" x | \"\"\ny ::= x \"b\"", {"b", "aaab"}, {"a", "ba"}},
        {"root ::= \"\\\"\\\\\\[\\]\\n\" [\\]\\-^-]",
         {"\"\\[]\n]", "\"\\[]\n-", "\"\\[]\n^"},
         {"\"\\[]\na"}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(languages) / sizeof(languages[0]); i++)
        check_language(languages[i].source, &languages[i]);
}

static void check_schema(const language *l)
{
    kw_buf grammar = {0};
    kw_error err = {0};
    check_ok(kw_schema_to_grammar(kw_str_from(l->source), "schema", &grammar, &err), &err);
    check_language(grammar.data, l);
    kw_buf_free(&grammar);
}

static void pattern_schema(const char *pattern, kw_buf *out)
{
    kw_buf_printf(out, "{\"type\":\"string\",\"pattern\":");
    kw_buf_json(out, kw_str_from(pattern));
    kw_buf_printf(out, "}");
}

/* The texts of l stand between quotes. */
static void check_pattern(const char *pattern, const language *l)
{
    char quoted[16][40];
    kw_buf schema = {0};
    pattern_schema(pattern, &schema);
    language with = {.source = schema.data};
    for (size_t i = 0; i < 8; i++) {
        if (l->yes[i]) {
            snprintf(quoted[i], sizeof quoted[i], "\"%s\"", l->yes[i]);
            with.yes[i] = quoted[i];
        }
        if (l->no[i]) {
            snprintf(quoted[8 + i], sizeof quoted[i], "\"%s\"", l->no[i]);
            with.no[i] = quoted[8 + i];
        }
    }
    check_schema(&with);
    kw_buf_free(&schema);
}

static void schemas_accept_their_texts(void **state)
{
    static const language languages[] = {
        {"{}",
         {"1", "{\"a\": [null, -2.5e+1]}", "\"\\u00e9\xC3\xA9\"", "[]"},
         {"", "{", "01", "\"\n\"", "[1,]", "tru"}},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":"
         "\"boolean\"},\"c\":{\"type\":\"null\"}},\"required\":[\"b\"]}",
         {"{\"b\":true}", "{ \"a\": 5, \"b\": false }", "{\"a\":0,\"b\":true,\"c\":null}",
          "{\"b\":true, \"c\":null}"},
         {"{}", "{\"a\":1}", "{\"b\":1}", "{\"b\":true,\"a\":1}", "{\"b\":true,}",
          "{\"b\":true,\"d\":1}"}},
        {"{\"properties\":{\"a\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":2}},"
         "\"additionalProperties\":{\"type\":\"number\"}}",
         {"{}", "{\"a\":\"xy\"}", "{\"a\":\"\xC3\xA9\\n\",\"z\":1}", "{\"z\":1.5,\"y\":2}"},
         {"{\"a\":\"\"}", "{\"a\":\"xyz\"}", "{\"z\":\"1\"}"}},
        {"{\"type\":\"array\",\"items\":{\"enum\":[1,\"a\\\"\",null,-2.50,{\"k\":[]}]},"
         "\"minItems\":1,\"maxItems\":3}",
         {"[1]", "[1, \"a\\\"\",null]", "[-2.50]", "[{\"k\": []}]"},
         {"[]", "[1,1,1,1]", "[2]"}},
        {"{\"type\":[\"string\",\"null\"]}", {"\"\"", "null"}, {"1"}},
        {"{\"anyOf\":[{\"const\":\"x\"},{\"type\":\"array\",\"maxItems\":0}]}",
         {"\"x\"", "[]"},
         {"\"y\"", "[1]"}},
        {"{\"prefixItems\":[{\"type\":\"null\"},{\"const\":1}],\"items\":{\"const\":2}}",
         {"[null,1]", "[null, 1, 2, 2]"},
         {"[null]", "[null,1,3]"}},
        {"{\"$ref\":\"#/$defs/tree\",\"$defs\":{\"tree\":{\"type\":\"object\",\"properties\":{"
         "\"kids\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/tree\"}}}}}}",
         {"{}", "{\"kids\":[]}", "{\"kids\":[{\"kids\":[{}]},{}]}"},
         {"[]", "{\"kids\":[1]}"}},
        {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":2}",
         {"[1,2]", "[1,2,3]"},
         {"[]", "[1]"}},
    };
    (void)state;
    for (size_t k = 0; k < KW_COUNT(languages); k++)
        check_schema(&languages[k]);
}

static void merged_and_bounded_schemas_accept_their_texts(void **state)
{
    static const language languages[] = {
        {"{\"type\":\"integer\",\"minimum\":-12,\"exclusiveMaximum\":130}",
         {"-12", "-3", "0", "9", "99", "100", "129"},
         {"-13", "130", "200", "1000", "01", "-0", "1.0"}},
        {"{\"type\":\"integer\",\"minimum\":0.5,\"exclusiveMinimum\":4}",
         {"5", "70000"},
         {"4", "-5"}},
        {"{\"type\":\"number\",\"exclusiveMinimum\":-2,\"maximum\":1}",
         {"-1.5", "-1", "-0.25", "0", "0.5", "1", "1.0"},
         {"-2", "-2.0", "1.1", "2"}},
        {"{\"allOf\":[{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}},"
         "\"required\":[\"a\"]},{\"properties\":{\"b\":{\"type\":\"null\"},\"a\":{\"minimum\":3}},"
         "\"required\":[\"b\"]}]}",
         {"{\"a\":3,\"b\":null}"},
         {"{\"a\":2,\"b\":null}", "{\"a\":3}", "{\"b\":null}"}},
        {"{\"allOf\":[{\"$ref\":\"#/$defs/"
         "n\"},{\"properties\":{\"kids\":{\"type\":\"array\",\"items\":"
         "{\"$ref\":\"#\"}}}}],\"$defs\":{\"n\":{\"properties\":{\"n\":{\"type\":[\"number\","
         "\"string\"]}},\"required\":[\"n\"]}}}",
         {"{\"n\":1.5,\"kids\":[{\"n\":\"\",\"kids\":[]}]}"},
         {"{\"n\":1,\"kids\":[{}]}"}},
        {"{\"type\":\"object\",\"properties\":{\"k\":{\"const\":1}},\"required\":[\"k\"],\"anyOf\":"
         "[{"
         "\"properties\":{\"a\":{}},\"required\":[\"a\"]},{\"maxItems\":1}]}",
         {"{\"k\":1}", "{\"k\":1,\"a\":[]}"},
         {"{}", "{\"a\":1}"}},
        {"{\"enum\":[1,\"x\",null],\"type\":[\"string\",\"integer\"],\"not\":{\"const\":1}}",
         {"\"x\""},
         {"1", "null"}},
        {"{\"not\":{\"type\":[\"null\",\"object\"]}}", {"1.5", "[]", "true"}, {"null", "{}"}},
        {"{\"patternProperties\":{\"^x[0-9]$\":{\"type\":\"null\"}}}",
         {"{}", "{\"x1\":null,\"x2\":null}"},
         {"{\"y\":null}", "{\"x1\":1}"}},
        {"{\"type\":\"string\",\"format\":\"date\"}",
         {"\"2024-02-29\"", "\"2000-02-29\"", "\"1999-12-31\""},
         {"\"2023-02-29\"", "\"1900-02-29\"", "\"2024-04-31\"", "\"2024-13-01\"", "\"\""}},
        {"{\"type\":\"string\",\"format\":\"date-time\"}",
         {"\"2024-01-01T23:59:59Z\"", "\"2024-01-01T00:00:00.25+02:00\""},
         {"\"2024-01-01\"", "\"2024-01-01T24:00:00Z\""}},
        {"{\"type\":\"string\",\"format\":\"uuid\"}",
         {"\"123e4567-e89b-12d3-a456-42661417400F\""},
         {"\"123e4567\""}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(languages) / sizeof(languages[0]); i++)
        check_schema(&languages[i]);
}

/* ---- patterns ---- */

static void patterns_accept_their_strings(void **state)
{
    static const struct {
        const char *pattern;
        language l;
    } patterns[] = {
        {"a", {NULL, {"a", "xay"}, {"", "b"}}},
        {"", {NULL, {"", "a"}, {NULL}}},
        {"^a|b$", {NULL, {"a", "axx", "xxb"}, {"xa", "bx"}}},
        {"^(foo|ba[rz])+?$", {NULL, {"foo", "barbaz"}, {"", "ba"}}},
        {"^[a-z]{2,3}\\d+$", {NULL, {"ab1", "abc12"}, {"a1", "abcd1", "ab"}}},
        {"^[^\"\\\\]?$", {NULL, {"", "\\n", "\\u0001", "\\u007f"}, {"\\\"", "\\\\"}}},
        {"^.$", {NULL, {"\\\"", "\\\\", "\xC3\xA9", "\\t"}, {"", "\\n", "ab"}}},
        {"^\\u0041[\\x42-D\\]-]$", {NULL, {"AB", "AD", "A]", "A-"}, {"AE", "A"}}},
        {"^\\S\\W$", {NULL, {"a!", "a\\n"}, {" !", "aa"}}},
        {"^(?:a|)b?c*?$", {NULL, {"", "a", "bc", "acc"}, {"d", "ba"}}},
        {"^(?<n>x)\\/$", {NULL, {"x/"}, {"x"}}},
    };
    static const char *const wrong[][2] = {
        {"(?=a)", "look ahead or behind"},
        {"(?<!a)", "look ahead or behind"},
        {"\\1", "back reference"},
        {"\\bx", "word boundary"},
        {"\\p{L}", "class by property"},
        {"a^b", "anchor inside"},
        {"(a", "no end"},
        {"a)", "nothing opened"},
        {"[a", "no end"},
        {"a{", "no repetition"},
        {"a{2,1}", "ends before"},
        {"*a", "repetition of nothing"},
        {"\\", "nothing behind"},
        {"[z-a]", "ends before"},
        {"\\xZ1", "hexadecimal"},
        {"[^\\s\\S]", "without characters"},
        {"\\uD800", "surrogate"},
        {"[\\d-z]", "begins with a class"},
    };
    (void)state;
    for (size_t i = 0; i < KW_COUNT(patterns); i++)
        check_pattern(patterns[i].pattern, &patterns[i].l);
    for (size_t i = 0; i < KW_COUNT(wrong); i++) {
        kw_buf schema = {0}, out = {0};
        kw_error err = {0};
        pattern_schema(wrong[i][0], &schema);
        assert_int_not_equal(
            kw_schema_to_grammar((kw_str){schema.data, schema.len}, "schema", &out, &err), KW_OK);
        if (!strstr(err.message, wrong[i][1]))
            fail_msg("%s: \"%s\"", wrong[i][0], err.message);
        kw_buf_free(&schema);
        kw_buf_free(&out);
    }
}

/* ---- refusals ---- */

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *source, *words;
    } grammars[] = {
        {"", "no rule \"root\""},
        {"root ::= x", "line 1: there is no rule \"x\""},
        {"root ::= root \"a\"", "left-recursive"},
        {"root ::= a* root \"x\" | \"y\"\na ::= \"\" | \"b\"", "left-recursive"},
        {"root ::= x\nx ::= y \"a\"\ny ::= x | \"b\"", "left-recursive"},
        {"root ::= \"a\nb\"", "has no end"},
        {"root ::= \"a\"\nroot ::= \"b\"", "line 2: a rule is defined twice"},
        {"root ::= (\"a\"", "expected \")\""},
        {"root ::= [b-a]", "ends before it begins"},
        {"root ::= \"\\q\"", "an escape that is none of"},
        {"root ::= \"a\"{3,2}", "expected \"{m}\""},
        {"root ::= \"ab\"{100000}{100000}", "more than"},
        {"root ::= \"\"{100000}{100000}{100000}", "repeats too much"},
        {"root = \"a\"", "expected \"::=\""},
        {"root ::= <[a]>", "expected \"<[number]>\""},
        {"root ::= <[]>", "expected \"<[number]>\""},
        {"root ::= <[16777216]>", "beyond any vocabulary"},
        {"root ::= <a", "no end on its line"},
        {"root ::= !a", "expected \"<\""},
        {"root ::= <a>", "needs a tokenizer"},
        {"root ::= \"\xFF\"", "not UTF-8"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(grammars) / sizeof(grammars[0]); i++) {
        kw_grammar *g = NULL;
        kw_error err = {0};
        if (kw_grammar_parse(kw_str_from(grammars[i].source), "grammar", &g, &err) == KW_OK ||
            !strstr(err.message, grammars[i].words))
            fail_msg("%s: \"%s\"", grammars[i].source, err.message);
    }
}

static void wrong_schemas_are_named(void **state)
{
    static const struct {
        const char *source, *words;
    } schemas[] = {
        {"{\"multipleOf\":2}", "multipleOf is not supported"},
        {"{\"type\":\"integer\",\"minimum\":3,\"maximum\":2}", "no number is within"},
        {"{\"type\":\"number\",\"minimum\":0.5}", "not whole is not supported"},
        {"{\"$ref\":\"#/nowhere\"}", "leads nowhere"},
        {"{\"$ref\":\"http://x\"}", "leaves the schema"},
        {"{\"type\":\"text\"}", "there is no type \"text\""},
        {"{\"required\":[\"x\"]}", "\"x\" is required"},
        {"[]", "neither an object nor true"},
        {"{", "JSON"},
        {"{\"enum\":[]}", "enum is no list"},
        {"{\"type\":\"string\",\"pattern\":\"a\",\"minLength\":1}", "pattern beside a length"},
        {"{\"type\":\"string\",\"not\":{\"pattern\":\"a\"}}", "not is supported of a type"},
        {"{\"allOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "exclude each other"},
        {"{\"allOf\":[{\"pattern\":\"a\"},{\"pattern\":\"b\"}]}", "allOf of several \"pattern\""},
        {"{\"allOf\":[{\"$ref\":\"#\"}]}", "lead deeper than 50"},
        {"{\"enum\":[1,2],\"not\":{\"enum\":[2,1]}}", "no value is left"},
        {"{\"const\":\"c\",\"enum\":[\"a\"]}", "no listed value is left"},
        {"{\"enum\":[\"a\"],\"maxLength\":1}", "listed values beside maxLength"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(schemas) / sizeof(schemas[0]); i++) {
        kw_buf out = {0};
        kw_error err = {0};
        const kw_status status =
            kw_schema_to_grammar(kw_str_from(schemas[i].source), "schema", &out, &err);
        if (status == KW_OK ||
            (!strstr(err.message, schemas[i].words) && strcmp(schemas[i].source, "{") != 0))
            fail_msg("%s: \"%s\"", schemas[i].source, err.message);
        kw_buf_free(&out);
    }
    kw_buf deep = {0};
    kw_grammar *g;
    kw_error err = {0};
    kw_buf_printf(&deep, "root ::= ");
    for (int i = 0; i < 10000; i++)
        kw_buf_printf(&deep, "(");
    assert_int_equal(kw_grammar_parse((kw_str){deep.data, deep.len}, "grammar", &g, &err),
                     KW_E_LIMIT);
    kw_buf_free(&deep);
    /* a schema that contains nothing but itself */
    kw_buf out = {0};
    check_ok(kw_schema_to_grammar(KW_STR("{\"$ref\":\"#\"}"), "schema", &out, &err), &err);
    assert_int_equal(kw_grammar_parse((kw_str){out.data, out.len}, "schema", &g, &err),
                     KW_E_UNSUPPORTED);
    kw_buf_free(&out);
}

/* ---- masks ---- */

/* A byte-level vocabulary: pieces that JSON is made of, and some that straddle its parts. */
static const char tokenizer_json[] =
    "{\"added_tokens\":[{\"id\":0,\"content\":\"</s>\",\"special\":true}],\"decoder\":{\"type\":"
    "\"ByteLevel\"},\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"</s>\":0,\"{\":1,\"}\":2,\"[\":3,\"]\":4,\"\\\"\":5,"
    "\",\":6,\":\":7,\"1\":8,\"23\":9,\"-\":10,\".\":11,\"e\":12,\"true\":13,\"tr\":14,\"ue\":15,"
    "\"null\":16,\"\\\":\":17,\"\\\",\\\"\":18,\"{\\\"\":19,\"a\":20,\"ab\":21,\"abc\":22,"
    "\"\xC3\x83"
    "\":23,\"\xC2\xA9\":24,\"\\\\\":25,\"n\":26,\"u\":27,\"00\":28,\"[[\":29,\"]]\":30,\"}}\":31,"
    "\"\xC4\xA0\":32,\"\xC4\x8A\":33,\"]}\":34,\"[]\":35,\"\xC4\xA0true\":36,\"b\\\"}\":37,\"l\":"
    "38},"
    "\"merges\":[]}}";

static kw_tokenizer *open_tokenizer(void)
{
    kw_tokenizer *t;
    kw_error err = {0};
    check_ok(kw_tokenizer_from_json(KW_STR(tokenizer_json), "test", &t, &err), &err);
    return t;
}

static bool bit(const uint32_t *mask, size_t id)
{
    return mask[id / 32] >> (id % 32) & 1;
}

/* The mask against trying each token on a matcher of its own. */
static void check_mask(const kw_grammar *g, const kw_tokenizer *t, kw_str text,
                       const uint32_t *mask)
{
    for (size_t id = 0; id < kw_tokenizer_size(t); id++) {
        kw_matcher *m;
        bool fits;
        check_ok(kw_matcher_create(g, NULL, &m, NULL), NULL);
        check_ok(kw_matcher_push(m, text, &fits, NULL), NULL);
        assert_true(fits);
        bool want = kw_matcher_accepts(m);
        if (!kw_tokenizer_is_end(t, (int32_t)id))
            check_ok(kw_matcher_push(m, kw_tokenizer_surface(t, (int32_t)id), &want, NULL), NULL);
        if (bit(mask, id) != want)
            fail_msg("after %.*s token %zu is %d", KW_FMT(text), id, bit(mask, id));
        kw_matcher_free(m);
    }
}

/* Random tokens that masks allow; the text when it came to an end within n tokens. */
static bool random_walk(kw_matcher *m, const kw_grammar *g, const kw_tokenizer *t, uint64_t seed,
                        kw_buf *text)
{
    kw_matcher_reset(m);
    for (uint64_t i = 0; i < 60; i++) {
        const uint32_t *mask;
        bool fits;
        kw_error err = {0};
        check_ok(kw_matcher_mask(m, &mask, &err), &err);
        if (i < 12 && g)
            check_mask(g, t, (kw_str){text->data, text->len}, mask);
        if (bit(mask, 0) && (kw_matcher_complete(m) || kw_rng_u32(seed, 1, i) % 4 == 0))
            return true;
        const uint32_t n = (uint32_t)kw_tokenizer_size(t);
        uint32_t id = kw_rng_u32(seed, 0, i) % n;
        for (size_t tries = 0; tries < n && (id == 0 || !bit(mask, id)); tries++)
            id = (id + 1) % n;
        if (id == 0 || !bit(mask, id)) /* this vocabulary lacks the piece */
            return false;
        const kw_str piece = kw_tokenizer_surface(t, (int32_t)id);
        check_ok(kw_matcher_push(m, piece, &fits, &err), &err);
        assert_true(fits);
        kw_buf_add(text, piece.data, piece.len);
    }
    return false;
}

static void masks_are_exact_and_texts_parse(void **state)
{
    static const char *const schemas[] = {"{}",
                                          "{\"type\":\"array\",\"items\":{\"type\":\"boolean\"}}",
                                          "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
                                          "\"number\"},\"ab\":{\"type\":\"string\"}},"
                                          "\"required\":[\"ab\"]}"};
    int n_ended = 0;
    kw_tokenizer *t = open_tokenizer();
    kw_token_index *index;
    (void)state;
    check_ok(kw_token_index_create(t, kw_tokenizer_size(t), &index, NULL), NULL);
    for (size_t k = 0; k < 3; k++) {
        kw_grammar *g;
        kw_buf source = {0};
        check_ok(kw_schema_to_grammar(kw_str_from(schemas[k]), "schema", &source, NULL), NULL);
        kw_matcher *m = open_matcher(source.data, index, &g);
        for (uint64_t seed = 0; seed < 200; seed++) {
            kw_buf text = {0};
            if (random_walk(m, seed < 8 ? g : NULL, t, seed, &text)) {
                kw_json json;
                kw_json_token token;
                kw_error err = {0};
                kw_json_init(&json, (kw_str){text.data, text.len}, "walk");
                check_ok(kw_json_next(&json, &token, &err), &err);
                check_ok(kw_json_skip(&json, &token, &err), &err);
                check_ok(kw_json_expect(&json, KW_JSON_END, &token, &err), &err);
                n_ended++;
            }
            kw_buf_free(&text);
        }
        kw_matcher_free(m);
        kw_grammar_free(g);
        kw_buf_free(&source);
    }
    print_message("%d of 600 walks ended, each in JSON\n", n_ended);
    assert_true(n_ended > 300);
    kw_token_index_free(index);
    kw_tokenizer_free(t);
}

/* Deeper than there are states: they are forgotten, and the text goes on. */
static void states_are_forgotten(void **state)
{
    kw_grammar *g;
    kw_matcher *m = open_matcher("root ::= \"[\" root* \"]\" | \"(\" root \")\"", NULL, &g);
    bool fits;
    kw_error err = {0};
    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 12000; i++) {
            check_ok(kw_matcher_push(m, round ? KW_STR("]") : KW_STR("["), &fits, &err), &err);
            assert_true(fits);
        }
    }
    assert_true(kw_matcher_complete(m));
    check_ok(kw_matcher_push(m, KW_STR("]"), &fits, &err), &err);
    assert_false(fits);
    kw_matcher_free(m);
    kw_grammar_free(g);
}

/* ---- tokens ---- */

/* Whether tokens, one after another, are a text of the grammar, and each is in the mask where it
 * fits. */
static bool accepts_tokens(kw_matcher *m, const kw_tokenizer *t, const int32_t *ids, size_t n)
{
    kw_error err = {0};
    bool fits = true;
    kw_matcher_reset(m);
    for (size_t i = 0; i < n && fits; i++) {
        const uint32_t *mask;
        check_ok(kw_matcher_mask(m, &mask, &err), &err);
        const bool allowed = bit(mask, (size_t)ids[i]);
        check_ok(kw_matcher_push_token(m, t, ids[i], &fits, &err), &err);
        assert_int_equal(allowed, fits);
    }
    return fits && kw_matcher_accepts(m);
}

static void tokens_can_be_named(void **state)
{
    /* of the vocabulary: 0 </s>, 13 true, 14 tr, 15 ue, 20 a, 21 ab, 22 abc */
    static const struct {
        const char *source;
        int32_t ids[4];
        size_t n;
        bool fits;
    } cases[] = {
        {"root ::= <[20]> \"b\"", {20}, 1, false},
        {"root ::= <[22]> <[20]>", {22, 20}, 2, true},
        {"root ::= <[22]>", {20}, 1, false},
        {"root ::= !<[20]>*", {13, 22, 1}, 3, true},
        {"root ::= !<[20]>*", {13, 20}, 2, false},
        {"root ::= !<[20]>* <[20]> \"true\"", {5, 20, 14, 15}, 4, true},
        {"root ::= \"true\" | <[13]> \"a\"", {13}, 1, true},
        {"root ::= \"true\" | <[13]> \"a\"", {13, 20}, 2, true},
        {"root ::= \"true\" | <[13]> \"a\"", {14, 15, 20}, 3, false},
        {"root ::= (<[20]> | \"{\")+", {20, 1, 20}, 3, true},
        {"root ::= <[65536]>?", {20}, 1, false},
    };
    kw_tokenizer *t = open_tokenizer();
    kw_token_index *index;
    kw_error err = {0};
    (void)state;
    check_ok(kw_token_index_create(t, kw_tokenizer_size(t), &index, NULL), NULL);
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        kw_grammar *g;
        kw_matcher *m = open_matcher(cases[i].source, index, &g);
        if (accepts_tokens(m, t, cases[i].ids, cases[i].n) != cases[i].fits)
            fail_msg("%s, case %zu", cases[i].source, i);
        bool fits;
        kw_matcher_reset(m);
        check_ok(kw_matcher_push_token(m, t, 0, &fits, &err), &err);
        assert_false(fits); /* what ends an answer is no part of it */
        kw_matcher_free(m);
        kw_grammar_free(g);
    }
    kw_grammar *g = NULL;
    const kw_str named = KW_STR("root ::= <true> !</s>"), many = KW_STR("root ::= <ab[>");
    assert_int_equal(kw_grammar_parse(named, "grammar", &g, &err), KW_E_UNSUPPORTED);
    assert_int_equal(kw_grammar_parse_for(many, "grammar", t, &g, &err), KW_E_FORMAT);
    assert_non_null(strstr(err.message, "tokens, not one"));
    kw_token_index_free(index);
    kw_tokenizer_free(t);
}

/* A grammar with tokens forgets its states, too, and knows what it has read. */
static void tokens_are_followed_again(void **state)
{
    kw_grammar *g;
    kw_tokenizer *t = open_tokenizer();
    kw_token_index *index;
    kw_error err = {0};
    bool fits;
    (void)state;
    check_ok(kw_token_index_create(t, kw_tokenizer_size(t), &index, NULL), NULL);
    kw_matcher *m = open_matcher("root ::= <[20]> root* <[3]> | \"{\" root \"}\"", index, &g);
    for (int i = 0; i < 3100; i++) { /* masks need states of their own: too many for all */
        const uint32_t *mask;
        check_ok(kw_matcher_mask(m, &mask, &err), &err);
        check_ok(kw_matcher_push_token(m, t, i < 3000 ? 20 : 3, &fits, &err), &err);
        assert_true(fits);
    }
    assert_false(kw_matcher_accepts(m));
    kw_matcher_free(m);
    kw_grammar_free(g);
    kw_token_index_free(index);
    kw_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grammars_accept_their_texts),
        cmocka_unit_test(schemas_accept_their_texts),
        cmocka_unit_test(merged_and_bounded_schemas_accept_their_texts),
        cmocka_unit_test(patterns_accept_their_strings),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(wrong_schemas_are_named),
        cmocka_unit_test(masks_are_exact_and_texts_parse),
        cmocka_unit_test(states_are_forgotten),
        cmocka_unit_test(tokens_can_be_named),
        cmocka_unit_test(tokens_are_followed_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
