/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_hub_listing.c - any JSON is refused, or lists files whose names stay in their folder. */
#include "hub/listing.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const kw_listing *listing)
{
    for (size_t i = 0; i < listing->n; i++) {
        const kw_listed *const file = &listing->files[i];
        promise(kw_path_is_safe(kw_str_from(file->name)));
        promise(memchr(file->url, 0, sizeof(file->url)) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const wants[] = {"", "Q4_K_M", "model.gguf"};
    const kw_str json = {(const char *)data, size};
    char commit[64];
    for (size_t i = 0; i < 3; i++) {
        kw_listing listing = {0};
        if (kw_listing_huggingface(json, &listing, NULL) == KW_OK) {
            check(&listing);
            const size_t n = listing.n;
            if (kw_listing_choose(&listing, wants[i], NULL) == KW_OK)
                promise(listing.n > 0 && listing.n <= n);
        }
        kw_listing_free(&listing);
    }
    kw_listing listing = {0};
    if (kw_listing_ollama(json, &listing, NULL) == KW_OK)
        check(&listing);
    kw_listing_free(&listing);
    if (kw_listing_commit(json, commit, sizeof(commit), NULL) == KW_OK)
        promise(kw_name_is_safe(kw_str_from(commit)));
    return 0;
}
