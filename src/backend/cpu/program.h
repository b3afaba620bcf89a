/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* program.h - a compiled unit: steps grouped in waves, one arena, scratch for each worker.
 *
 * A step is one node with its kernel chosen and its operands resolved to places. It is cut into
 * chunks along its rows (tokens or weight rows); chunks write disjoint memory.
 *
 * Chunks of a step with commit() may be redone, and a worker that the system has put aside may read
 * their sources when the wave, or even the run, is over. Such a step reads constants and the arena
 * only; the planner keeps its sources to the end of the run, and the runs of a program take turns
 * among n_execs arenas, so that a late worker has that many runs' time before anybody waits. */
#ifndef KW_BACKEND_CPU_PROGRAM_H
#define KW_BACKEND_CPU_PROGRAM_H

#include "backend/backend.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/pool.h"

struct kw_device {
    kw_cpu_kernels kernels;
    kw_pool *pool;
    int n_workers;
    bool fast;
};

/* Up to so many tokens each of them is multiplied as one alone would be, while the rows of the
 * weight are near: cheaper than a panel, whose work is the same for one token as for a tile. */
#define KW_FEW_TOKENS 3

/* The kernels for products of so many tokens at most with this type of weight. */
static inline const kw_matmul_kernels *kw_batch_kernels(const kw_device *device, kw_dtype weight,
                                                        int64_t rows)
{
    const kw_cpu_kernels *k = &device->kernels;
    const bool fast = device->fast && rows > KW_FEW_TOKENS && k->fast[weight].gemm;
    return fast ? &k->fast[weight] : &k->matmul[weight];
}

/* Columns of the activation tiles that gemm takes. */
static inline size_t kw_tile_cols(const kw_device *device, kw_dtype dtype)
{
    return dtype == KW_F32_A    ? device->kernels.columns_f32
           : dtype == KW_BF16_A ? KW_BF16_COLUMNS
                                : device->kernels.columns;
}

/* Columns of the activation tiles of a value with this bound of its rows. */
static inline size_t kw_activation_cols(const kw_device *device, kw_dtype dtype, int64_t rows)
{
    const bool is_float = dtype == KW_F32_A || dtype == KW_BF16_A;
    const bool few = !is_float && rows <= (int64_t)device->kernels.few_tokens;
    return few || rows <= KW_FEW_TOKENS ? 1 : kw_tile_cols(device, dtype);
}

/* What writes a row of floats into its column of a tile of activations. */
typedef void (*kw_pack_fn)(void *dst, const float *x, size_t k, size_t cols, size_t col);

static inline kw_pack_fn kw_packer(const kw_cpu_kernels *k, kw_dtype activation)
{
    return activation == KW_Q8_A32    ? k->quantize_a32
           : activation == KW_Q8_A256 ? k->quantize_a256
           : activation == KW_F32_A   ? k->pack_f32
                                      : k->pack_bf16;
}

typedef enum kw_place { KW_AT_ARENA, KW_AT_CONST, KW_AT_INPUT, KW_AT_STATE, KW_AT_OUTPUT } kw_place;

typedef struct kw_operand {
    kw_place place;
    size_t index;     /* offset, or slot */
    const void *data; /* KW_AT_CONST */
    kw_dtype dtype;
    int64_t n;       /* elements of a row */
    int64_t rows;    /* bound of its leading dimensions */
    size_t cols;     /* columns of its activation tiles; 1 for plain rows */
    bool per_row;    /* false: one row serves all */
    bool scalar_row; /* a row is one element, repeated */
} kw_operand;

typedef struct kw_step kw_step;
typedef struct kw_exec kw_exec;

/* One row of a row-wise step into y[n] f32. */
typedef void (*kw_row_fn)(const kw_step *step, const kw_exec *exec, int64_t row, float *y,
                          unsigned char *scratch);
/* Chunk `chunk` of a step. */
typedef void (*kw_step_fn)(const kw_step *step, const kw_exec *exec, uint32_t chunk,
                           unsigned char *scratch);

struct kw_step {
    const kw_node *node; /* of the program's own graph */
    const char *kernel;  /* for printing */
    kw_step_fn run;
    kw_step_fn commit; /* puts in place what run left in scratch; NULL: run writes in place */
    kw_row_fn row;     /* row-wise steps */
    /* Chunks of a run; NULL: by its rows. */
    uint32_t (*count)(const kw_step *step, const kw_exec *exec);
    uint32_t wave;
    kw_extent extent;           /* of its leading dimension */
    int64_t rows_bound;         /* the leading dimension, when static */
    uint32_t rows_per_chunk;    /* tokens; 0: cut along weight rows instead */
    uint32_t weight_chunks;     /* matmul: chunks along weight rows */
    uint32_t weight_rows;       /* matmul: rows of a chunk */
    uint32_t n_long, long_rows; /* matmul: the first chunks of a stretch, and their rows */
    uint32_t n_stretches;       /* matmul: chunk c is the (c / n_stretches)th of stretch */
    size_t stretch_rows;        /* c % n_stretches, which has so many rows */
    const kw_step *following;   /* the matmul after this one, in a circle; NULL: not one */
    kw_operand out;
    int n_src;
    kw_operand src[KW_MAX_SRC];
    size_t panel_bytes; /* matmul: of one panel of a batch */
    size_t parts_at;    /* attention: place of the parts of its splits, where they are kept */
    size_t parts_bytes;
    size_t scratch_bytes;
    const kw_matmul_kernels *matmul;
    size_t weight_row_bytes;
    void (*map2)(float *out, const float *a, const float *b, size_t n); /* hot program, or NULL */
    struct {
        const void *const *parts; /* each expert's matrix; NULL: one after the other */
        uint32_t n;
        int64_t k;   /* columns of a matrix */
        size_t cols; /* of the tiles that a batch is gathered in */
    } experts;
    /* rows of activations: into their column of a tile */
    kw_pack_fn pack;
};

struct kw_program {
    kw_device *device;
    kw_graph *graph; /* own copy: the steps' nodes */
    kw_step *steps;  /* [n_steps] by wave */
    uint32_t n_steps, n_waves;
    uint32_t *first;  /* [n_waves + 1] steps of each wave */
    bool *redo;       /* [n_waves] every step of the wave has commit() */
    kw_exec *execs;   /* [n_execs] used in turn */
    uint32_t *counts; /* owned: what the execs' counts point into */
    uint32_t n_execs, n_runs;
    unsigned char *arena; /* owned, 64-byte aligned: n_execs times arena_bytes */
    size_t arena_bytes;
    unsigned char *scratch; /* owned: n_workers times scratch_bytes */
    size_t scratch_bytes;
    unsigned char *parts; /* owned: of the splits of one wave's attention */
    size_t parts_bytes;
};

/* One run. */
struct kw_exec {
    const kw_program *program;
    const kw_run_args *args; /* run_args */
    kw_run_args run_args;    /* a copy; what it points to is the caller's, during the run only */
    unsigned char *arena;
    uint32_t *chunks;      /* [n_waves] */
    uint32_t *step_chunks; /* [n_steps] */
    uint32_t job;          /* for kw_pool_await */
    uint32_t first_wave;   /* of the job */
    bool first_run;        /* of the program */
};

/* Where an operand that a step writes, or reads, lies in this run. */
void *kw_operand_at(const kw_exec *exec, const kw_operand *operand);
const void *kw_operand_in(const kw_exec *exec, const kw_operand *operand);
/* f32 row of an operand (not an activation). */
const float *kw_operand_row(const kw_exec *exec, const kw_operand *operand, int64_t row);
/* Live rows of a step. */
int64_t kw_step_rows(const kw_step *step, const kw_run_args *args);

/* A model that is still being fetched (gate.c). The first wave from `first` on that reads a weight
 * which is not here yet; n_waves: there is none. */
uint32_t kw_waves_ready(const kw_exec *exec, uint32_t first);
/* Waits for the weights of a wave. */
kw_status kw_wave_await(const kw_exec *exec, uint32_t wave, kw_error *err);

/* Rows of a matmul's weight. */
typedef struct kw_row_range {
    size_t first, n; /* n may be 0 */
    bool begins;     /* they are the first of a stretch */
} kw_row_range;

/* Those of one chunk. */
kw_row_range kw_matmul_rows(const kw_step *step, uint32_t chunk);

/* Fill run, row, kernel, chunking and scratch of a step whose operands are set. Each covers the ops
 * of its file; kw_status for what a table slot lacks. */
/* Whether this node's chunks may be redone: one row of a product, in a pool that has somebody to
 * redo it. */
bool kw_cpu_redoes(const kw_device *device, const kw_node *node);
kw_status kw_step_rowwise(const kw_device *device, kw_step *step, kw_error *err);
kw_status kw_step_matmul(const kw_device *device, kw_step *step, kw_error *err);
/* Once all steps are in order: tells each matmul which one follows. */
void kw_steps_follow(kw_step *steps, uint32_t n_steps);
kw_status kw_step_attention(const kw_device *device, kw_step *step, kw_error *err);
/* The second step of an attention whose splits may run in parallel, for the wave after it; false:
 * it has none. */
bool kw_step_merge(const kw_step *attention, kw_step *merge);
/* weight: the node of src[1]. */
kw_status kw_step_experts(const kw_device *device, kw_step *step, const kw_node *weight,
                          kw_error *err);
void kw_row_route(const kw_step *step, const kw_exec *exec, int64_t row, float *y,
                  unsigned char *scratch);
void kw_row_mix(const kw_step *step, const kw_exec *exec, int64_t row, float *y,
                unsigned char *scratch);
kw_status kw_step_store(const kw_device *device, kw_step *step, kw_error *err);

/* A MAP program over n elements, by its hot kernel when it has one. */
void kw_map_apply(const kw_device *device, const kw_step *step, float *out, const float *const *src,
                  size_t n);
/* The hot kernel of a program, NULL when the interpreter runs it; *name for printing. */
void (*kw_map_hot(const kw_cpu_kernels *kernels, const kw_map_program *program,
                  const char **name))(float *, const float *, const float *, size_t);

#endif
