/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bench.c - kwaai bench: how fast a model reads prompts (ppN) and writes tokens (tgN) here.
 *
 * As llama-bench does it: random tokens, one warm-up, the mean of the repetitions, no sampling.
 * Beside each figure stands what memory or dot products of this machine allow, measured just before
 * it. Against another program, the two run in turn and only their ratios count. */
#include "cli/commands.h"

#include "base/check.h"
#include "cli/bench_busy.h"
#include "cli/bench_peer.h"
#include "cli/bench_table.h"
#include "cli/interrupt.h"
#include "os/system.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_LENGTH 1048576 /* tokens of one test */
#define PROBE_SECONDS 0.6

/* What one row measures: reading or writing tokens after `depth` others. */
typedef struct test {
    size_t depth, n_prompt, n_gen;
    char name[48];
} test;

typedef struct bench {
    kw_cli *cli;
    const char *path;
    kw_loaded loaded;
    kw_bench_table table;
    kw_system system;
    int64_t *prompts, *gens, *depths, *threads;
    size_t n_prompts, n_gens, n_depths, n_threads;
    test *tests; /* [n_tests] of each thread count */
    size_t n_tests;
    uint64_t *samples; /* [repetitions] */
    float *logits;     /* [vocab] */
    int32_t *tokens;   /* [longest] */
    kw_probe probe;
    uint64_t cache_bytes; /* of the session that was measured last */
    bool begun, probed;
} bench;

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
        if (b->loaded.info.has_encoder)
            return kw_fail(err, KW_E_UNSUPPORTED, "models with an encoder are not measured");
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

/* n times to samples[n], from a session that has just been opened. */
static kw_status repeat_all(bench *b, kw_session *session, const test *t, size_t n,
                            uint64_t *samples, kw_error *err)
{
    const int n_threads = b->loaded.engine_info.n_threads;
    if (t->depth > 0) {
        kw_cli_progress(b->cli, "%s with %d threads: reading the context", t->name, n_threads);
        KW_TRY(kw_session_eval(session, b->tokens, t->depth, true, NULL, err));
    }
    if (b->cli->parsed.options.warmup) {
        kw_cli_progress(b->cli, "%s with %d threads: warming up", t->name, n_threads);
        KW_TRY(repeat(b, session, t, KW_MIN(t->n_gen, (size_t)1), err));
    }
    for (size_t i = 0; i < n; i++) {
        kw_cli_progress(b->cli, "%s with %d threads: %zu of %zu", t->name, n_threads, i + 1, n);
        const uint64_t start = kw_clock_ns();
        KW_TRY(repeat(b, session, t, t->n_gen, err));
        samples[i] = kw_clock_ns() - start;
    }
    return KW_OK;
}

static uint64_t memory_used(const bench *b)
{
    kw_engine_info info = {.struct_size = sizeof info};
    kw_engine_get_info(b->loaded.engine, &info);
    return info.memory_used_bytes;
}

/* Measures a test in a session of its own, beside the busy loops that were asked for. */
static kw_status time_test(bench *b, const test *t, size_t n, uint64_t *samples, kw_error *err)
{
    kw_session_config config;
    kw_session *session;
    kw_busy *busy;
    const uint64_t before = memory_used(b);
    kw_cli_session_config(b->cli, &b->loaded, &config);
    config.context = (int)(t->depth + t->n_prompt + t->n_gen);
    KW_TRY(kw_session_open(b->loaded.model, &config, &session, err));
    b->cache_bytes = memory_used(b) - before;
    kw_status status = kw_busy_start((int)b->cli->parsed.options.busy, &busy, err);
    if (status == KW_OK)
        status = repeat_all(b, session, t, n, samples, err);
    kw_busy_stop(busy);
    kw_session_close(session);
    return status;
}

/* The roofline just before a test: memory and its neighbours change within minutes. */
static kw_status probe(bench *b, kw_error *err)
{
    if (!b->cli->parsed.options.roofline)
        return KW_OK;
    kw_cli_progress(b->cli, "measuring memory bandwidth and dot products");
    KW_TRY(kw_engine_probe(b->loaded.engine, PROBE_SECONDS, &b->probe, err));
    b->probed = true;
    return KW_OK;
}

static void begin_table(bench *b)
{
    kw_cli_progress_end(b->cli);
    if (!b->begun)
        kw_bench_begin(&b->table);
    b->begun = true;
}

static kw_status one_test(bench *b, const test *t, kw_error *err)
{
    char when[32];
    const time_t now = time(NULL);
    struct tm utc;
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    KW_TRY(probe(b, err));
    const size_t n = (size_t)b->cli->parsed.options.repetitions;
    KW_TRY(time_test(b, t, n, b->samples, err));
    begin_table(b);
    kw_bench_row(&b->table, &(kw_bench_result){.test = t->name,
                                               .depth = t->depth,
                                               .n_prompt = t->n_prompt,
                                               .n_gen = t->n_gen,
                                               .n_threads = b->loaded.engine_info.n_threads,
                                               .n_busy = (int)b->cli->parsed.options.busy,
                                               .cache_bytes = b->cache_bytes,
                                               .samples_ns = b->samples,
                                               .n_samples = n,
                                               .time = when,
                                               .probe = b->probed ? &b->probe : NULL});
    pause_between(b);
    return KW_OK;
}

/* ---- another program, in turn ---- */

/* rates[0] of every test, ours, then the peer's row of the same name. A row with another number of
 * threads is another test. */
static kw_status one_round(bench *b, double *ours, double *theirs, kw_error *err)
{
    static kw_peer_row none;
    kw_peer_row rows[KW_PEER_MAX_ROWS];
    size_t n_rows = 0;
    for (size_t i = 0; i < b->n_tests; i++) {
        const test *t = &b->tests[i];
        KW_TRY(time_test(b, t, 1, b->samples, err));
        ours[i] = (double)(t->n_prompt + t->n_gen) * 1e9 / (double)KW_MAX(b->samples[0], 1u);
    }
    kw_cli_progress(b->cli, "running the other program");
    KW_TRY(kw_peer_run(b->cli->parsed.options.against, rows, &n_rows, err));
    if (kw_interrupt_seen())
        return kw_fail(err, KW_E_CANCELLED, "interrupted");
    for (size_t i = 0; i < b->n_tests; i++) {
        const kw_peer_row *found = &none;
        for (size_t r = 0; r < n_rows; r++)
            if (strcmp(rows[r].test, b->tests[i].name) == 0 &&
                (rows[r].n_threads == 0 || rows[r].n_threads == b->loaded.engine_info.n_threads))
                found = &rows[r];
        if (found == &none)
            return kw_fail(err, KW_E_NOTFOUND,
                           "--against: the command printed no row for %s with %d threads",
                           b->tests[i].name, b->loaded.engine_info.n_threads);
        theirs[i] = found->rate;
    }
    return KW_OK;
}

/* A B A B ...: as many rounds as repetitions. */
static kw_status compare(bench *b, kw_error *err)
{
    const size_t rounds = (size_t)b->cli->parsed.options.repetitions, n = b->n_tests;
    double *rates = calloc(2 * rounds * KW_MAX(n, (size_t)1), sizeof *rates);
    if (!rates)
        return kw_fail(err, KW_E_NOMEM, "no memory for %zu rounds", rounds);
    double *ours = rates, *theirs = rates + rounds * n;
    kw_status status = KW_OK;
    for (size_t i = 0; status == KW_OK && i < rounds; i++) {
        kw_cli_progress(b->cli, "round %zu of %zu", i + 1, rounds);
        status = one_round(b, ours + i * n, theirs + i * n, err);
        pause_between(b);
    }
    if (status == KW_OK) {
        kw_cli_progress_end(b->cli);
        kw_bench_compare_begin(&b->table);
        b->begun = true;
    }
    for (size_t t = 0; status == KW_OK && t < n; t++)
        kw_bench_compare_row(&b->table, b->tests[t].name, ours + t, theirs + t, rounds, n);
    free(rates);
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

static void add_test(bench *b, size_t depth, size_t n_prompt, size_t n_gen)
{
    if (n_prompt + n_gen == 0)
        return;
    test *t = &b->tests[b->n_tests++];
    *t = (test){depth, n_prompt, n_gen, ""};
    const int n =
        snprintf(t->name, sizeof t->name, "%s%zu", n_prompt ? "pp" : "tg", n_prompt + n_gen);
    if (depth > 0)
        (void)snprintf(t->name + n, sizeof t->name - (size_t)n, " @ d%zu", depth);
}

static kw_status list_tests(bench *b, kw_error *err)
{
    free(b->tests);
    b->n_tests = 0;
    b->tests = calloc(b->n_depths * (b->n_prompts + b->n_gens) + 1, sizeof *b->tests);
    if (!b->tests)
        return kw_fail(err, KW_E_NOMEM, "no memory for the list of tests");
    for (size_t d = 0; d < b->n_depths; d++) {
        for (size_t i = 0; i < b->n_prompts; i++)
            add_test(b, (size_t)b->depths[d], (size_t)b->prompts[i], 0);
        for (size_t i = 0; i < b->n_gens; i++)
            add_test(b, (size_t)b->depths[d], 0, (size_t)b->gens[i]);
    }
    return KW_OK;
}

static kw_status with_threads(bench *b, int n_threads, kw_error *err)
{
    b->probed = false;
    KW_TRY(open_model(b, n_threads, err));
    fit_defaults(b);
    KW_TRY(list_tests(b, err));
    random_tokens(b, b->tokens, MAX_LENGTH);
    if (b->cli->parsed.options.against)
        return compare(b, err);
    for (size_t i = 0; i < b->n_tests; i++)
        KW_TRY(one_test(b, &b->tests[i], err));
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

/* Rows of one thread count after another; the limits that were measured last close the table. */
static kw_status all_tests(bench *b, kw_error *err)
{
    for (size_t i = 0; i < b->n_threads; i++) {
        KW_TRY(with_threads(b, (int)b->threads[i], err));
        if (b->probed && b->begun && i + 1 == b->n_threads)
            kw_bench_roofline(&b->table, &b->probe, b->loaded.engine_info.n_threads);
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
    if (o->against && strpbrk(o->threads, ", "))
        return kw_cli_usage(cli, "--against compares at one number of threads, not at %s",
                            o->threads);
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
    free(b.tests);
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
        "Beside each stands what this machine allows, measured just before: memory bandwidth "
        "bounds writing, dot products bound reading. Speed does not depend on the values of the "
        "weights, so --synthetic needs no file. --against runs another program's benchmark in turn "
        "with ours and prints ratios, which hold where the machine's speed changes. Without MODEL: "
        "the built-in model.",
    .examples = "  kwaai bench model.gguf\n"
                "  kwaai bench model.gguf -p 128,512 -n 64 -t 1,2 -r 3 -o csv\n"
                "  kwaai bench --synthetic llama-1.1b --type q4_k -d 0,4096,16384\n"
                "  kwaai bench model.gguf -t 2 --busy 1\n"
                "  kwaai bench model.gguf -t 2 -p 512 -n 64 -r 5 \\\n"
                "    --against 'llama-bench -m model.gguf -t 2 -p 512 -n 64 -r 1'\n",
    .max_args = 1,
    .run = run_bench,
};
