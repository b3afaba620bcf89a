/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* registry.c - the table of backends: one row each. */
#include "backend/registry.h"

#include "backend/cpu/cpu.h"

#include <string.h>

const kw_backend *const kw_backends[] = {&kw_cpu_backend, NULL};

const kw_backend *kw_backend_by_name(const char *name)
{
    for (const kw_backend *const *b = kw_backends; *b; b++)
        if (strcmp((*b)->name, name) == 0)
            return *b;
    return NULL;
}
