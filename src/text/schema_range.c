/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* schema_range.c - numbers between bounds as GBNF: the digits of each length, from the first that
 * differ on. A bound of a number (not of an integer) must be whole. */
#include "text/schema_impl.h"

#include "base/check.h"
#include "base/decimal.h"

#include <math.h>
#include <stdio.h>

#define MAX_DIGITS 16
#define LARGEST 9999999999999999 /* of MAX_DIGITS */

typedef struct bounds {
    int64_t low, high; /* included, unless the next say otherwise (numbers only) */
    bool low_open, high_open;
} bounds;

/* ---- writing ---- */

/* d[0..n): what is left to write of the two ends. */
static void put_digits(kw_buf *out, const char *low, const char *high, size_t n)
{
    size_t same = 0;
    while (same < n && low[same] == high[same])
        same++;
    if (same > 0)
        kw_buf_printf(out, "\"%.*s\"", (int)same, low);
    if (same == n)
        return;
    bool whole = true;
    for (size_t i = same; i < n; i++)
        whole = whole && low[i] == '0' && high[i] == '9';
    kw_buf_printf(out, same > 0 ? " " : "");
    if (whole) {
        kw_buf_printf(out, "[0-9]{%zu}", n - same);
        return;
    }
    static const char nines[] = "9999999999999999", zeros[] = "0000000000000000";
    const size_t rest = n - same - 1;
    const char a = low[same], b = high[same];
    kw_buf_printf(out, "(\"%c\"%s", a, rest > 0 ? " " : "");
    put_digits(out, low + same + 1, nines, rest);
    if (b - a > 1) {
        kw_buf_printf(out, " | [%c-%c]", a + 1, b - 1);
        if (rest > 0)
            kw_buf_printf(out, " [0-9]{%zu}", rest);
    }
    kw_buf_printf(out, " | \"%c\"%s", b, rest > 0 ? " " : "");
    put_digits(out, zeros, high + same + 1, rest);
    kw_buf_printf(out, ")");
}

/* Whole numbers from low to high, neither negative; nothing when there are none. */
static void put_whole(kw_buf *out, int64_t low, int64_t high)
{
    char a[24], b[24];
    int64_t first = 0, last = 9;
    const char *bar = "";
    kw_buf_printf(out, "(");
    for (int n = 1; n <= MAX_DIGITS; n++) {
        const int64_t from = KW_MAX(low, first), to = KW_MIN(high, last);
        if (from <= to) {
            (void)snprintf(a, sizeof a, "%lld", (long long)from);
            (void)snprintf(b, sizeof b, "%lld", (long long)to);
            kw_buf_printf(out, "%s", bar);
            put_digits(out, a, b, (size_t)n);
            bar = " | ";
        }
        first = last + 1;
        last = last * 10 + 9;
    }
    kw_buf_printf(out, ")");
}

/* Numbers of a size from low to high, without an exponent. An open end leaves out that number. */
static void put_sizes(kw_buf *out, int64_t low, int64_t high, bool low_open, bool high_open)
{
    const char *bar = "";
    if (low_open && low < high) {
        put_whole(out, low, low);
        kw_buf_printf(out, " \".\" [0-9]{0,14} [1-9]");
        bar = " | ";
        low++;
        low_open = false;
    }
    if (low < high) {
        kw_buf_printf(out, "%s", bar);
        put_whole(out, low, high - 1);
        kw_buf_printf(out, " (\".\" [0-9]{1,16})?");
        bar = " | ";
    }
    if (!high_open && (low < high || !low_open)) {
        kw_buf_printf(out, "%s", bar);
        put_whole(out, high, high);
        kw_buf_printf(out, " (\".\" \"0\"{1,16})?");
    }
}

/* ---- reading ---- */

/* The bound of a key; *there false when the schema has none. */
static kw_status read_bound(const kw_schema_maker *m, const kw_tree *schema, const char *key,
                            double *out, bool *there)
{
    const kw_tree *value = kw_tree_get(schema, key);
    *there = value != NULL;
    if (value && (value->kind != KW_JSON_NUMBER || !kw_decimal_f64(value->text, out)))
        return kw_fail(m->err, KW_E_FORMAT, "%s: %s is no number", m->subject, key);
    return KW_OK;
}

static bool is_true(const kw_tree *schema, const char *key)
{
    const kw_tree *value = kw_tree_get(schema, key);
    return value && (value->kind == KW_JSON_TRUE || value->kind == KW_JSON_FALSE) &&
           value->kind == KW_JSON_TRUE;
}

/* One side. sign: 1 of the least, -1 of the greatest (whose numbers are then turned round). */
static kw_status read_side(const kw_schema_maker *m, const kw_tree *schema, int sign, double *out,
                           bool *open, bool *there)
{
    const char *key = sign > 0 ? "minimum" : "maximum";
    const char *other = sign > 0 ? "exclusiveMinimum" : "exclusiveMaximum";
    double strict = 0;
    bool strict_there = false;
    const kw_tree *value = kw_tree_get(schema, other);
    const bool old = value && (value->kind == KW_JSON_TRUE || value->kind == KW_JSON_FALSE);
    KW_TRY(read_bound(m, schema, key, out, there));
    if (!old)
        KW_TRY(read_bound(m, schema, other, &strict, &strict_there));
    *open = *there && is_true(schema, other); /* of draft 4 */
    if (strict_there && (!*there || sign * strict >= sign * *out)) {
        *out = strict;
        *open = true;
    }
    *there = *there || strict_there;
    return KW_OK;
}

/* A bound of integers as the first that is within; of numbers as it is. */
static kw_status settle(const kw_schema_maker *m, double value, bool integer, int sign, bool *open,
                        int64_t *out)
{
    if (integer) {
        double whole = sign > 0 ? ceil(value) : floor(value);
        if (*open && whole == value)
            whole += sign;
        *open = false;
        value = whole;
    } else if (value != floor(value)) {
        return kw_fail(m->err, KW_E_UNSUPPORTED,
                       "%s: %s of a number that is not whole is not supported", m->subject,
                       sign > 0 ? "minimum" : "maximum");
    }
    if (value > (double)LARGEST / 2 || value < -(double)LARGEST / 2) {
        if ((value > 0) == (sign > 0))
            return kw_fail(m->err, KW_E_LIMIT, "%s: a bound of more than %d digits", m->subject,
                           MAX_DIGITS - 1);
        *open = false;
        *out = -sign * LARGEST;
        return KW_OK;
    }
    *out = (int64_t)value;
    return KW_OK;
}

static kw_status read_bounds(const kw_schema_maker *m, const kw_tree *schema, bool integer,
                             bounds *out, bool *found)
{
    double low = 0, high = 0;
    bool has_low, has_high;
    *out = (bounds){.low = -LARGEST, .high = LARGEST};
    KW_TRY(read_side(m, schema, 1, &low, &out->low_open, &has_low));
    KW_TRY(read_side(m, schema, -1, &high, &out->high_open, &has_high));
    if (has_low)
        KW_TRY(settle(m, low, integer, 1, &out->low_open, &out->low));
    if (has_high)
        KW_TRY(settle(m, high, integer, -1, &out->high_open, &out->high));
    *found = has_low || has_high;
    if (out->low > out->high || (out->low == out->high && (out->low_open || out->high_open)))
        return kw_fail(m->err, KW_E_FORMAT, "%s: no number is within minimum and maximum",
                       m->subject);
    return KW_OK;
}

kw_status kw_schema_range(kw_schema_maker *m, const kw_tree *schema, bool integer, bool *found)
{
    bounds b;
    kw_buf *const out = m->out;
    KW_TRY(read_bounds(m, schema, integer, &b, found));
    if (!*found)
        return KW_OK;
    const bool below = b.low < 0, above = b.high > 0 || (b.high == 0 && !b.high_open && !below);
    if (below) { /* sizes: turned round */
        const int64_t nearest = b.high < 0 ? -b.high : integer ? 1 : 0;
        const bool open = b.high < 0 ? b.high_open : true;
        kw_buf_printf(out, "\"-\" (");
        if (integer)
            put_whole(out, nearest, -b.low);
        else
            put_sizes(out, nearest, -b.low, open, b.low_open);
        kw_buf_printf(out, ")");
    }
    const bool zero = below && b.high >= 0;
    if (above || (zero && !b.high_open)) {
        const int64_t nearest = b.low > 0 ? b.low : 0;
        kw_buf_printf(out, below ? " | " : "");
        if (integer)
            put_whole(out, nearest, b.high);
        else
            put_sizes(out, nearest, b.high, b.low >= 0 && b.low_open, b.high_open);
    }
    return KW_OK;
}
