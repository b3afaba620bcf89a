/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* peak.inc.h - the roofline of gemm: the dot products of its register tile, and nothing else.
 *
 * Operands are a few lines of the first-level cache that the compiler takes for changed in every
 * step; the sums are as many independent chains as gemm keeps. */

enum { PEAK_STEPS = 8 }; /* of a round */

static uint64_t peak_int8(uint64_t rounds)
{
    _Alignas(64) uint8_t w[4 * TILE_ROWS] = {0}, x[4 * KV_COLUMNS] = {0};
    kv_acc acc[KV_TILE_VECTORS][KV_TILE_COLS];
    KV_UNROLL
    for (int i = 0; i < KV_TILE_VECTORS * KV_TILE_COLS; i++)
        acc[i / KV_TILE_COLS][i % KV_TILE_COLS] = kv_acc_zero();
    for (uint64_t r = 0; r < rounds; r++) {
        KV_UNROLL
        for (int i = 0; i < PEAK_STEPS; i++) {
            KV_MEMORY(w);
            KV_MEMORY(x);
            tile_step(acc, w, x, KV_U4);
        }
    }
    KV_UNROLL
    for (int i = 0; i < KV_TILE_VECTORS * KV_TILE_COLS; i++) {
        float sum[KV_ROWS];
        kv_rows_storef(
            sum, kv_rows_of_int(kv_acc_flush(KV_U4, acc[i / KV_TILE_COLS][i % KV_TILE_COLS])));
        KV_MEMORY(sum);
    }
    return rounds * PEAK_STEPS * (2 * 4 * TILE_ROWS * KV_TILE_COLS);
}

static uint64_t peak_f32(uint64_t rounds)
{
    _Alignas(64) float w[KV_F_VECTORS][16] = {{0}}, x[KV_F_COLS] = {0};
    kv_f acc[KV_F_COLS][KV_F_VECTORS];
    KV_UNROLL
    for (int c = 0; c < KV_F_COLS; c++) {
        KV_UNROLL
        for (int v = 0; v < KV_F_VECTORS; v++)
            acc[c][v] = kv_zero();
    }
    for (uint64_t r = 0; r < rounds; r++) {
        KV_UNROLL
        for (int i = 0; i < PEAK_STEPS; i++) {
            KV_MEMORY(w);
            KV_MEMORY(x);
            f_step(acc, w[0], x);
        }
    }
    KV_UNROLL
    for (int c = 0; c < KV_F_COLS; c++) {
        KV_UNROLL
        for (int v = 0; v < KV_F_VECTORS; v++) {
            kv_store(w[v], acc[c][v]);
            KV_MEMORY(w);
        }
    }
    return rounds * PEAK_STEPS * (2 * 16 * KV_F_VECTORS * KV_F_COLS);
}
