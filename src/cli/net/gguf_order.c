/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gguf_order.c - from a growing GGUF file's list of tensors to the ranks of its blocks.
 *
 * The file has its final size and holes: the reader, which checks everything, is simply tried. What
 * lies in holes reads as zeros; the list is whole when the data behind it begins within what is
 * here. */
#include "cli/net/gguf_order.h"

#include "base/check.h"
#include "format/model_file.h"

#include <string.h>

#define SHARED 1U /* rank of what no layer has */
#define FIRST 2U  /* of layer 0 */
#define LAYERS_MAX 65536U
#define HEAD (FIRST + LAYERS_MAX)

/* "blk.12.attn_q.weight": layer 12 */
static uint32_t rank_of(kw_str name)
{
    const kw_str layer = KW_STR("blk."), head = KW_STR("output");
    if (kw_str_starts(name, head))
        return HEAD;
    if (!kw_str_starts(name, layer))
        return SHARED;
    uint32_t n = 0;
    for (size_t i = layer.len; i < name.len && name.data[i] >= '0' && name.data[i] <= '9'; i++)
        n = KW_MIN(n * 10 + (uint32_t)(name.data[i] - '0'), LAYERS_MAX - 1);
    return FIRST + n;
}

/* A block is of use as soon as the first of the tensors in it is. */
static void rank_tensor(const kw_tensor_view *t, uint32_t *ranks, uint64_t n_blocks,
                        uint32_t block_size)
{
    if (t->bytes == 0)
        return;
    const uint32_t rank = rank_of(t->name);
    const uint64_t last = (t->offset + t->bytes - 1) / block_size;
    for (uint64_t b = t->offset / block_size; b <= last && b < n_blocks; b++)
        ranks[b] = KW_MIN(ranks[b], rank);
}

static bool rank_file(const kw_model_file *file, uint64_t prefix, uint32_t *ranks,
                      uint64_t n_blocks, uint32_t block_size)
{
    uint64_t data = UINT64_MAX;
    for (size_t i = 0; i < file->n_tensors; i++)
        data = KW_MIN(data, file->tensors[i].offset);
    if (data > prefix)
        return false;
    for (uint64_t b = 0; b < n_blocks; b++)
        ranks[b] = b * block_size < data ? 0 : HEAD + 1;
    for (size_t i = 0; i < file->n_tensors; i++)
        rank_tensor(&file->tensors[i], ranks, n_blocks, block_size);
    return true;
}

bool kw_gguf_order(void *user, const char *path, uint64_t prefix, uint32_t *ranks,
                   uint64_t n_blocks, uint32_t block_size)
{
    kw_map map;
    kw_model_file *file;
    (void)user;
    if (kw_map_open(path, false, &map, NULL) != KW_OK)
        return false;
    bool known = prefix >= 4 && memcmp(map.data, "GGUF", 4) != 0; /* it stays as it is */
    if (!known && prefix >= 4 &&
        kw_model_file_from_memory(map.data, map.len, "download", &file, NULL) == KW_OK) {
        known = rank_file(file, prefix, ranks, n_blocks, block_size);
        kw_model_file_close(file);
    }
    kw_map_close(&map);
    return known;
}
