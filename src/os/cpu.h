/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cpu.h - what the processor tells about itself; a file per architecture. For system_*.c only. */
#ifndef KW_OS_CPU_H
#define KW_OS_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KW_CPU_NAME_SIZE 64

/* Or of kw_cpu_feature: what the processor has and the OS saves on a context switch. */
uint32_t kw_cpu_features(void);
/* Asks the system to save the tiles of AMX, once for the process; false when it does not. */
bool kw_cpu_ask_for_tiles(void);
/* The marketing name, or "". Always terminated. */
void kw_cpu_name(char name[KW_CPU_NAME_SIZE]);

#endif
