/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sha256_kernels.h - the kernels behind kw_sha256_kernel; for sha256*.c only. */
#ifndef KW_BASE_SHA256_KERNELS_H
#define KW_BASE_SHA256_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* FIPS 180-4 section 4.2.2. */
extern const uint32_t kw_sha256_constants[64];

/* Each is a kw_sha256_fn; those of a processor exist only in its builds. */
void kw_sha256_absorb_x86(uint32_t state[8], const uint8_t *blocks, size_t n);
void kw_sha256_absorb_arm(uint32_t state[8], const uint8_t *blocks, size_t n);

#endif
