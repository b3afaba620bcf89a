/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_hub_root.c - whatever blocks are sent for the parents of a file: they are refused, or the
 * leaves add up to its size. Input: blocks one after the other, each behind its length in 2 bytes.
 */
#include "hub/fetch_tree.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next block of the input, whatever its name. */
static kw_status next_block(void *user, const kw_cid *cid, kw_buf *out, kw_error *err)
{
    kw_bytes *const left = user;
    (void)cid;
    if (left->len < 2)
        return kw_fail(err, KW_E_NOTFOUND, "no block is left");
    size_t len = (size_t)left->data[0] | (size_t)left->data[1] << 8;
    len = len < left->len - 2 ? len : left->len - 2;
    out->len = 0;
    kw_buf_add(out, (const char *)left->data + 2, len);
    left->data += len + 2;
    left->len -= len + 2;
    return kw_buf_status(out, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const kw_cid root = {
        .version = 1, .digest_len = 32, .codec = KW_CODEC_DAG_PB, .hash = KW_HASH_SHA2_256};
    for (int inside = 0; inside < 2; inside++) {
        kw_bytes left = {data, size};
        kw_root tree;
        if (kw_root_read(&root, inside ? "a/model.gguf" : NULL, next_block, &left, &tree, NULL) !=
            KW_OK)
            continue;
        promise(tree.leaf_size > 0);
        promise(tree.n_leaves == (tree.size + tree.leaf_size - 1) / tree.leaf_size);
        kw_root_free(&tree);
    }
    return 0;
}
