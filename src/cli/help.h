/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* help.h - the command table and the option table as text for a person. */
#ifndef KW_CLI_HELP_H
#define KW_CLI_HELP_H

#include "cli/cli.h"

/* Columns that help text may fill: the terminal's, between 60 and 100; 80 elsewhere. */
int kw_help_width(void);
/* `kwaai help`: what it is, the commands. */
void kw_help_overview(kw_out *out, int width);
/* `kwaai COMMAND --help` */
void kw_help_command(kw_out *out, const kw_command *command, int width);

/* "default 0.8" or "" for an option. */
void kw_help_default(const kw_option *option, char *out, size_t size);

#endif
