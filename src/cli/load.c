/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* load.c - which model a command works on, and opening it. */
#include "cli/load.h"

#include "base/check.h"
#include "cli/interrupt.h"
#include "cli/isa_list.h"
#include "os/file.h"
#include "os/system.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_THREADS 1024

const char *kw_cli_model(const kw_cli *cli, size_t *n_used)
{
    *n_used = 0;
    if (kw_options_source(&cli->parsed, "model") == KW_FROM_FLAG || cli->parsed.n_args == 0)
        return cli->parsed.options.model;
    *n_used = 1;
    return cli->parsed.args[0];
}

bool kw_cli_only_model(kw_cli *cli, const char **path, int *code)
{
    size_t n_used;
    *path = kw_cli_model(cli, &n_used);
    if (cli->parsed.n_args == n_used)
        return true;
    *code = kw_cli_usage(cli, "the model is given twice: %s and %s", *path, cli->parsed.args[0]);
    return false;
}

bool kw_cli_is_builtin(const char *path)
{
    return !path ||
           (strcmp(path, KW_BUILTIN_NAME) == 0 && !kw_file_exists(path) && !kw_file_is_dir(path));
}

const char *kw_cli_model_name(const char *path)
{
    return kw_cli_is_builtin(path) ? "(built-in)" : path;
}

kw_status kw_cli_builtin(const kw_cli *cli, kw_builtin *out, kw_error *err)
{
    if (cli->builtin.len == 0)
        return kw_fail(err, KW_E_NOTFOUND, "this build has no built-in model: name a MODEL");
    *out = cli->builtin;
    return KW_OK;
}

kw_status kw_cli_open_file(kw_cli *cli, const char *path, kw_model_file **out, kw_error *err)
{
    kw_builtin image = {0};
    if (!kw_cli_is_builtin(path)) {
        char *named;
        KW_TRY(kw_cli_resolve(cli, path, &named, err));
        const kw_status status = kw_model_file_open(named ? named : path, NULL, out, err);
        free(named);
        return status;
    }
    KW_TRY(kw_cli_builtin(cli, &image, err));
    return kw_model_file_from_memory(image.data, image.len, "(built-in)", out, err);
}

/* kw_engine_config.log */
static void print_log(void *user, int level, const char *message)
{
    (void)level;
    kw_cli_note(user, "%s", message);
}

static kw_status refuse_isa(const char *isa, kw_error *err)
{
    const char *names[KW_MAX_ISAS];
    const size_t n = kw_isas_usable(names);
    kw_buf list = {0};
    for (size_t i = 0; i < n; i++)
        kw_buf_printf(&list, "%s%s", i > 0 ? ", " : "", names[i]);
    const kw_status status =
        kw_fail(err, KW_E_ARG, "--isa %s: not in this build or not on this processor (%s)", isa,
                list.data ? list.data : "none");
    kw_buf_free(&list);
    return status;
}

kw_status kw_cli_open_engine(kw_cli *cli, int n_threads, kw_engine **out, kw_error *err)
{
    kw_engine_config config;
    kw_engine_config_init(&config, KW_PRESET_DEFAULT);
    config.n_threads = n_threads;
    config.isa = cli->parsed.options.isa;
    config.fast = cli->parsed.options.fast != 0;
    config.log = print_log;
    config.log_user = cli;
    config.log_level = cli->parsed.options.verbose ? 2 : 1;
    const kw_status status = kw_engine_open(&config, out, err);
    return status == KW_E_UNSUPPORTED && config.isa ? refuse_isa(config.isa, err) : status;
}

kw_status kw_cli_threads(const kw_cli *cli, int *out, kw_error *err)
{
    const char *text = cli->parsed.options.threads;
    int64_t *numbers = NULL;
    size_t n = 0;
    *out = 0;
    if (!text)
        return KW_OK;
    KW_TRY(kw_parse_ints(text, strlen(text), 0, MAX_THREADS, "--threads", &numbers, &n, err));
    if (n == 1)
        *out = (int)numbers[0];
    free(numbers);
    if (n != 1)
        return kw_fail(err, KW_E_ARG, "--threads: \"%s\" is not one number", text);
    return KW_OK;
}

kw_status kw_cli_open_both(kw_cli *cli, const char *path, kw_engine **engine, kw_model_file **file,
                           kw_error *err)
{
    int n_threads;
    KW_TRY(kw_cli_threads(cli, &n_threads, err));
    KW_TRY(kw_cli_open_engine(cli, n_threads, engine, err));
    const kw_status status = kw_cli_open_file(cli, path, file, err);
    if (status != KW_OK) {
        kw_engine_close(*engine);
        return status;
    }
    kw_interrupt_watch();
    return KW_OK;
}

/* "FILE:SCALE" cut at its last colon. */
static kw_status split_scaled(const char *text, char **path, float *scale, kw_error *err)
{
    const char *const colon = strrchr(text, ':');
    char *end = NULL;
    const double value = colon ? strtod(colon + 1, &end) : 0.0;
    if (!colon || colon == text || end == colon + 1 || *end != '\0' || !(fabs(value) <= 1e6))
        return kw_fail(err, KW_E_ARG, "--lora-scaled %s: not FILE:SCALE", text);
    *path = strndup(text, (size_t)(colon - text));
    *scale = (float)value;
    return *path ? KW_OK : kw_fail(err, KW_E_NOMEM, "--lora-scaled: no memory for a path");
}

static kw_status add_adapter(kw_loaded *loaded, const char *path, float scale, kw_error *err)
{
    kw_adapter *adapter;
    KW_TRY(kw_adapter_load(loaded->model, path, &adapter, err));
    loaded->adapters[loaded->n_adapters++] = (kw_adapter_use){adapter, scale};
    return KW_OK;
}

static kw_status load_adapters(const kw_cli *cli, kw_loaded *loaded, kw_error *err)
{
    const kw_text_list *const plain = &cli->parsed.options.lora, *const scaled =
                                                                     &cli->parsed.options
                                                                          .lora_scaled;
    if (plain->n + scaled->n == 0)
        return KW_OK;
    loaded->adapters = calloc(plain->n + scaled->n, sizeof *loaded->adapters);
    if (!loaded->adapters)
        return kw_fail(err, KW_E_NOMEM, "--lora: no memory for a list");
    for (size_t i = 0; i < plain->n; i++)
        KW_TRY(add_adapter(loaded, plain->items[i], 1.0f, err));
    for (size_t i = 0; i < scaled->n; i++) {
        char *path;
        float scale;
        KW_TRY(split_scaled(scaled->items[i], &path, &scale, err));
        const kw_status status = add_adapter(loaded, path, scale, err);
        free(path);
        KW_TRY(status);
    }
    return KW_OK;
}

/* A model that is still being fetched. The file leaves its path when it is whole, which may be
 * while it is opened. */
static kw_status load_early(kw_loaded *out, const char *path, kw_model_config *config,
                            kw_error *err)
{
    config->arrived = kw_cli_early_ask;
    config->arrived_user = out->early;
    kw_status status = kw_model_load(out->engine, path, config, &out->model, err);
    if (status != KW_OK && kw_interrupt_seen())
        return kw_fail(err, KW_E_CANCELLED, "interrupted");
    if (status != KW_OK && kw_cli_early_over(out->early)) {
        const char *whole;
        KW_TRY(kw_cli_early_end(out->early, true, &whole, err));
        config->arrived = NULL;
        status = kw_model_load(out->engine, whole, config, &out->model, err);
    }
    kw_cli_early_loaded(out->early);
    return status;
}

static kw_status load_named(kw_cli *cli, const char *name, kw_model_config *config, kw_loaded *out,
                            kw_error *err)
{
    char *path;
    KW_TRY(cli->parsed.options.pull ? kw_cli_early_begin(cli, name, &out->early, &path, err)
                                    : kw_cli_resolve(cli, name, &path, err));
    const kw_status status =
        out->early ? load_early(out, path, config, err)
                   : kw_model_load(out->engine, path ? path : name, config, &out->model, err);
    free(path);
    return status;
}

kw_status kw_cli_load_model(kw_cli *cli, const char *path, kw_loaded *out, kw_error *err)
{
    kw_model_config config;
    kw_model_config_init(&config);
    config.no_mmap = !cli->parsed.options.mmap;
    config.tokenizer = cli->parsed.options.tokenizer;
    if (kw_options_source(&cli->parsed, "type") != KW_FROM_DEFAULT)
        config.type = cli->parsed.options.type;
    if (kw_cli_is_builtin(path)) {
        kw_builtin image = {0};
        KW_TRY(kw_cli_builtin(cli, &image, err));
        KW_TRY(kw_model_load_memory(out->engine, image.data, image.len, "(built-in)", &config,
                                    &out->model, err));
    } else {
        KW_TRY(load_named(cli, path, &config, out, err));
    }
    out->info.struct_size = sizeof out->info;
    kw_model_get_info(out->model, &out->info);
    return load_adapters(cli, out, err);
}

kw_status kw_cli_load(kw_cli *cli, const char *path, int n_threads, kw_loaded *out, kw_error *err)
{
    *out = (kw_loaded){0};
    const uint64_t start = kw_clock_ns();
    KW_TRY(kw_cli_open_engine(cli, n_threads, &out->engine, err));
    out->engine_info.struct_size = sizeof out->engine_info;
    kw_engine_get_info(out->engine, &out->engine_info);
    KW_TRY(kw_cli_load_model(cli, path, out, err));
    out->load_ns = kw_clock_ns() - start;
    return KW_OK;
}

void kw_cli_unload(kw_loaded *loaded)
{
    for (size_t i = 0; i < loaded->n_adapters; i++)
        kw_adapter_close(loaded->adapters[i].adapter);
    free(loaded->adapters);
    kw_model_close(loaded->model);
    kw_cli_early_free(loaded->early);
    kw_engine_close(loaded->engine);
    *loaded = (kw_loaded){0};
}

kw_status kw_cli_blame_fetch(const kw_loaded *loaded, kw_status status, kw_error *err)
{
    const char *path;
    kw_error why;
    if (!loaded->early || status != KW_E_IO || !kw_cli_early_over(loaded->early))
        return status;
    const kw_status ended = kw_cli_early_end(loaded->early, false, &path, &why);
    if (ended == KW_OK)
        return status;
    *err = why;
    return ended;
}

int kw_cli_end_fetch(kw_cli *cli, kw_loaded *loaded, int code)
{
    const char *path;
    kw_error err = {0};
    if (!loaded->early)
        return code;
    const bool wait = code == KW_EXIT_OK && !kw_interrupt_seen();
    const kw_status status = kw_cli_early_end(loaded->early, wait, &path, &err);
    if (status != KW_OK && wait)
        code = kw_cli_fail(cli, status, &err);
    if (status != KW_OK)
        kw_cli_note(cli, "what has arrived is kept: the same command goes on from there");
    return code;
}

double kw_cli_overload(int n_cpus)
{
    double load[1];
    return getloadavg(load, 1) == 1 && load[0] > 0.5 + 1.1 * n_cpus ? load[0] : 0.0;
}

bool kw_cli_can_write(const char *path, kw_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0 || S_ISREG(info.st_mode))
        return true;
    (void)kw_fail(err, KW_E_ARG, "--out %s: not a regular file", path);
    return false;
}

void kw_cli_session_config(const kw_cli *cli, const kw_loaded *loaded, kw_session_config *out)
{
    static const struct {
        const char *name;
        kw_cache_type type;
    } caches[] = {{"f16", KW_CACHE_F16},
                  {"f32", KW_CACHE_F32},
                  {"bf16", KW_CACHE_BF16},
                  {"q8_0", KW_CACHE_Q8_0}};
    const kw_options *o = &cli->parsed.options;
    kw_session_config_init(out);
    out->batch = (int)o->batch;
    out->adapters = loaded->adapters;
    out->n_adapters = loaded->n_adapters;
    for (size_t i = 0; o->cache_type && i < KW_COUNT(caches); i++)
        if (strcmp(o->cache_type, caches[i].name) == 0)
            out->cache = caches[i].type;
}
