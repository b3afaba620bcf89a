/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_zip.c - any bytes are an archive or fail; its entries lie inside it, apart from each other,
 * and are found under their names. */
#include "touch_model.h"

#include "format/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_arena arena = {0};
    kw_zip zip;
    kw_error err = {0};
    const kw_str bytes = {(const char *)data, size};
    const kw_status status = kw_zip_open(bytes, &arena, &zip, &err);
    promise(status == KW_OK || (err.code == status && err.message[0] != '\0'));
    uint64_t end = 0;
    for (size_t i = 0; status == KW_OK && i < zip.n; i++) {
        const kw_zip_entry *const entry = &zip.entries[i];
        kw_str content;
        promise(kw_zip_find(&zip, entry->name) == entry);
        promise(entry->header >= end && entry->offset > entry->header);
        end = entry->offset + entry->bytes;
        promise(end <= size);
        if (kw_zip_checked(&zip, entry, &content, NULL) == KW_OK)
            (void)touch_bytes(content.data, content.len);
    }
    kw_arena_free(&arena);
    return 0;
}
