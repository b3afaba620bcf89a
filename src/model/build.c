/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* build.c - weights by name and by shape, where they are used; builds and surveys. */
#include "model/build.h"

#include "base/check.h"
#include "model/names.h"
#include "model/unpack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

kw_graph *kw_build_graph(kw_build *b)
{
    return b->graph;
}

bool kw_build_is_gguf(const kw_build *b)
{
    return kw_model_file_names_gguf(b->net->file);
}

int64_t kw_build_positions(const kw_build *b)
{
    return b->options.positions;
}

void kw_build_fail(kw_build *b, kw_status status, const char *what)
{
    if (b->graph->error.code == KW_OK)
        (void)kw_fail(&b->graph->error, status, "%s: %s", b->net->file->path, what);
}

static kw_ref complain(kw_build *b, const char *name, const char *what, kw_shape shape,
                       kw_shape found)
{
    char want[64], have[64];
    (void)kw_shape_print(shape, want, sizeof want);
    (void)kw_shape_print(found, have, sizeof have);
    b->n_missing++;
    if (b->missing) {
        kw_buf_printf(b->missing, "%s%s", b->n_missing > 1 ? "\n" : "", name);
        return kw_weight_leaf(b->graph, name, KW_F32, shape, NULL);
    }
    if (b->graph->error.code == KW_OK)
        (void)kw_fail(&b->graph->error, KW_E_FORMAT, "%s: weight \"%s\" %s: needs %s%s%s",
                      b->net->file->path, name, what, want, found.rank ? ", has " : "",
                      found.rank ? have : "");
    return KW_NONE;
}

static kw_ref use(kw_build *b, const kw_tensor_view *view, const char *name, kw_shape shape)
{
    if (b->used)
        b->used[view - b->net->file->tensors] = true;
    if (!kw_shape_eq(view->shape, shape))
        return complain(b, name, "has another shape", shape, view->shape);
    if (view->dtype >= KW_N_DTYPES || !kw_dtype_multiplies(view->dtype)) {
        if (b->unreadable) {
            kw_buf_printf(b->unreadable, "%s%s (%s)", b->n_unreadable++ ? "\n" : "", name,
                          view->type_name);
            return kw_weight_leaf(b->graph, name, KW_F32, shape, NULL);
        }
        if (b->graph->error.code == KW_OK)
            (void)kw_fail(&b->graph->error, KW_E_UNSUPPORTED,
                          "%s: weight \"%s\" is of type %s, which this version cannot run yet",
                          b->net->file->path, name, view->type_name);
        return KW_NONE;
    }
    return kw_weight_leaf(b->graph, name, view->dtype, shape, view->data);
}

kw_ref kw_weight_optional(kw_build *b, int layer, const char *name, kw_shape shape)
{
    char shown[KW_WEIGHT_NAME_BYTES];
    const kw_tensor_view *view = kw_net_find_weight(b->net, layer, name, shown);
    return view ? use(b, view, shown, shape) : KW_NONE;
}

kw_ref kw_weight(kw_build *b, int layer, const char *name, kw_shape shape)
{
    char shown[KW_WEIGHT_NAME_BYTES];
    const kw_tensor_view *view = kw_net_find_weight(b->net, layer, name, shown);
    return view ? use(b, view, shown, shape)
                : complain(b, shown, "is missing", shape, (kw_shape){0});
}

bool kw_weight_exists(const kw_build *b, int layer, const char *name)
{
    char shown[KW_WEIGHT_NAME_BYTES];
    return kw_net_find_weight(b->net, layer, name, shown) != NULL;
}

kw_ref kw_weight_experts(kw_build *b, int layer, const char *name, int64_t experts, int64_t n,
                         int64_t k)
{
    kw_graph *g = b->graph;
    char full[KW_WEIGHT_NAME_BYTES];
    (void)snprintf(full, sizeof full, "%s.0.weight", name);
    const bool apart = kw_weight_exists(b, layer, full);
    (void)snprintf(full, sizeof full, "%s_exps.weight", name);
    if (!apart)
        return kw_weight(b, layer, full, SHAPE(experts, n, k));
    const void **parts = kw_arena_array(&g->arena, (size_t)experts, sizeof *parts);
    kw_dtype dtype = KW_F32;
    if (!parts) {
        kw_build_fail(b, KW_E_NOMEM, "no memory for its experts");
        return KW_NONE;
    }
    for (int64_t e = 0; e < experts && g->error.code == KW_OK; e++) {
        (void)snprintf(full, sizeof full, "%s.%d.weight", name, (int)e);
        const kw_ref one = kw_weight(b, layer, full, SHAPE(n, k));
        if (!one.id)
            return KW_NONE;
        const kw_node *node = kw_graph_node(g, one.id);
        if (e > 0 && node->dtype != dtype)
            kw_build_fail(b, KW_E_UNSUPPORTED, "the experts of a layer differ in type");
        dtype = node->dtype;
        parts[e] = node->weight.data;
    }
    (void)snprintf(full, sizeof full, "blk.%d.%s_exps.weight", layer, name); /* GGUF's name */
    return g->error.code == KW_OK ? kw_experts_leaf(g, full, dtype, SHAPE(experts, n, k), parts)
                                  : KW_NONE;
}

kw_ref kw_weight_rows(kw_build *b, int layer, const char *name, kw_shape whole, int64_t first,
                      int64_t n)
{
    kw_graph *g = b->graph;
    const kw_ref all = kw_weight(b, layer, name, whole);
    if (!all.id || g->error.code != KW_OK || n == whole.dim[0])
        return all;
    kw_node rows = *kw_graph_node(g, all.id);
    const int64_t row_elems = whole.rank > 1 ? whole.dim[1] : 1;
    size_t row_bytes = 0;
    kw_assert(first >= 0 && n > 0 && first <= whole.dim[0] - n);
    if (!kw_row_bytes(rows.dtype, row_elems, &row_bytes)) {
        kw_build_fail(b, KW_E_FORMAT, "a fused weight whose rows are no whole blocks");
        return KW_NONE;
    }
    if (rows.weight.data)
        rows.weight.data = (const unsigned char *)rows.weight.data + (size_t)first * row_bytes;
    rows.weight.first = first;
    rows.weight.whole = whole.dim[0];
    rows.shape.dim[0] = n;
    return kw_graph_add(g, &rows);
}

/* Waits for what is read while the graph is built. */
static bool is_here(kw_build *b, const kw_tensor_view *view)
{
    kw_error why;
    const kw_status status = kw_model_file_need(b->net->file, view->data, view->bytes, &why);
    if (status != KW_OK)
        kw_build_fail(b, status, why.message);
    return status == KW_OK;
}

const float *kw_weight_values(kw_build *b, const char *name, int64_t n)
{
    char shown[KW_WEIGHT_NAME_BYTES];
    const kw_tensor_view *view = kw_net_find_weight(b->net, -1, name, shown);
    if (!view)
        return NULL;
    const kw_ref leaf = use(b, view, shown, SHAPE(n));
    /* A survey gets a leaf for what it complained about. */
    if (!leaf.id || view->dtype >= KW_N_DTYPES || !kw_shape_eq(view->shape, SHAPE(n)))
        return NULL;
    if (view->dtype == KW_F32)
        return is_here(b, view) ? view->data : NULL;
    char what[48];
    (void)snprintf(what, sizeof what, "is of type %s, not f32", kw_dtype_info(view->dtype)->name);
    (void)complain(b, shown, what, SHAPE(n), view->shape);
    return NULL;
}

const float *kw_weight_decoded(kw_build *b, int layer, const char *name, kw_shape shape)
{
    char shown[KW_WEIGHT_NAME_BYTES];
    const kw_tensor_view *view = kw_net_find_weight(b->net, layer, name, shown);
    int64_t n = 0;
    (void)kw_shape_count(shape, &n);
    float *values = kw_arena_array(&b->graph->arena, (size_t)n, sizeof *values);
    if (!values) {
        kw_build_fail(b, KW_E_NOMEM, "no memory for a table");
        return NULL;
    }
    memset(values, 0, (size_t)n * sizeof *values); /* what a survey goes on with */
    if (!view)
        (void)complain(b, shown, "is missing", shape, (kw_shape){0});
    else if (use(b, view, shown, shape).id && kw_shape_eq(view->shape, shape) &&
             view->dtype < KW_N_DTYPES && view->data) {
        const kw_dtype_traits *const type = kw_dtype_info(view->dtype);
        if (!type->decode)
            (void)complain(b, shown, "is of a type without numbers", shape, view->shape);
        else if (is_here(b, view))
            type->decode(values, view->data, (size_t)n);
    }
    return values;
}

kw_ref kw_cache(kw_build *b, kw_state_kind kind, int layer, int kv_heads, int head_dim)
{
    char name[64];
    (void)snprintf(name, sizeof name, "cache.%d.%s", layer,
                   kind == KW_STATE_KEYS ? "keys" : "values");
    return kw_state(b->graph, name, kind, b->options.cache, b->options.positions, kv_heads,
                    head_dim);
}

kw_ref kw_cross_cache(kw_build *b, kw_state_kind kind, int layer, int kv_heads, int head_dim)
{
    char name[64];
    (void)snprintf(name, sizeof name, "cross.%d.%s", layer,
                   kind == KW_STATE_KEYS ? "keys" : "values");
    return kw_build_state(b, name, kind, b->options.cache, kv_heads, head_dim);
}

kw_ref kw_build_state(kw_build *b, const char *name, kw_state_kind kind, kw_dtype dtype,
                      int kv_heads, int head_dim)
{
    return kw_state(b->graph, name, kind, dtype, b->options.positions, kv_heads, head_dim);
}

kw_ref kw_hidden(kw_build *b, kw_ref x)
{
    b->hidden = x;
    return x;
}

/* Inputs are the first leaves of every graph, made before the family's build. */
kw_ref kw_input_tokens(kw_build *b)
{
    (void)b;
    return (kw_ref){1 + KW_SLOT_TOKENS};
}

kw_ref kw_input_positions(kw_build *b)
{
    (void)b;
    return (kw_ref){1 + KW_SLOT_POSITIONS};
}

kw_ref kw_input_rows(kw_build *b)
{
    (void)b;
    return (kw_ref){1 + KW_SLOT_ROWS};
}

kw_ref kw_input_seen(kw_build *b)
{
    kw_assert(b->net->family->encode);
    return (kw_ref){1 + KW_SLOT_SEEN};
}

kw_ref kw_input_types(kw_build *b)
{
    kw_assert(b->net->family->encode);
    return (kw_ref){1 + KW_SLOT_TYPES};
}

kw_ref kw_input_places(kw_build *b)
{
    kw_assert(b->net->family->encode);
    return (kw_ref){1 + KW_SLOT_PLACES};
}

kw_ref kw_input_first(kw_build *b)
{
    kw_assert(b->net->family->encode);
    return (kw_ref){1 + KW_SLOT_FIRST};
}

bool kw_net_has(const kw_net *net, kw_net_part part)
{
    const kw_family *f = net->family;
    if (part == KW_NET_ENCODER)
        return f->encode != NULL;
    return f->build && (!f->encode || f->decoder_start(net->config) >= 0);
}

/* The value of the part becomes output 0, before what it stores for others. */
static void build_part(kw_build *b)
{
    const kw_family *f = b->net->family;
    const kw_net_part part = b->options.part;
    kw_graph *g = b->graph;
    kw_ref (*const make)(kw_build *, const void *) = part == KW_NET_ENCODER ? f->encode : f->build;
    if (!make || !kw_net_has(b->net, part)) {
        kw_build_fail(b, KW_E_UNSUPPORTED,
                      part == KW_NET_ENCODER ? "this model has no encoder"
                                             : "this model has no decoder");
        return;
    }
    const kw_ref value = make(b, b->net->config);
    kw_graph_output(g, part == KW_NET_HIDDEN ? b->hidden : value);
    if (g->n_outputs > 1) {
        const uint32_t first = g->outputs[0];
        g->outputs[0] = g->outputs[g->n_outputs - 1];
        g->outputs[g->n_outputs - 1] = first;
    }
}

static kw_status start(kw_build *b, kw_error *err)
{
    const int64_t bound[KW_N_EXTENTS] = {0, 1, 1};
    KW_TRY(kw_graph_create(bound, &b->graph, err));
    (void)kw_input_leaf(b->graph, "tokens", KW_EXTENT_TOKENS);
    (void)kw_input_leaf(b->graph, "positions", KW_EXTENT_TOKENS);
    (void)kw_input_leaf(b->graph, "rows", KW_EXTENT_OUTPUTS);
    if (b->net->family->encode) {
        (void)kw_input_leaf(b->graph, "seen", KW_EXTENT_TOKENS);
        (void)kw_input_leaf(b->graph, "types", KW_EXTENT_TOKENS);
        (void)kw_input_leaf(b->graph, "places", KW_EXTENT_TOKENS);
        (void)kw_input_leaf(b->graph, "first", KW_EXTENT_TOKENS);
    }
    build_part(b);
    return kw_graph_finish(b->graph, err);
}

kw_status kw_net_build(const kw_net *net, const kw_net_options *options, kw_graph **out,
                       kw_error *err)
{
    kw_build b = {.net = net, .options = *options};
    const kw_status status = start(&b, err);
    if (status != KW_OK) {
        kw_graph_free(b.graph);
        return status;
    }
    *out = b.graph;
    return KW_OK;
}

static void list_names(kw_buf *out, bool json, const char *title, kw_str names, size_t n)
{
    if (json)
        kw_buf_printf(out, "\"%s\":[", title);
    else
        kw_buf_printf(out, "%s (%zu)\n", title, n);
    bool first = true;
    while (names.len > 0) {
        const char *end = memchr(names.data, '\n', names.len);
        const size_t len = end ? (size_t)(end - names.data) : names.len;
        if (json) {
            kw_buf_printf(out, "%s", first ? "" : ",");
            kw_buf_json(out, (kw_str){names.data, len});
        } else {
            kw_buf_printf(out, "  %.*s\n", (int)len, names.data);
        }
        first = false;
        names.data += len + (end != NULL);
        names.len -= len + (end != NULL);
    }
    if (json)
        kw_buf_add(out, "]", 1);
}

kw_status kw_net_survey(const kw_net *net, bool json, kw_buf *out, size_t *n_missing, kw_error *err)
{
    kw_buf missing = {0}, unused = {0}, unreadable = {0};
    size_t n_unused = 0;
    kw_build b = {.net = net,
                  .options = {.positions = 16, .cache = KW_F16},
                  .missing = &missing,
                  .unreadable = &unreadable};
    b.used = calloc(KW_MAX(net->file->n_tensors, (size_t)1), sizeof *b.used);
    kw_status status = b.used ? KW_OK : kw_fail(err, KW_E_NOMEM, "model: no memory for a survey");
    /* The hidden states are part of the decoder. */
    static const kw_net_part parts[] = {KW_NET_DECODER, KW_NET_ENCODER};
    for (size_t i = 0; status == KW_OK && i < KW_COUNT(parts); i++) {
        if (!kw_net_has(net, parts[i]))
            continue;
        b.options.part = parts[i];
        status = start(&b, err);
        kw_graph_free(b.graph);
        b.graph = NULL;
    }
    for (size_t i = 0; b.used && i < net->file->n_tensors; i++)
        if (!b.used[i] && !kw_is_scale(net->file, net->file->tensors[i].name))
            kw_buf_printf(&unused, "%s%.*s", n_unused++ ? "\n" : "",
                          KW_FMT(net->file->tensors[i].name));
    list_names(out, json, "missing", (kw_str){missing.data, missing.len}, b.n_missing);
    kw_buf_printf(out, "%s", json ? "," : "");
    list_names(out, json, "unused", (kw_str){unused.data, unused.len}, n_unused);
    kw_buf_printf(out, "%s", json ? "," : "");
    list_names(out, json, "unreadable", (kw_str){unreadable.data, unreadable.len}, b.n_unreadable);
    out->failed |= missing.failed || unused.failed || unreadable.failed;
    *n_missing = b.n_missing;
    free(b.used);
    kw_buf_free(&missing);
    kw_buf_free(&unused);
    kw_buf_free(&unreadable);
    return status;
}
