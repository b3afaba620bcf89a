/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* list.c - kwaai list: the models that are on this machine. */
#include "cli/commands.h"

#include "base/check.h"
#include "base/sha256.h"
#include "cli/net/home.h"

#include <string.h>

/* A model is the rows that follow each other with the same model, version and owner. */
typedef struct listing {
    kw_cli *cli;
    kw_json_writer json;
    kw_arena arena;
    const char *filter; /* NULL: all */
    const char *model, *version;
    kw_owner owner;
    uint64_t bytes;
    size_t n_files, n_hashed, n_models;
    bool open;
} listing;

static void print_model(listing *l)
{
    char size[16], name[320];
    if (!l->open)
        return;
    l->open = false;
    l->n_models++;
    if (l->cli->parsed.options.json) {
        kw_json_open(&l->json, NULL, '{');
        kw_json_puts(&l->json, "model", l->model);
        kw_json_puts(&l->json, "version", l->version);
        kw_json_puts(&l->json, "store", kw_owner_name(l->owner));
        kw_json_int(&l->json, "files", (int64_t)l->n_files);
        kw_json_int(&l->json, "bytes", (int64_t)l->bytes);
        kw_json_int(&l->json, "hashed", (int64_t)l->n_hashed);
        kw_json_close(&l->json, '}');
        return;
    }
    (void)snprintf(name, sizeof name, "%.200s%s%.64s", l->model, l->version[0] ? "@" : "",
                   l->version);
    if (l->n_models == 1)
        kw_out_printf(&l->cli->out, "%-48s %10s %6s  %s\n", "model", "size", "files", "store");
    kw_out_foreign(&l->cli->out, name, strlen(name));
    kw_out_printf(&l->cli->out, "%*s %10s %6zu  %s\n", KW_MAX(48 - (int)strlen(name), 0), "",
                  kw_print_bytes(l->bytes, size), l->n_files, kw_owner_name(l->owner));
}

static kw_status list_row(void *user, const kw_index_row *row, kw_error *err)
{
    listing *const l = user;
    if (l->filter && !strstr(row->model, l->filter))
        return KW_OK;
    if (!l->open || strcmp(l->model, row->model) != 0 || strcmp(l->version, row->version) != 0 ||
        l->owner != row->owner) {
        print_model(l);
        l->open = true;
        l->model = kw_arena_strdup(&l->arena, kw_str_from(row->model));
        l->version = kw_arena_strdup(&l->arena, kw_str_from(row->version));
        l->owner = row->owner;
        l->bytes = 0;
        l->n_files = l->n_hashed = 0;
        if (!l->model || !l->version)
            return kw_fail(err, KW_E_NOMEM, "no memory for a name");
    }
    l->n_files++;
    l->n_hashed += row->hashed;
    l->bytes += row->state.size;
    return KW_OK;
}

static kw_status list(kw_cli *cli, listing *l, kw_error *err)
{
    kw_home home;
    kw_index *index = NULL;
    const kw_index_query all = {0};
    KW_TRY(kw_home_open(cli, true, &home, err));
    kw_status status = kw_cli_open_index(&home, &index, err);
    if (status == KW_OK)
        status = kw_index_each(index, &all, list_row, l, err);
    kw_index_close(index);
    kw_home_close(&home);
    return status;
}

static int run_list(kw_cli *cli)
{
    kw_error err = {0};
    listing l = {.cli = cli, .json = {.out = &cli->out, .pretty = true}};
    l.filter = cli->parsed.n_args > 0 ? cli->parsed.args[0] : NULL;
    if (cli->parsed.options.json)
        kw_json_open(&l.json, NULL, '[');
    const kw_status status = list(cli, &l, &err);
    if (status == KW_OK)
        print_model(&l);
    kw_arena_free(&l.arena);
    if (status != KW_OK)
        return kw_cli_fail(cli, status, &err);
    if (cli->parsed.options.json) {
        kw_json_close(&l.json, ']');
        kw_out_puts(&cli->out, "\n");
    } else if (l.n_models == 0) {
        kw_cli_note(cli,
                    l.filter ? "no model here has %s in its name" : "there are no models here%s",
                    l.filter ? l.filter : "");
        if (!l.filter)
            kw_cli_hint(cli, "kwaai publish PATH makes kwaai know a file or directory");
    }
    return KW_EXIT_OK;
}

const kw_command kw_command_list = {
    .name = "list",
    .summary = "list the models on this machine",
    .usage = "[TEXT]",
    .description =
        "Lists the models in kwaai's own store, in the cache of Hugging Face, in the store of "
        "Ollama, and in the folders that were published; with TEXT, those with it in their name. "
        "Nothing is copied or changed. Each can be run by its name: kwaai run NAME.",
    .examples = "  kwaai list\n"
                "  kwaai list llama --json\n",
    .max_args = 1,
    .run = run_list,
};
