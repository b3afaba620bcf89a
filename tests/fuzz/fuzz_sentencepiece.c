/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_sentencepiece.c - any bytes are a SentencePiece model that works, or are refused. */
#include "touch_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_tokenizer *t;
    if (kw_tokenizer_from_sentencepiece((kw_str){(const char *)data, size}, "fuzz", &t, NULL) !=
        KW_OK)
        return 0;
    touch_tokenizer(t, data, size);
    kw_tokenizer_free(t);
    return 0;
}
