/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sha1.c - SHA-1 of a short text. Source: FIPS 180-4, sections 5 and 6.1. */
#include "net/sha1.h"

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static void block(uint32_t h[5], const uint8_t in[64])
{
    static const uint32_t constants[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (size_t t = 0; t < 16; t++)
        w[t] = (uint32_t)in[4 * t] << 24 | (uint32_t)in[4 * t + 1] << 16 |
               (uint32_t)in[4 * t + 2] << 8 | in[4 * t + 3];
    for (size_t t = 16; t < 80; t++)
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    for (size_t t = 0; t < 80; t++) {
        const uint32_t choose = (b & c) | (~b & d), parity = b ^ c ^ d;
        const uint32_t majority = (b & c) | (b & d) | (c & d);
        const uint32_t f = t < 20 ? choose : t >= 40 && t < 60 ? majority : parity;
        const uint32_t next = rotate(a, 5) + f + e + constants[t / 20] + w[t];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void kw_sha1(kw_bytes data, uint8_t out[20])
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t tail[128] = {0};
    size_t at = 0;
    for (; data.len - at >= 64; at += 64)
        block(h, data.data + at);
    const size_t rest = data.len - at, end = rest < 56 ? 64 : 128;
    if (rest > 0)
        memcpy(tail, data.data + at, rest);
    tail[rest] = 0x80;
    for (size_t i = 0; i < 8; i++)
        tail[end - 1 - i] = (uint8_t)((uint64_t)data.len * 8 >> (8 * i));
    for (size_t i = 0; i < end; i += 64)
        block(h, tail + i);
    for (size_t i = 0; i < 20; i++)
        out[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}
