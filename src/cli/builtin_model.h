/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* builtin_model.h - the model that is part of the command: a whole GGUF file.
 *
 * The size is 0 in a build whose source tree had no models/builtin/stories.gguf. */
#ifndef KW_CLI_BUILTIN_MODEL_H
#define KW_CLI_BUILTIN_MODEL_H

#include <stdint.h>

extern const unsigned char kw_builtin_model[]; /* aligned to 4096 bytes */
extern const uint64_t kw_builtin_model_size;

#endif
