/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_hub_manifest.c - any bytes as a manifest: what is read keeps the rules, and is written in a
 * form that reads as the same. */
#include "hub/manifest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_manifest manifest, again;
    kw_buf text = {0}, same = {0};
    if (kw_manifest_get((kw_str){(const char *)data, size}, &manifest, NULL) != KW_OK)
        return 0;
    for (size_t i = 0; i < manifest.n_files; i++) {
        require(kw_manifest_name_ok(kw_str_from(manifest.files[i].name)));
        require(kw_manifest_find(&manifest, manifest.files[i].name) == &manifest.files[i]);
    }
    require(kw_manifest_put(&manifest, &text, NULL) == KW_OK);
    require(kw_manifest_get((kw_str){text.data, text.len}, &again, NULL) == KW_OK);
    require(kw_manifest_put(&again, &same, NULL) == KW_OK);
    require(text.len == same.len && memcmp(text.data, same.data, text.len) == 0);
    kw_buf_free(&text);
    kw_buf_free(&same);
    kw_manifest_free(&manifest);
    kw_manifest_free(&again);
    return 0;
}
