/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* growing.c - blocks of a partial file. See growing.h.
 *
 * Leaves are found by an open hash over their digests. Leaves that are equal share an entry, which
 * names one of them that is here. */
#include "hub/growing.h"

#include "base/check.h"
#include "base/sha256.h"
#include "os/file.h"
#include "os/sync.h"
#include "os/system.h"

#include <stdlib.h>
#include <string.h>

#define LEAVES_MAX ((uint64_t)1 << 28)
#define NOBODY UINT32_MAX

enum { HERE = 1, VERIFIED = 2, WRONG = 4 };

typedef struct parent {
    struct parent *next;
    kw_cid cid;
    size_t len;
    uint8_t data[];
} parent;

struct kw_growing {
    kw_growing_config config;
    kw_sha256_fn kernel;
    kw_sync *sync;          /* guards the rest */
    parent *parents;        /* owned */
    uint8_t (*digests)[32]; /* owned, [n] */
    uint8_t *state;         /* owned, [n] */
    uint32_t *table;        /* owned, [mask + 1]: leaves, or NOBODY */
    uint64_t n, mask, size, n_here;
    uint64_t n_wrong;          /* leaves that fetch has not been told of */
    uint64_t wanted, n_wanted; /* leaves that a reader waits for */
    uint32_t leaf_size;
    char *path; /* owned */
    kw_map map;
    bool ended;
};

kw_status kw_growing_open(const kw_growing_config *config, kw_growing **out, kw_error *err)
{
    kw_growing *const g = calloc(1, sizeof(*g));
    if (!g)
        return kw_fail(err, KW_E_NOMEM, "blocks: no memory for a file that grows");
    g->config = *config;
    g->kernel = kw_sha256_kernel(config->sha_extension);
    const kw_status status = kw_sync_create(&g->sync, err);
    if (status != KW_OK) {
        free(g);
        return status;
    }
    *out = g;
    return KW_OK;
}

void kw_growing_close(kw_growing *g)
{
    if (!g)
        return;
    for (parent *p = g->parents, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    if (g->map.data)
        kw_map_close(&g->map);
    free(g->path);
    free(g->digests);
    free(g->state);
    free(g->table);
    kw_sync_free(g->sync);
    free(g);
}

static void tell(const kw_growing *g, const kw_cid *cid)
{
    if (g->config.arrived)
        g->config.arrived(g->config.user, cid);
}

/* ---- what fetch says ---- */

void kw_growing_parent(kw_growing *g, const kw_cid *cid, kw_bytes block)
{
    parent *const p = malloc(sizeof(*p) + block.len);
    if (!p)
        return;
    p->cid = *cid;
    p->len = block.len;
    memcpy(p->data, block.data, block.len);
    kw_sync_lock(g->sync);
    p->next = g->parents;
    g->parents = p;
    kw_sync_unlock(g->sync);
    tell(g, cid);
}

/* The entry of a digest: its place in the table, or the free one where it would be. */
static uint32_t *entry_of(const kw_growing *g, const uint8_t digest[32])
{
    uint64_t at;
    memcpy(&at, digest, sizeof(at));
    for (;; at++) {
        uint32_t *const entry = &g->table[at & g->mask];
        if (*entry == NOBODY || memcmp(g->digests[*entry], digest, 32) == 0)
            return entry;
    }
}

kw_status kw_growing_begin(kw_growing *g, const kw_growing_plan *plan, kw_error *err)
{
    uint64_t slots = 4;
    if (plan->n_leaves > LEAVES_MAX)
        return kw_fail(err, KW_E_LIMIT, "blocks: a file of %ju leaves", (uintmax_t)plan->n_leaves);
    while (slots < 2 * plan->n_leaves)
        slots *= 2;
    uint8_t(*const digests)[32] = malloc((size_t)plan->n_leaves * 32 + 1);
    uint8_t *const state = calloc((size_t)plan->n_leaves + 1, 1);
    uint32_t *const table = malloc((size_t)slots * sizeof(*table));
    char *const path = strdup(plan->path);
    kw_map map = {0};
    kw_status status = path && digests && state && table
                           ? KW_OK
                           : kw_fail(err, KW_E_NOMEM, "blocks: no memory for a file that grows");
    if (status == KW_OK && plan->size > 0)
        status = kw_map_open(plan->path, false, &map, err);
    if (status == KW_OK && map.len != plan->size) {
        if (map.data)
            kw_map_close(&map);
        status = kw_fail(err, KW_E_IO, "\"%s\" has not the size of the file that it becomes",
                         plan->path);
    }
    if (status != KW_OK) {
        free(path);
        free(digests);
        free(state);
        free(table);
        return status;
    }
    memcpy(digests, plan->leaves, (size_t)plan->n_leaves * 32);
    memset(table, 0xff, (size_t)slots * sizeof(*table));
    kw_sync_lock(g->sync);
    kw_assert(!g->table);
    g->path = path;
    g->digests = digests;
    g->state = state;
    g->table = table;
    g->n = plan->n_leaves;
    g->mask = slots - 1;
    g->size = plan->size;
    g->leaf_size = plan->leaf_size;
    g->map = map;
    for (uint64_t i = 0; i < g->n; i++)
        *entry_of(g, digests[i]) = (uint32_t)i;
    kw_sync_wake(g->sync);
    kw_sync_unlock(g->sync);
    return KW_OK;
}

void kw_growing_leaf(kw_growing *g, uint64_t leaf, bool fresh)
{
    kw_sync_lock(g->sync);
    const bool known = leaf < g->n && !(g->state[leaf] & HERE);
    if (known) {
        g->state[leaf] = (uint8_t)(HERE | (fresh ? VERIFIED : 0));
        *entry_of(g, g->digests[leaf]) = (uint32_t)leaf;
        g->n_here++;
        kw_sync_wake(g->sync);
    }
    kw_sync_unlock(g->sync);
    if (!known)
        return;
    const kw_cid cid = kw_cid_of_sha256(KW_CODEC_RAW, g->digests[leaf]);
    tell(g, &cid);
}

void kw_growing_forget(kw_growing *g, uint64_t leaf)
{
    kw_sync_lock(g->sync);
    if (leaf < g->n && (g->state[leaf] & HERE)) {
        g->state[leaf] = 0;
        g->n_here--;
    }
    kw_sync_unlock(g->sync);
}

bool kw_growing_wanted(kw_growing *g, uint64_t *first, uint64_t *n)
{
    kw_sync_lock(g->sync);
    *first = g->wanted;
    *n = g->n_wanted;
    kw_sync_unlock(g->sync);
    return *n > 0;
}

bool kw_growing_wrong(kw_growing *g, uint64_t *leaf)
{
    kw_sync_lock(g->sync);
    const bool any = g->n_wrong > 0;
    for (*leaf = 0; any && g->state[*leaf] != WRONG;)
        ++*leaf;
    if (any) {
        g->state[*leaf] = 0;
        g->n_wrong--;
    }
    kw_sync_unlock(g->sync);
    return any;
}

void kw_growing_end(kw_growing *g)
{
    kw_sync_lock(g->sync);
    g->ended = true;
    kw_sync_wake(g->sync);
    kw_sync_unlock(g->sync);
}

uint64_t kw_growing_count(kw_growing *g)
{
    kw_sync_lock(g->sync);
    const uint64_t n = g->n_here;
    kw_sync_unlock(g->sync);
    return n;
}

/* ---- the store ---- */

static kw_bytes leaf_bytes(const kw_growing *g, uint64_t leaf)
{
    const uint64_t from = leaf * g->leaf_size;
    return (kw_bytes){g->map.data + from, (size_t)KW_MIN(g->size - from, (uint64_t)g->leaf_size)};
}

static const parent *find_parent(const kw_growing *g, const kw_cid *cid)
{
    for (const parent *p = g->parents; p; p = p->next)
        if (p->cid.codec == cid->codec && memcmp(p->cid.digest, cid->digest, 32) == 0)
            return p;
    return NULL;
}

/* A leaf that is here, NOBODY when none is. */
static uint32_t find_leaf(const kw_growing *g, const kw_cid *cid)
{
    const uint32_t leaf =
        g->table && cid->codec == KW_CODEC_RAW ? *entry_of(g, cid->digest) : NOBODY;
    return leaf != NOBODY && (g->state[leaf] & HERE) ? leaf : NOBODY;
}

static bool is_ours(const kw_cid *cid)
{
    return cid->hash == KW_HASH_SHA2_256 && cid->digest_len == 32;
}

static bool has(void *user, const kw_cid *cid, size_t *size)
{
    kw_growing *const g = user;
    if (!is_ours(cid))
        return false;
    kw_sync_lock(g->sync);
    const uint32_t leaf = find_leaf(g, cid);
    const parent *const p = leaf == NOBODY ? find_parent(g, cid) : NULL;
    if (leaf != NOBODY)
        *size = leaf_bytes(g, leaf).len;
    else if (p)
        *size = p->len;
    kw_sync_unlock(g->sync);
    return leaf != NOBODY || p;
}

/* The digest of a leaf, once; one that is wrong on the disk is not served. */
static bool verify(kw_growing *g, uint64_t leaf)
{
    uint8_t found[32];
    kw_sha256 hash;
    const kw_bytes bytes = leaf_bytes(g, leaf);
    if (g->state[leaf] & VERIFIED)
        return true;
    kw_sha256_init(&hash, g->kernel);
    kw_sha256_update(&hash, bytes.data, bytes.len);
    kw_sha256_final(&hash, found);
    if (memcmp(found, g->digests[leaf], 32) != 0) {
        g->state[leaf] = WRONG;
        g->n_wrong++;
        g->n_here--;
        return false;
    }
    g->state[leaf] |= VERIFIED;
    return true;
}

static kw_status get(void *user, const kw_cid *cid, kw_block *out, kw_error *err)
{
    kw_growing *const g = user;
    *out = (kw_block){0};
    if (!is_ours(cid))
        return kw_fail(err, KW_E_NOTFOUND, "blocks: it is not here");
    kw_sync_lock(g->sync);
    const uint32_t leaf = find_leaf(g, cid);
    const parent *const p = leaf == NOBODY ? find_parent(g, cid) : NULL;
    const bool good = leaf != NOBODY && verify(g, leaf);
    if (good)
        out->data = leaf_bytes(g, leaf);
    else if (p)
        out->data = (kw_bytes){p->data, p->len};
    kw_sync_unlock(g->sync);
    return good || p ? KW_OK : kw_fail(err, KW_E_NOTFOUND, "blocks: it is not here");
}

/* Parents and the map stay until close. */
static void release(void *user, kw_block *block)
{
    (void)user;
    *block = (kw_block){0};
}

kw_block_store kw_growing_store(kw_growing *g)
{
    return (kw_block_store){.user = g, .has = has, .get = get, .release = release};
}

/* ---- a reader ---- */

#define MS_NS UINT64_C(1000000)

kw_arrival kw_growing_path(kw_growing *g, uint32_t wait_ms, const char **path)
{
    const uint64_t end = kw_clock_ns() + wait_ms * MS_NS;
    kw_sync_lock(g->sync);
    for (uint64_t now; !g->path && !g->ended && (now = kw_clock_ns()) < end;)
        kw_sync_wait(g->sync, end - now);
    *path = g->ended ? NULL : g->path;
    const kw_arrival arrival = *path ? KW_ARRIVED : g->ended ? KW_ARRIVES_NEVER : KW_ARRIVES_LATER;
    kw_sync_unlock(g->sync);
    return arrival;
}

/* The first of these leaves that is not here, or is wrong; `end` when all can be read. */
static uint64_t first_missing(kw_growing *g, uint64_t first, uint64_t end)
{
    for (uint64_t i = first; i < end; i++)
        if (!(g->state[i] & HERE))
            return i;
    for (uint64_t i = first; i < end; i++)
        if (!verify(g, i))
            return i;
    return end;
}

kw_arrival kw_growing_ask(void *growing, uint64_t offset, uint64_t len, uint32_t wait_ms)
{
    kw_growing *const g = growing;
    const uint64_t until = kw_clock_ns() + wait_ms * MS_NS;
    kw_arrival arrival = KW_ARRIVES_LATER;
    kw_sync_lock(g->sync);
    if (!g->table || offset > g->size || len > g->size - offset) {
        kw_sync_unlock(g->sync);
        return KW_ARRIVES_NEVER;
    }
    const uint64_t first = len > 0 ? offset / g->leaf_size : 0;
    const uint64_t end = len > 0 ? (offset + len - 1) / g->leaf_size + 1 : 0;
    for (;;) {
        const uint64_t missing = first_missing(g, first, end);
        const uint64_t now = kw_clock_ns();
        if (missing == end)
            arrival = KW_ARRIVED;
        else if (g->ended)
            arrival = KW_ARRIVES_NEVER;
        if (arrival != KW_ARRIVES_LATER || now >= until)
            break;
        g->wanted = missing;
        g->n_wanted = end - missing;
        kw_sync_wait(g->sync, until - now);
    }
    if (arrival == KW_ARRIVED && wait_ms > 0)
        g->n_wanted = 0;
    kw_sync_unlock(g->sync);
    return arrival;
}
