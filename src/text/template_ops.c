/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_ops.c - members, items, slices and arithmetic, as in Python. Integers have 64 bits: a
 * result beyond them is refused, never wrapped. */
#include "text/template_value.h"

#include "base/check.h"

#include <math.h>

/* ---- members ---- */

static kw_status bind(kw_tpl_state *s, const kw_tval *owner, const kw_tpl_function *function,
                      kw_tval *out)
{
    kw_tpl_method *method;
    kw_tval *self;
    KW_TRY(kw_tpl_alloc(s, 1, sizeof *method, &method));
    KW_TRY(kw_tpl_alloc(s, 1, sizeof *self, &self));
    *self = *owner;
    *method = (kw_tpl_method){function, self};
    *out = (kw_tval){.kind = KW_TV_METHOD, .u.method = method};
    return KW_OK;
}

/* loop.index and the others; false when there is none of this name. */
static bool loop_member(const kw_tpl_loop *loop, kw_str name, kw_tval *out)
{
    const size_t n = loop->items->n, i = loop->index;
    const kw_tval *items = loop->items->items;
    const struct {
        const char *name;
        kw_tval value;
    } members[] = {
        {"index", kw_tv_int((int64_t)i + 1)},
        {"index0", kw_tv_int((int64_t)i)},
        {"revindex", kw_tv_int((int64_t)(n - i))},
        {"revindex0", kw_tv_int((int64_t)(n - i) - 1)},
        {"first", kw_tv_bool(i == 0)},
        {"last", kw_tv_bool(i + 1 == n)},
        {"length", kw_tv_int((int64_t)n)},
        {"depth", kw_tv_int(loop->depth)},
        {"depth0", kw_tv_int(loop->depth - 1)},
        {"previtem", i > 0 ? items[i - 1] : kw_tv_undefined(KW_STR("there is no previous item"))},
        {"nextitem", i + 1 < n ? items[i + 1] : kw_tv_undefined(KW_STR("there is no next item"))},
    };
    for (size_t k = 0; k < KW_COUNT(members); k++) {
        if (kw_str_is(name, members[k].name)) {
            *out = members[k].value;
            return true;
        }
    }
    return false;
}

/* macro.name and the others; *out stays when there is none of this name. */
static kw_status macro_member(kw_tpl_state *s, const kw_tpl_node *macro, kw_str name, kw_tval *out)
{
    size_t n = 0;
    if (kw_str_is(name, "name"))
        *out = kw_tv_str(macro->name);
    else if (kw_str_is(name, "catch_kwargs"))
        *out = kw_tv_bool(macro->takes_kwargs);
    else if (kw_str_is(name, "catch_varargs"))
        *out = kw_tv_bool(macro->takes_varargs);
    else if (kw_str_is(name, "caller"))
        *out = kw_tv_bool(macro->takes_caller);
    if (!kw_str_is(name, "arguments"))
        return KW_OK;
    for (const kw_tpl_node *p = macro->args; p; p = p->next)
        n++;
    KW_TRY(kw_tv_list(s, n, out));
    out->flags = KW_TV_TUPLE;
    n = 0;
    for (const kw_tpl_node *p = macro->args; p; p = p->next)
        out->u.list->items[n++] = kw_tv_str(p->name);
    return KW_OK;
}

/* A method, or undefined: Jinja's sandbox shows none that would change its owner. */
static kw_status find_method(kw_tpl_state *s, const kw_tval *v, kw_str name, kw_tval *out)
{
    bool unsafe = false;
    const kw_tpl_function *function = kw_tpl_find_method(v, name, &unsafe);
    *out = kw_tv_undefined(name);
    return function ? bind(s, v, function, out) : KW_OK;
}

static bool has_methods(const kw_tval *v)
{
    return v->kind == KW_TV_STRING || v->kind == KW_TV_LIST || v->kind == KW_TV_DICT ||
           v->kind == KW_TV_LOOP;
}

kw_status kw_tv_attr(kw_tpl_state *s, const kw_tval *v, kw_str name, kw_tval *out)
{
    const kw_tval key = kw_tv_str(name);
    bool unsafe = false;
    *out = kw_tv_undefined(name);
    if (v->kind == KW_TV_UNDEFINED)
        return kw_tpl_fail_undefined(s, v);
    if (v->kind == KW_TV_LOOP && loop_member(v->u.loop, name, out))
        return KW_OK;
    if (has_methods(v)) {
        const kw_tpl_function *function = kw_tpl_find_method(v, name, &unsafe);
        if (function)
            return bind(s, v, function, out);
    }
    if (v->kind == KW_TV_NAMESPACE || v->kind == KW_TV_DICT) {
        KW_TRY(kw_tpl_work(s, v->u.dict->n));
        const kw_tval *found = kw_tv_dict_get(v->u.dict, &key);
        if (found && !unsafe)
            *out = *found;
    }
    return v->kind == KW_TV_MACRO ? macro_member(s, v->u.macro->node, name, out) : KW_OK;
}

/* An index as Python takes it, from the end when negative; false when there is no such item. */
static bool place(int64_t i, size_t n, size_t *out)
{
    if (i < 0)
        i += (int64_t)n;
    *out = (size_t)i;
    return i >= 0 && (uint64_t)i < n;
}

kw_status kw_tv_item(kw_tpl_state *s, const kw_tval *v, const kw_tval *key, kw_tval *out)
{
    int64_t i;
    size_t at;
    *out = kw_tv_undefined(key->kind == KW_TV_STRING ? key->u.s : KW_STR("the item"));
    if (v->kind == KW_TV_UNDEFINED)
        return kw_tpl_fail_undefined(s, v);
    if (v->kind == KW_TV_DICT || v->kind == KW_TV_NAMESPACE) {
        KW_TRY(kw_tpl_work(s, v->u.dict->n));
        const kw_tval *found = kw_tv_dict_get(v->u.dict, key);
        if (found) {
            *out = *found;
            return KW_OK;
        }
    }
    if (v->kind == KW_TV_LIST && !(v->flags & (KW_TV_GENERATOR | KW_TV_VIEW)) &&
        kw_tv_integer(key, &i)) {
        if (place(i, v->u.list->n, &at))
            *out = v->u.list->items[at];
        return KW_OK;
    }
    if (v->kind == KW_TV_STRING && kw_tv_integer(key, &i)) {
        KW_TRY(kw_tpl_work(s, v->u.s.len));
        if (place(i, kw_tpl_chars(v->u.s), &at)) {
            const size_t start = kw_tpl_char_at(v->u.s, at);
            const kw_str rest = {v->u.s.data + start, v->u.s.len - start};
            *out = kw_tv_str((kw_str){rest.data, kw_tpl_char_at(rest, 1)});
        }
        return KW_OK;
    }
    if (key->kind == KW_TV_STRING && v->kind == KW_TV_LOOP)
        return kw_tv_attr(s, v, key->u.s, out);
    return key->kind == KW_TV_STRING && has_methods(v) ? find_method(s, v, key->u.s, out) : KW_OK;
}

kw_status kw_tv_path(kw_tpl_state *s, const kw_tval *v, const kw_tval *path, kw_tval *out)
{
    *out = *v;
    if (path->kind != KW_TV_STRING)
        return kw_tv_item(s, v, path, out);
    kw_str rest = path->u.s;
    for (;;) {
        const char *dot = rest.len ? memchr(rest.data, '.', rest.len) : NULL;
        const kw_str part = {rest.data, dot ? (size_t)(dot - rest.data) : rest.len};
        int64_t number = 0;
        bool digits = part.len > 0 && part.len < 10;
        for (size_t i = 0; i < part.len && digits; i++) {
            digits = part.data[i] >= '0' && part.data[i] <= '9';
            number = 10 * number + (part.data[i] - '0');
        }
        const kw_tval key = digits ? kw_tv_int(number) : kw_tv_str(part), owner = *out;
        KW_TRY(kw_tv_item(s, &owner, &key, out));
        if (!dot)
            return KW_OK;
        rest = (kw_str){dot + 1, rest.len - part.len - 1};
    }
}

/* ---- slices ---- */

/* Start, stop and step over n items as Python computes them; how many items it takes. */
static kw_status slice_range(kw_tpl_state *s, const kw_tval bounds[3], size_t n, int64_t range[2],
                             size_t *count)
{
    int64_t v[3] = {0, 0, 1};
    const int64_t len = (int64_t)n;
    for (int i = 0; i < 3; i++)
        if (bounds[i].kind != KW_TV_NONE && !kw_tv_integer(&bounds[i], &v[i]))
            return kw_tpl_fail(s, KW_E_FORMAT, "a bound of a slice is a '%s'",
                               kw_tv_type(&bounds[i]));
    const int64_t step = KW_MIN(KW_MAX(v[2], -len - 1), len + 1); /* no farther than the list */
    if (step == 0)
        return kw_tpl_fail(s, KW_E_FORMAT, "the step of a slice is zero");
    const int64_t low = step < 0 ? -1 : 0, high = step < 0 ? len - 1 : len;
    for (int i = 0; i < 2; i++) {
        if (bounds[i].kind == KW_TV_NONE)
            v[i] = (i == 0) == (step > 0) ? low : high;
        else
            v[i] = KW_MIN(KW_MAX(v[i] < 0 ? v[i] + len : v[i], low), high);
    }
    range[0] = v[0];
    range[1] = step;
    const int64_t span = step > 0 ? v[1] - v[0] : v[0] - v[1];
    const int64_t stride = step > 0 ? step : -step;
    *count = span > 0 ? (size_t)((span + stride - 1) / stride) : 0;
    return KW_OK;
}

static kw_status slice_text(kw_tpl_state *s, const kw_tval *v, const int64_t range[2], size_t count,
                            kw_tval *out)
{
    const kw_str text = v->u.s;
    *out = *v;
    KW_TRY(kw_tpl_work(s, text.len));
    if (range[1] == 1) {
        const size_t start = count ? kw_tpl_char_at(text, (size_t)range[0]) : 0;
        const kw_str rest = {text.data + start, text.len - start};
        out->u.s = (kw_str){rest.data, kw_tpl_char_at(rest, count)};
        return KW_OK;
    }
    kw_tpl_list chars;
    kw_buf made = {0};
    KW_TRY(kw_tv_iterate(s, v, &chars));
    for (size_t i = 0; i < count; i++) {
        const kw_str c = chars.items[range[0] + (int64_t)i * range[1]].u.s;
        kw_buf_add(&made, c.data, c.len);
    }
    const uint8_t flags = v->flags;
    KW_TRY(kw_tv_take(s, &made, out));
    out->flags = flags;
    return KW_OK;
}

kw_status kw_tv_slice(kw_tpl_state *s, const kw_tval *v, const kw_tval bounds[3], kw_tval *out)
{
    int64_t range[2];
    size_t count;
    if (v->kind == KW_TV_UNDEFINED)
        return kw_tpl_fail_undefined(s, v);
    if (v->kind == KW_TV_STRING) {
        KW_TRY(slice_range(s, bounds, kw_tpl_chars(v->u.s), range, &count));
        return slice_text(s, v, range, count, out);
    }
    *out = kw_tv_undefined(KW_STR("the slice"));
    if (v->kind != KW_TV_LIST || v->flags & (KW_TV_GENERATOR | KW_TV_VIEW))
        return KW_OK;
    KW_TRY(slice_range(s, bounds, v->u.list->n, range, &count));
    KW_TRY(kw_tv_list(s, count, out));
    out->flags = v->flags;
    for (size_t i = 0; i < count; i++)
        out->u.list->items[i] = v->u.list->items[range[0] + (int64_t)i * range[1]];
    return KW_OK;
}

/* ---- arithmetic ---- */

static kw_status overflow(kw_tpl_state *s)
{
    return kw_tpl_fail(s, KW_E_LIMIT, "an integer does not fit 64 bits");
}

static int64_t floor_div(int64_t a, int64_t b)
{
    const int64_t q = a / b;
    return a % b != 0 && (a % b < 0) != (b < 0) ? q - 1 : q;
}

/* Each returns false when the result does not fit. */
static bool add_i64(int64_t a, int64_t b, int64_t *out)
{
    if (b > 0 ? a > INT64_MAX - b : a < INT64_MIN - b)
        return false;
    *out = a + b;
    return true;
}

static bool sub_i64(int64_t a, int64_t b, int64_t *out)
{
    if (b > 0 ? a < INT64_MIN + b : a > INT64_MAX + b)
        return false;
    *out = a - b;
    return true;
}

static bool mul_i64(int64_t a, int64_t b, int64_t *out)
{
    const uint64_t x = a < 0 ? 0 - (uint64_t)a : (uint64_t)a;
    const uint64_t y = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
    uint64_t product;
    if (!kw_mul_u64(x, y, &product) || product > INT64_MAX)
        return false;
    *out = (a < 0) != (b < 0) ? -(int64_t)product : (int64_t)product;
    return true;
}

static kw_status int_power(kw_tpl_state *s, int64_t base, int64_t exponent, kw_tval *out)
{
    int64_t result = 1;
    if (exponent < 0)
        return kw_tpl_fail(s, KW_E_UNSUPPORTED, "a negative power is not supported");
    if (base >= -1 && base <= 1 && exponent > 2)
        exponent = 2 - exponent % 2; /* the same value, without as many steps */
    for (; exponent > 0; exponent--)
        if (!mul_i64(result, base, &result))
            return overflow(s);
    *out = kw_tv_int(result);
    return KW_OK;
}

static kw_status int_binary(kw_tpl_state *s, kw_tpl_op op, int64_t a, int64_t b, kw_tval *out)
{
    int64_t r = 0;
    bool fits = true;
    if ((op == KW_TO_DIV || op == KW_TO_FLOORDIV || op == KW_TO_MOD) && b == 0)
        return kw_tpl_fail(s, KW_E_FORMAT, "division by zero");
    if ((op == KW_TO_FLOORDIV || op == KW_TO_MOD) && b == -1 && a == INT64_MIN)
        return overflow(s);
    switch (op) {
    case KW_TO_ADD:
        fits = add_i64(a, b, &r);
        break;
    case KW_TO_SUB:
        fits = sub_i64(a, b, &r);
        break;
    case KW_TO_MUL:
        fits = mul_i64(a, b, &r);
        break;
    case KW_TO_FLOORDIV:
        r = floor_div(a, b);
        break;
    case KW_TO_MOD:
        r = a - floor_div(a, b) * b;
        break;
    case KW_TO_POW:
        return int_power(s, a, b, out);
    default:
        *out = kw_tv_float((double)a / (double)b);
        return KW_OK;
    }
    *out = kw_tv_int(r);
    return fits ? KW_OK : overflow(s);
}

static kw_status float_binary(kw_tpl_state *s, kw_tpl_op op, double a, double b, kw_tval *out)
{
    const bool divides = op == KW_TO_DIV || op == KW_TO_FLOORDIV || op == KW_TO_MOD;
    double r = 0;
    if (divides && !(b < 0) && !(b > 0) && !isnan(b))
        return kw_tpl_fail(s, KW_E_FORMAT, "division by zero");
    switch (op) {
    case KW_TO_ADD:
        r = a + b;
        break;
    case KW_TO_SUB:
        r = a - b;
        break;
    case KW_TO_MUL:
        r = a * b;
        break;
    case KW_TO_DIV:
        r = a / b;
        break;
    case KW_TO_FLOORDIV:
        r = floor(a / b);
        break;
    case KW_TO_MOD:
        r = fmod(a, b);
        if ((r < 0 && b > 0) || (r > 0 && b < 0))
            r += b;
        break;
    default:
        return kw_tpl_fail(s, KW_E_UNSUPPORTED, "a power of a float is not supported");
    }
    *out = kw_tv_float(r);
    return KW_OK;
}

static kw_status add_text(kw_tpl_state *s, const kw_tval *a, const kw_tval *b, kw_tval *out)
{
    const bool safe = (a->flags | b->flags) & KW_TV_SAFE;
    const kw_tval *parts[2] = {a, b};
    kw_buf text = {0};
    KW_TRY(kw_tpl_work(s, a->u.s.len + b->u.s.len));
    for (int i = 0; i < 2; i++) {
        if (safe && !(parts[i]->flags & KW_TV_SAFE))
            kw_tpl_escape(parts[i]->u.s, &text);
        else
            kw_buf_add(&text, parts[i]->u.s.data ? parts[i]->u.s.data : "", parts[i]->u.s.len);
    }
    if (text.failed) {
        kw_buf_free(&text);
        return kw_tpl_fail(s, KW_E_NOMEM, "out of memory");
    }
    KW_TRY(kw_tv_take(s, &text, out));
    out->flags = safe ? KW_TV_SAFE : 0;
    return KW_OK;
}

static kw_status add_lists(kw_tpl_state *s, const kw_tval *a, const kw_tval *b, kw_tval *out)
{
    const kw_tpl_list *x = a->u.list, *y = b->u.list;
    KW_TRY(kw_tv_list(s, x->n + y->n, out));
    out->flags = a->flags;
    for (size_t i = 0; i < x->n + y->n; i++)
        out->u.list->items[i] = i < x->n ? x->items[i] : y->items[i - x->n];
    return KW_OK;
}

/* A text or list, n times over. */
static kw_status repeat(kw_tpl_state *s, const kw_tval *v, int64_t n, kw_tval *out)
{
    const size_t unit = v->kind == KW_TV_STRING ? v->u.s.len : v->u.list->n;
    const size_t times = n > 0 ? (size_t)n : 0;
    size_t total;
    if (!kw_mul_size(unit, times, &total) || total > s->limits.output_bytes)
        return kw_tpl_fail(s, KW_E_LIMIT, "a repeated value would be longer than %zu",
                           s->limits.output_bytes);
    if (v->kind == KW_TV_STRING) {
        char *text;
        KW_TRY(kw_tpl_work(s, total));
        KW_TRY(kw_tpl_alloc(s, total + 1, 1, &text));
        for (size_t i = 0; i < times && unit > 0; i++)
            memcpy(text + i * unit, v->u.s.data, unit);
        *out = kw_tv_str((kw_str){text, total});
        return KW_OK;
    }
    KW_TRY(kw_tv_list(s, total, out));
    out->flags = v->flags;
    for (size_t i = 0; i < total; i++)
        out->u.list->items[i] = v->u.list->items[i % unit];
    return KW_OK;
}

static bool is_sequence(const kw_tval *v)
{
    return v->kind == KW_TV_STRING ||
           (v->kind == KW_TV_LIST && !(v->flags & (KW_TV_GENERATOR | KW_TV_VIEW)));
}

kw_status kw_tv_binary(kw_tpl_state *s, kw_tpl_op op, const kw_tval *a, const kw_tval *b,
                       kw_tval *out)
{
    int64_t i, j;
    double x, y;
    if (kw_tv_integer(a, &i) && kw_tv_integer(b, &j))
        return int_binary(s, op, i, j, out);
    if (kw_tv_number(a, &x) && kw_tv_number(b, &y))
        return float_binary(s, op, x, y, out);
    if (a->kind == KW_TV_UNDEFINED || b->kind == KW_TV_UNDEFINED)
        return kw_tpl_fail_undefined(s, (a->kind == KW_TV_UNDEFINED ? a : b));
    if (op == KW_TO_ADD && a->kind == KW_TV_STRING && b->kind == KW_TV_STRING)
        return add_text(s, a, b, out);
    if (op == KW_TO_ADD && a->kind == KW_TV_LIST && is_sequence(a) && is_sequence(b) &&
        kw_str_is(kw_str_from(kw_tv_type(a)), kw_tv_type(b)))
        return add_lists(s, a, b, out);
    if (op == KW_TO_MUL && is_sequence(a) && kw_tv_integer(b, &j))
        return repeat(s, a, j, out);
    if (op == KW_TO_MUL && is_sequence(b) && kw_tv_integer(a, &i))
        return repeat(s, b, i, out);
    if (op == KW_TO_MOD && a->kind == KW_TV_STRING) {
        kw_buf text = {0};
        const kw_status status = kw_tpl_format_percent(s, a->u.s, b, &text);
        if (status == KW_OK)
            return kw_tv_take(s, &text, out);
        kw_buf_free(&text);
        return status;
    }
    return kw_tpl_fail(s, KW_E_FORMAT, "an operator does not go with '%s' and '%s'", kw_tv_type(a),
                       kw_tv_type(b));
}
