/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_imatrix.c - any bytes as an importance matrix of the older form: what is read is finite and
 * lies in the arena. The GGUF form is read by the GGUF reader, which has a fuzzer of its own. */
#include "engine/imatrix.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_imatrix m = {0};
    if (kw_imatrix_parse((kw_str){(const char *)data, size}, &m, NULL) == KW_OK)
        for (size_t i = 0; i < m.n_entries; i++)
            for (size_t k = 0; k < m.entries[i].n; k++)
                if (!(m.entries[i].values[k] >= 0.0f) || !isfinite(m.entries[i].values[k]))
                    abort();
    kw_arena_free(&m.arena);
    return 0;
}
