/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* iq_grids.h - the codebooks of the types with a grid: an entry has a byte for each of eight
 * weights, or of four, the first in the low byte. */
#ifndef KW_TENSOR_QUANT_IQ_GRIDS_H
#define KW_TENSOR_QUANT_IQ_GRIDS_H

#include <stdint.h>

/* Magnitudes 8, 25, 43. */
extern const uint64_t kw_iq2_xxs_grid[256];
extern const uint64_t kw_iq2_xs_grid[512];
extern const uint64_t kw_iq2_s_grid[1024];
/* Magnitudes 4, 12, 20, 28, 36, 44, 52, 62, and 1, 3, ... 15. */
extern const uint32_t kw_iq3_xxs_grid[256];
extern const uint32_t kw_iq3_s_grid[512];
/* 8 * (w + 1) for weights w of -1, 0, 1; of iq1_s and iq1_m. */
extern const uint64_t kw_iq1_grid[2048];

/* The seventh bit of a sign byte makes the number of minus signs even. */
static inline uint8_t kw_even_signs(uint32_t seven)
{
    uint32_t odd = seven & 127;
    odd ^= odd >> 4;
    odd ^= odd >> 2;
    odd ^= odd >> 1;
    return (uint8_t)((seven & 127) | (odd & 1) << 7);
}

#endif
