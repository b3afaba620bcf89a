/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_bitswap.c - any bytes are a message of bitswap or are refused; what was read and is
 * written again reads the same. */
#include "net/bitswap_message.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct copy {
    kw_bytes message;
    kw_buf wants, rest;
    size_t n;
} copy;

static bool full(void *user)
{
    (void)user;
    return true;
}

static bool entry(void *user, const kw_bitswap_entry *e)
{
    copy *const c = user;
    kw_bitswap_put_entry(&c->wants, e);
    return ++c->n < 1000;
}

static bool block(void *user, const kw_cid *shape, kw_bytes bytes)
{
    copy *const c = user;
    uint8_t head[KW_BITSWAP_HEAD_MAX];
    promise(bytes.len == 0 || (bytes.data >= c->message.data &&
                               bytes.data + bytes.len <= c->message.data + c->message.len));
    promise(kw_bitswap_block_head(shape, bytes.len, head) <= sizeof(head));
    return ++c->n < 1000;
}

static bool presence(void *user, const kw_cid *cid, bool has)
{
    copy *const c = user;
    kw_bitswap_put_presence(&c->rest, cid, has);
    return ++c->n < 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const kw_bitswap_parts parts = {full, entry, block, presence};
    copy c = {.message = {data, size}}, again = {0};
    kw_error err = {0};
    const kw_status status = kw_bitswap_read(c.message, &parts, &c, &err);
    promise(status == KW_OK || (err.code == status && err.message[0]));
    kw_buf out = {0};
    kw_bitswap_put_wants(&out, &c.wants);
    kw_buf_add(&out, c.rest.data, c.rest.len);
    again.message = (kw_bytes){(const uint8_t *)out.data, out.len};
    promise(kw_bitswap_read(again.message, &parts, &again, NULL) == KW_OK);
    promise(again.wants.len == c.wants.len && again.rest.len == c.rest.len);
    promise(c.wants.len == 0 || memcmp(again.wants.data, c.wants.data, c.wants.len) == 0);
    kw_buf_free(&out);
    kw_buf_free(&c.wants);
    kw_buf_free(&c.rest);
    kw_buf_free(&again.wants);
    kw_buf_free(&again.rest);
    return 0;
}
