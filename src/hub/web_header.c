/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* web_header.c - header fields to numbers. What is malformed is as if it were not there. */
#include "hub/web_header.h"

static kw_str trim(kw_str text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && (uint8_t)text.data[text.len - 1] <= ' ')
        text.len--;
    return text;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* name: in lower case. */
static bool is_name(kw_str text, const char *name)
{
    if (text.len != strlen(name))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (lower(text.data[i]) != name[i])
            return false;
    }
    return true;
}

/* Digits from the front of text; false when there are none or too many. */
static bool take_number(kw_str *text, uint64_t *out)
{
    uint64_t value = 0;
    size_t n = 0;
    while (n < text->len && text->data[n] >= '0' && text->data[n] <= '9') {
        if (value > (UINT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t)(text->data[n++] - '0');
    }
    text->data += n;
    text->len -= n;
    *out = value;
    return n > 0;
}

static bool take_char(kw_str *text, char c)
{
    if (text->len == 0 || text->data[0] != c)
        return false;
    text->data++;
    text->len--;
    return true;
}

/* "bytes 0-99/1234", "bytes 0-99/ *", "bytes * /1234" (without the blanks) */
static void read_range(kw_web_reply *reply, kw_str value)
{
    uint64_t from = KW_WEB_UNKNOWN, to = 0, total = KW_WEB_UNKNOWN;
    if (!kw_str_starts(value, KW_STR("bytes ")))
        return;
    value = trim((kw_str){value.data + 6, value.len - 6});
    if (!take_char(&value, '*') && (!take_number(&value, &from) || !take_char(&value, '-') ||
                                    !take_number(&value, &to) || to < from))
        return;
    if (!take_char(&value, '/') || (!take_char(&value, '*') && !take_number(&value, &total)) ||
        value.len > 0)
        return;
    reply->ranged = true;
    reply->from = from;
    reply->total = total;
}

static void copy(char *out, size_t size, kw_str value)
{
    if (value.len >= size)
        return;
    memcpy(out, value.data, value.len);
    out[value.len] = 0;
}

/* A weak tag says nothing of bytes. */
static void read_tag(kw_web_reply *reply, kw_str value)
{
    if (value.len < 3 || value.data[0] != '"' || value.data[value.len - 1] != '"')
        return;
    for (size_t i = 0; i < value.len; i++) {
        if ((uint8_t)value.data[i] < 0x21 || (uint8_t)value.data[i] > 0x7e)
            return;
    }
    copy(reply->tag, sizeof(reply->tag), value);
}

/* <https://...>; rel="next", the only or first of its kind */
static void read_link(kw_web_reply *reply, kw_str value)
{
    const char *const end =
        value.len > 0 && value.data[0] == '<' ? memchr(value.data, '>', value.len) : NULL;
    if (!end)
        return;
    const kw_str target = {value.data + 1, (size_t)(end - value.data) - 1};
    const kw_str rest = trim((kw_str){end + 1, value.len - target.len - 2});
    const kw_str next = KW_STR("; rel=\"next\""), bare = KW_STR(";rel=\"next\"");
    if (kw_str_starts(rest, next) || kw_str_starts(rest, bare))
        copy(reply->next, sizeof(reply->next), target);
}

static void read_field(kw_web_reply *reply, kw_str name, kw_str value)
{
    uint64_t number;
    kw_str rest = value;
    if (is_name(name, "content-length")) {
        if (take_number(&rest, &number) && rest.len == 0)
            reply->length = number;
    } else if (is_name(name, "content-range")) {
        read_range(reply, value);
    } else if (is_name(name, "content-encoding")) {
        reply->encoded = value.len > 0 && !is_name(value, "identity");
    } else if (is_name(name, "etag")) {
        read_tag(reply, value);
    } else if (is_name(name, "docker-content-digest")) {
        copy(reply->digest, sizeof(reply->digest), value);
    } else if (is_name(name, "link")) {
        read_link(reply, value);
    } else if (is_name(name, "retry-after")) {
        if (take_number(&rest, &number) && rest.len == 0 && number <= 86400)
            reply->retry_ms = (uint32_t)number * 1000;
    }
}

/* "HTTP/1.1 206 Partial Content" */
static void read_status(kw_web_reply *reply, kw_str line)
{
    *reply =
        (kw_web_reply){.length = KW_WEB_UNKNOWN, .from = KW_WEB_UNKNOWN, .total = KW_WEB_UNKNOWN};
    const char *const space = memchr(line.data, ' ', line.len);
    if (!space)
        return;
    kw_str rest = {space + 1, line.len - (size_t)(space - line.data) - 1};
    uint64_t number;
    if (take_number(&rest, &number) && number < 1000)
        reply->status = (long)number;
}

bool kw_web_header_line(kw_web_reply *reply, kw_str line)
{
    if (kw_str_starts(line, KW_STR("HTTP/")))
        read_status(reply, line);
    if (line.len > KW_WEB_HEADERS_MAX - reply->n_bytes)
        return false;
    reply->n_bytes += line.len;
    const char *const colon = memchr(line.data, ':', line.len);
    if (!colon)
        return true;
    const kw_str name = {line.data, (size_t)(colon - line.data)};
    read_field(reply, name, trim((kw_str){colon + 1, line.len - name.len - 1}));
    return true;
}
