/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bench_matmul.c - whole products of matrices, as a plan runs them: x [m, k] . w [n, k]^T, with
 * what puts x into the order of the kernels, on any number of threads.
 *
 *   bench_matmul [threads] [isa or -] [type] [fast]
 *
 * Prints the best of several runs and the share of the machine's multiply-adds, measured in the
 * same run. A library of linear algebra is measured beside it by any program that calls it. */
#include "backend/cpu/cpu.h"
#include "base/check.h"
#include "os/system.h"
#include "plan/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t sizes[][3] = {{1024, 1024, 1024}, {2048, 2048, 2048}, {4096, 4096, 4096},
                                   {512, 5632, 2048},  {512, 2048, 5632},  {509, 1021, 1531}};

static void must(kw_status status, const kw_error *err)
{
    if (status == KW_OK)
        return;
    fprintf(stderr, "bench_matmul: %s\n", err->message);
    exit(1);
}

static void *block(size_t bytes)
{
    void *p = kw_pages_alloc(bytes);
    if (!p)
        exit(1);
    return p;
}

/* Numbers in [-1, 1). */
static void fill(float *x, size_t n)
{
    uint32_t state = 12345;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(int32_t)state * 0x1p-31f;
    }
}

static void bench_size(kw_device *device, kw_dtype type, const int64_t size[3], double peak)
{
    const int64_t m = size[0], n = size[1], k = size[2], bound[KW_N_EXTENTS] = {0, 1, 1};
    const size_t x_n = (size_t)(m * k), w_n = (size_t)(n * k), y_bytes = (size_t)(m * n) * 4;
    size_t w_bytes = 0;
    float *x = block(x_n * sizeof *x), *wide = block(w_n * sizeof *wide), *y = block(y_bytes);
    if (!kw_tensor_bytes(type, SHAPE(n, k), &w_bytes))
        exit(1);
    void *w = block(w_bytes);
    fill(x, x_n);
    fill(wide, w_n);
    kw_dtype_info(type)->encode(w, wide, w_n, NULL);
    kw_pages_free(wide, w_n * sizeof *wide);

    kw_error err = {0};
    kw_graph *g = NULL;
    kw_plan *plan = NULL;
    must(kw_graph_create(bound, &g, &err), &err);
    kw_graph_output(g, kw_matmul(g, kw_weight_leaf(g, "x", KW_F32, SHAPE(m, k), x),
                                 kw_weight_leaf(g, "w", type, SHAPE(n, k), w)));
    must(kw_graph_finish(g, &err), &err);
    must(kw_plan_create(g, &kw_cpu_backend, device, bound, &plan, &err), &err);
    void *outputs[] = {y};
    const kw_run_args args = {.live = {0, 1, 1}, .outputs = outputs};
    double best = 1e9;
    const uint64_t begin = kw_clock_ns();
    for (int run = 0; run < 3 || (run < 50 && kw_clock_ns() - begin < 1000000000u); run++) {
        const uint64_t t = kw_clock_ns();
        must(kw_plan_run(plan, &args, &err), &err);
        best = KW_MIN(best, (double)(kw_clock_ns() - t) * 1e-9);
    }
    const double rate = 2.0 * (double)m * (double)n * (double)k / best * 1e-9;
    printf("  %5d x %5d x %5d  %7.1f GFLOP/s (%3.0f %% of %.0f)\n", (int)m, (int)n, (int)k, rate,
           100 * rate / peak, peak);
    kw_plan_free(plan);
    kw_graph_free(g);
    kw_pages_free(x, x_n * sizeof *x);
    kw_pages_free(y, y_bytes);
    kw_pages_free(w, w_bytes);
}

int main(int argc, char **argv)
{
    const kw_device_config config = {.n_threads = argc > 1 ? atoi(argv[1]) : 0,
                                     .isa = argc > 2 && strcmp(argv[2], "-") != 0 ? argv[2] : NULL,
                                     .fast = argc > 4 && strcmp(argv[4], "fast") == 0};
    kw_dtype type = KW_F32;
    kw_device *device = NULL;
    kw_limits limits;
    kw_error err = {0};
    if (argc > 3 && !kw_dtype_by_name(kw_str_from(argv[3]), &type))
        return 2;
    must(kw_cpu_backend.open(&config, &device, &err), &err);
    must(kw_cpu_backend.measure(device, 0.5, &limits, &err), &err);
    int n_workers = 0;
    const char *isa = kw_cpu_backend.describe(device, &n_workers);
    printf("%s %s%s, %d threads\n", isa, kw_dtype_info(type)->name, config.fast ? " fast" : "",
           n_workers);
    for (size_t i = 0; i < KW_COUNT(sizes); i++)
        bench_size(device, type, sizes[i], limits.f32_gflops_n);
    kw_cpu_backend.close(device);
    return 0;
}
