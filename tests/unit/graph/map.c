/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* map.c - MAP programs: what is valid, when two are the same, and that a composition computes what
 * its parts compute one after the other, bit for bit. */
#include "graph/map.h"

#include "base/fmath.h"
#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The reference interpreter: one element, one register an instruction. */
static float binary(kw_map_op op, float a, float b)
{
    switch (op) {
    case KW_MAP_ADD:
        return a + b;
    case KW_MAP_SUB:
        return a - b;
    case KW_MAP_MUL:
        return a * b;
    case KW_MAP_DIV:
        return a / b;
    case KW_MAP_MAX:
        return a > b ? a : b;
    case KW_MAP_MIN:
        return a < b ? a : b;
    default:
        fail_msg("operation %d takes no two operands", (int)op);
        return 0;
    }
}

static float unary(kw_map_op op, float a)
{
    switch (op) {
    case KW_MAP_NEG:
        return -a;
    case KW_MAP_ABS:
        return fabsf(a);
    case KW_MAP_SQRT:
        return sqrtf(a);
    case KW_MAP_RSQRT:
        return 1.0f / sqrtf(a);
    case KW_MAP_EXP:
        return kw_expf(a);
    case KW_MAP_LOG:
        return kw_logf(a);
    case KW_MAP_TANH:
        return kw_tanhf(a);
    case KW_MAP_ERF:
        return kw_erff(a);
    case KW_MAP_SIGMOID:
        return 1.0f / (1.0f + kw_expf(-a));
    default:
        fail_msg("operation %d takes no one operand", (int)op);
        return 0;
    }
}

static float evaluate(const kw_map_program *p, const float *src)
{
    float r[KW_MAP_MAX_SRC + KW_MAP_MAX_INSTR];
    memcpy(r, src, p->n_src * sizeof *r);
    for (int i = 0; i < p->n_instr; i++) {
        const kw_map_instr *in = &p->instr[i];
        const kw_map_op op = (kw_map_op)in->op;
        const int arity = kw_map_arity(op);
        r[p->n_src + i] = arity == 0   ? in->imm
                          : arity == 1 ? unary(op, r[in->a])
                                       : binary(op, r[in->a], r[in->b]);
    }
    return r[p->n_src + p->n_instr - 1];
}

static bool same_bits(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static uint32_t draws;

static uint32_t draw(uint32_t n)
{
    return kw_rng_u32(11, 0, draws++) % n;
}

static kw_map_program random_program(int n_src, int n_instr)
{
    kw_map_program p = {.n_src = (uint8_t)n_src, .n_instr = (uint8_t)n_instr};
    for (int i = 0; i < n_instr; i++) {
        const uint32_t defined = (uint32_t)(n_src + i);
        p.instr[i] = (kw_map_instr){(uint8_t)draw(KW_N_MAP_OPS), (uint8_t)draw(defined),
                                    (uint8_t)draw(defined), (float)draw(2000) / 500.0f - 2.0f};
    }
    return p;
}

static void programs_are_checked(void **state)
{
    const kw_map_program good = {2, 2, {{KW_MAP_ADD, 0, 1, 0}, {KW_MAP_EXP, 2, 0, 0}}};
    kw_map_program p;
    (void)state;
    assert_true(kw_map_valid(&good));

    p = good;
    p.n_instr = 0;
    assert_false(kw_map_valid(&p)); /* no result */
    p = good;
    p.n_instr = KW_MAP_MAX_INSTR + 1;
    assert_false(kw_map_valid(&p));
    p = good;
    p.n_src = KW_MAP_MAX_SRC + 1;
    assert_false(kw_map_valid(&p));
    p = good;
    p.instr[0].op = KW_N_MAP_OPS;
    assert_false(kw_map_valid(&p));
    p = good;
    p.instr[0].a = 2; /* its own result */
    assert_false(kw_map_valid(&p));
    p = good;
    p.instr[0].b = 3; /* a later one */
    assert_false(kw_map_valid(&p));
    p = good;
    p.instr[1].a = 4;
    assert_false(kw_map_valid(&p));
    p = good;
    p.instr[1].b = 200; /* a unary operation does not look at b */
    assert_true(kw_map_valid(&p));
    p = (kw_map_program){0, 1, {{KW_MAP_CONST, 9, 9, 1.5f}}};
    assert_true(kw_map_valid(&p));
}

static void every_operation_has_a_name_and_an_arity(void **state)
{
    (void)state;
    for (int op = 0; op < KW_N_MAP_OPS; op++) {
        const int arity = kw_map_arity((kw_map_op)op);
        assert_true(arity >= 0 && arity <= 2);
        assert_int_equal(arity == 0, op == KW_MAP_CONST);
        assert_true(strlen(kw_map_op_name((kw_map_op)op)) >= 3);
        for (int other = 0; other < op; other++)
            assert_string_not_equal(kw_map_op_name((kw_map_op)op),
                                    kw_map_op_name((kw_map_op)other));
    }
}

static void hash_sees_what_matters_and_nothing_else(void **state)
{
    const kw_map_program base = {
        2, 3, {{KW_MAP_CONST, 0, 0, 2.0f}, {KW_MAP_MUL, 0, 2, 0}, {KW_MAP_NEG, 3, 0, 0}}};
    kw_map_program p = base;
    (void)state;
    const uint64_t hash = kw_map_hash(&base);
    p.instr[0].a = 1; /* a constant reads nothing */
    p.instr[2].b = 1; /* a negation reads one register */
    p.instr[1].imm = 7.0f;
    p.instr[3] = (kw_map_instr){KW_MAP_EXP, 1, 1, 1}; /* beyond the program */
    assert_true(kw_map_hash(&p) == hash);
    assert_true(kw_map_equal(&p, &base));

    p = base;
    p.instr[0].imm = 3.0f;
    assert_true(kw_map_hash(&p) != hash);
    p = base;
    p.instr[1].b = 1;
    assert_true(kw_map_hash(&p) != hash);
    p = base;
    p.instr[1].op = KW_MAP_ADD;
    assert_true(kw_map_hash(&p) != hash);
    p = base;
    p.n_instr = 2;
    assert_true(kw_map_hash(&p) != hash);
    p = base;
    p.n_src = 1;
    assert_true(kw_map_hash(&p) != hash);
}

/* Equality is by what is computed: each field that the hash sees, and the sign of a zero. */
static void equality_sees_the_same(void **state)
{
    const kw_map_program base = {
        2, 3, {{KW_MAP_CONST, 0, 0, 0.0f}, {KW_MAP_MUL, 0, 2, 0}, {KW_MAP_NEG, 3, 0, 0}}};
    kw_map_program p[7];
    (void)state;
    for (int i = 0; i < 7; i++)
        p[i] = base;
    p[0].instr[0].imm = -0.0f;
    p[1].instr[1].b = 1;
    p[2].instr[1].a = 1;
    p[3].instr[1].op = KW_MAP_ADD;
    p[4].n_instr = 2;
    p[5].n_src = 1;
    p[6].instr[2].a = 2;
    for (int i = 0; i < 7; i++) {
        assert_false(kw_map_equal(&p[i], &base));
        assert_false(kw_map_equal(&base, &p[i]));
    }
    for (int trial = 0; trial < 200; trial++) {
        const kw_map_program a = random_program(2, 3), b = random_program(2, 3);
        assert_true(kw_map_equal(&a, &a));
        assert_int_equal(kw_map_equal(&a, &b), kw_map_hash(&a) == kw_map_hash(&b));
    }
}

/* No two of many different programs share a hash. */
static void hashes_differ(void **state)
{
    enum { N = 400 };
    static uint64_t hashes[N];
    (void)state;
    for (int i = 0; i < N; i++) {
        const kw_map_program p = {2, 2, {{KW_MAP_CONST, 0, 0, (float)i}, {KW_MAP_MUL, 0, 2, 0}}};
        hashes[i] = kw_map_hash(&p);
        for (int j = 0; j < i; j++)
            assert_true(hashes[i] != hashes[j]);
    }
}

/* f(.., g(..), ..): sources of the joined program are those of f without the slot, then g's. */
static void check_composition(const kw_map_program *f, int slot, const kw_map_program *g)
{
    kw_map_program joined;
    float src[2 * KW_MAP_MAX_SRC], f_src[KW_MAP_MAX_SRC];
    assert_true(kw_map_compose(f, slot, g, &joined));
    assert_true(kw_map_valid(&joined));
    assert_int_equal(joined.n_src, f->n_src - 1 + g->n_src);
    assert_int_equal(joined.n_instr, f->n_instr + g->n_instr);
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < joined.n_src; i++)
            src[i] = (float)draw(4000) / 500.0f - 4.0f;
        for (int i = 0; i < f->n_src; i++)
            f_src[i] = i == slot ? evaluate(g, src + f->n_src - 1) : src[i < slot ? i : i - 1];
        const float want = evaluate(f, f_src), got = evaluate(&joined, src);
        if (!same_bits(got, want))
            fail_msg("joined program gives %a, its parts %a", (double)got, (double)want);
    }
}

static void composition_computes_both(void **state)
{
    (void)state;
    for (int trial = 0; trial < 3000; trial++) {
        const int n_f = 1 + (int)draw(KW_MAP_MAX_SRC);
        const int n_g = 1 + (int)draw((uint32_t)(KW_MAP_MAX_SRC - n_f + 1));
        const kw_map_program f = random_program(n_f, 1 + (int)draw(12));
        const kw_map_program g = random_program(n_g, 1 + (int)draw(12));
        assert_true(kw_map_valid(&f) && kw_map_valid(&g));
        check_composition(&f, (int)draw((uint32_t)n_f), &g);
    }
}

static void compositions_that_do_not_fit_are_refused(void **state)
{
    kw_map_program joined = {9, 9, {{0}}};
    const kw_map_program before = joined;
    (void)state;
    kw_map_program f = random_program(3, 2), g = random_program(3, 2);
    assert_false(kw_map_compose(&f, 0, &g, &joined)); /* five sources */
    f = random_program(1, 13);
    g = random_program(1, 12);
    assert_false(kw_map_compose(&f, 0, &g, &joined)); /* 25 instructions */
    assert_memory_equal(&joined, &before, sizeof joined);
    f = random_program(1, 12);
    check_composition(&f, 0, &g); /* 24 just fit */
    f = random_program(4, 2);
    g = random_program(1, 2);
    check_composition(&f, 3, &g); /* as do four sources */
}

/* The output may be one of the inputs. */
static void composition_in_place(void **state)
{
    (void)state;
    const kw_map_program f = random_program(2, 5), g = random_program(2, 4);
    kw_map_program apart, in_place = f;
    assert_true(kw_map_compose(&f, 1, &g, &apart));
    assert_true(kw_map_compose(&in_place, 1, &g, &in_place));
    assert_true(kw_map_hash(&apart) == kw_map_hash(&in_place));
    in_place = g;
    assert_true(kw_map_compose(&f, 1, &in_place, &in_place));
    assert_true(kw_map_hash(&apart) == kw_map_hash(&in_place));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_are_checked),
        cmocka_unit_test(every_operation_has_a_name_and_an_arity),
        cmocka_unit_test(hash_sees_what_matters_and_nothing_else),
        cmocka_unit_test(equality_sees_the_same),
        cmocka_unit_test(hashes_differ),
        cmocka_unit_test(composition_computes_both),
        cmocka_unit_test(compositions_that_do_not_fit_are_refused),
        cmocka_unit_test(composition_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
