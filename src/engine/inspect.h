/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* inspect.h - each stage between a file and its programs, printed for a person or as JSON. */
#ifndef KW_ENGINE_INSPECT_H
#define KW_ENGINE_INSPECT_H

#include <kwaai/kwaai.h>

#include "format/model_file.h"

typedef enum kw_stage {
    KW_STAGE_FILE,   /* container, metadata, tensor counts by type */
    KW_STAGE_CONFIG, /* family, fields with their values, unused and missing weights */
    KW_STAGE_GRAPH,  /* every node with its shape */
    KW_STAGE_PLAN    /* every bucket: waves, steps, kernels, buffers */
} kw_stage;

/* False for an unknown name ("file", "config", "graph", "plan"). */
bool kw_stage_by_name(const char *name, kw_stage *out);

/* Receives text in pieces. */
typedef void (*kw_text_fn)(void *user, const char *text, size_t len);

typedef struct kw_inspection {
    kw_stage stage;
    bool json;
    kw_text_fn write;
    void *user; /* given to write */
} kw_inspection;

/* Writes one stage of the model at path. The file is checked as kw_model_load does, except that
 * KW_STAGE_FILE needs only its container to be readable. */
kw_status kw_inspect(kw_engine *engine, const char *path, const kw_inspection *what, kw_error *err);
/* The same for an image in memory. */
kw_status kw_inspect_memory(kw_engine *engine, const void *data, size_t len, const char *name,
                            const kw_inspection *what, kw_error *err);

#endif
