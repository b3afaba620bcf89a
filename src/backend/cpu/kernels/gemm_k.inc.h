/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gemm_k.inc.h - panels of 32 rows of superblocks of 256, times a tile of columns.
 *
 * Panel: for each tile of TILE_ROWS rows, for each superblock:
 *   bytes  [64][TILE_ROWS][4]    weights
 *   int32  [16 or 8][TILE_ROWS]  scales, one per 16 or 32 weights, as kv_rows_scale makes them
 *   int16  [8][TILE_ROWS][2]     minima, or scale * what was added to the weights, one per 16
 *   f32    [2][TILE_ROWS]        d, dmin */

enum {
    K_SCALES_AT = KW_QK_K * TILE_ROWS,
    K_MINS_AT = K_SCALES_AT + 16 * 4 * TILE_ROWS,
    K_D_AT = K_MINS_AT + GROUPS * 4 * TILE_ROWS,
    K_SUPER_BYTES = K_D_AT + 2 * 4 * TILE_ROWS
};

static KV_INLINE size_t k_tile_bytes(const k_type type)
{
    (void)type;
    return K_SUPER_BYTES;
}

/* Eight numbers of four bytes of each of KV_ROWS rows, in[i] being row i's, into lanes at dst. */
static KV_INLINE void spread(uint8_t *dst, const kv_b32 in[KV_ROWS])
{
    kv_rows_b out[8];
    kv_transpose(out, in);
    KV_UNROLL
    for (size_t j = 0; j < 8; j++)
        kv_rows_store(dst + 4 * j * TILE_ROWS, out[j]);
}

/* The scales and minima of KV_ROWS rows. */
static KV_INLINE void panel_k_scales(uint8_t *dst, const uint8_t *const block[KV_ROWS],
                                     const k_type type)
{
    kv_b32 low[KV_ROWS], high[KV_ROWS], mins[KV_ROWS];
    for (size_t i = 0; i < KV_ROWS; i++) {
        int16_t scale[16], min[16];
        int32_t wide[16];
        kv_h16 s, m;
        scales_k(type, &s, &m, block[i]);
        kv_store_h16(scale, s);
        kv_store_h16(min, m);
        for (size_t j = 0; j < 16; j++) {
            wide[j] = kv_rows_scale(type.kind, scale[type.halves ? j : j % 8 * 2]);
            if (type.bias)
                min[j] = (int16_t)(min[j] * type.bias);
        }
        low[i] = kv_load_b32(wide);
        high[i] = kv_load_b32(wide + 8);
        mins[i] = kv_load_b32(min);
        float *d = (float *)(void *)(dst + K_D_AT) + i;
        d[0] = d_k(type, block[i]);
        d[TILE_ROWS] = kw_load_f16(block[i] + type.dmin_at);
    }
    spread(dst + K_SCALES_AT, low);
    if (type.halves)
        spread(dst + K_SCALES_AT + 8 * 4 * TILE_ROWS, high);
    spread(dst + K_MINS_AT, mins);
}

/* One superblock of rows [first, first + KV_ROWS). */
static KV_INLINE void panel_k_super(uint8_t *dst, const uint8_t *w, size_t row_bytes, size_t first,
                                    size_t n_rows, const k_type type)
{
    static const uint8_t nothing[sizeof(kw_block_q6_k)];
    const uint8_t *block[KV_ROWS];
    kv_b32 rows[KV_ROWS][GROUPS];
    for (size_t i = 0; i < KV_ROWS; i++) {
        block[i] = first + i < n_rows ? w + (first + i) * row_bytes : nothing;
        unpack_k(type, rows[i], block[i], 0);
        unpack_k(type, rows[i] + 4, block[i], 1);
    }
    for (size_t g = 0; g < GROUPS; g++) {
        kv_b32 group[KV_ROWS];
        for (size_t i = 0; i < KV_ROWS; i++)
            group[i] = rows[i][g];
        spread(dst + g * KW_QK * TILE_ROWS, group);
    }
    panel_k_scales(dst, block, type);
}

static KV_INLINE void panel_k(void *panel, const void *w, size_t row_bytes, size_t n_rows, size_t k,
                              const k_type type)
{
    uint8_t *dst = panel;
    for (size_t tile = 0; tile < KW_PANEL_ROWS; tile += TILE_ROWS)
        for (size_t s = 0; s < k / KW_QK_K; s++, dst += K_SUPER_BYTES)
            for (size_t v = 0; v < TILE_ROWS; v += KV_ROWS)
                panel_k_super(dst + 4 * v, (const uint8_t *)w + s * type.block_bytes, row_bytes,
                              tile + v, n_rows, type);
}

typedef kv_rows_i k_sums[KV_TILE_VECTORS][KV_TILE_COLS];

/* The products of one group into the scaled sums. */
static KV_INLINE void gemm_k_group(k_sums scaled, const uint8_t *w, const uint8_t *scales,
                                   const uint8_t *x, const k_type type)
{
    const int per_scale = type.halves ? 4 : 8,
              steps = KW_MIN(per_scale, kv_scaled_steps(type.kind));
    KV_STEPS
    for (int j = 0; j < KW_QK / 4; j += steps) {
        kv_acc acc[KV_TILE_VECTORS][KV_TILE_COLS];
        KV_UNROLL
        for (int i = 0; i < KV_TILE_VECTORS * KV_TILE_COLS; i++)
            acc[i / KV_TILE_COLS][i % KV_TILE_COLS] = kv_acc_zero();
        KV_STEPS
        for (int i = j; i < j + steps; i++)
            tile_step(acc, w + 4 * i * TILE_ROWS, x + 4 * i * KV_COLUMNS, type.kind);
        const uint8_t *scale = scales + 4 * TILE_ROWS * (j / per_scale);
        KV_UNROLL
        for (int v = 0; v < KV_TILE_VECTORS; v++) {
            const kv_rows_i s = kv_rows_load_i(scale + 4 * v * KV_ROWS);
            KV_UNROLL
            for (int c = 0; c < KV_TILE_COLS; c++)
                scaled[v][c] = kv_acc_flush_scaled(type.kind, scaled[v][c], acc[v][c], s);
        }
    }
}

/* The sums of minima of one superblock. x: its first block. */
static KV_INLINE void gemm_k_mins(k_sums mins, const uint8_t *w, const uint8_t *x)
{
    KV_UNROLL
    for (int i = 0; i < KV_TILE_VECTORS * KV_TILE_COLS; i++)
        mins[i / KV_TILE_COLS][i % KV_TILE_COLS] = kv_rows_zero();
    for (int g = 0; g < GROUPS; g++) {
        const uint8_t *pairs = x + KW_ACT_BLOCK * KV_COLUMNS * g + 36 * KV_COLUMNS;
        KV_UNROLL
        for (int c = 0; c < KV_TILE_COLS; c++) {
            const kv_rows_b sum = kv_rows_same(pairs + 4 * c);
            KV_UNROLL
            for (int v = 0; v < KV_TILE_VECTORS; v++) {
                const kv_rows_b m = kv_rows_load_b(w + 4 * (g * TILE_ROWS + v * KV_ROWS));
                mins[v][c] = kv_rows_dot_pair(mins[v][c], m, sum);
            }
        }
    }
}

/* One superblock of KV_TILE_COLS columns, x being the first of them in its tile. */
static KV_INLINE void gemm_k_super(tile_sums sum, const uint8_t *w, const uint8_t *x,
                                   const k_type type)
{
    k_sums scaled, mins;
    KV_UNROLL
    for (int i = 0; i < KV_TILE_VECTORS * KV_TILE_COLS; i++)
        scaled[i / KV_TILE_COLS][i % KV_TILE_COLS] = kv_rows_zero();
    KV_ROLLED
    for (int g = 0; g < GROUPS; g++)
        gemm_k_group(scaled, w + g * KW_QK * TILE_ROWS,
                     w + K_SCALES_AT + 4 * TILE_ROWS * g * (type.halves ? 2 : 1),
                     x + KW_ACT_BLOCK * KV_COLUMNS * g, type);
    if (has_sums(type))
        gemm_k_mins(mins, w + K_MINS_AT, x);
    KV_UNROLL
    for (int c = 0; c < KV_TILE_COLS; c++) {
        const kv_rows_f da = kv_rows_set1(kv_f32(x + KW_QK * KV_COLUMNS + 4 * c));
        KV_UNROLL
        for (int v = 0; v < KV_TILE_VECTORS; v++) {
            const uint8_t *d = w + K_D_AT + 4 * v * KV_ROWS;
            const kv_rows_f scale = kv_rows_mulf(kv_rows_load_f(d), da);
            kv_rows_i dot = scaled[v][c];
            if (type.bias)
                dot = kv_rows_sub(dot, mins[v][c]);
            sum[v][c] = kv_rows_addf(sum[v][c], kv_rows_mulf(scale, kv_rows_of_int(dot)));
            if (type.dmin_at) {
                const kv_rows_f min = kv_rows_mulf(kv_rows_load_f(d + 4 * TILE_ROWS), da);
                sum[v][c] = kv_rows_subf(sum[v][c], kv_rows_mulf(min, kv_rows_of_int(mins[v][c])));
            }
        }
    }
}

/* One tile of rows; as gemm_s32_tile. */
static KV_INLINE void gemm_k_tile(gemm_call *call, size_t row, const uint8_t *w, const k_type type)
{
    const uint8_t *x = call->x;
    tile_sums sum[TILE_BLOCKS];
    tile_clear(sum);
    for (size_t s = 0; s < call->k / KW_QK_K; s++) {
        spread_step(&call->next);
        for (size_t b = 0; b < tile_blocks(call); b++)
            gemm_k_super(sum[b], w, x + 4 * b * KV_TILE_COLS, type);
        w += K_SUPER_BYTES;
        x += GROUPS * KW_ACT_BLOCK * KV_COLUMNS;
    }
    tile_store(call, row, sum);
}
