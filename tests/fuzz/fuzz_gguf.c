/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_gguf.c - any bytes after GGUF's magic open or fail, and what opens can be read whole. */
#include "touch_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_and_touch(data, size);
    return 0;
}
