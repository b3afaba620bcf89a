/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* backend.h - what a device can do for the planner: the whole contract of a backend.
 *
 * A backend turns a laid-out unit (a graph, the wave of each node, the place of each value) into a
 * program, once, and replays it with a few parameters. submit may return before the work is done;
 * sync waits. One program runs at a time on a device; the backend serialises callers. */
#ifndef KW_BACKEND_BACKEND_H
#define KW_BACKEND_BACKEND_H

#include "base/buf.h"
#include "graph/graph.h"

#include <kwaai/arrival.h>

#include <stdatomic.h>

typedef struct kw_device kw_device;   /* each backend's own */
typedef struct kw_program kw_program; /* likewise */

typedef struct kw_device_config {
    int n_threads;   /* 0: one for each fast physical core */
    const char *isa; /* NULL: the best */
    bool fast;       /* faster kernels that round otherwise may be used */
} kw_device_config;

/* What a device can do at most, measured: the roofline beside a benchmark. */
typedef struct kw_limits {
    double read_gbps_1, read_gbps_n;   /* sequential reads from memory: one worker, all of them */
    double int8_gops_1, int8_gops_n;   /* dot products of bytes in registers, 2 ops a product */
    double f32_gflops_1, f32_gflops_n; /* fused multiply-adds likewise */
} kw_limits;

/* A value that has no place in the arena: a leaf, a state or an output. */
#define KW_NO_OFFSET SIZE_MAX

/* What is compiled. Borrowed during compile, except weights, which outlive the program. */
typedef struct kw_unit {
    const kw_graph *graph;
    const uint32_t *order; /* [n_order] node ids that compute something, by increasing wave */
    uint32_t n_order;
    const uint32_t *wave; /* [graph->n_nodes] nodes of one wave are independent of each other */
    uint32_t n_waves;
    const size_t *offset; /* [graph->n_nodes] into the arena, multiples of 64 */
    size_t arena_bytes;
} kw_unit;

/* Weights of a file that is still being fetched: asked before they are read, on the thread that
 * submits. */
typedef struct kw_weight_gate {
    /* As kw_arrival_fn, for bytes that a weight leaf points to. */
    kw_arrival (*ask)(void *user, const void *data, size_t bytes, uint32_t wait_ms);
    void *user;
} kw_weight_gate;

/* What changes from run to run. */
typedef struct kw_run_args {
    int64_t live[KW_N_EXTENTS]; /* at most the bounds; 0: those rows are not computed */
    const void *const *inputs;  /* by slot */
    void *const *states;        /* by slot, each of state_bytes, zeroed before first use */
    void *const *outputs;       /* by index among the graph's outputs; f32 rows */
    /* Polled, until the program is freed; NULL: never. A cancelled run ends in KW_E_CANCELLED. */
    const atomic_bool *cancel;
    const kw_weight_gate *gate; /* NULL: every weight is here */
} kw_run_args;

/* Rows of one type to rows of another, through f32. */
typedef struct kw_conversion {
    kw_dtype from, to;
    const void *src; /* packed rows, at any address */
    void *dst;       /* [rows] packed; does not overlap src */
    int64_t rows, cols;
    const int64_t *order;    /* [rows] the source row of each; NULL: as they are */
    const float *importance; /* [cols] weights of the squared error; NULL: all the same */
} kw_conversion;

typedef struct kw_backend {
    const char *name;
    /* A plan for at most so many tokens costs little more than one for a single token; a plan for
     * more is made for many. */
    int64_t few_tokens;
    /* The same of a plan with kernels for a batch that is small; 0: the device has none. */
    int64_t (*small_tokens)(const kw_device *device);
    kw_status (*open)(const kw_device_config *config, kw_device **out, kw_error *err);
    void (*close)(kw_device *device);
    /* Names the instruction set or chip, and its number of workers. Borrowed. */
    const char *(*describe)(const kw_device *device, int *n_workers);
    /* Whether this node can be compiled; the planner lowers it otherwise. */
    bool (*supports)(const kw_device *device, const kw_graph *graph, const kw_node *node);
    /* Whether the sources of this node may still be read when its wave is over: the planner lets
     * nothing take their place before the run's end, and none of them is worked on in place. */
    bool (*lingers)(const kw_device *device, const kw_graph *graph, const kw_node *node);
    /* The type in which a matmul of so many rows with this weight type wants its activations. */
    kw_dtype (*activation)(const kw_device *device, kw_dtype weight, int64_t rows);
    /* Bytes of a value of this node, of a state; the layout is the backend's own. */
    size_t (*value_bytes)(const kw_device *device, const kw_node *node);
    size_t (*state_bytes)(const kw_device *device, const kw_node *node);
    /* Zeroed device memory, NULL when there is none. */
    void *(*alloc)(kw_device *device, size_t bytes);
    void (*free)(kw_device *device, void *memory, size_t bytes);
    kw_status (*compile)(kw_device *device, const kw_unit *unit, kw_program **out, kw_error *err);
    kw_status (*submit)(kw_device *device, kw_program *program, const kw_run_args *args,
                        kw_error *err);
    kw_status (*sync)(kw_device *device, kw_error *err);
    void (*program_free)(kw_device *device, kw_program *program);
    /* Memory that the program owns: arena and scratch. */
    size_t (*program_bytes)(const kw_program *program);
    /* Takes about `seconds`, and 256 MiB to 1 GiB. */
    kw_status (*measure)(kw_device *device, double seconds, kw_limits *out, kw_error *err);
    /* Waits. The bytes depend on the source alone. */
    kw_status (*convert)(kw_device *device, const kw_conversion *what, kw_error *err);
    /* Its waves and steps; json: an array. */
    void (*program_print)(const kw_program *program, bool json, kw_buf *out);
} kw_backend;

#endif
