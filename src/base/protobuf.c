/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* protobuf.c - fields of protocol buffers. Every length is checked against the bytes that remain
 * before it is used. Source: protobuf.dev, "Encoding". */
#include "base/protobuf.h"

#include "base/check.h"
#include "base/uvarint.h"

#define FIELD_MAX 0x1fffffffu /* the largest number of a field */

static bool broken(kw_pb *message)
{
    message->bad = true;
    message->left = (kw_bytes){0};
    return false;
}

static kw_bytes take(kw_pb *message, size_t n)
{
    const kw_bytes taken = {message->left.data, n};
    message->left.data += n;
    message->left.len -= n;
    return taken;
}

static bool take_varint(kw_pb *message, uint64_t *out)
{
    size_t used;
    if (kw_uvarint_get(message->left, KW_UVARINT_MAX, false, out, &used) != KW_UVARINT_OK)
        return false;
    (void)take(message, used);
    return true;
}

static bool take_fixed(kw_pb *message, size_t width, uint64_t *out)
{
    if (message->left.len < width)
        return false;
    const kw_bytes bytes = take(message, width);
    *out = 0;
    for (size_t i = 0; i < width; i++)
        *out |= (uint64_t)bytes.data[i] << (8 * i);
    return true;
}

static bool take_value(kw_pb *message, kw_pb_field *field)
{
    uint64_t len;
    switch (field->type) {
    case KW_PB_VARINT:
        return take_varint(message, &field->value);
    case KW_PB_FIXED64:
        return take_fixed(message, 8, &field->value);
    case KW_PB_FIXED32:
        return take_fixed(message, 4, &field->value);
    case KW_PB_BYTES:
        if (!take_varint(message, &len) || len > message->left.len)
            return false;
        field->bytes = take(message, (size_t)len);
        return true;
    default:
        return false; /* groups, and types that do not exist */
    }
}

bool kw_pb_next(kw_pb *message, kw_pb_field *out)
{
    if (message->bad || message->left.len == 0)
        return false;
    uint64_t key;
    if (!take_varint(message, &key) || key >> 3 == 0 || key >> 3 > FIELD_MAX)
        return broken(message);
    *out = (kw_pb_field){.number = (uint32_t)(key >> 3), .type = (uint8_t)(key & 7)};
    return take_value(message, out) || broken(message);
}

bool kw_pb_u64(kw_pb *message, const kw_pb_field *field, uint64_t *out)
{
    if (field->type != KW_PB_VARINT)
        return broken(message);
    *out = field->value;
    return true;
}

bool kw_pb_bytes(kw_pb *message, const kw_pb_field *field, kw_bytes *out)
{
    if (field->type != KW_PB_BYTES)
        return broken(message);
    *out = field->bytes;
    return true;
}

/* The key of a field and the number behind it (a varint value or a length). Returns the length. */
static size_t put_head(uint8_t out[2 * KW_UVARINT_MAX], uint32_t number, uint8_t type,
                       uint64_t value)
{
    kw_assert(number > 0 && number <= FIELD_MAX);
    const size_t n = kw_uvarint_put(out, (uint64_t)number << 3 | type);
    return n + kw_uvarint_put(out + n, value);
}

void kw_pb_put_u64(kw_buf *out, uint32_t number, uint64_t value)
{
    uint8_t head[2 * KW_UVARINT_MAX];
    const size_t n = put_head(head, number, KW_PB_VARINT, value);
    kw_buf_add(out, (const char *)head, n);
}

void kw_pb_put_bytes(kw_buf *out, uint32_t number, kw_bytes bytes)
{
    uint8_t head[2 * KW_UVARINT_MAX];
    const size_t n = put_head(head, number, KW_PB_BYTES, bytes.len);
    kw_buf_add(out, (const char *)head, n);
    kw_buf_add(out, (const char *)bytes.data, bytes.len);
}

void kw_pb_put_text(kw_buf *out, uint32_t number, kw_str text)
{
    kw_pb_put_bytes(out, number, (kw_bytes){(const uint8_t *)text.data, text.len});
}

void kw_pb_put_fixed64(kw_buf *out, uint32_t number, uint64_t value)
{
    uint8_t bytes[KW_UVARINT_MAX + 8];
    size_t n = kw_uvarint_put(bytes, (uint64_t)number << 3 | KW_PB_FIXED64);
    for (unsigned i = 0; i < 8; i++)
        bytes[n++] = (uint8_t)(value >> (8 * i));
    kw_buf_add(out, (const char *)bytes, n);
}

size_t kw_pb_begin(const kw_buf *out)
{
    return out->len;
}

/* The length is known only now: the message moves behind its head. */
void kw_pb_end(kw_buf *out, uint32_t number, size_t begin)
{
    if (out->failed)
        return;
    uint8_t head[2 * KW_UVARINT_MAX];
    const size_t len = out->len - begin, n = put_head(head, number, KW_PB_BYTES, len);
    kw_buf_add(out, (const char *)head, n);
    if (out->failed)
        return;
    memmove(out->data + begin + n, out->data + begin, len);
    memcpy(out->data + begin, head, n);
}
