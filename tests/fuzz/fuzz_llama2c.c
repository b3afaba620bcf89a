/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_llama2c.c - any bytes open as a checkpoint of llama2.c or fail, and are a tokenizer of six
 * tokens or fail. */
#include "touch_model.h"

#include "format/llama2c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_arena arena = {0};
    kw_image image = {0};
    kw_error err = {0};
    open_and_touch(data, size);
    const kw_str bytes = {(const char *)data, size};
    const kw_status status = kw_llama2c_vocab(bytes, 6, &arena, &image, &err);
    promise(status == KW_OK || (err.code == status && err.message[0] != '\0'));
    for (size_t i = 0; status == KW_OK && i < image.n_metas; i++)
        touch_value(&image.metas[i].value);
    kw_arena_free(&arena);
    return 0;
}
