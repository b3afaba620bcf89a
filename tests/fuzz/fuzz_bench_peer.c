/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_bench_peer.c - the table of another benchmark: whatever it prints, rows are whole. */
#include "cli/bench_peer.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_peer_row rows[KW_PEER_MAX_ROWS];
    const size_t n = kw_peer_parse((const char *)data, size, rows);
    if (n > KW_PEER_MAX_ROWS)
        abort();
    for (size_t i = 0; i < n; i++)
        if (rows[i].test[0] == '\0' || !memchr(rows[i].test, '\0', sizeof rows[i].test) ||
            !isfinite(rows[i].rate) || rows[i].rate <= 0.0 || rows[i].n_threads < 0)
            abort();
    return 0;
}
