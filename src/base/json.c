/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* json.c - a pull parser for RFC 8259.
 *
 * json->pos is always at the first byte that no token has consumed, and moves only when a token is
 * returned: a failed call fails again in the same place. json->state says what may come next, and
 * json->stack remembers, for each open container, which bracket closes it. */
#include "base/json.h"

#include <stdint.h>

#include "base/check.h"
#include "base/decimal.h"
#include "base/utf8.h"

enum {
    WANT_VALUE,
    WANT_VALUE_OR_END, /* after '[' */
    WANT_KEY,          /* after ',' in an object */
    WANT_KEY_OR_END,   /* after '{' */
    WANT_COMMA_OR_END, /* after a value in a container */
    WANT_NOTHING       /* after the one value */
};

static const char *const kind_names[] = {
    [KW_JSON_END] = "the end",
    [KW_JSON_OBJECT] = "an object",
    [KW_JSON_OBJECT_END] = "the end of an object",
    [KW_JSON_ARRAY] = "an array",
    [KW_JSON_ARRAY_END] = "the end of an array",
    [KW_JSON_KEY] = "a key",
    [KW_JSON_STRING] = "a string",
    [KW_JSON_NUMBER] = "a number",
    [KW_JSON_TRUE] = "true",
    [KW_JSON_FALSE] = "false",
    [KW_JSON_NULL] = "null",
};

void kw_json_init(kw_json *json, kw_str text, const char *subject)
{
    memset(json, 0, sizeof(*json));
    json->text = text;
    json->subject = subject ? subject : "json";
    json->state = WANT_VALUE;
}

/* Fails with what was wanted and what stands at `pos`. */
static kw_status unexpected(const kw_json *json, size_t pos, const char *wanted, kw_error *err)
{
    if (pos >= json->text.len)
        return kw_fail(err, KW_E_FORMAT, "%s: byte %zu: expected %s, found the end of the text",
                       json->subject, pos, wanted);
    const unsigned char c = (unsigned char)json->text.data[pos];
    if (c > 0x20 && c < 0x7F)
        return kw_fail(err, KW_E_FORMAT, "%s: byte %zu: expected %s, found '%c'", json->subject,
                       pos, wanted, c);
    return kw_fail(err, KW_E_FORMAT, "%s: byte %zu: expected %s, found byte 0x%02x", json->subject,
                   pos, wanted, c);
}

static size_t skip_space(const kw_json *json, size_t pos)
{
    while (pos < json->text.len) {
        const char c = json->text.data[pos];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            break;
        pos++;
    }
    return pos;
}

/* Length of the run of plain bytes at text[0..len): no quote, no backslash, no control character,
 * nothing beyond ASCII. Eight at a time: a byte of `stop` has its high bit set if it is one. A
 * borrow may also mark a plain byte above a stop, never one below, and the loop behind decides. */
static size_t plain_run(const char *text, size_t len)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    size_t n = 0;
    while (len - n >= 8) {
        uint64_t v;
        memcpy(&v, text + n, sizeof(v));
        const uint64_t quote = v ^ (ones * '"'), slash = v ^ (ones * '\\');
        const uint64_t stop =
            ((quote - ones) & ~quote) | ((slash - ones) & ~slash) | (v - ones * 0x20) | v;
        if ((stop & high) != 0)
            break;
        n += 8;
    }
    for (; n < len; n++) {
        const unsigned char c = (unsigned char)text[n];
        if (c == '"' || c == '\\' || c < 0x20 || c >= 0x80)
            break;
    }
    return n;
}

/* Value of four hex digits, or -1. */
static int32_t hex4(const char *digits)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        const char c = digits[i];
        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value * 16 + (c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            value = value * 16 + (c - 'A' + 10);
        else
            return -1;
    }
    return value;
}

/* Length of the escape at pos (a backslash), or 0. */
static size_t escape_length(const kw_json *json, size_t pos)
{
    const size_t left = json->text.len - pos;
    const char *text = json->text.data + pos;
    if (left < 2)
        return 0;
    if (text[1] == 'u')
        return left >= 6 && hex4(text + 2) >= 0 ? 6 : 0;
    return text[1] != '\0' && strchr("\"\\/bfnrt", text[1]) ? 2 : 0;
}

/* Reads the string whose opening quote is at *pos; *pos becomes the byte after the closing one. */
static kw_status scan_string(const kw_json *json, size_t *pos, kw_json_token *out, kw_error *err)
{
    const char *data = json->text.data;
    const size_t len = json->text.len, start = *pos + 1;
    size_t at = start;
    out->escaped = false;
    for (;;) {
        at += plain_run(data + at, len - at);
        if (at >= len)
            return kw_fail(err, KW_E_FORMAT, "%s: byte %zu: the string never ends", json->subject,
                           *pos);
        const unsigned char c = (unsigned char)data[at];
        if (c == '"')
            break;
        if (c == '\\') {
            const size_t n = escape_length(json, at);
            if (n == 0)
                return kw_fail(err, KW_E_FORMAT, "%s: byte %zu: invalid escape in a string",
                               json->subject, at);
            out->escaped = true;
            at += n;
        } else if (c < 0x20) {
            return kw_fail(err, KW_E_FORMAT, "%s: byte %zu: control character 0x%02x in a string",
                           json->subject, at, c);
        } else {
            uint32_t codepoint;
            at += kw_utf8_decode(data + at, len - at, &codepoint);
            if (codepoint == KW_UTF8_BAD)
                return kw_fail(err, KW_E_FORMAT,
                               "%s: byte %zu: invalid UTF-8 (byte 0x%02x) in a string",
                               json->subject, at - 1, c);
        }
    }
    out->text = (kw_str){data + start, at - start};
    *pos = at + 1;
    return KW_OK;
}

static size_t skip_digits(const kw_json *json, size_t pos)
{
    while (pos < json->text.len && json->text.data[pos] >= '0' && json->text.data[pos] <= '9')
        pos++;
    return pos;
}

static kw_status scan_number(const kw_json *json, size_t *pos, kw_json_token *out, kw_error *err)
{
    const char *data = json->text.data;
    const size_t len = json->text.len, start = *pos;
    size_t at = start + (data[start] == '-' ? 1 : 0);
    const size_t whole = at;
    at = skip_digits(json, at);
    if (at == whole)
        return unexpected(json, at, "a digit", err);
    if (data[whole] == '0' && at > whole + 1)
        return kw_fail(err, KW_E_FORMAT, "%s: byte %zu: a number with a leading zero",
                       json->subject, whole);
    if (at < len && data[at] == '.') {
        const size_t fraction = at + 1;
        at = skip_digits(json, fraction);
        if (at == fraction)
            return unexpected(json, at, "a digit", err);
    }
    if (at < len && (data[at] == 'e' || data[at] == 'E')) {
        at++;
        if (at < len && (data[at] == '+' || data[at] == '-'))
            at++;
        const size_t exponent = at;
        at = skip_digits(json, exponent);
        if (at == exponent)
            return unexpected(json, at, "a digit", err);
    }
    out->text = (kw_str){data + start, at - start};
    *pos = at;
    return KW_OK;
}

static kw_status scan_word(const kw_json *json, size_t *pos, const char *word, kw_error *err)
{
    const size_t n = strlen(word);
    if (json->text.len - *pos < n || memcmp(json->text.data + *pos, word, n) != 0)
        return unexpected(json, *pos, "a value", err);
    *pos += n;
    return KW_OK;
}

/* Opens a container at *pos. */
static kw_status open_container(kw_json *json, size_t *pos, kw_error *err)
{
    if (json->depth == KW_JSON_MAX_DEPTH)
        return kw_fail(err, KW_E_LIMIT, "%s: byte %zu: nested deeper than %d", json->subject, *pos,
                       KW_JSON_MAX_DEPTH);
    json->stack[json->depth++] = (uint8_t)json->text.data[*pos];
    *pos += 1;
    return KW_OK;
}

static uint8_t state_after_value(const kw_json *json)
{
    return json->depth == 0 ? WANT_NOTHING : WANT_COMMA_OR_END;
}

static kw_status next_value(kw_json *json, size_t pos, kw_json_token *out, kw_error *err)
{
    const char c = pos < json->text.len ? json->text.data[pos] : '\0';
    if (c == '{' || c == '[') {
        KW_TRY(open_container(json, &pos, err));
        out->kind = c == '{' ? KW_JSON_OBJECT : KW_JSON_ARRAY;
        json->state = c == '{' ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
        json->pos = pos;
        return KW_OK;
    }
    if (c == '"') {
        out->kind = KW_JSON_STRING;
        KW_TRY(scan_string(json, &pos, out, err));
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        out->kind = KW_JSON_NUMBER;
        KW_TRY(scan_number(json, &pos, out, err));
    } else if (c == 't') {
        out->kind = KW_JSON_TRUE;
        KW_TRY(scan_word(json, &pos, "true", err));
    } else if (c == 'f') {
        out->kind = KW_JSON_FALSE;
        KW_TRY(scan_word(json, &pos, "false", err));
    } else if (c == 'n') {
        out->kind = KW_JSON_NULL;
        KW_TRY(scan_word(json, &pos, "null", err));
    } else {
        return unexpected(json, pos, "a value", err);
    }
    json->state = state_after_value(json);
    json->pos = pos;
    return KW_OK;
}

static kw_status next_key(kw_json *json, size_t pos, kw_json_token *out, kw_error *err)
{
    if (pos >= json->text.len || json->text.data[pos] != '"')
        return unexpected(json, pos, "a key", err);
    out->kind = KW_JSON_KEY;
    KW_TRY(scan_string(json, &pos, out, err));
    pos = skip_space(json, pos);
    if (pos >= json->text.len || json->text.data[pos] != ':')
        return unexpected(json, pos, "':'", err);
    json->state = WANT_VALUE;
    json->pos = pos + 1;
    return KW_OK;
}

static void close_container(kw_json *json, size_t pos, kw_json_token *out)
{
    json->depth--;
    out->kind = json->stack[json->depth] == '{' ? KW_JSON_OBJECT_END : KW_JSON_ARRAY_END;
    json->state = state_after_value(json);
    json->pos = pos + 1;
}

kw_status kw_json_next(kw_json *json, kw_json_token *out, kw_error *err)
{
    kw_json_token token = {.kind = KW_JSON_END};
    size_t pos = skip_space(json, json->pos);
    const char c = pos < json->text.len ? json->text.data[pos] : '\0';
    const bool in_object = json->depth > 0 && json->stack[json->depth - 1] == '{';
    kw_status status = KW_OK;
    switch (json->state) {
    case WANT_VALUE:
        status = next_value(json, pos, &token, err);
        break;
    case WANT_KEY:
        status = next_key(json, pos, &token, err);
        break;
    case WANT_VALUE_OR_END:
        if (c == ']')
            close_container(json, pos, &token);
        else
            status = next_value(json, pos, &token, err);
        break;
    case WANT_KEY_OR_END:
        if (c == '}')
            close_container(json, pos, &token);
        else
            status = next_key(json, pos, &token, err);
        break;
    case WANT_COMMA_OR_END:
        if (c == (in_object ? '}' : ']')) {
            close_container(json, pos, &token);
            break;
        }
        if (c != ',')
            return unexpected(json, pos, in_object ? "',' or '}'" : "',' or ']'", err);
        pos = skip_space(json, pos + 1);
        status = in_object ? next_key(json, pos, &token, err) : next_value(json, pos, &token, err);
        break;
    default:
        if (pos < json->text.len)
            return unexpected(json, pos, "nothing more", err);
        json->pos = pos;
        break;
    }
    if (status == KW_OK)
        *out = token;
    return status;
}

/* Where a token stands, for messages: its first byte, or behind it where it has no text. */
static size_t token_offset(const kw_json *json, const kw_json_token *token)
{
    if (!token->text.data)
        return json->pos;
    const size_t start = (size_t)(token->text.data - json->text.data);
    return token->kind == KW_JSON_NUMBER ? start : start - 1;
}

static kw_status check_kind(const kw_json *json, const kw_json_token *token, kw_json_kind kind,
                            kw_error *err)
{
    if (token->kind == kind)
        return KW_OK;
    return kw_fail(err, KW_E_FORMAT, "%s: byte %zu: expected %s, found %s", json->subject,
                   token_offset(json, token), kind_names[kind], kind_names[token->kind]);
}

kw_status kw_json_expect(kw_json *json, kw_json_kind kind, kw_json_token *out, kw_error *err)
{
    kw_json_token token;
    KW_TRY(kw_json_next(json, &token, err));
    KW_TRY(check_kind(json, &token, kind, err));
    *out = token;
    return KW_OK;
}

kw_status kw_json_skip(kw_json *json, const kw_json_token *first, kw_error *err)
{
    kw_json_token token = *first;
    if (token.kind == KW_JSON_KEY)
        KW_TRY(kw_json_next(json, &token, err));
    if (token.kind != KW_JSON_OBJECT && token.kind != KW_JSON_ARRAY)
        return KW_OK;
    const uint16_t outside = (uint16_t)(json->depth - 1);
    while (json->depth > outside)
        KW_TRY(kw_json_next(json, &token, err));
    return KW_OK;
}

static char unescape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c;
    }
}

/* Decodes \uXXXX, and the low half that follows a high one, at text[0..len), which scan_string has
 * checked. Returns bytes consumed. */
static size_t unescape_unicode(const char *text, size_t len, uint32_t *codepoint)
{
    const uint32_t first = (uint32_t)hex4(text + 2);
    *codepoint = first;
    if (first < 0xD800 || first > 0xDFFF)
        return 6;
    *codepoint = 0xFFFD;
    if (first > 0xDBFF || len < 12 || text[6] != '\\' || text[7] != 'u')
        return 6;
    const uint32_t second = (uint32_t)hex4(text + 8);
    if (second < 0xDC00 || second > 0xDFFF)
        return 6;
    *codepoint = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    return 12;
}

kw_status kw_json_string(const kw_json *json, const kw_json_token *token, kw_arena *arena,
                         kw_str *out, kw_error *err)
{
    if (token->kind != KW_JSON_KEY)
        KW_TRY(check_kind(json, token, KW_JSON_STRING, err));
    if (!token->escaped) {
        *out = token->text;
        return KW_OK;
    }
    const kw_str text = token->text;
    /* No escape is shorter than what it stands for. */
    char *decoded = kw_arena_alloc(arena, text.len);
    if (!decoded)
        return kw_fail(err, KW_E_NOMEM, "%s: byte %zu: no memory for a string of %zu bytes",
                       json->subject, token_offset(json, token), text.len);
    size_t n = 0, at = 0;
    while (at < text.len) {
        const char *slash = memchr(text.data + at, '\\', text.len - at);
        const size_t plain = slash ? (size_t)(slash - text.data) - at : text.len - at;
        memcpy(decoded + n, text.data + at, plain);
        n += plain;
        at += plain;
        if (at == text.len)
            break;
        if (text.data[at + 1] == 'u') {
            uint32_t codepoint;
            at += unescape_unicode(text.data + at, text.len - at, &codepoint);
            n += kw_utf8_encode(codepoint, decoded + n);
        } else {
            decoded[n++] = unescape(text.data[at + 1]);
            at += 2;
        }
    }
    *out = (kw_str){decoded, n};
    return KW_OK;
}

kw_status kw_json_f64(const kw_json *json, const kw_json_token *token, double *out, kw_error *err)
{
    KW_TRY(check_kind(json, token, KW_JSON_NUMBER, err));
    if (!kw_decimal_f64(token->text, out))
        return kw_fail(err, KW_E_FORMAT, "%s: byte %zu: number %.*s is out of range", json->subject,
                       token_offset(json, token), KW_FMT(token->text));
    return KW_OK;
}

static kw_status not_integer(const kw_json *json, const kw_json_token *token, const char *range,
                             kw_error *err)
{
    return kw_fail(err, KW_E_FORMAT, "%s: byte %zu: number %.*s is no whole number %s",
                   json->subject, token_offset(json, token), KW_FMT(token->text), range);
}

/* Sign and magnitude of a number that is whole, also when it is written 1.0 or 1e3 (then below
 * 2^53); false otherwise. */
static bool whole_number(kw_str text, bool *negative, uint64_t *magnitude)
{
    size_t at = text.len > 0 && text.data[0] == '-' ? 1 : 0;
    *negative = at == 1;
    uint64_t value = 0;
    for (; at < text.len && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
        if (!kw_mul_u64(value, 10, &value))
            return false;
        if (!kw_add_u64(value, (uint64_t)(text.data[at] - '0'), &value))
            return false;
    }
    if (at < text.len) {
        double real;
        if (!kw_decimal_f64(text, &real))
            return false;
        real = *negative ? -real : real;
        if (real >= 0x1p53)
            return false;
        value = (uint64_t)real;
        if ((double)value != real)
            return false;
    }
    *magnitude = value;
    return true;
}

kw_status kw_json_i64(const kw_json *json, const kw_json_token *token, int64_t *out, kw_error *err)
{
    KW_TRY(check_kind(json, token, KW_JSON_NUMBER, err));
    bool negative;
    uint64_t magnitude;
    const uint64_t limit = (uint64_t)INT64_MAX;
    if (!whole_number(token->text, &negative, &magnitude) || magnitude > limit + (negative ? 1 : 0))
        return not_integer(json, token, "of 64 bits", err);
    if (negative && magnitude > limit)
        *out = INT64_MIN;
    else
        *out = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return KW_OK;
}

kw_status kw_json_u64(const kw_json *json, const kw_json_token *token, uint64_t *out, kw_error *err)
{
    KW_TRY(check_kind(json, token, KW_JSON_NUMBER, err));
    bool negative;
    uint64_t magnitude;
    if (!whole_number(token->text, &negative, &magnitude) || (negative && magnitude != 0))
        return not_integer(json, token, "of 64 bits without a sign", err);
    *out = magnitude;
    return KW_OK;
}
