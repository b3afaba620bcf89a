/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* export.h - a model as GGUF describes it, whatever file it came from: names, orders, metadata. */
#ifndef KW_MODEL_EXPORT_H
#define KW_MODEL_EXPORT_H

#include "base/buf.h"
#include "model/net.h"

typedef struct kw_export_tensor {
    kw_str name;                /* GGUF's, terminated */
    const kw_tensor_view *view; /* as it lies in the file, or in the arena */
    const int64_t *order;       /* the file's row of each row; NULL: as they are */
    unsigned flags; /* what else to undo, of a file with GGUF's names: KW_ALIAS_TRANSPOSED,
                       KW_ALIAS_ONE_LESS */
    /* [n_parts] of which it is made, one after the other; then the data of view is not all. NULL:
     * the view is. */
    const kw_tensor_view *const *parts;
    size_t n_parts;
} kw_export_tensor;

typedef struct kw_net_export {
    kw_export_tensor *tensors;
    size_t n_tensors, n_dropped; /* dropped: GGUF has no name for them */
    kw_meta *metas;              /* without the tokenizer's */
    size_t n_metas;
} kw_net_export;

/* Of a safetensors net; a GGUF file needs none. Everything is in the arena or the net's. */
kw_status kw_net_export_gguf(const kw_net *net, kw_arena *arena, kw_net_export *out, kw_error *err);
/* Puts experts that have a tensor each into one for all, where they are alike. */
kw_status kw_net_export_stack(kw_net_export *tensors, kw_arena *arena, kw_error *err);
/* The other way: of a net with GGUF's names, the tensors under Hugging Face's names and in its
 * orders. config: the text of its config.json is appended. No metas. */
kw_status kw_net_export_hf(const kw_net *net, kw_arena *arena, kw_net_export *out, kw_buf *config,
                           kw_error *err);
/* GGUF's order of the rows of a weight: row r is row [r] of Hugging Face's; left alone where both
 * are the same. */
kw_status kw_net_row_order(const kw_net *net, kw_arena *arena, const kw_alias *alias,
                           const kw_tensor_view *view, const int64_t **out, kw_error *err);
/* Is this field one that a file of a model with its way of stretching positions has? */
bool kw_net_field_applies(const kw_net *net, const kw_field *field);
/* GGUF's name of a weight ("blk.3.attn_q.weight") for the one it has in a file of this kind; false
 * when it has none. out holds `size` bytes. */
bool kw_net_gguf_name(const kw_net *net, kw_str name, char *out, size_t size);
/* The same for a Hugging Face name, whatever file a net was made of. */
bool kw_family_gguf_name(const kw_family *family, kw_str name, char *out, size_t size);
/* A whole number of the configuration by the name of its field; 0 when the family has no such. */
int64_t kw_net_int_field(const kw_net *net, const char *name);

#endif
