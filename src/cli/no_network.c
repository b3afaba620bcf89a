/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* no_network.c - a build without stores and network: names are paths, and nothing is fetched. */
#include "cli/early.h"
#include "cli/load.h"

#ifndef KW_NETWORK

kw_status kw_cli_resolve(kw_cli *cli, const char *path, char **owned, kw_error *err)
{
    (void)cli, (void)path, (void)err;
    *owned = NULL;
    return KW_OK;
}

kw_status kw_cli_early_begin(kw_cli *cli, const char *name, kw_early **out, char **path,
                             kw_error *err)
{
    (void)cli, (void)out, (void)path;
    return kw_fail(err, KW_E_UNSUPPORTED, "--pull %s: this build has no network", name);
}

kw_arrival kw_cli_early_ask(void *early, uint64_t offset, uint64_t len, uint32_t wait_ms)
{
    (void)early, (void)offset, (void)len, (void)wait_ms;
    return KW_ARRIVES_NEVER;
}

void kw_cli_early_loaded(kw_early *early)
{
    (void)early;
}

bool kw_cli_early_over(kw_early *early)
{
    (void)early;
    return true;
}

kw_status kw_cli_early_end(kw_early *early, bool wait, const char **path, kw_error *err)
{
    (void)early, (void)wait, (void)path, (void)err;
    return KW_OK;
}

void kw_cli_early_free(kw_early *early)
{
    (void)early;
}

#endif
