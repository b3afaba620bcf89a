/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* isa_list.h - the instruction sets whose kernels this build has and this machine can run. */
#ifndef KW_CLI_ISA_LIST_H
#define KW_CLI_ISA_LIST_H

#include <stddef.h>

#define KW_MAX_ISAS 8

/* Their names, best last, from opening an engine for each. Returns how many. */
size_t kw_isas_usable(const char *names[KW_MAX_ISAS]);

#endif
