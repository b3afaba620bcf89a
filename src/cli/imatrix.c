/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* imatrix.c - kwaai imatrix: which columns of each weight matter, by what a text puts through them.
 */
#include "cli/commands.h"

#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/load.h"
#include "engine/collect.h"

#include <stdlib.h>

static bool on_progress(void *user, size_t done, size_t n)
{
    kw_cli_progress(user, "reading: %zu of %zu windows", done, n);
    return !kw_interrupt_seen();
}

static kw_status collect(kw_cli *cli, const char *path, kw_loaded *loaded, int32_t **ids,
                         kw_error *err)
{
    const kw_options *const o = &cli->parsed.options;
    kw_buf text = {0};
    int n_threads;
    size_t n_ids = 0, n_entries = 0, n_windows = 0;
    KW_TRY(kw_cli_threads(cli, &n_threads, err));
    KW_TRY(kw_cli_load(cli, path, n_threads, loaded, err));
    kw_status status = kw_input_read(cli, o->file, &text, err);
    if (status == KW_OK)
        status = kw_model_tokenize(loaded->model, text.data ? text.data : "", text.len, true, false,
                                   ids, &n_ids, err);
    kw_buf_free(&text);
    KW_TRY(status);
    kw_interrupt_watch();
    const kw_collect_config config = {.window = (int)o->context,
                                      .max_windows = (size_t)o->chunks,
                                      .dataset = o->file,
                                      .progress = on_progress,
                                      .user = cli};
    KW_TRY(kw_imatrix_collect(loaded->model, *ids, n_ids, o->out, &config, &n_entries, &n_windows,
                              err));
    kw_cli_note(cli, "wrote %s: the importances of %zu weights, from %zu windows of %d tokens",
                o->out, n_entries, n_windows, (int)o->context);
    return KW_OK;
}

static int run_imatrix(kw_cli *cli)
{
    const char *path;
    int code;
    int32_t *ids = NULL;
    kw_error err = {0};
    kw_loaded loaded = {0};
    const kw_options *const o = &cli->parsed.options;
    if (!kw_cli_only_model(cli, &path, &code))
        return code;
    if (!o->file || !o->out)
        return kw_cli_usage(cli, "say which text to read and what to write: kwaai imatrix MODEL -f "
                                 "TEXT -o FILE");
    if (!kw_cli_can_write(o->out, &err))
        return kw_cli_usage(cli, "%s", err.message);
    const kw_status status = collect(cli, path, &loaded, &ids, &err);
    kw_cli_unload(&loaded);
    free(ids);
    return status == KW_OK ? KW_EXIT_OK : kw_cli_fail(cli, status, &err);
}

const kw_command kw_command_imatrix = {
    .name = "imatrix",
    .summary = "measure which columns of the weights matter, for quantize",
    .usage = "[MODEL] -f TEXT -o FILE",
    .description =
        "Reads the text in windows of --ctx-size tokens and adds up the squares of what "
        "goes into each column of each weight. kwaai quantize --imatrix FILE then keeps "
        "those columns best that matter most. The file is llama.cpp's, in GGUF; quantize "
        "reads its older form too. The head and the token embedding are left out.",
    .examples = "  kwaai imatrix f16.gguf -f text.txt -o imatrix.gguf\n"
                "  kwaai quantize f16.gguf small.gguf Q3_K_M --imatrix imatrix.gguf\n",
    .max_args = 1,
    .run = run_imatrix,
};
