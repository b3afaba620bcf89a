/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* text.c - every allocation of making and using a tokenizer, a chat template or a grammar fails in
 * turn: each ends in KW_E_NOMEM with nothing leaked. (PCRE2 and utf8proc allocate behind the wraps;
 * their failures are not made here.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "text/grammar.h"
#include "text/template.h"
#include "text/tokenizer.h"

typedef struct work {
    kw_str json;
    bool sentencepiece;
} work;

/* Makes a tokenizer, encodes and decodes; releases everything again. */
static kw_status operation(const work *w, kw_error *err)
{
    /* Below U+0300 nothing is to be normalised: utf8proc would give blocks that no wrap counted. */
    static const char text[] = "It's 12 sheep<pad>  caf\xC3\xA9\xFF word sleeping again.\n";
    kw_tokenizer *t;
    int32_t *ids;
    char *back;
    size_t n, len;
    kw_status status = w->sentencepiece ? kw_tokenizer_from_sentencepiece(w->json, "test", &t, err)
                                        : kw_tokenizer_from_json(w->json, "test", &t, err);
    if (status != KW_OK)
        return status;
    status =
        kw_tokenizer_encode(t, KW_STR(text), KW_ENCODE_SPECIAL | KW_ENCODE_PARSE, &ids, &n, err);
    if (status == KW_OK) {
        status = kw_tokenizer_decode(t, ids, n, true, &back, &len, err);
        if (status == KW_OK)
            free(back);
        free(ids);
    }
    kw_tokenizer_free(t);
    return status;
}

static void fail_each(const work *w)
{
    for (long n = 1; n < 10000; n++) {
        kw_error err = {.message = ""};
        const long live = kw_alloc_live();
        kw_alloc_fail_at(n);
        const kw_status status = operation(w, &err);
        const bool failed = kw_alloc_stop();
        if (!failed) {
            if (status != KW_OK)
                print_error("%s\n", err.message);
            assert_int_equal(status, KW_OK);
            assert_true(n > 10);
            return;
        }
        assert_int_equal(status, KW_E_NOMEM);
        assert_int_equal(kw_alloc_live(), live);
    }
    fail_msg("needs more than 10000 allocations");
}

static kw_str read_file(const char *name)
{
    char path[1024];
    const int n = snprintf(path, sizeof(path), "%s/tests/%s", KW_SOURCE_DIR, name);
    assert_true(n > 0 && (size_t)n < sizeof(path));
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    static char data[1 << 16];
    const size_t len = fread(data, 1, sizeof(data), file);
    fclose(file);
    assert_true(len < sizeof(data));
    return (kw_str){data, len};
}

static void test_byte_level(void **state)
{
    (void)state;
    fail_each(&(work){.json = read_file("golden/tokenizers/qwen2/tokenizer.json")});
}

static void test_characters(void **state)
{
    (void)state;
    fail_each(&(work){.json = read_file("golden/tokenizers/pipelines/prepend.json")});
}

static void test_sentencepiece(void **state)
{
    (void)state;
    fail_each(&(work){.json = read_file("fuzz/corpus/fuzz_sentencepiece/bpe.model"),
                      .sentencepiece = true});
}

/* A template with most of what takes memory, rendered. */
static kw_status render_template(kw_error *err)
{
    static const char source[] =
        "{% macro m(a, b='x') %}<{{ a }}{{ b }}>{% endmacro %}{% set ns = namespace(n=[1, 2]) %}"
        "{% for k, v in d.items() if v %}{{ m(k, b=v|tojson(indent=2)) ~ loop.index }}{% endfor %}"
        "{% set t %}a{{ 'b c'.split() | map('upper') | join('-') }}{% endset %}{{ t|trim|indent }}"
        "{{ [3, 1]|sort }}{{ 'x%dy' % 5 }}{{ '{}'.format(1.5) }}{{ t[::-1] }}{{ 2 * 'ab' }}"
        "{% filter upper %}{{ ns.n + [3] }}{% endfilter %}{{ 'a\\n'|replace('a', 'bb') }}";
    kw_template *t;
    kw_buf out = {0};
    kw_status status = kw_template_parse(KW_STR(source), "test", &t, err);
    if (status != KW_OK)
        return status;
    status = kw_template_render(t, KW_STR("{\"d\": {\"k\": [1, {\"e\\n\": null}], \"z\": 0.5}}"), 0,
                                NULL, &out, err);
    kw_buf_free(&out);
    kw_template_free(t);
    return status;
}

/* A schema to a grammar, and a text followed through it. */
static kw_status follow_schema(kw_error *err)
{
    static const char schema[] = "{\"type\":\"object\",\"properties\":{\"a\":{\"enum\":[1,\"x\"]},"
                                 "\"b\":{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}}}";
    kw_buf text = {0};
    kw_grammar *g = NULL;
    kw_matcher *m = NULL;
    bool fits = false;
    kw_status status = kw_schema_to_grammar(KW_STR(schema), "test", &text, err);
    if (status == KW_OK)
        status = kw_grammar_parse((kw_str){text.data, text.len}, "test", &g, err);
    if (status == KW_OK)
        status = kw_matcher_create(g, NULL, &m, err);
    if (status == KW_OK)
        status = kw_matcher_push(m, KW_STR("{\"a\": \"x\", \"b\": [{\"b\":[]}]}"), &fits, err);
    assert_true(status != KW_OK || (fits && kw_matcher_complete(m)));
    kw_matcher_free(m);
    kw_grammar_free(g);
    kw_buf_free(&text);
    return status;
}

static void fail_each_of(kw_status (*operation_of)(kw_error *err))
{
    for (long n = 1; n < 10000; n++) {
        kw_error err = {.message = ""};
        const long live = kw_alloc_live();
        kw_alloc_fail_at(n);
        const kw_status status = operation_of(&err);
        const bool failed = kw_alloc_stop();
        assert_int_equal(kw_alloc_live(), live);
        assert_int_equal(status, failed ? KW_E_NOMEM : KW_OK);
        if (!failed) {
            assert_true(n > 10);
            return;
        }
    }
    fail();
}

static void test_unigram(void **state)
{
    (void)state;
    fail_each(&(work){.json = read_file("golden/tokenizers/sentencepiece/unigram-user.model"),
                      .sentencepiece = true});
    fail_each(&(work){.json = read_file("golden/tokenizers/models/unigram-precompiled.json")});
}

static void test_words(void **state)
{
    (void)state;
    fail_each(&(work){.json = read_file("golden/tokenizers/models/wordpiece-cased.json")});
    fail_each(&(work){.json = read_file("golden/tokenizers/models/bpe-edits.json")});
}

static void test_templates(void **state)
{
    (void)state;
    fail_each_of(render_template);
}

static void test_grammars(void **state)
{
    (void)state;
    fail_each_of(follow_schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_byte_level),    cmocka_unit_test(test_characters),
        cmocka_unit_test(test_sentencepiece), cmocka_unit_test(test_templates),
        cmocka_unit_test(test_unigram),       cmocka_unit_test(test_words),
        cmocka_unit_test(test_grammars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
