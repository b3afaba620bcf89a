/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* net.c - from directory and metadata to a checked configuration, and from that to a graph. */
#include "model/net.h"

#include "base/check.h"
#include "model/build.h"
#include "model/names.h"
#include "model/unpack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const kw_family *find_family(kw_str arch)
{
    for (const kw_family *const *f = kw_families; *f; f++)
        for (const char *const *name = (*f)->arch; *name; name++)
            if (kw_str_is(arch, *name))
                return *f;
    return NULL;
}

/* The value of a key, unless null. The language part of a model of several keeps its own apart. */
static const kw_value *find_value(const kw_model_file *file, kw_str key)
{
    const kw_str apart = KW_STR("text_config.");
    const kw_value *value = kw_model_file_meta(file, key);
    char longer[192];
    if (!value && !kw_model_file_names_gguf(file) && apart.len + key.len < sizeof longer) {
        memcpy(longer, apart.data, apart.len);
        memcpy(longer + apart.len, key.data, key.len);
        value = kw_model_file_meta(file, (kw_str){longer, apart.len + key.len});
    }
    return value && value->kind != KW_VALUE_NULL ? value : NULL;
}

/* The first of the '|'-joined keys that the file has and that is not null. */
static const kw_value *find_key(const kw_net *net, const char *keys)
{
    while (keys && *keys) {
        char full[160];
        const size_t len = strcspn(keys, "|");
        const kw_str arch = keys[0] == '.' ? net->arch : (kw_str){"", 0};
        if (arch.len + len < sizeof full) {
            memcpy(full, arch.data, arch.len);
            memcpy(full + arch.len, keys, len);
            const kw_value *value = find_value(net->file, (kw_str){full, arch.len + len});
            if (value)
                return value;
        }
        keys += len + (keys[len] == '|');
    }
    return NULL;
}

/* A per-layer array stands for its first element when all are equal. */
static bool uniform(const kw_value *value, kw_value *out)
{
    *out = *value;
    if (value->kind != KW_VALUE_ARRAY)
        return true;
    if (value->array.n == 0 || value->array.kind == KW_VALUE_STRING)
        return false;
    double first, other;
    *out = kw_value_at(value, 0);
    if (!kw_value_number(out, &first))
        return false;
    for (uint64_t i = 1; i < value->array.n; i++) {
        const kw_value element = kw_value_at(value, i);
        if (!kw_value_number(&element, &other) || other < first || other > first)
            return false;
    }
    return true;
}

static kw_status set_field(const kw_field *field, const char *key, const kw_value *found,
                           void *config, kw_error *err)
{
    unsigned char *to = (unsigned char *)config + field->offset;
    kw_value value;
    double number = field->fallback;
    if (found && !uniform(found, &value))
        return kw_fail(err, KW_E_UNSUPPORTED, "config: %s differs from layer to layer", key);
    if (found && field->type != KW_FIELD_STRING && field->type != KW_FIELD_BOOL &&
        !kw_value_number(&value, &number))
        return kw_fail(err, KW_E_FORMAT, "config: %s is not a number", key);
    switch (field->type) {
    case KW_FIELD_INT: {
        if (!(number >= -9e15 && number <= 9e15) || floor(number) < number)
            return kw_fail(err, KW_E_FORMAT, "config: %s = %g is no whole number in range", key,
                           number);
        const int64_t whole = (int64_t)number;
        memcpy(to, &whole, sizeof whole);
        break;
    }
    case KW_FIELD_FLOAT:
        memcpy(to, &number, sizeof number);
        break;
    case KW_FIELD_BOOL: {
        if (found && value.kind != KW_VALUE_BOOL)
            return kw_fail(err, KW_E_FORMAT, "config: %s is neither true nor false", key);
        const bool flag = found ? value.b : field->fallback > 0;
        memcpy(to, &flag, sizeof flag);
        break;
    }
    case KW_FIELD_STRING: {
        if (found && value.kind != KW_VALUE_STRING)
            return kw_fail(err, KW_E_FORMAT, "config: %s is not a string", key);
        const kw_str text = found ? value.s : (kw_str){"", 0};
        memcpy(to, &text, sizeof text);
        break;
    }
    }
    return KW_OK;
}

static kw_status read_config(kw_net *net, kw_error *err)
{
    const bool gguf = kw_model_file_names_gguf(net->file);
    for (const kw_field *field = NULL; (field = kw_family_next_field(net->family, field));) {
        const char *key = gguf ? field->gguf : field->hf;
        const kw_value *value = find_key(net, key);
        if (!value && field->required && key)
            return kw_fail(err, KW_E_FORMAT, "config: %s has no %.*s%.*s", net->file->path,
                           key[0] == '.' ? (int)net->arch.len : 0, net->arch.data,
                           (int)strcspn(key, "|"), key);
        KW_TRY(set_field(field, key ? key : field->name, value, net->config, err));
    }
    return net->family->check(net->config, net->file, err);
}

/* Replaces a view by an f32 copy in the arena. */
static kw_status decode_view(kw_net *net, kw_tensor_view *view, int64_t n, kw_error *err)
{
    float *data = kw_arena_array(&net->arena, (size_t)n, sizeof *data);
    if (!data)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for %lld elements of \"%.*s\"",
                       (long long)n, KW_FMT(view->name));
    KW_TRY(kw_model_file_need(net->file, view->data, view->bytes, err));
    kw_dtype_info(view->dtype)->decode(data, view->data, (size_t)n);
    view->data = data;
    view->dtype = KW_F32;
    view->bytes = (uint64_t)n * sizeof *data;
    return KW_OK;
}

static kw_status align_view(kw_net *net, kw_tensor_view *view, kw_error *err)
{
    void *data = kw_arena_alloc(&net->arena, (size_t)view->bytes);
    if (!data)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for %llu bytes of \"%.*s\"",
                       (unsigned long long)view->bytes, KW_FMT(view->name));
    KW_TRY(kw_model_file_need(net->file, view->data, view->bytes, err));
    memcpy(data, view->data, (size_t)view->bytes);
    view->data = data;
    return KW_OK;
}

/* [in, out] becomes [out, in], in the arena. */
static kw_status transpose_view(kw_net *net, kw_tensor_view *view, kw_error *err)
{
    const size_t size = kw_dtype_info(view->dtype)->block_bytes;
    const size_t rows = (size_t)view->shape.dim[0], cols = (size_t)view->shape.dim[1];
    unsigned char *data = kw_arena_alloc(&net->arena, (size_t)view->bytes);
    if (!data)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for %llu bytes of \"%.*s\"",
                       (unsigned long long)view->bytes, KW_FMT(view->name));
    const unsigned char *from = view->data;
    for (size_t c = 0; c < cols; c++)
        for (size_t r = 0; r < rows; r++)
            memcpy(data + (c * rows + r) * size, from + (r * cols + c) * size, size);
    view->data = data;
    view->shape = SHAPE((int64_t)cols, (int64_t)rows);
    return KW_OK;
}

/* What the family's aliases say of a weight of a Hugging Face file. */
static unsigned alias_flags(const kw_family *family, const kw_model_file *file,
                            const kw_tensor_view *view)
{
    kw_str suffix;
    int index[2];
    if (kw_model_file_names_gguf(file))
        return 0;
    const kw_alias *alias = kw_family_alias(family, view->name, index, &suffix);
    return alias && kw_str_is(suffix, ".weight") ? alias->flags : 0;
}

static bool is_transposed(const kw_family *family, const kw_model_file *file,
                          const kw_tensor_view *view)
{
    return view->shape.rank == 2 && kw_dtype_info(view->dtype)->is_float &&
           (alias_flags(family, file, view) & KW_ALIAS_TRANSPOSED);
}

/* Floats are read as numbers; quantised blocks as bytes. */
static bool is_unaligned(const kw_tensor_view *view)
{
    const kw_dtype_traits *type = kw_dtype_info(view->dtype);
    return (uintptr_t)view->data % (type->is_float ? type->block_bytes : 1) != 0;
}

static kw_status prepare_view(kw_net *net, kw_tensor_view *view, kw_error *err)
{
    int64_t n;
    if (view->dtype >= KW_N_DTYPES || !view->data || !kw_shape_count(view->shape, &n))
        return KW_OK;
    if (net->streams && view->shape.rank == 2 && !is_transposed(net->family, net->file, view))
        KW_TRY(kw_unpack_later(net->file, view, &net->arena, err));
    if (view->packed)
        return KW_OK;
    KW_TRY(kw_unpack(net->file, view, &net->arena, err));
    const kw_dtype_traits *type = kw_dtype_info(view->dtype);
    const bool vector = view->shape.rank <= 1 && type->is_float && type->decode;
    const bool less = vector && (alias_flags(net->family, net->file, view) & KW_ALIAS_ONE_LESS);
    if (is_transposed(net->family, net->file, view))
        return transpose_view(net, view, err);
    if (less || (vector && view->dtype != KW_F32)) {
        KW_TRY(decode_view(net, view, n, err));
        float *values = (float *)(uintptr_t)view->data; /* its own copy now */
        for (int64_t i = 0; less && i < n; i++)
            values[i] += 1.0f;
        return KW_OK;
    }
    return is_unaligned(view) && !net->streams ? align_view(net, view, err) : KW_OK;
}

static kw_status prepare_views(kw_net *net, kw_error *err)
{
    for (size_t i = 0; i < net->file->n_tensors; i++)
        KW_TRY(prepare_view(net, &net->file->tensors[i], err));
    return KW_OK;
}

static kw_str architecture(const kw_model_file *file)
{
    const char *key = kw_model_file_names_gguf(file) ? "general.architecture" : "model_type";
    const kw_value *value = kw_model_file_meta(file, kw_str_from(key));
    return value && value->kind == KW_VALUE_STRING ? value->s : (kw_str){NULL, 0};
}

uint64_t kw_net_copied_bytes(const kw_model_file *file)
{
    const kw_family *family = find_family(architecture(file));
    uint64_t bytes = 0;
    for (size_t i = 0; family && i < file->n_tensors; i++) {
        const kw_tensor_view *view = &file->tensors[i];
        kw_dtype to;
        size_t unpacked = 0;
        if (kw_unpacks(file, view, &to) && kw_tensor_bytes(to, view->shape, &unpacked))
            bytes += unpacked;
        else if (view->dtype < KW_N_DTYPES && view->data && view->shape.rank > 1 &&
                 (is_unaligned(view) || is_transposed(family, file, view)))
            bytes += view->bytes;
    }
    return bytes;
}

static kw_status open_net(kw_net *net, kw_error *err)
{
    net->arch = architecture(net->file);
    if (!net->arch.data)
        return kw_fail(err, KW_E_FORMAT, "%s: no architecture: %s is missing", net->file->path,
                       kw_model_file_names_gguf(net->file) ? "general.architecture"
                                                           : "config.json or its model_type");
    net->family = find_family(net->arch);
    if (!net->family)
        return kw_fail(err, KW_E_UNSUPPORTED,
                       "%s: architecture \"%.*s\" is not supported yet (see kwaai inspect)",
                       net->file->path, KW_FMT(net->arch));
    net->config = kw_arena_alloc(&net->arena, net->family->config_size);
    if (!net->config)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for a configuration");
    KW_TRY(prepare_views(net, err));
    return read_config(net, err);
}

void kw_net_close(kw_net *net)
{
    if (!net)
        return;
    kw_arena_free(&net->arena);
    free(net);
}

static kw_status open_file(kw_model_file *file, bool streams, kw_net **out, kw_error *err)
{
    kw_net *net = calloc(1, sizeof *net);
    if (!net)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for a model");
    net->file = file;
    net->streams = streams;
    const kw_status status = open_net(net, err);
    if (status != KW_OK) {
        kw_net_close(net);
        return status;
    }
    *out = net;
    return KW_OK;
}

kw_status kw_net_open(kw_model_file *file, kw_net **out, kw_error *err)
{
    return open_file(file, false, out, err);
}

kw_status kw_net_open_stream(kw_model_file *file, kw_net **out, kw_error *err)
{
    return open_file(file, true, out, err);
}

static void print_field(const kw_field *field, const void *config, bool json, kw_buf *out)
{
    const unsigned char *at = (const unsigned char *)config + field->offset;
    int64_t whole;
    double number;
    bool flag;
    kw_str text;
    if (json)
        kw_buf_printf(out, "\"%s\":", field->name);
    else
        kw_buf_printf(out, "  %-24s ", field->name);
    switch (field->type) {
    case KW_FIELD_INT:
        memcpy(&whole, at, sizeof whole);
        kw_buf_printf(out, "%lld", (long long)whole);
        break;
    case KW_FIELD_FLOAT:
        memcpy(&number, at, sizeof number);
        kw_buf_printf(out, "%.9g", number);
        break;
    case KW_FIELD_BOOL:
        memcpy(&flag, at, sizeof flag);
        kw_buf_printf(out, "%s", flag ? "true" : "false");
        break;
    case KW_FIELD_STRING:
        memcpy(&text, at, sizeof text);
        kw_buf_json(out, text);
        break;
    }
}

void kw_net_print_config(const kw_net *net, bool json, kw_buf *out)
{
    kw_buf_printf(out, "%s%s%s", json ? "{\"family\":\"" : "family ", net->family->name,
                  json ? "\",\"architecture\":" : ", architecture ");
    kw_buf_json(out, net->arch);
    kw_buf_printf(out, "%s", json ? ",\"fields\":{" : "\n");
    const char *between = "";
    for (const kw_field *field = NULL; (field = kw_family_next_field(net->family, field));) {
        kw_buf_printf(out, "%s", between);
        print_field(field, net->config, json, out);
        kw_buf_printf(out, "%s", json ? "" : "\n");
        between = json ? "," : "";
    }
    if (json)
        kw_buf_printf(out, "}}");
}
