/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bans.h - kwaai node bans, ban and unban: on the database that the node shares. */
#ifndef KW_CLI_NET_BANS_H
#define KW_CLI_NET_BANS_H

#include "cli/cli.h"

kw_status kw_cli_bans(kw_cli *cli, kw_error *err);
/* whom: a peer id or an address; until unban, or for the time of --for. */
kw_status kw_cli_ban(kw_cli *cli, const char *whom, kw_error *err);
kw_status kw_cli_unban(kw_cli *cli, const char *whom, kw_error *err);

#endif
