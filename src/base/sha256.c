/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sha256.c - SHA-256: padding, the scalar kernel, and the choice among kernels.
 * Source: FIPS 180-4, sections 4.1.2, 5.1.1, 5.3.3 and 6.2. */
#include "base/sha256.h"

#include <string.h>

#include "base/check.h"
#include "base/sha256_kernels.h"

const uint32_t kw_sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static uint32_t load_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store_be32(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)(x >> 24);
    p[1] = (uint8_t)(x >> 16);
    p[2] = (uint8_t)(x >> 8);
    p[3] = (uint8_t)x;
}

static void expand(uint32_t w[64], const uint8_t *block)
{
    for (size_t t = 0; t < 16; t++)
        w[t] = load_be32(block + 4 * t);
    for (size_t t = 16; t < 64; t++) {
        const uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
        const uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }
}

static void absorb_scalar(uint32_t state[8], const uint8_t *blocks, size_t n)
{
    for (; n > 0; n--, blocks += 64) {
        uint32_t w[64];
        expand(w, blocks);
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
        for (size_t t = 0; t < 64; t++) {
            const uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
            const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kw_sha256_constants[t] + w[t];
            const uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
            const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
            h = g;
            g = f;
            f = e;
            e = d + t1;
            d = c;
            c = b;
            b = a;
            a = t1 + t2;
        }
        state[0] += a;
        state[1] += b;
        state[2] += c;
        state[3] += d;
        state[4] += e;
        state[5] += f;
        state[6] += g;
        state[7] += h;
    }
}

kw_sha256_fn kw_sha256_kernel(bool has_sha_extension)
{
#if defined(__x86_64__)
    return has_sha_extension ? kw_sha256_absorb_x86 : absorb_scalar;
#elif defined(__aarch64__)
    return has_sha_extension ? kw_sha256_absorb_arm : absorb_scalar;
#else
    (void)has_sha_extension;
    return absorb_scalar;
#endif
}

void kw_sha256_init(kw_sha256 *hash, kw_sha256_fn kernel)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memset(hash, 0, sizeof(*hash));
    hash->absorb = kernel;
    memcpy(hash->state, start, sizeof(start));
}

void kw_sha256_update(kw_sha256 *hash, const void *data, size_t len)
{
    if (len == 0)
        return;
    const uint8_t *bytes = data;
    const size_t held = (size_t)(hash->n_bytes % 64);
    hash->n_bytes += len;
    if (held > 0) {
        const size_t n = KW_MIN(64 - held, len);
        memcpy(hash->buffer + held, bytes, n);
        bytes += n;
        len -= n;
        if (held + n < 64)
            return;
        hash->absorb(hash->state, hash->buffer, 1);
    }
    if (len >= 64)
        hash->absorb(hash->state, bytes, len / 64);
    memcpy(hash->buffer, bytes + len / 64 * 64, len % 64);
}

void kw_sha256_final(kw_sha256 *hash, uint8_t digest[32])
{
    const uint64_t n_bits = hash->n_bytes * 8;
    const size_t held = (size_t)(hash->n_bytes % 64);
    uint8_t tail[128];
    memset(tail, 0, sizeof(tail));
    memcpy(tail, hash->buffer, held);
    tail[held] = 0x80;
    const size_t n_blocks = held < 56 ? 1 : 2;
    store_be32(tail + 64 * n_blocks - 8, (uint32_t)(n_bits >> 32));
    store_be32(tail + 64 * n_blocks - 4, (uint32_t)n_bits);
    hash->absorb(hash->state, tail, n_blocks);
    for (size_t i = 0; i < 8; i++)
        store_be32(digest + 4 * i, hash->state[i]);
}

void kw_sha256_hex(const uint8_t digest[32], char out[65])
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < 32; i++) {
        out[2 * i] = hex[digest[i] >> 4];
        out[2 * i + 1] = hex[digest[i] & 15];
    }
    out[64] = '\0';
}
