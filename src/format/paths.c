/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* paths.c - file paths as text. Both separators count everywhere: a name from a file that would
 * leave its directory on any system is refused on all. */
#include "format/paths.h"

static bool is_separator(char c)
{
    return c == '/' || c == '\\';
}

kw_str kw_path_prefix(const char *path)
{
    kw_str prefix = kw_str_from(path);
    while (prefix.len > 0 && !is_separator(prefix.data[prefix.len - 1]))
        prefix.len--;
    return prefix;
}

kw_str kw_path_base(const char *path)
{
    return kw_str_from(path + kw_path_prefix(path).len);
}

bool kw_path_is_plain(kw_str name)
{
    if (name.len == 0 || kw_str_is(name, ".") || kw_str_is(name, ".."))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.data[i];
        if (is_separator(c) || c == ':' || c == '\0')
            return false;
    }
    return true;
}

char *kw_path_join(kw_arena *arena, kw_str dir, kw_str name)
{
    const bool slash = dir.len > 0 && !is_separator(dir.data[dir.len - 1]);
    char *const path = kw_arena_alloc(arena, dir.len + name.len + 2);
    if (!path)
        return NULL;
    if (dir.len > 0)
        memcpy(path, dir.data, dir.len);
    if (slash)
        path[dir.len] = '/';
    memcpy(path + dir.len + slash, name.data, name.len);
    return path;
}
