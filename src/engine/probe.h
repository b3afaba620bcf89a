/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* probe.h - what this machine can do, measured: the roofline beside a benchmark's figures. */
#ifndef KW_ENGINE_PROBE_H
#define KW_ENGINE_PROBE_H

#include <kwaai/kwaai.h>

typedef struct kw_probe {
    double read_gbps_1, read_gbps_n;   /* sequential reads from memory: one thread, all threads */
    double int8_gops_1, int8_gops_n;   /* dot products of bytes in registers, 2 ops a product */
    double f32_gflops_1, f32_gflops_n; /* fused multiply-adds likewise */
} kw_probe;

/* Takes about `seconds`, and up to 1 GiB for its duration: twice the last-level cache. */
kw_status kw_engine_probe(kw_engine *engine, double seconds, kw_probe *out, kw_error *err);

#endif
