/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rm.c - kwaai rm: takes a model off this machine.
 *
 * Only what lies in kwaai's own store is deleted. A folder that was published is forgotten and its
 * files stay; the caches of other programs are left alone unless --force says otherwise. */
#include "cli/commands.h"

#include "cli/net/home.h"
#include "os/dir.h"

#include <stdlib.h>
#include <string.h>

typedef struct removing {
    kw_cli *cli;
    kw_home home;
    kw_index *index;
    uint64_t bytes;
    size_t n_files, n_forgotten;
} removing;

static kw_status may_remove(const removing *r, const kw_found *found, kw_error *err)
{
    for (size_t i = 0; i < found->n; i++) {
        const kw_index_row *const row = &found->rows[i];
        if (row->owner != KW_OWNER_STORE && row->owner != KW_OWNER_FOLDER &&
            !r->cli->parsed.options.force)
            return kw_fail(err, KW_E_ARG,
                           "%s is in the store of %s, which is another program's: --force removes "
                           "it there",
                           row->model, kw_owner_name(row->owner));
    }
    return KW_OK;
}

/* Directories that became empty, up to the store. */
static void remove_empty(const char *store, const char *path)
{
    char *const dir = strdup(path);
    char *slash = dir ? strrchr(dir, '/') : NULL;
    while (slash && (size_t)(slash - dir) > strlen(store)) {
        *slash = '\0';
        if (kw_path_remove(dir, NULL) != KW_OK)
            break;
        slash = strrchr(dir, '/');
    }
    free(dir);
}

static kw_status count_names(void *user, const kw_index_row *row, kw_error *err)
{
    (void)row, (void)err;
    ++*(size_t *)user;
    return KW_OK;
}

/* The place, and what it links to when no other name needs it. */
static kw_status remove_file(removing *r, const kw_index_row *row, kw_error *err)
{
    const kw_index_query query = {.id = row->id};
    size_t n_names = 0;
    KW_TRY(kw_index_each(r->index, &query, count_names, &n_names, err));
    const bool linked = strcmp(row->place, row->path) != 0, last = n_names <= 1;
    if (linked || last) {
        KW_TRY(kw_path_remove(row->place, err));
        r->n_files++;
    }
    if (linked && last)
        KW_TRY(kw_path_remove(row->path, err));
    if (last)
        r->bytes += row->state.size;
    if (row->owner == KW_OWNER_STORE)
        remove_empty(r->home.store, row->place);
    return last ? kw_index_forget(r->index, row->id, err) : KW_OK;
}

typedef struct forgetting {
    removing *r;
    const char *place;
} forgetting;

/* The folder that holds the place. */
static kw_status forget_folder(void *user, const char *path, const char *model, kw_error *err)
{
    const forgetting *const f = user;
    const size_t n = strlen(path);
    (void)model;
    if (strncmp(f->place, path, n) != 0 || (f->place[n] != '/' && f->place[n] != '\0'))
        return KW_OK;
    f->r->n_forgotten++;
    return kw_index_remove_folder(f->r->index, path, err);
}

static kw_status remove_found(removing *r, const kw_found *found, kw_error *err)
{
    KW_TRY(may_remove(r, found, err));
    for (size_t i = 0; i < found->n; i++) {
        const kw_index_row *const row = &found->rows[i];
        forgetting f = {r, row->place};
        if (row->owner == KW_OWNER_FOLDER)
            KW_TRY(kw_index_each_folder(r->index, forget_folder, &f, err));
        else
            KW_TRY(remove_file(r, row, err));
    }
    return kw_index_remove_manifest(r->index, found->rows[0].model, err);
}

static kw_status rm(removing *r, const char *text, kw_error *err)
{
    kw_found found;
    KW_TRY(kw_home_open(r->cli, true, &r->home, err));
    KW_TRY(kw_cli_open_index(&r->home, &r->index, err));
    KW_TRY(kw_cli_find(r->index, text, &found, err));
    const kw_status status = remove_found(r, &found, err);
    kw_found_free(&found);
    return status;
}

static int run_rm(kw_cli *cli)
{
    kw_error err = {0};
    removing r = {.cli = cli};
    char size[16];
    if (cli->parsed.n_args == 0)
        return kw_cli_usage(cli, "which model?");
    const kw_status status = rm(&r, cli->parsed.args[0], &err);
    kw_index_close(r.index);
    kw_home_close(&r.home);
    if (status != KW_OK)
        return kw_cli_fail_name(cli, status, &err);
    if (r.n_forgotten > 0)
        kw_cli_note(cli, "forgot %s; its files stay where they are", cli->parsed.args[0]);
    if (r.n_files > 0)
        kw_cli_note(cli, "removed %zu files, %s", r.n_files, kw_print_bytes(r.bytes, size));
    return KW_EXIT_OK;
}

const kw_command kw_command_rm = {
    .name = "rm",
    .summary = "remove a model from the store",
    .usage = "NAME",
    .description =
        "Deletes the files of a model, or the one file that NAME means, from kwaai's own store. A "
        "model that was published from a folder is forgotten, and its files stay. What the caches "
        "of Hugging Face and Ollama hold is left alone unless --force is given.",
    .examples = "  kwaai rm org/name\n"
                "  kwaai rm org/name:model-Q8_0.gguf\n",
    .max_args = 1,
    .run = run_rm,
};
