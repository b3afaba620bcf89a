/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* journal.c - the journal of a fetch.
 *
 *   8   "kwfetch1"
 *   32  digest of the plan
 *   8   size of the file, little-endian
 *   4   bytes of a block
 *   n   a bit for each block that is here; the bits behind the last are 0
 *   32  SHA-256 of all before */
#include "hub/journal.h"

#include "base/check.h"
#include "base/sha256.h"

static const uint8_t magic[8] = {'k', 'w', 'f', 'e', 't', 'c', 'h', '1'};

#define HEAD ((size_t)52)
#define TAIL ((size_t)32)

kw_status kw_plan_blocks(const kw_plan *plan, uint64_t *n_blocks, kw_error *err)
{
    if (plan->block_size == 0)
        return kw_fail(err, KW_E_ARG, "fetch: blocks of 0 bytes");
    const uint64_t n = plan->size / plan->block_size + (plan->size % plan->block_size != 0 ? 1 : 0);
    if (n > KW_JOURNAL_BLOCKS_MAX)
        return kw_fail(err, KW_E_LIMIT, "fetch: %ju bytes are %ju blocks, more than %ju",
                       (uintmax_t)plan->size, (uintmax_t)n, (uintmax_t)KW_JOURNAL_BLOCKS_MAX);
    *n_blocks = n;
    return KW_OK;
}

static void put_le(uint8_t *out, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(value >> 8 * i);
}

static void write_head(const kw_plan *plan, uint8_t head[HEAD])
{
    memcpy(head, magic, 8);
    memcpy(head + 8, plan->digest, 32);
    put_le(head + 40, plan->size, 8);
    put_le(head + 48, plan->block_size, 4);
}

static size_t bit_bytes(const kw_plan *plan)
{
    uint64_t n = 0;
    return kw_plan_blocks(plan, &n, NULL) == KW_OK ? (size_t)((n + 7) / 8) : 0;
}

static void sum(const uint8_t *data, size_t len, uint8_t digest[32])
{
    kw_sha256 hash;
    kw_sha256_init(&hash, kw_sha256_kernel(false));
    kw_sha256_update(&hash, data, len);
    kw_sha256_final(&hash, digest);
}

void kw_journal_put(const kw_plan *plan, const uint8_t *bits, kw_buf *out)
{
    const size_t begin = out->len;
    uint8_t head[HEAD], digest[TAIL];
    write_head(plan, head);
    kw_buf_add(out, (const char *)head, HEAD);
    kw_buf_add(out, (const char *)bits, bit_bytes(plan));
    if (out->failed)
        return;
    sum((const uint8_t *)out->data + begin, out->len - begin, digest);
    kw_buf_add(out, (const char *)digest, TAIL);
}

kw_status kw_journal_get(kw_bytes journal, const kw_plan *plan, uint8_t *bits, kw_error *err)
{
    uint64_t n_blocks;
    KW_TRY(kw_plan_blocks(plan, &n_blocks, err));
    const size_t n_bits = bit_bytes(plan);
    uint8_t head[HEAD], digest[TAIL];
    if (journal.len < HEAD + TAIL || memcmp(journal.data, magic, 8) != 0)
        return kw_fail(err, KW_E_FORMAT, "journal: %zu bytes are not one", journal.len);
    write_head(plan, head);
    if (memcmp(journal.data, head, HEAD) != 0)
        return kw_fail(err, KW_E_NOTFOUND, "journal: is of another file");
    if (journal.len != HEAD + n_bits + TAIL)
        return kw_fail(err, KW_E_FORMAT, "journal: %zu bytes, not %zu", journal.len,
                       HEAD + n_bits + TAIL);
    sum(journal.data, HEAD + n_bits, digest);
    if (memcmp(journal.data + HEAD + n_bits, digest, TAIL) != 0)
        return kw_fail(err, KW_E_FORMAT, "journal: was not written whole");
    const uint8_t *const from = journal.data + HEAD;
    if (n_blocks % 8 != 0 && from[n_bits - 1] >> n_blocks % 8 != 0)
        return kw_fail(err, KW_E_FORMAT, "journal: marks blocks behind the last, %ju",
                       (uintmax_t)n_blocks);
    if (n_bits > 0)
        memcpy(bits, from, n_bits);
    return KW_OK;
}
