/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* map.inc.h - the interpreter of MAP programs, and the programs that are hot enough for their own.
 *
 * A strip of elements goes through the whole program before the next one, so that its registers
 * stay in the first-level cache and an instruction is decoded once for all of them. */

enum { STRIP = 64 };

#define MAP_EACH(expression)                                                                       \
    for (size_t i = 0; i < STRIP; i += 16) {                                                       \
        const kv_f a = kv_load(pa + i), b = kv_load(pb + i);                                       \
        (void)b;                                                                                   \
        kv_store(y + i, expression);                                                               \
    }                                                                                              \
    break

/* y = the instruction over one strip; pa and pb are its operands' strips. */
static void map_instr(const kw_map_instr *in, float *y, const float *pa, const float *pb)
{
    const kv_f one = kv_set1(1.0f), imm = kv_set1(in->imm);
    switch ((kw_map_op)in->op) {
    case KW_MAP_CONST:
        MAP_EACH(((void)a, imm));
    case KW_MAP_ADD:
        MAP_EACH(kv_add(a, b));
    case KW_MAP_SUB:
        MAP_EACH(kv_sub(a, b));
    case KW_MAP_MUL:
        MAP_EACH(kv_mul(a, b));
    case KW_MAP_DIV:
        MAP_EACH(kv_div(a, b));
    case KW_MAP_MAX:
        MAP_EACH(kv_max(a, b));
    case KW_MAP_MIN:
        MAP_EACH(kv_min(a, b));
    case KW_MAP_NEG:
        MAP_EACH(v_neg(a));
    case KW_MAP_ABS:
        MAP_EACH(v_abs(a));
    case KW_MAP_SQRT:
        MAP_EACH(kv_sqrt(a));
    case KW_MAP_RSQRT:
        MAP_EACH(kv_div(one, kv_sqrt(a)));
    case KW_MAP_EXP:
        MAP_EACH(v_exp(a));
    case KW_MAP_LOG:
        MAP_EACH(v_log(a));
    case KW_MAP_TANH:
        MAP_EACH(v_tanh(a));
    case KW_MAP_ERF:
        MAP_EACH(v_erf(a));
    case KW_MAP_SIGMOID:
        MAP_EACH(v_sigmoid(a));
    case KW_N_MAP_OPS:
        break;
    }
}

#undef MAP_EACH

/* One strip of n <= STRIP elements from element `at` on. */
static void map_strip(const kw_map_program *program, float *out, const float *const *src, size_t at,
                      size_t n)
{
    static const float zeros[STRIP];
    float reg[KW_MAP_MAX_SRC + KW_MAP_MAX_INSTR][STRIP];
    const float *strip[KW_MAP_MAX_SRC + KW_MAP_MAX_INSTR];
    const size_t n_src = program->n_src, n_reg = n_src + program->n_instr;
    for (size_t s = 0; s < n_src; s++) {
        strip[s] = src[s] ? src[s] + at : zeros;
        if (n < STRIP && src[s]) {
            memset(reg[s], 0, sizeof reg[s]);
            memcpy(reg[s], src[s] + at, n * sizeof **reg);
            strip[s] = reg[s];
        }
    }
    for (size_t r = n_src; r < n_reg; r++) {
        const kw_map_instr *in = &program->instr[r - n_src];
        const int arity = kw_map_arity((kw_map_op)in->op);
        map_instr(in, reg[r], arity > 0 ? strip[in->a] : zeros, arity > 1 ? strip[in->b] : zeros);
        strip[r] = reg[r];
    }
    memcpy(out + at, reg[n_reg - 1], n * sizeof **reg);
}

static void map(const kw_map_program *program, float *out, const float *const *src, size_t n)
{
    for (size_t at = 0; at < n; at += STRIP)
        map_strip(program, out, src, at, KW_MIN(n - at, STRIP));
}

typedef enum map_hot { HOT_ADD, HOT_MUL, HOT_SILU_MUL } map_hot;

static KV_INLINE kv_f v_hot(map_hot what, kv_f a, kv_f b)
{
    switch (what) {
    case HOT_ADD:
        return kv_add(a, b);
    case HOT_MUL:
        return kv_mul(a, b);
    case HOT_SILU_MUL:
        return kv_mul(kv_mul(a, v_sigmoid(a)), b);
    }
    return a;
}

static KV_INLINE void map_pair(float *out, const float *a, const float *b, size_t n, map_hot what)
{
    const size_t whole = n / 16 * 16, rest = n - whole;
    for (size_t i = 0; i < whole; i += 16)
        kv_store(out + i, v_hot(what, kv_load(a + i), kv_load(b + i)));
    if (rest)
        store_part(out + whole, v_hot(what, load_part(a + whole, rest), load_part(b + whole, rest)),
                   rest);
}

static void map_add(float *out, const float *a, const float *b, size_t n)
{
    map_pair(out, a, b, n, HOT_ADD);
}

static void map_mul(float *out, const float *a, const float *b, size_t n)
{
    map_pair(out, a, b, n, HOT_MUL);
}

static void map_silu_mul(float *out, const float *gate, const float *up, size_t n)
{
    map_pair(out, gate, up, n, HOT_SILU_MUL);
}
