/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_ggml.c - any bytes behind the mark of a file from before GGUF open or fail. */
#include "touch_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_and_touch(data, size);
    return 0;
}
