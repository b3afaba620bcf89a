/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_numpy.c - any bytes open as an array, or an archive of them, or fail. */
#include "touch_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_and_touch(data, size);
    return 0;
}
