/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* doctor.c - kwaai doctor: what this machine is, what will run on it, and what is in the way. */
#include "cli/commands.h"

#include "base/check.h"
#include "cli/history.h"
#include "cli/isa_list.h"
#include "cli/load.h"
#include "engine/probe.h"
#include "os/system.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define PROBE_SECONDS 1.0
#define MAX_WARNINGS 8
/* Weights of a 7B model in four bits: what people ask about. */
#define TYPICAL_BYTES 4e9

typedef struct findings {
    kw_cli *cli;
    kw_system system;
    kw_engine_info engine;
    char isa[16];
    kw_probe probe;
    const char *isas[KW_MAX_ISAS];
    size_t n_isas;
    kw_buf cache;
    char warnings[MAX_WARNINGS][200];
    size_t n_warnings;
} findings;

static void warn(findings *f, const char *fmt, ...) KW_PRINTF(2, 3);

static void warn(findings *f, const char *fmt, ...)
{
    if (f->n_warnings == MAX_WARNINGS)
        return;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(f->warnings[f->n_warnings++], sizeof f->warnings[0], fmt, args);
    va_end(args);
}

static void look_at_limits(findings *f)
{
    const kw_system *s = &f->system;
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    const uint64_t physical =
        pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : s->memory_bytes;
    char a[16], b[16];
    if (online > s->n_cpus)
        warn(f, "this process may use %d of %ld processors (a container or taskset limits it)",
             s->n_cpus, online);
    if (s->memory_bytes > 0 && s->memory_bytes < physical - physical / 16)
        warn(f, "a container limits memory to %s of the machine's %s",
             kw_print_bytes(s->memory_bytes, a), kw_print_bytes(physical, b));
    const double load = kw_cli_overload(s->n_cpus);
    if (load > 0.0)
        warn(f, "the machine is busy (load %.1f on %d processors): speeds are measured too low",
             load, s->n_cpus);
    if (s->available_bytes > 0 && s->available_bytes < (uint64_t)1 << 30)
        warn(f, "only %s of memory are available", kw_print_bytes(s->available_bytes, a));
}

static void look_at_kernels(findings *f)
{
    const char *best = f->n_isas > 0 ? f->isas[f->n_isas - 1] : "scalar";
    if (strcmp(f->isa, best) != 0)
        warn(f, "--isa or KWAAI_ISA asks for %s; %s would be faster", f->isa, best);
    if (strcmp(best, "scalar") == 0)
        warn(f, "no vector kernels fit this processor: it runs, slowly");
#if defined(__x86_64__)
    if ((f->system.features & KW_CPU_AVX2) == 0)
        warn(f, "the processor (or the virtual machine) does not offer AVX2");
#endif
    if (f->engine.n_threads > f->system.n_cpus)
        warn(f, "%d threads share %d processors", f->engine.n_threads, f->system.n_cpus);
    if (f->cli->builtin.len == 0)
        warn(f, "this build has no built-in model");
#ifdef KW_ASSERTIONS
    warn(f, "this build checks its assertions: it is slower than a release build");
#endif
}

static kw_status examine(findings *f, kw_error *err)
{
    kw_engine *engine;
    int n_threads;
    kw_system_query(&f->system);
    KW_TRY(kw_cli_threads(f->cli, &n_threads, err));
    KW_TRY(kw_cli_open_engine(f->cli, n_threads, &engine, err));
    f->engine.struct_size = sizeof f->engine;
    kw_engine_get_info(engine, &f->engine);
    (void)snprintf(f->isa, sizeof f->isa, "%s", f->engine.isa);
    kw_cli_progress(f->cli, "measuring for a second");
    const kw_status status = kw_engine_probe(engine, PROBE_SECONDS, &f->probe, err);
    kw_cli_progress_end(f->cli);
    kw_engine_close(engine);
    KW_TRY(status);
    f->n_isas = kw_isas_usable(f->isas);
    (void)kw_xdg_dir(f->cli->env, "XDG_CACHE_HOME", ".cache", &f->cache);
    look_at_limits(f);
    look_at_kernels(f);
    return KW_OK;
}

static void features_text(const findings *f, kw_buf *out)
{
    for (uint32_t bit = 1; bit != 0; bit <<= 1) {
        const char *name = f->system.features & bit ? kw_cpu_feature_name(bit) : NULL;
        if (name)
            kw_buf_printf(out, "%s%s", out->len ? " " : "", name);
    }
    if (out->len == 0)
        kw_buf_printf(out, "none that kwaai knows");
}

static void print_text(const findings *f)
{
    kw_out *out = &f->cli->out;
    const kw_system *s = &f->system;
    char a[16], b[16];
    kw_buf features = {0};
    features_text(f, &features);
    kw_out_printf(out, "kwaai       %s\n", kw_version());
    kw_out_printf(out, "processor   %s\n", s->cpu_name[0] ? s->cpu_name : "unknown");
    kw_out_printf(out, "cores       %d (%d fast, %d processors)\n", s->n_cores, s->n_fast,
                  s->n_cpus);
    kw_out_printf(out, "features    %s\n", features.data ? features.data : "");
    kw_out_printf(out, "memory      %s, %s available\n", kw_print_bytes(s->memory_bytes, a),
                  kw_print_bytes(s->available_bytes, b));
    kw_out_printf(out, "kernels     %s (here:", f->isa);
    for (size_t i = 0; i < f->n_isas; i++)
        kw_out_printf(out, " %s", f->isas[i]);
    kw_out_printf(out, ")\nthreads     %d\n", f->engine.n_threads);
    kw_out_printf(out, "bandwidth   %.1f GB/s read with 1 thread, %.1f with %d\n",
                  f->probe.read_gbps_1, f->probe.read_gbps_n, f->engine.n_threads);
    kw_out_printf(out, "int8 dot    %.0f GOP/s with 1 thread, %.0f with %d\n", f->probe.int8_gops_1,
                  f->probe.int8_gops_n, f->engine.n_threads);
    kw_out_printf(out, "f32 fma     %.0f GFLOP/s with 1 thread, %.0f with %d\n",
                  f->probe.f32_gflops_1, f->probe.f32_gflops_n, f->engine.n_threads);
    kw_out_printf(out, "allows      about %.1f tokens/s from a 7B model in 4 bits (4 GB)\n",
                  KW_MAX(f->probe.read_gbps_n, f->probe.read_gbps_1) * 1e9 / TYPICAL_BYTES);
    kw_out_printf(out, "built-in    %s\n",
                  f->cli->builtin.len ? kw_print_bytes(f->cli->builtin.len, a) : "no model");
    kw_out_printf(out, "cache       %s%s\n", f->cache.data ? f->cache.data : "none",
                  f->cache.data && access(f->cache.data, F_OK) != 0 ? " (not made yet)" : "");
    for (size_t i = 0; i < f->n_warnings; i++)
        kw_out_printf(out, "warning     %s\n", f->warnings[i]);
    if (f->n_warnings == 0)
        kw_out_puts(out, "all is well\n");
    kw_buf_free(&features);
}

static void json_machine(const findings *f, kw_json_writer *w)
{
    const kw_system *s = &f->system;
    kw_json_puts(w, "processor", s->cpu_name);
    kw_json_int(w, "cores", s->n_cores);
    kw_json_int(w, "fast_cores", s->n_fast);
    kw_json_int(w, "processors", s->n_cpus);
    kw_json_open(w, "features", '[');
    for (uint32_t bit = 1; bit != 0; bit <<= 1) {
        const char *name = s->features & bit ? kw_cpu_feature_name(bit) : NULL;
        if (name)
            kw_json_puts(w, NULL, name);
    }
    kw_json_close(w, ']');
    kw_json_int(w, "memory_bytes", (int64_t)s->memory_bytes);
    kw_json_int(w, "available_bytes", (int64_t)s->available_bytes);
}

static void print_json(const findings *f)
{
    kw_json_writer w = {.out = &f->cli->out, .pretty = true};
    kw_json_open(&w, NULL, '{');
    kw_json_puts(&w, "version", kw_version());
    json_machine(f, &w);
    kw_json_puts(&w, "isa", f->isa);
    kw_json_open(&w, "isas", '[');
    for (size_t i = 0; i < f->n_isas; i++)
        kw_json_puts(&w, NULL, f->isas[i]);
    kw_json_close(&w, ']');
    kw_json_int(&w, "threads", f->engine.n_threads);
    kw_json_real(&w, "read_gbps_1", f->probe.read_gbps_1);
    kw_json_real(&w, "read_gbps_n", f->probe.read_gbps_n);
    kw_json_real(&w, "int8_gops_1", f->probe.int8_gops_1);
    kw_json_real(&w, "int8_gops_n", f->probe.int8_gops_n);
    kw_json_real(&w, "f32_gflops_1", f->probe.f32_gflops_1);
    kw_json_real(&w, "f32_gflops_n", f->probe.f32_gflops_n);
    kw_json_int(&w, "builtin_model_bytes", (int64_t)f->cli->builtin.len);
    kw_json_puts(&w, "cache_dir", f->cache.data);
    kw_json_open(&w, "warnings", '[');
    for (size_t i = 0; i < f->n_warnings; i++)
        kw_json_puts(&w, NULL, f->warnings[i]);
    kw_json_close(&w, ']');
    kw_json_close(&w, '}');
}

static int run_doctor(kw_cli *cli)
{
    findings f = {.cli = cli};
    kw_error err = {0};
    const kw_status status = examine(&f, &err);
    if (status == KW_OK && cli->parsed.options.json)
        print_json(&f);
    else if (status == KW_OK)
        print_text(&f);
    kw_buf_free(&f.cache);
    return status == KW_OK ? KW_EXIT_OK : kw_cli_fail(cli, status, &err);
}

const kw_command kw_command_doctor = {
    .name = "doctor",
    .summary = "show what this machine can do, measured in a second",
    .usage = "",
    .description =
        "Shows the processor and its features, memory, the kernels and threads that will "
        "be used, memory bandwidth and dot-product speed as measured now, and what is in "
        "the way of more. Works without a model.",
    .examples = "  kwaai doctor\n"
                "  kwaai doctor --json\n",
    .max_args = 0,
    .run = run_doctor,
};
