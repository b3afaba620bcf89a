/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_frame.c - any bytes as messages with their length in front: the same ones come out
 * however the bytes are cut, none is longer than the limit, and a broken length ends it. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/sha256.h"
#include "net/frame.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST 700

typedef struct seen {
    size_t n, bytes, stop_at;
    kw_sha256 hash;
} seen;

static bool on_message(void *user, kw_bytes message)
{
    seen *const s = user;
    promise(message.len <= MOST);
    kw_sha256_update(&s->hash, &message.len, sizeof message.len);
    kw_sha256_update(&s->hash, message.data, message.len);
    s->bytes += message.len;
    return ++s->n != s->stop_at;
}

static kw_status run(kw_bytes in, size_t step, size_t stop_at, uint8_t digest[32])
{
    kw_frames frames = {.max = MOST};
    seen s = {.stop_at = stop_at};
    kw_status status = KW_OK;
    kw_sha256_init(&s.hash, kw_sha256_kernel(false));
    while (status == KW_OK && in.len && (stop_at == 0 || s.n < stop_at)) {
        const size_t n = step < in.len ? step : in.len;
        status = kw_frames_feed(&frames, (kw_bytes){in.data, n}, on_message, &s, NULL);
        in = (kw_bytes){in.data + n, in.len - n};
    }
    promise(s.bytes <= s.n * MOST);
    kw_sha256_final(&s.hash, digest);
    kw_frames_free(&frames);
    return status;
}

/* The first byte says how it is cut, the second after which message the receiver stops. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t whole[32], cut[32];
    if (size < 2)
        return 0;
    const kw_bytes in = {data + 2, size - 2};
    const kw_status a = run(in, size, data[1] % 8, whole);
    const kw_status b = run(in, 1 + data[0], data[1] % 8, cut);
    promise(a == b && memcmp(whole, cut, 32) == 0);
    return 0;
}
