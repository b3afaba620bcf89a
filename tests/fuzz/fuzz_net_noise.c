/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_noise.c - any bytes as a message of the handshake, at each of its steps, and any bytes
 * as the payload in it: nothing that was not sealed with the keys of the two is taken, and nobody
 * is believed without a signature. The secrets are those of tests/unit/net/noise.c, whose messages
 * are seeds. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "net/noise.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void begin(kw_noise ends[2])
{
    uint8_t secrets[4][32];
    for (int i = 0; i < 4; i++)
        memset(secrets[i], 0x11 * (i + 1), 32);
    for (int i = 0; i < 2; i++)
        promise(kw_noise_begin(&ends[i], i == 0, (kw_bytes){0}, secrets[2 * i], secrets[2 * i + 1],
                               NULL) == KW_OK);
}

/* The messages before a step go by as they should; each ends with the payload "resp" or "init". */
static void lead_to(kw_noise ends[2], int steps)
{
    static const char *const payloads[] = {"", "resp", "init"};
    for (int step = 0; step < steps; step++) {
        kw_buf message = {0}, payload = {0};
        const kw_bytes text = {(const uint8_t *)payloads[step], strlen(payloads[step])};
        promise(kw_noise_write(&ends[step % 2], text, &message, NULL) == KW_OK);
        promise(kw_noise_read(&ends[1 - step % 2],
                              (kw_bytes){(const uint8_t *)message.data, message.len}, &payload,
                              NULL) == KW_OK);
        kw_buf_free(&message);
        kw_buf_free(&payload);
    }
}

static void take_message(kw_noise ends[2], int step, kw_bytes message)
{
    kw_buf payload = {0}, right = {0};
    kw_noise *const to = &ends[1 - step % 2];
    const kw_status status = kw_noise_read(to, message, &payload, NULL);
    promise(status != KW_OK || payload.len <= message.len);
    if (step > 0 && status == KW_OK) { /* only the one that the other end would have sent */
        static const char *const texts[] = {"", "resp", "init"};
        const kw_bytes text = {(const uint8_t *)texts[step], 4};
        promise(kw_noise_write(&ends[step % 2], text, &right, NULL) == KW_OK);
        promise(right.len == message.len && memcmp(right.data, message.data, right.len) == 0);
    }
    kw_buf_free(&payload);
    kw_buf_free(&right);
}

static void take_payload(const kw_noise *noise, kw_bytes payload)
{
    kw_bytes key;
    kw_peer_id peer;
    bool named, same;
    if (kw_noise_check(noise, payload, "/yamux/1.0.0", &key, &peer, &named, &same, NULL) != KW_OK)
        return;
    promise(key.data >= payload.data && key.data + key.len <= payload.data + payload.len);
    promise(peer.len > 0 && (named || !same));
}

/* The first byte says at which step, 3: as a payload. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static kw_noise at[3][2]; /* before each step; agreeing on keys is slow */
    static bool ready;
    for (int step = 0; step < 3 && !ready; step++) {
        begin(at[step]);
        lead_to(at[step], step);
    }
    ready = true;
    if (size == 0)
        return 0;
    const int step = data[0] % 4;
    const kw_bytes rest = {data + 1, size - 1};
    kw_noise ends[2];
    memcpy(ends, at[step == 3 ? 2 : step], sizeof ends);
    if (step < 3)
        take_message(ends, step, rest);
    else
        take_payload(&ends[0], rest);
    return 0;
}
