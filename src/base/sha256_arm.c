/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sha256_arm.c - SHA-256 with the SHA-2 instructions of ARMv8, four rounds each.
 * Source: FIPS 180-4 section 6.2; Arm Architecture Reference Manual, SHA256H, SHA256SU0. */
#include "base/sha256_kernels.h"

#if defined(__aarch64__)

#include <arm_neon.h>

__attribute__((target("+crypto"))) void kw_sha256_absorb_arm(uint32_t state[8],
                                                             const uint8_t *blocks, size_t n)
{
    uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);
    for (; n > 0; n--, blocks += 64) {
        const uint32x4_t abcd_before = abcd, efgh_before = efgh;
        uint32x4_t w[4];
        for (size_t i = 0; i < 4; i++)
            w[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(blocks + 16 * i)));
        for (size_t t = 0; t < 64; t += 4) {
            const uint32x4_t wk = vaddq_u32(w[0], vld1q_u32(kw_sha256_constants + t));
            const uint32x4_t abcd_now = abcd;
            abcd = vsha256hq_u32(abcd, efgh, wk);
            efgh = vsha256h2q_u32(efgh, abcd_now, wk);
            /* Words of the last four turns are computed for nothing and not used. */
            const uint32x4_t next = vsha256su1q_u32(vsha256su0q_u32(w[0], w[1]), w[2], w[3]);
            w[0] = w[1];
            w[1] = w[2];
            w[2] = w[3];
            w[3] = next;
        }
        abcd = vaddq_u32(abcd, abcd_before);
        efgh = vaddq_u32(efgh, efgh_before);
    }
    vst1q_u32(state, abcd);
    vst1q_u32(state + 4, efgh);
}

#endif
