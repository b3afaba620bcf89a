/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* synthetic.h - writes a made-up model to a file, so that other programs can be measured on it too.
 */
#ifndef KW_ENGINE_SYNTHETIC_H
#define KW_ENGINE_SYNTHETIC_H

#include <kwaai/kwaai.h>

/* The GGUF image of kw_model_synthetic. */
kw_status kw_synthetic_write(kw_engine *engine, const char *shape, const char *type,
                             const char *path, kw_error *err);

#endif
