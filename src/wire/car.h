/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* car.h - content-addressed archives, version 1: a header with roots, then blocks with their names.
 *
 * The reader takes the front of a stream: what it wants more of, it says, so that it serves mapped
 * files and downloads alike. It does not verify blocks (kw_cid_verify does).
 * Source: ipld.io, "CARv1 specification". */
#ifndef KW_WIRE_CAR_H
#define KW_WIRE_CAR_H

#include "base/buf.h"
#include "wire/cid.h"

#define KW_CAR_ROOTS_MAX 16

typedef struct kw_car_header {
    kw_cid roots[KW_CAR_ROOTS_MAX];
    size_t n_roots;
} kw_car_header;

/* *used 0: more bytes are needed, and nothing was read. */
kw_status kw_car_read_header(kw_bytes in, kw_car_header *out, size_t *used, kw_error *err);
/* The same of a block; block is a view into `in`. */
kw_status kw_car_read_block(kw_bytes in, kw_cid *cid, kw_bytes *block, size_t *used, kw_error *err);

void kw_car_put_header(kw_buf *out, const kw_cid *roots, size_t n_roots);
/* What stands before the bytes of a block: its length and name. Returns the length of that. */
#define KW_CAR_PREFIX_MAX (10 + KW_CID_MAX)
size_t kw_car_prefix(const kw_cid *cid, size_t block_len, uint8_t out[KW_CAR_PREFIX_MAX]);

#endif
