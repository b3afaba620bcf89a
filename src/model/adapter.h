/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* adapter.h - low-rank adapters: for a weight W [n, k] a pair A [r, k], B [n, r]; the product
 * x . W^T becomes x . W^T + s * (x . A^T) . B^T, with s = alpha / r.
 *
 * They are added to a finished graph, beside the products they change, so that no family knows of
 * them and the weights stay as they lie in the file.
 * Source: Hu et al. 2021, arXiv:2106.09685, eq. 3. */
#ifndef KW_MODEL_ADAPTER_H
#define KW_MODEL_ADAPTER_H

#include "model/net.h"

typedef struct kw_adapter_pair {
    kw_str target; /* the weight, under GGUF's name: "blk.3.attn_q.weight" */
    kw_dtype a_dtype, b_dtype;
    int64_t rank, n, k;
    const void *a, *b; /* [rank, k] and [n, rank]; in the file or the arena */
    float scale;       /* alpha / rank */
} kw_adapter_pair;

typedef struct kw_adapter_set {
    kw_adapter_pair *pairs; /* by target */
    size_t n_pairs;
    kw_arena arena;
} kw_adapter_set;

/* One of the sets that a graph gets, and how much of it. */
typedef struct kw_adapter_share {
    const kw_adapter_set *set;
    float scale;
} kw_adapter_share;

/* Reads an adapter for the model of `net`: GGUF (general.type = adapter), or the safetensors file
 * of PEFT, whose r and lora_alpha are in the metadata of `file`. What is no pair of matrices
 * (DoRA's magnitudes, whole weights, embeddings) is refused by name, as is a weight that no product
 * of the model uses or that has another shape. The file outlives the set. */
kw_status kw_adapter_read(const kw_model_file *file, const kw_net *net, kw_adapter_set **out,
                          kw_error *err);
void kw_adapter_free(kw_adapter_set *set);

/* Replaces *graph by one that adds the shares, in their order, to its products. On failure *graph
 * stays as it was. */
kw_status kw_adapters_apply(const kw_net *net, const kw_adapter_share *shares, size_t n_shares,
                            kw_graph **graph, kw_error *err);

#endif
