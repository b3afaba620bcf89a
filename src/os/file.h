/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* file.h - files: mapped read-only, read whole, written whole. A file per OS implements it. */
#ifndef KW_OS_FILE_H
#define KW_OS_FILE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct kw_map {
    const unsigned char *data; /* read-only; NULL when len is 0 */
    size_t len;
    bool copied; /* read into memory (no_mmap) rather than mapped */
} kw_map;

/* Maps a regular file read-only; no_mmap reads it into memory instead. The map is owned by the
 * caller. Errors name the path. */
kw_status kw_map_open(const char *path, bool no_mmap, kw_map *out, kw_error *err);
void kw_map_close(kw_map *map);
/* Tells the system that [offset, offset + len) is needed soon. Best effort. */
void kw_map_prefetch(const kw_map *map, size_t offset, size_t len);

/* Gives the pages of mapped memory that hold [from, from + len) their entries in the page table, as
 * one call, so that reading them does not fault one by one. Best effort. */
void kw_pages_map(const void *from, size_t len);

/* Gives the pages of [offset, offset + len) back until they are read again. Best effort. */
void kw_map_release(const kw_map *map, size_t offset, size_t len);

bool kw_file_exists(const char *path);
bool kw_file_is_dir(const char *path);
/* Makes a directory in one that is there; one that is there already is fine. */
kw_status kw_dir_make(const char *path, kw_error *err);
/* Writes through a temporary file in the same directory and renames it, so that a reader sees the
 * old content or the new, never half. */
typedef struct kw_file_writer kw_file_writer;
kw_status kw_file_create(const char *path, kw_file_writer **out, kw_error *err);
kw_status kw_file_write(kw_file_writer *writer, const void *data, size_t len, kw_error *err);
/* Commits when ok is true, else removes the temporary file; frees the writer either way. */
kw_status kw_file_finish(kw_file_writer *writer, bool ok, kw_error *err);

#endif
