/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_node_gateway.c - any text as what a gateway is asked for, and any bytes as the blocks below
 * it: paths are followed and archives written, which are read back. Lines: path, format, accept,
 * dag-scope, entity-bytes; what follows them is the one block of codec dag-pb that there is. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "node/gateway_request.h"
#include "wire/car.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BYTES_MAX ((size_t)1 << 20)

static int n_held;

static bool has(void *user, const kw_cid *cid, size_t *size)
{
    *size = ((const kw_bytes *)user)->len;
    return cid->codec == KW_CODEC_DAG_PB;
}

/* Every name of a parent is that block, so that graphs without end are walked too. */
static kw_status get(void *user, const kw_cid *cid, kw_block *out, kw_error *err)
{
    if (cid->codec != KW_CODEC_DAG_PB)
        return kw_fail(err, KW_E_NOTFOUND, "not here");
    n_held++;
    *out = (kw_block){.data = *(const kw_bytes *)user};
    return KW_OK;
}

static void release(void *user, kw_block *block)
{
    (void)user;
    (void)block;
    n_held--;
}

static kw_str line(kw_bytes *in)
{
    size_t n = 0;
    while (n < in->len && in->data[n] != '\n')
        n++;
    const kw_str text = {(const char *)in->data, n};
    const size_t used = n < in->len ? n + 1 : n;
    *in = (kw_bytes){in->data + used, in->len - used};
    return text;
}

static void walk(const kw_block_store *store, const kw_car_part *part)
{
    kw_car_walk *w;
    kw_car_header header;
    kw_bytes piece;
    size_t total = 0, used;
    if (kw_car_walk_open(store, part, &w, NULL) != KW_OK)
        return;
    while (total < BYTES_MAX && kw_car_walk_next(w, 4096, &piece, NULL) == KW_OK && piece.len) {
        /* The first piece is the head of the archive with that of its first block. */
        if (total == 0 && (kw_car_read_header(piece, &header, &used, NULL) != KW_OK ||
                           header.n_roots != 1 || used == 0))
            abort();
        total += piece.len;
    }
    kw_car_walk_close(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_bytes in = {data, size};
    const kw_str path = line(&in), format = line(&in), accept = line(&in), scope = line(&in),
                 bytes = line(&in);
    const kw_gateway_fields fields = {path, format, accept, scope, bytes};
    const kw_block_store store = {.user = &in, .has = has, .get = get, .release = release};
    kw_gateway_request request;
    const char *why = NULL;
    unsigned status = kw_gateway_request_get(&fields, &request, &why);
    if (status == 200)
        status = kw_gateway_request_follow(&request, &store, &why);
    if (status == 200)
        walk(&store, &request.part);
    else if (!why)
        abort();
    if (n_held != 0)
        abort();
    return 0;
}
