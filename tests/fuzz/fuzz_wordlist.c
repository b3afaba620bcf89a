/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_wordlist.c - any bytes are a vocab.txt that works, or are refused; and, as a map of
 * characters, one that keeps its promises. */
#include "touch_tokenizer.h"

#include "text/charsmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_map(kw_str bytes)
{
    static const char text[] = "a\xC2\xAA\xEF\xBC\xA1\xE2\x84\xABx \xEF\xB7\xBA";
    kw_arena arena = {0};
    kw_charsmap map;
    if (kw_charsmap_build(bytes, &arena, &map, NULL) == KW_OK) {
        for (size_t at = 0; at < sizeof(text) - 1; at++) {
            kw_str becomes = KW_STR("");
            const kw_str rest = {text + at, sizeof(text) - 1 - at};
            if (((unsigned char)text[at] & 0xC0) == 0x80)
                continue;
            promise(kw_charsmap_find(&map, rest, at % 2, &becomes) <= rest.len);
            promise(kw_utf8_valid(becomes.data, becomes.len));
        }
    }
    kw_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const kw_str text = {(const char *)data, size};
    kw_tokenizer *t;
    try_map(text);
    if (kw_tokenizer_from_wordlist(text, "fuzz", &t, NULL) != KW_OK)
        return 0;
    touch_tokenizer(t, data, size);
    kw_tokenizer_free(t);
    return 0;
}
