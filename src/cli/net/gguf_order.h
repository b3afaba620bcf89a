/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gguf_order.h - in which order the blocks of a GGUF file are of use. */
#ifndef KW_CLI_NET_GGUF_ORDER_H
#define KW_CLI_NET_GGUF_ORDER_H

#include <stdbool.h>
#include <stdint.h>

/* kw_fetch_config.rank: the header with the tokenizer first, then what layers share (embeddings),
 * then layer after layer, then the head. False while the header is not here; a file that is no GGUF
 * keeps its order. */
bool kw_gguf_order(void *user, const char *path, uint64_t prefix, uint32_t *ranks,
                   uint64_t n_blocks, uint32_t block_size);

#endif
