/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rewrite.h - the fusion table: a graph in, an equal graph with fewer and fatter nodes out. */
#ifndef KW_PLAN_REWRITE_H
#define KW_PLAN_REWRITE_H

#include "backend/backend.h"

/* Lowers what the device does not support, then applies the table to a fixpoint:
 *   map of a map                 -> one map
 *   map of a matmul              -> the matmul's epilogue
 *   rope before store, attention -> their prologue
 *   activations of a matmul      -> a cast to what its weight type wants, shared by siblings
 *   cast of a norm or map        -> the norm or map writes that type
 * Nodes that no output needs are dropped. */
kw_status kw_rewrite(const kw_graph *graph, const kw_backend *backend, const kw_device *device,
                     const int64_t bound[KW_N_EXTENTS], kw_graph **out, kw_error *err);

#endif
