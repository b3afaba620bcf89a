/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gguf_wire.h - GGUF's codes for the types of metadata values, shared by its reader and writer.
 * Source: the GGUF specification, "gguf_metadata_value_type". */
#ifndef KW_FORMAT_GGUF_WIRE_H
#define KW_FORMAT_GGUF_WIRE_H

#include "format/model_file.h"

enum kw_gguf_wire {
    KW_GGUF_U8 = 0,
    KW_GGUF_I8,
    KW_GGUF_U16,
    KW_GGUF_I16,
    KW_GGUF_U32,
    KW_GGUF_I32,
    KW_GGUF_F32,
    KW_GGUF_BOOL,
    KW_GGUF_STRING,
    KW_GGUF_ARRAY,
    KW_GGUF_U64,
    KW_GGUF_I64,
    KW_GGUF_F64,
    KW_GGUF_N_WIRES
};

#define KW_GGUF_DEFAULT_ALIGNMENT 32
#define KW_GGUF_MAX_ALIGNMENT (1u << 20)
#define KW_GGUF_MAX_RANK 4

/* Bytes of a value of fixed size; 0 for strings, arrays and unknown codes. */
size_t kw_gguf_wire_bytes(uint32_t wire_type);
/* KW_VALUE_NULL for an unknown code. */
kw_value_kind kw_gguf_wire_kind(uint32_t wire_type);
/* Loads a value of fixed size from any address. u64 beyond INT64_MAX wraps: the reader refused it.
 */
kw_value kw_gguf_wire_load(uint32_t wire_type, const void *src);
/* Stores the low bytes of a scalar as its wire_type says; returns how many (at most 8). */
size_t kw_gguf_wire_store(const kw_value *value, unsigned char out[8]);

#endif
