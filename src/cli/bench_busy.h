/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bench_busy.h - other work on the machine, for benchmarks of a busy one. */
#ifndef KW_CLI_BENCH_BUSY_H
#define KW_CLI_BENCH_BUSY_H

#include "base/error.h"

typedef struct kw_busy kw_busy;

/* Starts n endless loops, which the scheduler treats like any other program's threads. *out is NULL
 * for n = 0. */
kw_status kw_busy_start(int n, kw_busy **out, kw_error *err);
/* Ends them and frees the handle; NULL is allowed. */
void kw_busy_stop(kw_busy *busy);

#endif
