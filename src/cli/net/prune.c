/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* prune.c - kwaai prune: what broken downloads left in kwaai's own store, and nothing else. */
#include "cli/commands.h"

#include "cli/net/home.h"
#include "os/dir.h"
#include "os/file.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Younger ones may be under way, or be taken up again. */
#define OLD_SECONDS ((int64_t)24 * 60 * 60)

typedef struct pruning {
    kw_cli *cli;
    int64_t now;
    uint64_t bytes;
    size_t n_files, n_young;
} pruning;

static kw_status prune_file(pruning *p, const char *path, kw_error *err)
{
    kw_file_info info;
    if (kw_file_query(path, &info, NULL) != KW_OK || !info.is_file)
        return KW_OK;
    if (!p->cli->parsed.options.force && p->now - info.state.mtime_ns / 1000000000 < OLD_SECONDS) {
        p->n_young++;
        return KW_OK;
    }
    if (!p->cli->parsed.options.dry_run)
        KW_TRY(kw_path_remove(path, err));
    p->bytes += info.disk_bytes;
    p->n_files++;
    return KW_OK;
}

static kw_status prune_dir(pruning *p, const char *dir, kw_error *err)
{
    kw_dir_list list;
    kw_status status = KW_OK;
    if (!kw_file_is_dir(dir))
        return KW_OK;
    KW_TRY(kw_dir_read(dir, &list, err));
    for (size_t i = 0; status == KW_OK && i < list.n; i++) {
        char *const path = kw_home_join(dir, list.names[i]);
        status = path ? prune_file(p, path, err) : kw_fail(err, KW_E_NOMEM, "no memory for a path");
        free(path);
    }
    kw_dir_free(&list);
    return status;
}

static kw_status prune(pruning *p, kw_error *err)
{
    kw_home home;
    kw_index *index = NULL;
    KW_TRY(kw_home_open(p->cli, true, &home, err));
    char *const partial = kw_home_join(home.store, ".partial");
    kw_status status =
        partial ? prune_dir(p, partial, err) : kw_fail(err, KW_E_NOMEM, "no memory for a path");
    if (status == KW_OK) /* forgets files that are gone */
        status = kw_cli_open_index(&home, &index, err);
    kw_index_close(index);
    free(partial);
    kw_home_close(&home);
    return status;
}

static int run_prune(kw_cli *cli)
{
    kw_error err = {0};
    pruning p = {.cli = cli, .now = (int64_t)time(NULL)};
    char size[16];
    const kw_status status = prune(&p, &err);
    if (status != KW_OK)
        return kw_cli_fail(cli, status, &err);
    kw_cli_note(cli, "%s %zu files of unfinished downloads, %s",
                cli->parsed.options.dry_run ? "would remove" : "removed", p.n_files,
                kw_print_bytes(p.bytes, size));
    if (p.n_young > 0)
        kw_cli_hint(cli, "%zu are less than a day old and stay; --force removes them too",
                    p.n_young);
    return KW_EXIT_OK;
}

const kw_command kw_command_prune = {
    .name = "prune",
    .summary = "remove what unfinished downloads left in the store",
    .usage = "",
    .description =
        "Removes parts of downloads that nobody went on with for a day. Models stay, and "
        "so does everything that belongs to other programs.",
    .examples = "  kwaai prune --dry-run\n",
    .max_args = 0,
    .run = run_prune,
};
