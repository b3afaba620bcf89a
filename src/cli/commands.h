/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* commands.h - one description per command, each defined in the file of its name. */
#ifndef KW_CLI_COMMANDS_H
#define KW_CLI_COMMANDS_H

#include "cli/cli.h"

extern const kw_command kw_command_run;
extern const kw_command kw_command_inspect;
extern const kw_command kw_command_tensors;
extern const kw_command kw_command_tokenize;
extern const kw_command kw_command_detokenize;
extern const kw_command kw_command_logits;
extern const kw_command kw_command_embed;
extern const kw_command kw_command_bench;
extern const kw_command kw_command_quantize;
extern const kw_command kw_command_imatrix;
extern const kw_command kw_command_perplexity;
extern const kw_command kw_command_merge;
extern const kw_command kw_command_convert;
extern const kw_command kw_command_doctor;
extern const kw_command kw_command_help;
extern const kw_command kw_command_completion;
extern const kw_command kw_command_man;
extern const kw_command kw_command_version;
#ifdef KW_NETWORK
extern const kw_command kw_command_list;
extern const kw_command kw_command_verify;
extern const kw_command kw_command_pull;
extern const kw_command kw_command_show;
extern const kw_command kw_command_rm;
extern const kw_command kw_command_du;
extern const kw_command kw_command_prune;
extern const kw_command kw_command_sign;
extern const kw_command kw_command_publish;
extern const kw_command kw_command_node;
extern const kw_command kw_command_export;
extern const kw_command kw_command_import;
#endif

#endif
