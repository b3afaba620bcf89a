/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_hub_journal.c - any bytes are the journal of a plan, which writes as the same bytes, or are
 * refused. The plan is what the bytes say it is. */
#include "hub/journal.h"
#include "promise.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t read_le(const uint8_t *data, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value |= (uint64_t)data[i] << 8 * i;
    return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_plan plan = {.size = 10 << 20, .block_size = 1 << 20};
    uint64_t n_blocks;
    if (size >= 52) {
        plan.size = read_le(data + 40, 8);
        plan.block_size = (uint32_t)read_le(data + 48, 4);
        memcpy(plan.digest, data + 8, 32);
    }
    if (kw_plan_blocks(&plan, &n_blocks, NULL) != KW_OK || n_blocks > 1 << 20)
        return 0;
    uint8_t *const bits = calloc(1, (size_t)(n_blocks + 7) / 8 + 1);
    kw_buf again = {0};
    if (bits && kw_journal_get((kw_bytes){data, size}, &plan, bits, NULL) == KW_OK) {
        kw_journal_put(&plan, bits, &again);
        promise(again.failed || (again.len == size && memcmp(again.data, data, size) == 0));
    }
    kw_buf_free(&again);
    free(bits);
    return 0;
}
