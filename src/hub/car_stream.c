/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* car_stream.c - heads are gathered, contents pass through. */
#include "hub/car_stream.h"

#include "base/check.h"
#include "base/uvarint.h"
#include "wire/blocks.h"

#include <string.h>

kw_car_stream kw_car_stream_of(const kw_ask *ask)
{
    return (kw_car_stream){
        .leaves = ask->leaves,
        .n_leaves = (size_t)((ask->len + ask->leaf_size - 1) / KW_MAX(ask->leaf_size, 1U)),
        .left = ask->len,
        .leaf_size = ask->leaf_size};
}

bool kw_car_stream_whole(const kw_car_stream *s)
{
    return s->left == 0;
}

/* A block's head that is gathered byte by byte: false when it is none. *whole: it ends here. */
static bool read_block_head(kw_car_stream *s, bool *whole)
{
    const kw_bytes head = {s->head, s->n_head};
    uint64_t len;
    size_t used, n_cid;
    kw_cid cid;
    switch (kw_uvarint_get(head, 9, true, &len, &used)) {
    case KW_UVARINT_MORE:
        return true;
    case KW_UVARINT_BAD:
        return false;
    default:
        break;
    }
    const size_t most = (size_t)KW_MIN(len, (uint64_t)KW_CID_MAX);
    if (len == 0 || len > KW_BLOCK_MAX + KW_CID_MAX)
        return false;
    if (kw_cid_get((kw_bytes){head.data + used, head.len - used}, &cid, &n_cid, NULL) != KW_OK)
        return head.len - used < most;
    if (n_cid > len)
        return false;
    s->block_left = len - n_cid;
    s->ours = s->next < s->n_leaves && cid.codec == KW_CODEC_RAW && cid.digest_len == 32 &&
              cid.hash == KW_HASH_SHA2_256 && memcmp(cid.digest, s->leaves[s->next], 32) == 0 &&
              s->block_left == KW_MIN(s->left, (uint64_t)s->leaf_size);
    *whole = true;
    return true;
}

/* One more byte of a head; false: it is none. */
static bool take_head(kw_car_stream *s, uint8_t byte)
{
    bool whole = false;
    size_t n = 0;
    kw_car_header header;
    if (s->n_head == sizeof s->head)
        return false;
    s->head[s->n_head++] = byte;
    if (s->started) {
        if (!read_block_head(s, &whole))
            return false;
    } else if (kw_car_read_header((kw_bytes){s->head, s->n_head}, &header, &n, NULL) != KW_OK) {
        return false;
    }
    s->started = s->started || n > 0;
    if (whole || n > 0)
        s->n_head = 0;
    return true;
}

/* Bytes of the block under way. */
static kw_take take_block(kw_car_stream *s, kw_bytes bytes, kw_car_take_fn data, void *user)
{
    const kw_take take = s->ours ? data(user, bytes) : KW_TAKE_OK;
    if (take != KW_TAKE_OK)
        return take;
    s->block_left -= bytes.len;
    if (s->ours)
        s->left -= bytes.len;
    if (s->ours && s->block_left == 0)
        s->next++;
    return KW_TAKE_OK;
}

kw_take kw_car_stream_take(kw_car_stream *s, kw_bytes piece, kw_car_take_fn data, void *user,
                           const char **why)
{
    size_t at = (size_t)KW_MIN(s->skip, (uint64_t)piece.len);
    s->skip -= at;
    *why = NULL;
    while (at < piece.len) {
        if (s->block_left == 0) {
            if (!take_head(s, piece.data[at++])) {
                *why = "sent no archive of blocks";
                return KW_TAKE_STOP;
            }
            continue;
        }
        const size_t n = (size_t)KW_MIN(s->block_left, (uint64_t)(piece.len - at));
        const kw_take take = take_block(s, (kw_bytes){piece.data + at, n}, data, user);
        if (take == KW_TAKE_PAUSE)
            s->skip = at;
        if (take != KW_TAKE_OK)
            return take;
        at += n;
    }
    return KW_TAKE_OK;
}
