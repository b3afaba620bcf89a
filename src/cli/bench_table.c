/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bench_table.c - rows as Markdown, JSON, JSON lines or CSV.
 *
 * Field names are those of llama-bench, so that its readers work; isa, n_busy, read_gbps, int8_gops
 * and limit_ts are our own. */
#include "cli/bench_table.h"

#include "base/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Below this the weights may stay in a cache, and memory bandwidth says nothing. */
#define CACHED_BYTES ((uint64_t)128 << 20)

typedef enum field_kind { FIELD_TEXT, FIELD_INT, FIELD_REAL } field_kind;

typedef struct field {
    const char *name;
    field_kind kind;
    const char *text;
    int64_t integer;
    double real;
} field;

#define MAX_FIELDS 28

void kw_bench_stats(const double *values, size_t n, double *mean, double *deviation)
{
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    *mean = n > 0 ? sum / (double)n : 0.0;
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - *mean) * (values[i] - *mean);
    *deviation = n > 1 ? sqrt(squares / (double)(n - 1)) : 0.0;
}

void kw_bench_rates(const kw_bench_result *result, double *rates)
{
    const double tokens = (double)(result->n_prompt + result->n_gen);
    for (size_t i = 0; i < result->n_samples; i++)
        rates[i] = tokens * 1e9 / (double)KW_MAX(result->samples_ns[i], (uint64_t)1);
}

static bool is_md(const kw_bench_table *t)
{
    return strcmp(t->format, "md") == 0;
}

static bool is_json(const kw_bench_table *t)
{
    return t->format[0] == 'j';
}

/* ---- what a figure is measured against ---- */

typedef struct limit {
    double most;  /* tokens per second that the machine allows */
    double speed; /* GB/s or GOP/s behind it */
    const char *unit;
} limit;

/* Writing reads every matrix once a token, and what the cache holds; reading multiplies every token
 * with every matrix, and one with the head's. False where nothing was measured, or where the
 * weights may stay in a cache. */
static bool limit_of(const kw_bench_table *t, const kw_bench_result *r, limit *out)
{
    const kw_model_info *info = &t->loaded->info;
    if (!r->probe || info->size_bytes < CACHED_BYTES)
        return false;
    const kw_probe *p = r->probe;
    const bool many = r->n_threads > 1;
    if (r->n_prompt > 0) {
        const double n = (double)r->n_prompt;
        const double ops = 2.0 * ((double)info->token_params + (double)info->output_params / n);
        out->speed = many ? p->int8_gops_n : p->int8_gops_1;
        out->unit = "GOP/s";
        out->most = out->speed * 1e9 / ops;
    } else {
        const double positions = (double)(r->depth + r->n_gen);
        const double held = (double)r->depth + (double)r->n_gen / 2.0;
        const double bytes = (double)(info->token_bytes + info->output_bytes) +
                             (double)r->cache_bytes * held / KW_MAX(positions, 1.0);
        out->speed = many ? p->read_gbps_n : p->read_gbps_1;
        out->unit = "GB/s";
        out->most = out->speed * 1e9 / bytes;
    }
    return out->most > 0.0;
}

/* ---- Markdown ---- */

/* Columns of text[0..len), counting characters. */
static int padded(const char *text, int width)
{
    int extra = 0; /* continuation bytes take no column */
    for (const char *c = text; *c; c++)
        extra += ((unsigned char)*c & 0xC0) == 0x80;
    return width + extra;
}

static void row_md(kw_bench_table *t, const kw_bench_result *r, double mean, double deviation)
{
    char size[16], params[16], rate[48], share[48] = "", test[64];
    limit most;
    (void)snprintf(rate, sizeof rate, "%.2f ± %.2f", mean, deviation);
    (void)snprintf(test, sizeof test, r->n_busy > 0 ? "%s, %d busy" : "%s", r->test, r->n_busy);
    if (limit_of(t, r, &most))
        (void)snprintf(share, sizeof share, "%3.0f %% of %.*f %s", 100.0 * mean / most.most,
                       most.speed < 100.0 ? 1 : 0, most.speed, most.unit);
    kw_out_puts(t->out, "| ");
    kw_out_foreign(t->out, t->loaded->info.description, strlen(t->loaded->info.description));
    for (size_t i = strlen(t->loaded->info.description); i < 30; i++)
        kw_out_puts(t->out, " ");
    kw_out_printf(t->out, " | %10s | %10s | %-10s | %7d | %15s | %*s | %20s |\n",
                  kw_print_bytes(t->loaded->info.size_bytes, size),
                  kw_print_count(t->loaded->info.n_params, params), "CPU", r->n_threads, test,
                  padded(rate, 20), rate, share);
}

/* ---- JSON and CSV ---- */

static size_t describe(const kw_bench_table *t, const kw_bench_result *r, const double *rates,
                       field *f)
{
    double ns[2], ts[2];
    double *values = calloc(r->n_samples + 1, sizeof *values);
    for (size_t i = 0; values && i < r->n_samples; i++)
        values[i] = (double)r->samples_ns[i];
    kw_bench_stats(values, values ? r->n_samples : 0, &ns[0], &ns[1]);
    kw_bench_stats(rates, r->n_samples, &ts[0], &ts[1]);
    free(values);
    const kw_loaded *l = t->loaded;
    const bool many = r->n_threads > 1;
    const kw_probe *p = r->probe;
    limit most;
    const field fields[] = {
        {.name = "build_version", .text = kw_version()},
        {.name = "cpu_info", .text = t->cpu},
        {.name = "backends", .text = "CPU"},
        {.name = "isa", .text = l->engine_info.isa},
        {.name = "model_filename", .text = t->path},
        {.name = "model_type", .text = l->info.description},
        {.name = "model_size", .kind = FIELD_INT, .integer = (int64_t)l->info.size_bytes},
        {.name = "model_n_params", .kind = FIELD_INT, .integer = (int64_t)l->info.n_params},
        {.name = "n_batch", .kind = FIELD_INT, .integer = t->batch},
        {.name = "n_threads", .kind = FIELD_INT, .integer = r->n_threads},
        {.name = "type_k", .text = t->cache_type},
        {.name = "type_v", .text = t->cache_type},
        {.name = "n_prompt", .kind = FIELD_INT, .integer = (int64_t)r->n_prompt},
        {.name = "n_gen", .kind = FIELD_INT, .integer = (int64_t)r->n_gen},
        {.name = "n_busy", .kind = FIELD_INT, .integer = r->n_busy},
        {.name = "n_depth", .kind = FIELD_INT, .integer = (int64_t)r->depth},
        {.name = "test", .text = r->test},
        {.name = "test_time", .text = r->time},
        {.name = "avg_ns", .kind = FIELD_REAL, .real = ns[0]},
        {.name = "stddev_ns", .kind = FIELD_REAL, .real = ns[1]},
        {.name = "avg_ts", .kind = FIELD_REAL, .real = ts[0]},
        {.name = "stddev_ts", .kind = FIELD_REAL, .real = ts[1]},
        {.name = "read_gbps",
         .kind = FIELD_REAL,
         .real = p ? (many ? p->read_gbps_n : p->read_gbps_1) : (double)NAN},
        {.name = "int8_gops",
         .kind = FIELD_REAL,
         .real = p ? (many ? p->int8_gops_n : p->int8_gops_1) : (double)NAN},
        {.name = "limit_ts",
         .kind = FIELD_REAL,
         .real = limit_of(t, r, &most) ? most.most : (double)NAN},
    };
    _Static_assert(KW_COUNT(fields) <= MAX_FIELDS, "MAX_FIELDS is too small");
    memcpy(f, fields, sizeof fields);
    return KW_COUNT(fields);
}

static void row_json(kw_bench_table *t, const kw_bench_result *r, const double *rates,
                     const field *f, size_t n)
{
    kw_json_writer *w = &t->json;
    kw_json_open(w, NULL, '{');
    for (size_t i = 0; i < n; i++) {
        if (f[i].kind == FIELD_TEXT)
            kw_json_puts(w, f[i].name, f[i].text);
        else if (f[i].kind == FIELD_INT)
            kw_json_int(w, f[i].name, f[i].integer);
        else
            kw_json_real(w, f[i].name, f[i].real);
    }
    kw_json_open(w, "samples_ns", '[');
    for (size_t i = 0; i < r->n_samples; i++)
        kw_json_int(w, NULL, (int64_t)r->samples_ns[i]);
    kw_json_close(w, ']');
    kw_json_open(w, "samples_ts", '[');
    for (size_t i = 0; i < r->n_samples; i++)
        kw_json_real(w, NULL, rates[i]);
    kw_json_close(w, ']');
    kw_json_close(w, '}');
}

/* RFC 4180: every text in quotes, quotes doubled. */
static void csv_text(kw_out *out, const char *text)
{
    kw_out_puts(out, "\"");
    for (const char *c = text; *c; c++) {
        if (*c == '"')
            kw_out_puts(out, "\"");
        kw_out_write(out, c, 1);
    }
    kw_out_puts(out, "\"");
}

static void row_csv(kw_bench_table *t, const field *f, size_t n)
{
    for (size_t i = 0; t->n_rows == 0 && i < n; i++)
        kw_out_printf(t->out, "%s%s", i ? "," : "", f[i].name);
    if (t->n_rows == 0)
        kw_out_puts(t->out, "\n");
    for (size_t i = 0; i < n; i++) {
        kw_out_puts(t->out, i ? "," : "");
        if (f[i].kind == FIELD_TEXT)
            csv_text(t->out, f[i].text ? f[i].text : "");
        else if (f[i].kind == FIELD_INT)
            kw_out_printf(t->out, "%lld", (long long)f[i].integer);
        else if (isfinite(f[i].real))
            kw_out_printf(t->out, "%.10g", f[i].real);
    }
    kw_out_puts(t->out, "\n");
}

/* ---- all ---- */

void kw_bench_begin(kw_bench_table *t)
{
    t->json = (kw_json_writer){.out = t->out, .pretty = strcmp(t->format, "json") == 0};
    if (t->json.pretty)
        kw_json_open(&t->json, NULL, '[');
    if (is_md(t))
        kw_out_puts(t->out,
                    "| model                          |       size |     params | backend    | "
                    "threads |            test |                  t/s |             of limit |\n"
                    "| ------------------------------ | ---------: | ---------: | ---------- | "
                    "------: | --------------: | -------------------: | -------------------: |\n");
    (void)kw_out_flush(t->out);
}

void kw_bench_row(kw_bench_table *t, const kw_bench_result *r)
{
    double mean, deviation;
    field fields[MAX_FIELDS];
    double *rates = calloc(r->n_samples + 1, sizeof *rates);
    if (!rates)
        return;
    kw_bench_rates(r, rates);
    kw_bench_stats(rates, r->n_samples, &mean, &deviation);
    const size_t n = describe(t, r, rates, fields);
    if (is_md(t))
        row_md(t, r, mean, deviation);
    else if (is_json(t))
        row_json(t, r, rates, fields, n);
    else
        row_csv(t, fields, n);
    t->n_rows++;
    free(rates);
    (void)kw_out_flush(t->out);
}

void kw_bench_end(kw_bench_table *t)
{
    if (t->json.pretty)
        kw_json_close(&t->json, ']');
    (void)kw_out_flush(t->out);
}

void kw_bench_roofline(kw_bench_table *t, const kw_probe *probe, int n_threads)
{
    if (!is_md(t))
        return;
    const double gbps = n_threads > 1 ? probe->read_gbps_n : probe->read_gbps_1;
    const double gops = n_threads > 1 ? probe->int8_gops_n : probe->int8_gops_1;
    kw_out_printf(t->out, "\n%s, %s, %d thread%s: memory read %.1f GB/s, int8 dot %.0f GOP/s\n",
                  t->cpu, t->loaded->engine_info.isa, n_threads, n_threads > 1 ? "s" : "", gbps,
                  gops);
}

/* ---- beside a peer ---- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorted copies of n values: ours, theirs, their ratios. */
static double *sorted(const double *a, const double *over, size_t n, size_t stride)
{
    double *v = calloc(n + 1, sizeof *v);
    for (size_t i = 0; v && i < n; i++)
        v[i] = over ? a[i * stride] / over[i * stride] : a[i * stride];
    if (v)
        qsort(v, n, sizeof *v, by_value);
    return v;
}

static double middle(const double *v, size_t n)
{
    return !v || n == 0 ? 0.0 : n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2.0;
}

double kw_bench_median(const double *values, size_t n, size_t stride)
{
    double *v = sorted(values, NULL, n, stride);
    const double median = middle(v, n);
    free(v);
    return median;
}

void kw_bench_compare_begin(kw_bench_table *t)
{
    t->json = (kw_json_writer){.out = t->out, .pretty = strcmp(t->format, "json") == 0};
    if (t->json.pretty)
        kw_json_open(&t->json, NULL, '[');
    if (is_md(t))
        kw_out_puts(t->out, "| threads |            test |   ours t/s | theirs t/s |  ratio |      "
                            "    spread | rounds |\n"
                            "| ------: | --------------: | ---------: | ---------: | -----: | "
                            "--------------: | -----: |\n");
    else if (!is_json(t))
        kw_out_puts(t->out, "n_threads,test,ours_ts,theirs_ts,ratio,ratio_min,ratio_max,rounds\n");
}

void kw_bench_compare_row(kw_bench_table *t, const char *test, const double *ours,
                          const double *theirs, size_t n, size_t stride)
{
    const double a = kw_bench_median(ours, n, stride), b = kw_bench_median(theirs, n, stride);
    double *ratios = sorted(ours, theirs, n, stride);
    const double ratio = middle(ratios, n), low = ratios && n ? ratios[0] : 0.0,
                 high = ratios && n ? ratios[n - 1] : 0.0;
    const int n_threads = t->loaded->engine_info.n_threads;
    free(ratios);
    if (is_md(t)) {
        kw_out_printf(t->out, "| %7d | %15s | %10.2f | %10.2f | %6.2f | %6.2f .. %5.2f | %6zu |\n",
                      n_threads, test, a, b, ratio, low, high, n);
    } else if (is_json(t)) {
        kw_json_writer *w = &t->json;
        kw_json_open(w, NULL, '{');
        kw_json_int(w, "n_threads", n_threads);
        kw_json_puts(w, "test", test);
        kw_json_real(w, "ours_ts", a);
        kw_json_real(w, "theirs_ts", b);
        kw_json_real(w, "ratio", ratio);
        kw_json_real(w, "ratio_min", low);
        kw_json_real(w, "ratio_max", high);
        kw_json_int(w, "rounds", (int64_t)n);
        kw_json_close(w, '}');
    } else {
        kw_out_printf(t->out, "%d,\"%s\",%.4f,%.4f,%.4f,%.4f,%.4f,%zu\n", n_threads, test, a, b,
                      ratio, low, high, n);
    }
    t->n_rows++;
    (void)kw_out_flush(t->out);
}
