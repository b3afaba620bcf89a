/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bench_table.h - what kwaai bench measured, in llama-bench's columns and formats. */
#ifndef KW_CLI_BENCH_TABLE_H
#define KW_CLI_BENCH_TABLE_H

#include "cli/load.h"
#include "engine/probe.h"

typedef struct kw_bench_result {
    const char *test; /* "pp512" */
    size_t n_prompt, n_gen, depth;
    int n_threads, n_busy;
    uint64_t cache_bytes;       /* of keys and values for all positions of the test; 0: not known */
    const uint64_t *samples_ns; /* [n_samples] time of each repetition */
    size_t n_samples;
    const char *time;      /* when, ISO 8601 */
    const kw_probe *probe; /* NULL: not measured */
} kw_bench_result;

typedef struct kw_bench_table {
    kw_out *out;
    const kw_loaded *loaded;
    const char *path, *cpu, *cache_type, *format; /* format: md, json, jsonl, csv */
    int batch;
    size_t n_rows;
    kw_json_writer json;
} kw_bench_table;

/* Mean and sample standard deviation (n - 1). */
void kw_bench_stats(const double *values, size_t n, double *mean, double *deviation);
/* The numbers of tokens per second of each repetition go to rates[n_samples]. */
void kw_bench_rates(const kw_bench_result *result, double *rates);

void kw_bench_begin(kw_bench_table *table);
void kw_bench_row(kw_bench_table *table, const kw_bench_result *result);
void kw_bench_end(kw_bench_table *table);
/* md only: the machine, and what it allows. */
void kw_bench_roofline(kw_bench_table *table, const kw_probe *probe, int n_threads);

/* Median of values[0], values[stride], ..., n of them; 0 when n is 0. Their order is kept. */
double kw_bench_median(const double *values, size_t n, size_t stride);
/* Ours beside a peer's: after kw_bench_compare_begin a row a test. Round i of n measured ours[i *
 * stride] and theirs[i * stride] tokens per second, one right after the other. */
void kw_bench_compare_begin(kw_bench_table *table);
void kw_bench_compare_row(kw_bench_table *table, const char *test, const double *ours,
                          const double *theirs, size_t n, size_t stride);

#endif
