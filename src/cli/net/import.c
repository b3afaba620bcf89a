/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* import.c - kwaai import: files of an archive of blocks (CAR) into the store, verified on the path
 * that downloads take. */
#include "cli/commands.h"

#include "base/sha256.h"
#include "cli/interrupt.h"
#include "cli/net/fetch_progress.h"
#include "cli/net/home.h"
#include "hub/car_source.h"
#include "os/system.h"

#include <string.h>

typedef struct importing {
    kw_cli *cli;
    kw_car *car;
    kw_listing listing;
    kw_fetch_line line;
    const char *model;
} importing;

static bool on_progress(void *user, const kw_listed *file, const kw_fetch_progress *progress)
{
    importing *const i = user;
    kw_fetch_line_show(&i->line, file->name, progress);
    return !kw_interrupt_seen();
}

static kw_status import_files(importing *im, const kw_home *home, kw_error *err)
{
    const kw_source source = kw_car_source_make(im->car);
    const kw_source *const sources[] = {&source};
    kw_system system;
    kw_buf path = {0};
    kw_system_query(&system);
    const kw_pull_config config = {.store = home->store,
                                   .sources = sources,
                                   .n_sources = 1,
                                   .sha_extension = (system.features & KW_CPU_SHA) != 0,
                                   .progress = on_progress,
                                   .user = im};
    kw_status status = kw_car_list(im->car, "model", &im->listing, err);
    for (size_t i = 0; status == KW_OK && i < im->listing.n; i++) {
        kw_fetch_result result;
        bool there;
        status =
            kw_pull_file(&config, im->model, &im->listing.files[i], &path, &result, &there, err);
        kw_cli_progress_end(im->cli);
        if (status == KW_OK)
            kw_out_printf(&im->cli->out, "%s\n", path.data);
    }
    kw_buf_free(&path);
    return status;
}

static int run_import(kw_cli *cli)
{
    kw_error err = {0};
    kw_home home = {0};
    importing im = {.cli = cli, .line = {.cli = cli}};
    if (cli->parsed.n_args != 2)
        return kw_cli_usage(cli, "say what to read and what to call it: kwaai import FILE.car "
                                 "ORG/NAME");
    im.model = cli->parsed.args[1];
    if (!kw_name_is_safe(kw_str_from(im.model)))
        return kw_cli_usage(cli, "\"%s\" is no name of a model: they are org/name", im.model);
    kw_interrupt_watch();
    kw_status status = kw_home_open(cli, true, &home, &err);
    if (status == KW_OK)
        status = kw_car_open(cli->parsed.args[0], &im.car, &err);
    if (status == KW_OK)
        status = import_files(&im, &home, &err);
    if (im.car)
        kw_car_close(im.car);
    kw_listing_free(&im.listing);
    kw_home_close(&home);
    return status == KW_OK ? KW_EXIT_OK : kw_cli_fail(cli, status, &err);
}

const kw_command kw_command_import = {
    .name = "import",
    .summary = "take a model from an archive into the store",
    .usage = "FILE.car ORG/NAME",
    .description =
        "Takes the files of an archive of blocks (CAR), as kwaai export writes it, into "
        "the store under a name, and prints where they are then. Every block is verified "
        "against the name that the archive gives for its root.",
    .examples = "  kwaai import model.car org/name\n",
    .max_args = 2,
    .run = run_import,
};
