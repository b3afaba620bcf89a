/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* autonat2_message.c - Message{1 DialRequest{1 addrs*, 2 nonce fixed64}, 2 DialResponse{1 status,
 * 2 addrIdx, 3 dialStatus}, 3 DialDataRequest{1 addrIdx, 2 numBytes}, 4 DialDataResponse{1 data}},
 * one of the four; DialBack{1 nonce fixed64}. Source: libp2p specifications, autonat/autonat-v2. */
#include "net/autonat2_message.h"

#include "base/check.h"
#include "base/protobuf.h"

enum { DIAL_ADDR = 1, DIAL_NONCE = 2 };
enum { ANSWER_STATUS = 1, ANSWER_PLACE = 2, ANSWER_DIALED = 3 };
enum { PAY_PLACE = 1, PAY_BYTES = 2 };
enum { DATA_DATA = 1 };
enum { BACK_NONCE = 1 };

static bool get_fixed(kw_pb *pb, const kw_pb_field *field, uint64_t *out)
{
    if (field->type != KW_PB_FIXED64)
        pb->bad = true;
    *out = field->value;
    return !pb->bad;
}

static bool get_small(kw_pb *pb, const kw_pb_field *field, uint32_t *out)
{
    uint64_t value;
    if (!kw_pb_u64(pb, field, &value))
        return false;
    *out = (uint32_t)KW_MIN(value, UINT32_MAX);
    return true;
}

static bool get_dial(kw_bytes in, kw_autonat2_message *out)
{
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    kw_bytes bytes;
    uint32_t place = 0;
    while (kw_pb_next(&pb, &field)) {
        if (field.number == DIAL_NONCE)
            (void)get_fixed(&pb, &field, &out->nonce);
        if (field.number != DIAL_ADDR || !kw_pb_bytes(&pb, &field, &bytes))
            continue;
        if (out->n_addrs < KW_AUTONAT2_ADDRS &&
            kw_multiaddr_get(bytes, &out->addrs[out->n_addrs], NULL) == KW_OK)
            out->places[out->n_addrs++] = place;
        place++;
    }
    return !pb.bad;
}

static bool get_answer(kw_bytes in, kw_autonat2_message *out)
{
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    while (kw_pb_next(&pb, &field)) {
        if (field.number == ANSWER_STATUS)
            (void)get_small(&pb, &field, &out->status);
        else if (field.number == ANSWER_PLACE)
            (void)get_small(&pb, &field, &out->place);
        else if (field.number == ANSWER_DIALED)
            (void)get_small(&pb, &field, &out->dialed);
    }
    return !pb.bad;
}

static bool get_price(kw_bytes in, kw_autonat2_message *out)
{
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    while (kw_pb_next(&pb, &field)) {
        if (field.number == PAY_PLACE)
            (void)get_small(&pb, &field, &out->place);
        else if (field.number == PAY_BYTES)
            (void)kw_pb_u64(&pb, &field, &out->n_bytes);
    }
    return !pb.bad;
}

static bool get_data(kw_bytes in, kw_autonat2_message *out)
{
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    while (kw_pb_next(&pb, &field))
        if (field.number == DATA_DATA)
            (void)kw_pb_bytes(&pb, &field, &out->data);
    return !pb.bad;
}

kw_status kw_autonat2_message_get(kw_bytes in, kw_autonat2_message *out, kw_error *err)
{
    static bool (*const get[])(kw_bytes, kw_autonat2_message *) = {
        [KW_AUTONAT2_DIAL] = get_dial,
        [KW_AUTONAT2_ANSWER] = get_answer,
        [KW_AUTONAT2_PAY] = get_price,
        [KW_AUTONAT2_DATA] = get_data,
    };
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    kw_bytes inside = {0};
    *out = (kw_autonat2_message){.type = KW_AUTONAT2_NOTHING};
    while (kw_pb_next(&pb, &field))
        if (field.number >= KW_AUTONAT2_DIAL && field.number <= KW_AUTONAT2_DATA &&
            kw_pb_bytes(&pb, &field, &inside))
            out->type = (kw_autonat2_type)field.number; /* the last one counts */
    if (pb.bad || out->type == KW_AUTONAT2_NOTHING || !get[out->type](inside, out))
        return kw_fail(err, KW_E_FORMAT, "autonat: a message of %zu bytes is none", in.len);
    return KW_OK;
}

void kw_autonat2_message_put(const kw_autonat2_message *message, kw_buf *out)
{
    const size_t inside = kw_pb_begin(out);
    switch (message->type) {
    case KW_AUTONAT2_DIAL:
        for (size_t i = 0; i < message->n_addrs; i++)
            kw_pb_put_bytes(out, DIAL_ADDR,
                            (kw_bytes){message->addrs[i].bytes, message->addrs[i].len});
        kw_pb_put_fixed64(out, DIAL_NONCE, message->nonce);
        break;
    case KW_AUTONAT2_ANSWER:
        kw_pb_put_u64(out, ANSWER_STATUS, message->status);
        kw_pb_put_u64(out, ANSWER_PLACE, message->place);
        kw_pb_put_u64(out, ANSWER_DIALED, message->dialed);
        break;
    case KW_AUTONAT2_PAY:
        kw_pb_put_u64(out, PAY_PLACE, message->place);
        kw_pb_put_u64(out, PAY_BYTES, message->n_bytes);
        break;
    case KW_AUTONAT2_DATA:
        kw_pb_put_bytes(out, DATA_DATA, message->data);
        break;
    case KW_AUTONAT2_NOTHING:
        return;
    }
    kw_pb_end(out, message->type, inside);
}

kw_status kw_autonat2_nonce_get(kw_bytes in, uint64_t *out, kw_error *err)
{
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    *out = 0;
    while (kw_pb_next(&pb, &field))
        if (field.number == BACK_NONCE)
            (void)get_fixed(&pb, &field, out);
    return pb.bad ? kw_fail(err, KW_E_FORMAT, "autonat: %zu bytes are no dial-back", in.len)
                  : KW_OK;
}

void kw_autonat2_nonce_put(uint64_t nonce, kw_buf *out)
{
    kw_pb_put_fixed64(out, BACK_NONCE, nonce);
}
