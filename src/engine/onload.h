/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* onload.h - float weights that become smaller ones while a model is loaded. */
#ifndef KW_ENGINE_ONLOAD_H
#define KW_ENGINE_ONLOAD_H

#include "engine/engine.h"

/* Quantises the float matrices of a model whose net is open, as the mixture of that name says; each
 * is let go before the next. Counts against the engine's budget, in model->reserved_bytes, what
 * stays in memory: the new weights and the tensors that are left as they are. */
kw_status kw_model_quantize(kw_model *model, const char *type, kw_error *err);
/* Frees the new weights. */
void kw_model_quantize_undo(kw_model *model);

#endif
