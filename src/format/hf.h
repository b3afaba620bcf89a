/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hf.h - the JSON files of a Hugging Face directory: config.json and the index of shards. */
#ifndef KW_FORMAT_HF_H
#define KW_FORMAT_HF_H

#include "format/image.h"

#define KW_HF_MAX_JSON_BYTES ((size_t)64 << 20)
#define KW_HF_MAX_KEY 512 /* bytes of a flattened key */

/* Flattens config.json into out->metas: nested keys joined by dots, arrays of one scalar kind as
 * arrays, any other array element by element ("key.0"). Text and subject outlive the image. */
kw_status kw_hf_config_parse(kw_str text, const char *subject, kw_arena *arena, kw_image *out,
                             kw_error *err);

typedef struct kw_hf_placed {
    kw_str tensor;
    kw_str file; /* a plain name: kw_path_is_plain */
} kw_hf_placed;

typedef struct kw_hf_index {
    kw_hf_placed *entries; /* the weight map, in its own order */
    size_t n_entries;
    kw_str *files; /* each shard once, in order of its name */
    size_t n_files;
} kw_hf_index;

/* Reads *.safetensors.index.json. A shard whose name leaves the directory is refused. */
kw_status kw_hf_index_parse(kw_str text, const char *subject, kw_arena *arena, kw_hf_index *out,
                            kw_error *err);

#endif
