/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sha256_x86.c - SHA-256 with the SHA extensions of x86.
 *
 * The instructions hold the state as (a, b, e, f) and (c, d, g, h), highest lane first, and do two
 * rounds each. w0 .. w3 are the next sixteen message words, oldest first.
 * Source: FIPS 180-4 section 6.2; Intel SDM volume 2, SHA256RNDS2, SHA256MSG1, SHA256MSG2. */
#include "base/sha256_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

__attribute__((target("sha,sse4.1"))) static inline __m128i load_words(const uint8_t *p)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), swap);
}

__attribute__((target("sha,sse4.1"))) void kw_sha256_absorb_x86(uint32_t state[8],
                                                                const uint8_t *blocks, size_t n)
{
    /* (d, c, b, a) and (h, g, f, e) from memory, lowest lane last, to (a, b, e, f), (c, d, g, h).
     */
    const __m128i dcba = _mm_loadu_si128((const __m128i *)(const void *)state);
    const __m128i hgfe = _mm_loadu_si128((const __m128i *)(const void *)(state + 4));
    const __m128i cdab = _mm_shuffle_epi32(dcba, 0xB1), efgh = _mm_shuffle_epi32(hgfe, 0x1B);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
    __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
    for (; n > 0; n--, blocks += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w0 = load_words(blocks), w1 = load_words(blocks + 16);
        __m128i w2 = load_words(blocks + 32), w3 = load_words(blocks + 48);
        for (size_t t = 0; t < 64; t += 4) {
            const __m128i k =
                _mm_loadu_si128((const __m128i *)(const void *)(kw_sha256_constants + t));
            const __m128i wk = _mm_add_epi32(w0, k);
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0E));
            /* Words of the last four turns are computed for nothing and not used. */
            const __m128i w7 = _mm_alignr_epi8(w3, w2, 4); /* w[t - 7] */
            const __m128i next =
                _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), w7), w3);
            w0 = w1;
            w1 = w2;
            w2 = w3;
            w3 = next;
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    const __m128i feba = _mm_shuffle_epi32(abef, 0x1B), dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

#endif
