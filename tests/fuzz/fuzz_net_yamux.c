/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_yamux.c - any bytes as what a peer sends behind the handshake: frames, and negotiations
 * of streams that echo, pause, reset and end as their bytes say. */
#include <stddef.h>
#include <stdint.h>

#include "muxer_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_frame(void *user, kw_bytes header, kw_bytes payload)
{
    (void)user;
    promise(header.len == KW_YAMUX_HEADER && (payload.len == 0 || payload.data));
}

/* The first byte says how the rest is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const kw_muxer_owner owner = rig_owner(write_frame);
    muxer_rig r = {.muxer = {.max_window = KW_YAMUX_WINDOW * 2}};
    if (size == 0)
        return 0;
    const size_t step = data[0] ? data[0] : size;
    if (!rig_open(&r, &owner))
        return 0;
    for (size_t at = 1; at < size && !r.muxer.ended; at += step) {
        const size_t n = size - at < step ? size - at : step;
        kw_muxer_receive(&r.muxer, (kw_bytes){data + at, n});
        rig_turn(&r);
        r.muxer.now_ms++;
        if (at % 7 == 0)
            kw_muxer_tick(&r.muxer);
    }
    rig_end(&r);
    return 0;
}
