/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* resolve.c - a model by its name in the stores, for every command that opens one. */
#include "cli/load.h"

#include "cli/net/trusted.h"
#include "os/file.h"

#include <stdlib.h>

static kw_status look_up(kw_cli *cli, const kw_home *home, kw_index *index, const kw_name *name,
                         char **owned, kw_error *err)
{
    kw_found found;
    KW_TRY(kw_find(index, name, &found, err));
    kw_status status = kw_cli_allow(cli, home, index, &found, err);
    if (status == KW_OK)
        status = kw_found_runs(&found, owned, err);
    kw_found_free(&found);
    return status;
}

/* Looking for a model makes no directory: without one the index is in memory. */
static kw_status open_index(kw_home *home, kw_index **out, kw_error *err)
{
    if (kw_file_is_dir(home->dir))
        return kw_cli_open_index(home, out, err);
    free(home->index);
    home->index = strdup(":memory:");
    return home->index ? kw_cli_open_index(home, out, err)
                       : kw_fail(err, KW_E_NOMEM, "no memory for a path");
}

kw_status kw_cli_resolve(kw_cli *cli, const char *path, char **owned, kw_error *err)
{
    kw_name name;
    kw_home home;
    kw_index *index = NULL;
    *owned = NULL;
    if (kw_file_exists(path) || kw_file_is_dir(path) ||
        kw_name_parse(kw_str_from(path), &name, NULL) != KW_OK ||
        kw_home_open(cli, false, &home, NULL) != KW_OK)
        return KW_OK;
    kw_status status = open_index(&home, &index, err);
    if (status == KW_OK)
        status = look_up(cli, &home, index, &name, owned, err);
    kw_index_close(index);
    kw_home_close(&home);
    /* Unknown as a name: then it was meant as a path, and opening it says what is wrong. */
    return status == KW_E_NOTFOUND ? KW_OK : status;
}
