/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* export.c - the family's tables read backwards: from Hugging Face's names to GGUF's.
 *
 * What differs beyond names: GGUF pairs neighbours in rotation where Hugging Face pairs halves, so
 * the rows of queries and keys change places within each head; and Llama 3's stretched rotation is
 * a tensor of factors there. Source: the GGUF specification; llama.cpp's converter, by behaviour.
 */
#include "model/export.h"

#include "base/check.h"
#include "format/gguf_writer.h"
#include "model/names.h"
#include "model/unpack.h"

#include <stdio.h>
#include <string.h>

#define NAME_BYTES 160
#define MAX_FACTORS 256
#define MAX_FACTOR_TENSORS 2

/* ---- names ---- */

static const kw_alias *gguf_name(const kw_family *family, kw_str name, char *out, size_t size)
{
    kw_str suffix;
    int index[2];
    const kw_alias *const alias = kw_family_alias(family, name, index, &suffix);
    return alias && kw_name_expand(alias->name, index, suffix, out, size) ? alias : NULL;
}

bool kw_net_gguf_name(const kw_net *net, kw_str name, char *out, size_t size)
{
    if (!kw_model_file_names_gguf(net->file))
        return gguf_name(net->family, name, out, size) != NULL;
    if (name.len >= size)
        return false;
    memcpy(out, name.data, name.len);
    out[name.len] = '\0';
    return true;
}

bool kw_family_gguf_name(const kw_family *family, kw_str name, char *out, size_t size)
{
    return gguf_name(family, name, out, size) != NULL;
}

/* ---- fields of the configuration ---- */

static const kw_field *find_field(const kw_net *net, const char *name)
{
    for (const kw_field *f = NULL; (f = kw_family_next_field(net->family, f));)
        if (strcmp(f->name, name) == 0)
            return f;
    return NULL;
}

int64_t kw_net_int_field(const kw_net *net, const char *name)
{
    int64_t value = 0;
    const kw_field *const f = find_field(net, name);
    if (f && f->type == KW_FIELD_INT)
        memcpy(&value, (const unsigned char *)net->config + f->offset, sizeof value);
    return value;
}

static bool flag_field(const kw_net *net, const char *name)
{
    bool value = false;
    const kw_field *const f = find_field(net, name);
    if (f && f->type == KW_FIELD_BOOL)
        memcpy(&value, (const unsigned char *)net->config + f->offset, sizeof value);
    return value;
}

static kw_str text_field(const kw_net *net, const char *name)
{
    kw_str value = {"", 0};
    const kw_field *const f = find_field(net, name);
    if (f && f->type == KW_FIELD_STRING)
        memcpy(&value, (const unsigned char *)net->config + f->offset, sizeof value);
    return value;
}

/* How the positions are stretched, in GGUF's words; NULL: not at all, or by a tensor. */
static const char *scaling_type(const kw_net *net)
{
    const kw_str given = text_field(net, "rope.scaling");
    static const char *const types[] = {"linear", "yarn", "longrope"};
    for (size_t i = 0; i < KW_COUNT(types); i++)
        if (kw_str_is(given, types[i]))
            return types[i];
    return NULL;
}

/* ---- metadata ---- */

bool kw_net_field_applies(const kw_net *net, const kw_field *field)
{
    const char *const scaling = scaling_type(net), *const name = field->name;
    const bool stretch = strncmp(name, "rope.", 5) == 0 && strcmp(name, "rope.base") != 0 &&
                         strcmp(name, "rope.local_base") != 0 &&
                         strcmp(name, "rope.dimensions") != 0;
    if (strncmp(name, "rope.beta", 9) == 0)
        return scaling && strcmp(scaling, "yarn") == 0;
    if (strcmp(name, "rope.factor") == 0 && scaling && strcmp(scaling, "longrope") == 0)
        return false; /* follows from the contexts */
    return !stretch || scaling;
}

/* Values that mean "none" are left out; so the reader's default is what was meant. */
static bool field_value(const kw_field *f, const void *config, kw_value *out)
{
    const unsigned char *const at = (const unsigned char *)config + f->offset;
    const char *const counts = "context_length"; /* a count in GGUF, whatever it is elsewhere */
    int64_t whole;
    double number;
    bool flag;
    kw_str text;
    switch (f->type) {
    case KW_FIELD_INT:
        memcpy(&whole, at, sizeof whole);
        *out = kw_gguf_u32((uint32_t)whole);
        return whole > 0 && whole <= UINT32_MAX;
    case KW_FIELD_FLOAT:
        memcpy(&number, at, sizeof number);
        *out = strstr(f->gguf, counts) ? kw_gguf_u32((uint32_t)number) : kw_gguf_f32((float)number);
        return number > 0;
    case KW_FIELD_BOOL:
        memcpy(&flag, at, sizeof flag);
        *out = kw_gguf_bool(flag);
        return true;
    case KW_FIELD_STRING:
        memcpy(&text, at, sizeof text);
        *out = kw_gguf_string(text);
        return text.len > 0;
    }
    return false;
}

static kw_str own_name(kw_arena *arena, const char *first, kw_str second)
{
    char text[NAME_BYTES];
    const int n = snprintf(text, sizeof text, "%s%.*s", first, KW_FMT(second));
    const kw_str name = {text, n > 0 && (size_t)n < sizeof text ? (size_t)n : 0};
    return (kw_str){name.len ? kw_arena_strdup(arena, name) : NULL, name.len};
}

static kw_status add_metas(const kw_net *net, kw_arena *arena, kw_net_export *out, kw_error *err)
{
    const char *const arch = kw_family_gguf_arch(net->family);
    size_t n = 2;
    for (const kw_field *f = NULL; (f = kw_family_next_field(net->family, f));)
        n++;
    out->metas = kw_arena_array(arena, n, sizeof *out->metas);
    if (!out->metas)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for its metadata");
    out->metas[out->n_metas++] =
        (kw_meta){KW_STR("general.architecture"), kw_gguf_string(kw_str_from(arch))};
    for (const kw_field *f = NULL; (f = kw_family_next_field(net->family, f));) {
        kw_value value;
        if (!f->gguf || f->gguf[0] != '.' || !kw_net_field_applies(net, f) ||
            !field_value(f, net->config, &value))
            continue;
        const kw_str key = {f->gguf, strcspn(f->gguf, "|")};
        const kw_str name = own_name(arena, arch, key);
        if (!name.data)
            return kw_fail(err, KW_E_NOMEM, "model: no memory for a key");
        out->metas[out->n_metas++] = (kw_meta){name, value};
    }
    return KW_OK;
}

/* ---- tensors ---- */

static const int64_t *pair_neighbours(kw_arena *arena, int64_t rows, int64_t dim)
{
    int64_t *const order = kw_arena_array(arena, (size_t)rows, sizeof *order);
    for (int64_t r = 0; order && r < rows; r++) {
        const int64_t head = r / dim * dim, i = r % dim;
        order[r] = head + i / 2 + (i % 2) * (dim / 2);
    }
    return order;
}

/* Row r of the new order: the queries of all groups, then their keys, then their values. */
static const int64_t *regroup(kw_arena *arena, int64_t rows, int64_t groups, int64_t dim)
{
    int64_t *const order = kw_arena_array(arena, (size_t)rows, sizeof *order);
    const int64_t group = rows / groups, queries = group - 2 * dim;
    for (int64_t g = 0; order && g < groups; g++)
        for (int64_t i = 0; i < group; i++) {
            const bool value = i >= queries + dim, key = i >= queries && !value;
            const int64_t first = value ? groups * (queries + dim) : key ? groups * queries : 0;
            const int64_t each = value || key ? dim : queries;
            order[first + g * each + (value || key ? (i - queries) % dim : i)] = g * group + i;
        }
    return order;
}

kw_status kw_net_row_order(const kw_net *net, kw_arena *arena, const kw_alias *alias,
                           const kw_tensor_view *view, const int64_t **out, kw_error *err)
{
    const int64_t dim = kw_net_int_field(net, "head_dim"), rows = view->shape.dim[0];
    const int64_t kv_heads = kw_net_int_field(net, "kv_heads"), groups = KW_MAX(kv_heads, 1);
    const bool rotated = alias->flags & KW_ALIAS_ROTATED, grouped = alias->flags & KW_ALIAS_GROUPED;
    if (view->shape.rank == 0 || dim <= 1 || (!rotated && !grouped))
        return KW_OK;
    if (rows % dim != 0 || (rotated && dim % 2 != 0))
        return kw_fail(err, KW_E_FORMAT, "model: \"%.*s\" has %lld rows, no whole heads of %lld",
                       KW_FMT(view->name), (long long)rows, (long long)dim);
    if (grouped && (rows / dim % groups != 0 || rows / dim / groups < 3))
        return kw_fail(err, KW_E_FORMAT, "model: \"%.*s\" has %lld rows, no %lld groups of heads",
                       KW_FMT(view->name), (long long)rows, (long long)groups);
    *out = rotated ? pair_neighbours(arena, rows, dim) : regroup(arena, rows, groups, dim);
    return *out ? KW_OK : kw_fail(err, KW_E_NOMEM, "model: no memory for the order of rows");
}

/* Whether a table of which a file may have several copies was added already. */
static bool is_copy(const kw_net_export *out, const kw_alias *alias, const char *name)
{
    for (size_t i = 0; !strchr(alias->name, '%') && i < out->n_tensors; i++)
        if (kw_str_is(out->tensors[i].name, name))
            return true;
    return false;
}

/* GGUF leaves out the rows of positions before the first. */
static kw_status cut_positions(const kw_net *net, kw_arena *arena, kw_export_tensor *t,
                               kw_error *err)
{
    const int64_t first = kw_net_int_field(net, "first_position"), all = t->view->shape.dim[0];
    if (first == 0 || !kw_str_is(t->name, "position_embd.weight"))
        return KW_OK;
    kw_tensor_view *const cut = kw_arena_alloc(arena, sizeof *cut);
    int64_t *const order = kw_arena_array(arena, (size_t)(all - first), sizeof *order);
    if (!cut || !order)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for a tensor");
    for (int64_t r = first; r < all; r++)
        order[r - first] = r;
    *cut = *t->view;
    cut->shape.dim[0] -= first;
    cut->bytes -= cut->bytes / (uint64_t)all * (uint64_t)first;
    t->view = cut;
    t->order = order;
    return KW_OK;
}

static kw_status add_tensor(const kw_net *net, kw_arena *arena, const kw_tensor_view *view,
                            kw_net_export *out, kw_error *err)
{
    char text[NAME_BYTES];
    kw_export_tensor *const t = &out->tensors[out->n_tensors];
    const kw_alias *const alias = gguf_name(net->family, view->name, text, sizeof text);
    if (kw_is_scale(net->file, view->name))
        return KW_OK;
    if (!alias || is_copy(out, alias, text)) {
        out->n_dropped++;
        return KW_OK;
    }
    *t = (kw_export_tensor){.name = own_name(arena, text, KW_STR("")), .view = view};
    if (!t->name.data)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for a name");
    KW_TRY(cut_positions(net, arena, t, err));
    KW_TRY(kw_net_row_order(net, arena, alias, view, &t->order, err));
    out->n_tensors++;
    return KW_OK;
}

/* A tied table is one tensor in GGUF, and called after the embedding. */
static void tie_head(kw_arena *arena, kw_net_export *out)
{
    kw_export_tensor *embedding = NULL, *head = NULL;
    for (size_t i = 0; i < out->n_tensors; i++) {
        if (kw_str_is(out->tensors[i].name, "token_embd.weight"))
            embedding = &out->tensors[i];
        if (kw_str_is(out->tensors[i].name, "output.weight"))
            head = &out->tensors[i];
    }
    if (!head)
        return;
    if (!embedding)
        head->name = own_name(arena, "token_embd.weight", KW_STR(""));
    else
        *head = out->tensors[--out->n_tensors];
}

static kw_status add_factors(const kw_net *net, kw_arena *arena, kw_net_export *out, kw_error *err)
{
    float factors[MAX_FACTORS];
    const char *name = NULL;
    for (int which = 0; net->family->rope_factors && which < MAX_FACTOR_TENSORS; which++) {
        const size_t n = net->family->rope_factors(net->config, which, &name, factors);
        if (n == 0)
            break;
        float *const data = kw_arena_array(arena, n, sizeof *data);
        kw_tensor_view *const view = kw_arena_alloc(arena, sizeof *view);
        if (!data || !view)
            return kw_fail(err, KW_E_NOMEM, "model: no memory for the factors of its rotation");
        memcpy(data, factors, n * sizeof *data);
        *view = (kw_tensor_view){.name = kw_str_from(name),
                                 .dtype = KW_F32,
                                 .shape = SHAPE((int64_t)n),
                                 .file_rank = 1,
                                 .data = data,
                                 .bytes = n * sizeof *data};
        out->tensors[out->n_tensors++] = (kw_export_tensor){.name = view->name, .view = view};
    }
    return KW_OK;
}

kw_status kw_net_export_gguf(const kw_net *net, kw_arena *arena, kw_net_export *out, kw_error *err)
{
    kw_net_export made = {0};
    made.tensors =
        kw_arena_array(arena, net->file->n_tensors + MAX_FACTOR_TENSORS, sizeof *made.tensors);
    if (!made.tensors)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for its tensors");
    for (size_t i = 0; i < net->file->n_tensors; i++)
        KW_TRY(add_tensor(net, arena, &net->file->tensors[i], &made, err));
    if (flag_field(net, "tied_head"))
        tie_head(arena, &made);
    KW_TRY(add_factors(net, arena, &made, err));
    KW_TRY(add_metas(net, arena, &made, err));
    *out = made;
    return KW_OK;
}
