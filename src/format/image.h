/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* image.h - what the readers have in common: one file, parsed, and the limits that hold for all. */
#ifndef KW_FORMAT_IMAGE_H
#define KW_FORMAT_IMAGE_H

#include "format/model_file.h"

#define KW_MAX_TENSORS ((size_t)1 << 20)
#define KW_MAX_METAS ((size_t)1 << 18)
#define KW_MAX_NAME 65535 /* bytes of a key or of a tensor's name */
#define KW_MAX_PARTS 10000

/* One parsed file. Everything lies in the arena it was parsed into or in the file's bytes. */
typedef struct kw_image {
    kw_file_kind kind;
    uint32_t version; /* GGUF */
    kw_tensor_view *tensors;
    size_t n_tensors;
    kw_meta *metas;
    size_t n_metas;
} kw_image;

/* Parse bytes that begin with the format's magic, or with a plausible header where it has none
 * (safetensors). `part` goes into the views. The bytes outlive the image. */
kw_status kw_gguf_parse(kw_str bytes, int part, kw_arena *arena, kw_image *out, kw_error *err);
kw_status kw_safetensors_parse(kw_str bytes, int part, kw_arena *arena, kw_image *out,
                               kw_error *err);

/* A zip archive that holds a PyTorch checkpoint or NumPy's arrays. */
kw_status kw_archive_parse(kw_str bytes, int part, kw_arena *arena, kw_image *out, kw_error *err);
/* A PyTorch checkpoint from before the archives: a row of pickles. */
kw_status kw_pytorch_legacy_parse(kw_str bytes, int part, kw_arena *arena, kw_image *out,
                                  kw_error *err);

kw_status kw_npy_parse(kw_str bytes, int part, kw_arena *arena, kw_image *out, kw_error *err);
kw_status kw_ggml_parse(kw_str bytes, int part, kw_arena *arena, kw_image *out, kw_error *err);
kw_status kw_llama2c_parse(kw_str bytes, int part, kw_arena *arena, kw_image *out, kw_error *err);

/* Growing arrays in an arena, for counts that are known only at the end. */
kw_status kw_image_push_tensor(kw_image *image, size_t *capacity, kw_arena *arena,
                               const kw_tensor_view *view, kw_error *err);
kw_status kw_image_push_meta(kw_image *image, size_t *capacity, kw_arena *arena,
                             const kw_meta *meta, kw_error *err);

/* The shape of an array of any rank, whose sizes multiply to less than 2^63 or hold a 0: leading
 * dimensions beyond KW_MAX_RANK are folded into the first. */
kw_shape kw_shape_fold(const int64_t *sizes, int rank);
/* Puts views into the order of their data; ties go by size and name. */
void kw_views_sort(kw_tensor_view *views, size_t n);
/* The metadata value of that key, found by walking; NULL when absent. */
const kw_value *kw_image_meta(const kw_image *image, const char *key);
/* A name that is valid UTF-8 without control characters, so that printing it is harmless. */
bool kw_name_is_clean(kw_str name);

#endif
