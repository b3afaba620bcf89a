/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* position_bias.h - what attention adds to a score by how far the key is from the query, as the
 * table of kw_attention_biased: [heads, distances from *first on]. */
#ifndef KW_MODEL_BLOCKS_POSITION_BIAS_H
#define KW_MODEL_BLOCKS_POSITION_BIAS_H

#include "graph/graph.h"

/* ALiBi: factor * slope[head] * distance, for keys up to the query, of so many positions. A model
 * that scales its scores after the bias was added (Falcon) gives the scale as factor. Hugging
 * Face's Falcon also rounds slopes and slope times position to bf16; this does not. */
kw_ref kw_alibi_bias(kw_graph *g, int heads, int64_t positions, float factor, int *first);
/* slope[heads]. */
void kw_alibi_slopes(int heads, float *slope);

/* T5's relative positions: a learned number for each bucket of distances and head. */
typedef struct kw_bucket_config {
    int heads, buckets;
    int max_distance;   /* from here on all distances share a bucket; at most 65,536 */
    bool bidirectional; /* half of the buckets are for keys behind the query */
} kw_bucket_config;

/* weight: [buckets][heads]. A configuration that makes no sense sticks to the graph. */
kw_ref kw_bucket_bias(kw_graph *g, const kw_bucket_config *config, const float *weight, int *first);
/* Which bucket a distance (key position less the query's) falls into. */
int kw_bucket(const kw_bucket_config *config, int64_t distance);

#endif
