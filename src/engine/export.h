/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* export.h - a model file as GGUF describes it, with its tokenizer: what is written out. */
#ifndef KW_ENGINE_EXPORT_H
#define KW_ENGINE_EXPORT_H

#include "engine/chat_templates.h"
#include "model/export.h"

typedef struct kw_export {
    kw_export_tensor *tensors;
    size_t n_tensors, n_dropped;
    kw_meta *metas;
    size_t n_metas;
    kw_net *net; /* owned; NULL for a GGUF file */
    kw_chat_templates chats;
    char warning[200]; /* what GGUF cannot say of it; empty: nothing */
    kw_arena arena;
} kw_export;

/* Experts that have a tensor each become one for all, as GGUF has them today. Zero-initialise
 * before, and close after, also when it fails. The file is borrowed until then. */
kw_status kw_export_open(kw_export *out, kw_model_file *file, kw_error *err);
void kw_export_close(kw_export *model);
/* The value of the architecture's key (".block_count"); of a list, its first element. */
bool kw_export_value(const kw_export *model, const char *suffix, kw_value *out);

#endif
