/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* probe.c - asks the device for its measured limits. */
#include "engine/probe.h"

#include "engine/engine.h"

kw_status kw_engine_probe(kw_engine *engine, double seconds, kw_probe *out, kw_error *err)
{
    kw_limits limits;
    KW_TRY(engine->backend->measure(engine->device, seconds, &limits, err));
    *out = (kw_probe){limits.read_gbps_1, limits.read_gbps_n,  limits.int8_gops_1,
                      limits.int8_gops_n, limits.f32_gflops_1, limits.f32_gflops_n};
    return KW_OK;
}
