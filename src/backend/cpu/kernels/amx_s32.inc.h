/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* amx_s32.inc.h - weights with one scale per 32, by tiles.
 *
 * Panel: for each stretch of 8 groups, for each 16 rows, for each group: int8 [16][32], the scales
 * f32 [16] and, where the type has them, as many minima. The sums of a group leave the tiles
 * through memory, and are scaled and added up as in every other kernel: one accumulator an output,
 * k increasing. */

enum {
    S32_STRETCH = 8, /* groups over which the accumulators of a tile stay in registers */
    AMX_S32_WEIGHTS = KV_TILE * KW_QK,
    AMX_S32_MINS = AMX_S32_WEIGHTS + 4 * KV_TILE,
    S32_DEPTH = 4 /* products under way: tiles 0 to 3 */
};

static KV_INLINE size_t amx_s32_bytes(bool has_min)
{
    return AMX_S32_MINS + (has_min ? 4 * KV_TILE : 0);
}

static KV_INLINE size_t panel_bytes_amx_s32(size_t k, const s32_type type)
{
    return k / KW_QK * AMX_ROW_TILES * amx_s32_bytes(type.min_at != 0);
}

/* One group of 16 rows of which n_rows are there. */
static KV_INLINE void panel_amx_group(uint8_t *dst, const uint8_t *w, size_t row_bytes,
                                      size_t n_rows, const s32_type type)
{
    float *scales = (float *)(void *)(dst + AMX_S32_WEIGHTS);
    if (n_rows < KV_TILE)
        memset(dst, 0, amx_s32_bytes(type.min_at != 0));
    for (size_t r = 0; r < n_rows; r++, w += row_bytes) {
        kv_store_less(dst + r * KW_QK, unpack_s32(type, w), type.bias);
        scales[r] = scale_s32(type, w);
        if (type.min_at)
            scales[KV_TILE + r] = kw_load_f16(w + type.min_at);
    }
}

static KV_INLINE void panel_amx_s32(void *panel, const void *w, size_t row_bytes, size_t n_rows,
                                    size_t k, const s32_type type)
{
    uint8_t *dst = panel;
    const size_t n = k / KW_QK, bytes = amx_s32_bytes(type.min_at != 0);
    for (size_t first = 0; first < n; first += S32_STRETCH) {
        for (size_t row = 0; row < KW_PANEL_ROWS; row += KV_TILE) {
            const size_t rows = row < n_rows ? KW_MIN(n_rows - row, (size_t)KV_TILE) : 0;
            const uint8_t *src = (const uint8_t *)w + row * row_bytes;
            for (size_t g = first; g < KW_MIN(first + S32_STRETCH, n); g++, dst += bytes)
                panel_amx_group(dst, src + g * type.block_bytes, row_bytes, rows, type);
        }
    }
}

/* A tile of outputs over one stretch. */
typedef struct s32_part {
    const uint8_t *w, *x;
    float (*sum)[KV_TILE];
} s32_part;

typedef int32_t s32_dots[S32_STRETCH][KV_TILE][KV_TILE];

static KV_INLINE void s32_fold(kv_f sum[KV_TILE], int32_t (*dot)[KV_TILE], const uint8_t *w,
                               const uint8_t *x, const bool has_min)
{
    const kv_f da = kv_load((const float *)(const void *)(x + KW_QK * KV_TILE));
    const kv_f x_sum = kv_of_int(kv_rows_dot_pair(
        kv_rows_zero(), kv_load_lanes(x + (KW_QK + 4) * KV_TILE), kv_rows_pair(1)));
    const float *scale = (const float *)(const void *)(w + AMX_S32_WEIGHTS);
    KV_UNROLL
    for (int r = 0; r < KV_TILE; r++) {
        const kv_f s = kv_mul(kv_set1(scale[r]), da);
        sum[r] = kv_add(sum[r], kv_mul(s, kv_of_int(kv_load_lanes(dot[r]))));
        if (has_min)
            sum[r] = kv_add(sum[r], kv_mul(kv_mul(kv_set1(scale[KV_TILE + r]), da), x_sum));
    }
}

/* Where the product that tile g % S32_DEPTH holds, when group g of n comes, belongs. */
static KV_INLINE int s32_place(int g, int n)
{
    return g >= S32_DEPTH ? g - S32_DEPTH : g + S32_DEPTH < n ? g + S32_DEPTH : g;
}

/* Group g of a part goes into the tiles. */
static KV_INLINE void s32_product(const s32_part *part, const int g, size_t w_bytes)
{
    const int c = g % S32_DEPTH;
    kv_tile_zero(c);
    kv_tile_load(4, part->w + (size_t)g * w_bytes, KW_QK);
    kv_tile_load(6, part->x + g * KW_ACT_BLOCK * KV_TILE, 4 * KV_TILE);
    kv_tile_dot_ss(c, 4, 6);
}

/* The n products of a part, or none at the end (NULL), and meanwhile the sums of those of the part
 * before, or none at the beginning: dots[g] is folded in step g, and written again S32_DEPTH steps
 * later. */
static KV_INLINE void s32_step(s32_dots dots, const s32_part *new, const s32_part *old, const int n,
                               const bool has_min)
{
    const size_t w_bytes = amx_s32_bytes(has_min);
    kv_f sum[KV_TILE];
    KV_UNROLL
    for (int r = 0; r < KV_TILE; r++)
        sum[r] = old ? kv_load(old->sum[r]) : kv_zero();
    KV_UNROLL
    for (int g = 0; g < S32_STRETCH; g++) {
        if (g >= n)
            break;
        if (new || g < S32_DEPTH)
            kv_tile_store(g % S32_DEPTH, dots[s32_place(g, n)]);
        if (new)
            s32_product(new, g, w_bytes);
        if (old)
            s32_fold(sum, dots[g], old->w + (size_t)g * w_bytes,
                     old->x + g * KW_ACT_BLOCK * KV_TILE, has_min);
    }
    KV_UNROLL
    for (int r = 0; r < KV_TILE; r++)
        if (old)
            kv_store(old->sum[r], sum[r]);
}

/* All tiles of outputs over n groups. */
static KV_INLINE void s32_stretch(amx_call *call, const uint8_t *w, const uint8_t *x, const int n,
                                  const bool has_min)
{
    _Alignas(64) s32_dots dots;
    s32_part part[2];
    for (size_t t = 0; t <= call->n_tiles; t++) {
        s32_part *new = t < call->n_tiles ? &part[t % 2] : NULL;
        if (new)
            *new = (s32_part){w + t % call->row_tiles * (size_t)n * amx_s32_bytes(has_min),
                              x + t / call->row_tiles * call->x_tile, call->sums[t]};
        s32_step(dots, new, t > 0 ? &part[(t + 1) % 2] : NULL, n, has_min);
        spread_step(&call->next);
    }
}

static KV_INLINE void gemm_amx_s32(const kw_gemm_args *args, const bool has_min)
{
    _Alignas(64) amx_sums sums[AMX_TILES];
    const size_t n = args->k / KW_QK, bytes = AMX_ROW_TILES * amx_s32_bytes(has_min);
    amx_call call = amx_begin(args, sums, (n + S32_STRETCH - 1) / S32_STRETCH);
    kv_tiles_begin(KW_QK);
    for (size_t g = 0; g < n; g += S32_STRETCH)
        s32_stretch(&call, call.panel + g * bytes, call.x + g * KW_ACT_BLOCK * KV_TILE,
                    (int)KW_MIN(n - g, (size_t)S32_STRETCH), has_min);
    kv_tiles_end();
    amx_store(args, &call);
}

static void gemm_amx_s32_plain(const kw_gemm_args *args)
{
    gemm_amx_s32(args, false);
}

static void gemm_amx_s32_min(const kw_gemm_args *args)
{
    gemm_amx_s32(args, true);
}
