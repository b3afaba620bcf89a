/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* value.c - metadata values: their wire types, and elements of arrays that stay in the file. */
#include "format/gguf_wire.h"

#include "base/check.h"

#include <string.h>

static const struct wire {
    uint8_t bytes;
    kw_value_kind kind;
} WIRES[KW_GGUF_N_WIRES] = {
    [KW_GGUF_U8] = {1, KW_VALUE_INT},        [KW_GGUF_I8] = {1, KW_VALUE_INT},
    [KW_GGUF_U16] = {2, KW_VALUE_INT},       [KW_GGUF_I16] = {2, KW_VALUE_INT},
    [KW_GGUF_U32] = {4, KW_VALUE_INT},       [KW_GGUF_I32] = {4, KW_VALUE_INT},
    [KW_GGUF_F32] = {4, KW_VALUE_FLOAT},     [KW_GGUF_BOOL] = {1, KW_VALUE_BOOL},
    [KW_GGUF_STRING] = {0, KW_VALUE_STRING}, [KW_GGUF_ARRAY] = {0, KW_VALUE_ARRAY},
    [KW_GGUF_U64] = {8, KW_VALUE_INT},       [KW_GGUF_I64] = {8, KW_VALUE_INT},
    [KW_GGUF_F64] = {8, KW_VALUE_FLOAT},
};

size_t kw_gguf_wire_bytes(uint32_t wire_type)
{
    return wire_type < KW_GGUF_N_WIRES ? WIRES[wire_type].bytes : 0;
}

kw_value_kind kw_gguf_wire_kind(uint32_t wire_type)
{
    return wire_type < KW_GGUF_N_WIRES ? WIRES[wire_type].kind : KW_VALUE_NULL;
}

/* A little-endian integer of 1, 2, 4 or 8 bytes, sign-extended when it is signed. */
static int64_t load_int(const unsigned char *src, size_t bytes, bool is_signed)
{
    uint64_t v = 0;
    for (size_t i = bytes; i-- > 0;)
        v = v << 8 | src[i];
    if (is_signed && bytes > 0 && bytes < 8) {
        const uint64_t sign = UINT64_C(1) << (8 * bytes - 1);
        v = (v ^ sign) - sign;
    }
    return (int64_t)v;
}

kw_value kw_gguf_wire_load(uint32_t wire_type, const void *src)
{
    const size_t bytes = kw_gguf_wire_bytes(wire_type);
    kw_assert(bytes > 0);
    kw_value value = {.kind = kw_gguf_wire_kind(wire_type), .wire_type = wire_type};
    const bool is_signed = wire_type == KW_GGUF_I8 || wire_type == KW_GGUF_I16 ||
                           wire_type == KW_GGUF_I32 || wire_type == KW_GGUF_I64;
    const int64_t bits = load_int(src, bytes, is_signed);
    if (value.kind == KW_VALUE_BOOL) {
        value.b = bits != 0;
    } else if (value.kind == KW_VALUE_INT) {
        value.i = bits;
    } else if (wire_type == KW_GGUF_F32) {
        const uint32_t low = (uint32_t)bits;
        float f;
        memcpy(&f, &low, sizeof f);
        value.f = (double)f;
    } else {
        memcpy(&value.f, &bits, sizeof value.f);
    }
    return value;
}

size_t kw_gguf_wire_store(const kw_value *value, unsigned char out[8])
{
    uint64_t bits = 0;
    if (value->kind == KW_VALUE_BOOL) {
        bits = value->b;
    } else if (value->wire_type == KW_GGUF_F32) {
        const float f = (float)value->f;
        uint32_t low;
        memcpy(&low, &f, sizeof low);
        bits = low;
    } else {
        memcpy(&bits, &value->i, sizeof bits); /* i64 and f64 alike */
    }
    for (size_t i = 0; i < 8; i++)
        out[i] = (unsigned char)(bits >> (8 * i));
    return kw_gguf_wire_bytes(value->wire_type);
}

kw_value kw_value_at(const kw_value *array, uint64_t i)
{
    kw_assert(array->kind == KW_VALUE_ARRAY && i < array->array.n);
    const uint32_t wire_type = array->array.wire_type;
    if (array->array.kind == KW_VALUE_STRING) {
        const kw_str *const strings = array->array.items;
        return (kw_value){.kind = KW_VALUE_STRING, .wire_type = wire_type, .s = strings[i]};
    }
    const unsigned char *const items = array->array.items;
    return kw_gguf_wire_load(wire_type, items + (size_t)i * kw_gguf_wire_bytes(wire_type));
}

bool kw_value_number(const kw_value *value, double *out)
{
    if (value->kind == KW_VALUE_INT)
        *out = (double)value->i;
    else if (value->kind == KW_VALUE_FLOAT)
        *out = value->f;
    else
        return false;
    return true;
}
