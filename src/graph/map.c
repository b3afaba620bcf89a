/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* map.c - MAP programs: validity, identity, composition.
 *
 * Register r < n_src is source r; register n_src + i is the result of instruction i. */
#include "graph/map.h"

#include "base/check.h"
#include "tensor/half.h"

static const struct {
    const char *name;
    uint8_t arity;
} map_ops[KW_N_MAP_OPS] = {
    [KW_MAP_CONST] = {"const", 0},     [KW_MAP_ADD] = {"add", 2},     [KW_MAP_SUB] = {"sub", 2},
    [KW_MAP_MUL] = {"mul", 2},         [KW_MAP_DIV] = {"div", 2},     [KW_MAP_MAX] = {"max", 2},
    [KW_MAP_MIN] = {"min", 2},         [KW_MAP_NEG] = {"neg", 1},     [KW_MAP_ABS] = {"abs", 1},
    [KW_MAP_SQRT] = {"sqrt", 1},       [KW_MAP_RSQRT] = {"rsqrt", 1}, [KW_MAP_EXP] = {"exp", 1},
    [KW_MAP_LOG] = {"log", 1},         [KW_MAP_TANH] = {"tanh", 1},   [KW_MAP_ERF] = {"erf", 1},
    [KW_MAP_SIGMOID] = {"sigmoid", 1},
};

int kw_map_arity(kw_map_op op)
{
    kw_assert(op < KW_N_MAP_OPS);
    return map_ops[op].arity;
}

const char *kw_map_op_name(kw_map_op op)
{
    kw_assert(op < KW_N_MAP_OPS);
    return map_ops[op].name;
}

bool kw_map_valid(const kw_map_program *program)
{
    if (program->n_src > KW_MAP_MAX_SRC || program->n_instr == 0 ||
        program->n_instr > KW_MAP_MAX_INSTR)
        return false;
    for (int i = 0; i < program->n_instr; i++) {
        const kw_map_instr *in = &program->instr[i];
        const int defined = program->n_src + i;
        if (in->op >= KW_N_MAP_OPS)
            return false;
        const int arity = kw_map_arity((kw_map_op)in->op);
        if ((arity >= 1 && in->a >= defined) || (arity == 2 && in->b >= defined))
            return false;
    }
    return true;
}

/* The bits of a constant; 0 where imm does not count. */
static uint32_t imm_bits(const kw_map_instr *in)
{
    uint32_t bits = 0;
    if (in->op == KW_MAP_CONST)
        memcpy(&bits, &in->imm, sizeof bits);
    return bits;
}

uint64_t kw_map_hash(const kw_map_program *program)
{
    /* FNV-1a over the fields that an instruction uses. */
    uint64_t hash = 0xcbf29ce484222325u;
    const uint64_t prime = 0x100000001b3u;
    hash = (hash ^ program->n_src) * prime;
    for (int i = 0; i < program->n_instr; i++) {
        const kw_map_instr *in = &program->instr[i];
        const int arity = kw_map_arity((kw_map_op)in->op);
        hash = (hash ^ in->op) * prime;
        hash = (hash ^ (arity >= 1 ? in->a : 0u)) * prime;
        hash = (hash ^ (arity == 2 ? in->b : 0u)) * prime;
        hash = (hash ^ imm_bits(in)) * prime;
    }
    return hash;
}

bool kw_map_equal(const kw_map_program *a, const kw_map_program *b)
{
    if (a->n_src != b->n_src || a->n_instr != b->n_instr)
        return false;
    for (int i = 0; i < a->n_instr; i++) {
        const kw_map_instr *x = &a->instr[i], *y = &b->instr[i];
        const int arity = kw_map_arity((kw_map_op)x->op);
        if (x->op != y->op || (arity >= 1 && x->a != y->a) || (arity == 2 && x->b != y->b) ||
            imm_bits(x) != imm_bits(y))
            return false;
    }
    return true;
}

/* Where register r of a part lives in the joined program: sources through `sources`, results after
 * `base`. */
static uint8_t moved(uint8_t r, int n_src, const uint8_t *sources, int base)
{
    return r < n_src ? sources[r] : (uint8_t)(base + r - n_src);
}

static void append(kw_map_program *out, const kw_map_program *part, const uint8_t *sources)
{
    const int base = out->n_src + out->n_instr;
    for (int i = 0; i < part->n_instr; i++) {
        kw_map_instr in = part->instr[i];
        in.a = moved(in.a, part->n_src, sources, base);
        in.b = moved(in.b, part->n_src, sources, base);
        out->instr[out->n_instr++] = in;
    }
}

bool kw_map_compose(const kw_map_program *outer, int slot, const kw_map_program *inner,
                    kw_map_program *out)
{
    kw_assert(slot >= 0 && slot < outer->n_src);
    const int n_src = outer->n_src - 1 + inner->n_src;
    if (n_src > KW_MAP_MAX_SRC || outer->n_instr + inner->n_instr > KW_MAP_MAX_INSTR)
        return false;
    kw_map_program joined = {.n_src = (uint8_t)n_src};
    uint8_t inner_sources[KW_MAP_MAX_SRC], outer_sources[KW_MAP_MAX_SRC];
    for (int i = 0; i < inner->n_src; i++)
        inner_sources[i] = (uint8_t)(outer->n_src - 1 + i);
    for (int i = 0; i < outer->n_src; i++)
        outer_sources[i] = (uint8_t)(i < slot ? i : i - 1);
    outer_sources[slot] = (uint8_t)(n_src + inner->n_instr - 1);
    append(&joined, inner, inner_sources);
    append(&joined, outer, outer_sources);
    *out = joined;
    return true;
}
