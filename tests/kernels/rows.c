/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rows.c - quantisation, conversion, norms, softmax, MAP programs and rotation on every instruction
 * set against scalar. */
#include "kernels_test.h"

#include "base/check.h"
#include "graph/map.h"
#include "tensor/half.h"
#include "tensor/quant/blocks.h"

static const size_t lengths[] = {1, 2, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 288, 1000, 2051};
enum { LONGEST = 2051 };

/* ---- quantisation ---- */

/* Kinds of rows: ordinary, all zero, one spike, ties of rounding, tiny, huge, wild. */
static void fill_row(float *x, size_t k, unsigned kind)
{
    for (size_t i = 0; i < k; i++) {
        const float sign = random_u32() & 1 ? 1.0f : -1.0f;
        const float kinds[7] = {random_float(-2.0f, 2.0f),
                                sign * 0.0f,
                                i == 17 ? 1e20f : random_float(-1.0f, 1.0f),
                                sign * (i % 32 ? (float)(random_u32() % 127) + 0.5f : 127.0f),
                                sign * 0x1p-140f * (float)(random_u32() % 5),
                                sign * 0x1p127f * random_float(0.0f, 1.9f),
                                random_wild()};
        x[i] = kinds[kind % 7];
    }
}

static void check_quantize(const table_pair *t, size_t k, size_t cols, size_t col, unsigned kind)
{
    const size_t bytes = k / KW_QK * KW_ACT_BLOCK * cols;
    float *x = input_new(k * sizeof *x, 4);
    fill_row(x, k, kind);
    for (int a256 = 0; a256 <= (k % KW_QK_K == 0); a256++) {
        output a = output_new(bytes), b = output_new(bytes);
        (a256 ? t->ref.quantize_a256 : t->ref.quantize_a32)(output_data(&a), x, k, cols, col);
        (a256 ? t->isa.quantize_a256 : t->isa.quantize_a32)(output_data(&b), x, k, cols, col);
        assert_memory_equal(output_data(&a), output_data(&b), bytes);
        if (cols == 1) { /* and the codec of the dtype is the same definition */
            const kw_dtype dtype = a256 ? KW_Q8_A256 : KW_Q8_A32;
            kw_dtype_info(dtype)->encode(output_data(&b), x, k, NULL);
            assert_memory_equal(output_data(&a), output_data(&b), bytes);
        }
        output_free(&a);
        output_free(&b);
    }
    input_free(x, 4);
}

static void quantize(void **state)
{
    table_pair t;
    tables(&t, state);
    static const size_t sizes[] = {32, 64, 96, 256, 288, 512, 2048};
    for (unsigned kind = 0; kind < 7; kind++)
        for (size_t i = 0; i < KW_COUNT(sizes); i++)
            for (size_t cols = 1; cols <= KW_MAX(t.isa.columns, (size_t)KW_WIDE_COLUMNS); cols++)
                check_quantize(&t, sizes[i], cols, (kind + i) % cols, kind);
}

/* nan and infinities: nothing crashes, and a row that has a scale has the same one. */
static void quantize_not_finite(void **state)
{
    table_pair t;
    tables(&t, state);
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < KW_COUNT(odd); i++) {
        float x[KW_QK];
        uint8_t a[KW_ACT_BLOCK], b[KW_ACT_BLOCK];
        random_floats(x, KW_QK, -1.0f, 1.0f);
        x[i * 7] = odd[i];
        t.ref.quantize_a32(a, x, KW_QK, 1, 0);
        t.isa.quantize_a32(b, x, KW_QK, 1, 0);
        assert_memory_equal(a, b, sizeof a);
    }
}

/* ---- conversion ---- */

static void check_decode(const table_pair *t, kw_dtype dtype, size_t n)
{
    size_t bytes = 0;
    if (!kw_row_bytes(dtype, (int64_t)n, &bytes))
        return;
    uint8_t *src = input_new(bytes, 1);
    for (size_t i = 0; i < bytes; i++)
        src[i] = (uint8_t)random_u32();
    output a = output_new(n * sizeof(float)), b = output_new(n * sizeof(float));
    t->ref.decode[dtype](output_data(&a), src, n);
    t->isa.decode[dtype](output_data(&b), src, n);
    assert_same(output_data(&a), output_data(&b), n, kw_dtype_info(dtype)->name);
    output_free(&a);
    output_free(&b);
    input_free(src, 1);
}

static void decode(void **state)
{
    table_pair t;
    tables(&t, state);
    for (int dtype = 0; dtype < KW_N_DTYPES; dtype++) {
        assert_true(t.ref.decode[dtype] != NULL && t.isa.decode[dtype] != NULL);
        if (dtype == KW_BOOL || dtype == KW_F64)
            continue; /* random bytes are no such value, and no kernel has its own */
        for (size_t i = 0; i < KW_COUNT(lengths); i++)
            check_decode(&t, (kw_dtype)dtype, lengths[i]);
        check_decode(&t, (kw_dtype)dtype, 256);
        check_decode(&t, (kw_dtype)dtype, 1280);
    }
}

/* An encoder compiled for an instruction set gives the bytes of the type's own. */
static void check_encode(const table_pair *t, kw_dtype dtype, size_t n, unsigned kind)
{
    const kw_encode_fn reference = kw_dtype_info(dtype)->encode;
    size_t bytes = 0;
    assert_ptr_equal(t->ref.encode[dtype], reference);
    if (!reference || !kw_row_bytes(dtype, (int64_t)n, &bytes))
        return;
    assert_non_null(t->isa.encode[dtype]);
    float *x = input_new(n * sizeof *x, 4), *w = input_new(n * sizeof *w, 4);
    fill_row(x, n, kind);
    random_floats(w, n, 0.0f, 2.0f);
    for (int weighted = 0; weighted < 2; weighted++) {
        output a = output_new(bytes), b = output_new(bytes);
        reference(output_data(&a), x, n, weighted ? w : NULL);
        t->isa.encode[dtype](output_data(&b), x, n, weighted ? w : NULL);
        if (memcmp(output_data(&a), output_data(&b), bytes) != 0)
            fail_msg("%s, %zu values of kind %u, %s weights", kw_dtype_info(dtype)->name, n, kind,
                     weighted ? "with" : "without");
        output_free(&a);
        output_free(&b);
    }
    input_free(x, 4);
    input_free(w, 4);
}

static void encode(void **state)
{
    table_pair t;
    tables(&t, state);
    for (int dtype = 0; dtype < KW_N_DTYPES; dtype++)
        for (unsigned kind = 0; kind < 7; kind++)
            for (size_t n = 256; n <= 768; n += 256)
                check_encode(&t, (kw_dtype)dtype, n, kind);
}

static void every_half(void **state)
{
    table_pair t;
    tables(&t, state);
    enum { N = 1 << 16 };
    uint16_t *h = allocate(N * sizeof *h), *back = allocate(N * sizeof *back);
    float *x = allocate(N * sizeof *x);
    for (size_t i = 0; i < N; i++)
        h[i] = (uint16_t)i;
    t.isa.decode[KW_F16](x, h, N);
    t.isa.f16_from_f32(back, x, N);
    for (size_t i = 0; i < N; i++) {
        assert_true(same_float(x[i], kw_f32_from_f16(h[i])));
        assert_int_equal(back[i], kw_f16_from_f32(x[i]));
    }
    free(h);
    free(back);
    free(x);
}

static void f16_from_f32(void **state)
{
    table_pair t;
    tables(&t, state);
    for (size_t i = 0; i < KW_COUNT(lengths); i++) {
        const size_t n = lengths[i];
        float *x = input_new(n * sizeof *x, 4);
        for (size_t j = 0; j < n; j++)
            x[j] =
                j % 3 ? random_float(-70000.0f, 70000.0f) * (j % 5 ? 1.0f : 1e-9f) : random_wild();
        output a = output_new(n * 2), b = output_new(n * 2);
        t.ref.f16_from_f32(output_data(&a), x, n);
        t.isa.f16_from_f32(output_data(&b), x, n);
        assert_memory_equal(output_data(&a), output_data(&b), n * 2);
        output_free(&a);
        output_free(&b);
        input_free(x, 4);
    }
}

/* ---- norms, softmax ---- */

typedef struct row_data {
    float *x, *w, *b;
    output expected, got;
    size_t n;
} row_data;

static void row_new(row_data *r, size_t n, float range)
{
    r->n = n;
    r->x = input_new(n * sizeof(float), 4);
    r->w = input_new(n * sizeof(float), 4);
    r->b = input_new(n * sizeof(float), 4);
    random_floats(r->x, n, -range, range);
    random_floats(r->w, n, -range, range);
    random_floats(r->b, n, -range, range);
    r->expected = output_new(n * sizeof(float));
    r->got = output_new(n * sizeof(float));
}

static void row_compare(const row_data *r, const char *what)
{
    assert_same(output_data(&r->expected), output_data(&r->got), r->n, what);
}

static void row_free(row_data *r)
{
    input_free(r->x, 4);
    input_free(r->w, 4);
    input_free(r->b, 4);
    output_free(&r->expected);
    output_free(&r->got);
}

static void norms(void **state)
{
    table_pair t;
    tables(&t, state);
    for (size_t i = 0; i < KW_COUNT(lengths); i++) {
        for (int parts = 0; parts < 4; parts++) {
            row_data r;
            row_new(&r, lengths[i], i % 2 ? 3.0f : 1e-12f);
            const float *w = parts & 1 ? r.w : NULL, *b = parts & 2 ? r.b : NULL;
            t.ref.rms_norm(output_data(&r.expected), r.x, w, r.n, 1e-5f);
            t.isa.rms_norm(output_data(&r.got), r.x, w, r.n, 1e-5f);
            row_compare(&r, "rms_norm");
            t.ref.layer_norm(output_data(&r.expected), r.x, w, b, r.n, 1e-6f);
            t.isa.layer_norm(output_data(&r.got), r.x, w, b, r.n, 1e-6f);
            row_compare(&r, "layer_norm");
            t.isa.layer_norm(r.x, r.x, w, b, r.n, 1e-6f);
            assert_same(output_data(&r.expected), r.x, r.n, "layer_norm in place");
            row_free(&r);
        }
    }
}

static void softmax(void **state)
{
    table_pair t;
    tables(&t, state);
    for (size_t i = 0; i < KW_COUNT(lengths); i++) {
        for (int kind = 0; kind < 3; kind++) {
            row_data r;
            row_new(&r, lengths[i], kind ? 30.0f : 500.0f);
            for (size_t j = 0; kind == 2 && j + 1 < r.n; j += 2)
                r.x[j] = -INFINITY; /* a mask */
            memcpy(output_data(&r.expected), r.x, r.n * sizeof(float));
            memcpy(output_data(&r.got), r.x, r.n * sizeof(float));
            t.ref.softmax(output_data(&r.expected), r.n);
            t.isa.softmax(output_data(&r.got), r.n);
            row_compare(&r, "softmax");
            row_free(&r);
        }
    }
}

/* ---- MAP ---- */

static kw_map_program random_program(void)
{
    kw_map_program p = {.n_src = (uint8_t)(random_u32() % (KW_MAP_MAX_SRC + 1))};
    p.n_instr = (uint8_t)(1 + random_u32() % KW_MAP_MAX_INSTR);
    for (unsigned i = 0; i < p.n_instr; i++) {
        const unsigned defined = p.n_src + i;
        p.instr[i].op = defined ? (uint8_t)(random_u32() % KW_N_MAP_OPS) : KW_MAP_CONST;
        p.instr[i].a = defined ? (uint8_t)(random_u32() % defined) : 0;
        p.instr[i].b = defined ? (uint8_t)(random_u32() % defined) : 0;
        p.instr[i].imm = random_float(-4.0f, 4.0f);
    }
    return p;
}

static void check_program(const table_pair *t, const kw_map_program *p, size_t n, bool wild)
{
    float *src[KW_MAP_MAX_SRC];
    for (size_t s = 0; s < KW_MAP_MAX_SRC; s++) {
        src[s] = input_new(n * sizeof(float), 4);
        for (size_t i = 0; i < n; i++)
            src[s][i] = wild ? random_wild() : random_float(-9.0f, 9.0f);
    }
    const float *args[KW_MAP_MAX_SRC];
    for (size_t s = 0; s < KW_MAP_MAX_SRC; s++)
        args[s] = s < p->n_src ? src[s] : NULL;
    output a = output_new(n * sizeof(float)), b = output_new(n * sizeof(float));
    t->ref.map(p, output_data(&a), args, n);
    t->isa.map(p, output_data(&b), args, n);
    assert_same(output_data(&a), output_data(&b), n, kw_map_op_name(p->instr[p->n_instr - 1].op));
    for (size_t s = 0; s < KW_MAP_MAX_SRC; s++)
        input_free(src[s], 4);
    output_free(&a);
    output_free(&b);
}

static void map_programs(void **state)
{
    table_pair t;
    tables(&t, state);
    for (int op = 0; op < KW_N_MAP_OPS; op++) {
        kw_map_program p = {.n_src = 2, .n_instr = 1};
        p.instr[0] = (kw_map_instr){.op = (uint8_t)op, .a = 0, .b = 1, .imm = 0.3f};
        for (int wild = 0; wild < 2; wild++)
            check_program(&t, &p, 20001, wild);
    }
    for (int i = 0; i < 400; i++) {
        const kw_map_program p = random_program();
        assert_true(kw_map_valid(&p));
        check_program(&t, &p, lengths[random_u32() % KW_COUNT(lengths)], i % 2);
    }
}

/* The functions at the numbers where their branches meet. */
static void map_edges(void **state)
{
    table_pair t;
    tables(&t, state);
    static const float edges[] = {0.0f,   -0.0f,     1.0f,       -1.0f, NAN,         INFINITY,
                                  -87.3f, 88.72284f, 88.722839f, 89.0f, -INFINITY,   0.625f,
                                  4.0f,   0x1p-126f, 0x1p-149f,  -4.0f, 0.70710677f, 1.4142135f,
                                  -88.0f, -104.0f,   0x1p127f,   0.5f,  0x1p-130f,   2.0f};
    enum { N = sizeof edges / sizeof edges[0] };
    for (int op = 0; op < KW_N_MAP_OPS; op++) {
        for (size_t turn = 0; turn < N; turn++) {
            float b[N], expected[N], got[N];
            for (size_t i = 0; i < N; i++)
                b[i] = edges[(i + turn) % N];
            const float *src[KW_MAP_MAX_SRC] = {edges, b};
            kw_map_program p = {.n_src = 2, .n_instr = 1};
            p.instr[0] = (kw_map_instr){.op = (uint8_t)op, .a = 0, .b = 1, .imm = -0.0f};
            t.ref.map(&p, expected, src, N);
            t.isa.map(&p, got, src, N);
            assert_same(expected, got, N, kw_map_op_name((kw_map_op)op));
        }
    }
}

/* The hot programs are the interpreter's bits on their programs. */
static void map_hot(void **state)
{
    table_pair t;
    tables(&t, state);
    const kw_map_program add = {2, 1, {{KW_MAP_ADD, 0, 1, 0}}};
    const kw_map_program mul = {2, 1, {{KW_MAP_MUL, 0, 1, 0}}};
    const kw_map_program silu_mul = {
        2, 3, {{KW_MAP_SIGMOID, 0, 0, 0}, {KW_MAP_MUL, 0, 2, 0}, {KW_MAP_MUL, 3, 1, 0}}};
    for (size_t i = 0; i < KW_COUNT(lengths); i++) {
        row_data r;
        row_new(&r, lengths[i], 9.0f);
        const float *src[KW_MAP_MAX_SRC] = {r.x, r.w};
        t.ref.map(&add, output_data(&r.expected), src, r.n);
        t.isa.map_add(output_data(&r.got), r.x, r.w, r.n);
        row_compare(&r, "map_add");
        t.ref.map(&mul, output_data(&r.expected), src, r.n);
        t.isa.map_mul(output_data(&r.got), r.x, r.w, r.n);
        row_compare(&r, "map_mul");
        t.ref.map(&silu_mul, output_data(&r.expected), src, r.n);
        t.isa.map_silu_mul(output_data(&r.got), r.x, r.w, r.n);
        row_compare(&r, "map_silu_mul");
        t.ref.scale(output_data(&r.expected), r.x, 0.3f, r.n);
        t.isa.scale(output_data(&r.got), r.x, 0.3f, r.n);
        row_compare(&r, "scale");
        row_free(&r);
    }
}

/* ---- rotation ---- */

static void rope(void **state)
{
    table_pair t;
    tables(&t, state);
    for (size_t n = 2; n <= 256; n += n < 80 ? 2 : 16) {
        for (int adjacent = 0; adjacent < 2; adjacent++) {
            row_data r;
            row_new(&r, n, 3.0f);
            float *cos_sin = input_new(n * sizeof(float), 4);
            for (size_t i = 0; i < n; i++)
                cos_sin[i] = random_float(-1.0f, 1.0f);
            memcpy(output_data(&r.expected), r.x, n * sizeof(float));
            memcpy(output_data(&r.got), r.x, n * sizeof(float));
            t.ref.rope(output_data(&r.expected), cos_sin, n, adjacent);
            t.isa.rope(output_data(&r.got), cos_sin, n, adjacent);
            row_compare(&r, adjacent ? "rope adjacent" : "rope halves");
            input_free(cos_sin, 4);
            row_free(&r);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EVERY_ISA(quantize),     ON_EVERY_ISA(quantize_not_finite),
        ON_EVERY_ISA(decode),       ON_EVERY_ISA(every_half),
        ON_EVERY_ISA(norms),        ON_EVERY_ISA(softmax),
        ON_EVERY_ISA(f16_from_f32), ON_EVERY_ISA(map_programs),
        ON_EVERY_ISA(map_edges),    ON_EVERY_ISA(map_hot),
        ON_EVERY_ISA(rope),         ON_EVERY_ISA(encode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
