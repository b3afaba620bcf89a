/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ops_test.h - what the tests of ops and plans share: graphs fed by tables, devices of every
 * instruction set, one function that plans and runs, and the comparison of a result with a
 * reference in double precision and, bit by bit, with the scalar kernels. */
#ifndef KW_OPS_TEST_H
#define KW_OPS_TEST_H

#include "backend/cpu/cpu.h"
#include "base/check.h"
#include "base/rng.h"
#include "plan/plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OPS_MAX_SLOTS 8

static inline void must(kw_status status, const kw_error *err)
{
    if (status != KW_OK)
        fail_msg("%s", err->message);
}

static inline void *fresh(size_t bytes)
{
    void *p = calloc(1, bytes ? bytes : 1);
    assert_non_null(p);
    return p;
}

/* n random floats in [-size, size), freed by the caller. */
static inline float *random_rows(uint64_t seed, size_t n, float size)
{
    float *x = fresh(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (kw_rng_uniform(seed, 77, i) * 2.0f - 1.0f) * size;
    return x;
}

static inline kw_graph *graph_of(int64_t tokens, int64_t outputs)
{
    const int64_t bound[KW_N_EXTENTS] = {0, tokens, outputs};
    kw_graph *g = NULL;
    kw_error err = {0};
    must(kw_graph_create(bound, &g, &err), &err);
    return g;
}

/* Row i of table[rows][n] for token i: how tests feed f32 rows. ids is the graph's input. */
static inline kw_ref fed(kw_graph *g, kw_ref ids, const float *table, int64_t n_rows, int64_t n)
{
    return kw_gather(g, kw_weight_leaf(g, "fed", KW_F32, SHAPE(n_rows, n), table), ids);
}

/* NULL when this build or processor lacks the instruction set. */
static inline kw_device *device_of(const char *isa, int n_threads)
{
    kw_device *device = NULL;
    const kw_device_config config = {.n_threads = n_threads, .isa = isa};
    return kw_cpu_backend.open(&config, &device, NULL) == KW_OK ? device : NULL;
}

/* A plan with memory for the states of its graph. */
typedef struct bench_plan {
    kw_device *device;
    kw_plan *plan;
    kw_graph *graph; /* borrowed */
    void *states[OPS_MAX_SLOTS];
    size_t state_bytes[OPS_MAX_SLOTS];
} bench_plan;

static inline void bench_open(bench_plan *b, kw_graph *g, kw_device *device)
{
    kw_error err = {0};
    *b = (bench_plan){.device = device, .graph = g};
    must(kw_graph_finish(g, &err), &err);
    must(kw_plan_create(g, &kw_cpu_backend, device, g->bound, &b->plan, &err), &err);
    for (uint32_t id = 1; id < g->n_nodes; id++) {
        const kw_node *node = kw_graph_node(g, id);
        if (node->op != KW_OP_STATE)
            continue;
        assert_true(node->state.slot < OPS_MAX_SLOTS);
        const size_t bytes = kw_cpu_backend.state_bytes(device, node);
        b->state_bytes[node->state.slot] = bytes;
        b->states[node->state.slot] = kw_cpu_backend.alloc(device, bytes);
        assert_non_null(b->states[node->state.slot]);
    }
}

static inline void bench_close(bench_plan *b)
{
    kw_plan_free(b->plan);
    for (int i = 0; i < OPS_MAX_SLOTS; i++)
        kw_cpu_backend.free(b->device, b->states[i], b->state_bytes[i]);
}

static inline void bench_run(bench_plan *b, int64_t tokens, int64_t outputs,
                             const void *const *inputs, void *const *results)
{
    kw_error err = {0};
    const kw_run_args args = {
        .live = {0, tokens, outputs}, .inputs = inputs, .states = b->states, .outputs = results};
    must(kw_plan_run(b->plan, &args, &err), &err);
}

static inline bool same_bits(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static inline void assert_same_bits(const float *got, const float *want, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (!same_bits(got[i], want[i]))
            fail_msg("%s: element %zu of %zu is %a, expected %a", what, i, n, (double)got[i],
                     (double)want[i]);
}

/* |got - want| <= slack[i] for every element; slack NULL: relative to 1 + |want|. */
static inline void assert_close(const float *got, const double *want, const double *slack,
                                double tolerance, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++) {
        const double scale = slack ? slack[i] : 1 + fabs(want[i]);
        if (!(fabs((double)got[i] - want[i]) <= tolerance * scale))
            fail_msg("%s: element %zu of %zu is %.9g, expected %.9g within %.3g", what, i, n,
                     (double)got[i], want[i], tolerance * scale);
    }
}

/* Says once that an instruction set is not compared. */
static inline void say_missing(size_t isa, const char *name)
{
    static bool said[8];
    if (isa < 8 && !said[isa])
        print_message("no %s on this machine: its bits are not compared\n", name);
    if (isa < 8)
        said[isa] = true;
}

/* Plans and runs a graph of one output and one input of token ids 0, 1, ... on every instruction
 * set, with one thread and with three: the same bits as scalar, and close to the reference.
 * n: elements of a row of the output. */
static inline void check_rows(kw_graph *g, int64_t tokens, size_t n, const double *want,
                              const double *slack, double tolerance, const char *what)
{
    size_t n_isas;
    const char *const *isas = kw_cpu_isa_names(&n_isas);
    const size_t total = (size_t)tokens * n;
    float *first = fresh(total * sizeof *first), *got = fresh((total + 1) * sizeof *got);
    int32_t *ids = fresh((size_t)tokens * sizeof *ids);
    for (int32_t i = 0; i < tokens; i++)
        ids[i] = i;
    for (size_t v = 0; v < 2 * n_isas; v++) {
        bench_plan b;
        kw_device *device = device_of(isas[v / 2], v % 2 ? 3 : 1);
        if (!device) {
            say_missing(v / 2, isas[v / 2]);
            continue;
        }
        bench_open(&b, g, device);
        for (size_t i = 0; i <= total; i++)
            got[i] = 12345.5f;
        bench_run(&b, tokens, 1, (const void *const[]){ids}, (void *[]){got});
        assert_true(got[total] > 12345.25f && got[total] < 12345.75f); /* nothing behind */
        if (v == 0)
            memcpy(first, got, total * sizeof *first);
        for (size_t i = 0; i < total; i++)
            if (!same_bits(got[i], first[i]))
                fail_msg("%s: %s, %d threads: element %zu is %a, scalar has %a", what, isas[v / 2],
                         v % 2 ? 3 : 1, i, (double)got[i], (double)first[i]);
        bench_close(&b);
        kw_cpu_backend.close(device);
    }
    assert_close(first, want, slack, tolerance, total, what);
    free(ids);
    free(got);
    free(first);
}

#endif
