/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* convert.h - rows from one element type to another, on the pool. */
#ifndef KW_BACKEND_CPU_CONVERT_H
#define KW_BACKEND_CPU_CONVERT_H

#include "backend/backend.h"

kw_status kw_cpu_convert(kw_device *device, const kw_conversion *what, kw_error *err);

#endif
