/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* amx_k.inc.h - superblocks of 256, by tiles.
 *
 * The panel holds weights times their integer scales, less what unpacking has added, as a low and a
 * high byte, so that a superblock is added up inside of the tiles: S = 256 * high + low. Minima
 * times sums of activations are exact in bf16: a minimum has at most eight bits, a sum of 16 or 32
 * activations is a pair of numbers of eight, and all partial sums stay below 2^24.
 *
 * Panel: for each superblock, for each 16 rows: low bytes u8 [4][16][64], high bytes int8
 * [4][16][64], d f32 [16]; where there are minima, dmin f32 [16] and the minima as bf16
 * [16][16][2]. */

enum {
    AMX_K_HIGH = KW_QK_K * KV_TILE,
    AMX_K_D = 2 * AMX_K_HIGH,
    AMX_K_BYTES = AMX_K_D + 4 * KV_TILE,
    AMX_K_DMIN = AMX_K_BYTES,
    AMX_K_MINS = AMX_K_DMIN + 4 * KV_TILE,
    AMX_K_MIN_BYTES = AMX_K_MINS + 64 * KV_TILE
};

static KV_INLINE size_t amx_k_bytes(bool has_min)
{
    return has_min ? AMX_K_MIN_BYTES : AMX_K_BYTES;
}

static KV_INLINE size_t panel_bytes_amx_k(size_t k, const k_type type)
{
    return k / KW_QK_K * AMX_ROW_TILES * amx_k_bytes(type.dmin_at != 0);
}

/* One superblock of row r of 16. */
static KV_INLINE void panel_amx_row(uint8_t *dst, size_t r, const uint8_t *block, const k_type type)
{
    kv_b32 w[GROUPS];
    kv_h16 scale, min;
    unpack_k(type, w, block, 0);
    unpack_k(type, w + 4, block, 1);
    scales_k(type, &scale, &min, block);
    const kv_h16 less = kv_h16_times(min, type.bias);
    KV_UNROLL
    for (int q = 0; q < 4; q++) {
        uint8_t *low = dst + q * 64 * KV_TILE + r * 64;
        kv_store_scaled(low, low + AMX_K_HIGH, w + 2 * q, scale, less, q);
    }
    *((float *)(void *)(dst + AMX_K_D) + r) = d_k(type, block);
    if (type.dmin_at) {
        *((float *)(void *)(dst + AMX_K_DMIN) + r) = kw_load_f16(block + type.dmin_at);
        kv_rows_store(dst + AMX_K_MINS + 64 * r, kv_pair_same(min));
    }
}

static KV_INLINE void panel_amx_k(void *panel, const void *w, size_t row_bytes, size_t n_rows,
                                  size_t k, const k_type type)
{
    const size_t bytes = amx_k_bytes(type.dmin_at != 0);
    uint8_t *dst = panel;
    for (size_t s = 0; s < k / KW_QK_K; s++) {
        const uint8_t *src = (const uint8_t *)w + s * type.block_bytes;
        for (size_t row = 0; row < KW_PANEL_ROWS; row += KV_TILE, dst += bytes) {
            const size_t rows = row < n_rows ? KW_MIN(n_rows - row, (size_t)KV_TILE) : 0;
            if (rows < KV_TILE)
                memset(dst, 0, bytes);
            for (size_t r = 0; r < rows; r++)
                panel_amx_row(dst, r, src + (row + r) * row_bytes, type);
        }
    }
}

/* A tile of outputs over one superblock. */
typedef struct k_part {
    const uint8_t *w, *x;
    float (*sum)[KV_TILE];
} k_part;

typedef struct k_work {
    _Alignas(64) int32_t low[KV_TILE][KV_TILE], high[KV_TILE][KV_TILE];
    float min[KV_TILE][KV_TILE];
    int32_t pairs[16][KV_TILE]; /* sums of 16 activations, of each column, as bf16 */
} k_work;

/* The sums of a superblock of activations. x: its sums, [8][16][2] int16. A group's one goes into
 * the place of its first half, the other stays 0, where the halves share a minimum. */
static KV_INLINE void k_pairs(k_work *work, const uint8_t *x, const bool halves)
{
    const kv_i first = kv_iset1(halves ? 1 : 0x00010001), second = kv_iset1(0x00010000);
    KV_UNROLL
    for (int g = 0; g < GROUPS; g++) {
        const kv_i both = kv_load_lanes(x + 4 * KV_TILE * g);
        kv_rows_store(work->pairs[2 * g],
                      kv_pair_of(kv_of_int(kv_rows_dot_pair(kv_rows_zero(), both, first))));
        if (halves)
            kv_rows_store(work->pairs[2 * g + 1],
                          kv_pair_of(kv_of_int(kv_rows_dot_pair(kv_rows_zero(), both, second))));
    }
}

/* Rows [first, first + 4) of a finished superblock. */
static KV_INLINE void k_fold(const k_work *work, const k_part *part, int first, const bool has_min)
{
    const kv_f da = kv_load((const float *)(const void *)(part->x + KW_QK_K * KV_TILE));
    const float *d = (const float *)(const void *)(part->w + AMX_K_D), *dmin = d + KV_TILE;
    KV_UNROLL
    for (int r = first; r < first + 4; r++) {
        const kv_i dot = kv_join_bytes(kv_load_lanes(work->high[r]), kv_load_lanes(work->low[r]));
        kv_f sum = kv_load(part->sum[r]);
        sum = kv_add(sum, kv_mul(kv_mul(kv_set1(d[r]), da), kv_of_int(dot)));
        if (has_min)
            sum = kv_sub(sum, kv_mul(kv_mul(kv_set1(dmin[r]), da), kv_load(work->min[r])));
        kv_store(part->sum[r], sum);
    }
}

/* 64 of k into the sums low and low + 1 (high). */
static KV_INLINE void k_products(const k_part *part, int quarter, const int low)
{
    const size_t at = (size_t)quarter * 64 * KV_TILE;
    kv_tile_load(6, part->x + at, 64);
    kv_tile_load(4, part->w + at, 64);
    kv_tile_dot_us(low, 4, 6);
    kv_tile_load(5, part->w + AMX_K_HIGH + at, 64);
    kv_tile_dot_ss(low + 1, 5, 6);
}

/* What is left in tiles low, low + 1 and 7 goes to memory. */
static KV_INLINE void k_leave(k_work *work, const int low, const bool has_min)
{
    kv_tile_store(low, work->low);
    kv_tile_store(low + 1, work->high);
    if (has_min)
        kv_tile_store(7, work->min);
}

/* The products of a part, into tiles low and low + 1, and meanwhile the sums of the part before,
 * which are in the other two of the first four. */
static KV_INLINE void k_step(k_work *work, const k_part *new, const k_part *old, const int low,
                             const bool has_min)
{
    kv_tile_zero(low);
    kv_tile_zero(low + 1);
    k_products(new, 0, low);
    k_leave(work, 2 - low, has_min);
    k_products(new, 1, low);
    k_fold(work, old, 0, has_min);
    k_fold(work, old, 4, has_min);
    k_products(new, 2, low);
    k_fold(work, old, 8, has_min);
    k_products(new, 3, low);
    k_fold(work, old, 12, has_min);
    if (has_min) {
        kv_tile_zero(7);
        kv_tile_load(6, work->pairs, 64);
        kv_tile_load(4, new->w + AMX_K_MINS, 64);
        kv_tile_dot_bf16(7, 4, 6);
    }
}

/* The parts in their order: all tiles of outputs, superblock by superblock. */
typedef struct k_walk {
    const amx_call *call;
    size_t super, tile, bytes; /* bytes: of 16 rows of a superblock */
} k_walk;

static KV_INLINE k_part k_next(k_walk *walk)
{
    const amx_call *call = walk->call;
    const size_t row_tile = walk->tile % call->row_tiles, col_tile = walk->tile / call->row_tiles;
    const k_part part = {call->panel + (walk->super * AMX_ROW_TILES + row_tile) * walk->bytes,
                         call->x + col_tile * call->x_tile +
                             walk->super * GROUPS * KW_ACT_BLOCK * KV_TILE,
                         call->sums[walk->tile]};
    if (++walk->tile == call->n_tiles) {
        walk->tile = 0;
        walk->super++;
    }
    return part;
}

/* halves: of 32 weights have minima of their own */
static KV_INLINE void gemm_amx_k(const kw_gemm_args *args, const bool has_min, const bool halves)
{
    _Alignas(64) amx_sums sums[AMX_TILES + 1]; /* the last: of what comes before the first part */
    k_work work;
    amx_call call = amx_begin(args, sums, args->k / KW_QK_K);
    k_walk walk = {&call, 0, 0, amx_k_bytes(has_min)};
    k_part old = {call.panel, call.x, sums[AMX_TILES]};
    const size_t n = args->k / KW_QK_K * call.n_tiles;
    memset(&work, 0, sizeof work);
    memset(sums[AMX_TILES], 0, sizeof sums[AMX_TILES]);
    kv_tiles_begin(64);
    for (size_t i = 0; i < n; i++) {
        const bool new_columns = walk.tile % call.row_tiles == 0;
        const k_part new = k_next(&walk);
        if (has_min && new_columns)
            k_pairs(&work, new.x + (KW_QK_K + 4 * GROUPS) * KV_TILE, halves);
        if (i % 2 == 0)
            k_step(&work, &new, &old, 0, has_min);
        else
            k_step(&work, &new, &old, 2, has_min);
        spread_step(&call.next);
        old = new;
    }
    if (n % 2 == 1)
        k_leave(&work, 0, has_min);
    else
        k_leave(&work, 2, has_min);
    for (int r = 0; r < KV_TILE; r += 4)
        k_fold(&work, &old, r, has_min);
    kv_tiles_end();
    amx_store(args, &call);
}

static void gemm_amx_k_plain(const kw_gemm_args *args)
{
    gemm_amx_k(args, false, false);
}

static void gemm_amx_k_min(const kw_gemm_args *args)
{
    gemm_amx_k(args, true, false);
}

static void gemm_amx_k_min_halves(const kw_gemm_args *args)
{
    gemm_amx_k(args, true, true);
}
