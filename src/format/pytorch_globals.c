/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pytorch_globals.c - table: the names that a checkpoint may ask for, and the types of elements.
 *
 * A name is here because torch.save writes it for a tensor, a parameter, their containers or the
 * plain values beside them. Calling one makes a record; nothing here can be executed.
 * Source: what torch's own weights_only reader allows, and files of every release since 0.4. */
#include "format/pytorch.h"

/* clang-format off */
const kw_pt_type kw_pt_types[] = {
    [KW_PT_F32]  = {"F32", KW_F32,  4},      [KW_PT_F64]  = {"F64", KW_F64,  8},
    [KW_PT_F16]  = {"F16", KW_F16,  2},      [KW_PT_BF16] = {"BF16", KW_BF16, 2},
    [KW_PT_I8]   = {"I8", KW_I8,   1},       [KW_PT_I16]  = {"I16", KW_I16,  2},
    [KW_PT_I32]  = {"I32", KW_I32,  4},      [KW_PT_I64]  = {"I64", KW_I64,  8},
    [KW_PT_U8]   = {"U8", KW_U8,   1},       [KW_PT_BOOL] = {"BOOL", KW_BOOL, 1},
    [KW_PT_U16]  = {"U16", KW_U16, 2},  [KW_PT_U32]  = {"U32", KW_U32, 4},
    [KW_PT_U64]  = {"U64", KW_U64, 8},  [KW_PT_C32]  = {"C32", KW_N_DTYPES, 4},
    [KW_PT_C64]  = {"C64", KW_N_DTYPES, 8},  [KW_PT_C128] = {"C128", KW_N_DTYPES, 16},
    [KW_PT_F8_E4M3] = {"F8_E4M3", KW_F8_E4M3, 1}, [KW_PT_F8_E5M2] = {"F8_E5M2", KW_F8_E5M2, 1},
    [KW_PT_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", KW_F8_E4M3FNUZ, 1},
    [KW_PT_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", KW_F8_E5M2FNUZ, 1},
    [KW_PT_F8_E8M0] = {"F8_E8M0", KW_F8_E8M0, 1},
    [KW_PT_QI8]  = {"QINT8", KW_N_DTYPES, 1}, [KW_PT_QU8] = {"QUINT8", KW_N_DTYPES, 1},
    [KW_PT_QI32] = {"QINT32", KW_N_DTYPES, 4},
    [KW_PT_UNTYPED] = {"bytes", KW_N_DTYPES, 1},
};

#define CALL KW_PICKLE_CALL
#define STORAGE(name, type)                                                                        \
    {"torch", name, CALL, KW_PT_STORAGE, type}, {"torch.cuda", name, CALL, KW_PT_STORAGE, type}

const kw_pickle_global kw_pt_globals[] = {
    {"collections", "OrderedDict", KW_PICKLE_DICT, KW_PT_CONTAINER, 0},
    {"collections", "Counter", KW_PICKLE_DICT, KW_PT_CONTAINER, 0},
    {"builtins", "dict", KW_PICKLE_DICT, KW_PT_CONTAINER, 0},
    {"__builtin__", "dict", KW_PICKLE_DICT, KW_PT_CONTAINER, 0},
    {"builtins", "list", KW_PICKLE_LIST, KW_PT_CONTAINER, 0},
    {"__builtin__", "list", KW_PICKLE_LIST, KW_PT_CONTAINER, 0},
    {"builtins", "set", KW_PICKLE_LIST, KW_PT_CONTAINER, 0},
    {"__builtin__", "set", KW_PICKLE_LIST, KW_PT_CONTAINER, 0},
    {"builtins", "frozenset", KW_PICKLE_LIST, KW_PT_CONTAINER, 0},
    {"__builtin__", "frozenset", KW_PICKLE_LIST, KW_PT_CONTAINER, 0},
    {"builtins", "bytearray", CALL, KW_PT_OPAQUE, 0},
    {"builtins", "complex", CALL, KW_PT_OPAQUE, 0},
    {"__builtin__", "complex", CALL, KW_PT_OPAQUE, 0},
    {"_codecs", "encode", CALL, KW_PT_OPAQUE, 0},

    {"torch._utils", "_rebuild_tensor", CALL, KW_PT_TENSOR, 0},
    {"torch._utils", "_rebuild_tensor_v2", CALL, KW_PT_TENSOR, 0},
    {"torch._utils", "_rebuild_tensor_v3", CALL, KW_PT_TENSOR_TYPED, 0},
    {"torch._utils", "_rebuild_parameter", CALL, KW_PT_PARAMETER, 0},
    {"torch._utils", "_rebuild_parameter_with_state", CALL, KW_PT_PARAMETER, 0},
    {"torch._tensor", "_rebuild_from_type_v2", CALL, KW_PT_FROM_TYPE, 0},
    {"torch", "Tensor", CALL, KW_PT_CLASS, 0},
    {"torch.nn.parameter", "Parameter", CALL, KW_PT_CLASS, 0},
    {"torch.nn.parameter", "Buffer", CALL, KW_PT_CLASS, 0},
    {"torch.nn", "Parameter", CALL, KW_PT_CLASS, 0},
    {"torch", "Size", CALL, KW_PT_SIZE, 0},
    {"torch", "device", CALL, KW_PT_OPAQUE, 0},

    STORAGE("FloatStorage", KW_PT_F32), STORAGE("DoubleStorage", KW_PT_F64),
    STORAGE("HalfStorage", KW_PT_F16), STORAGE("BFloat16Storage", KW_PT_BF16),
    STORAGE("CharStorage", KW_PT_I8), STORAGE("ShortStorage", KW_PT_I16),
    STORAGE("IntStorage", KW_PT_I32), STORAGE("LongStorage", KW_PT_I64),
    STORAGE("ByteStorage", KW_PT_U8), STORAGE("BoolStorage", KW_PT_BOOL),
    STORAGE("ComplexFloatStorage", KW_PT_C64), STORAGE("ComplexDoubleStorage", KW_PT_C128),
    STORAGE("QInt8Storage", KW_PT_QI8), STORAGE("QUInt8Storage", KW_PT_QU8),
    STORAGE("QInt32Storage", KW_PT_QI32),
    {"torch.storage", "UntypedStorage", CALL, KW_PT_STORAGE, KW_PT_UNTYPED},
    {"torch", "UntypedStorage", CALL, KW_PT_STORAGE, KW_PT_UNTYPED},

    {"torch", "float32", CALL, KW_PT_SCALAR, KW_PT_F32},
    {"torch", "float64", CALL, KW_PT_SCALAR, KW_PT_F64},
    {"torch", "float16", CALL, KW_PT_SCALAR, KW_PT_F16},
    {"torch", "bfloat16", CALL, KW_PT_SCALAR, KW_PT_BF16},
    {"torch", "int8", CALL, KW_PT_SCALAR, KW_PT_I8},
    {"torch", "int16", CALL, KW_PT_SCALAR, KW_PT_I16},
    {"torch", "int32", CALL, KW_PT_SCALAR, KW_PT_I32},
    {"torch", "int64", CALL, KW_PT_SCALAR, KW_PT_I64},
    {"torch", "uint8", CALL, KW_PT_SCALAR, KW_PT_U8},
    {"torch", "uint16", CALL, KW_PT_SCALAR, KW_PT_U16},
    {"torch", "uint32", CALL, KW_PT_SCALAR, KW_PT_U32},
    {"torch", "uint64", CALL, KW_PT_SCALAR, KW_PT_U64},
    {"torch", "bool", CALL, KW_PT_SCALAR, KW_PT_BOOL},
    {"torch", "complex32", CALL, KW_PT_SCALAR, KW_PT_C32},
    {"torch", "complex64", CALL, KW_PT_SCALAR, KW_PT_C64},
    {"torch", "complex128", CALL, KW_PT_SCALAR, KW_PT_C128},
    {"torch", "float8_e4m3fn", CALL, KW_PT_SCALAR, KW_PT_F8_E4M3},
    {"torch", "float8_e5m2", CALL, KW_PT_SCALAR, KW_PT_F8_E5M2},
    {"torch", "float8_e4m3fnuz", CALL, KW_PT_SCALAR, KW_PT_F8_E4M3FNUZ},
    {"torch", "float8_e5m2fnuz", CALL, KW_PT_SCALAR, KW_PT_F8_E5M2FNUZ},
    {"torch", "float8_e8m0fnu", CALL, KW_PT_SCALAR, KW_PT_F8_E8M0},

    /* Numbers and generator states that training loops leave beside the weights. */
    {"numpy.core.multiarray", "scalar", CALL, KW_PT_OPAQUE, 0},
    {"numpy._core.multiarray", "scalar", CALL, KW_PT_OPAQUE, 0},
    {"numpy.core.multiarray", "_reconstruct", CALL, KW_PT_OPAQUE, 0},
    {"numpy._core.multiarray", "_reconstruct", CALL, KW_PT_OPAQUE, 0},
    {"numpy", "ndarray", CALL, KW_PT_OPAQUE, 0},
    {"numpy", "dtype", CALL, KW_PT_OPAQUE, 0},
    {0},
};
/* clang-format on */
