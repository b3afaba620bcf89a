/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bench.c - kwaai bench: how fast a model reads prompts (ppN) and writes tokens (tgN) here.
 *
 * As llama-bench does it: random tokens, one warm-up, the mean of the repetitions, no sampling.
 * Beside it, in the same process, what memory and dot products of this machine allow. */
#include "cli/commands.h"

#include "base/check.h"
#include "cli/bench_table.h"
#include "os/system.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_LENGTH 1048576 /* tokens of one test */
#define PROBE_SECONDS 0.6

typedef struct bench {
    kw_cli *cli;
    const char *path;
    kw_loaded loaded;
    kw_bench_table table;
    kw_system system;
    int64_t *prompts, *gens, *depths, *threads;
    size_t n_prompts, n_gens, n_depths, n_threads;
    uint64_t *samples; /* [repetitions] */
    float *logits;     /* [vocab] */
    int32_t *tokens;   /* [longest] */
    kw_probe probe;
    bool begun, probed;
    double prefill, decode; /* the last rates, for the roofline */
} bench;

/* What one row measures: reading or writing tokens after `depth` others. */
typedef struct test {
    size_t depth, n_prompt, n_gen;
    char name[48];
} test;

static void close_model(bench *b)
{
    kw_cli_unload(&b->loaded);
    free(b->logits);
    b->logits = NULL;
}

static kw_status open_model(bench *b, int n_threads, kw_error *err)
{
    const kw_options *o = &b->cli->parsed.options;
    if (!o->synthetic) {
        KW_TRY(kw_cli_load(b->cli, b->path, n_threads, &b->loaded, err));
    } else {
        KW_TRY(kw_cli_open_engine(b->cli, n_threads, &b->loaded.engine, err));
        b->loaded.engine_info.struct_size = sizeof b->loaded.engine_info;
        kw_engine_get_info(b->loaded.engine, &b->loaded.engine_info);
        kw_cli_progress(b->cli, "making up the weights of %s in %s", o->synthetic, o->type);
        KW_TRY(kw_model_synthetic(b->loaded.engine, o->synthetic, o->type, &b->loaded.model, err));
        b->loaded.info.struct_size = sizeof b->loaded.info;
        kw_model_get_info(b->loaded.model, &b->loaded.info);
    }
    b->logits = calloc((size_t)b->loaded.info.vocab, sizeof *b->logits);
    if (!b->logits)
        return kw_fail(err, KW_E_NOMEM, "no memory for the logits of one token");
    return KW_OK;
}

/* ---- one test ---- */

static void pause_between(const bench *b)
{
    const double delay = b->cli->parsed.options.delay;
    const struct timespec span = {.tv_sec = (time_t)delay,
                                  .tv_nsec = (long)((delay - (double)(time_t)delay) * 1e9)};
    if (delay > 0.0)
        (void)nanosleep(&span, NULL);
}

static void random_tokens(const bench *b, int32_t *tokens, size_t n)
{
    uint32_t x = 12345;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u; /* Numerical Recipes' generator; any tokens will do */
        tokens[i] = (int32_t)((x >> 8) % (uint32_t)b->loaded.info.vocab);
    }
}

/* One repetition after the first `depth` tokens, which the session holds. */
static kw_status repeat(const bench *b, kw_session *session, const test *t, size_t n_gen,
                        kw_error *err)
{
    KW_TRY(kw_session_rewind(session, (int)t->depth, err));
    if (t->n_prompt > 0)
        KW_TRY(kw_session_eval(session, b->tokens, t->n_prompt, true, b->logits, err));
    for (size_t i = 0; i < n_gen; i++)
        KW_TRY(kw_session_eval(session, b->tokens + i, 1, true, b->logits, err));
    return KW_OK;
}

static kw_status measure(bench *b, kw_session *session, const test *t, kw_error *err)
{
    const kw_options *o = &b->cli->parsed.options;
    const size_t repetitions = (size_t)o->repetitions;
    const int n_threads = b->loaded.engine_info.n_threads;
    if (t->depth > 0) {
        kw_cli_progress(b->cli, "%s with %d threads: reading the context", t->name, n_threads);
        KW_TRY(kw_session_eval(session, b->tokens, t->depth, true, NULL, err));
    }
    if (o->warmup) {
        kw_cli_progress(b->cli, "%s with %d threads: warming up", t->name, n_threads);
        KW_TRY(repeat(b, session, t, KW_MIN(t->n_gen, (size_t)1), err));
    }
    for (size_t i = 0; i < repetitions; i++) {
        kw_cli_progress(b->cli, "%s with %d threads: %zu of %zu", t->name, n_threads, i + 1,
                        repetitions);
        const uint64_t start = kw_clock_ns();
        KW_TRY(repeat(b, session, t, t->n_gen, err));
        b->samples[i] = kw_clock_ns() - start;
    }
    return KW_OK;
}

static kw_status probe(bench *b, kw_error *err)
{
    if (b->probed || !b->cli->parsed.options.roofline)
        return KW_OK;
    kw_cli_progress(b->cli, "measuring memory bandwidth and dot products");
    KW_TRY(kw_engine_probe(b->loaded.engine, PROBE_SECONDS, &b->probe, err));
    b->probed = true;
    return KW_OK;
}

static void report(bench *b, const test *t, const char *when)
{
    kw_bench_result result = {.test = t->name,
                              .depth = t->depth,
                              .n_prompt = t->n_prompt,
                              .n_gen = t->n_gen,
                              .n_threads = b->loaded.engine_info.n_threads,
                              .samples_ns = b->samples,
                              .n_samples = (size_t)b->cli->parsed.options.repetitions,
                              .time = when,
                              .probe = b->probed ? &b->probe : NULL};
    double total = 0.0;
    for (size_t i = 0; i < result.n_samples; i++)
        total += (double)b->samples[i];
    const double rate =
        (double)(t->n_prompt + t->n_gen) * (double)result.n_samples * 1e9 / KW_MAX(total, 1.0);
    if (t->n_prompt > 0)
        b->prefill = rate;
    else
        b->decode = rate;
    kw_cli_progress_end(b->cli);
    if (!b->begun)
        kw_bench_begin(&b->table);
    b->begun = true;
    kw_bench_row(&b->table, &result);
}

static kw_status one_test(bench *b, size_t depth, size_t n_prompt, size_t n_gen, kw_error *err)
{
    kw_session_config config;
    kw_session *session;
    char when[32];
    test t = {depth, n_prompt, n_gen, ""};
    const time_t now = time(NULL);
    struct tm utc;
    (void)snprintf(t.name, sizeof t.name, depth > 0 ? "%s%zu @ d%zu" : "%s%zu",
                   n_prompt ? "pp" : "tg", n_prompt + n_gen, depth);
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    kw_cli_session_config(b->cli, &config);
    config.context = (int)(depth + n_prompt + n_gen);
    KW_TRY(kw_session_open(b->loaded.model, &config, &session, err));
    const kw_status status = measure(b, session, &t, err);
    kw_session_close(session);
    if (status == KW_OK)
        report(b, &t, when);
    pause_between(b);
    return status;
}

/* ---- all tests ---- */

/* The default lengths shrink to what a small model was trained for. */
static void fit_defaults(bench *b)
{
    const int64_t context = b->loaded.info.context;
    if (kw_options_source(&b->cli->parsed, "n-prompt") == KW_FROM_DEFAULT && context > 0)
        b->prompts[0] = KW_MIN(b->prompts[0], context);
    if (kw_options_source(&b->cli->parsed, "n-gen") == KW_FROM_DEFAULT && context > 0)
        b->gens[0] = KW_MIN(b->gens[0], context);
}

static kw_status with_threads(bench *b, int n_threads, kw_error *err)
{
    b->probed = false;
    b->prefill = b->decode = 0.0;
    KW_TRY(open_model(b, n_threads, err));
    fit_defaults(b);
    random_tokens(b, b->tokens, MAX_LENGTH);
    KW_TRY(probe(b, err));
    for (size_t d = 0; d < b->n_depths; d++) {
        const size_t depth = (size_t)b->depths[d];
        for (size_t i = 0; i < b->n_prompts; i++) {
            if (b->prompts[i] > 0)
                KW_TRY(one_test(b, depth, (size_t)b->prompts[i], 0, err));
        }
        for (size_t i = 0; i < b->n_gens; i++) {
            if (b->gens[i] > 0)
                KW_TRY(one_test(b, depth, 0, (size_t)b->gens[i], err));
        }
    }
    return KW_OK;
}

static kw_status read_lists(bench *b, kw_error *err)
{
    const kw_options *o = &b->cli->parsed.options;
    KW_TRY(kw_parse_ints(o->n_prompt, strlen(o->n_prompt), 0, MAX_LENGTH, "--n-prompt", &b->prompts,
                         &b->n_prompts, err));
    KW_TRY(kw_parse_ints(o->n_gen, strlen(o->n_gen), 0, MAX_LENGTH, "--n-gen", &b->gens, &b->n_gens,
                         err));
    KW_TRY(kw_parse_ints(o->depth, strlen(o->depth), 0, MAX_LENGTH, "--n-depth", &b->depths,
                         &b->n_depths, err));
    KW_TRY(kw_parse_ints(o->threads, strlen(o->threads), 0, 1024, "--threads", &b->threads,
                         &b->n_threads, err));
    b->samples = calloc((size_t)o->repetitions, sizeof *b->samples);
    b->tokens = calloc(MAX_LENGTH, sizeof *b->tokens);
    if (!b->samples || !b->tokens)
        return kw_fail(err, KW_E_NOMEM, "no memory for the tokens of a test");
    return KW_OK;
}

/* Rows of one thread count after another; the roofline of the last closes a table. */
static kw_status all_tests(bench *b, kw_error *err)
{
    for (size_t i = 0; i < b->n_threads; i++) {
        KW_TRY(with_threads(b, (int)b->threads[i], err));
        if (b->probed && b->begun && i + 1 == b->n_threads)
            kw_bench_roofline(&b->table, &b->probe, b->loaded.engine_info.n_threads, b->prefill,
                              b->decode);
        if (i + 1 < b->n_threads)
            close_model(b);
    }
    return KW_OK;
}

static int run_bench(kw_cli *cli)
{
    bench b = {.cli = cli};
    kw_error err = {0};
    int code;
    const kw_options *o = &cli->parsed.options;
    if (!kw_cli_only_model(cli, &b.path, &code))
        return code;
    if (o->synthetic && b.path && kw_options_source(&cli->parsed, "synthetic") == KW_FROM_FLAG &&
        cli->parsed.n_args > 0)
        return kw_cli_usage(cli, "the model is given twice: %s and --synthetic %s", b.path,
                            o->synthetic);
    kw_system_query(&b.system);
    b.table = (kw_bench_table){.out = &cli->out,
                               .loaded = &b.loaded,
                               .path = o->synthetic ? o->synthetic : kw_cli_model_name(b.path),
                               .cpu = b.system.cpu_name,
                               .cache_type = o->cache_type,
                               .format = o->output,
                               .batch = o->batch > 0 ? (int)o->batch : 512};
    const double load = kw_cli_overload(b.system.n_cpus);
    if (load > 0.0)
        kw_cli_note(cli,
                    "the machine is busy (load %.1f on %d processors): expect better figures when "
                    "it is quiet",
                    load, b.system.n_cpus);
    kw_status status = read_lists(&b, &err);
    if (status == KW_OK)
        status = all_tests(&b, &err);
    if (b.begun)
        kw_bench_end(&b.table);
    code = status == KW_OK ? KW_EXIT_OK : kw_cli_fail(cli, status, &err);
    close_model(&b);
    free(b.prompts);
    free(b.gens);
    free(b.depths);
    free(b.threads);
    free(b.samples);
    free(b.tokens);
    return code;
}

const kw_command kw_command_bench = {
    .name = "bench",
    .summary = "measure how fast a model runs here",
    .usage = "[MODEL]",
    .description =
        "Measures reading a prompt of N tokens (ppN) and writing N tokens (tgN), in tokens per "
        "second: "
        "mean and standard deviation of the repetitions. Columns and tests are those of "
        "llama-bench. "
        "Beside it stands what this machine allows: memory bandwidth bounds writing, dot products "
        "bound reading. Speed does not depend on the values of the weights, so --synthetic needs "
        "no "
        "file. Without MODEL: the built-in model.",
    .examples = "  kwaai bench model.gguf\n"
                "  kwaai bench model.gguf -p 128,512 -n 64 -t 1,2 -r 3 -o csv\n"
                "  kwaai bench --synthetic llama-1.1b --type q4_k\n",
    .max_args = 1,
    .run = run_bench,
};
