/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ends.h - the tokens that end an answer, as a model's files say beside its tokenizer. */
#ifndef KW_ENGINE_ENDS_H
#define KW_ENGINE_ENDS_H

#include "format/model_file.h"

#define KW_FILE_ENDS 16

typedef struct kw_ends {
    int32_t ids[KW_FILE_ENDS]; /* each once, in the file's order */
    size_t n;
} kw_ends;

/* eos_token_id (a number or a list) of generation_config.json, else of config.json; of GGUF the
 * ends of a text, a turn and a message. What is no token's number is left out. */
kw_status kw_ends_read(const kw_model_file *file, kw_ends *out, kw_error *err);

#endif
