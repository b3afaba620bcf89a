/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* llama2c.h - the checkpoints of llama2.c (versions 0, 1 and 2), and its tokenizer beside them. */
#ifndef KW_FORMAT_LLAMA2C_H
#define KW_FORMAT_LLAMA2C_H

#include "format/image.h"

/* Is this a checkpoint of version 0: seven numbers, and as many bytes as they need? */
bool kw_llama2c_is_version_0(kw_str bytes);
/* The tokens and scores of a tokenizer.bin as GGUF's keys; n: how many tokens the model has. The
 * text outlives the image. */
kw_status kw_llama2c_vocab(kw_str bytes, size_t n, kw_arena *arena, kw_image *out, kw_error *err);

#endif
