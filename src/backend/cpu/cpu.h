/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cpu.h - the CPU backend: exact kernels, a thread pool that runs waves. */
#ifndef KW_BACKEND_CPU_CPU_H
#define KW_BACKEND_CPU_CPU_H

#include "backend/backend.h"
#include "backend/cpu/kernels.h"

extern const kw_backend kw_cpu_backend;

/* The kernels a CPU device chose, for probes and inspection. */
const kw_cpu_kernels *kw_cpu_device_kernels(const kw_device *device);

#endif
