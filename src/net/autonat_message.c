/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* autonat_message.c - Message{1 type, 2 Dial{1 Peer{1 id, 2 addrs*}}, 3 Answer{1 status, 2 text,
 * 3 addr}}. Source: libp2p specifications, autonat/autonat-v1. */
#include "net/autonat_message.h"

#include "base/check.h"
#include "base/protobuf.h"

enum { TYPE = 1, DIAL = 2, ANSWER = 3 };
enum { DIAL_PEER = 1 };
enum { PEER_ID = 1, PEER_ADDR = 2 };
enum { ANSWER_STATUS = 1, ANSWER_ADDR = 3 };

static void add_addr(kw_bytes bytes, kw_autonat_message *out)
{
    if (out->n_addrs < KW_AUTONAT_ADDRS &&
        kw_multiaddr_get(bytes, &out->addrs[out->n_addrs], NULL) == KW_OK)
        out->n_addrs++;
}

static bool get_peer(kw_bytes in, kw_autonat_message *out)
{
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    kw_bytes bytes;
    while (kw_pb_next(&pb, &field)) {
        if (field.number == PEER_ID && kw_pb_bytes(&pb, &field, &bytes) &&
            kw_peer_id_get(bytes, &out->peer, NULL) != KW_OK)
            return false;
        if (field.number == PEER_ADDR && kw_pb_bytes(&pb, &field, &bytes))
            add_addr(bytes, out);
    }
    return !pb.bad;
}

static bool get_dial(kw_bytes in, kw_autonat_message *out)
{
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    kw_bytes bytes;
    while (kw_pb_next(&pb, &field))
        if (field.number == DIAL_PEER && kw_pb_bytes(&pb, &field, &bytes) && !get_peer(bytes, out))
            return false;
    return !pb.bad;
}

static bool get_answer(kw_bytes in, kw_autonat_message *out)
{
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    kw_bytes bytes;
    uint64_t status = KW_AUTONAT_OK;
    while (kw_pb_next(&pb, &field)) {
        if (field.number == ANSWER_STATUS)
            (void)kw_pb_u64(&pb, &field, &status);
        else if (field.number == ANSWER_ADDR && kw_pb_bytes(&pb, &field, &bytes))
            add_addr(bytes, out);
    }
    out->status = (uint32_t)KW_MIN(status, UINT32_MAX);
    return !pb.bad;
}

kw_status kw_autonat_message_get(kw_bytes in, kw_autonat_message *out, kw_error *err)
{
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    kw_bytes dial = {0}, answer = {0};
    uint64_t type = UINT64_MAX;
    *out = (kw_autonat_message){.peer = {.len = 0}};
    while (kw_pb_next(&pb, &field)) {
        if (field.number == TYPE)
            (void)kw_pb_u64(&pb, &field, &type);
        else if (field.number == DIAL)
            (void)kw_pb_bytes(&pb, &field, &dial);
        else if (field.number == ANSWER)
            (void)kw_pb_bytes(&pb, &field, &answer);
    }
    if (pb.bad || type > KW_AUTONAT_ANSWER ||
        !(type == KW_AUTONAT_DIAL ? get_dial(dial, out) : get_answer(answer, out)))
        return kw_fail(err, KW_E_FORMAT, "autonat: a message of %zu bytes is none", in.len);
    out->type = (kw_autonat_type)type;
    return KW_OK;
}

static void put_dial(const kw_autonat_message *message, kw_buf *out)
{
    const size_t dial = kw_pb_begin(out);
    const size_t peer = kw_pb_begin(out);
    if (message->peer.len > 0)
        kw_pb_put_bytes(out, PEER_ID, (kw_bytes){message->peer.bytes, message->peer.len});
    for (size_t i = 0; i < message->n_addrs; i++)
        kw_pb_put_bytes(out, PEER_ADDR, (kw_bytes){message->addrs[i].bytes, message->addrs[i].len});
    kw_pb_end(out, DIAL_PEER, peer);
    kw_pb_end(out, DIAL, dial);
}

void kw_autonat_message_put(const kw_autonat_message *message, kw_buf *out)
{
    kw_pb_put_u64(out, TYPE, message->type);
    if (message->type == KW_AUTONAT_DIAL) {
        put_dial(message, out);
        return;
    }
    const size_t answer = kw_pb_begin(out);
    kw_pb_put_u64(out, ANSWER_STATUS, message->status);
    for (size_t i = 0; i < message->n_addrs && i < 1; i++)
        kw_pb_put_bytes(out, ANSWER_ADDR,
                        (kw_bytes){message->addrs[i].bytes, message->addrs[i].len});
    kw_pb_end(out, ANSWER, answer);
}
