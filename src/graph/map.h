/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* map.h - the program of a MAP node: all pointwise arithmetic of the engine is one op.
 *
 * A program runs per element over registers. Registers 0 .. n_src-1 hold the sources, every
 * instruction writes a new register, the last one is the result (single assignment). Each
 * instruction is one rounded IEEE f32 operation or one function of base/fmath.h, so that a chain of
 * MAPs and their concatenation give the same bits. */
#ifndef KW_GRAPH_MAP_H
#define KW_GRAPH_MAP_H

#include <stdbool.h>
#include <stdint.h>

#define KW_MAP_MAX_SRC 4
#define KW_MAP_MAX_INSTR 24

typedef enum kw_map_op {
    KW_MAP_CONST, /* imm */
    KW_MAP_ADD,
    KW_MAP_SUB,
    KW_MAP_MUL,
    KW_MAP_DIV,
    KW_MAP_MAX,
    KW_MAP_MIN,
    KW_MAP_NEG,
    KW_MAP_ABS,
    KW_MAP_SQRT,
    KW_MAP_RSQRT, /* 1 / sqrt(a): two rounded operations */
    KW_MAP_EXP,
    KW_MAP_LOG,
    KW_MAP_TANH,
    KW_MAP_ERF,
    KW_MAP_SIGMOID, /* 1 / (1 + exp(-a)) */
    KW_N_MAP_OPS
} kw_map_op;

typedef struct kw_map_instr {
    uint8_t op;   /* kw_map_op */
    uint8_t a, b; /* registers read; b unused by unary operations */
    float imm;    /* KW_MAP_CONST */
} kw_map_instr;

typedef struct kw_map_program {
    uint8_t n_src;
    uint8_t n_instr;
    kw_map_instr instr[KW_MAP_MAX_INSTR];
} kw_map_program;

/* Every register is written before it is read, operations exist, counts are in range. */
bool kw_map_valid(const kw_map_program *program);
/* The same for equal programs; what the backend finds hot kernels by. */
uint64_t kw_map_hash(const kw_map_program *program);
bool kw_map_equal(const kw_map_program *a, const kw_map_program *b);
/* The program that feeds the result of `inner` into source `slot` of `outer`: its sources are those
 * of outer without slot, then those of inner. False when it would not fit. */
bool kw_map_compose(const kw_map_program *outer, int slot, const kw_map_program *inner,
                    kw_map_program *out);
/* Number of operands an operation reads: 0, 1 or 2. */
int kw_map_arity(kw_map_op op);
const char *kw_map_op_name(kw_map_op op);

#endif
