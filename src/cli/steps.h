/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* steps.h - what quantize and convert say of a tensor that they write. */
#ifndef KW_CLI_STEPS_H
#define KW_CLI_STEPS_H

#include "cli/cli.h"
#include "engine/quantize.h"

/* A line: name, shape, types, sizes. */
void kw_cli_print_step(kw_cli *cli, const kw_quantize_step *step);
/* The same as an object of a list. */
void kw_cli_json_step(kw_json_writer *json, const kw_quantize_step *step);
/* The line that is written over itself. share: how much of the tensor is done. */
void kw_cli_step_progress(kw_cli *cli, const kw_quantize_step *step, double share);

#endif
