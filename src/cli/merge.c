/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* merge.c - kwaai merge: several models of one shape become one. */
#include "cli/commands.h"

#include "base/check.h"
#include "cli/interrupt.h"
#include "cli/load.h"
#include "engine/merge.h"
#include "os/system.h"

#include <stdlib.h>
#include <string.h>

#define MAX_MODELS 64

typedef struct job {
    kw_cli *cli;
    kw_engine *engine;
    kw_model_file *models[MAX_MODELS], *base;
    double weights[MAX_MODELS];
    size_t n_models; /* opened */
} job;

/* kw_merge_config.progress */
static bool on_progress(void *user, const kw_merge_step *step)
{
    job *const j = user;
    kw_cli_progress(j->cli, "[%zu/%zu] %.*s: %s", step->index + 1, step->n, KW_FMT(step->name),
                    step->type);
    return !kw_interrupt_seen();
}

static void on_warning(void *user, const char *message)
{
    kw_cli_note(((job *)user)->cli, "%s", message);
}

static kw_merge_method method_of(const kw_options *o)
{
    return strcmp(o->method, "slerp") == 0  ? KW_MERGE_SLERP
           : strcmp(o->method, "task") == 0 ? KW_MERGE_TASK
                                            : KW_MERGE_LINEAR;
}

/* "0.3,0.7" into numbers. */
static kw_status read_list(const char *text, double *out, size_t most, size_t *n, kw_error *err)
{
    *n = 0;
    for (const char *at = text;;) {
        char *end;
        const double value = strtod(at, &end);
        if (end == at || (*end != ',' && *end != '\0') || *n == most)
            return kw_fail(err, KW_E_ARG, "--weights %s: not %zu numbers or fewer, with commas",
                           text, most);
        out[(*n)++] = value;
        if (*end == '\0')
            return KW_OK;
        at = end + 1;
    }
}

static kw_status read_weights(job *j, kw_error *err)
{
    const kw_options *const o = &j->cli->parsed.options;
    const bool slerp = method_of(o) == KW_MERGE_SLERP;
    const size_t want = slerp ? 1 : j->cli->parsed.n_args;
    size_t n;
    for (size_t i = 0; i < j->cli->parsed.n_args; i++)
        j->weights[i] = 1.0;
    if (slerp)
        j->weights[1] = 0.5;
    if (!o->weights)
        return KW_OK;
    KW_TRY(read_list(o->weights, slerp ? &j->weights[1] : j->weights, want, &n, err));
    if (n != want)
        return kw_fail(err, KW_E_ARG, "--weights %s: %zu numbers, needs %zu", o->weights, n, want);
    return KW_OK;
}

static kw_status merge(job *j, kw_error *err)
{
    const kw_options *const o = &j->cli->parsed.options;
    const uint64_t start = kw_clock_ns();
    char time[16];
    int n_threads;
    KW_TRY(read_weights(j, err));
    KW_TRY(kw_cli_threads(j->cli, &n_threads, err));
    KW_TRY(kw_cli_open_engine(j->cli, n_threads, &j->engine, err));
    while (j->n_models < j->cli->parsed.n_args) {
        KW_TRY(kw_cli_open_file(j->cli, j->cli->parsed.args[j->n_models], &j->models[j->n_models],
                                err));
        j->n_models++;
    }
    if (o->base)
        KW_TRY(kw_cli_open_file(j->cli, o->base, &j->base, err));
    kw_interrupt_watch();
    const kw_merge_config config = {.method = method_of(o),
                                    .models = j->models,
                                    .weights = j->weights,
                                    .n_models = j->n_models,
                                    .base = j->base,
                                    .type = o->type,
                                    .progress = on_progress,
                                    .warn = on_warning,
                                    .user = j};
    const kw_status status = kw_merge_models(j->engine, o->out, &config, err);
    kw_cli_progress_end(j->cli);
    if (status == KW_OK)
        kw_cli_note(j->cli, "wrote %s: %zu models, %s, %s", o->out, j->n_models, o->method,
                    kw_print_ns(kw_clock_ns() - start, time));
    return status;
}

static int run_merge(kw_cli *cli)
{
    kw_error err = {0};
    job j = {.cli = cli};
    const kw_options *const o = &cli->parsed.options;
    const bool task = method_of(o) == KW_MERGE_TASK;
    if (cli->parsed.n_args < (task ? 1 : 2) || !o->out || (task && !o->base))
        return kw_cli_usage(cli,
                            "say which models and what to write: kwaai merge MODEL MODEL -o "
                            "OUT%s",
                            task ? " --base MODEL" : "");
    if (!kw_cli_can_write(o->out, &err))
        return kw_cli_usage(cli, "%s", err.message);
    const kw_status status = merge(&j, &err);
    for (size_t i = 0; i < j.n_models; i++)
        kw_model_file_close(j.models[i]);
    kw_model_file_close(j.base);
    kw_engine_close(j.engine);
    return status == KW_OK ? KW_EXIT_OK : kw_cli_fail(cli, status, &err);
}

const kw_command kw_command_merge = {
    .name = "merge",
    .summary = "make one model of several of the same shape",
    .usage = "MODEL... -o OUT",
    .description =
        "Combines models that were trained from the same beginning, weight by weight, and writes a "
        "GGUF file with the metadata and the tokenizer of the first. Models may be of different "
        "kinds and types; each tensor is written in the type that the first model has, or in "
        "--type. Tensors stream through: memory is needed for some rows of each model, not for the "
        "models. The file appears under its name when it is whole.",
    .examples = "  kwaai merge a.gguf b.gguf -o average.gguf\n"
                "  kwaai merge a.gguf b.gguf -o near-a.gguf --method slerp --weights 0.3\n"
                "  kwaai merge a.gguf b.gguf -o both.gguf --method task --base base.gguf\n",
    .max_args = MAX_MODELS,
    .run = run_merge,
};
