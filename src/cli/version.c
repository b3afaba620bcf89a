/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* version.c - kwaai version: what this build is. */
#include "cli/commands.h"

#include "cli/isa_list.h"
#include "kw_build_info.h"

#include <kwaai/kwaai.h>

#include <string.h>

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown compiler"
#endif

static int run_version(kw_cli *cli)
{
    const char *isas[KW_MAX_ISAS];
    const size_t n = kw_isas_usable(isas);
    char size[16];
    if (cli->parsed.options.json) {
        kw_json_writer w = {.out = &cli->out, .pretty = true};
        kw_json_open(&w, NULL, '{');
        kw_json_puts(&w, "version", kw_version());
        kw_json_puts(&w, "commit", KW_COMMIT);
        kw_json_puts(&w, "compiler", COMPILER);
        kw_json_open(&w, "isas", '[');
        for (size_t i = 0; i < n; i++)
            kw_json_puts(&w, NULL, isas[i]);
        kw_json_close(&w, ']');
        kw_json_int(&w, "builtin_model_bytes", (int64_t)cli->builtin.len);
        kw_json_close(&w, '}');
        return KW_EXIT_OK;
    }
    kw_out_printf(&cli->out, "kwaai %s\ncommit %s, %s\nkernels", kw_version(), KW_COMMIT, COMPILER);
    for (size_t i = 0; i < n; i++)
        kw_out_printf(&cli->out, " %s", isas[i]);
    kw_out_printf(&cli->out, "\nbuilt-in model %s\n",
                  cli->builtin.len ? kw_print_bytes(cli->builtin.len, size) : "none");
    return KW_EXIT_OK;
}

const kw_command kw_command_version = {
    .name = "version",
    .summary = "show the version and what it was built with",
    .usage = "",
    .description = "Shows the version, the commit, the compiler, the kernels that can be used on "
                   "this machine, and whether there is a built-in model.",
    .max_args = 0,
    .run = run_version,
};
