/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_pytorch.c - any bytes open as a checkpoint of either container or fail, and what opens can
 * be read whole. */
#include "touch_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_and_touch(data, size);
    return 0;
}
