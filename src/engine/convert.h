/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* convert.h - writes a model of any readable kind as safetensors, tensor by tensor. As GGUF,
 * kw_quantize does, with or without another type. */
#ifndef KW_ENGINE_CONVERT_H
#define KW_ENGINE_CONVERT_H

#include "engine/quantize.h"

/* Writes the model to `path`: a file when it ends in ".safetensors", else a directory as Hugging
 * Face has them (config.json, the tokenizer, and at last model.safetensors; each file whole or not
 * at all). A model with GGUF's names gets Hugging Face's names, orders and configuration when its
 * family is known.
 * config: type (f32, f16, bf16, or NULL: as they are, quantised ones f32), progress, warn and user
 * count. file: changed in that vectors may be decoded. */
kw_status kw_convert_safetensors(kw_engine *engine, kw_model_file *file, const char *path,
                                 const kw_quantize_config *config, kw_quantize_result *out,
                                 kw_error *err);

#endif
