/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bitswap_message.h - the messages of bitswap 1.2: wants, blocks and presences. */
#ifndef KW_NET_BITSWAP_MESSAGE_H
#define KW_NET_BITSWAP_MESSAGE_H

#include "wire/cid.h"

#define KW_BITSWAP_MESSAGE_MAX ((size_t)4 << 20)

typedef struct kw_bitswap_entry {
    kw_cid cid;
    bool cancel, have, send_dont_have; /* have: only whether the block is there */
} kw_bitswap_entry;

/* What a message holds, in its order; each returns false to stop reading. */
typedef struct kw_bitswap_parts {
    bool (*full)(void *user); /* the wants that follow replace all before them */
    bool (*entry)(void *user, const kw_bitswap_entry *entry);
    /* shape: a CID without its digest. */
    bool (*block)(void *user, const kw_cid *shape, kw_bytes data);
    bool (*presence)(void *user, const kw_cid *cid, bool has);
} kw_bitswap_parts;

/* KW_E_FORMAT when the message breaks a rule; what came before that has been told. */
kw_status kw_bitswap_read(kw_bytes message, const kw_bitswap_parts *parts, void *user,
                          kw_error *err);

/* A wantlist is written entry by entry and becomes a message's field by kw_bitswap_put_wants. */
void kw_bitswap_put_entry(kw_buf *wants, const kw_bitswap_entry *entry);
void kw_bitswap_put_wants(kw_buf *message, const kw_buf *wants);
void kw_bitswap_put_presence(kw_buf *message, const kw_cid *cid, bool has);
/* What stands before the bytes of a block in a message of its own, with the message's length. */
#define KW_BITSWAP_HEAD_MAX 64
size_t kw_bitswap_block_head(const kw_cid *cid, size_t len, uint8_t out[KW_BITSWAP_HEAD_MAX]);

#endif
