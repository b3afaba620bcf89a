/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_safetensors.c - any bytes open as safetensors or fail, and what opens can be read whole. The
 * input is tried as it is, and as a header with its length put in front and all zero bytes behind
 * it as data, so that the fuzzer need not guess the length. */
#include "touch_model.h"

#include <string.h>

enum { LENGTH_BYTES = 8, DATA_BYTES = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_and_touch(data, size);
    for (size_t data_bytes = 0; data_bytes <= DATA_BYTES; data_bytes += DATA_BYTES / 2) {
        unsigned char *const file = calloc(1, LENGTH_BYTES + size + data_bytes);
        if (!file)
            return 0;
        for (size_t i = 0; i < LENGTH_BYTES; i++)
            file[i] = (unsigned char)((uint64_t)size >> (8 * i));
        if (size > 0)
            memcpy(file + LENGTH_BYTES, data, size);
        open_and_touch(file, LENGTH_BYTES + size + data_bytes);
        free(file);
    }
    return 0;
}
