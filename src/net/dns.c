/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dns.c - reading and writing of DNS messages.
 *
 * Invariant: a pointer of compression leads to a lower place than every one before it in the same
 * name, so that a name ends after at most as many steps as it has bytes before it; a name has at
 * most 255 bytes. Sources: RFC 1035, sections 3.3 and 4.1; RFC 6762, section 18. */
#include "net/dns.h"

#include "base/check.h"

#include <ctype.h>

#define HEADER 12
#define LABEL_MAX 63
#define NAME_BYTES 255
#define TEXT_MAX 253

static unsigned u16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

kw_status kw_dns_get(kw_bytes bytes, kw_dns_message *out, kw_error *err)
{
    if (bytes.len < HEADER || bytes.len > KW_DNS_MESSAGE_MAX)
        return kw_fail(err, KW_E_FORMAT, "dns: a message of %zu bytes is not of %d to %d",
                       bytes.len, HEADER, KW_DNS_MESSAGE_MAX);
    const uint8_t *p = bytes.data;
    *out = (kw_dns_message){.bytes = bytes,
                            .id = (uint16_t)u16(p),
                            .response = (p[2] & 0x80) != 0,
                            .truncated = (p[2] & 0x02) != 0,
                            .rcode = p[3] & 0x0f,
                            .n_questions = u16(p + 4),
                            .n_records = (size_t)u16(p + 6) + u16(p + 8) + u16(p + 10),
                            .at = HEADER};
    return KW_OK;
}

/* Appends a label to a name of *len characters; false: no room, or not text. */
static bool add_label(kw_dns_name *name, size_t *len, kw_bytes label)
{
    if (*len + (*len > 0) + label.len > TEXT_MAX)
        return false;
    if (*len > 0)
        name->text[(*len)++] = '.';
    for (size_t i = 0; i < label.len; i++) {
        if (label.data[i] <= ' ' || label.data[i] > '~' || label.data[i] == '.')
            return false;
        name->text[(*len)++] = (char)label.data[i];
    }
    return true;
}

/* Reads the name at *at, which moves behind it. */
static bool get_name(kw_bytes bytes, size_t *at, kw_dns_name *out)
{
    size_t here = *at, lowest = *at, len = 0;
    bool jumped = false;
    for (;;) {
        if (here >= bytes.len)
            return false;
        const uint8_t n = bytes.data[here];
        if (n >= 0xc0) {
            if (bytes.len - here < 2)
                return false;
            if (!jumped)
                *at = here + 2;
            jumped = true;
            here = u16(bytes.data + here) & 0x3fff;
            if (here >= lowest)
                return false;
            lowest = here;
            continue;
        }
        if (n > LABEL_MAX || n > bytes.len - here - 1)
            return false;
        if (n == 0)
            break;
        if (!add_label(out, &len, (kw_bytes){bytes.data + here + 1, n}))
            return false;
        here += 1U + n;
    }
    if (!jumped)
        *at = here + 1;
    out->text[len] = '\0';
    return true;
}

/* Type and class behind a name. */
static bool get_kind(kw_dns_message *message, kw_dns_record *out)
{
    if (!get_name(message->bytes, &message->at, &out->name) || message->bytes.len - message->at < 4)
        return false;
    const uint8_t *p = message->bytes.data + message->at;
    out->type = (uint16_t)u16(p);
    out->class = u16(p + 2) & 0x7fff;
    message->at += 4;
    return true;
}

bool kw_dns_question(kw_dns_message *message, kw_dns_record *out)
{
    if (message->n_questions == 0)
        return false;
    message->n_questions--;
    *out = (kw_dns_record){.type = 0};
    if (get_kind(message, out))
        return true;
    message->n_questions = message->n_records = 0;
    return false;
}

bool kw_dns_record_next(kw_dns_message *message, kw_dns_record *out)
{
    while (kw_dns_question(message, out))
        ;
    if (message->n_records == 0)
        return false;
    message->n_records--;
    *out = (kw_dns_record){.type = 0};
    if (get_kind(message, out) && message->bytes.len - message->at >= 6) {
        const uint8_t *p = message->bytes.data + message->at;
        const size_t len = u16(p + 4);
        out->ttl_s = (uint32_t)u16(p) << 16 | u16(p + 2);
        out->data_at = message->at + 6;
        if (len <= message->bytes.len - out->data_at) {
            out->data = (kw_bytes){p + 6, len};
            message->at = out->data_at + len;
            return true;
        }
    }
    message->n_records = 0;
    return false;
}

bool kw_dns_target(const kw_dns_message *message, const kw_dns_record *record, kw_dns_name *out)
{
    size_t at = record->data_at;
    return record->type == KW_DNS_PTR && get_name(message->bytes, &at, out) &&
           at <= record->data_at + record->data.len;
}

bool kw_dns_text(const kw_dns_record *record, size_t *at, kw_str *out)
{
    if (record->type != KW_DNS_TXT || *at >= record->data.len)
        return false;
    const size_t len = record->data.data[*at];
    if (len > record->data.len - *at - 1)
        return false;
    *out = (kw_str){(const char *)record->data.data + *at + 1, len};
    *at += 1 + len;
    return true;
}

bool kw_dns_name_is(const kw_dns_name *name, const char *text)
{
    size_t i = 0;
    while (text[i] && tolower((unsigned char)text[i]) == tolower((unsigned char)name->text[i]))
        i++;
    return text[i] == '\0' && name->text[i] == '\0';
}

/* ---- writing ---- */

static void put16(kw_buf *out, size_t value)
{
    const char bytes[2] = {(char)(value >> 8 & 0xff), (char)(value & 0xff)};
    kw_buf_add(out, bytes, 2);
}

void kw_dns_put_header(kw_buf *out, const kw_dns_header *header)
{
    put16(out, header->id);
    put16(out, (header->response ? 0x8400U : 0U) | (header->recursion ? 0x0100U : 0U));
    put16(out, header->n_questions);
    put16(out, header->n_answers);
    put16(out, 0);
    put16(out, header->n_additional);
}

static kw_status put_name(kw_buf *out, const char *name, kw_error *err)
{
    size_t total = 1;
    for (const char *label = name; *label;) {
        const size_t len = strcspn(label, ".");
        total += len + 1;
        if (len == 0 || len > LABEL_MAX || total > NAME_BYTES)
            return kw_fail(err, KW_E_ARG,
                           "dns: \"%.100s\" is no name: labels have 1 to %d bytes, "
                           "a name %d",
                           name, LABEL_MAX, TEXT_MAX);
        kw_buf_add(out, &(char){(char)len}, 1);
        kw_buf_add(out, label, len);
        label += len + (label[len] == '.');
    }
    kw_buf_add(out, "", 1);
    return KW_OK;
}

kw_status kw_dns_put_question(kw_buf *out, const char *name, uint16_t type, kw_error *err)
{
    KW_TRY(put_name(out, name, err));
    put16(out, type);
    put16(out, KW_DNS_IN);
    return KW_OK;
}

/* A record from its name to the place of its length, which *at becomes. */
static kw_status begin_record(kw_buf *out, const char *name, uint16_t type, uint32_t ttl_s,
                              size_t *at, kw_error *err)
{
    KW_TRY(kw_dns_put_question(out, name, type, err));
    put16(out, ttl_s >> 16);
    put16(out, ttl_s & 0xffff);
    *at = out->len;
    put16(out, 0);
    return KW_OK;
}

static kw_status end_record(kw_buf *out, size_t at, kw_error *err)
{
    if (out->failed)
        return kw_buf_status(out, err);
    const size_t len = out->len - at - 2;
    if (len > UINT16_MAX)
        return kw_fail(err, KW_E_LIMIT, "dns: a record of %zu bytes is above %d", len, UINT16_MAX);
    out->data[at] = (char)(len >> 8);
    out->data[at + 1] = (char)(len & 0xff);
    return KW_OK;
}

kw_status kw_dns_put_ptr(kw_buf *out, const char *name, uint32_t ttl_s, const char *target,
                         kw_error *err)
{
    size_t at;
    KW_TRY(begin_record(out, name, KW_DNS_PTR, ttl_s, &at, err));
    KW_TRY(put_name(out, target, err));
    return end_record(out, at, err);
}

kw_status kw_dns_put_txt(kw_buf *out, const char *name, uint32_t ttl_s, const kw_str *texts,
                         size_t n, kw_error *err)
{
    size_t at;
    KW_TRY(begin_record(out, name, KW_DNS_TXT, ttl_s, &at, err));
    for (size_t i = 0; i < n; i++) {
        if (texts[i].len > UINT8_MAX)
            return kw_fail(err, KW_E_ARG, "dns: a text of %zu bytes is above %d", texts[i].len,
                           UINT8_MAX);
        kw_buf_add(out, &(char){(char)texts[i].len}, 1);
        kw_buf_add(out, texts[i].data, texts[i].len);
    }
    if (n == 0)
        kw_buf_add(out, "", 1);
    return end_record(out, at, err);
}
