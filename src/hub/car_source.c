/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* car_source.c - blocks of a mapped archive, found by their digests. It answers within the ask. */
#include "hub/car_source.h"

#include "base/check.h"
#include "wire/car.h"
#include "wire/unixfs.h"

#include <stdlib.h>

#define BLOCKS_MAX ((size_t)1 << 24)

typedef struct place {
    uint8_t digest[32];
    kw_bytes block;
} place;

struct kw_car {
    kw_map map;
    kw_cid root;
    place *places; /* owned, ascending by digest */
    size_t n, cap;
};

typedef struct file {
    kw_car *car;
    const kw_delivery *to;
} file;

static int by_digest(const void *a, const void *b)
{
    return memcmp(((const place *)a)->digest, ((const place *)b)->digest, 32);
}

static kw_status add(kw_car *car, const kw_cid *cid, kw_bytes block, kw_error *err)
{
    if (cid->hash != KW_HASH_SHA2_256 || cid->digest_len != 32)
        return KW_OK; /* of no use to a file of ours */
    if (car->n == BLOCKS_MAX)
        return kw_fail(err, KW_E_LIMIT, "CAR: more than %zu blocks", BLOCKS_MAX);
    if (car->n == car->cap) {
        const size_t cap = car->cap ? 2 * car->cap : 64;
        place *const more = realloc(car->places, cap * sizeof(*more));
        if (!more)
            return kw_fail(err, KW_E_NOMEM, "CAR: no memory for %zu blocks", cap);
        car->places = more;
        car->cap = cap;
    }
    place *const p = &car->places[car->n++];
    memcpy(p->digest, cid->digest, 32);
    p->block = block;
    return KW_OK;
}

static kw_status read_blocks(kw_car *car, kw_error *err)
{
    kw_bytes left = {car->map.data, car->map.len};
    kw_car_header header;
    size_t used;
    KW_TRY(kw_car_read_header(left, &header, &used, err));
    if (used == 0 || header.n_roots == 0)
        return kw_fail(err, KW_E_FORMAT, "CAR: %zu bytes hold no header with a root", left.len);
    car->root = header.roots[0];
    for (;;) {
        kw_cid cid;
        kw_bytes block;
        left = (kw_bytes){left.data + used, left.len - used};
        if (left.len == 0)
            break;
        KW_TRY(kw_car_read_block(left, &cid, &block, &used, err));
        if (used == 0)
            return kw_fail(err, KW_E_FORMAT, "CAR: ends within a block");
        KW_TRY(add(car, &cid, block, err));
    }
    if (car->n > 0)
        qsort(car->places, car->n, sizeof(*car->places), by_digest);
    return KW_OK;
}

kw_status kw_car_open(const char *path, kw_car **out, kw_error *err)
{
    kw_car *const car = calloc(1, sizeof(*car));
    if (!car)
        return kw_fail(err, KW_E_NOMEM, "CAR: no memory");
    kw_status status = kw_map_open(path, false, &car->map, err);
    if (status == KW_OK)
        status = read_blocks(car, err);
    if (status != KW_OK) {
        kw_car_close(car);
        return status;
    }
    *out = car;
    return KW_OK;
}

void kw_car_close(kw_car *car)
{
    kw_map_close(&car->map);
    free(car->places);
    free(car);
}

static const place *find(const kw_car *car, const uint8_t digest[32])
{
    place key;
    memcpy(key.digest, digest, 32);
    return car->n ? bsearch(&key, car->places, car->n, sizeof(key), by_digest) : NULL;
}

/* ---- what is in it ---- */

static kw_status add_file(const kw_cid *root, kw_str name, kw_listing *out, kw_error *err)
{
    kw_listed *listed;
    KW_TRY(kw_listing_add(out, name, &listed, err));
    listed->has_root = true;
    listed->root = *root;
    return KW_OK;
}

kw_status kw_car_list(const kw_car *car, const char *name, kw_listing *out, kw_error *err)
{
    kw_unixfs_node node;
    kw_unixfs_child child;
    if (car->root.codec == KW_CODEC_RAW)
        return add_file(&car->root, kw_str_from(name), out, err);
    const place *const p = find(car, car->root.digest);
    if (!p || !kw_cid_verify(&car->root, p->block, kw_sha256_kernel(false)))
        return kw_fail(err, KW_E_FORMAT, "CAR: the block of its root is not in it");
    KW_TRY(kw_unixfs_read(p->block, &node, err));
    if (node.type != KW_UNIXFS_DIRECTORY)
        return add_file(&car->root, kw_str_from(name), out, err);
    kw_unixfs_walk walk = kw_unixfs_children(&node);
    while (kw_unixfs_next(&walk, &child))
        KW_TRY(add_file(&child.link.cid, child.link.name, out, err));
    return KW_OK;
}

/* ---- the source ---- */

static kw_status open_file(void *user, const kw_want *want, const kw_delivery *to, void **out,
                           kw_error *err)
{
    if (!want->has_root)
        return kw_fail(err, KW_E_NOTFOUND, "no root of it is known");
    file *const f = calloc(1, sizeof(*f));
    if (!f)
        return kw_fail(err, KW_E_NOMEM, "CAR: no memory for a file");
    f->car = user;
    f->to = to;
    *out = f;
    to->opened(to->user, &(kw_offer){.size = KW_SIZE_UNKNOWN,
                                     .from = "archive",
                                     .parallel = 2,
                                     .span = 8,
                                     .ranges = true,
                                     .blocks = true,
                                     .by_leaf = true});
    return KW_OK;
}

static bool is_here(bool here, kw_status *status)
{
    if (!here)
        *status = KW_E_NOTFOUND;
    return here;
}

/* The blocks of a run; KW_E_NOTFOUND: one is not in the archive or has another length. false: the
 * ask is not wanted any more. */
static bool send_run(const file *f, const kw_ask *ask, kw_status *status)
{
    uint64_t offset = ask->offset;
    for (size_t i = 0; offset < ask->offset + ask->len; i++) {
        const place *const p = find(f->car, ask->leaves[i]);
        const uint64_t left = ask->offset + ask->len - offset;
        if (!is_here(p && p->block.len > 0 && p->block.len <= left, status))
            return true;
        if (f->to->data(f->to->user, ask->id, offset, p->block) != KW_TAKE_OK)
            return false;
        offset += p->block.len;
    }
    return true;
}

static kw_status ask_file(void *user, const kw_ask *ask, kw_error *err)
{
    const file *const f = user;
    kw_status status = KW_OK;
    bool wanted = true;
    (void)err;
    if (ask->kind == KW_ASK_BLOCK) {
        const place *const p = find(f->car, ask->cid.digest);
        if (is_here(p != NULL, &status))
            wanted = f->to->data(f->to->user, ask->id, 0, p->block) == KW_TAKE_OK;
    } else if (is_here(ask->leaves != NULL, &status)) {
        wanted = send_run(f, ask, &status);
    }
    if (wanted)
        f->to->done(f->to->user, ask->id, status,
                    status == KW_OK ? NULL : "a block is not in the archive", 0);
    return KW_OK;
}

static void ignore(void *user, uint64_t id)
{
    (void)user;
    (void)id;
}

kw_source kw_car_source_make(kw_car *car)
{
    return (kw_source){.name = "archive",
                       .order = KW_FROM_CACHE,
                       .user = car,
                       .open = open_file,
                       .ask = ask_file,
                       .cancel = ignore,
                       .resume = ignore,
                       .close = free};
}
