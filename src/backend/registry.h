/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* registry.h - the backends of this build, in order of preference. */
#ifndef KW_BACKEND_REGISTRY_H
#define KW_BACKEND_REGISTRY_H

#include "backend/backend.h"

/* NULL-terminated. */
extern const kw_backend *const kw_backends[];
/* NULL when there is none of this name. */
const kw_backend *kw_backend_by_name(const char *name);

#endif
