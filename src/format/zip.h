/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* zip.h - a zip archive in memory: its entries, each a view of its stored bytes.
 *
 * What the two places that describe an entry (the central directory and the header before its data)
 * do not agree on is refused, so that no two programs can see two different archives in one file.
 * Nothing is unpacked: a deflated entry is listed, and refused when its bytes are asked for. */
#ifndef KW_FORMAT_ZIP_H
#define KW_FORMAT_ZIP_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "format/name_index.h"

#include <stdint.h>

#define KW_ZIP_MAX_ENTRIES ((size_t)1 << 20)

typedef struct kw_zip_entry {
    kw_str name; /* a clean relative path with '/' between its parts; a directory's ends in one */
    uint64_t header; /* where the header before its data begins */
    uint64_t offset; /* of its data in the archive */
    uint64_t bytes;  /* of its data in the archive */
    uint32_t crc;    /* of its data when unpacked; 0: the writer computed none */
    uint16_t method; /* 0: stored */
} kw_zip_entry;

typedef struct kw_zip {
    kw_str bytes;
    kw_zip_entry *entries; /* [n], in the order of their data */
    size_t n;
    kw_name_index index;
} kw_zip;

/* Reads the directory of an archive that begins with its first entry. An archive in several parts,
 * an encrypted entry, two entries of one name or overlapping ones are refused. */
kw_status kw_zip_open(kw_str bytes, kw_arena *arena, kw_zip *out, kw_error *err);
/* NULL when there is none of that name. */
const kw_zip_entry *kw_zip_find(const kw_zip *zip, kw_str name);
/* The bytes of a stored entry; any other is refused by the name of its method. */
kw_status kw_zip_data(const kw_zip *zip, const kw_zip_entry *entry, kw_str *out, kw_error *err);
/* The same, and they have the checksum that the directory says. */
kw_status kw_zip_checked(const kw_zip *zip, const kw_zip_entry *entry, kw_str *out, kw_error *err);

#endif
