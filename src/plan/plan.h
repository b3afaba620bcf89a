/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* plan.h - a graph made ready to run on a device: rewritten, ordered in waves, laid out, compiled.
 *
 * Everything that can be decided is decided here, once a bucket (decode, prompt chunk, scoring); a
 * run writes a few parameters and replays. */
#ifndef KW_PLAN_PLAN_H
#define KW_PLAN_PLAN_H

#include "backend/backend.h"

typedef struct kw_plan kw_plan;

/* graph and its weights are borrowed: the graph during the call, the weights for the plan's life.
 * bound[e] >= 1 for every extent: the largest live values of this bucket. */
kw_status kw_plan_create(const kw_graph *graph, const kw_backend *backend, kw_device *device,
                         const int64_t bound[KW_N_EXTENTS], kw_plan **out, kw_error *err);
void kw_plan_free(kw_plan *plan);
/* Runs and waits. Allocates nothing. */
kw_status kw_plan_run(kw_plan *plan, const kw_run_args *args, kw_error *err);
/* Work space: arena and scratch. */
size_t kw_plan_bytes(const kw_plan *plan);
/* The rewritten graph, the layout and the program. */
void kw_plan_print(const kw_plan *plan, bool json, kw_buf *out);

#endif
