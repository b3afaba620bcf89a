/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unpack_iq.inc.h - the types of class K with a codebook.
 *
 * A group is looked up as magnitudes. gemv gives their signs to the activations, which are there
 * once for four rows, so nothing has to be added to the weights; panels hold signed weights with a
 * bias. iq1 has no signs. iq1_s: what moves a group up or down is a multiple of its scale, so it is
 * part of the sum of minima. iq1_m: it changes with each entry and goes into the weights. */

enum { IQ1_PLUS = 9, IQ1_MINUS = 7 }; /* added to 8 * (w + 1): 16 too much */

/* ---- signs: a bit for each weight of a superblock ---- */

/* Of the xxs types: a word for each group, the scale on top, `stride` bytes apart. */
static KV_INLINE void words_xxs(const k_type type, uint32_t words[8], const uint8_t *block)
{
    const bool two = type.dtype == KW_IQ2_XXS;
    const uint8_t *at =
        block + (two ? offsetof(kw_block_iq2_xxs, qs) + 4 : offsetof(kw_block_iq3_xxs, signs));
    for (size_t g = 0; g < 8; g++)
        words[g] = kv_u32(at + g * (two ? 8 : 4));
}

/* Four fields of seven bits become bytes. */
static KV_INLINE void signs_xxs(const k_type type, uint8_t signs[32], const uint8_t *block)
{
    uint32_t words[8];
    words_xxs(type, words, block);
    for (size_t g = 0; g < 8; g++) {
        const uint32_t two = (words[g] & 0x3fff) | (words[g] & 0xfffc000) << 2;
        words[g] = (two & 0x007f007f) | (two & 0x3f803f80) << 1;
    }
    kv_store_b32(signs, kv_even_signs(kv_load_b32(words)));
}

static KV_INLINE void signs_iq2_xs(uint8_t signs[32], const uint8_t *block)
{
    uint8_t seven[32];
    for (size_t i = 0; i < 32; i++)
        seven[i] = (uint8_t)(kv_u16(block + offsetof(kw_block_iq2_xs, qs) + 2 * i) >> 9);
    kv_store_b32(signs, kv_even_signs(kv_load_b32(seven)));
}

/* Where the signs are; those that have to be computed go to `room`. */
static KV_INLINE const uint8_t *signs_iq(const k_type type, uint8_t room[32], const uint8_t *block)
{
    switch (type.dtype) {
    case KW_IQ2_S:
        return block + offsetof(kw_block_iq2_s, signs);
    case KW_IQ3_S:
        return block + offsetof(kw_block_iq3_s, signs);
    case KW_IQ2_XS:
        signs_iq2_xs(room, block);
        return room;
    default:
        signs_xxs(type, room, block);
        return room;
    }
}

/* ---- entries ---- */

/* The number of each entry of a superblock whose numbers have more than eight bits. Loops over
 * whole arrays, which compilers turn into vectors: one entry at a time would cost as much as its
 * use. */
typedef struct iq_index {
    uint16_t of[64];
    uint64_t add[32]; /* iq1_m: what moves the entry */
} iq_index;

/* The four fields of x of `bits` bits each as bytes. */
static KV_INLINE uint32_t apart(uint32_t x, int bits)
{
    const uint32_t field = (1u << bits) - 1;
    return (x & field) | (x << (8 - bits) & field << 8) | (x << (16 - 2 * bits) & field << 16) |
           (x << (24 - 3 * bits) & field << 24);
}

static KV_INLINE void index_iq2_s(iq_index *index, const uint8_t *block)
{
    uint32_t high[8];
    for (size_t g = 0; g < 8; g++)
        high[g] = apart(block[offsetof(kw_block_iq2_s, qh) + g], 2);
    kv_zip_store(index->of, kv_load_b32(block + offsetof(kw_block_iq2_s, qs)), kv_load_b32(high));
}

static KV_INLINE void index_iq3_s(iq_index *index, const uint8_t *block)
{
    const uint8_t *qs = block + offsetof(kw_block_iq3_s, qs);
    const uint8_t *qh = block + offsetof(kw_block_iq3_s, qh);
    kv_zip_store(index->of, kv_load_b32(qs), kv_spread_bits(kv_u32(qh), 1));
    kv_zip_store(index->of + 32, kv_load_b32(qs + 32), kv_spread_bits(kv_u32(qh + 4), 1));
}

static KV_INLINE void index_iq1_s(iq_index *index, const uint8_t *block)
{
    uint32_t high[8];
    for (size_t g = 0; g < 8; g++)
        high[g] = apart(kv_u16(block + offsetof(kw_block_iq1_s, qh) + 2 * g), 3);
    kv_zip_store(index->of, kv_load_b32(block + offsetof(kw_block_iq1_s, qs)), kv_load_b32(high));
}

static KV_INLINE void index_iq1_m(iq_index *index, const uint8_t *block)
{
    uint16_t nibbles[16];
    for (size_t i = 0; i < 16; i++)
        nibbles[i] = (uint16_t)apart(block[offsetof(kw_block_iq1_m, qh) + i], 4);
    KV_MEMORY(nibbles);
    const uint8_t *high = (const uint8_t *)nibbles;
    kv_zip_store(index->of, kv_load_b32(block + offsetof(kw_block_iq1_m, qs)),
                 kv_bits_of(kv_load_b32(high), 0, 7));
    for (size_t i = 0; i < 32; i++)
        index->add[i] = high[i] & 8 ? IQ1_MINUS : IQ1_PLUS;
}

static KV_INLINE void index_iq(const k_type type, iq_index *index, const uint8_t *block)
{
    switch (type.dtype) {
    case KW_IQ2_XS:
        for (size_t i = 0; i < 32; i++)
            index->of[i] = kv_u16(block + offsetof(kw_block_iq2_xs, qs) + 2 * i) & 511;
        break;
    case KW_IQ2_S:
        index_iq2_s(index, block);
        break;
    case KW_IQ3_S:
        index_iq3_s(index, block);
        break;
    case KW_IQ1_S:
        index_iq1_s(index, block);
        break;
    case KW_IQ1_M:
        index_iq1_m(index, block);
        break;
    default:
        return; /* eight bits: read where they are */
    }
    KV_MEMORY(index->of);
}

/* Eight weights (iq3: four and four), entry e of its kind. */
static KV_INLINE uint64_t entry_iq(const k_type type, const uint8_t *block, const iq_index *index,
                                   size_t e)
{
    const uint8_t *qs = block + offsetof(kw_block_iq2_xxs, qs);
    switch (type.dtype) {
    case KW_IQ2_XXS:
        return kw_iq2_xxs_grid[qs[e / 4 * 8 + e % 4]];
    case KW_IQ2_XS:
        return kw_iq2_xs_grid[index->of[e]];
    case KW_IQ2_S:
        return kw_iq2_s_grid[index->of[e]];
    case KW_IQ3_XXS:
        return kw_iq3_xxs_grid[qs[2 * e]] | (uint64_t)kw_iq3_xxs_grid[qs[2 * e + 1]] << 32;
    case KW_IQ3_S:
        return kw_iq3_s_grid[index->of[2 * e]] | (uint64_t)kw_iq3_s_grid[index->of[2 * e + 1]]
                                                     << 32;
    case KW_IQ1_M:
        return kw_iq1_grid[index->of[e]] + index->add[e] * 0x0101010101010101;
    default:
        return kw_iq1_grid[index->of[e]];
    }
}

/* Group g without its signs. */
static KV_INLINE kv_b32 entries_iq(const k_type type, const uint8_t *block, const iq_index *index,
                                   size_t g)
{
    uint64_t w[4];
    KV_UNROLL
    for (size_t i = 0; i < 4; i++)
        w[i] = entry_iq(type, block, index, 4 * g + i);
    return kv_words(w[0], w[1], w[2], w[3]);
}

/* Half 0 or 1 of a superblock, for a panel: signed weights with their bias. */
static KV_INLINE void unpack_iq(const k_type type, kv_b32 w[4], const uint8_t *block, int half)
{
    iq_index index;
    index_iq(type, &index, block);
    uint8_t room[32];
    const uint8_t *signs = type.has_signs ? signs_iq(type, room, block) : NULL;
    for (size_t i = 0; i < 4; i++) {
        const size_t g = 4 * (size_t)half + i;
        w[i] = entries_iq(type, block, &index, g);
        if (type.has_signs)
            w[i] = kv_add_bytes(kv_negate(w[i], signs + 4 * g), kv_spread_bits(~0u, type.bias));
    }
}

/* ---- scales: 2 sc + 1, a byte each, several in a register ---- */

#define IQ_BYTES(x) ((x) * 0x0101010101010101u)

/* Eight of the types with one for each 32 weights. */
static KV_INLINE uint64_t scales_of_groups(const k_type type, const uint8_t *block)
{
    if (type.dtype == KW_IQ3_S) {
        uint64_t x = kv_u32(block + offsetof(kw_block_iq3_s, scales));
        x = (x | x << 16) & 0x0000ffff0000ffff;
        x = (x | x << 8) & 0x00ff00ff00ff00ff;
        x = (x | x << 4) & IQ_BYTES(0x0f);
        return x << 1 | IQ_BYTES(1);
    }
    uint32_t words[8];
    uint8_t scale[8];
    words_xxs(type, words, block);
    for (int g = 0; g < 8; g++)
        scale[g] = (uint8_t)(words[g] >> 28 << 1 | 1);
    return kv_u64(scale);
}

/* Sixteen of the types with one for each 16 weights, by turns from two registers. */
static KV_INLINE kv_h16 scales_of_halves(const k_type type, const uint8_t *block)
{
    if (type.dtype == KW_IQ1_M) {
        const uint64_t x = kv_u64(block + offsetof(kw_block_iq1_m, scales));
        const uint64_t low = 0x0007000700070007, high = low << 8;
        const uint64_t even = (x & low) | (x << 2 & high), odd = (x >> 3 & low) | (x >> 1 & high);
        return kv_zip(even << 1 | IQ_BYTES(1), odd << 1 | IQ_BYTES(1));
    }
    const uint64_t x = kv_u64(block + (type.dtype == KW_IQ2_S ? offsetof(kw_block_iq2_s, scales)
                                                              : offsetof(kw_block_iq2_xs, scales)));
    return kv_zip((x << 1 & IQ_BYTES(0x1e)) | IQ_BYTES(1), (x >> 3 & IQ_BYTES(0x1e)) | IQ_BYTES(1));
}

/* The low bytes of four and four u16. */
static KV_INLINE uint64_t low_bytes(uint64_t a, uint64_t b)
{
    a = (a | a >> 8) & 0x0000ffff0000ffff;
    b = (b | b >> 8) & 0x0000ffff0000ffff;
    return ((a | a >> 16) & 0xffffffff) | (b | b >> 16) << 32;
}

static KV_INLINE void scales_iq1_s(kv_h16 *scale, kv_h16 *min, const uint8_t *block)
{
    const uint8_t *qh = block + offsetof(kw_block_iq1_s, qh);
    const uint64_t a = kv_u64(qh), b = kv_u64(qh + 8), ones = 0x0001000100010001;
    const uint64_t sc = low_bytes(a >> 12 & 7 * ones, b >> 12 & 7 * ones) << 1 | IQ_BYTES(1);
    const uint64_t minus = low_bytes(a >> 15 & ones, b >> 15 & ones) * 0xff;
    *scale = kv_twice(sc);
    *min = kv_twice(7 * sc + 2 * (sc & minus)); /* the table has 8 * (w + 1) */
}

static KV_INLINE void scales_iq(const k_type type, kv_h16 *scale, kv_h16 *min, const uint8_t *block)
{
    if (type.dtype == KW_IQ1_S)
        scales_iq1_s(scale, min, block);
    else
        *scale = *min =
            type.halves ? scales_of_halves(type, block) : kv_twice(scales_of_groups(type, block));
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
