/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rng.h - a counter-based generator: draw i of stream (seed, stream) is a pure function, so a seed
 * gives the same tokens on every machine, in any order of asking.
 * Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox 4x32-10). */
#ifndef KW_BASE_RNG_H
#define KW_BASE_RNG_H

#include <stdint.h>

/* One Philox 4x32-10 block. */
void kw_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
/* Draw `index` of a stream: uniform in [0, 1), a multiple of 2^-24. */
float kw_rng_uniform(uint64_t seed, uint64_t stream, uint64_t index);
uint32_t kw_rng_u32(uint64_t seed, uint64_t stream, uint64_t index);

#endif
