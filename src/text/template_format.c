/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_format.c - "%s" % x, "{}".format(x) and strftime, as far as templates go: strings,
 * integers and fixed-point numbers with their widths. Other conversions are refused by name. */
#include "text/template_value.h"

#include "base/check.h"

#include <stdio.h>

/* A conversion: fill, alignment ('<', '>', '^', '=' behind the sign; 0: the type's own), width,
 * precision (-1: none), type letter (0: the value's own text). */
typedef struct spec {
    char fill, align, type;
    bool plus;
    int width, precision;
} spec;

#define MAX_WIDTH 1000

static kw_status refuse(kw_tpl_state *s, kw_str format)
{
    return kw_tpl_fail(s, KW_E_UNSUPPORTED, "the format \"%.*s\" is not supported", KW_FMT(format));
}

/* Digits at *at; `none` when there are none. */
static int read_int(kw_str text, size_t *at, int none)
{
    int n = none;
    while (*at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9') {
        n = KW_MIN(MAX_WIDTH, KW_MAX(n, 0) * 10 + (text.data[*at] - '0'));
        ++*at;
    }
    return n;
}

static kw_status pad(kw_tpl_state *s, const spec *f, kw_str text, kw_buf *out)
{
    const size_t n = kw_tpl_chars(text), width = (size_t)f->width;
    const size_t missing = width > n ? width - n : 0;
    size_t before = f->align == '<' ? 0 : f->align == '^' ? missing / 2 : missing;
    if (f->align == '=' && text.len > 0 && (text.data[0] == '-' || text.data[0] == '+')) {
        KW_TRY(kw_tpl_write(s, out, (kw_str){text.data, 1}));
        text = (kw_str){text.data + 1, text.len - 1};
    }
    for (size_t i = 0; i < before; i++)
        kw_buf_add(out, &f->fill, 1);
    KW_TRY(kw_tpl_write(s, out, text));
    for (before = missing - before; before > 0; before--)
        kw_buf_add(out, &f->fill, 1);
    return KW_OK;
}

static kw_status convert_number(kw_tpl_state *s, const spec *f, const kw_tval *v, kw_buf *out)
{
    char text[400];
    double real = 0;
    int64_t whole = 0;
    size_t n = f->plus;
    spec numeric = *f;
    const bool fixed = f->type == 'f' || f->type == 'F';
    if (!kw_tv_number(v, &real) || (!kw_tv_integer(v, &whole) && !fixed && f->type != 'd'))
        return kw_tpl_fail(s, KW_E_FORMAT, "the format %%%c asks for a number, not '%s'", f->type,
                           kw_tv_type(v));
    if (v->kind == KW_TV_FLOAT && !fixed) {
        if (!(real > -9e18 && real < 9e18))
            return kw_tpl_fail(s, KW_E_LIMIT, "a number is too large for %%%c", f->type);
        whole = (int64_t)real;
    }
    if (f->align == 0)
        numeric.align = '>';
    text[0] = '+';
    if (fixed) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%.*f",
                              f->precision < 0 ? 6 : KW_MIN(f->precision, 60), real);
        for (size_t i = f->plus; i < n && n < sizeof text; i++)
            if (text[i] == ',')
                text[i] = '.'; /* of a locale */
    } else if (f->type == 'd') {
        n += (size_t)snprintf(text + n, sizeof text - n, "%lld", (long long)whole);
    } else {
        const bool negative = whole < 0;
        const uint64_t size = negative ? 0 - (uint64_t)whole : (uint64_t)whole;
        n += (size_t)snprintf(text + n, sizeof text - n, f->type == 'x' ? "%s%llx" : "%s%llX",
                              negative ? "-" : "", (unsigned long long)size);
    }
    n = KW_MIN(n, sizeof text - 1);
    const bool signless = f->plus && n > 1 && text[1] == '-';
    return pad(s, &numeric, (kw_str){text + signless, n - signless}, out);
}

static kw_status convert(kw_tpl_state *s, const spec *f, const kw_tval *v, kw_buf *out)
{
    spec own = *f;
    kw_buf quoted = {0};
    kw_str text;
    if (f->type == 'd' || f->type == 'x' || f->type == 'X' || f->type == 'f' || f->type == 'F')
        return convert_number(s, f, v, out);
    if (f->type == 'r') {
        kw_tval made;
        const kw_status status = kw_tv_print(s, v, true, 0, &quoted);
        if (status != KW_OK) {
            kw_buf_free(&quoted);
            return status;
        }
        KW_TRY(kw_tv_take(s, &quoted, &made));
        text = made.u.s;
    } else {
        KW_TRY(kw_tv_text(s, v, &text));
    }
    if (f->precision >= 0)
        text.len = kw_tpl_char_at(text, (size_t)f->precision);
    return pad(s, &own, text, out);
}

/* The conversion behind a percent sign, *at moved behind it. */
static kw_status read_percent(kw_tpl_state *s, kw_str format, size_t *at, spec *f)
{
    *f = (spec){.fill = ' ', .align = '>', .precision = -1};
    for (; *at < format.len && strchr("-+ 0#", format.data[*at]); ++*at) {
        const char c = format.data[*at];
        f->plus = f->plus || c == '+';
        if (c == '-')
            f->align = '<';
        if (c == '0' && f->align != '<') {
            f->fill = '0';
            f->align = '=';
        }
        if (c == ' ' || c == '#')
            return refuse(s, format);
    }
    f->width = read_int(format, at, 0);
    if (*at < format.len && format.data[*at] == '.') {
        ++*at;
        f->precision = read_int(format, at, 0);
    }
    f->type = *at < format.len ? format.data[(*at)++] : 0;
    if (f->type == 'i' || f->type == 'u')
        f->type = 'd';
    if (f->type == 's' || f->type == 'r') {
        f->fill = ' ';
        f->align = f->align == '=' ? '>' : f->align;
    }
    return f->type && strchr("srdfFxX", f->type) ? KW_OK : refuse(s, format);
}

kw_status kw_tpl_format_percent(kw_tpl_state *s, kw_str format, const kw_tval *values, kw_buf *out)
{
    const bool tuple = values->kind == KW_TV_LIST && values->flags & KW_TV_TUPLE;
    const kw_tval *items = tuple ? values->u.list->items : values;
    const size_t n = tuple ? values->u.list->n : 1;
    size_t used = 0;
    for (size_t at = 0; at < format.len;) {
        const char *sign = memchr(format.data + at, '%', format.len - at);
        const size_t end = sign ? (size_t)(sign - format.data) : format.len;
        KW_TRY(kw_tpl_write(s, out, (kw_str){format.data + at, end - at}));
        at = end + 1;
        if (!sign)
            break;
        if (at < format.len && format.data[at] == '%') {
            KW_TRY(kw_tpl_write(s, out, KW_STR("%")));
            at++;
            continue;
        }
        spec f;
        KW_TRY(read_percent(s, format, &at, &f));
        if (used == n)
            return kw_tpl_fail(s, KW_E_FORMAT, "not enough values for the format");
        KW_TRY(convert(s, &f, &items[used++], out));
    }
    if (used < n && (tuple || values->kind != KW_TV_DICT))
        return kw_tpl_fail(s, KW_E_FORMAT, "more values than the format has places");
    return KW_OK;
}

/* ---- str.format ---- */

/* [[fill]align][sign][0][width][.precision][type] */
static kw_status read_spec(kw_tpl_state *s, kw_str text, spec *f)
{
    size_t at = 0;
    *f = (spec){.fill = ' ', .precision = -1};
    if (text.len > 1 && strchr("<>^=", text.data[1]) && text.data[1]) {
        f->fill = text.data[0];
        f->align = text.data[1];
        at = 2;
    } else if (text.len > 0 && strchr("<>^=", text.data[0])) {
        f->align = text.data[at++];
    }
    if (at < text.len && text.data[at] == '+') {
        f->plus = true;
        at++;
    }
    if (at < text.len && text.data[at] == '0' && !f->align) {
        f->fill = '0';
        f->align = '=';
    }
    f->width = read_int(text, &at, 0);
    if (at < text.len && text.data[at] == '.') {
        at++;
        f->precision = read_int(text, &at, 0);
    }
    if (at < text.len)
        f->type = text.data[at++];
    if (at < text.len || (unsigned char)f->fill > 126 || (f->type && !strchr("sdfFxX", f->type)))
        return refuse(s, text);
    return KW_OK;
}

/* What a field names: nothing (the next), a number, or a keyword. */
static kw_status pick(kw_tpl_state *s, kw_str name, const kw_tpl_args *args, size_t *next,
                      const kw_tval **out)
{
    size_t at = 0;
    const int number = read_int(name, &at, -1);
    *out = NULL;
    if (name.len == 0 || at == name.len) {
        const size_t index = name.len == 0 ? (*next)++ : (size_t)number;
        *out = index < args->n ? &args->items[index] : NULL;
    }
    for (size_t i = 0; i < args->n_named && name.len > 0; i++)
        if (kw_str_eq(args->names[i], name))
            *out = &args->values[i];
    return *out ? KW_OK
                : kw_tpl_fail(s, KW_E_FORMAT, "format: there is no value for \"{%.*s}\"",
                              KW_FMT(name));
}

static kw_status write_field(kw_tpl_state *s, kw_str field, const kw_tpl_args *args, size_t *next,
                             kw_buf *out)
{
    const char *colon = field.len ? memchr(field.data, ':', field.len) : NULL;
    kw_str name = {field.data, colon ? (size_t)(colon - field.data) : field.len};
    const kw_str rest = {colon ? colon + 1 : "", colon ? field.len - name.len - 1 : 0};
    const kw_tval *v;
    spec f;
    KW_TRY(read_spec(s, rest, &f));
    if (name.len >= 2 && name.data[name.len - 2] == '!') {
        const char how = name.data[name.len - 1];
        if (f.type || (how != 'r' && how != 's'))
            return refuse(s, field);
        f.type = how;
        name.len -= 2;
    }
    KW_TRY(pick(s, name, args, next, &v));
    const bool number = v->kind == KW_TV_INT || v->kind == KW_TV_FLOAT;
    if (!f.align)
        f.align = number ? '>' : '<';
    if (!f.type && v->kind == KW_TV_INT)
        f.type = 'd';
    if (!f.type && v->kind == KW_TV_FLOAT && f.precision >= 0)
        return refuse(s, field);
    return convert(s, &f, v, out);
}

kw_status kw_tpl_format_braces(kw_tpl_state *s, kw_str format, const kw_tpl_args *args, kw_buf *out)
{
    size_t next = 0;
    for (size_t at = 0; at < format.len;) {
        const char c = format.data[at];
        if (c != '{' && c != '}') {
            KW_TRY(kw_tpl_write(s, out, (kw_str){&format.data[at++], 1}));
            continue;
        }
        if (at + 1 < format.len && format.data[at + 1] == c) {
            KW_TRY(kw_tpl_write(s, out, (kw_str){&c, 1}));
            at += 2;
            continue;
        }
        const char *end = c == '{' ? memchr(format.data + at, '}', format.len - at) : NULL;
        if (!end)
            return kw_tpl_fail(s, KW_E_FORMAT, "format: a single brace");
        const kw_str field = {format.data + at + 1, (size_t)(end - format.data) - at - 1};
        if (field.len > 0 && memchr(field.data, '{', field.len))
            return refuse(s, field);
        KW_TRY(write_field(s, field, args, &next, out));
        at = (size_t)(end - format.data) + 1;
    }
    return KW_OK;
}

/* ---- strftime ---- */

typedef struct moment {
    int year, month, day, hour, minute, second, weekday, yearday; /* month, day: from 1 */
} moment;

/* Source: Hinnant, "chrono-compatible low-level date algorithms", civil_from_days. */
static moment civil(int64_t now)
{
    int64_t days = now / 86400, rest = now % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    const int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    const int64_t doe = z - era * 146097;
    const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    moment m = {.month = (int)(mp < 10 ? mp + 3 : mp - 9),
                .day = (int)(doy - (153 * mp + 2) / 5) + 1,
                .hour = (int)(rest / 3600),
                .minute = (int)(rest / 60 % 60),
                .second = (int)(rest % 60),
                .weekday = (int)(((days + 4) % 7 + 7) % 7)};
    m.year = (int)(yoe + era * 400) + (m.month <= 2);
    const bool leap = (m.year % 4 == 0 && m.year % 100 != 0) || m.year % 400 == 0;
    m.yearday = (int)(m.month > 2 ? doy + 60 + leap : doy - 305);
    return m;
}

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};

static void put_number(kw_buf *out, int value, int width, bool plain)
{
    kw_buf_printf(out, "%0*d", plain ? 1 : width, value);
}

/* One conversion; plain: "%-d", without leading zeros. False when it is not known. */
static bool put_time(kw_buf *out, char c, bool plain, const moment *m)
{
    const int hour12 = m->hour % 12 == 0 ? 12 : m->hour % 12;
    const struct {
        char letter;
        int value, width;
    } numbers[] = {{'Y', m->year, 4},
                   {'y', m->year % 100, 2},
                   {'m', m->month, 2},
                   {'d', m->day, 2},
                   {'H', m->hour, 2},
                   {'I', hour12, 2},
                   {'M', m->minute, 2},
                   {'S', m->second, 2},
                   {'j', m->yearday, 3},
                   {'w', m->weekday, 1},
                   {'u', m->weekday ? m->weekday : 7, 1}};
    for (size_t i = 0; i < KW_COUNT(numbers); i++) {
        if (numbers[i].letter == c) {
            put_number(out, numbers[i].value, numbers[i].width, plain);
            return true;
        }
    }
    switch (c) {
    case 'B':
        kw_buf_printf(out, "%s", months[m->month - 1]);
        return true;
    case 'b':
    case 'h':
        kw_buf_printf(out, "%.3s", months[m->month - 1]);
        return true;
    case 'A':
        kw_buf_printf(out, "%s", days[m->weekday]);
        return true;
    case 'a':
        kw_buf_printf(out, "%.3s", days[m->weekday]);
        return true;
    case 'p':
        kw_buf_printf(out, "%s", m->hour < 12 ? "AM" : "PM");
        return true;
    case 'e':
        kw_buf_printf(out, plain ? "%d" : "%2d", m->day);
        return true;
    case 'F':
        kw_buf_printf(out, "%04d-%02d-%02d", m->year, m->month, m->day);
        return true;
    case 'T':
        kw_buf_printf(out, "%02d:%02d:%02d", m->hour, m->minute, m->second);
        return true;
    case 'D':
        kw_buf_printf(out, "%02d/%02d/%02d", m->month, m->day, m->year % 100);
        return true;
    case 'Z': /* a local clock without its zone has no name for it */
    case 'z':
        return true;
    case '%':
        kw_buf_add(out, "%", 1);
        return true;
    default:
        return false;
    }
}

kw_status kw_tpl_strftime(kw_tpl_state *s, kw_str format, int64_t now, kw_buf *out)
{
    const int64_t limit = (int64_t)253402300799; /* 9999-12-31 */
    const moment m = civil(KW_MIN(KW_MAX(now, (int64_t)0), limit));
    for (size_t at = 0; at < format.len; at++) {
        KW_TRY(kw_tpl_work(s, 0));
        if (format.data[at] != '%') {
            kw_buf_add(out, &format.data[at], 1);
            continue;
        }
        const bool plain = at + 1 < format.len && format.data[at + 1] == '-';
        at += plain ? 2 : 1;
        if (at >= format.len || !put_time(out, format.data[at], plain, &m))
            return refuse(s, format);
    }
    return KW_OK;
}
