/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template.c - chat templates against Jinja2 as transformers sets it up (tests/golden/templates),
 * and what the limits and errors promise. */
#include "golden.h"

#include "base/rng.h"
#include "text/template.h"
#include "text/template_value.h"

#include <math.h>

/* Renders a source over variables; the text, malloc'ed, or NULL with the error filled. */
static char *render(kw_str source, kw_str variables, int64_t now, const kw_template_limits *limits,
                    kw_error *err)
{
    kw_template *t;
    kw_buf out = {0};
    *err = (kw_error){0};
    if (kw_template_parse(source, "template", &t, err) != KW_OK)
        return NULL;
    const kw_status status = kw_template_render(t, variables, now, limits, &out, err);
    kw_template_free(t);
    if (status != KW_OK) {
        assert_null(out.data);
        return NULL;
    }
    if (!out.data) /* nothing was written */
        kw_buf_add(&out, "", 0);
    return out.data;
}

/* ---- golden ---- */

typedef struct golden {
    kw_json json;
    kw_arena arena;
    int64_t now;
    kw_str names[64], values[64]; /* the variables: their JSON text */
    size_t n;
    int n_same, n_failed;
} golden;

static void next(golden *g, kw_json_kind kind, kw_json_token *token)
{
    kw_error err;
    check_ok(kw_json_expect(&g->json, kind, token, &err), &err);
}

static kw_str text_of(golden *g, const kw_json_token *token)
{
    kw_str text;
    check_ok(kw_json_string(&g->json, token, &g->arena, &text, NULL), NULL);
    return text;
}

static void read_variables(golden *g)
{
    kw_json_token token;
    next(g, KW_JSON_OBJECT, &token);
    for (;;) {
        check_ok(kw_json_next(&g->json, &token, NULL), NULL);
        if (token.kind == KW_JSON_OBJECT_END)
            return;
        assert_true(g->n < 64);
        g->names[g->n] = text_of(g, &token);
        next(g, KW_JSON_OBJECT, &token);
        const size_t start = g->json.pos - 1;
        check_ok(kw_json_skip(&g->json, &token, NULL), NULL);
        g->values[g->n++] = (kw_str){g->json.text.data + start, g->json.pos - start};
    }
}

static kw_str source_of(kw_str name)
{
    char path[PATH_SIZE], below[200];
    if (name.len < 6 || memcmp(name.data + name.len - 6, ".jinja", 6) != 0)
        return (kw_str){NULL, 0};
    snprintf(below, sizeof below, "tests/golden/templates/%.*s", KW_FMT(name));
    source_path(below, path);
    return read_file(path);
}

/* One case: [template or its file, variables, text or null]. */
static void check_case(golden *g)
{
    kw_json_token token;
    kw_error err;
    next(g, KW_JSON_STRING, &token);
    const kw_str name = text_of(g, &token);
    next(g, KW_JSON_STRING, &token);
    const kw_str variables = text_of(g, &token);
    check_ok(kw_json_next(&g->json, &token, NULL), NULL);
    const bool fails = token.kind == KW_JSON_NULL;
    const kw_str want = fails ? KW_STR("") : text_of(g, &token);
    next(g, KW_JSON_ARRAY_END, &token);
    size_t v = 0;
    while (v < g->n && !kw_str_eq(g->names[v], variables))
        v++;
    assert_true(v < g->n);
    const kw_str file = source_of(name);
    char *got = render(file.data ? file : name, g->values[v], g->now, NULL, &err);
    if (fails != (got == NULL) || (got && !kw_str_is(want, got))) {
        print_error("%.*s over %.*s\nexpected: %.*s\ngot: %s\n", KW_FMT(name), KW_FMT(variables),
                    (int)want.len, want.data, got ? got : err.message);
        fail();
    }
    g->n_same += !fails;
    g->n_failed += fails;
    free(got);
    free_text(file);
}

static void golden_templates(void **state)
{
    (void)state;
    char path[PATH_SIZE];
    golden g = {0};
    kw_json_token token;
    source_path("tests/golden/templates/expected.json", path);
    const kw_str text = read_file(path);
    kw_json_init(&g.json, text, "expected.json");
    next(&g, KW_JSON_OBJECT, &token);
    next(&g, KW_JSON_KEY, &token);
    next(&g, KW_JSON_NUMBER, &token);
    check_ok(kw_json_i64(&g.json, &token, &g.now, NULL), NULL);
    next(&g, KW_JSON_KEY, &token);
    read_variables(&g);
    next(&g, KW_JSON_KEY, &token);
    next(&g, KW_JSON_ARRAY, &token);
    for (;;) {
        check_ok(kw_json_next(&g.json, &token, NULL), NULL);
        if (token.kind != KW_JSON_ARRAY)
            break;
        check_case(&g);
    }
    print_message("%d texts are Jinja's, %d templates fail as there\n", g.n_same, g.n_failed);
    assert_true(g.n_same > 100 && g.n_failed > 20);
    kw_arena_free(&g.arena);
    free_text(text);
}

/* ---- errors ---- */

static void errors_name_line_and_reason(void **state)
{
    (void)state;
    static const struct {
        const char *source, *message;
        kw_status status;
    } cases[] = {
        {"a\n\n{{ x.y }}", "template: line 3: 'x' is undefined", KW_E_FORMAT},
        {"{% if a %}\n", "template: line 1: a block is not closed at the end of the template",
         KW_E_FORMAT},
        {"{{ 'a' | nosuch }}", "template: line 1: there is no filter \"nosuch\"", KW_E_UNSUPPORTED},
        {"\n{% import 'x' as y %}",
         "template: line 2: {% import %} is not supported in chat templates", KW_E_UNSUPPORTED},
        {"{% for x in [1] %}{{ loop([2]) }}{% endfor %}",
         "template: line 1: only a loop marked \"recursive\" can be called", KW_E_FORMAT},
        {"{{ dict(a=1, **{'a': 2}) }}", "template: line 1: two values for the argument 'a'",
         KW_E_FORMAT},
        {"{{ dict(**[1]) }}", "template: line 1: what follows ** is a 'list', not a mapping",
         KW_E_FORMAT},
        {"{{ raise_exception('no') }}", "template: line 1: the template refuses these messages: no",
         KW_E_ARG},
        {"{{ 9223372036854775807 + 1 }}", "template: line 1: an integer does not fit 64 bits",
         KW_E_LIMIT},
        {"{{ -9223372036854775807 - 2 }}", "template: line 1: an integer does not fit 64 bits",
         KW_E_LIMIT},
        {"{{ 3037000500 * 3037000500 }}", "template: line 1: an integer does not fit 64 bits",
         KW_E_LIMIT},
        {"{{ 'x' * 1000000000 }}",
         "template: line 1: a repeated value would be longer than 67108864", KW_E_LIMIT},
        {"{{ range(1000000) }}", "template: line 1: range: more than 100000 items", KW_E_LIMIT},
        {"{% break %}", "template: line 1: break outside a loop at the tag's end", KW_E_FORMAT},
        {"{{ \xFF }}", "template: the template is not UTF-8", KW_E_FORMAT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        kw_error err;
        char *text = render(kw_str_from(cases[i].source), KW_STR("{}"), 0, NULL, &err);
        assert_null(text);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(err.code, cases[i].status);
    }
}

/* ---- limits ---- */

static void expect_limit(const char *source, const kw_template_limits *limits, const char *word)
{
    kw_error err;
    char *text = render(kw_str_from(source), KW_STR("{}"), 0, limits, &err);
    assert_null(text);
    if (err.code != KW_E_LIMIT || !strstr(err.message, word)) {
        print_error("%.60s: %s\n", source, err.message);
        fail();
    }
}

static void work_is_limited(void **state)
{
    (void)state;
    static const char endless[] = "{% for a in range(100000) %}{% for b in range(100000) %}"
                                  "{% endfor %}{% endfor %}";
    static const char doubling[] = "{% set ns = namespace(s='x') %}{% for i in range(100) %}"
                                   "{% set ns.s = ns.s ~ ns.s %}{% endfor %}";
    static const char written[] = "{% for a in range(100000) %}{{ 'x' * 10000 }}{% endfor %}";
    static const char nested[] = "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}";
    static const char search[] = "{% set a = 'a' * 1000000 %}{{ a.find('a' * 500000 ~ 'b') }}";
    static const char deep[] = "{% set ns = namespace(l=[]) %}{% for i in range(100000) %}"
                               "{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}";
    kw_template_limits limits = kw_template_default_limits();
    expect_limit(search, NULL, "steps");
    expect_limit(nested, NULL, "levels");
    expect_limit(deep, NULL, "levels");
    limits.steps = 100000;
    expect_limit(endless, &limits, "steps");
    limits = kw_template_default_limits();
    limits.memory_bytes = 1 << 20;
    expect_limit(doubling, &limits, "");
    limits = kw_template_default_limits();
    limits.output_bytes = 1 << 20;
    expect_limit(written, &limits, "longer");
}

static void nesting_is_limited(void **state)
{
    (void)state;
    static const char *const units[] = {"(", "[", "{1:", "not ", "-", "a(", "a[", "{% if a %}"};
    for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
        kw_buf source = {0};
        kw_error err;
        const bool tag = units[u][0] == '{' && units[u][1] == '%';
        kw_buf_printf(&source, tag ? "" : "{{ ");
        for (int i = 0; i < 20000; i++)
            kw_buf_printf(&source, "%s", units[u]);
        assert_null(render((kw_str){source.data, source.len}, KW_STR("{}"), 0, NULL, &err));
        assert_true(err.code == KW_E_LIMIT || err.code == KW_E_FORMAT);
        kw_buf_free(&source);
    }
    kw_buf chain = {0};
    kw_error err;
    kw_buf_printf(&chain, "{{ 1");
    for (int i = 0; i < 20000; i++)
        kw_buf_printf(&chain, " + 1");
    kw_buf_printf(&chain, " }}");
    assert_null(render((kw_str){chain.data, chain.len}, KW_STR("{}"), 0, NULL, &err));
    assert_int_equal(err.code, KW_E_LIMIT);
    kw_buf_free(&chain);
}

/* ---- numbers ---- */

/* Printed numbers read back as themselves, in the fewest digits. */
static void floats_are_shortest(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        const uint64_t high = kw_rng_u32(1, 0, 2 * i), low = kw_rng_u32(1, 0, 2 * i + 1);
        const uint64_t bits = i % 2 ? high << 32 | low : (high % 200 + 1000) << 52 | low << 20;
        double f, back;
        kw_buf text = {0};
        memcpy(&f, &bits, sizeof f);
        if (isnan(f) || isinf(f))
            continue;
        kw_tpl_print_float(f, &text);
        back = strtod(text.data, NULL);
        assert_memory_equal(&back, &f, sizeof f);
        kw_buf_free(&text);
    }
}

static void variables_are_json(void **state)
{
    (void)state;
    kw_error err;
    char *text = render(KW_STR("{{ a }}|{{ b[1] }}|{{ c }}|{{ d|tojson }}"),
                        KW_STR("{\"a\": 1, \"a\": 12345678901234567890, \"b\": [1, -0.5e1],"
                               " \"c\": \"\\u00e9\\n\", \"d\": {\"x\": 1, \"y\": 2, \"x\": 3}}"),
                        0, NULL, &err);
    assert_string_equal(text, "1.2345678901234567e+19|-5.0|\xC3\xA9\n|{\"x\": 3, \"y\": 2}");
    free(text);
    assert_null(render(KW_STR("a"), KW_STR("[]"), 0, NULL, &err));
    assert_int_equal(err.code, KW_E_ARG);
    assert_null(render(KW_STR("a"), KW_STR("{"), 0, NULL, &err));
    assert_int_equal(err.code, KW_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_templates),    cmocka_unit_test(errors_name_line_and_reason),
        cmocka_unit_test(work_is_limited),     cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(floats_are_shortest), cmocka_unit_test(variables_are_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
