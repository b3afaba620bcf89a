/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* identify_message.c - identify on the wire. */
#include "net/identify_message.h"

#include "base/protobuf.h"

enum { PUBLIC_KEY = 1, LISTEN = 2, PROTOCOL = 3, OBSERVED = 4, VERSION = 5, AGENT = 6 };

#define MESSAGE_MAX 4096 /* rust-libp2p refuses longer ones */

static kw_str text_of(kw_bytes bytes)
{
    return (kw_str){(const char *)bytes.data, bytes.len};
}

static void take(kw_identify *out, uint32_t number, kw_bytes bytes)
{
    switch (number) {
    case PUBLIC_KEY:
        out->public_key = bytes;
        break;
    case LISTEN:
        if (out->n_addrs < KW_IDENTIFY_ADDRS &&
            kw_multiaddr_get(bytes, &out->addrs[out->n_addrs], NULL) == KW_OK)
            out->n_addrs++;
        break;
    case PROTOCOL:
        if (out->n_protocols < KW_IDENTIFY_PROTOCOLS && bytes.len > 0 &&
            bytes.len <= KW_PROTOCOL_MAX && !memchr(bytes.data, 0, bytes.len))
            out->protocols[out->n_protocols++] = text_of(bytes);
        break;
    case OBSERVED:
        if (kw_multiaddr_get(bytes, &out->observed, NULL) != KW_OK)
            out->observed = (kw_multiaddr){.len = 0};
        break;
    case VERSION:
        out->version = text_of(bytes);
        break;
    case AGENT:
        out->agent = text_of(bytes);
        break;
    default: /* later fields */
        break;
    }
}

kw_status kw_identify_get(kw_bytes message, kw_identify *out, kw_error *err)
{
    kw_pb pb = kw_pb_read(message);
    kw_pb_field field;
    kw_bytes bytes;
    while (kw_pb_next(&pb, &field)) {
        if (field.number < PUBLIC_KEY || field.number > AGENT)
            continue;
        if (!kw_pb_bytes(&pb, &field, &bytes))
            break;
        take(out, field.number, bytes);
    }
    return pb.bad ? kw_fail(err, KW_E_FORMAT, "identify: not a protocol buffer") : KW_OK;
}

static void put_more(kw_buf *out, size_t begin, uint32_t number, kw_bytes bytes)
{
    if (out->len - begin + bytes.len + 4 <= MESSAGE_MAX)
        kw_pb_put_bytes(out, number, bytes);
}

void kw_identify_put(const kw_identify *identify, kw_buf *out)
{
    const size_t begin = out->len;
    kw_pb_put_text(out, VERSION, identify->version);
    kw_pb_put_text(out, AGENT, identify->agent);
    if (identify->public_key.len > 0)
        kw_pb_put_bytes(out, PUBLIC_KEY, identify->public_key);
    const kw_multiaddr *seen = &identify->observed;
    if (seen->len > 0)
        kw_pb_put_bytes(out, OBSERVED, (kw_bytes){seen->bytes, seen->len});
    for (size_t i = 0; i < identify->n_protocols; i++) {
        const kw_str name = identify->protocols[i];
        put_more(out, begin, PROTOCOL, (kw_bytes){(const uint8_t *)name.data, name.len});
    }
    for (size_t i = 0; i < identify->n_addrs; i++)
        put_more(out, begin, LISTEN, (kw_bytes){identify->addrs[i].bytes, identify->addrs[i].len});
}

void kw_identify_text(kw_str text, char *out, size_t size)
{
    size_t n = 0;
    for (; n < text.len && n + 1 < size; n++)
        out[n] = text.data[n] >= 0x20 && text.data[n] < 0x7f ? text.data[n] : '?';
    if (size > 0)
        out[n] = 0;
}
