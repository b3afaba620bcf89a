/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sparse.h - a file that grows in any order before it gets its name, and what makes it last.
 *
 * The file has its final size from the start and holes where nothing was written. One process has
 * it at a time. What was written before kw_sparse_sync is there after a loss of power. */
#ifndef KW_OS_SPARSE_H
#define KW_OS_SPARSE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct kw_sparse kw_sparse;

/* Opens or creates the file and gives it this size. KW_E_LIMIT: another process has it. */
kw_status kw_sparse_open(const char *path, uint64_t size, kw_sparse **out, kw_error *err);
/* Exactly len bytes at offset; reading past the end is KW_E_IO. */
kw_status kw_sparse_read(kw_sparse *file, uint64_t offset, void *data, size_t len, kw_error *err);
kw_status kw_sparse_write(kw_sparse *file, uint64_t offset, const void *data, size_t len,
                          kw_error *err);
kw_status kw_sparse_sync(kw_sparse *file, kw_error *err);
/* Syncs, and moves the file to path, replacing what is there. The file stays open. */
kw_status kw_sparse_commit(kw_sparse *file, const char *path, kw_error *err);
void kw_sparse_close(kw_sparse *file);

/* Replaces a small file so that after a loss of power it has the old content or the new. */
kw_status kw_file_replace(const char *path, const void *data, size_t len, kw_error *err);
/* One that is not there is fine. */
kw_status kw_file_remove(const char *path, kw_error *err);
/* Makes a directory and those above it that are missing. */
kw_status kw_dirs_make(const char *path, kw_error *err);
/* Bytes that may still be written where path lies; UINT64_MAX when the system does not say. */
uint64_t kw_disk_free(const char *path);

#endif
