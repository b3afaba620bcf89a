/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gemv_x86.inc.h - gemv of q4_0 and q4_k for 256-bit registers, where lanes of 128 bits make the
 * common kernels pay for sums across lanes and for scales one row at a time.
 *
 * The arithmetic is that of gemv_s32.inc.h and gemv_k.inc.h; only the place of the integers in the
 * registers differs. */

/* The same 16 bytes in both halves; 16 bytes of one place and of another. */
static KV_INLINE __m256i both_halves(const uint8_t *p)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
}

static KV_INLINE __m256i two_halves(const uint8_t *a, const uint8_t *b)
{
    const __m256i low = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a));
    return _mm256_inserti128_si256(low, _mm_loadu_si128((const __m128i *)b), 1);
}

/* ---- q4_0: two rows share a register, two groups share the sum across lanes ---- */

/* Lanes of both groups: rows 0 and 1 of the first, of the second, rows 2 and 3 of the first, of the
 * second. */
typedef struct q4_0_pair {
    __m256i dot;
    __m256 scale;
} q4_0_pair;

static KV_INLINE __m256i q4_0_two_rows(const uint8_t *a, const uint8_t *b, __m256i low,
                                       __m256i high)
{
    const size_t at = offsetof(kw_block_q4_0, qs);
    const __m256i q = two_halves(a + at, b + at);
    return kv_dot_two(kv_low4(q), low, kv_high4(q), high);
}

/* One float, or pair of int16, of each group's activations in that group's lanes. */
static KV_INLINE __m256i q4_0_spread(const uint8_t *x, size_t at)
{
    const __m256i first = _mm256_set1_epi32((int32_t)kv_u32(x + at));
    const __m256i second = _mm256_set1_epi32((int32_t)kv_u32(x + KW_ACT_BLOCK + at));
    return _mm256_blend_epi32(first, second, 0xcc);
}

static KV_INLINE q4_0_pair q4_0_two_groups(const uint8_t *const row[4], size_t at, const uint8_t *x)
{
    const size_t next = at + sizeof(kw_block_q4_0);
    const __m256i low0 = both_halves(x), high0 = both_halves(x + 16);
    const __m256i low1 = both_halves(x + KW_ACT_BLOCK), high1 = both_halves(x + KW_ACT_BLOCK + 16);
    const __m256i a = q4_0_two_rows(row[0] + at, row[2] + at, low0, high0);
    const __m256i b = q4_0_two_rows(row[1] + at, row[3] + at, low0, high0);
    const __m256i c = q4_0_two_rows(row[0] + next, row[2] + next, low1, high1);
    const __m256i d = q4_0_two_rows(row[1] + next, row[3] + next, low1, high1);
    const __m256i sums = q4_0_spread(x, offsetof(kw_block_q8_act, sums));
    const __m256i bias = _mm256_madd_epi16(sums, _mm256_set1_epi16(8));
    __m128i h = _mm_cvtsi32_si128(kv_u16(row[0] + at));
    h = _mm_insert_epi16(h, kv_u16(row[1] + at), 1);
    h = _mm_insert_epi16(h, kv_u16(row[0] + next), 2);
    h = _mm_insert_epi16(h, kv_u16(row[1] + next), 3);
    h = _mm_insert_epi16(h, kv_u16(row[2] + at), 4);
    h = _mm_insert_epi16(h, kv_u16(row[3] + at), 5);
    h = _mm_insert_epi16(h, kv_u16(row[2] + next), 6);
    h = _mm_insert_epi16(h, kv_u16(row[3] + next), 7);
    const __m256 da = _mm256_castsi256_ps(q4_0_spread(x, offsetof(kw_block_q8_act, d)));
    return (q4_0_pair){_mm256_sub_epi32(kv_sum4_lanes(a, b, c, d), bias),
                       _mm256_mul_ps(_mm256_cvtph_ps(h), da)};
}

static KV_INLINE void gemv_q4_0_tile(float sums[4], const uint8_t *const row[4], const uint8_t *x,
                                     size_t n_groups, fetcher *fetch)
{
    const size_t block = sizeof(kw_block_q4_0);
    __m256 acc = _mm256_setzero_ps(); /* rows 0, 1, nothing, rows 2, 3, nothing */
    for (size_t g = 0; g + 2 <= n_groups; g += 2, x += (size_t)2 * KW_ACT_BLOCK) {
        const q4_0_pair pair = q4_0_two_groups(row, g * block, x);
        const __m256 terms = _mm256_mul_ps(pair.scale, _mm256_cvtepi32_ps(pair.dot));
        acc = _mm256_add_ps(acc, terms);
        acc = _mm256_add_ps(acc, _mm256_permute_ps(terms, 0x4e));
        fetch_next(fetch, 8 * block);
    }
    const __m128 first = _mm256_castps256_ps128(acc), second = _mm256_extractf128_ps(acc, 1);
    __m128 sum = _mm_movelh_ps(first, second);
    if (n_groups % 2)
        sum = s32_group(sum, row, (n_groups - 1) * block, x, TYPE_Q4_0);
    _mm_storeu_ps(sums, sum);
}

static void gemv_q4_0_x86(float *out, const void *w, size_t row_bytes, size_t n_rows, const void *x,
                          size_t k, const void *next)
{
    for (size_t r = 0; r < n_rows; r += 4) {
        const uint8_t *row[4];
        float sums[4];
        fetcher fetch = fetch_rows(w, row_bytes, r, n_rows, next);
        four_rows(row, w, row_bytes, r, n_rows);
        gemv_q4_0_tile(sums, row, x, k / KW_QK, &fetch);
        store_rows(out, sums, r, n_rows);
    }
}

/* ---- q4_k: the scales of two rows are decoded in one register ---- */

/* The scales of rows a and b, each as two int16 of the same value: [4 of a, 4 of b] of groups 0..3,
 * then of 4..7. Returns their minima as int16: eight of a, eight of b. */
static KV_INLINE __m256i q4_k_scales_of_two(int32_t scale[16], const uint8_t *a, const uint8_t *b)
{
    /* In each half: d and dmin, bytes A, B, C of the packed scales. */
    const __m256i head = two_halves(a, b), zero = _mm256_setzero_si256();
    const __m256i ab = _mm256_shuffle_epi32(head, 0x99), c = _mm256_shuffle_epi32(head, 0xff);
    const __m256i low = _mm256_and_si256(ab, _mm256_set1_epi8(63));
    const __m256i top = _mm256_and_si256(_mm256_srli_epi32(ab, 2), _mm256_set1_epi8(0x30));
    const __m256i nibble = _mm256_srlv_epi32(c, _mm256_set1_epi64x((int64_t)4 << 32));
    const __m256i high = _mm256_or_si256(top, _mm256_and_si256(nibble, _mm256_set1_epi8(15)));
    const __m256i all = _mm256_unpacklo_epi32(low, high); /* 8 scales, 8 minima */
    const __m256i words = _mm256_unpacklo_epi8(all, zero);
    _mm256_storeu_si256((__m256i *)scale, _mm256_unpacklo_epi16(words, words));
    _mm256_storeu_si256((__m256i *)(scale + 8), _mm256_unpackhi_epi16(words, words));
    return _mm256_unpackhi_epi8(all, zero);
}

/* scale: this row's four of groups 0..3, and eight further those of 4..7. */
static KV_INLINE kv_part q4_k_row(const uint8_t *block, const int32_t *scale, const uint8_t *x)
{
    kv_part sum = kv_part_zero();
    KV_UNROLL
    for (int half = 0; half < 2; half++) {
        kv_b32 w[4];
        unpack_q4_k(w, block, half);
        KV_UNROLL
        for (int i = 0; i < 4; i++)
            sum = kv_dot_scaled(sum, KV_U4, w[i], kv_load_b32(x + (4 * half + i) * KW_ACT_BLOCK),
                                (const int16_t *)(const void *)(scale + half * 8 + i));
    }
    return sum;
}

/* The eight sums of 32 activations as int16, in both halves. */
static KV_INLINE __m256i q4_k_sums(const uint8_t *x)
{
    const __m256i pairs = kv_gather_pairs(x + offsetof(kw_block_q8_act, sums), KW_ACT_BLOCK);
    const __m256i wide = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    return _mm256_permute4x64_epi64(_mm256_packs_epi32(wide, wide), 0x88);
}

/* d of the four rows, then dmin. */
static KV_INLINE __m256 q4_k_d(const uint8_t *const row[4], size_t at)
{
    const __m128i order = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    __m128i h = _mm_cvtsi32_si128((int32_t)kv_u32(row[0] + at));
    h = _mm_insert_epi32(h, (int32_t)kv_u32(row[1] + at), 1);
    h = _mm_insert_epi32(h, (int32_t)kv_u32(row[2] + at), 2);
    h = _mm_insert_epi32(h, (int32_t)kv_u32(row[3] + at), 3);
    return _mm256_cvtph_ps(_mm_shuffle_epi8(h, order));
}

static KV_INLINE void gemv_q4_k_tile(float sums[4], const uint8_t *const row[4], const uint8_t *x,
                                     size_t n_supers, fetcher *fetch)
{
    __m128 acc = _mm_setzero_ps();
    for (size_t s = 0; s < n_supers; s++, x += GROUPS * KW_ACT_BLOCK) {
        const size_t at = s * sizeof(kw_block_q4_k);
        int32_t scale[2][16];
        const __m256i group_sums = q4_k_sums(x);
        /* Rows 0 and 2, rows 1 and 3. */
        const __m256i even =
            _mm256_madd_epi16(q4_k_scales_of_two(scale[0], row[0] + at, row[2] + at), group_sums);
        const __m256i odd =
            _mm256_madd_epi16(q4_k_scales_of_two(scale[1], row[1] + at, row[3] + at), group_sums);
        KV_MEMORY(scale);
        const __m128i dot =
            kv_sum4(q4_k_row(row[0] + at, scale[0], x), q4_k_row(row[1] + at, scale[1], x),
                    q4_k_row(row[2] + at, scale[0] + 4, x), q4_k_row(row[3] + at, scale[1] + 4, x));
        const __m256i part =
            _mm256_add_epi32(_mm256_unpacklo_epi32(even, odd), _mm256_unpackhi_epi32(even, odd));
        const __m256i min = _mm256_add_epi32(part, _mm256_shuffle_epi32(part, 0x4e));
        const __m128i mins =
            _mm_unpacklo_epi64(_mm256_castsi256_si128(min), _mm256_extracti128_si256(min, 1));
        const __m256 d = _mm256_mul_ps(q4_k_d(row, at),
                                       _mm256_set1_ps(kv_f32(x + offsetof(kw_block_q8_act, d))));
        acc = _mm_add_ps(acc, _mm_mul_ps(_mm256_castps256_ps128(d), _mm_cvtepi32_ps(dot)));
        acc = _mm_sub_ps(acc, _mm_mul_ps(_mm256_extractf128_ps(d, 1), _mm_cvtepi32_ps(mins)));
        fetch_next(fetch, 4 * sizeof(kw_block_q4_k));
    }
    _mm_storeu_ps(sums, acc);
}

static void gemv_q4_k_x86(float *out, const void *w, size_t row_bytes, size_t n_rows, const void *x,
                          size_t k, const void *next)
{
    for (size_t r = 0; r < n_rows; r += 4) {
        const uint8_t *row[4];
        float sums[4];
        fetcher fetch = fetch_rows(w, row_bytes, r, n_rows, next);
        four_rows(row, w, row_bytes, r, n_rows);
        gemv_q4_k_tile(sums, row, x, k / KW_QK_K, &fetch);
        store_rows(out, sums, r, n_rows);
    }
}

static void fill_x86(kw_cpu_kernels *out)
{
    out->matmul[KW_Q4_0].gemv = gemv_q4_0_x86;
    out->matmul[KW_Q4_K].gemv = gemv_q4_k_x86;
}
