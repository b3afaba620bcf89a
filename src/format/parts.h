/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* parts.h - the mapped files of a model: opened, told apart, parsed, joined into one directory. */
#ifndef KW_FORMAT_PARTS_H
#define KW_FORMAT_PARTS_H

#include "format/image.h"
#include "format/name_index.h"

/* What kw_model_file.index points to. */
typedef struct kw_directory {
    kw_name_index tensors, metas;
} kw_directory;

typedef enum kw_magic {
    KW_MAGIC_GGUF,
    KW_MAGIC_SAFETENSORS,
    KW_MAGIC_ZIP,
    KW_MAGIC_PICKLE,
    KW_MAGIC_NUMPY,
    KW_MAGIC_LLAMA2C,
    KW_MAGIC_GGML,
    KW_MAGIC_JSON,
    KW_MAGIC_OTHER
} kw_magic;

/* What the first bytes say; for KW_MAGIC_OTHER *other names it when it is well known, else NULL. */
kw_magic kw_magic_of(kw_str bytes, const char **other);

/* Makes room for n parts, none open. */
kw_status kw_parts_reserve(kw_model_file *file, size_t n, kw_error *err);
/* Takes over a map as part i, closed with the file from now on, even on failure. */
kw_status kw_parts_adopt(kw_model_file *file, size_t i, const char *path, kw_map map,
                         kw_error *err);
/* Opens path as part i and parses it. */
kw_status kw_parts_open(kw_model_file *file, size_t i, const char *path, bool no_mmap,
                        kw_image *image, kw_error *err);
/* Parses part i. */
kw_status kw_parts_parse(kw_model_file *file, size_t i, kw_image *image, kw_error *err);
/* Fills the directory of the file with the tensors of n images and the metas of two (either may be
 * empty), and indexes both. */
kw_status kw_parts_join(kw_model_file *file, const kw_image *images, size_t n,
                        const kw_image *metas_a, const kw_image *metas_b, kw_error *err);

/* The openers. The map was opened from path and is taken over. */
kw_status kw_gguf_open(kw_model_file *file, const char *path, kw_map map, bool no_mmap,
                       kw_error *err);
kw_status kw_hf_open_dir(kw_model_file *file, const char *path, bool no_mmap, kw_error *err);
kw_status kw_hf_open_single(kw_model_file *file, const char *path, kw_map map, bool no_mmap,
                            kw_error *err);
/* With the tokenizer that lies beside it, if there is one. */
kw_status kw_llama2c_open(kw_model_file *file, const char *path, kw_map map, bool no_mmap,
                          kw_error *err);
/* The text of an index; the map stays the caller's. */
kw_status kw_hf_open_index(kw_model_file *file, const char *path, kw_str text, bool no_mmap,
                           kw_error *err);

#endif
