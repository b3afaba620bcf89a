/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_hub_car_stream.c - any bytes as an archive of a run: cut anywhere and held back now and then
 * the same comes out of it, and never more than the run. The first byte says where to cut; the run
 * is made of the two digests behind it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "hub/car_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LEAF 8u

typedef struct sink {
    kw_buf out;
    bool pauses;
    unsigned n;
} sink;

static kw_take take(void *user, kw_bytes bytes)
{
    sink *const s = user;
    if (s->pauses && s->n++ % 2 == 0)
        return KW_TAKE_PAUSE;
    kw_buf_add(&s->out, (const char *)bytes.data, bytes.len);
    return KW_TAKE_OK;
}

static bool run(const kw_ask *ask, kw_bytes in, size_t step, sink *to)
{
    kw_car_stream s = kw_car_stream_of(ask);
    while (in.len > 0) {
        const char *why;
        const size_t n = in.len < step ? in.len : step;
        const kw_take took = kw_car_stream_take(&s, (kw_bytes){in.data, n}, take, to, &why);
        if (took == KW_TAKE_STOP && !why)
            abort();
        if (took == KW_TAKE_STOP)
            return false;
        if (took == KW_TAKE_OK)
            in = (kw_bytes){in.data + n, in.len - n};
    }
    if (kw_car_stream_whole(&s) != (to->out.len == ask->len))
        abort();
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t leaves[2][32];
    if (size < 65)
        return 0;
    memcpy(leaves, data + 1, 64);
    const kw_ask ask = {.kind = KW_ASK_RANGE,
                        .len = LEAF + 3,
                        .leaves = (const uint8_t(*)[32])leaves,
                        .leaf_size = LEAF};
    const kw_bytes in = {data + 65, size - 65};
    sink whole = {.pauses = false}, cut = {.pauses = true};
    const bool a = run(&ask, in, size, &whole), b = run(&ask, in, 1u + data[0], &cut);
    if (whole.out.failed || cut.out.failed)
        goto end;
    if (a != b || whole.out.len != cut.out.len || whole.out.len > ask.len ||
        (whole.out.len > 0 && memcmp(whole.out.data, cut.out.data, whole.out.len) != 0))
        abort();
end:
    kw_buf_free(&whole.out);
    kw_buf_free(&cut.out);
    return 0;
}
