/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* token_source.h - the tokenizer of a model, or of a bare tokenizer file or directory; no weights
 * are read and no family needs to be known for it. */
#ifndef KW_CLI_TOKEN_SOURCE_H
#define KW_CLI_TOKEN_SOURCE_H

#include "cli/load.h"
#include "text/tokenizer.h"

/* path NULL: the built-in model. Owned by the caller. */
kw_status kw_token_source_open(kw_cli *cli, const char *path, kw_tokenizer **out, kw_error *err);

#endif
