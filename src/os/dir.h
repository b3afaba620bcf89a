/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dir.h - what lies in a directory, and what tells one state of a file from another. */
#ifndef KW_OS_DIR_H
#define KW_OS_DIR_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file whose size, mtime, inode and device are what they were has, as far as the system can tell,
 * the content that it had. */
typedef struct kw_file_state {
    uint64_t size;
    int64_t mtime_ns;
    uint64_t inode, device;
} kw_file_state;

typedef struct kw_file_info {
    kw_file_state state;
    uint64_t disk_bytes; /* what it takes, which holes and compression make less than its size */
    bool is_file, is_dir;
} kw_file_info;

/* Follows links. KW_E_NOTFOUND when there is nothing. */
kw_status kw_file_query(const char *path, kw_file_info *out, kw_error *err);
bool kw_file_state_equal(const kw_file_state *a, const kw_file_state *b);
/* The absolute path without links, "." and ".."; malloc'ed. */
kw_status kw_path_real(const char *path, char **out, kw_error *err);

/* The names in a directory but "." and "..", sorted by their bytes; at most KW_DIR_MAX. */
#define KW_DIR_MAX ((size_t)1 << 20)
typedef struct kw_dir_list {
    char **names; /* owned, [n] */
    size_t n;
} kw_dir_list;
kw_status kw_dir_read(const char *path, kw_dir_list *out, kw_error *err);
void kw_dir_free(kw_dir_list *list);

/* Removes a file (a link, not what it points to) or an empty directory. */
kw_status kw_path_remove(const char *path, kw_error *err);

#endif
