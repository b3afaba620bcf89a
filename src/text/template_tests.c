/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_tests.c - "x is ...": a row for each test. */
#include "text/template_value.h"

#include "base/check.h"

typedef kw_status (*test_fn)(kw_tpl_state *s, const kw_tval *v, const kw_tval *arg, bool *out);

static bool is_sized_list(const kw_tval *v)
{
    return v->kind == KW_TV_LIST && !(v->flags & (KW_TV_GENERATOR | KW_TV_VIEW));
}

/* ---- kinds ---- */

/* Tests that look at the kind alone, in the order of their rows. */
typedef enum kind_test {
    IS_BOOLEAN,
    IS_CALLABLE,
    IS_DEFINED,
    IS_UNDEFINED,
    IS_FALSE,
    IS_TRUE,
    IS_NONE,
    IS_FLOAT,
    IS_INTEGER,
    IS_NUMBER,
    IS_ITERABLE,
    IS_MAPPING,
    IS_SEQUENCE,
    IS_STRING
} kind_test;

static const struct {
    const char *name;
    kind_test test;
} kind_tests[] = {
    {"boolean", IS_BOOLEAN},     {"callable", IS_CALLABLE}, {"defined", IS_DEFINED},
    {"undefined", IS_UNDEFINED}, {"false", IS_FALSE},       {"true", IS_TRUE},
    {"none", IS_NONE},           {"float", IS_FLOAT},       {"integer", IS_INTEGER},
    {"number", IS_NUMBER},       {"iterable", IS_ITERABLE}, {"mapping", IS_MAPPING},
    {"sequence", IS_SEQUENCE},   {"string", IS_STRING},
};

/* An undefined value answers as Jinja's does: it can be called, iterated and counted. */
static bool kind_is(kind_test test, const kw_tval *v)
{
    const uint8_t k = v->kind;
    switch (test) {
    case IS_BOOLEAN:
        return k == KW_TV_BOOL;
    case IS_CALLABLE:
        return k == KW_TV_MACRO || k == KW_TV_FUNCTION || k == KW_TV_METHOD || k == KW_TV_LOOP ||
               k == KW_TV_UNDEFINED;
    case IS_DEFINED:
        return k != KW_TV_UNDEFINED;
    case IS_UNDEFINED:
        return k == KW_TV_UNDEFINED;
    case IS_FALSE:
    case IS_TRUE:
        return k == KW_TV_BOOL && v->u.b == (test == IS_TRUE);
    case IS_NONE:
        return k == KW_TV_NONE;
    case IS_FLOAT:
        return k == KW_TV_FLOAT;
    case IS_INTEGER:
        return k == KW_TV_INT;
    case IS_NUMBER:
        return k == KW_TV_INT || k == KW_TV_FLOAT || k == KW_TV_BOOL;
    case IS_ITERABLE:
        return k == KW_TV_UNDEFINED || k == KW_TV_STRING || k == KW_TV_LIST || k == KW_TV_DICT ||
               k == KW_TV_LOOP;
    case IS_MAPPING:
        return k == KW_TV_DICT;
    case IS_SEQUENCE:
        return k == KW_TV_UNDEFINED || k == KW_TV_STRING || k == KW_TV_DICT || is_sized_list(v);
    case IS_STRING:
        return k == KW_TV_STRING;
    }
    return false;
}

/* ---- with an argument, or a computation ---- */

static kw_status remainder_of(kw_tpl_state *s, const kw_tval *v, int64_t by, int64_t *out)
{
    const kw_tval divisor = kw_tv_int(by);
    kw_tval r;
    KW_TRY(kw_tv_binary(s, KW_TO_MOD, v, &divisor, &r));
    *out = r.kind == KW_TV_INT ? r.u.i : r.u.f > 0 || r.u.f < 0;
    return KW_OK;
}

static kw_status t_even(kw_tpl_state *s, const kw_tval *v, const kw_tval *arg, bool *out)
{
    int64_t r;
    (void)arg;
    KW_TRY(remainder_of(s, v, 2, &r));
    *out = r == 0;
    return KW_OK;
}

static kw_status t_odd(kw_tpl_state *s, const kw_tval *v, const kw_tval *arg, bool *out)
{
    KW_TRY(t_even(s, v, arg, out));
    *out = !*out;
    return KW_OK;
}

static kw_status t_divisible(kw_tpl_state *s, const kw_tval *v, const kw_tval *arg, bool *out)
{
    int64_t by, r;
    if (!kw_tv_integer(arg, &by))
        return kw_tpl_fail(s, KW_E_FORMAT, "divisibleby takes an integer");
    KW_TRY(remainder_of(s, v, by, &r));
    *out = r == 0;
    return KW_OK;
}

static kw_status t_in(kw_tpl_state *s, const kw_tval *v, const kw_tval *arg, bool *out)
{
    return kw_tv_contains(s, arg, v, out);
}

static kw_status t_eq(kw_tpl_state *s, const kw_tval *v, const kw_tval *arg, bool *out)
{
    (void)s;
    *out = kw_tv_equal(v, arg);
    return KW_OK;
}

static kw_status t_ne(kw_tpl_state *s, const kw_tval *v, const kw_tval *arg, bool *out)
{
    (void)s;
    *out = !kw_tv_equal(v, arg);
    return KW_OK;
}

static kw_status t_lt(kw_tpl_state *s, const kw_tval *v, const kw_tval *arg, bool *out)
{
    return kw_tv_less(s, v, arg, out);
}

static kw_status t_gt(kw_tpl_state *s, const kw_tval *v, const kw_tval *arg, bool *out)
{
    return kw_tv_less(s, arg, v, out);
}

static kw_status t_le(kw_tpl_state *s, const kw_tval *v, const kw_tval *arg, bool *out)
{
    KW_TRY(kw_tv_less(s, v, arg, out));
    *out = *out || kw_tv_equal(v, arg);
    return KW_OK;
}

static kw_status t_ge(kw_tpl_state *s, const kw_tval *v, const kw_tval *arg, bool *out)
{
    return t_le(s, arg, v, out);
}

static kw_status t_sameas(kw_tpl_state *s, const kw_tval *v, const kw_tval *arg, bool *out)
{
    (void)s;
    *out = v->kind == arg->kind && kw_tv_equal(v, arg);
    return KW_OK;
}

static kw_status one_case(kw_tpl_state *s, const kw_tval *v, kw_str method, bool *out)
{
    static const kw_tpl_args no_args;
    kw_tval text, bound, result;
    kw_str view;
    KW_TRY(kw_tv_text(s, v, &view));
    text = kw_tv_str(view);
    KW_TRY(kw_tv_attr(s, &text, method, &bound));
    KW_TRY(kw_tpl_call(s, &bound, &no_args, &result));
    *out = kw_tv_true(&result);
    return KW_OK;
}

static kw_status t_lower(kw_tpl_state *s, const kw_tval *v, const kw_tval *arg, bool *out)
{
    (void)arg;
    return one_case(s, v, KW_STR("islower"), out);
}

static kw_status t_upper(kw_tpl_state *s, const kw_tval *v, const kw_tval *arg, bool *out)
{
    (void)arg;
    return one_case(s, v, KW_STR("isupper"), out);
}

static kw_status t_escaped(kw_tpl_state *s, const kw_tval *v, const kw_tval *arg, bool *out)
{
    (void)s, (void)arg;
    *out = v->kind == KW_TV_STRING && v->flags & KW_TV_SAFE;
    return KW_OK;
}

static const struct {
    const char *name;
    bool argument;
    test_fn test;
} tests[] = {
    {"even", false, t_even},
    {"odd", false, t_odd},
    {"divisibleby", true, t_divisible},
    {"in", true, t_in},
    {"eq", true, t_eq},
    {"equalto", true, t_eq},
    {"==", true, t_eq},
    {"ne", true, t_ne},
    {"!=", true, t_ne},
    {"lt", true, t_lt},
    {"lessthan", true, t_lt},
    {"<", true, t_lt},
    {"gt", true, t_gt},
    {"greaterthan", true, t_gt},
    {">", true, t_gt},
    {"le", true, t_le},
    {"<=", true, t_le},
    {"ge", true, t_ge},
    {">=", true, t_ge},
    {"sameas", true, t_sameas},
    {"lower", false, t_lower},
    {"upper", false, t_upper},
    {"escaped", false, t_escaped},
};

kw_status kw_tpl_apply_test(kw_tpl_state *s, kw_str name, const kw_tval *value,
                            const kw_tpl_args *args, bool *out)
{
    for (size_t i = 0; i < KW_COUNT(kind_tests); i++) {
        if (kw_str_is(name, kind_tests[i].name)) {
            *out = kind_is(kind_tests[i].test, value);
            return kw_tpl_arg_count(s, args, 0, 0, kind_tests[i].name);
        }
    }
    for (size_t i = 0; i < KW_COUNT(tests); i++) {
        if (!kw_str_is(name, tests[i].name))
            continue;
        KW_TRY(kw_tpl_arg_count(s, args, tests[i].argument, tests[i].argument, tests[i].name));
        const kw_tval *arg = args->n ? &args->items[0] : args->n_named ? &args->values[0] : NULL;
        return tests[i].test(s, value, arg, out);
    }
    return kw_tpl_fail(s, KW_E_UNSUPPORTED, "there is no test \"%.*s\"", KW_FMT(name));
}
