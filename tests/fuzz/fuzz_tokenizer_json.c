/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_tokenizer_json.c - any bytes make a tokenizer or fail: as tokenizer.json when they start
 * with '{', as tokenizer_config.json over a small vocabulary when with '[', else as tiktoken ranks.
 */
#include "touch_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char base_json[] =
    "{\"model\":{\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}}";

/* The input, less its first byte, as a config. */
static void try_config(kw_str text)
{
    kw_arena arena = {0};
    kw_vocab vocab;
    kw_tokenizer *t;
    promise(kw_vocab_from_json(KW_STR(base_json), "base", &arena, &vocab, NULL) == KW_OK);
    vocab.custom_steps = text.len % 2 == 0;
    if (kw_vocab_apply_config(text, "config", &arena, &vocab, NULL) == KW_OK &&
        kw_tokenizer_create(&vocab, &t, NULL) == KW_OK) {
        touch_tokenizer(t, (const uint8_t *)text.data, text.len);
        kw_tokenizer_free(t);
    }
    kw_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const kw_str text = {(const char *)data, size};
    kw_tokenizer *t;
    kw_status status;
    if (size > 0 && data[0] == '[') {
        try_config((kw_str){text.data + 1, size - 1});
        return 0;
    }
    if (size > 0 && data[0] == '{')
        status = kw_tokenizer_from_json(text, "fuzz", &t, NULL);
    else
        status = kw_tokenizer_from_tiktoken(text, "fuzz", &t, NULL);
    if (status != KW_OK)
        return 0;
    touch_tokenizer(t, data, size);
    kw_tokenizer_free(t);
    return 0;
}
