/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* paths.h - taking apart and joining file paths, as text. */
#ifndef KW_FORMAT_PATHS_H
#define KW_FORMAT_PATHS_H

#include "base/arena.h"
#include "base/str.h"

/* The part after the last separator. */
kw_str kw_path_base(const char *path);
/* Everything up to and including the last separator; "" without one. */
kw_str kw_path_prefix(const char *path);
/* A name that stays inside its directory: not empty, no separator, no drive, not "." or "..". */
bool kw_path_is_plain(kw_str name);
/* "<dir>/<name>" ("<name>" when dir is empty), or NULL when memory is short. */
char *kw_path_join(kw_arena *arena, kw_str dir, kw_str name);

#endif
