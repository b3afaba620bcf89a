/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* measure.h - the CPU's memory bandwidth and integer speed, for the backend table. */
#ifndef KW_BACKEND_CPU_MEASURE_H
#define KW_BACKEND_CPU_MEASURE_H

#include "backend/backend.h"

kw_status kw_cpu_measure(kw_device *device, double seconds, kw_limits *out, kw_error *err);

#endif
