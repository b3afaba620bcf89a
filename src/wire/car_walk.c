/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* car_walk.c - a stack of parents, of which each holds its block and where it is in its links. */
#include "wire/car_walk.h"

#include "base/check.h"
#include "wire/car.h"
#include "wire/unixfs.h"

#include <stdlib.h>

#define DEPTH_MAX 32

typedef struct frame {
    kw_block block; /* held */
    kw_unixfs_walk children;
    bool is_file;
    uint64_t at; /* where in the file the next child begins */
} frame;

struct kw_car_walk {
    kw_block_store store;
    kw_car_part part;
    size_t n_sent; /* of the path */
    uint64_t from, to;
    kw_buf head; /* what stands before the block: of the archive first */
    size_t head_at;
    kw_block block; /* held: the one that is sent */
    bool has_block, descends;
    size_t block_at;
    uint64_t begin; /* of that block in its file */
    frame frames[DEPTH_MAX];
    size_t depth;
};

static void drop(kw_car_walk *w)
{
    if (w->has_block)
        w->store.release(w->store.user, &w->block);
    w->has_block = false;
}

static kw_status send_block(kw_car_walk *w, const kw_cid *cid, bool descends, kw_error *err)
{
    uint8_t prefix[KW_CAR_PREFIX_MAX];
    KW_TRY(w->store.get(w->store.user, cid, &w->block, err));
    w->has_block = true;
    w->descends = descends && cid->codec == KW_CODEC_DAG_PB;
    w->block_at = w->head_at = 0;
    if (w->n_sent > 0) /* else the archive's own head stands there */
        w->head.len = 0;
    kw_buf_add(&w->head, (const char *)prefix, kw_car_prefix(cid, w->block.data.len, prefix));
    return kw_buf_status(&w->head, err);
}

static kw_status send_path(kw_car_walk *w, kw_error *err)
{
    const bool last = w->n_sent + 1 == w->part.n_path;
    KW_TRY(send_block(w, &w->part.path[w->n_sent], last && w->part.scope != KW_CAR_BLOCK, err));
    w->n_sent++;
    return KW_OK;
}

kw_status kw_car_walk_open(const kw_block_store *store, const kw_car_part *part, kw_car_walk **out,
                           kw_error *err)
{
    kw_assert(part->n_path > 0 && part->n_path <= KW_CAR_PATH_MAX);
    kw_car_walk *const w = calloc(1, sizeof *w);
    if (!w)
        return kw_fail(err, KW_E_NOMEM, "CAR: no memory for a walk");
    w->store = *store;
    w->part = *part;
    kw_car_put_header(&w->head, &part->path[part->n_path - 1], 1);
    const kw_status status = send_path(w, err);
    if (status != KW_OK) {
        kw_car_walk_close(w);
        return status;
    }
    *out = w;
    return KW_OK;
}

void kw_car_walk_close(kw_car_walk *walk)
{
    if (!walk)
        return;
    drop(walk);
    while (walk->depth > 0)
        walk->store.release(walk->store.user, &walk->frames[--walk->depth].block);
    kw_buf_free(&walk->head);
    free(walk);
}

/* The byte of a file of this size that a number means; size when it lies behind the end. */
static uint64_t place(int64_t n, uint64_t size)
{
    if (n >= 0)
        return KW_MIN((uint64_t)n, size);
    const uint64_t back = (uint64_t)-(n + 1) + 1;
    return back < size ? size - back : 0;
}

/* Goes below the block that was sent. */
static kw_status descend(kw_car_walk *w, kw_error *err)
{
    kw_unixfs_node node;
    KW_TRY(kw_unixfs_read(w->block.data, &node, err));
    const bool is_file = node.type == KW_UNIXFS_FILE || node.type == KW_UNIXFS_RAW;
    if (!is_file && w->part.scope != KW_CAR_ALL) {
        drop(w);
        return KW_OK;
    }
    if (w->depth == 0) {
        w->from = place(w->part.from, node.file_size);
        w->to = place(w->part.to, node.file_size); /* that byte itself is wanted too */
    }
    if (w->depth == DEPTH_MAX)
        return kw_fail(err, KW_E_LIMIT, "CAR: a graph that is more than %d deep", DEPTH_MAX);
    w->frames[w->depth++] = (frame){.block = w->block,
                                    .children = kw_unixfs_children(&node),
                                    .is_file = is_file,
                                    .at = w->begin + node.data.len};
    w->has_block = false;
    return KW_OK;
}

static bool is_wanted(const kw_car_walk *w, const frame *f, const kw_unixfs_child *child)
{
    if (w->part.scope == KW_CAR_ALL || !f->is_file)
        return true;
    return w->from <= w->to && f->at <= w->to && child->size > 0 &&
           f->at + (child->size - 1) >= w->from;
}

/* Goes to the next block; none is left when has_block stays false. */
static kw_status advance(kw_car_walk *w, kw_error *err)
{
    if (w->has_block && w->descends)
        KW_TRY(descend(w, err));
    drop(w);
    if (w->n_sent < w->part.n_path)
        return send_path(w, err);
    while (w->depth > 0) {
        frame *const f = &w->frames[w->depth - 1];
        kw_unixfs_child child;
        if (!kw_unixfs_next(&f->children, &child)) {
            w->store.release(w->store.user, &f->block);
            w->depth--;
            continue;
        }
        const bool wanted = is_wanted(w, f, &child);
        w->begin = f->is_file ? f->at : 0;
        f->at += child.size;
        if (wanted)
            return send_block(w, &child.link.cid, true, err);
    }
    return KW_OK;
}

kw_status kw_car_walk_next(kw_car_walk *w, size_t max, kw_bytes *out, kw_error *err)
{
    *out = (kw_bytes){0};
    while (w->head_at == w->head.len && w->has_block && w->block_at == w->block.data.len)
        KW_TRY(advance(w, err));
    if (!w->has_block)
        return KW_OK;
    const bool head = w->head_at < w->head.len;
    const kw_bytes all =
        head ? (kw_bytes){(const uint8_t *)w->head.data, w->head.len} : w->block.data;
    size_t *const at = head ? &w->head_at : &w->block_at;
    *out = (kw_bytes){all.data + *at, KW_MIN(all.len - *at, max)};
    *at += out->len;
    return KW_OK;
}
