/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* golden.c - the bits of the scalar definition, the same on every machine that runs this test: one
 * hash over the results of each family of slots, recorded on x86-64 and met on AArch64 and in
 * WebAssembly. A change of a hash is a change of the numerics, and of every recorded result with
 * it.
 */
#include "kernels_test.h"

#include "base/check.h"

#include <stdio.h>

#define ROWS_HASH 0xa082a5b3108ec089u
#define ATTENTION_HASH 0x5bbde4315729e919u
#define ADJUSTED_HASH 0x6ad3d768e1c11923u

enum { K = 512, ROWS = 8 };

/* Products of each weight type. */
/* clang-format off */
static const struct {
    kw_dtype dtype;
    uint64_t hash;
} MATMUL_HASHES[] = {
    {KW_F32, 0xcd5922f8a162a784u},
    {KW_F16, 0x7de63db7075e3364u},
    {KW_BF16, 0xee8307ca47cf9078u},
    {KW_Q8_0, 0xf5bc94ee04a52466u},
    {KW_Q4_0, 0x896778db40fde165u},
    {KW_Q4_K, 0xb9975e7fad7f2f11u},
    {KW_Q6_K, 0x04be4d2a59e6176eu},
    {KW_Q2_K, 0x733babd262b9fb26u},
    {KW_Q3_K, 0x34dfab1f4328ee65u},
    {KW_Q5_K, 0x5f977b54344618d9u},
    {KW_Q4_1, 0xdd7e7513f02d6f19u},
    {KW_Q5_0, 0x9ab7269b8c3eb30cu},
    {KW_Q5_1, 0xb2557825bb8f4f19u},
    {KW_IQ4_NL, 0x1857fed42056f0a4u},
    {KW_IQ4_XS, 0x18a1a3b615900ecau},
    {KW_TQ1_0, 0x44b9ea7f9d2aebd2u},
    {KW_TQ2_0, 0x7e3e2f7c60b9f06du},
    {KW_MXFP4, 0x860a2aaec4cd4972u},
    {KW_IQ2_XXS, 0xc2b618b05ed0bf4cu},
    {KW_IQ2_XS, 0x79dcf7304bf0ed09u},
    {KW_IQ2_S, 0x975965225ce3e38eu},
    {KW_IQ3_XXS, 0x7f223431237802a3u},
    {KW_IQ3_S, 0x1ddcd60e037a55f2u},
    {KW_IQ1_S, 0x9bae52950145f8f5u},
    {KW_IQ1_M, 0x3608a2a7413ed25au},
};
/* clang-format on */

typedef struct hash {
    uint64_t value;
} hash;

/* FNV-1a over the bits. */
static void take(hash *h, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < bytes; i++)
        h->value = (h->value ^ p[i]) * 0x100000001b3u;
}

static void check(const hash *h, uint64_t expected, const char *what)
{
    if (h->value != expected)
        fail_msg("%s: the results hash to %016llx, recorded is %016llx", what,
                 (unsigned long long)h->value, (unsigned long long)expected);
}

static const hash begin = {0xcbf29ce484222325u};

static void setup(kw_cpu_kernels *t, float *x, size_t n)
{
    random_state = 20251123;
    assert_true(kw_cpu_kernels_select(t, 0, "scalar"));
    random_floats(x, n, -2.0f, 2.0f);
}

/* Encoded by the dtype's codec is not exact arithmetic of this layer; random blocks with sane
 * scales are. */
static void random_blocks(kw_dtype dtype, uint8_t *w, size_t bytes)
{
    const size_t block = kw_dtype_info(dtype)->block_bytes;
    for (size_t i = 0; i < bytes; i++)
        w[i] = (uint8_t)random_u32();
    for (size_t at = 0; at < bytes; at += block) {
        const uint16_t d = (uint16_t)(0x1800 + random_u32() % 0xc00);
        const float f = random_float(-1.0f, 1.0f);
        if (dtype == KW_F32)
            memcpy(w + at, &f, 4);
        else if (dtype == KW_BF16)
            memcpy(w + at, (const uint8_t *)&f + 2, 2);
        else if (dtype == KW_MXFP4)
            w[at] = (uint8_t)(118 + random_u32() % 8);
        for (size_t i = 0; put_half_at(dtype, w + at, i, d); i++)
            ;
    }
}

static void matmul(void **state)
{
    (void)state;
    kw_cpu_kernels t;
    static float x[K];
    static uint8_t w[ROWS * K * 4], tile[K / KW_QK * KW_ACT_BLOCK];
    float y[ROWS];
    assert_true(kw_cpu_kernels_select(&t, 0, "scalar"));
    unsigned n_hashed = 0;
    for (int dtype = 0; dtype < KW_N_DTYPES; dtype++) {
        const kw_weight_class class = t.matmul[dtype].weight_class;
        size_t row_bytes = 0;
        if (class == KW_CLASS_NONE)
            continue;
        hash h = begin;
        setup(&t, x, K);
        assert_true(kw_row_bytes((kw_dtype)dtype, K, &row_bytes));
        random_blocks((kw_dtype)dtype, w, ROWS * row_bytes);
        (class == KW_CLASS_S32 ? t.quantize_a32 : t.quantize_a256)(tile, x, K, 1, 0);
        t.matmul[dtype].gemv(y, w, row_bytes, ROWS, class == KW_CLASS_F ? (void *)x : tile, K,
                             NULL);
        take(&h, y, sizeof y);
        take(&h, tile, sizeof tile);
        for (size_t i = 0; i < KW_COUNT(MATMUL_HASHES); i++) {
            if (MATMUL_HASHES[i].dtype != (kw_dtype)dtype)
                continue;
            check(&h, MATMUL_HASHES[i].hash, kw_dtype_info((kw_dtype)dtype)->name);
            n_hashed++;
        }
    }
    assert_int_equal(n_hashed, KW_COUNT(MATMUL_HASHES));
}

static void rows(void **state)
{
    (void)state;
    kw_cpu_kernels t;
    static float x[K], y[K];
    uint16_t half[K];
    setup(&t, x, K);
    hash h = begin;
    t.rms_norm(y, x, x, K - 3, 1e-5f);
    take(&h, y, sizeof y);
    t.layer_norm(y, x, x, x, K - 3, 1e-5f);
    take(&h, y, sizeof y);
    t.softmax(y, K - 5);
    take(&h, y, sizeof y);
    t.map_silu_mul(y, x, x, K);
    take(&h, y, sizeof y);
    t.rope(y, x, K / 2, 0);
    t.rope(y, x, K / 2, 1);
    take(&h, y, sizeof y);
    t.f16_from_f32(half, x, K);
    take(&h, half, sizeof half);
    for (int op = KW_MAP_EXP; op < KW_N_MAP_OPS; op++) {
        kw_map_program p = {.n_src = 1, .n_instr = 2};
        p.instr[0] = (kw_map_instr){.op = op == KW_MAP_LOG ? KW_MAP_ABS : KW_MAP_NEG};
        p.instr[1] = (kw_map_instr){.op = (uint8_t)op, .a = 1};
        const float *src[KW_MAP_MAX_SRC] = {x};
        t.map(&p, y, src, K);
        take(&h, y, sizeof y);
    }
    check(&h, ROWS_HASH, "rows");
}

static void attention(void **state)
{
    (void)state;
    enum { DIM = 40, WIDTH = 48, BLOCKS = 6 };
    kw_cpu_kernels t;
    static float q[2 * DIM], k[BLOCKS][DIM][16], v[BLOCKS][16][DIM];
    static float k_cache[2 * 4][WIDTH][16], v_cache[2 * 4][16][WIDTH];
    static float acc[2][WIDTH], m[2], l[2], bias[2][50];
    static _Alignas(64) unsigned char work[KW_ATTN_TILE * (2 * WIDTH + 2) * sizeof(float)];
    setup(&t, q, 2 * DIM);
    random_floats(k[0][0], BLOCKS * DIM * 16, -1.0f, 1.0f);
    random_floats(v[0][0], BLOCKS * DIM * 16, -1.0f, 1.0f);
    for (size_t b = 0; b < BLOCKS; b++) {
        memcpy(k_cache[b], k[b], sizeof k[b]);
        for (size_t i = 0; i < 16; i++)
            memcpy(v_cache[b][i], v[b][i], sizeof v[b][i]);
    }
    const kw_attend_span span = {5, 93};
    kw_attend_args args = {.q = q,
                           .n_q = 2,
                           .group = 2,
                           .head_dim = DIM,
                           .cache = KW_F32,
                           .k = k_cache,
                           .v = v_cache,
                           .tile_stride = 4 * sizeof k_cache[0],
                           .span = &span,
                           .m = m,
                           .l = l,
                           .acc = acc[0],
                           .work = work};
    t.attend(&args);
    t.attend_merge(&m[0], &l[0], acc[0], m[1], l[1], acc[1], DIM);
    hash h = begin;
    take(&h, m, sizeof m);
    take(&h, l, sizeof l);
    take(&h, acc[0], DIM * sizeof(float));
    take(&h, acc[1], DIM * sizeof(float));
    check(&h, ATTENTION_HASH, "attention");
    const int32_t own = 70;
    random_floats(bias[0], 2 * 50, -2.0f, 2.0f);
    args.softcap = 1.5f;
    args.bias = (kw_attend_bias){bias[0], &own, 50, -30};
    t.attend(&args);
    h = begin;
    take(&h, m, sizeof m);
    take(&h, l, sizeof l);
    take(&h, acc[0], DIM * sizeof(float));
    take(&h, acc[1], DIM * sizeof(float));
    check(&h, ADJUSTED_HASH, "adjusted attention");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matmul),
        cmocka_unit_test(rows),
        cmocka_unit_test(attention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
