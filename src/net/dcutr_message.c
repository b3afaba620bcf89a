/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dcutr_message.c - HolePunch on the wire. See dcutr_message.h. */
#include "net/dcutr_message.h"

#include "base/protobuf.h"

enum { TYPE = 1, ADDR = 2 };

kw_status kw_dcutr_message_get(kw_bytes in, kw_dcutr_message *out, kw_error *err)
{
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    kw_bytes bytes;
    uint64_t type = 0;
    out->n_addrs = 0;
    while (kw_pb_next(&pb, &field)) {
        if (field.number == TYPE)
            (void)kw_pb_u64(&pb, &field, &type);
        else if (field.number == ADDR && kw_pb_bytes(&pb, &field, &bytes) &&
                 out->n_addrs < KW_DCUTR_ADDRS &&
                 kw_multiaddr_get(bytes, &out->addrs[out->n_addrs], NULL) == KW_OK)
            out->n_addrs++;
    }
    if (pb.bad || (type != KW_DCUTR_CONNECT && type != KW_DCUTR_SYNC))
        return kw_fail(err, KW_E_FORMAT, "dcutr: a message of %zu bytes is none", in.len);
    out->type = (kw_dcutr_type)type;
    return KW_OK;
}

void kw_dcutr_message_put(const kw_dcutr_message *message, kw_buf *out)
{
    kw_pb_put_u64(out, TYPE, message->type);
    for (size_t i = 0; i < message->n_addrs; i++)
        kw_pb_put_bytes(out, ADDR, (kw_bytes){message->addrs[i].bytes, message->addrs[i].len});
}
