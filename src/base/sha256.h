/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sha256.h - SHA-256 (FIPS 180-4) with SHA-NI and ARMv8 kernels beside the scalar one. */
#ifndef KW_BASE_SHA256_H
#define KW_BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Absorbs n blocks of 64 bytes into state[8]. */
typedef void (*kw_sha256_fn)(uint32_t state[8], const uint8_t *blocks, size_t n);

typedef struct kw_sha256 {
    kw_sha256_fn absorb;
    uint32_t state[8];
    uint64_t n_bytes;
    uint8_t buffer[64];
} kw_sha256;

/* The fastest kernel when the processor has the SHA extension, else the scalar one. */
kw_sha256_fn kw_sha256_kernel(bool has_sha_extension);
void kw_sha256_init(kw_sha256 *hash, kw_sha256_fn kernel);
void kw_sha256_update(kw_sha256 *hash, const void *data, size_t len);
void kw_sha256_final(kw_sha256 *hash, uint8_t digest[32]);
/* 64 lower-case hex digits and a terminator. */
void kw_sha256_hex(const uint8_t digest[32], char out[65]);

#endif
