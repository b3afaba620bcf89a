/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* stores.h - finds model files where people already have them, and tells the index.
 *
 *   own store      DIR/org/name/FILE..., the name of 1 to 3 parts
 *   Hugging Face   DIR/models--org--name/{refs,blobs,snapshots/REVISION/FILE...}
 *   Ollama         DIR/manifests/HOST/org/name/TAG (JSON), DIR/blobs/sha256-HEX
 *   a folder       DIR/FILE... is one model
 *
 * Only names, sizes and times are read, and Ollama's manifests. Links to directories are not
 * followed, hidden files not taken, depth and number of entries bounded. What cannot be read is
 * passed over: one damaged model does not hide the others. */
#ifndef KW_HUB_STORES_H
#define KW_HUB_STORES_H

#include "hub/index.h"

/* Directories; NULL or not there: none. */
typedef struct kw_store_places {
    const char *own, *huggingface, *ollama;
} kw_store_places;

/* Scans the stores and the folders that the index knows. */
kw_status kw_stores_scan(kw_index *index, const kw_store_places *places, kw_error *err);
/* Scans a file or a directory as the files of one model. path: absolute, without links. */
kw_status kw_folder_scan(kw_index *index, const char *path, const char *model, kw_error *err);

/* Whether "org/name" may be a model's name: 1 to 3 parts of letters, digits, "-", "_", "."; no part
 * begins with a dot. */
#define KW_MODEL_NAME_MAX 200
bool kw_model_name_ok(kw_str name);

#endif
