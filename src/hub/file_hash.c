/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* file_hash.c - hashing a mapped file, the whole and its leaves at the same time.
 *
 * The whole is a chain and takes one thread. With one thread it absorbs each leaf right before (or
 * after) the leaf's own hash, while it is in the cache. Others take leaves from a counter, and the
 * chain's thread helps them once it is through. */
#include "hub/file_hash.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/sha256.h"
#include "os/file.h"
#include "os/thread.h"

#define MAX_HELPERS 16
#define ALONE_BELOW (8 * KW_LEAF_SIZE) /* a thread would cost more than it does */
#define AHEAD ((size_t)32 << 20)       /* asked for from the disk before it is needed */

typedef struct hashing {
    kw_map map;
    kw_sha256_fn kernel;
    uint8_t (*leaves)[32];
    size_t n_leaves;
    _Atomic size_t next;
    _Atomic bool stop;
} hashing;

uint64_t kw_leaf_count(uint64_t size)
{
    return size == 0 ? 1 : (size - 1) / KW_LEAF_SIZE + 1;
}

static size_t leaf_len(const hashing *h, size_t n)
{
    return KW_MIN(h->map.len - n * KW_LEAF_SIZE, KW_LEAF_SIZE);
}

static void absorb(kw_sha256 *hash, const hashing *h, size_t n)
{
    const size_t len = leaf_len(h, n);
    if (len > 0)
        kw_sha256_update(hash, h->map.data + n * KW_LEAF_SIZE, len);
}

static void hash_leaf(hashing *h, size_t n)
{
    kw_sha256 hash;
    kw_sha256_init(&hash, h->kernel);
    absorb(&hash, h, n);
    kw_sha256_final(&hash, h->leaves[n]);
}

/* Takes leaves until there are none. */
static void help(void *user)
{
    hashing *const h = user;
    while (!atomic_load(&h->stop)) {
        const size_t n = atomic_fetch_add(&h->next, 1);
        if (n >= h->n_leaves)
            return;
        hash_leaf(h, n);
    }
}

static void prefetch(const hashing *h, size_t n)
{
    const size_t at = n * KW_LEAF_SIZE;
    if (at % AHEAD == 0 && at < h->map.len)
        kw_map_prefetch(&h->map, at, KW_MIN(h->map.len - at, 2 * AHEAD));
}

static bool report(const kw_hash_config *config, uint64_t done, uint64_t total)
{
    return !config->progress || config->progress(config->user, done, total);
}

/* The chain, with its leaves when nobody helps. false: cancelled. */
static bool hash_whole(hashing *h, bool alone, const kw_hash_config *config, uint8_t sha256[32])
{
    kw_sha256 whole;
    kw_sha256_init(&whole, h->kernel);
    for (size_t n = 0; n < h->n_leaves; n++) {
        prefetch(h, n);
        absorb(&whole, h, n);
        if (alone)
            hash_leaf(h, n);
        const uint64_t done = n * KW_LEAF_SIZE + leaf_len(h, n);
        if (!report(config, done, h->map.len))
            return false;
    }
    kw_sha256_final(&whole, sha256);
    return true;
}

static kw_status hash_map(hashing *h, const kw_hash_config *config, uint8_t sha256[32],
                          kw_error *err)
{
    kw_thread *threads[MAX_HELPERS];
    const int wanted = KW_MIN(config->n_threads - 1, MAX_HELPERS);
    int n = 0;
    if (h->map.len >= ALONE_BELOW && kw_thread_available())
        while (n < wanted && kw_thread_start(&threads[n], help, h, NULL) == KW_OK)
            n++;
    const bool whole = hash_whole(h, n == 0, config, sha256);
    if (!whole)
        atomic_store(&h->stop, true);
    else if (n > 0)
        help(h);
    for (int i = 0; i < n; i++)
        kw_thread_join(threads[i]);
    return whole ? KW_OK : kw_fail(err, KW_E_CANCELLED, "hashing was cancelled");
}

/* The file's state now; KW_E_IO when it is not `before`. */
static kw_status unchanged(const char *path, const kw_file_state *before, kw_error *err)
{
    kw_file_info now;
    KW_TRY(kw_file_query(path, &now, err));
    if (kw_file_state_equal(before, &now.state))
        return KW_OK;
    return kw_fail(err, KW_E_IO, "\"%s\": the file changed while it was read", path);
}

kw_status kw_file_hash_make(const char *path, const kw_hash_config *config, kw_file_hash *out,
                            kw_error *err)
{
    hashing h = {.kernel = kw_sha256_kernel(config->sha_extension)};
    kw_file_info before;
    *out = (kw_file_hash){0};
    KW_TRY(kw_file_query(path, &before, err));
    KW_TRY(kw_map_open(path, false, &h.map, err));
    h.n_leaves = (size_t)kw_leaf_count(h.map.len);
    h.leaves = calloc(h.n_leaves, sizeof *h.leaves);
    kw_status status =
        h.leaves ? KW_OK
                 : kw_fail(err, KW_E_NOMEM, "\"%s\": no memory for %zu digests", path, h.n_leaves);
    if (status == KW_OK && h.map.len != before.state.size)
        status = kw_fail(err, KW_E_IO, "\"%s\": the file changed while it was opened", path);
    if (status == KW_OK)
        status = hash_map(&h, config, out->sha256, err);
    kw_map_close(&h.map);
    if (status == KW_OK)
        status = unchanged(path, &before.state, err);
    if (status != KW_OK) {
        free(h.leaves);
        return status;
    }
    out->state = before.state;
    out->leaves = h.leaves;
    out->n_leaves = h.n_leaves;
    return KW_OK;
}

void kw_file_hash_free(kw_file_hash *hash)
{
    free(hash->leaves);
    *hash = (kw_file_hash){0};
}
