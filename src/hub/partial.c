/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* partial.c - content, journal and hash of a file that is being fetched. */
#include "hub/partial.h"

#include "base/check.h"
#include "base/sha256.h"
#include "os/file.h"
#include "os/sparse.h"

#include <stdio.h>
#include <stdlib.h>

struct kw_partial {
    kw_plan plan;
    kw_sparse *part;
    char *part_path, *journal_path; /* owned */
    uint8_t *bits;                  /* owned */
    uint8_t *scratch;               /* owned: one block */
    uint64_t n_blocks, n_here, bytes;
    kw_sha256 hash;
    uint64_t hashed; /* blocks the hash has absorbed */
    bool sha_extension, changed;
};

static kw_status make_path(const char *base, const char *end, char **out, kw_error *err)
{
    const size_t size = strlen(base) + strlen(end) + 1;
    *out = malloc(size);
    if (!*out)
        return kw_fail(err, KW_E_NOMEM, "fetch: no memory for a file name");
    snprintf(*out, size, "%s%s", base, end);
    return KW_OK;
}

bool kw_partial_has(const kw_partial *partial, uint64_t block)
{
    return partial->bits[block / 8] >> block % 8 & 1;
}

uint64_t kw_partial_n_blocks(const kw_partial *partial)
{
    return partial->n_blocks;
}

uint64_t kw_partial_bytes(const kw_partial *partial)
{
    return partial->bytes;
}

const char *kw_partial_path(const kw_partial *partial)
{
    return partial->part_path;
}

uint32_t kw_partial_block_len(const kw_partial *partial, uint64_t block)
{
    const uint64_t from = block * partial->plan.block_size;
    return (uint32_t)KW_MIN(partial->plan.size - from, (uint64_t)partial->plan.block_size);
}

uint64_t kw_partial_prefix(const kw_partial *partial)
{
    uint64_t block = partial->hashed;
    while (block < partial->n_blocks && kw_partial_has(partial, block))
        block++;
    return KW_MIN(block * partial->plan.block_size, partial->plan.size);
}

static void hash_restart(kw_partial *partial)
{
    kw_sha256_init(&partial->hash, kw_sha256_kernel(partial->sha_extension));
    partial->hashed = 0;
}

static void count(kw_partial *partial)
{
    partial->n_here = partial->bytes = 0;
    for (uint64_t b = 0; b < partial->n_blocks; b++) {
        if (!kw_partial_has(partial, b))
            continue;
        partial->n_here++;
        partial->bytes += kw_partial_block_len(partial, b);
    }
}

/* Takes the marks of an earlier fetch; whatever is wrong with its journal, there are none then. */
static void load_journal(kw_partial *partial)
{
    kw_map map;
    const size_t n_bits = (size_t)((partial->n_blocks + 7) / 8);
    if (kw_map_open(partial->journal_path, true, &map, NULL) == KW_OK) {
        if (kw_journal_get((kw_bytes){map.data, map.len}, &partial->plan, partial->bits, NULL) !=
            KW_OK)
            memset(partial->bits, 0, n_bits);
        kw_map_close(&map);
    }
    count(partial);
}

static kw_status open_files(kw_partial *partial, const char *base, kw_error *err)
{
    KW_TRY(make_path(base, ".part", &partial->part_path, err));
    KW_TRY(make_path(base, ".journal", &partial->journal_path, err));
    /* Marks without the content that they speak of mean nothing. */
    if (!kw_file_exists(partial->part_path))
        KW_TRY(kw_file_remove(partial->journal_path, err));
    KW_TRY(kw_sparse_open(partial->part_path, partial->plan.size, &partial->part, err));
    load_journal(partial);
    return KW_OK;
}

kw_status kw_partial_open(const char *base, const kw_plan *plan, bool sha_extension,
                          kw_partial **out, kw_error *err)
{
    uint64_t n_blocks;
    KW_TRY(kw_plan_blocks(plan, &n_blocks, err));
    kw_partial *const partial = calloc(1, sizeof(*partial));
    if (!partial)
        return kw_fail(err, KW_E_NOMEM, "fetch: no memory for a file");
    partial->plan = *plan;
    partial->n_blocks = n_blocks;
    partial->sha_extension = sha_extension;
    hash_restart(partial);
    partial->bits = calloc(1, (size_t)((n_blocks + 7) / 8) + 1);
    partial->scratch = malloc(plan->block_size);
    kw_status status = KW_OK;
    if (!partial->bits || !partial->scratch)
        status = kw_fail(err, KW_E_NOMEM, "fetch: no memory for the marks of %ju blocks",
                         (uintmax_t)n_blocks);
    if (status == KW_OK)
        status = open_files(partial, base, err);
    if (status != KW_OK) {
        kw_partial_close(partial);
        return status;
    }
    *out = partial;
    return KW_OK;
}

kw_status kw_partial_get(kw_partial *partial, uint64_t block, uint8_t *data, kw_error *err)
{
    return kw_sparse_read(partial->part, block * partial->plan.block_size, data,
                          kw_partial_block_len(partial, block), err);
}

kw_status kw_partial_put(kw_partial *partial, uint64_t block, const uint8_t *data, kw_error *err)
{
    kw_assert(block < partial->n_blocks);
    if (kw_partial_has(partial, block))
        return KW_OK;
    const uint32_t len = kw_partial_block_len(partial, block);
    KW_TRY(kw_sparse_write(partial->part, block * partial->plan.block_size, data, len, err));
    partial->bits[block / 8] |= (uint8_t)(1 << block % 8);
    partial->n_here++;
    partial->bytes += len;
    partial->changed = true;
    if (block == partial->hashed) {
        kw_sha256_update(&partial->hash, data, len);
        partial->hashed++;
    }
    return KW_OK;
}

void kw_partial_forget(kw_partial *partial, uint64_t block)
{
    if (!kw_partial_has(partial, block))
        return;
    partial->bits[block / 8] &= (uint8_t)~(1 << block % 8);
    partial->n_here--;
    partial->bytes -= kw_partial_block_len(partial, block);
    partial->changed = true;
    if (block < partial->hashed)
        hash_restart(partial);
}

kw_status kw_partial_checkpoint(kw_partial *partial, kw_error *err)
{
    if (!partial->changed)
        return KW_OK;
    KW_TRY(kw_sparse_sync(partial->part, err));
    kw_buf text = {0};
    kw_journal_put(&partial->plan, partial->bits, &text);
    kw_status status = kw_buf_status(&text, err);
    if (status == KW_OK)
        status = kw_file_replace(partial->journal_path, text.data, text.len, err);
    kw_buf_free(&text);
    if (status == KW_OK)
        partial->changed = false;
    return status;
}

kw_status kw_partial_digest(kw_partial *partial, uint8_t sha256[32], kw_error *err)
{
    kw_assert(partial->n_here == partial->n_blocks);
    while (partial->hashed < partial->n_blocks) {
        const uint32_t len = kw_partial_block_len(partial, partial->hashed);
        KW_TRY(kw_partial_get(partial, partial->hashed, partial->scratch, err));
        kw_sha256_update(&partial->hash, partial->scratch, len);
        partial->hashed++;
    }
    kw_sha256 hash = partial->hash;
    kw_sha256_final(&hash, sha256);
    return KW_OK;
}

kw_status kw_partial_commit(kw_partial *partial, const char *path, kw_error *err)
{
    KW_TRY(kw_sparse_commit(partial->part, path, err));
    return kw_file_remove(partial->journal_path, err);
}

void kw_partial_close(kw_partial *partial)
{
    if (!partial)
        return;
    kw_sparse_close(partial->part);
    free(partial->part_path);
    free(partial->journal_path);
    free(partial->bits);
    free(partial->scratch);
    free(partial);
}

void kw_partial_discard(kw_partial *partial)
{
    if (partial->part_path)
        (void)kw_file_remove(partial->part_path, NULL);
    if (partial->journal_path)
        (void)kw_file_remove(partial->journal_path, NULL);
    kw_partial_close(partial);
}
