/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* model_file.h - a model as it lies on disk: mapped bytes, a directory of tensors, metadata.
 *
 * One face over every format: GGUF (split or not), safetensors and PyTorch checkpoints (sharded or
 * not), a Hugging Face directory of either with config.json. Tensors are views into the maps;
 * nothing is copied or converted. Shapes are row-major, outermost first, whatever the file's own
 * order. Every offset, count and length was checked against the file before a view was made. */
#ifndef KW_FORMAT_MODEL_FILE_H
#define KW_FORMAT_MODEL_FILE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "os/file.h"
#include "tensor/dtype.h"

#include <kwaai/arrival.h>

#include <stdbool.h>
#include <stdint.h>

typedef enum kw_file_kind {
    KW_FILE_GGUF,
    KW_FILE_SAFETENSORS,
    KW_FILE_PYTORCH,
    KW_FILE_NUMPY,
    KW_FILE_LLAMA2C,
    KW_FILE_GGML
} kw_file_kind;

typedef struct kw_tensor_view {
    kw_str name;
    kw_dtype dtype; /* KW_N_DTYPES: a type this build cannot read; then type_name says which */
    const char *type_name; /* as the format writes it ("Q5_K", "F8_E4M3"); static or in the arena */
    kw_shape shape; /* more than KW_MAX_RANK dimensions: the leading ones folded into dim[0] */
    int file_rank;  /* dimensions in the file */
    /* In a map, at any address, or a copy of what lies there in another order or
     * encoding (PyTorch, NumPy, llama2.c); NULL when the size of its type is unknown. */
    const void *data;
    uint64_t bytes;
    uint64_t offset; /* from the start of its file */
    int part;        /* index of its file */
    /* How it lies there, when its numbers are made as they are wanted (model/unpack.h): then data
     * is NULL. NULL for all that a reader makes. */
    const struct kw_tensor_view *packed;
} kw_tensor_view;

typedef enum kw_value_kind {
    KW_VALUE_BOOL,
    KW_VALUE_INT, /* any integer; u64 above INT64_MAX is refused by the reader */
    KW_VALUE_FLOAT,
    KW_VALUE_STRING,
    KW_VALUE_ARRAY, /* of one scalar kind or of strings; arrays of arrays are refused */
    KW_VALUE_NULL
} kw_value_kind;

/* A metadata value. Large arrays stay in the file: kw_value_at reads an element. */
typedef struct kw_value {
    kw_value_kind kind;
    uint32_t wire_type; /* GGUF's code of the type, also for values from JSON (gguf_wire.h) */
    union {
        bool b;
        int64_t i;
        double f;
        kw_str s;
        struct {
            kw_value_kind kind; /* of its elements; KW_VALUE_NULL when a JSON array is empty */
            uint32_t wire_type; /* of its elements */
            uint64_t n;
            /* fixed-size items: packed, in the file or the arena, at any address; strings:
             * kw_str[n], in the arena */
            const void *items;
        } array;
    };
} kw_value;

typedef struct kw_meta {
    kw_str key; /* config.json: nested keys joined by dots ("rope_scaling.factor") */
    kw_value value;
} kw_meta;

typedef struct kw_model_part {
    char *path;
    kw_map map;
    bool owned; /* false: the caller's memory */
} kw_model_part;

/* Who says what has come of a file that is still being fetched. */
typedef struct kw_arriving {
    kw_arrival_fn arrived; /* NULL: all is here */
    void *user;
} kw_arriving;

typedef struct kw_model_file {
    kw_file_kind kind;
    char *path;           /* as given, or "(built-in)" */
    uint32_t version;     /* GGUF: 2 or 3, llama2.c: 0 to 2; 0 otherwise */
    kw_model_part *parts; /* every mapped file that holds tensors */
    int n_parts;
    kw_tensor_view *tensors; /* part by part, in the order of their data */
    size_t n_tensors;
    /* GGUF: its key-values (of the first split). Any other: config.json, flattened (a mixed or
     * nested array becomes "key.0", "key.1", ...), and "__metadata__.*" of the first file. */
    kw_meta *metas;
    size_t n_metas;
    uint64_t total_bytes; /* of all parts */
    /* Hugging Face directory, else NULL: where tokenizer.json and friends are looked for. */
    char *dir;
    kw_arriving arriving; /* of the only part */
    kw_arena arena;       /* owns all of the above except the maps */
    void *index;          /* name and key lookup, internal */
} kw_model_file;

typedef struct kw_model_file_options {
    bool no_mmap;
    /* The file is still being fetched: it has its size, and holes. Opening waits for as much as is
     * read: the directory of a GGUF file, all of any other. One file that stands for itself, and
     * mapped. */
    kw_arriving arriving;
} kw_model_file_options;

/* Opens a GGUF file (any part of a split set opens the set), a safetensors file or a PyTorch
 * checkpoint (with config.json beside it when there), an index of either's shards, or a directory
 * holding config.json and such a file. The bytes decide what a file is, not its name.
 * Owned by the caller. options may be NULL. */
kw_status kw_model_file_open(const char *path, const kw_model_file_options *options,
                             kw_model_file **out, kw_error *err);
/* The image of one file in the caller's memory, borrowed for the life of the handle. */
kw_status kw_model_file_from_memory(const void *data, size_t len, const char *name,
                                    kw_model_file **out, kw_error *err);
void kw_model_file_close(kw_model_file *file);

/* Whether bytes that a view points to are here; what lies outside the file is. Waits up to wait_ms,
 * as kw_arrival_fn. */
kw_arrival kw_model_file_ask(const kw_model_file *file, const void *data, uint64_t len,
                             uint32_t wait_ms);
/* Waits for them: to be called before they are read while a model is made. KW_E_IO: they will not
 * come. */
kw_status kw_model_file_need(const kw_model_file *file, const void *data, uint64_t len,
                             kw_error *err);
/* The same of the whole file: whether it is here now, and waiting for it. */
bool kw_model_file_is_whole(const kw_model_file *file);
kw_status kw_model_file_need_all(const kw_model_file *file, kw_error *err);

/* "gguf", "safetensors", ...: static. */
const char *kw_file_kind_name(kw_file_kind kind);
/* Do weights and keys have GGUF's names? Else they have those of Hugging Face's code. */
bool kw_model_file_names_gguf(const kw_model_file *file);

/* NULL when absent. O(1) by hash. */
const kw_tensor_view *kw_model_file_tensor(const kw_model_file *file, kw_str name);
const kw_value *kw_model_file_meta(const kw_model_file *file, kw_str key);
/* Element i < n of an array value. */
kw_value kw_value_at(const kw_value *array, uint64_t i);
/* Numbers of either kind as f64; false when the value is neither int nor float. */
bool kw_value_number(const kw_value *value, double *out);

#endif
