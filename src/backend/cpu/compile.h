/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* compile.h - unit to program, and its replay: the entries of the backend table. */
#ifndef KW_BACKEND_CPU_COMPILE_H
#define KW_BACKEND_CPU_COMPILE_H

#include "backend/backend.h"

kw_status kw_cpu_compile(kw_device *device, const kw_unit *unit, kw_program **out, kw_error *err);
kw_status kw_cpu_submit(kw_device *device, kw_program *program, const kw_run_args *args,
                        kw_error *err);
void kw_cpu_program_free(kw_device *device, kw_program *program);
size_t kw_cpu_program_bytes(const kw_program *program);
void kw_cpu_program_print(const kw_program *program, bool json, kw_buf *out);

#endif
