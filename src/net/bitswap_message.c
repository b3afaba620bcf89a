/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bitswap_message.c - Message {1 wantlist {1 entry*, 2 full}, 2 blocks* (1.0), 3 block {1 prefix,
 * 2 data}*, 4 presence {1 cid, 2 type}*, 5 pending}; entry {1 cid, 2 priority, 3 cancel, 4 type,
 * 5 sendDontHave}. */
#include "net/bitswap_message.h"

#include "base/protobuf.h"
#include "base/uvarint.h"

enum { WANTLIST = 1, BLOCK = 3, PRESENCE = 4 };

static kw_status broken(kw_error *err, const char *what)
{
    return kw_fail(err, KW_E_FORMAT, "bitswap: %s that is none", what);
}

static kw_status read_entry(kw_bytes bytes, kw_bitswap_entry *out, kw_error *err)
{
    kw_pb message = kw_pb_read(bytes);
    kw_pb_field f;
    kw_bytes cid = {0};
    uint64_t value;
    *out = (kw_bitswap_entry){0};
    while (kw_pb_next(&message, &f)) {
        if (f.number == 1)
            (void)kw_pb_bytes(&message, &f, &cid);
        else if (f.number <= 5 && kw_pb_u64(&message, &f, &value)) {
            out->cancel = f.number == 3 ? value != 0 : out->cancel;
            out->have = f.number == 4 ? value == 1 : out->have;
            out->send_dont_have = f.number == 5 ? value != 0 : out->send_dont_have;
        }
    }
    if (message.bad)
        return broken(err, "an entry");
    return kw_cid_get(cid, &out->cid, NULL, err);
}

/* The mark `full` counts for all entries, wherever it stands. */
static kw_status read_wantlist(kw_bytes bytes, const kw_bitswap_parts *parts, void *user,
                               bool *going, kw_error *err)
{
    kw_pb message = kw_pb_read(bytes);
    kw_pb_field f;
    uint64_t value;
    bool full = false;
    while (kw_pb_next(&message, &f))
        if (f.number == 2 && kw_pb_u64(&message, &f, &value))
            full = value != 0;
    if (message.bad)
        return broken(err, "a wantlist");
    if (full)
        *going = parts->full(user);
    message = kw_pb_read(bytes);
    while (*going && kw_pb_next(&message, &f)) {
        kw_bitswap_entry entry;
        if (f.number != 1)
            continue;
        if (f.type != KW_PB_BYTES)
            return broken(err, "an entry");
        KW_TRY(read_entry(f.bytes, &entry, err));
        *going = parts->entry(user, &entry);
    }
    return KW_OK;
}

/* Version, codec, hash and length of the digest. */
static kw_status read_prefix(kw_bytes prefix, kw_cid *out, kw_error *err)
{
    uint64_t values[4];
    for (size_t i = 0; i < 4; i++) {
        size_t used;
        if (kw_uvarint_get(prefix, 9, true, &values[i], &used) != KW_UVARINT_OK ||
            values[i] > UINT32_MAX)
            return broken(err, "a prefix of a block");
        prefix.data += used;
        prefix.len -= used;
    }
    if (prefix.len > 0 || values[0] > 1 || values[3] > KW_DIGEST_MAX)
        return broken(err, "a prefix of a block");
    *out = (kw_cid){.version = (uint8_t)values[0],
                    .codec = (uint32_t)values[1],
                    .hash = (uint32_t)values[2],
                    .digest_len = (uint8_t)values[3]};
    return KW_OK;
}

static kw_status read_block(kw_bytes bytes, const kw_bitswap_parts *parts, void *user, bool *going,
                            kw_error *err)
{
    kw_pb message = kw_pb_read(bytes);
    kw_pb_field f;
    kw_bytes prefix = {0}, data = {0};
    kw_cid shape;
    while (kw_pb_next(&message, &f))
        if (f.number == 1 || f.number == 2)
            (void)kw_pb_bytes(&message, &f, f.number == 1 ? &prefix : &data);
    if (message.bad)
        return broken(err, "a block");
    KW_TRY(read_prefix(prefix, &shape, err));
    *going = parts->block(user, &shape, data);
    return KW_OK;
}

static kw_status read_presence(kw_bytes bytes, const kw_bitswap_parts *parts, void *user,
                               bool *going, kw_error *err)
{
    kw_pb message = kw_pb_read(bytes);
    kw_pb_field f;
    kw_bytes name = {0};
    uint64_t type = 0;
    kw_cid cid;
    while (kw_pb_next(&message, &f)) {
        if (f.number == 1)
            (void)kw_pb_bytes(&message, &f, &name);
        else if (f.number == 2)
            (void)kw_pb_u64(&message, &f, &type);
    }
    if (message.bad || type > 1)
        return broken(err, "a presence");
    KW_TRY(kw_cid_get(name, &cid, NULL, err));
    *going = parts->presence(user, &cid, type == 0);
    return KW_OK;
}

kw_status kw_bitswap_read(kw_bytes bytes, const kw_bitswap_parts *parts, void *user, kw_error *err)
{
    kw_pb message = kw_pb_read(bytes);
    kw_pb_field f;
    bool going = true;
    while (going && kw_pb_next(&message, &f)) {
        if (f.number != WANTLIST && f.number != BLOCK && f.number != PRESENCE)
            continue;
        if (f.type != KW_PB_BYTES)
            return broken(err, "a message");
        if (f.number == WANTLIST)
            KW_TRY(read_wantlist(f.bytes, parts, user, &going, err));
        else if (f.number == BLOCK)
            KW_TRY(read_block(f.bytes, parts, user, &going, err));
        else
            KW_TRY(read_presence(f.bytes, parts, user, &going, err));
    }
    return message.bad ? broken(err, "a message") : KW_OK;
}

/* ---- writing ---- */

void kw_bitswap_put_entry(kw_buf *wants, const kw_bitswap_entry *entry)
{
    uint8_t cid[KW_CID_MAX];
    const size_t begin = kw_pb_begin(wants);
    kw_pb_put_bytes(wants, 1, (kw_bytes){cid, kw_cid_put(&entry->cid, cid)});
    kw_pb_put_u64(wants, 2, 1);
    if (entry->cancel)
        kw_pb_put_u64(wants, 3, 1);
    if (entry->have)
        kw_pb_put_u64(wants, 4, 1);
    if (entry->send_dont_have)
        kw_pb_put_u64(wants, 5, 1);
    kw_pb_end(wants, 1, begin);
}

void kw_bitswap_put_wants(kw_buf *message, const kw_buf *wants)
{
    kw_pb_put_bytes(message, WANTLIST, (kw_bytes){(const uint8_t *)wants->data, wants->len});
}

void kw_bitswap_put_presence(kw_buf *message, const kw_cid *cid, bool has)
{
    uint8_t name[KW_CID_MAX];
    const size_t begin = kw_pb_begin(message);
    kw_pb_put_bytes(message, 1, (kw_bytes){name, kw_cid_put(cid, name)});
    kw_pb_put_u64(message, 2, has ? 0 : 1);
    kw_pb_end(message, PRESENCE, begin);
}

static size_t put_key(uint8_t *out, uint8_t number, uint64_t len)
{
    out[0] = (uint8_t)(number << 3 | KW_PB_BYTES);
    return 1 + kw_uvarint_put(out + 1, len);
}

size_t kw_bitswap_block_head(const kw_cid *cid, size_t len, uint8_t out[KW_BITSWAP_HEAD_MAX])
{
    uint8_t prefix[4 * KW_UVARINT_MAX], inner[KW_BITSWAP_HEAD_MAX], outer[1 + KW_UVARINT_MAX];
    size_t n_prefix = kw_uvarint_put(prefix, cid->version);
    n_prefix += kw_uvarint_put(prefix + n_prefix, cid->codec);
    n_prefix += kw_uvarint_put(prefix + n_prefix, cid->hash);
    n_prefix += kw_uvarint_put(prefix + n_prefix, cid->digest_len);
    size_t n_inner = put_key(inner, 1, n_prefix);
    memcpy(inner + n_inner, prefix, n_prefix);
    n_inner += n_prefix;
    n_inner += put_key(inner + n_inner, 2, len);
    const size_t n_outer = put_key(outer, BLOCK, n_inner + len);
    size_t n = kw_uvarint_put(out, n_outer + n_inner + len);
    memcpy(out + n, outer, n_outer);
    n += n_outer;
    memcpy(out + n, inner, n_inner);
    return n + n_inner;
}
