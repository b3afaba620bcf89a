/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* channel_message.c - messages on a data channel. See channels.h. */
#include "net/channels.h"

#include "base/check.h"
#include "base/protobuf.h"
#include "base/uvarint.h"

#define PREFIX_MAX 3 /* bytes of a length up to KW_CHANNEL_MESSAGE */

enum { FIELD_FLAG = 1, FIELD_BYTES = 2 };

static size_t put_tag(uint8_t *out, unsigned field, unsigned type)
{
    *out = (uint8_t)(field << 3 | type);
    return 1;
}

size_t kw_channel_put(uint8_t *out, kw_channel_flag flag, kw_bytes bytes)
{
    uint8_t body[KW_CHANNEL_HEAD], number[KW_UVARINT_MAX];
    size_t n = 0;
    kw_assert(bytes.len <= KW_CHANNEL_BYTES);
    if (flag != KW_CHANNEL_NONE) {
        n += put_tag(body, FIELD_FLAG, KW_PB_VARINT);
        body[n++] = (uint8_t)flag;
    }
    if (bytes.len > 0) {
        n += put_tag(body + n, FIELD_BYTES, KW_PB_BYTES);
        const size_t len = kw_uvarint_put(number, bytes.len);
        memcpy(body + n, number, len);
        n += len;
    }
    const size_t prefix = kw_uvarint_put(number, n + bytes.len);
    memcpy(out, number, prefix);
    memcpy(out + prefix, body, n);
    if (bytes.len > 0)
        memcpy(out + prefix + n, bytes.data, bytes.len);
    return prefix + n + bytes.len;
}

static bool read_body(kw_bytes body, kw_channel_message *out)
{
    kw_pb message = kw_pb_read(body);
    kw_pb_field field;
    uint64_t flag;
    *out = (kw_channel_message){.flag = KW_CHANNEL_NONE};
    while (kw_pb_next(&message, &field)) {
        if (field.number == FIELD_BYTES)
            kw_pb_bytes(&message, &field, &out->bytes);
        else if (field.number == FIELD_FLAG && kw_pb_u64(&message, &field, &flag) &&
                 flag <= KW_CHANNEL_FIN_ACK)
            out->flag = (kw_channel_flag)flag;
    }
    return !message.bad;
}

/* The length of the message in front of bytes with its prefix; 0: not known yet, or *bad. */
static size_t length_of(kw_bytes bytes, size_t *prefix, bool *bad)
{
    uint64_t len;
    const kw_uvarint_result result =
        bytes.len ? kw_uvarint_get(bytes, PREFIX_MAX, false, &len, prefix) : KW_UVARINT_MORE;
    *bad = result == KW_UVARINT_BAD || (result == KW_UVARINT_OK && len > KW_CHANNEL_MESSAGE);
    return result == KW_UVARINT_OK && !*bad ? *prefix + (size_t)len : 0;
}

static kw_channel_result read_whole(kw_bytes whole, size_t prefix, kw_channel_message *out)
{
    const kw_bytes body = {whole.data + prefix, whole.len - prefix};
    return read_body(body, out) ? KW_CHANNEL_ONE : KW_CHANNEL_BAD;
}

kw_channel_result kw_channel_next(kw_fifo *part, kw_bytes *in, kw_channel_message *out)
{
    size_t prefix = 0;
    bool bad;
    while (in->len > 0) {
        const bool fresh = part->len == 0;
        const size_t len = length_of(fresh ? *in : kw_fifo_view(part), &prefix, &bad);
        if (bad)
            return KW_CHANNEL_BAD;
        if (fresh && len > 0 && len <= in->len) { /* whole, where it lies */
            const kw_bytes whole = {in->data, len};
            *in = (kw_bytes){in->data + len, in->len - len};
            return read_whole(whole, prefix, out);
        }
        /* A byte at a time until the length is known, then what is missing. */
        const size_t now = KW_MIN(len > 0 ? len - part->len : 1, in->len);
        if (!kw_fifo_add(part, (kw_bytes){in->data, now}))
            return KW_CHANNEL_NOMEM;
        *in = (kw_bytes){in->data + now, in->len - now};
        const size_t want = length_of(kw_fifo_view(part), &prefix, &bad);
        if (bad)
            return KW_CHANNEL_BAD;
        if (want > 0 && part->len == want)
            return read_whole(kw_fifo_view(part), prefix, out);
    }
    return KW_CHANNEL_MORE;
}

void kw_channel_taken(kw_fifo *part)
{
    kw_fifo_drop(part, part->len);
}
