/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pytorch.h - what the parts of the PyTorch reader share: names, types, and a checkpoint while its
 * tensors are collected. */
#ifndef KW_FORMAT_PYTORCH_H
#define KW_FORMAT_PYTORCH_H

#include "format/image.h"
#include "format/pickle.h"
#include "format/zip.h"

/* kw_pickle_global.id */
enum kw_pt_global {
    KW_PT_CONTAINER,
    KW_PT_OPAQUE,       /* allowed, and of no use here */
    KW_PT_TENSOR,       /* (storage, offset, size, stride, ...), the type is the storage's */
    KW_PT_TENSOR_TYPED, /* the same, and the type is argument 6 */
    KW_PT_PARAMETER,    /* (tensor, ...) */
    KW_PT_FROM_TYPE,    /* (function, class, its arguments, state) */
    KW_PT_CLASS,
    KW_PT_SIZE,    /* (tuple) */
    KW_PT_STORAGE, /* detail: kw_pt_type_id */
    KW_PT_SCALAR   /* a type of elements; detail: kw_pt_type_id */
};

enum kw_pt_type_id {
    KW_PT_F32,
    KW_PT_F64,
    KW_PT_F16,
    KW_PT_BF16,
    KW_PT_I8,
    KW_PT_I16,
    KW_PT_I32,
    KW_PT_I64,
    KW_PT_U8,
    KW_PT_BOOL,
    KW_PT_U16,
    KW_PT_U32,
    KW_PT_U64,
    KW_PT_C32,
    KW_PT_C64,
    KW_PT_C128,
    KW_PT_F8_E4M3,
    KW_PT_F8_E5M2,
    KW_PT_F8_E4M3FNUZ,
    KW_PT_F8_E5M2FNUZ,
    KW_PT_F8_E8M0,
    KW_PT_QI8,
    KW_PT_QU8,
    KW_PT_QI32,
    KW_PT_UNTYPED
};

typedef struct kw_pt_type {
    const char *name; /* safetensors' where it has one */
    kw_dtype dtype;   /* KW_N_DTYPES: not computed with */
    unsigned bytes;
} kw_pt_type;

extern const kw_pt_type kw_pt_types[];         /* by kw_pt_type_id */
extern const kw_pickle_global kw_pt_globals[]; /* ends with a row of NULL */

/* A reference to a storage: the id of a persistent object. */
typedef struct kw_pt_storage_ref {
    const kw_pt_type *type;
    kw_str key;
    uint64_t n;      /* elements of the whole storage */
    uint64_t offset; /* of the part that is meant, in elements */
} kw_pt_storage_ref;

kw_status kw_pt_read_ref(const kw_pickle_object *persistent, kw_pt_storage_ref *out, kw_error *err);

/* Where the bytes of storages lie. find: the bytes of a whole storage, as many as its type and
 * number of elements need, or an error. */
typedef struct kw_pt_storages kw_pt_storages;
struct kw_pt_storages {
    kw_status (*find)(const kw_pt_storages *from, const kw_pt_storage_ref *ref, kw_str *out,
                      kw_error *err);
    const void *context;
};

/* A checkpoint in an archive that has one. */
bool kw_pytorch_in_zip(const kw_zip *zip);
kw_status kw_pytorch_zip_parse(const kw_zip *zip, int part, kw_arena *arena, kw_image *out,
                               kw_error *err);

/* The tensors under a root object, named by the keys on the way to them. file: all its bytes. */
kw_status kw_pt_collect(const kw_pickle_object *root, const kw_pt_storages *storages, kw_str file,
                        int part, kw_arena *arena, kw_image *out, kw_error *err);

#endif
