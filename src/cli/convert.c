/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* convert.c - kwaai convert: writes a model of any readable kind as GGUF or safetensors. */
#include "cli/commands.h"

#include "base/check.h"
#include "cli/interrupt.h"
#include "cli/load.h"
#include "cli/steps.h"
#include "engine/convert.h"
#include "os/system.h"

#include <string.h>

typedef struct job {
    kw_cli *cli;
    const char *in, *out;
    bool safetensors;
    kw_json_writer json;
    kw_quantize_result result;
    size_t told; /* tensors told of */
    uint64_t start_ns;
} job;

/* kw_quantize_config.progress */
static bool on_progress(void *user, const kw_quantize_step *step, double share)
{
    job *const j = user;
    if (j->told <= step->index) {
        j->told = step->index + 1;
        if (j->cli->parsed.options.json)
            kw_cli_json_step(&j->json, step);
        else if (j->cli->parsed.options.verbose)
            kw_cli_print_step(j->cli, step);
    }
    kw_cli_step_progress(j->cli, step, share);
    return !kw_interrupt_seen();
}

static void on_warning(void *user, const char *message)
{
    kw_cli_note(((job *)user)->cli, "%s", message);
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* What OUT is to be; false when nothing says it. */
static bool choose_format(job *j)
{
    const char *const to = j->cli->parsed.options.to;
    if (to)
        j->safetensors = strcmp(to, "safetensors") == 0;
    else if (ends_with(j->out, ".safetensors"))
        j->safetensors = true;
    else
        return ends_with(j->out, ".gguf");
    return true;
}

static void begin(job *j)
{
    if (!j->cli->parsed.options.json)
        return;
    j->json = (kw_json_writer){.out = &j->cli->out, .pretty = true};
    kw_json_open(&j->json, NULL, '{');
    kw_json_puts(&j->json, "model", j->in);
    kw_json_puts(&j->json, "out", j->out);
    kw_json_puts(&j->json, "format", j->safetensors ? "safetensors" : "gguf");
    kw_json_puts(&j->json, "type", j->cli->parsed.options.type);
    kw_json_open(&j->json, "tensors", '[');
}

static void end(job *j)
{
    const kw_quantize_result *const r = &j->result;
    const uint64_t ns = kw_clock_ns() - j->start_ns;
    char in[16], out[16], time[16];
    if (r->n_dropped > 0)
        kw_cli_note(j->cli, "%zu tensors that %s has no name for were left out", r->n_dropped,
                    j->safetensors ? "Hugging Face's code" : "GGUF");
    if (j->cli->parsed.options.json) {
        kw_json_close(&j->json, ']');
        kw_json_int(&j->json, "changed", (int64_t)r->n_quantized);
        kw_json_int(&j->json, "dropped", (int64_t)r->n_dropped);
        kw_json_int(&j->json, "bytes_in", (int64_t)r->bytes_in);
        kw_json_int(&j->json, "bytes_out", (int64_t)r->bytes_out);
        kw_json_int(&j->json, "ns", (int64_t)ns);
        kw_json_close(&j->json, '}');
        return;
    }
    kw_cli_note(j->cli, "wrote %s: %zu tensors as %s, %s -> %s, %s", j->out, r->n_tensors,
                j->safetensors ? "safetensors" : "GGUF", kw_print_bytes(r->bytes_in, in),
                kw_print_bytes(r->bytes_out, out), kw_print_ns(ns, time));
}

/* Decoding to floats loses nothing; quantising again does. */
static bool is_float_type(const char *type)
{
    kw_dtype dtype;
    return type && kw_dtype_by_name(kw_str_from(type), &dtype) && kw_dtype_info(dtype)->is_float;
}

static kw_status convert(job *j, kw_engine *engine, kw_model_file *file, kw_error *err)
{
    const kw_options *const o = &j->cli->parsed.options;
    const kw_quantize_config config = {.type = o->type,
                                       .allow_requantize =
                                           o->allow_requantize || is_float_type(o->type),
                                       .progress = on_progress,
                                       .warn = on_warning,
                                       .user = j};
    begin(j);
    const kw_status status =
        j->safetensors ? kw_convert_safetensors(engine, file, j->out, &config, &j->result, err)
                       : kw_quantize(engine, file, j->out, &config, &j->result, err);
    kw_cli_progress_end(j->cli);
    if (status == KW_OK)
        end(j);
    return status;
}

static kw_status open_and_convert(job *j, kw_error *err)
{
    kw_engine *engine;
    kw_model_file *file;
    KW_TRY(kw_cli_open_both(j->cli, j->in, &engine, &file, err));
    const kw_status status = convert(j, engine, file, err);
    kw_model_file_close(file);
    kw_engine_close(engine);
    return status;
}

static int run_convert(kw_cli *cli)
{
    kw_error err = {0};
    if (cli->parsed.n_args != 2)
        return kw_cli_usage(cli, "say what to read and what to write: kwaai convert IN OUT.gguf");
    job j = {.cli = cli,
             .in = cli->parsed.args[0],
             .out = cli->parsed.args[1],
             .start_ns = kw_clock_ns()};
    if (!choose_format(&j))
        return kw_cli_usage(cli,
                            "\"%s\" ends in neither .gguf nor .safetensors: say --to gguf or --to "
                            "safetensors",
                            j.out);
    const bool directory = j.safetensors && !ends_with(j.out, ".safetensors");
    if (!directory && !kw_cli_can_write(j.out, &err))
        return kw_cli_usage(cli, "%s", err.message);
    const kw_status status = open_and_convert(&j, &err);
    return status == KW_OK ? KW_EXIT_OK : kw_cli_fail(cli, status, &err);
}

const kw_command kw_command_convert = {
    .name = "convert",
    .summary = "write a model as GGUF or safetensors",
    .usage = "IN OUT",
    .description =
        "Reads a model of any kind (GGUF, safetensors, PyTorch, llama2.c, a directory; \"builtin\" "
        "is the built-in one) and writes it as another. GGUF gets its own names, orders, metadata "
        "and the tokenizer, and other programs read it. Safetensors is a directory as Hugging Face "
        "has them, with config.json and the tokenizer; when OUT ends in .safetensors, the file "
        "alone. Types stay as they are, or are what --type says; safetensors has no quantised "
        "ones, which become f32.\n\n"
        "Tensors stream through: memory is needed for a part of one, not for the model. Each file "
        "appears under its name when it is whole.",
    .examples = "  kwaai convert hf-directory model.gguf\n"
                "  kwaai convert pytorch_model.bin model.gguf --type Q4_K_M\n"
                "  kwaai convert model.gguf hf-directory --to safetensors --type f16\n"
                "  kwaai convert checkpoint.pth weights.safetensors\n",
    .max_args = 2,
    .run = run_convert,
};
