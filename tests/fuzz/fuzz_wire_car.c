/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_wire_car.c - any bytes are an archive up to where they break or end; what was read is
 * written the same. */
#include "promise.h"
#include "wire/car.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_bytes left = {data, size}, block;
    kw_car_header header, again;
    kw_cid cid;
    size_t used, more;
    uint8_t prefix[KW_CAR_PREFIX_MAX];
    kw_error err = {0};
    kw_status status = kw_car_read_header(left, &header, &used, &err);
    promise(status == KW_OK || (err.code == status && err.message[0]));
    if (status != KW_OK || used == 0)
        return 0;
    kw_buf out = {0};
    kw_car_put_header(&out, header.roots, header.n_roots);
    promise(kw_car_read_header((kw_bytes){(const uint8_t *)out.data, out.len}, &again, &more,
                               NULL) == KW_OK);
    promise(more == out.len && again.n_roots == header.n_roots);
    kw_buf_free(&out);
    while (used > 0) {
        left.data += used;
        left.len -= used;
        if (kw_car_read_block(left, &cid, &block, &used, NULL) != KW_OK || used == 0)
            break;
        promise(block.data + block.len == left.data + used);
        const size_t n = kw_car_prefix(&cid, block.len, prefix);
        promise(n + block.len == used && memcmp(prefix, left.data, n) == 0);
    }
    return 0;
}
