/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* adapter.c - reading low-rank adapters, and adding them to the products of a graph.
 *
 * Both kinds of file are brought to one form: targets under GGUF's names, the rows of B in the
 * order of the model's own file. Sources: the GGUF files of adapters, by their keys
 * ("adapter.type", "adapter.lora.alpha", NAME.lora_a, NAME.lora_b); PEFT's directories, by theirs
 * ("r", "lora_alpha", MODULE.lora_A.weight, MODULE.lora_B.weight). */
#include "model/adapter.h"

#include "base/check.h"
#include "model/export.h"
#include "model/names.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 160
#define MAX_RANK 65536

typedef struct reader {
    const kw_model_file *file;
    const kw_net *net;
    kw_adapter_set *set;
    double alpha; /* 0: the product counts as it is */
    bool root;    /* divided by the root of the rank instead of the rank */
    kw_error *err;
} reader;

static kw_status nomem(kw_error *err)
{
    return kw_fail(err, KW_E_NOMEM, "adapter: no memory for its directory");
}

/* ---- settings ---- */

static bool meta_is(const reader *r, const char *key, const char *text)
{
    const kw_value *const v = kw_model_file_meta(r->file, kw_str_from(key));
    return v && v->kind == KW_VALUE_STRING && kw_str_is(v->s, text);
}

static bool meta_flag(const reader *r, const char *key)
{
    const kw_value *const v = kw_model_file_meta(r->file, kw_str_from(key));
    return v && v->kind == KW_VALUE_BOOL && v->b;
}

static kw_status read_alpha(reader *r, const char *key)
{
    const kw_value *const v = kw_model_file_meta(r->file, kw_str_from(key));
    if (!v || !kw_value_number(v, &r->alpha))
        return kw_fail(r->err, KW_E_FORMAT, "%s: an adapter without the number %s", r->file->path,
                       key);
    if (!(r->alpha >= 0 && r->alpha <= 1e6))
        return kw_fail(r->err, KW_E_FORMAT, "%s: %s is %g, must be 0 to 1e6", r->file->path, key,
                       r->alpha);
    return KW_OK;
}

static kw_status read_settings(reader *r)
{
    if (kw_model_file_names_gguf(r->file)) {
        const kw_value *const arch = kw_model_file_meta(r->file, KW_STR("general.architecture"));
        if (!meta_is(r, "general.type", "adapter") || !meta_is(r, "adapter.type", "lora"))
            return kw_fail(r->err, KW_E_FORMAT,
                           "%s: no LoRA adapter (general.type \"adapter\", adapter.type \"lora\")",
                           r->file->path);
        if (arch && arch->kind == KW_VALUE_STRING && !kw_str_eq(arch->s, r->net->arch))
            return kw_fail(r->err, KW_E_FORMAT,
                           "%s: an adapter for \"%.*s\", the model is \"%.*s\"", r->file->path,
                           KW_FMT(arch->s), KW_FMT(r->net->arch));
        return read_alpha(r, "adapter.lora.alpha");
    }
    for (size_t i = 0; i < r->file->n_metas; i++)
        if (kw_str_starts(r->file->metas[i].key, KW_STR("alpha_pattern.")))
            return kw_fail(r->err, KW_E_UNSUPPORTED,
                           "%s: an adapter whose alpha differs between weights (alpha_pattern)",
                           r->file->path);
    r->root = meta_flag(r, "use_rslora");
    return read_alpha(r, "lora_alpha");
}

/* ---- tensors ---- */

/* Position of `what` in text, or its length. */
static size_t find_text(kw_str text, const char *what)
{
    const size_t len = strlen(what);
    for (size_t i = 0; i + len <= text.len; i++)
        if (memcmp(text.data + i, what, len) == 0)
            return i;
    return text.len;
}

/* "blk.0.attn_q.weight.lora_a" -> "blk.0.attn_q.weight"; false when the name ends otherwise. */
static bool split_gguf(kw_str name, char side, char out[NAME_BYTES])
{
    const char ending[] = {'.', 'l', 'o', 'r', 'a', '_', side, '\0'};
    const size_t at = find_text(name, ending);
    if (at + sizeof ending - 1 != name.len || at >= NAME_BYTES)
        return false;
    memcpy(out, name.data, at);
    out[at] = '\0';
    return true;
}

/* "base_model.model.X.lora_A.default.weight" -> GGUF's name of X.weight. */
static bool split_peft(const reader *r, kw_str name, char side, char out[NAME_BYTES])
{
    static const kw_str wrapper = {"base_model.model.", sizeof "base_model.model." - 1};
    const char mark[] = {'.', 'l', 'o', 'r', 'a', '_', side, '.', '\0'};
    char full[NAME_BYTES];
    if (kw_str_starts(name, wrapper))
        name = (kw_str){name.data + wrapper.len, name.len - wrapper.len};
    const size_t at = find_text(name, mark);
    const kw_str rest = {name.data + at, name.len - at};
    if (at == name.len || rest.len < 7 || memcmp(rest.data + rest.len - 7, ".weight", 7) != 0)
        return false;
    const int n =
        snprintf(full, sizeof full, "%.*s.weight", (int)KW_MIN(at, (size_t)NAME_BYTES), name.data);
    return n > 0 && (size_t)n < sizeof full &&
           kw_family_gguf_name(r->net->family, (kw_str){full, (size_t)n}, out, NAME_BYTES);
}

static bool split_name(const reader *r, kw_str name, char side, char out[NAME_BYTES])
{
    if (kw_model_file_names_gguf(r->file))
        return split_gguf(name, side == 'A' ? 'a' : 'b', out);
    return split_peft(r, name, side, out);
}

static kw_adapter_pair *pair_of(reader *r, const char *target)
{
    kw_adapter_set *const set = r->set;
    for (size_t i = 0; i < set->n_pairs; i++)
        if (kw_str_is(set->pairs[i].target, target))
            return &set->pairs[i];
    kw_adapter_pair *const pair = &set->pairs[set->n_pairs];
    pair->target = (kw_str){kw_arena_strdup(&set->arena, kw_str_from(target)), strlen(target)};
    if (!pair->target.data)
        return NULL;
    set->n_pairs++;
    return pair;
}

/* Row r of the model's own order is row [r] of the adapter's; NULL: they are in the same order. */
static kw_status row_order(reader *r, const kw_adapter_pair *pair, const kw_tensor_view *b,
                           const int64_t **out)
{
    const bool from_gguf = kw_model_file_names_gguf(r->file),
               to_gguf = kw_model_file_names_gguf(r->net->file);
    const kw_alias *const alias = kw_family_alias_to(r->net->family, pair->target);
    const int64_t rows = b->shape.dim[0], *order = NULL;
    *out = NULL;
    if (from_gguf == to_gguf || !alias)
        return KW_OK;
    KW_TRY(kw_net_row_order(r->net, &r->set->arena, alias, b, &order, r->err));
    if (!order)
        return KW_OK;
    int64_t *const back = kw_arena_array(&r->set->arena, (size_t)rows, sizeof *back);
    if (!back)
        return nomem(r->err);
    for (int64_t i = 0; i < rows; i++)
        back[order[i]] = i;
    *out = to_gguf ? order : back;
    return KW_OK;
}

/* A matrix where it lies, or its numbers as f32 in another order or at an address of their own. */
static kw_status take_matrix(reader *r, const kw_tensor_view *view, const int64_t *order,
                             kw_dtype *dtype, const void **data)
{
    const kw_dtype_traits *const type = kw_dtype_info(view->dtype);
    const size_t rows = (size_t)view->shape.dim[0], cols = (size_t)view->shape.dim[1];
    const size_t align = type->is_float ? type->block_bytes : 1;
    *dtype = view->dtype;
    *data = view->data;
    if (!order && kw_dtype_multiplies(view->dtype) && (uintptr_t)view->data % align == 0)
        return KW_OK;
    const size_t row_bytes = cols / type->block_elems * type->block_bytes;
    float *const copy = kw_arena_array(&r->set->arena, rows * cols, sizeof *copy);
    unsigned char *const row = kw_arena_alloc(&r->set->arena, row_bytes);
    if (!copy || !row)
        return nomem(r->err);
    for (size_t i = 0; i < rows; i++) {
        const size_t from = order ? (size_t)order[i] : i;
        memcpy(row, (const unsigned char *)view->data + from * row_bytes, row_bytes);
        type->decode(copy + i * cols, row, cols);
    }
    *dtype = KW_F32;
    *data = copy;
    return KW_OK;
}

static kw_status check_matrix(const reader *r, const kw_tensor_view *view)
{
    if (view->dtype >= KW_N_DTYPES || !view->data || !kw_dtype_info(view->dtype)->decode)
        return kw_fail(r->err, KW_E_UNSUPPORTED, "%s: \"%.*s\" is of type %s", r->file->path,
                       KW_FMT(view->name), view->type_name);
    if (view->shape.rank != 2 || view->file_rank != 2 || view->shape.dim[0] < 1 ||
        view->shape.dim[1] < 1)
        return kw_fail(r->err, KW_E_FORMAT, "%s: \"%.*s\" is no matrix", r->file->path,
                       KW_FMT(view->name));
    return KW_OK;
}

static kw_status read_tensor(reader *r, const kw_tensor_view *view)
{
    char target[NAME_BYTES];
    const bool is_a = split_name(r, view->name, 'A', target);
    if (!is_a && !split_name(r, view->name, 'B', target))
        return kw_fail(r->err, KW_E_UNSUPPORTED,
                       "%s: \"%.*s\" is no half of a low-rank pair for a weight of a %s model",
                       r->file->path, KW_FMT(view->name), r->net->family->name);
    KW_TRY(check_matrix(r, view));
    kw_adapter_pair *const pair = pair_of(r, target);
    const int64_t *order = NULL;
    if (!pair)
        return nomem(r->err);
    if (is_a ? pair->a != NULL : pair->b != NULL)
        return kw_fail(r->err, KW_E_FORMAT, "%s: \"%.*s\" is there twice", r->file->path,
                       KW_FMT(view->name));
    const int64_t rank = view->shape.dim[is_a ? 0 : 1];
    if (rank > MAX_RANK || (pair->rank != 0 && pair->rank != rank))
        return kw_fail(r->err, KW_E_FORMAT, "%s: \"%.*s\" has rank %lld, needs %lld", r->file->path,
                       KW_FMT(view->name), (long long)rank,
                       (long long)(pair->rank ? pair->rank : MAX_RANK));
    pair->rank = rank;
    if (is_a) {
        pair->k = view->shape.dim[1];
        return take_matrix(r, view, NULL, &pair->a_dtype, &pair->a);
    }
    pair->n = view->shape.dim[0];
    KW_TRY(row_order(r, pair, view, &order));
    return take_matrix(r, view, order, &pair->b_dtype, &pair->b);
}

/* ---- against the model ---- */

/* The pair for a product's weight, NULL: none. */
static const kw_adapter_pair *find_pair(const kw_adapter_set *set, const kw_net *net,
                                        const kw_node *weight)
{
    char name[NAME_BYTES];
    if (weight->op != KW_OP_WEIGHT ||
        !kw_net_gguf_name(net, kw_str_from(weight->name), name, sizeof name))
        return NULL;
    for (size_t i = 0; i < set->n_pairs; i++)
        if (kw_str_is(set->pairs[i].target, name))
            return &set->pairs[i];
    return NULL;
}

/* Rows of the matrix that a weight is, or is a part of. */
static int64_t rows_of(const kw_node *weight)
{
    return weight->weight.whole > 0 ? weight->weight.whole : weight->shape.dim[0];
}

/* Every pair is whole, and some product of the model uses a weight of its shape. */
static kw_status check_targets(const reader *r, const kw_graph *g)
{
    for (size_t i = 0; i < r->set->n_pairs; i++) {
        const kw_adapter_pair *const pair = &r->set->pairs[i];
        bool used = false;
        if (!pair->a || !pair->b)
            return kw_fail(r->err, KW_E_FORMAT, "%s: \"%.*s\" has only one half of its pair",
                           r->file->path, KW_FMT(pair->target));
        for (uint32_t id = 1; id < g->n_nodes; id++) {
            const kw_node *const node = kw_graph_node(g, id);
            if (node->op != KW_OP_MATMUL)
                continue;
            const kw_node *const w = kw_graph_node(g, node->src[1]);
            if (find_pair(r->set, r->net, w) != pair)
                continue;
            used = true;
            const int64_t rows = rows_of(w);
            if (rows != pair->n || w->shape.dim[1] != pair->k)
                return kw_fail(r->err, KW_E_FORMAT,
                               "%s: \"%.*s\" is for [%lld, %lld], the model has [%lld, %lld]",
                               r->file->path, KW_FMT(pair->target), (long long)pair->n,
                               (long long)pair->k, (long long)rows, (long long)w->shape.dim[1]);
        }
        if (!used)
            return kw_fail(r->err, KW_E_UNSUPPORTED,
                           "%s: nothing in the model is multiplied with \"%.*s\"", r->file->path,
                           KW_FMT(pair->target));
    }
    return KW_OK;
}

static kw_status read_all(reader *r)
{
    kw_graph *graph = NULL;
    KW_TRY(read_settings(r));
    r->set->pairs = kw_arena_array(&r->set->arena, r->file->n_tensors, sizeof *r->set->pairs);
    if (!r->set->pairs)
        return nomem(r->err);
    for (size_t i = 0; i < r->file->n_tensors; i++)
        KW_TRY(read_tensor(r, &r->file->tensors[i]));
    if (r->set->n_pairs == 0)
        return kw_fail(r->err, KW_E_FORMAT, "%s: an adapter without tensors", r->file->path);
    for (size_t i = 0; i < r->set->n_pairs; i++) {
        kw_adapter_pair *const pair = &r->set->pairs[i];
        const double rank = (double)KW_MAX(pair->rank, (int64_t)1);
        pair->scale = r->alpha > 0 ? (float)(r->alpha / (r->root ? sqrt(rank) : rank)) : 1.0f;
    }
    const kw_net_part part = kw_net_has(r->net, KW_NET_DECODER) ? KW_NET_DECODER : KW_NET_ENCODER;
    KW_TRY(kw_net_build(r->net, &(kw_net_options){16, KW_F16, part}, &graph, r->err));
    const kw_status status = check_targets(r, graph);
    kw_graph_free(graph);
    return status;
}

kw_status kw_adapter_read(const kw_model_file *file, const kw_net *net, kw_adapter_set **out,
                          kw_error *err)
{
    kw_adapter_set *const set = calloc(1, sizeof *set);
    if (!set)
        return nomem(err);
    reader r = {.file = file, .net = net, .set = set, .err = err};
    const kw_status status = read_all(&r);
    if (status != KW_OK) {
        kw_adapter_free(set);
        return status;
    }
    *out = set;
    return KW_OK;
}

void kw_adapter_free(kw_adapter_set *set)
{
    if (!set)
        return;
    kw_arena_free(&set->arena);
    free(set);
}

/* ---- in a graph ---- */

/* y + s * (x . A^T) . B^T; x [t, k], y [t, n]. Of a weight that is some rows of a fused matrix, the
 * same rows of B count. */
static kw_ref add_pair(kw_graph *g, const kw_adapter_pair *pair, const kw_node *weight, float s,
                       kw_ref x, kw_ref y)
{
    const int64_t n = weight->shape.dim[0];
    size_t row_bytes = 0;
    (void)kw_row_bytes(pair->b_dtype, pair->rank, &row_bytes);
    const void *const rows =
        (const unsigned char *)pair->b + (size_t)weight->weight.first * row_bytes;
    const kw_map_program add_scaled = {
        2, 3, {{KW_MAP_CONST, 0, 0, s}, {KW_MAP_MUL, 1, 2, 0}, {KW_MAP_ADD, 0, 3, 0}}};
    char name[NAME_BYTES + 8];
    (void)snprintf(name, sizeof name, "%.*s.lora_a", KW_FMT(pair->target));
    const kw_ref a = kw_weight_leaf(g, name, pair->a_dtype, SHAPE(pair->rank, pair->k), pair->a);
    (void)snprintf(name, sizeof name, "%.*s.lora_b", KW_FMT(pair->target));
    const kw_ref b = kw_weight_leaf(g, name, pair->b_dtype, SHAPE(n, pair->rank), rows);
    const kw_ref low = kw_matmul(g, x, a); /* [t, rank] */
    return kw_pointwise(g, &add_scaled, (kw_ref[]){y, kw_matmul(g, low, b)}, 2);
}

/* Copies every node, and after a product adds what the shares say of its weight. map: [n_nodes]. */
static void copy_nodes(const kw_net *net, const kw_graph *from, const kw_adapter_share *shares,
                       size_t n_shares, uint32_t *map, kw_graph *to)
{
    for (uint32_t id = 1; id < from->n_nodes && to->error.code == KW_OK; id++) {
        kw_node node = *kw_graph_node(from, id);
        for (int i = 0; i < node.n_src; i++)
            node.src[i] = map[node.src[i]];
        kw_ref value = kw_graph_adopt(to, &node);
        for (size_t i = 0; node.op == KW_OP_MATMUL && value.id && i < n_shares; i++) {
            const kw_node weight = *kw_graph_node(to, node.src[1]); /* before the graph grows */
            const kw_adapter_pair *const pair = find_pair(shares[i].set, net, &weight);
            if (pair)
                value = add_pair(to, pair, &weight, shares[i].scale * pair->scale,
                                 (kw_ref){node.src[0]}, value);
        }
        map[id] = value.id;
    }
    for (uint32_t i = 0; i < from->n_outputs; i++)
        kw_graph_output(to, (kw_ref){map[from->outputs[i]]});
    to->n_states = from->n_states;
    to->n_inputs = from->n_inputs;
}

kw_status kw_adapters_apply(const kw_net *net, const kw_adapter_share *shares, size_t n_shares,
                            kw_graph **graph, kw_error *err)
{
    kw_graph *to = NULL;
    kw_status status;
    uint32_t *const map = calloc((*graph)->n_nodes, sizeof *map);
    if (!map)
        return nomem(err);
    KW_GOTO(status, kw_graph_create((*graph)->bound, &to, err));
    copy_nodes(net, *graph, shares, n_shares, map, to);
    KW_GOTO(status, kw_graph_finish(to, err));
    kw_graph_free(*graph);
    *graph = to;
    free(map);
    return KW_OK;
fail:
    kw_graph_free(to);
    free(map);
    return status;
}
