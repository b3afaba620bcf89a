/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hf_config.c - config.json, flattened into metadata values.
 *
 * Flattening repeats the outer keys in front of every leaf, so the key's length and the number of
 * values are bounded: what comes out stays in proportion to the text. */
#include "format/hf.h"

#include "base/json.h"
#include "format/gguf_wire.h"
#include "format/name_index.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct flattener {
    kw_json json;
    kw_arena *arena;
    kw_image image;
    size_t capacity;
    char key[KW_HF_MAX_KEY];
    size_t key_len;
    kw_error *err;
} flattener;

static kw_status flatten(flattener *f, const kw_json_token *token);

static kw_status push(flattener *f, kw_value value)
{
    const kw_str key = {f->key, f->key_len};
    const char *const copy = kw_arena_strdup(f->arena, key);
    if (!copy)
        return kw_fail(f->err, KW_E_NOMEM, "%s: no memory for key \"%.*s\"", f->json.subject,
                       KW_FMT(key));
    const kw_meta meta = {{copy, key.len}, value};
    return kw_image_push_meta(&f->image, &f->capacity, f->arena, &meta, f->err);
}

/* Appends ".name" to the current key; the caller keeps the old length. */
static kw_status extend_key(flattener *f, kw_str name)
{
    const size_t dot = f->key_len > 0;
    if (name.len + dot > KW_HF_MAX_KEY - f->key_len)
        return kw_fail(f->err, KW_E_LIMIT, "%s: a flattened key is longer than %d bytes",
                       f->json.subject, KW_HF_MAX_KEY);
    if (!kw_name_is_clean(name))
        return kw_fail(f->err, KW_E_FORMAT, "%s: a key under \"%.*s\" is not printable",
                       f->json.subject, (int)f->key_len, f->key);
    if (dot)
        f->key[f->key_len] = '.';
    if (name.len > 0)
        memcpy(f->key + f->key_len + dot, name.data, name.len);
    f->key_len += dot + name.len;
    return KW_OK;
}

/* An integer where the text is one and fits, else a float. */
static kw_status number_value(const kw_json *json, const kw_json_token *token, kw_value *out,
                              kw_error *err)
{
    bool whole = true;
    for (size_t i = 0; i < token->text.len; i++)
        whole = whole && token->text.data[i] != '.' && (token->text.data[i] | 32) != 'e';
    *out = (kw_value){.kind = KW_VALUE_INT, .wire_type = KW_GGUF_I64};
    if (whole && kw_json_i64(json, token, &out->i, NULL) == KW_OK)
        return KW_OK;
    *out = (kw_value){.kind = KW_VALUE_FLOAT, .wire_type = KW_GGUF_F64};
    return kw_json_f64(json, token, &out->f, err);
}

/* The value of a token that opens no container. */
static kw_status scalar_value(flattener *f, const kw_json_token *token, kw_value *out)
{
    if (token->kind == KW_JSON_NUMBER)
        return number_value(&f->json, token, out, f->err);
    *out = (kw_value){.kind = KW_VALUE_NULL};
    if (token->kind == KW_JSON_STRING) {
        *out = (kw_value){.kind = KW_VALUE_STRING, .wire_type = KW_GGUF_STRING};
        return kw_json_string(&f->json, token, f->arena, &out->s, f->err);
    }
    if (token->kind == KW_JSON_TRUE || token->kind == KW_JSON_FALSE) {
        *out = (kw_value){.kind = KW_VALUE_BOOL, .wire_type = KW_GGUF_BOOL};
        out->b = token->kind == KW_JSON_TRUE;
    }
    return KW_OK;
}

/* What the token's value will be; KW_VALUE_ARRAY stands for null and for containers. */
static kw_status kind_ahead(const kw_json *json, const kw_json_token *token, kw_value_kind *out,
                            kw_error *err)
{
    kw_value value = {.kind = KW_VALUE_ARRAY};
    if (token->kind == KW_JSON_NUMBER)
        KW_TRY(number_value(json, token, &value, err));
    else if (token->kind == KW_JSON_STRING)
        value.kind = KW_VALUE_STRING;
    else if (token->kind == KW_JSON_TRUE || token->kind == KW_JSON_FALSE)
        value.kind = KW_VALUE_BOOL;
    *out = value.kind;
    return KW_OK;
}

/* The kind that all elements share (integers and floats share FLOAT, none at all NULL) and their
 * number; KW_VALUE_ARRAY when they share none. The parser stays where it is. */
static kw_status survey_array(const flattener *f, kw_value_kind *shared, size_t *n)
{
    kw_json ahead = f->json;
    *shared = KW_VALUE_NULL;
    for (*n = 0;; ++*n) {
        kw_json_token token;
        kw_value_kind kind;
        KW_TRY(kw_json_next(&ahead, &token, f->err));
        if (token.kind == KW_JSON_ARRAY_END)
            return KW_OK;
        KW_TRY(kind_ahead(&ahead, &token, &kind, f->err));
        const bool numbers = (kind == KW_VALUE_INT && *shared == KW_VALUE_FLOAT) ||
                             (kind == KW_VALUE_FLOAT && *shared == KW_VALUE_INT);
        if (numbers)
            *shared = KW_VALUE_FLOAT;
        else
            *shared = *n == 0 || kind == *shared ? kind : KW_VALUE_ARRAY;
        if (*shared == KW_VALUE_ARRAY)
            return KW_OK;
    }
}

/* Stores element i of a packed array. */
static void store_item(void *items, kw_value_kind kind, size_t i, const kw_value *value)
{
    if (kind == KW_VALUE_STRING) {
        ((kw_str *)items)[i] = value->s;
    } else if (kind == KW_VALUE_BOOL) {
        ((unsigned char *)items)[i] = value->b;
    } else if (kind == KW_VALUE_INT) {
        ((int64_t *)items)[i] = value->i;
    } else {
        double number = 0.0;
        (void)kw_value_number(value, &number);
        ((double *)items)[i] = number;
    }
}

/* An array of n scalars of one kind, whose '[' was read. */
static kw_status packed_array(flattener *f, kw_value_kind kind, size_t n)
{
    static const struct {
        uint32_t wire_type;
        size_t bytes;
    } layouts[] = {
        [KW_VALUE_BOOL] = {KW_GGUF_BOOL, 1},
        [KW_VALUE_INT] = {KW_GGUF_I64, sizeof(int64_t)},
        [KW_VALUE_FLOAT] = {KW_GGUF_F64, sizeof(double)},
        [KW_VALUE_STRING] = {KW_GGUF_STRING, sizeof(kw_str)},
        [KW_VALUE_NULL] = {KW_GGUF_U8, 1},
    };
    kw_json_token token;
    kw_value array = {.kind = KW_VALUE_ARRAY, .wire_type = KW_GGUF_ARRAY};
    void *const items = kw_arena_array(f->arena, n, layouts[kind].bytes);
    if (!items)
        return kw_fail(f->err, KW_E_NOMEM, "%s: no memory for an array of %zu", f->json.subject, n);
    for (size_t i = 0; i < n; i++) {
        kw_value value;
        KW_TRY(kw_json_next(&f->json, &token, f->err));
        KW_TRY(scalar_value(f, &token, &value));
        store_item(items, kind, i, &value);
    }
    KW_TRY(kw_json_expect(&f->json, KW_JSON_ARRAY_END, &token, f->err));
    array.array.kind = kind;
    array.array.wire_type = layouts[kind].wire_type;
    array.array.n = n;
    array.array.items = items;
    return push(f, array);
}

static kw_status flatten_array(flattener *f)
{
    kw_value_kind kind;
    size_t n;
    kw_json_token token;
    const size_t key_len = f->key_len;
    KW_TRY(survey_array(f, &kind, &n));
    if (kind != KW_VALUE_ARRAY)
        return packed_array(f, kind, n);
    for (size_t i = 0;; i++) {
        char text[24];
        (void)snprintf(text, sizeof text, "%zu", i);
        KW_TRY(kw_json_next(&f->json, &token, f->err));
        if (token.kind == KW_JSON_ARRAY_END)
            return KW_OK;
        KW_TRY(extend_key(f, kw_str_from(text)));
        KW_TRY(flatten(f, &token));
        f->key_len = key_len;
    }
}

static kw_status flatten_object(flattener *f)
{
    const size_t key_len = f->key_len;
    for (;;) {
        kw_json_token token;
        kw_str name;
        KW_TRY(kw_json_next(&f->json, &token, f->err));
        if (token.kind == KW_JSON_OBJECT_END)
            return KW_OK;
        KW_TRY(kw_json_string(&f->json, &token, f->arena, &name, f->err));
        KW_TRY(extend_key(f, name));
        KW_TRY(kw_json_next(&f->json, &token, f->err));
        KW_TRY(flatten(f, &token));
        f->key_len = key_len;
    }
}

/* The value that `token` begins. Recursion is as deep as the text nests: KW_JSON_MAX_DEPTH. */
static kw_status flatten(flattener *f, const kw_json_token *token)
{
    if (token->kind == KW_JSON_OBJECT)
        return flatten_object(f);
    if (token->kind == KW_JSON_ARRAY)
        return flatten_array(f);
    kw_value value;
    KW_TRY(scalar_value(f, token, &value));
    return push(f, value);
}

kw_status kw_hf_config_parse(kw_str text, const char *subject, kw_arena *arena, kw_image *out,
                             kw_error *err)
{
    if (text.len > KW_HF_MAX_JSON_BYTES)
        return kw_fail(err, KW_E_LIMIT, "%s: %zu bytes (at most %zu)", subject, text.len,
                       KW_HF_MAX_JSON_BYTES);
    flattener f = {.arena = arena, .image = {.kind = KW_FILE_SAFETENSORS}, .err = err};
    kw_json_token token;
    kw_name_index index;
    char what[96];
    kw_json_init(&f.json, text, subject);
    KW_TRY(kw_json_expect(&f.json, KW_JSON_OBJECT, &token, err));
    KW_TRY(flatten_object(&f));
    KW_TRY(kw_json_expect(&f.json, KW_JSON_END, &token, err));
    (void)snprintf(what, sizeof what, "%s: key", subject);
    KW_TRY(kw_name_index_build(&index, arena, f.image.metas, sizeof *f.image.metas, f.image.n_metas,
                               what, err));
    *out = f.image;
    return KW_OK;
}
