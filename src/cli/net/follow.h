/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* follow.h - whom this user's node follows: KWAAI_HOME/following.conf, lines of "key NAME RWQ..."
 * and, for a key of which some models are followed, "policy MODEL enforce NAME". */
#ifndef KW_CLI_NET_FOLLOW_H
#define KW_CLI_NET_FOLLOW_H

#include "cli/net/home.h"

/* The file, malloc'ed; NULL: no memory. */
char *kw_following_path(const kw_home *home);
/* Adds a publisher, or takes him away: a public key, or the name that the trust file (of those who
 * are followed, too) has for one. Or one model: by the key that signed what is here of it, else by
 * the one that the trust file's policies name for it. KW_E_NOTFOUND: no such name. */
kw_status kw_cli_follow(kw_cli *cli, const char *whom, kw_error *err);
kw_status kw_cli_unfollow(kw_cli *cli, const char *whom, kw_error *err);
/* Prints them. */
kw_status kw_cli_following(kw_cli *cli, kw_error *err);

#endif
