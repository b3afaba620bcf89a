/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* load.h - from the options of a command to an engine and a model. */
#ifndef KW_CLI_LOAD_H
#define KW_CLI_LOAD_H

#include "cli/cli.h"
#include "cli/early.h"
#include "format/model_file.h"

#include <kwaai/kwaai.h>

typedef struct kw_loaded {
    kw_engine *engine;
    kw_model *model;
    kw_adapter_use *adapters; /* [n_adapters] owned, as --lora and --lora-scaled say */
    size_t n_adapters;
    kw_engine_info engine_info;
    kw_model_info info;
    uint64_t load_ns; /* engine and model */
    kw_early *early;  /* owned; the model is still being fetched. NULL: all is here */
} kw_loaded;

/* The name by which a user asks for the built-in model. */
#define KW_BUILTIN_NAME "builtin"

/* The model of a command whose first argument may be MODEL: -m, else that argument, else
 * KWAAI_MODEL, else NULL for the built-in one. *n_used: how many arguments it took (0 or 1). */
const char *kw_cli_model(const kw_cli *cli, size_t *n_used);
/* The same when MODEL is the only argument; a second one is wrong usage (*code, when not NULL). */
bool kw_cli_only_model(kw_cli *cli, const char **path, int *code);
/* True for NULL and for "builtin", unless a file has that name. */
bool kw_cli_is_builtin(const char *path);
/* How the model is called in messages. */
const char *kw_cli_model_name(const char *path);
/* The built-in model; an error when this build has none. */
kw_status kw_cli_builtin(const kw_cli *cli, kw_builtin *out, kw_error *err);

/* Where a model of this name lies, when it is the name of one in a store rather than a path: owned
 * by the caller. NULL: path is what to open. */
kw_status kw_cli_resolve(kw_cli *cli, const char *path, char **owned, kw_error *err);
/* The file alone, for commands that need no engine. */
kw_status kw_cli_open_file(kw_cli *cli, const char *path, kw_model_file **out, kw_error *err);
/* An engine as --threads (n_threads), --isa and --verbose say. */
kw_status kw_cli_open_engine(kw_cli *cli, int n_threads, kw_engine **out, kw_error *err);
/* Both, for commands that write what they read; interrupts are watched from here on. On failure
 * nothing stays open. */
kw_status kw_cli_open_both(kw_cli *cli, const char *path, kw_engine **engine, kw_model_file **file,
                           kw_error *err);
/* --threads as one number. */
kw_status kw_cli_threads(const kw_cli *cli, int *out, kw_error *err);
/* Engine and model; what was opened is closed by kw_cli_unload, also after a failure. */
kw_status kw_cli_load(kw_cli *cli, const char *path, int n_threads, kw_loaded *out, kw_error *err);
kw_status kw_cli_load_model(kw_cli *cli, const char *path, kw_loaded *out, kw_error *err);
void kw_cli_unload(kw_loaded *loaded);
/* What a model that is still being fetched could not give: the failure of the fetch where there is
 * one, else the status as it was. */
kw_status kw_cli_blame_fetch(const kw_loaded *loaded, kw_status status, kw_error *err);
/* Waits for the end of the fetch, unless the user has interrupted; the exit code, which is `code`
 * unless the fetch has failed. */
int kw_cli_end_fetch(kw_cli *cli, kw_loaded *loaded, int code);
/* Processes that want a processor, when they are clearly more than the processors; else 0. Measured
 * speeds are then too low. */
double kw_cli_overload(int n_cpus);
/* Is path fit for --out? What is there must be a regular file: a device or a pipe cannot be
 * replaced by the file that takes its name once it is whole. */
bool kw_cli_can_write(const char *path, kw_error *err);
/* Cache type and batch of --cache-type and --batch-size, and the adapters that were loaded. */
void kw_cli_session_config(const kw_cli *cli, const kw_loaded *loaded, kw_session_config *out);

#endif
