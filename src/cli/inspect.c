/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* inspect.c - kwaai inspect: what lies between a file and its programs, stage by stage. */
#include "cli/commands.h"

#include "cli/load.h"
#include "engine/inspect.h"

#include <stdlib.h>

/* kw_text_fn */
static void write_text(void *user, const char *text, size_t len)
{
    kw_out_foreign(user, text, len);
}

static kw_status inspect(kw_cli *cli, const char *path, kw_stage stage, kw_error *err)
{
    const kw_inspection what = {stage, cli->parsed.options.json != 0, write_text, &cli->out};
    kw_engine *engine;
    int n_threads;
    KW_TRY(kw_cli_threads(cli, &n_threads, err));
    KW_TRY(kw_cli_open_engine(cli, n_threads, &engine, err));
    kw_status status;
    if (kw_cli_is_builtin(path)) {
        kw_builtin image = {0};
        status = kw_cli_builtin(cli, &image, err);
        if (status == KW_OK)
            status = kw_inspect_memory(engine, image.data, image.len, "(built-in)", &what, err);
    } else {
        char *named;
        status = kw_cli_resolve(cli, path, &named, err);
        if (status == KW_OK)
            status = kw_inspect(engine, named ? named : path, &what, err);
        free(named);
    }
    kw_engine_close(engine);
    return status;
}

static int run_inspect(kw_cli *cli)
{
    const char *path;
    int code;
    kw_stage stage;
    kw_error err = {0};
    if (!kw_cli_only_model(cli, &path, &code))
        return code;
    if (!kw_stage_by_name(cli->parsed.options.stage, &stage))
        return kw_cli_usage(cli, "--stage: there is no stage \"%s\"", cli->parsed.options.stage);
    const kw_status status = inspect(cli, path, stage, &err);
    if (status != KW_OK)
        return kw_cli_fail(cli, status, &err);
    if (cli->out.last != '\n')
        kw_out_puts(&cli->out, "\n");
    return KW_EXIT_OK;
}

const kw_command kw_command_inspect = {
    .name = "inspect",
    .summary = "show what is in a model file and what becomes of it",
    .usage = "[MODEL]",
    .description =
        "Shows one stage of the way from the file to the programs that run: its container "
        "and metadata, the configuration of the model, the graph of operations, or the "
        "plan with its steps and memory. Without MODEL: the built-in model.",
    .examples = "  kwaai inspect model.gguf\n"
                "  kwaai inspect model.gguf --stage config\n"
                "  kwaai inspect models/tinyllama --stage plan --json\n",
    .max_args = 1,
    .run = run_inspect,
};
