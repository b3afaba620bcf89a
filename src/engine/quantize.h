/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* quantize.h - writes a model with other element types, tensor by tensor. */
#ifndef KW_ENGINE_QUANTIZE_H
#define KW_ENGINE_QUANTIZE_H

#include <kwaai/kwaai.h>

#include "engine/imatrix.h"
#include "format/model_file.h"

/* One tensor of the model to write, decided before anything is computed. */
typedef struct kw_quantize_step {
    size_t index, n; /* of n tensors */
    kw_str name;     /* as it will be written */
    kw_shape shape;
    const char *from, *to; /* names of types */
    const char *wanted;    /* the type that its rows have no whole blocks of; NULL: it got `to` */
    bool importance;       /* the importance matrix has it */
    bool coarse;           /* a type that needs importances and has none */
    uint64_t bytes_in, bytes_out;
} kw_quantize_step;

typedef struct kw_quantize_config {
    /* A recipe ("Q4_K_M") or, for pure, any type too ("mxfp4"); NULL: the types that it has. */
    const char *type;
    bool pure; /* one type for all, no recipe */
    bool leave_output;
    bool allow_requantize;
    bool dry_run;                             /* decide and report, write nothing */
    const char *output_type, *embedding_type; /* NULL: as the recipe says */
    const char *const *overrides;             /* [n_overrides] "PATTERN=TYPE"; the first counts */
    size_t n_overrides;
    const kw_imatrix *imatrix; /* NULL: none. Borrowed */
    /* Before each tensor, and during large ones (share: how much of it is done). False stops with
     * KW_E_CANCELLED. */
    bool (*progress)(void *user, const kw_quantize_step *step, double share);
    void (*warn)(void *user, const char *message);
    void *user;
} kw_quantize_config;

typedef struct kw_quantize_result {
    size_t n_tensors, n_quantized, n_fallback, n_dropped;
    uint64_t bytes_in, bytes_out; /* of tensors */
} kw_quantize_result;

/* Writes the model to `path` as GGUF, whole or not at all. A safetensors model gets GGUF's names,
 * orders and metadata, and its tokenizer. file: changed in that vectors may be decoded. */
kw_status kw_quantize(kw_engine *engine, kw_model_file *file, const char *path,
                      const kw_quantize_config *config, kw_quantize_result *out, kw_error *err);

#endif
