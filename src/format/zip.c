/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* zip.c - the reader of zip archives.
 *
 * The invariant: an entry is in the list only when the central directory and its own header say the
 * same of it, its data lies before the directory, and no other entry's data overlaps it.
 * Source: PKWARE's APPNOTE.TXT 6.3.9. */
#include "format/zip.h"

#include "base/check.h"
#include "format/image.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    CENTRAL_BYTES = 46,
    LOCAL_BYTES = 30,
    MAX_COMMENT = 65535,
    EXTRA_ZIP64 = 1,
    FLAG_ENCRYPTED = 1 << 0,
    FLAG_DESCRIPTOR = 1 << 3, /* sizes and checksum follow the data */
    FLAG_PATCH = 1 << 5,
    FLAG_STRONG = 1 << 6,
    FLAG_HIDDEN = 1 << 13 /* names are masked */
};

#define SIGNATURE_END UINT64_C(0x06054b50)
#define SIGNATURE_END64 UINT64_C(0x06064b50)
#define SIGNATURE_LOCATOR UINT64_C(0x07064b50)
#define SIGNATURE_CENTRAL UINT64_C(0x02014b50)
#define SIGNATURE_LOCAL UINT64_C(0x04034b50)
#define SIGNATURE_DESCRIPTOR UINT64_C(0x08074b50)

#define ALL16 UINT64_C(0xffff)
#define ALL32 UINT64_C(0xffffffff)

typedef struct reader {
    const unsigned char *data;
    size_t len;
    uint64_t directory, end; /* the central directory: [directory, end) */
    uint64_t n;
    kw_arena *arena;
    kw_error *err;
} reader;

/* What a header says of an entry, before it is believed. */
typedef struct header {
    kw_str name;
    uint64_t flags, method, crc, packed, full, start;
} header;

static uint64_t load(const unsigned char *src, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = bytes; i-- > 0;)
        v = v << 8 | src[i];
    return v;
}

/* True when [at, at + n) lies below `end`. */
static bool within(uint64_t at, uint64_t n, uint64_t end)
{
    return at <= end && n <= end - at;
}

/* ---- the end of the archive ---- */

static bool find_end(const reader *r, size_t *at)
{
    for (size_t comment = 0; comment <= MAX_COMMENT && comment + END_BYTES <= r->len; comment++) {
        const size_t start = r->len - END_BYTES - comment;
        if (load(r->data + start, 4) == SIGNATURE_END && load(r->data + start + 20, 2) == comment) {
            *at = start;
            return true;
        }
    }
    return false;
}

/* The wide record before the locator at `at`; the narrow record's values must agree with it where
 * they are not saturated. */
static kw_status read_end64(reader *r, size_t at, const uint64_t narrow[3])
{
    const unsigned char *const locator = r->data + at;
    const uint64_t start = load(locator + 8, 8);
    if (load(locator + 4, 4) != 0 || load(locator + 16, 4) > 1)
        return kw_fail(r->err, KW_E_UNSUPPORTED, "zip: an archive in several parts");
    if (!within(start, END64_BYTES, at) || load(r->data + start, 4) != SIGNATURE_END64 ||
        load(r->data + start + 4, 8) != at - start - 12)
        return kw_fail(r->err, KW_E_FORMAT,
                       "zip: no zip64 end record where its locator says (%" PRIu64 ")", start);
    const unsigned char *const wide = r->data + start;
    const uint64_t values[3] = {load(wide + 32, 8), load(wide + 40, 8), load(wide + 48, 8)};
    static const uint64_t saturated[3] = {ALL16, ALL32, ALL32};
    for (int i = 0; i < 3; i++) {
        if (narrow[i] != saturated[i] && narrow[i] != values[i])
            return kw_fail(r->err, KW_E_FORMAT,
                           "zip: its two end records disagree (%" PRIu64 " and %" PRIu64 ")",
                           narrow[i], values[i]);
    }
    if (load(wide + 16, 4) != 0 || load(wide + 20, 4) != 0 || load(wide + 24, 8) != values[0])
        return kw_fail(r->err, KW_E_UNSUPPORTED, "zip: an archive in several parts");
    r->n = values[0];
    r->directory = values[2];
    r->end = start;
    if (!within(r->directory, values[1], r->end) || r->directory + values[1] != r->end)
        return kw_fail(r->err, KW_E_FORMAT,
                       "zip: a directory of %" PRIu64 " bytes at %" PRIu64
                       " does not end at its end record (%" PRIu64 ")",
                       values[1], r->directory, r->end);
    return KW_OK;
}

static kw_status read_end(reader *r)
{
    size_t at = 0;
    if (!find_end(r, &at))
        return kw_fail(r->err, KW_E_FORMAT,
                       "zip: no end record: the archive is cut short (%zu bytes)", r->len);
    const unsigned char *const end = r->data + at;
    const uint64_t narrow[3] = {load(end + 10, 2), load(end + 12, 4), load(end + 16, 4)};
    if (at >= LOCATOR_BYTES && load(r->data + at - LOCATOR_BYTES, 4) == SIGNATURE_LOCATOR)
        return read_end64(r, at - LOCATOR_BYTES, narrow);
    if (load(end + 4, 2) != 0 || load(end + 6, 2) != 0 || load(end + 8, 2) != narrow[0])
        return kw_fail(r->err, KW_E_UNSUPPORTED, "zip: an archive in several parts");
    r->n = narrow[0];
    r->directory = narrow[2];
    r->end = at;
    if (!within(r->directory, narrow[1], r->end) || r->directory + narrow[1] != r->end)
        return kw_fail(r->err, KW_E_FORMAT,
                       "zip: a directory of %" PRIu64 " bytes at %" PRIu64
                       " does not end at its end record (%" PRIu64 ")",
                       narrow[1], r->directory, r->end);
    return KW_OK;
}

/* ---- one entry ---- */

/* Replaces saturated values by those of the zip64 field, in the order in which it has them. */
static kw_status widen(const reader *r, header *h, kw_str extra, bool with_start)
{
    uint64_t *const values[3] = {&h->full, &h->packed, &h->start};
    const unsigned char *const data = (const unsigned char *)extra.data;
    for (size_t at = 0; extra.len - at >= 4;) {
        const uint64_t id = load(data + at, 2), n = load(data + at + 2, 2);
        at += 4;
        if (n > extra.len - at)
            break;
        uint64_t used = 0;
        for (int i = 0; id == EXTRA_ZIP64 && i < 2 + with_start; i++) {
            if (*values[i] != ALL32)
                continue;
            if (n - used < 8)
                return kw_fail(r->err, KW_E_FORMAT, "zip: \"%.*s\": its zip64 sizes are cut short",
                               KW_FMT(h->name));
            *values[i] = load(data + at + used, 8);
            used += 8;
        }
        if (id == EXTRA_ZIP64)
            break;
        at += (size_t)n;
    }
    return KW_OK;
}

/* A relative path that stays where it is unpacked, on every system. */
static bool is_safe_path(kw_str name)
{
    size_t part = 0;
    if (name.len == 0 || name.len > KW_MAX_NAME || !kw_name_is_clean(name) || name.data[0] == '/')
        return false;
    for (size_t i = 0; i <= name.len; i++) {
        const char c = i < name.len ? name.data[i] : '/';
        if (c == '\\' || c == ':')
            return false;
        if (c != '/')
            continue;
        if (i - part == 2 && name.data[part] == '.' && name.data[part + 1] == '.')
            return false;
        part = i + 1;
    }
    return true;
}

static kw_status check_flags(const reader *r, const header *h)
{
    if (h->flags & (FLAG_ENCRYPTED | FLAG_STRONG | FLAG_HIDDEN))
        return kw_fail(r->err, KW_E_UNSUPPORTED, "zip: \"%.*s\" is encrypted", KW_FMT(h->name));
    if (h->flags & FLAG_PATCH)
        return kw_fail(r->err, KW_E_UNSUPPORTED, "zip: \"%.*s\" is a patch of another file",
                       KW_FMT(h->name));
    return KW_OK;
}

/* The directory's record at *at, which moves behind it. */
static kw_status read_central(const reader *r, uint64_t *at, header *h)
{
    if (!within(*at, CENTRAL_BYTES, r->end) || load(r->data + *at, 4) != SIGNATURE_CENTRAL)
        return kw_fail(r->err, KW_E_FORMAT, "zip: no entry in its directory at %" PRIu64, *at);
    const unsigned char *const p = r->data + *at;
    const uint64_t name_len = load(p + 28, 2), extra_len = load(p + 30, 2);
    const uint64_t n = CENTRAL_BYTES + name_len + extra_len + load(p + 32, 2);
    if (!within(*at, n, r->end))
        return kw_fail(r->err, KW_E_FORMAT, "zip: the entry at %" PRIu64 " runs past its directory",
                       *at);
    *h = (header){.name = {(const char *)p + CENTRAL_BYTES, (size_t)name_len},
                  .flags = load(p + 8, 2),
                  .method = load(p + 10, 2),
                  .crc = load(p + 16, 4),
                  .packed = load(p + 20, 4),
                  .full = load(p + 24, 4),
                  .start = load(p + 42, 4)};
    if (!is_safe_path(h->name))
        return kw_fail(r->err, KW_E_FORMAT,
                       "zip: the name of the entry at %" PRIu64
                       " leaves the archive or is not printable",
                       *at);
    if (load(p + 34, 2) != 0)
        return kw_fail(r->err, KW_E_UNSUPPORTED, "zip: an archive in several parts");
    *at += n;
    return widen(r, h, (kw_str){h->name.data + name_len, (size_t)extra_len}, true);
}

static kw_status disagree(const reader *r, const header *h, const char *what)
{
    return kw_fail(r->err, KW_E_FORMAT,
                   "zip: \"%.*s\": the directory and the entry's own header disagree about its %s",
                   KW_FMT(h->name), what);
}

/* The record behind the data of an entry whose header left its sizes open. Its signature may be
 * missing, and its sizes have four bytes or eight. */
static bool descriptor_agrees(const reader *r, uint64_t at, const header *h)
{
    for (size_t width = 4; width <= 8; width += 4) {
        for (size_t signature = 0; signature <= 4; signature += 4) {
            if (!within(at, signature + 4 + 2 * width, r->directory))
                continue;
            const unsigned char *const p = r->data + at;
            if ((signature == 0 || load(p, 4) == SIGNATURE_DESCRIPTOR) &&
                load(p + signature, 4) == h->crc && load(p + signature + 4, width) == h->packed &&
                load(p + signature + 4 + width, width) == h->full)
                return true;
        }
    }
    return false;
}

/* Compares the header before the data with the directory's; *data: where the data begins. */
static kw_status check_local(const reader *r, const header *h, uint64_t *data)
{
    if (!within(h->start, LOCAL_BYTES, r->directory) ||
        load(r->data + h->start, 4) != SIGNATURE_LOCAL)
        return kw_fail(r->err, KW_E_FORMAT, "zip: \"%.*s\": no header at %" PRIu64, KW_FMT(h->name),
                       h->start);
    const unsigned char *const p = r->data + h->start;
    const uint64_t name_len = load(p + 26, 2), extra_len = load(p + 28, 2);
    const uint64_t at = h->start + LOCAL_BYTES + name_len + extra_len;
    if (!within(h->start + LOCAL_BYTES, name_len + extra_len, r->directory) ||
        !within(at, h->packed, r->directory))
        return kw_fail(r->err, KW_E_FORMAT,
                       "zip: \"%.*s\": %" PRIu64 " bytes at %" PRIu64
                       " run past the directory (%" PRIu64 ")",
                       KW_FMT(h->name), h->packed, at, r->directory);
    header own = {.name = {(const char *)p + LOCAL_BYTES, (size_t)name_len},
                  .flags = load(p + 6, 2),
                  .crc = load(p + 14, 4),
                  .packed = load(p + 18, 4),
                  .full = load(p + 22, 4)};
    KW_TRY(widen(r, &own, (kw_str){own.name.data + name_len, (size_t)extra_len}, false));
    if (!kw_str_eq(own.name, h->name))
        return disagree(r, h, "name");
    if (own.flags != h->flags || load(p + 8, 2) != h->method)
        return disagree(r, h, "method");
    const bool open = (h->flags & FLAG_DESCRIPTOR) && own.packed == 0 && own.full == 0;
    if (!open && (own.packed != h->packed || own.full != h->full))
        return disagree(r, h, "size");
    if (open ? !descriptor_agrees(r, at + h->packed, h) : own.crc != h->crc)
        return disagree(r, h, open ? "size or checksum" : "checksum");
    if (h->method == 0 && h->packed != h->full)
        return kw_fail(r->err, KW_E_FORMAT, "zip: \"%.*s\": stored, but of two sizes",
                       KW_FMT(h->name));
    *data = at;
    return KW_OK;
}

static kw_status read_entry(const reader *r, uint64_t *at, kw_zip_entry *out)
{
    header h;
    uint64_t data = 0;
    KW_TRY(read_central(r, at, &h));
    KW_TRY(check_flags(r, &h));
    KW_TRY(check_local(r, &h, &data));
    *out = (kw_zip_entry){.name = h.name,
                          .header = h.start,
                          .offset = data,
                          .bytes = h.packed,
                          .crc = (uint32_t)h.crc,
                          .method = (uint16_t)h.method};
    return KW_OK;
}

/* ---- the archive ---- */

static int compare_entries(const void *left, const void *right)
{
    const kw_zip_entry *const a = left, *const b = right;
    return a->header < b->header ? -1 : a->header > b->header;
}

static kw_status check_overlaps(const kw_zip *zip, kw_error *err)
{
    for (size_t i = 1; i < zip->n; i++) {
        const kw_zip_entry *const before = &zip->entries[i - 1];
        if (before->offset + before->bytes > zip->entries[i].header)
            return kw_fail(err, KW_E_FORMAT, "zip: \"%.*s\" overlaps \"%.*s\"",
                           KW_FMT(zip->entries[i].name), KW_FMT(before->name));
    }
    return KW_OK;
}

kw_status kw_zip_open(kw_str bytes, kw_arena *arena, kw_zip *out, kw_error *err)
{
    reader r = {
        .data = (const unsigned char *)bytes.data, .len = bytes.len, .arena = arena, .err = err};
    kw_zip zip = {.bytes = bytes};
    KW_TRY(read_end(&r));
    if (r.n > KW_ZIP_MAX_ENTRIES || r.n > (r.end - r.directory) / CENTRAL_BYTES)
        return kw_fail(err, KW_E_LIMIT,
                       "zip: %" PRIu64 " entries (at most %zu, and what %" PRIu64
                       " bytes can hold)",
                       r.n, KW_ZIP_MAX_ENTRIES, r.end - r.directory);
    zip.n = (size_t)r.n;
    zip.entries = kw_arena_array(arena, zip.n, sizeof *zip.entries);
    if (!zip.entries)
        return kw_fail(err, KW_E_NOMEM, "zip: no memory for %zu entries", zip.n);
    uint64_t at = r.directory;
    for (size_t i = 0; i < zip.n; i++)
        KW_TRY(read_entry(&r, &at, &zip.entries[i]));
    if (at != r.end)
        return kw_fail(err, KW_E_FORMAT, "zip: %" PRIu64 " bytes of its directory are no entry",
                       r.end - at);
    if (zip.n > 1)
        qsort(zip.entries, zip.n, sizeof *zip.entries, compare_entries);
    KW_TRY(check_overlaps(&zip, err));
    KW_TRY(kw_name_index_build(&zip.index, arena, zip.entries, sizeof *zip.entries, zip.n,
                               "zip: entry", err));
    *out = zip;
    return KW_OK;
}

const kw_zip_entry *kw_zip_find(const kw_zip *zip, kw_str name)
{
    const size_t i = kw_name_index_find(&zip->index, name);
    return i == KW_NOT_FOUND ? NULL : &zip->entries[i];
}

kw_status kw_zip_data(const kw_zip *zip, const kw_zip_entry *entry, kw_str *out, kw_error *err)
{
    if (entry->method != 0)
        return kw_fail(err, KW_E_UNSUPPORTED,
                       "zip: \"%.*s\" is compressed (%s, method %u); stored entries can be read",
                       KW_FMT(entry->name), entry->method == 8 ? "deflate" : "not deflate",
                       (unsigned)entry->method);
    *out = (kw_str){zip->bytes.data + (size_t)entry->offset, (size_t)entry->bytes};
    return KW_OK;
}

/* The checksum of IEEE 802.3, half a byte at a time: what is checked is small. */
static uint32_t crc32(kw_str bytes)
{
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
                                       0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                       0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t c = 0xffffffff;
    for (size_t i = 0; i < bytes.len; i++) {
        c ^= (unsigned char)bytes.data[i];
        c = c >> 4 ^ table[c & 15];
        c = c >> 4 ^ table[c & 15];
    }
    return ~c;
}

kw_status kw_zip_checked(const kw_zip *zip, const kw_zip_entry *entry, kw_str *out, kw_error *err)
{
    kw_str bytes;
    KW_TRY(kw_zip_data(zip, entry, &bytes, err));
    const uint32_t computed = crc32(bytes);
    if (entry->crc != 0 && computed != entry->crc)
        return kw_fail(err, KW_E_FORMAT,
                       "zip: \"%.*s\": checksum %08" PRIx32 " where %08" PRIx32 " is recorded",
                       KW_FMT(entry->name), computed, entry->crc);
    *out = bytes;
    return KW_OK;
}
