/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_wire_protobuf.c - fields lie inside their message, one behind the other; what is written
 * again reads the same. Messages inside messages are tried wherever there are bytes. */
#include "base/protobuf.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(kw_buf *out, const kw_pb_field *f)
{
    if (f->type == KW_PB_VARINT)
        kw_pb_put_u64(out, f->number, f->value);
    else if (f->type == KW_PB_FIXED64)
        kw_pb_put_fixed64(out, f->number, f->value);
    else if (f->type == KW_PB_BYTES)
        kw_pb_put_bytes(out, f->number, f->bytes);
}

/* Depth is bounded here; the reader itself has none. */
static void read_all(kw_bytes bytes, kw_buf *out, unsigned depth)
{
    kw_pb message = kw_pb_read(bytes);
    kw_pb_field f;
    const uint8_t *last = bytes.data;
    while (kw_pb_next(&message, &f)) {
        promise(f.number > 0 && f.number < 1u << 29);
        promise(message.left.data > last && message.left.len < bytes.len);
        last = message.left.data;
        put(out, &f);
        if (f.type != KW_PB_BYTES)
            continue;
        promise(f.bytes.data + f.bytes.len == message.left.data);
        const size_t begin = kw_pb_begin(out);
        if (depth < 4)
            read_all(f.bytes, out, depth + 1);
        kw_pb_end(out, f.number, begin);
    }
    promise(message.left.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_buf out = {0};
    kw_pb_field f;
    read_all((kw_bytes){data, size}, &out, 0);
    kw_pb again = kw_pb_read((kw_bytes){(const uint8_t *)out.data, out.len});
    while (kw_pb_next(&again, &f))
        ;
    promise(!again.bad);
    kw_buf_free(&out);
    return 0;
}
