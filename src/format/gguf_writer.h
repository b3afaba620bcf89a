/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gguf_writer.h - writes a GGUF version 3 file: key-values, then tensors, streaming, whole or not
 * at all.
 *
 * Metadata is what the reader gives, so a file is copied by passing its metas on; new values are
 * made by the functions below. */
#ifndef KW_FORMAT_GGUF_WRITER_H
#define KW_FORMAT_GGUF_WRITER_H

#include "format/gguf_wire.h"
#include "format/model_file.h"
#include "format/tensor_spec.h"

typedef struct kw_gguf_writer kw_gguf_writer;

/* Writes the header. Tensors have a gguf_id and begin at multiples of the metadata's
 * general.alignment (32 without one). A value without a wire type of GGUF (null, an empty array
 * from JSON) is refused. */
kw_status kw_gguf_create(const char *path, const kw_meta *metas, size_t n_metas,
                         const kw_tensor_spec *tensors, size_t n_tensors, kw_gguf_writer **out,
                         kw_error *err);
/* The tensors' bytes in order, in pieces of any size; padding is put in between. */
kw_status kw_gguf_write(kw_gguf_writer *writer, const void *data, size_t len, kw_error *err);
/* Commits when ok and every byte came, else removes; frees the writer either way. */
kw_status kw_gguf_finish(kw_gguf_writer *writer, bool ok, kw_error *err);

/* wire_type: one of the integers. */
static inline kw_value kw_gguf_int(uint32_t wire_type, int64_t v)
{
    return (kw_value){.kind = KW_VALUE_INT, .wire_type = wire_type, .i = v};
}

static inline kw_value kw_gguf_u32(uint32_t v)
{
    return kw_gguf_int(KW_GGUF_U32, v);
}

/* wire_type: KW_GGUF_F32 or KW_GGUF_F64. */
static inline kw_value kw_gguf_float(uint32_t wire_type, double v)
{
    return (kw_value){.kind = KW_VALUE_FLOAT, .wire_type = wire_type, .f = v};
}

static inline kw_value kw_gguf_f32(float v)
{
    return kw_gguf_float(KW_GGUF_F32, (double)v);
}

static inline kw_value kw_gguf_bool(bool v)
{
    return (kw_value){.kind = KW_VALUE_BOOL, .wire_type = KW_GGUF_BOOL, .b = v};
}

/* The text is borrowed. */
static inline kw_value kw_gguf_string(kw_str v)
{
    return (kw_value){.kind = KW_VALUE_STRING, .wire_type = KW_GGUF_STRING, .s = v};
}

/* items: n values packed as wire_type says, or kw_str[n] for KW_GGUF_STRING; borrowed. */
kw_value kw_gguf_array(uint32_t wire_type, const void *items, uint64_t n);

#endif
