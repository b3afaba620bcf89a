/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* export_hf.c - the family's tables read forwards: from GGUF's names to Hugging Face's, and the
 * fields of the configuration as config.json has them. */
#include "model/export.h"

#include "base/check.h"
#include "base/decimal.h"
#include "model/names.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_EXPERTS 4096

/* ---- config.json ---- */

static bool has(const kw_model_file *file, const char *name)
{
    return kw_model_file_tensor(file, kw_str_from(name)) != NULL;
}

/* Falcon's newer decoder: keys and values of its own for several queries, or a norm for attention
 * alone. A model that has neither computes the same as an older one. */
static bool is_grouped(const kw_net *net)
{
    const int64_t kv_heads = kw_net_int_field(net, "kv_heads");
    return has(net->file, "blk.0.attn_norm_2.weight") ||
           (kv_heads > 1 && kv_heads < kw_net_int_field(net, "heads"));
}

/* What GGUF says by the tensors that a file has, or by another key. */
static void say_otherwise(const kw_net *net, const char *field, bool *out)
{
    const kw_model_file *const file = net->file;
    if (strcmp(field, "has_window") == 0)
        *out = kw_net_int_field(net, "window") > 0;
    else if (strcmp(field, "tied_head") == 0)
        *out = !has(file, "output.weight");
    else if (strcmp(field, "attention_bias") == 0)
        *out = has(file, "blk.0.attn_output.bias"); /* Qwen's queries have theirs without a word */
    else if (strcmp(field, "mlp_bias") == 0)
        *out = has(file, "blk.0.ffn_up.bias");
    else if (strcmp(field, "grouped") == 0)
        *out = is_grouped(net);
    else if (strcmp(field, "one_kv") == 0)
        *out = !is_grouped(net) && kw_net_int_field(net, "kv_heads") == 1;
}

/* The same of a count. */
static void count_otherwise(const kw_net *net, const char *field, int64_t *out)
{
    if (strcmp(field, "parallel_norms") == 0 && is_grouped(net))
        *out = has(net->file, "blk.0.attn_norm_2.weight") ? 2 : 1;
}

static double number_field(const kw_net *net, const char *name)
{
    double value = 0;
    for (const kw_field *f = NULL; (f = kw_family_next_field(net->family, f));)
        if (strcmp(f->name, name) == 0 && f->type == KW_FIELD_FLOAT)
            memcpy(&value, (const unsigned char *)net->config + f->offset, sizeof value);
    return value;
}

/* The same of a number: what Gemma divides scores by the root of, where GGUF has their factor. */
static void scale_otherwise(const kw_net *net, const char *field, double *out)
{
    const double scale = number_field(net, "attention_scale");
    if (strcmp(field, "query_scalar") == 0)
        *out = scale > 0 ? rint(1.0 / (scale * scale)) : (double)kw_net_int_field(net, "head_dim");
}

/* The same of a name: T5's feed-forward layer has a gate, or none. */
static void name_otherwise(const kw_net *net, const char *field, kw_str *out)
{
    const kw_model_file *const file = net->file;
    if (strcmp(field, "projection") == 0 && out->len == 0)
        *out = has(file, "enc.blk.0.ffn_gate.weight") ? KW_STR("gated-gelu") : KW_STR("relu");
}

/* As briefly as it is still the same f32, which is all that GGUF has: 1e-05. transformers wants a
 * point in what it calls a float, and none in a count. */
static void print_number(double number, bool count, kw_buf *out)
{
    char text[32] = "";
    double back = 0.0;
    for (int digits = 6; digits <= 9; digits++) {
        const int n = snprintf(text, sizeof text, "%.*g", digits, number);
        if (kw_decimal_f64((kw_str){text, (size_t)n}, &back) && !((float)back < (float)number) &&
            !((float)back > (float)number))
            break;
    }
    kw_buf_printf(out, "%s%s", text, count || strpbrk(text, ".e") ? "" : ".0");
}

static bool is_count(const char *field)
{
    return strcmp(field, "query_scalar") == 0 || strcmp(field, "rope.original_context") == 0;
}

/* The value as JSON; false, and nothing printed, for those that mean "none". */
static bool print_value(const kw_net *net, const kw_field *f, kw_buf *out)
{
    const unsigned char *const at = (const unsigned char *)net->config + f->offset;
    int64_t whole;
    double number;
    bool flag;
    kw_str text;
    switch (f->type) {
    case KW_FIELD_INT:
        memcpy(&whole, at, sizeof whole);
        count_otherwise(net, f->name, &whole);
        if (whole > 0)
            kw_buf_printf(out, "%lld", (long long)whole);
        return whole > 0;
    case KW_FIELD_FLOAT:
        memcpy(&number, at, sizeof number);
        scale_otherwise(net, f->name, &number);
        if (number > 0 && number < 1e30)
            print_number(number, is_count(f->name), out);
        return number > 0 && number < 1e30;
    case KW_FIELD_BOOL:
        memcpy(&flag, at, sizeof flag);
        say_otherwise(net, f->name, &flag);
        kw_buf_printf(out, "%s", flag ? "true" : "false");
        return true;
    case KW_FIELD_STRING:
        memcpy(&text, at, sizeof text);
        name_otherwise(net, f->name, &text);
        if (text.len > 0)
            kw_buf_json(out, text);
        return text.len > 0;
    }
    return false;
}

/* The first of the field's keys, split at its dot; no object: a key of the file itself. */
static bool key_of(const kw_net *net, const kw_field *f, kw_str *object, kw_str *key)
{
    if (!f->hf || !kw_net_field_applies(net, f))
        return false;
    const char *first = f->hf;
    const char *const dots = strchr(first, '.'), *const other = strchr(first, '|');
    if (dots && other && strchr(dots + 1, '.') && strchr(dots + 1, '.') < other)
        first = other + 1; /* of two spellings the one without an object in an object */
    kw_str full = {first, strcspn(first, "|")};
    if (strcmp(f->name, "experts") == 0 && strcmp(net->family->name, "llama") != 0)
        full = KW_STR("num_experts"); /* the other of its two names */
    const char *const dot = memchr(full.data, '.', full.len);
    const size_t at = dot ? (size_t)(dot - full.data) : 0;
    *object = (kw_str){full.data, at};
    *key = dot ? (kw_str){dot + 1, full.len - at - 1} : full;
    return true;
}

/* Some keys are several fields' (Falcon's "bias"): the first one prints them. */
static bool is_second(const kw_net *net, const kw_field *field, kw_str object, kw_str key)
{
    kw_str other, name;
    for (const kw_field *f = NULL; (f = kw_family_next_field(net->family, f)) && f != field;)
        if (key_of(net, f, &other, &name) && kw_str_eq(other, object) && kw_str_eq(name, key))
            return true;
    return false;
}

/* ",\n <indent>"key": value" of one field; nothing for a value that means "none". */
static void print_field(const kw_net *net, const kw_field *f, kw_str key, const char *before,
                        kw_buf *out)
{
    kw_buf value = {0};
    if (print_value(net, f, &value)) {
        kw_buf_printf(out, "%s", before);
        kw_buf_json(out, key);
        kw_buf_printf(out, ": %s", value.data ? value.data : "null");
    }
    out->failed = out->failed || value.failed;
    kw_buf_free(&value);
}

/* Every field of an object that this field is the first of. */
static void print_object(const kw_net *net, const kw_field *first, kw_str object, kw_buf *out)
{
    kw_str other, key;
    for (const kw_field *f = NULL; (f = kw_family_next_field(net->family, f)) && f != first;)
        if (key_of(net, f, &other, &key) && kw_str_eq(other, object))
            return;
    kw_buf_printf(out, ",\n  ");
    kw_buf_json(out, object);
    kw_buf_printf(out, ": {");
    const char *before = "\n    ";
    for (const kw_field *f = NULL; (f = kw_family_next_field(net->family, f));) {
        const size_t len = out->len;
        if (!key_of(net, f, &other, &key) || !kw_str_eq(other, object) ||
            is_second(net, f, object, key))
            continue;
        print_field(net, f, key, before, out);
        before = out->len > len ? ",\n    " : before;
    }
    kw_buf_printf(out, "\n  }");
}

/* A LLaMA with experts is called Mixtral there, and its weights are. */
static bool is_mixtral(const kw_net *net)
{
    return strcmp(net->family->name, "llama") == 0 && kw_net_int_field(net, "experts") > 0;
}

static kw_str model_type(const kw_net *net)
{
    if (is_mixtral(net))
        return KW_STR("mixtral");
    if (kw_str_is(net->arch, "gemma3"))
        return KW_STR("gemma3_text"); /* of several parts that is one */
    return kw_str_is(net->arch, "qwen3moe") ? KW_STR("qwen3_moe") : net->arch;
}

static void print_config(const kw_net *net, kw_buf *out)
{
    kw_str object, key;
    kw_buf_printf(out, "{\n  \"model_type\": ");
    kw_buf_json(out, model_type(net));
    for (const kw_field *f = NULL; (f = kw_family_next_field(net->family, f));)
        if (key_of(net, f, &object, &key) && object.len == 0 && !is_second(net, f, object, key))
            print_field(net, f, key, ",\n  ", out);
    for (const kw_field *f = NULL; (f = kw_family_next_field(net->family, f));)
        if (key_of(net, f, &object, &key) && object.len > 0)
            print_object(net, f, object, out);
    kw_buf_printf(out, "\n}\n");
}

/* ---- tensors ---- */

/* Of several names that a weight has there, what that of this model contains; NULL: the first. */
static const char *part_of_names(const kw_net *net)
{
    if (is_mixtral(net))
        return "block_sparse_moe";
    return has(net->file, "blk.0.attn_norm_2.weight") ? "ln_mlp" : NULL;
}

/* What an alias says beyond order is of the ".weight", not of its bias. */
enum { CHANGED = KW_ALIAS_TRANSPOSED | KW_ALIAS_ONE_LESS };

static bool is_weight(kw_str name)
{
    const kw_str end = KW_STR(".weight");
    return name.len >= end.len && memcmp(name.data + name.len - end.len, end.data, end.len) == 0;
}

/* The order of the rows turned back. */
static const int64_t *inverse(kw_arena *arena, const int64_t *order, int64_t rows)
{
    int64_t *const back = kw_arena_array(arena, (size_t)rows, sizeof *back);
    for (int64_t r = 0; back && r < rows; r++)
        back[order[r]] = r;
    return back;
}

/* A tensor of factors follows from the configuration; any other must have a name. */
static kw_status drop(const kw_tensor_view *view, kw_net_export *out, kw_error *err)
{
    if (kw_str_starts(view->name, KW_STR("rope_factors")))
        return kw_fail(err, KW_E_UNSUPPORTED,
                       "convert: the factors of LongRoPE (\"%.*s\") are not written into "
                       "config.json",
                       KW_FMT(view->name));
    if (!kw_str_starts(view->name, KW_STR("rope_")))
        return kw_fail(err, KW_E_UNSUPPORTED,
                       "convert: tensor \"%.*s\" has no name in Hugging Face's code that is known "
                       "here",
                       KW_FMT(view->name));
    out->n_dropped++;
    return KW_OK;
}

/* The layer and the kind of a tensor that holds all experts of a layer; false for any other. */
static bool is_stack(const kw_tensor_view *view, int *layer, const char **pattern)
{
    static const char *const kinds[][2] = {
        {"blk.%d.ffn_gate_exps.weight", "blk.%d.ffn_gate.%d.weight"},
        {"blk.%d.ffn_up_exps.weight", "blk.%d.ffn_up.%d.weight"},
        {"blk.%d.ffn_down_exps.weight", "blk.%d.ffn_down.%d.weight"}};
    const bool possible = view->shape.rank == 3 && view->shape.dim[0] <= MAX_EXPERTS;
    int index[2];
    for (size_t i = 0; possible && i < KW_COUNT(kinds); i++)
        if (kw_name_match(kinds[i][0], view->name, index)) {
            *layer = index[0];
            *pattern = kinds[i][1];
            return true;
        }
    return false;
}

static size_t n_tensors_of(const kw_tensor_view *view)
{
    int layer;
    const char *pattern;
    return is_stack(view, &layer, &pattern) ? (size_t)view->shape.dim[0] : 1;
}

static kw_status add_tensor(const kw_net *net, kw_arena *arena, const kw_tensor_view *view,
                            kw_net_export *out, kw_error *err)
{
    char text[KW_WEIGHT_NAME_BYTES];
    const int64_t *order = NULL;
    kw_export_tensor *const t = &out->tensors[out->n_tensors];
    const kw_alias *const alias =
        kw_family_hf_name(net->family, view->name, part_of_names(net), text, sizeof text);
    if (!alias)
        return drop(view, out, err);
    const kw_str name = kw_str_from(text);
    *t = (kw_export_tensor){.name = {kw_arena_strdup(arena, name), name.len},
                            .view = view,
                            .flags = is_weight(name) ? alias->flags & CHANGED : 0};
    if (!t->name.data)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for a name");
    KW_TRY(kw_net_row_order(net, arena, alias, view, &order, err));
    if (order) {
        t->order = inverse(arena, order, view->shape.dim[0]);
        if (!t->order)
            return kw_fail(err, KW_E_NOMEM, "model: no memory for the order of rows");
    }
    out->n_tensors++;
    return KW_OK;
}

/* Each expert of a stack as a tensor of its own. */
static kw_status add_stack(const kw_net *net, kw_arena *arena, const kw_tensor_view *view,
                           int layer, const char *pattern, kw_net_export *out, kw_error *err)
{
    const size_t n = (size_t)view->shape.dim[0];
    kw_tensor_view *const parts = kw_arena_array(arena, n, sizeof *parts);
    if (!parts)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for %zu experts", n);
    for (size_t e = 0; e < n; e++) {
        char text[KW_WEIGHT_NAME_BYTES];
        const int index[2] = {layer, (int)e};
        parts[e] = *view;
        parts[e].shape = SHAPE(view->shape.dim[1], view->shape.dim[2]);
        parts[e].file_rank = 2;
        parts[e].bytes = view->bytes / n;
        parts[e].offset += e * parts[e].bytes;
        parts[e].data = view->data ? (const char *)view->data + e * parts[e].bytes : NULL;
        const char *const name = kw_name_expand(pattern, index, KW_STR(""), text, sizeof text)
                                     ? kw_arena_strdup(arena, kw_str_from(text))
                                     : NULL;
        if (!name)
            return kw_fail(err, KW_E_NOMEM, "model: no memory for a name");
        parts[e].name = kw_str_from(name);
        KW_TRY(add_tensor(net, arena, &parts[e], out, err));
    }
    return KW_OK;
}

static kw_status add_all(const kw_net *net, kw_arena *arena, const kw_tensor_view *view,
                         kw_net_export *out, kw_error *err)
{
    int layer;
    const char *pattern;
    return is_stack(view, &layer, &pattern) ? add_stack(net, arena, view, layer, pattern, out, err)
                                            : add_tensor(net, arena, view, out, err);
}

kw_status kw_net_export_hf(const kw_net *net, kw_arena *arena, kw_net_export *out, kw_buf *config,
                           kw_error *err)
{
    kw_net_export made = {0};
    size_t n = 0;
    for (size_t i = 0; i < net->file->n_tensors; i++)
        n += n_tensors_of(&net->file->tensors[i]);
    made.tensors = kw_arena_array(arena, n, sizeof *made.tensors);
    if (!made.tensors)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for its tensors");
    for (size_t i = 0; i < net->file->n_tensors; i++)
        KW_TRY(add_all(net, arena, &net->file->tensors[i], &made, err));
    print_config(net, config);
    KW_TRY(kw_buf_status(config, err));
    *out = made;
    return KW_OK;
}
