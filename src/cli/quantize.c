/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* quantize.c - kwaai quantize: writes a model with other element types, as GGUF. */
#include "cli/commands.h"

#include "base/check.h"
#include "cli/interrupt.h"
#include "cli/load.h"
#include "cli/steps.h"
#include "os/system.h"

#include <string.h>

typedef struct job {
    kw_cli *cli;
    const char *in, *out, *type;
    kw_json_writer json;
    kw_quantize_result result;
    size_t n_coarse, told; /* tensors told of: the index of the last, plus one */
    uint64_t start_ns;
} job;

/* kw_quantize_config.progress */
static bool on_progress(void *user, const kw_quantize_step *step, double share)
{
    job *const j = user;
    const kw_options *const o = &j->cli->parsed.options;
    if (j->told <= step->index) {
        j->told = step->index + 1;
        j->n_coarse += step->coarse;
        if (o->json)
            kw_cli_json_step(&j->json, step);
        else if (o->dry_run || o->verbose)
            kw_cli_print_step(j->cli, step);
        else if (step->wanted)
            kw_cli_note(j->cli, "%.*s: rows of %lld are no whole %s blocks: %s instead",
                        KW_FMT(step->name), (long long)step->shape.dim[step->shape.rank - 1],
                        step->wanted, step->to);
    }
    kw_cli_step_progress(j->cli, step, share);
    return !kw_interrupt_seen();
}

static void on_warning(void *user, const char *message)
{
    kw_cli_note(((job *)user)->cli, "%s", message);
}

static void begin(job *j)
{
    if (!j->cli->parsed.options.json)
        return;
    j->json = (kw_json_writer){.out = &j->cli->out, .pretty = true};
    kw_json_open(&j->json, NULL, '{');
    kw_json_puts(&j->json, "model", j->in);
    kw_json_puts(&j->json, "out", j->cli->parsed.options.dry_run ? NULL : j->out);
    kw_json_puts(&j->json, "type", j->type);
    kw_json_open(&j->json, "tensors", '[');
}

static void end(job *j)
{
    const kw_options *const o = &j->cli->parsed.options;
    const kw_quantize_result *const r = &j->result;
    const uint64_t ns = kw_clock_ns() - j->start_ns;
    char in[16], out[16], time[16];
    if (j->n_coarse > 0)
        kw_cli_note(j->cli,
                    "%zu tensors are in types that need importances to be any good: make them with "
                    "kwaai imatrix and give them with --imatrix",
                    j->n_coarse);
    if (r->n_dropped > 0)
        kw_cli_note(j->cli, "%zu tensors that GGUF has no name for were left out", r->n_dropped);
    if (o->json) {
        kw_json_close(&j->json, ']');
        kw_json_int(&j->json, "quantized", (int64_t)r->n_quantized);
        kw_json_int(&j->json, "fallbacks", (int64_t)r->n_fallback);
        kw_json_int(&j->json, "dropped", (int64_t)r->n_dropped);
        kw_json_int(&j->json, "bytes_in", (int64_t)r->bytes_in);
        kw_json_int(&j->json, "bytes_out", (int64_t)r->bytes_out);
        kw_json_int(&j->json, "ns", (int64_t)ns);
        kw_json_close(&j->json, '}');
        return;
    }
    kw_cli_note(j->cli, "%s%s: %zu of %zu tensors as %s, %s -> %s, %s",
                o->dry_run ? "would write " : "wrote ", o->dry_run ? "a file" : j->out,
                r->n_quantized, r->n_tensors, j->type, kw_print_bytes(r->bytes_in, in),
                kw_print_bytes(r->bytes_out, out), kw_print_ns(ns, time));
}

static kw_status quantize(job *j, kw_engine *engine, kw_model_file *file, kw_error *err)
{
    const kw_options *const o = &j->cli->parsed.options;
    kw_imatrix *imatrix = NULL;
    if (o->imatrix)
        KW_TRY(kw_imatrix_open(o->imatrix, &imatrix, err));
    const kw_quantize_config config = {.type = j->type,
                                       .pure = o->pure,
                                       .leave_output = o->leave_output,
                                       .allow_requantize = o->allow_requantize,
                                       .dry_run = o->dry_run,
                                       .output_type = o->output_type,
                                       .embedding_type = o->embedding_type,
                                       .overrides = o->tensor_types.items,
                                       .n_overrides = o->tensor_types.n,
                                       .imatrix = imatrix,
                                       .progress = on_progress,
                                       .warn = on_warning,
                                       .user = j};
    begin(j);
    const kw_status status = kw_quantize(engine, file, j->out, &config, &j->result, err);
    kw_cli_progress_end(j->cli);
    if (status == KW_OK)
        end(j);
    kw_imatrix_close(imatrix);
    return status;
}

static kw_status open_and_quantize(job *j, kw_error *err)
{
    kw_engine *engine;
    kw_model_file *file;
    KW_TRY(kw_cli_open_both(j->cli, j->in, &engine, &file, err));
    const kw_status status = quantize(j, engine, file, err);
    kw_model_file_close(file);
    kw_engine_close(engine);
    return status;
}

static int run_quantize(kw_cli *cli)
{
    kw_error err = {0};
    const size_t n = cli->parsed.n_args;
    const bool dry = cli->parsed.options.dry_run;
    const char **const args = cli->parsed.args;
    if (n < 2 || (n == 2 && !dry))
        return kw_cli_usage(cli, "say what to read, what to write and the type: kwaai quantize IN "
                                 "OUT TYPE");
    job j = {.cli = cli,
             .in = args[0],
             .out = n > 2 ? args[1] : NULL,
             .type = args[n - 1],
             .start_ns = kw_clock_ns()};
    if (!dry && !kw_cli_can_write(j.out, &err))
        return kw_cli_usage(cli, "%s", err.message);
    const kw_status status = open_and_quantize(&j, &err);
    return status == KW_OK ? KW_EXIT_OK : kw_cli_fail(cli, status, &err);
}

const kw_command kw_command_quantize = {
    .name = "quantize",
    .summary = "write a model with smaller weights",
    .usage = "IN OUT TYPE",
    .description =
        "Reads a model of any kind (GGUF, safetensors, a directory; \"builtin\" is the built-in "
        "one) "
        "and writes it as GGUF with the weights of a mixture: Q8_0, Q6_K, Q5_K_M, Q5_K_S, Q4_K_M, "
        "Q4_K_S, Q4_0, Q4_1, Q5_0, Q5_1, Q3_K_L, Q3_K_M, Q3_K_S, Q2_K, Q2_K_S, IQ4_XS, IQ4_NL, "
        "IQ3_M, IQ3_S, IQ3_XS, IQ3_XXS, IQ2_M, IQ2_S, IQ2_XS, IQ2_XXS, IQ1_M, IQ1_S, TQ1_0, TQ2_0, "
        "MXFP4, F16, BF16 or F32. A mixture gives some tensors more bits than its name says, as in "
        "llama.cpp's files of the same name.\n\n"
        "Vectors stay f32. Where rows are no whole blocks of a type, one with smaller blocks takes "
        "its place and is named. Tensors stream through: memory is needed for a few rows, not for "
        "the model. The file appears under its name when it is whole. The same bytes come out "
        "whatever the threads or the instruction set.",
    .examples = "  kwaai quantize model.gguf model-q4_k_m.gguf Q4_K_M\n"
                "  kwaai quantize hf-directory model.gguf Q6_K --tensor-type 'ffn_down=q8_0'\n"
                "  kwaai quantize model.gguf Q4_K_M --dry-run\n",
    .max_args = 3,
    .run = run_quantize,
};
