/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unpack_iq.inc.h - the types of class K with a codebook.
 *
 * A group is looked up as magnitudes. gemv gives their signs to the activations, which are there
 * once for four rows, so nothing has to be added to the weights; panels hold signed weights with a
 * bias. iq1 has no signs. iq1_s: what moves a group up or down is a multiple of its scale, so it is
 * part of the sum of minima. iq1_m: it changes with each entry and goes into the weights. */

enum { IQ1_PLUS = 9, IQ1_MINUS = 7 }; /* added to 8 * (w + 1): 16 too much */

/* The four fields of seven bits of each word as bytes; their number of ones made even. */
static KV_INLINE void signs_of_fields(uint8_t signs[32], const uint32_t words[8])
{
    uint32_t out[8];
    for (int g = 0; g < 8; g++) {
        const uint32_t two = (words[g] & 0x3fff) | (words[g] & 0xfffc000) << 2;
        const uint32_t four = (two & 0x007f007f) | (two & 0x3f803f80) << 1;
        uint32_t odd = four ^ four >> 4;
        odd ^= odd >> 2;
        odd ^= odd >> 1;
        out[g] = four | (odd & 0x01010101) << 7;
    }
    memcpy(signs, out, sizeof out);
}

/* Signs (and the scale, on top) of the xxs types: a word for each group, `stride` bytes apart. */
static KV_INLINE void words_xxs(uint32_t words[8], const uint8_t *at, size_t stride)
{
    for (size_t g = 0; g < 8; g++)
        words[g] = kv_u32(at + g * stride);
}

static KV_INLINE void words_of(const k_type type, uint32_t words[8], const uint8_t *block)
{
    if (type.dtype == KW_IQ2_XXS)
        words_xxs(words, block + offsetof(kw_block_iq2_xxs, qs) + 4, 8);
    else
        words_xxs(words, block + offsetof(kw_block_iq3_xxs, signs), 4);
}

static KV_INLINE void signs_iq2_xs(uint8_t signs[32], const uint8_t *block)
{
    const uint8_t *qs = block + offsetof(kw_block_iq2_xs, qs);
    for (int i = 0; i < 32; i++) {
        const uint8_t seven = qs[2 * i + 1] >> 1;
        uint8_t odd = seven ^ seven >> 4;
        odd ^= odd >> 2;
        odd ^= odd >> 1;
        signs[i] = (uint8_t)(seven | odd << 7);
    }
}

/* A bit for each weight of a superblock. */
static KV_INLINE void signs_iq(const k_type type, uint8_t signs[32], const uint8_t *block)
{
    uint32_t words[8];
    switch (type.dtype) {
    case KW_IQ2_XS:
        signs_iq2_xs(signs, block);
        break;
    case KW_IQ2_S:
        memcpy(signs, block + offsetof(kw_block_iq2_s, signs), 32);
        break;
    case KW_IQ3_S:
        memcpy(signs, block + offsetof(kw_block_iq3_s, signs), 32);
        break;
    default:
        words_of(type, words, block);
        signs_of_fields(signs, words);
    }
}

static KV_INLINE kv_b32 entries_iq2(const k_type type, const uint8_t *block, int g)
{
    const uint8_t *qs = block + offsetof(kw_block_iq2_xxs, qs);
    const uint32_t high = block[offsetof(kw_block_iq2_s, qh) + (size_t)g];
    uint64_t w[4];
    KV_UNROLL
    for (int i = 0; i < 4; i++) {
        if (type.dtype == KW_IQ2_XXS)
            w[i] = kw_iq2_xxs_grid[qs[8 * g + i]];
        else if (type.dtype == KW_IQ2_XS)
            w[i] = kw_iq2_xs_grid[kv_u16(qs + 8 * g + 2 * i) & 511];
        else
            w[i] = kw_iq2_s_grid[qs[4 * g + i] | (high << (8 - 2 * i) & 0x300)];
    }
    return kv_words(w[0], w[1], w[2], w[3]);
}

static KV_INLINE kv_b32 entries_iq3(const k_type type, const uint8_t *block, int g)
{
    const uint8_t *qs = block + offsetof(kw_block_iq3_xxs, qs) + 8 * g;
    const uint32_t high = block[offsetof(kw_block_iq3_s, qh) + (size_t)g];
    uint64_t w[4];
    KV_UNROLL
    for (int i = 0; i < 4; i++) {
        uint32_t a, b;
        if (type.dtype == KW_IQ3_XXS) {
            a = kw_iq3_xxs_grid[qs[2 * i]];
            b = kw_iq3_xxs_grid[qs[2 * i + 1]];
        } else {
            a = kw_iq3_s_grid[qs[2 * i] | (high << (8 - 2 * i) & 0x100)];
            b = kw_iq3_s_grid[qs[2 * i + 1] | (high << (7 - 2 * i) & 0x100)];
        }
        w[i] = a | (uint64_t)b << 32;
    }
    return kv_words(w[0], w[1], w[2], w[3]);
}

static KV_INLINE kv_b32 entries_iq1_s(const uint8_t *block, int g)
{
    const uint8_t *qs = block + offsetof(kw_block_iq1_s, qs) + 4 * g;
    const uint32_t qh = kv_u16(block + offsetof(kw_block_iq1_s, qh) + 2 * g);
    uint64_t w[4];
    KV_UNROLL
    for (int i = 0; i < 4; i++)
        w[i] = kw_iq1_grid[qs[i] | (qh << 8 >> (3 * i) & 0x700)];
    return kv_words(w[0], w[1], w[2], w[3]);
}

static KV_INLINE kv_b32 entries_iq1_m(const uint8_t *block, int g)
{
    const uint64_t ones = 0x0101010101010101;
    const uint8_t *qs = block + offsetof(kw_block_iq1_m, qs) + 4 * g;
    const uint32_t qh = kv_u16(block + offsetof(kw_block_iq1_m, qh) + 2 * g);
    uint64_t w[4];
    KV_UNROLL
    for (int i = 0; i < 4; i++) {
        const uint32_t high = qh >> (4 * i);
        w[i] = kw_iq1_grid[qs[i] | (high & 7) << 8] + ones * (high & 8 ? IQ1_MINUS : IQ1_PLUS);
    }
    return kv_words(w[0], w[1], w[2], w[3]);
}

/* Group g without its signs. */
static KV_INLINE kv_b32 entries_iq(const k_type type, const uint8_t *block, int g)
{
    switch (type.dtype) {
    case KW_IQ3_XXS:
    case KW_IQ3_S:
        return entries_iq3(type, block, g);
    case KW_IQ1_S:
        return entries_iq1_s(block, g);
    case KW_IQ1_M:
        return entries_iq1_m(block, g);
    default:
        return entries_iq2(type, block, g);
    }
}

/* Half 0 or 1 of a superblock, for a panel: signed weights with their bias. */
static KV_INLINE void unpack_iq(const k_type type, kv_b32 w[4], const uint8_t *block, int half)
{
    uint8_t signs[32];
    if (type.has_signs)
        signs_iq(type, signs, block);
    for (int i = 0; i < 4; i++) {
        const int g = 4 * half + i;
        w[i] = entries_iq(type, block, g);
        if (type.has_signs)
            w[i] = kv_add_bytes(kv_negate(w[i], signs + 4 * g), kv_spread_bits(~0u, type.bias));
    }
}

/* ---- scales ---- */

/* Eight odd scales of the xxs types and of iq3_s, one per 32 weights. */
static KV_INLINE void scales_of_groups(const k_type type, uint8_t scale[8], const uint8_t *block)
{
    if (type.dtype == KW_IQ3_S) {
        const uint8_t *packed = block + offsetof(kw_block_iq3_s, scales);
        for (int g = 0; g < 8; g++)
            scale[g] = (uint8_t)(2 * (packed[g / 2] >> (g % 2 * 4) & 15) + 1);
        return;
    }
    uint32_t words[8];
    words_of(type, words, block);
    for (int g = 0; g < 8; g++)
        scale[g] = (uint8_t)(2 * (words[g] >> 28) + 1);
}

/* Sixteen of iq2_xs, iq2_s (nibbles) and iq1_m. */
static KV_INLINE void scales_of_halves(const k_type type, int8_t scale[16], const uint8_t *block)
{
    if (type.dtype == KW_IQ1_M) {
        const uint8_t *packed = block + offsetof(kw_block_iq1_m, scales);
        for (int i = 0; i < 16; i++)
            scale[i] = (int8_t)(2 * (kv_u16(packed + i / 4 * 2) >> (i % 4 * 3) & 7) + 1);
        return;
    }
    const uint8_t *packed = block + (type.dtype == KW_IQ2_S ? offsetof(kw_block_iq2_s, scales)
                                                            : offsetof(kw_block_iq2_xs, scales));
    for (int i = 0; i < 8; i++) {
        scale[2 * i] = (int8_t)(2 * (packed[i] & 15) + 1);
        scale[2 * i + 1] = (int8_t)(2 * (packed[i] >> 4) + 1);
    }
}

static KV_INLINE void scales_iq1_s(kv_h16 *scale, kv_h16 *min, const uint8_t *block)
{
    uint8_t bytes[8], mins[8];
    for (int g = 0; g < 8; g++) {
        const uint16_t qh = kv_u16(block + offsetof(kw_block_iq1_s, qh) + 2 * g);
        bytes[g] = (uint8_t)(2 * (qh >> 12 & 7) + 1);
        mins[g] = (uint8_t)(bytes[g] * (qh >> 15 ? 9 : 7)); /* the table has 8 * (w + 1) */
    }
    *scale = kv_twice(kv_u64(bytes));
    *min = kv_twice(kv_u64(mins));
}

static KV_INLINE void scales_iq(const k_type type, kv_h16 *scale, kv_h16 *min, const uint8_t *block)
{
    if (type.dtype == KW_IQ1_S) {
        scales_iq1_s(scale, min, block);
    } else if (type.halves) {
        int8_t bytes[16];
        scales_of_halves(type, bytes, block);
        *scale = *min = kv_widen_i8(bytes);
    } else {
        uint8_t bytes[8];
        scales_of_groups(type, bytes, block);
        *scale = *min = kv_twice(kv_u64(bytes));
    }
}

#define IQ_TYPE(name, block, d, type_kind, type_bias, per_16, signs, shift)                        \
    ((k_type){.dtype = (name),                                                                     \
              .block_bytes = sizeof(block),                                                        \
              .d_at = (d),                                                                         \
              .kind = (type_kind),                                                                 \
              .bias = (type_bias),                                                                 \
              .halves = (per_16),                                                                  \
              .is_iq = true,                                                                       \
              .has_signs = (signs),                                                                \
              .d_shift = (shift)})

#define TYPE_IQ2_XXS IQ_TYPE(KW_IQ2_XXS, kw_block_iq2_xxs, 0, KV_U7, 64, false, true, 3)
#define TYPE_IQ2_XS IQ_TYPE(KW_IQ2_XS, kw_block_iq2_xs, 0, KV_U7, 64, true, true, 3)
#define TYPE_IQ2_S IQ_TYPE(KW_IQ2_S, kw_block_iq2_s, 0, KV_U7, 64, true, true, 3)
#define TYPE_IQ3_XXS IQ_TYPE(KW_IQ3_XXS, kw_block_iq3_xxs, 0, KV_U7, 64, false, true, 2)
#define TYPE_IQ3_S IQ_TYPE(KW_IQ3_S, kw_block_iq3_s, 0, KV_U5, 16, false, true, 0)
#define TYPE_IQ1_S IQ_TYPE(KW_IQ1_S, kw_block_iq1_s, 0, KV_U5, 1, false, false, 3)
#define TYPE_IQ1_M IQ_TYPE(KW_IQ1_M, kw_block_iq1_m, 0, KV_U5, 16, true, false, 3)
