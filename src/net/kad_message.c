/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* kad_message.c - Message{1 type, 2 key, 3 record, 8 closer, 9 providers}, Peer{1 id, 2 addrs*, 3
 * connection}, Record{1 key, 2 value, 5 time received}.
 * Source: libp2p kad-dht specification, "RPC messages". */
#include "net/kad_message.h"

#include <inttypes.h>

enum { FIELD_TYPE = 1, FIELD_KEY = 2, FIELD_RECORD = 3 };
enum { RECORD_KEY = 1, RECORD_VALUE = 2, RECORD_TIME = 5 };
enum { PEER_ID = 1, PEER_ADDR = 2, PEER_CONNECTION = 3 };
#define CAN_CONNECT 2

static kw_status get_record(kw_bytes in, kw_kad_message *out, kw_error *err)
{
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    while (kw_pb_next(&pb, &field)) {
        if (field.number == RECORD_KEY)
            (void)kw_pb_bytes(&pb, &field, &out->record_key);
        else if (field.number == RECORD_VALUE)
            (void)kw_pb_bytes(&pb, &field, &out->record_value);
    }
    if (pb.bad)
        return kw_fail(err, KW_E_FORMAT, "kad: the record of a message is not a protocol buffer");
    if (out->record_key.len > KW_KAD_KEY_MAX || out->record_value.len > KW_KAD_VALUE_MAX)
        return kw_fail(err, KW_E_LIMIT, "kad: a record of %zu + %zu bytes is above %d + %u",
                       out->record_key.len, out->record_value.len, KW_KAD_KEY_MAX,
                       KW_KAD_VALUE_MAX);
    out->has_record = true;
    return KW_OK;
}

kw_status kw_kad_message_get(kw_bytes in, kw_kad_message *out, kw_error *err)
{
    kw_kad_message message = {.body = in};
    uint64_t type = 0;
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    while (kw_pb_next(&pb, &field)) {
        kw_bytes record;
        if (field.number == FIELD_TYPE)
            (void)kw_pb_u64(&pb, &field, &type);
        else if (field.number == FIELD_KEY)
            (void)kw_pb_bytes(&pb, &field, &message.key);
        else if (field.number == FIELD_RECORD && kw_pb_bytes(&pb, &field, &record))
            KW_TRY(get_record(record, &message, err));
    }
    if (pb.bad)
        return kw_fail(err, KW_E_FORMAT, "kad: a message of %zu bytes is not a protocol buffer",
                       in.len);
    if (type > KW_KAD_PING)
        return kw_fail(err, KW_E_FORMAT, "kad: message type %" PRIu64 " is none of 0 to %d", type,
                       KW_KAD_PING);
    if (message.key.len > KW_KAD_KEY_MAX)
        return kw_fail(err, KW_E_LIMIT, "kad: a key of %zu bytes is above %d", message.key.len,
                       KW_KAD_KEY_MAX);
    message.type = (kw_kad_type)type;
    *out = message;
    return KW_OK;
}

/* False when it is no peer. */
static bool get_peer(kw_bytes in, kw_kad_peer *out)
{
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    kw_bytes bytes;
    out->id.len = 0;
    out->n_addrs = 0;
    while (kw_pb_next(&pb, &field)) {
        if (field.number == PEER_ID && kw_pb_bytes(&pb, &field, &bytes)) {
            if (kw_peer_id_get(bytes, &out->id, NULL) != KW_OK)
                return false;
        } else if (field.number == PEER_ADDR && out->n_addrs < KW_KAD_ADDRS &&
                   kw_pb_bytes(&pb, &field, &bytes) &&
                   kw_multiaddr_get(bytes, &out->addrs[out->n_addrs], NULL) == KW_OK) {
            out->n_addrs++;
        }
    }
    return !pb.bad && out->id.len > 0;
}

bool kw_kad_message_next(kw_pb *at, kw_kad_list list, kw_kad_peer *out)
{
    kw_pb_field field;
    kw_bytes peer;
    while (kw_pb_next(at, &field)) {
        if (field.number == (uint32_t)list && kw_pb_bytes(at, &field, &peer) && get_peer(peer, out))
            return true;
    }
    return false;
}

void kw_kad_put_head(kw_buf *out, kw_kad_type type, kw_bytes key)
{
    kw_pb_put_u64(out, FIELD_TYPE, type);
    if (key.len > 0)
        kw_pb_put_bytes(out, FIELD_KEY, key);
}

/* Days since 1970 as a date of the Gregorian calendar, by eras of 400 years that begin in March.
 * Source: Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
static void civil(uint64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    const uint64_t z = days + 719468, era = z / 146097, doe = z % 146097;
    const uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    const uint64_t mp = (5 * doy + 2) / 153;
    *day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    *month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    *year = (unsigned)(yoe + era * 400 + (*month <= 2));
}

void kw_kad_put_record(kw_buf *out, kw_bytes key, kw_bytes value, uint64_t received)
{
    const size_t begin = kw_pb_begin(out);
    kw_buf text = {0};
    unsigned year, month, day;
    const unsigned second = (unsigned)(received % 86400);
    civil(received / 86400, &year, &month, &day);
    kw_buf_printf(&text, "%04u-%02u-%02uT%02u:%02u:%02u.000000000Z", year, month, day,
                  second / 3600, second / 60 % 60, second % 60);
    kw_pb_put_bytes(out, RECORD_KEY, key);
    kw_pb_put_bytes(out, RECORD_VALUE, value);
    kw_pb_put_text(out, RECORD_TIME, (kw_str){text.data, text.len});
    kw_pb_end(out, FIELD_RECORD, begin);
    out->failed = out->failed || text.failed;
    kw_buf_free(&text);
}

void kw_kad_put_peer(kw_buf *out, kw_kad_list list, const kw_kad_peer *peer)
{
    const size_t begin = kw_pb_begin(out);
    kw_pb_put_bytes(out, PEER_ID, (kw_bytes){peer->id.bytes, peer->id.len});
    for (size_t i = 0; i < peer->n_addrs; i++)
        kw_pb_put_bytes(out, PEER_ADDR, (kw_bytes){peer->addrs[i].bytes, peer->addrs[i].len});
    kw_pb_put_u64(out, PEER_CONNECTION, CAN_CONNECT);
    kw_pb_end(out, (uint32_t)list, begin);
}
