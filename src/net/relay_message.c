/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* relay_message.c - HopMessage{1 type, 2 peer, 3 reservation, 4 limit, 5 status},
 * StopMessage{1 type, 2 peer, 3 limit, 4 status}, Peer{1 id}, Reservation{1 expire, 2 addrs*,
 * 3 voucher}, Limit{1 duration, 2 data}. Source: libp2p specifications, relay/circuit-v2. */
#include "net/relay_message.h"

#include "base/check.h"
#include "base/protobuf.h"

#include <inttypes.h>

enum { TYPE = 1, PEER = 2, RESERVATION = 3 };
enum { PEER_ID = 1 };
enum { EXPIRE = 1, ADDR = 2, VOUCHER = 3 };
enum { DURATION = 1, DATA = 2 };

#define STATUS_MAX 999

static uint32_t limit_field(kw_relay_side side)
{
    return side == KW_RELAY_HOP ? 4 : 3;
}

static uint32_t status_field(kw_relay_side side)
{
    return side == KW_RELAY_HOP ? 5 : 4;
}

/* ---- reading ---- */

static kw_status get_peer(kw_bytes in, kw_peer_id *out, kw_error *err)
{
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    kw_bytes id = {0};
    while (kw_pb_next(&pb, &field))
        if (field.number == PEER_ID)
            (void)kw_pb_bytes(&pb, &field, &id);
    if (pb.bad)
        return kw_fail(err, KW_E_FORMAT, "relay: the peer of a message is no protocol buffer");
    return kw_peer_id_get(id, out, err);
}

static bool get_reservation(kw_bytes in, kw_relay_message *out)
{
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    kw_bytes bytes;
    while (kw_pb_next(&pb, &field)) {
        if (field.number == EXPIRE)
            (void)kw_pb_u64(&pb, &field, &out->expire_s);
        else if (field.number == VOUCHER)
            (void)kw_pb_bytes(&pb, &field, &out->voucher);
        else if (field.number == ADDR && kw_pb_bytes(&pb, &field, &bytes) &&
                 out->n_addrs < KW_RELAY_ADDRS &&
                 kw_multiaddr_get(bytes, &out->addrs[out->n_addrs], NULL) == KW_OK)
            out->n_addrs++;
    }
    out->has_reservation = true;
    return !pb.bad;
}

static bool get_limit(kw_bytes in, kw_relay_message *out)
{
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    uint64_t seconds = 0;
    while (kw_pb_next(&pb, &field)) {
        if (field.number == DURATION)
            (void)kw_pb_u64(&pb, &field, &seconds);
        else if (field.number == DATA)
            (void)kw_pb_u64(&pb, &field, &out->data_bytes);
    }
    out->duration_s = (uint32_t)KW_MIN(seconds, UINT32_MAX);
    out->has_limit = true;
    return !pb.bad;
}

static kw_status take(kw_relay_side side, kw_pb *pb, const kw_pb_field *field,
                      kw_relay_message *out, kw_error *err)
{
    kw_bytes bytes;
    uint64_t status;
    if (field->number == PEER && kw_pb_bytes(pb, field, &bytes))
        return get_peer(bytes, &out->peer, err);
    if (field->number == limit_field(side)) {
        pb->bad = pb->bad || !kw_pb_bytes(pb, field, &bytes) || !get_limit(bytes, out);
    } else if (field->number == status_field(side) && kw_pb_u64(pb, field, &status)) {
        if (status > STATUS_MAX)
            return kw_fail(err, KW_E_FORMAT, "relay: status %" PRIu64 " (at most %d)", status,
                           STATUS_MAX);
        out->status = (uint32_t)status;
    } else if (side == KW_RELAY_HOP && field->number == RESERVATION) {
        pb->bad = pb->bad || !kw_pb_bytes(pb, field, &bytes) || !get_reservation(bytes, out);
    }
    return KW_OK;
}

kw_status kw_relay_message_get(kw_relay_side side, kw_bytes in, kw_relay_message *out,
                               kw_error *err)
{
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    uint64_t type = UINT64_MAX;
    *out = (kw_relay_message){0};
    while (kw_pb_next(&pb, &field)) {
        if (field.number == TYPE)
            (void)kw_pb_u64(&pb, &field, &type);
        else
            KW_TRY(take(side, &pb, &field, out, err));
    }
    if (pb.bad)
        return kw_fail(err, KW_E_FORMAT, "relay: a message of %zu bytes is no protocol buffer",
                       in.len);
    if (side == KW_RELAY_STOP && type < KW_RELAY_STATUS)
        type++; /* who stops is never asked to reserve */
    if (type > KW_RELAY_STATUS)
        return kw_fail(err, KW_E_FORMAT, "relay: a message without a type that is known");
    out->type = (kw_relay_type)type;
    return KW_OK;
}

/* ---- writing ---- */

static void put_reservation(const kw_relay_message *message, kw_buf *out)
{
    const size_t begin = kw_pb_begin(out);
    kw_pb_put_u64(out, EXPIRE, message->expire_s);
    for (size_t i = 0; i < message->n_addrs; i++)
        kw_pb_put_bytes(out, ADDR, (kw_bytes){message->addrs[i].bytes, message->addrs[i].len});
    if (message->voucher.len > 0)
        kw_pb_put_bytes(out, VOUCHER, message->voucher);
    kw_pb_end(out, RESERVATION, begin);
}

void kw_relay_message_put(kw_relay_side side, const kw_relay_message *message, kw_buf *out)
{
    const unsigned shift = side == KW_RELAY_STOP;
    kw_pb_put_u64(out, TYPE, (uint64_t)message->type - shift);
    if (message->peer.len > 0) {
        const size_t begin = kw_pb_begin(out);
        kw_pb_put_bytes(out, PEER_ID, (kw_bytes){message->peer.bytes, message->peer.len});
        kw_pb_end(out, PEER, begin);
    }
    if (message->has_reservation && side == KW_RELAY_HOP)
        put_reservation(message, out);
    if (message->has_limit) {
        const size_t begin = kw_pb_begin(out);
        kw_pb_put_u64(out, DURATION, message->duration_s);
        kw_pb_put_u64(out, DATA, message->data_bytes);
        kw_pb_end(out, limit_field(side), begin);
    }
    if (message->status > 0)
        kw_pb_put_u64(out, status_field(side), message->status);
}

const char *kw_relay_status_text(uint32_t status)
{
    static const struct {
        uint32_t status;
        const char *text;
    } rows[] = {{KW_RELAY_OK, "accepted"},
                {KW_RELAY_REFUSED, "the reservation is refused"},
                {KW_RELAY_RESOURCE_LIMIT, "the relay has too many connections"},
                {KW_RELAY_DENIED, "the relay does not serve us"},
                {KW_RELAY_FAILED, "the relay cannot reach the peer"},
                {KW_RELAY_NO_RESERVATION, "the peer has no reservation at the relay"},
                {KW_RELAY_MALFORMED, "the relay could not read the message"},
                {KW_RELAY_UNEXPECTED, "the relay did not expect the message"}};
    for (size_t i = 0; i < KW_COUNT(rows); i++)
        if (rows[i].status == status)
            return rows[i].text;
    return "the relay gave no reason";
}
