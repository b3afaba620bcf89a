/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* onload.c - float weights that become smaller ones while a model is loaded.
 *
 * The tensor directory of the file is changed: a matrix that was quantised points into memory of
 * the device. Its pages of the file are given back before the next one is read, so that no more
 * than one is held at full precision. */
#include "engine/onload.h"

#include "engine/recipe.h"
#include "model/export.h"

#include "base/check.h"

#include <stdlib.h>

#define NAME_BYTES 160

static kw_status reserve(kw_model *model, uint64_t bytes, kw_error *err)
{
    KW_TRY(kw_engine_reserve(model->engine, bytes, model->file->path, err));
    model->reserved_bytes += bytes;
    return KW_OK;
}

static void give_back(kw_model *model, uint64_t bytes)
{
    kw_engine_release(model->engine, bytes);
    model->reserved_bytes -= bytes;
}

static void read_traits(const kw_model *model, kw_recipe_model *out)
{
    int dim, layers;
    char name[NAME_BYTES];
    model->net->family->sizes(model->net->config, &dim, &layers);
    *out = (kw_recipe_model){.layers = layers,
                             .heads = (int)kw_net_int_field(model->net, "heads"),
                             .kv_heads = (int)kw_net_int_field(model->net, "kv_heads"),
                             .tied_head = true};
    for (size_t i = 0; i < model->file->n_tensors; i++)
        if (kw_net_gguf_name(model->net, model->file->tensors[i].name, name, sizeof name) &&
            kw_str_is(kw_str_from(name), "output.weight"))
            out->tied_head = false;
}

/* Whether a tensor is quantised, and to what. */
static kw_status choose(const kw_model *model, const kw_recipe *recipe,
                        const kw_recipe_model *traits, const kw_tensor_view *view, kw_dtype *out,
                        kw_error *err)
{
    char text[NAME_BYTES];
    const int rank = view->shape.rank; /* 3: the experts of a layer in one tensor */
    *out = view->dtype;
    if (view->dtype >= KW_N_DTYPES || !view->data || !kw_dtype_info(view->dtype)->is_float ||
        rank < 2 || rank > 3 || !kw_net_gguf_name(model->net, view->name, text, sizeof text))
        return KW_OK;
    const kw_str name = kw_str_from(text);
    const int64_t cols = view->shape.dim[rank - 1];
    kw_dtype wanted;
    if (!kw_recipe_quantizes(name, view->file_rank))
        return KW_OK;
    KW_TRY(kw_recipe_type(recipe, traits, name, cols, &wanted, err));
    KW_TRY(kw_recipe_fit(wanted, cols, &wanted, err));
    size_t bytes = 0;
    if (kw_tensor_bytes(wanted, view->shape, &bytes) && bytes < view->bytes)
        *out = wanted;
    return KW_OK;
}

static kw_status convert(kw_model *model, kw_tensor_view *view, kw_dtype to, kw_error *err)
{
    kw_engine *const engine = model->engine;
    const int rank = view->shape.rank;
    const int64_t experts = rank > 2 ? view->shape.dim[0] : 1;
    size_t bytes = 0;
    (void)kw_tensor_bytes(to, view->shape, &bytes);
    KW_TRY(reserve(model, bytes, err));
    KW_TRY(reserve(model, view->bytes, err)); /* while it is read */
    void *const data = engine->backend->alloc(engine->device, bytes);
    if (!data)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for %zu bytes of \"%.*s\"", bytes,
                       KW_FMT(view->name));
    model->quantized[model->n_quantized++] = (kw_owned_weight){data, bytes};
    KW_TRY(engine->backend->convert(engine->device,
                                    &(kw_conversion){.from = view->dtype,
                                                     .to = to,
                                                     .src = view->data,
                                                     .dst = data,
                                                     .rows = experts * view->shape.dim[rank - 2],
                                                     .cols = view->shape.dim[rank - 1]},
                                    err));
    const kw_model_part *const part = &model->file->parts[view->part];
    if (part->owned) /* a caller's memory is not ours to empty */
        kw_map_release(&part->map, (size_t)view->offset, (size_t)view->bytes);
    give_back(model, view->bytes);
    view->data = data;
    view->dtype = to;
    view->bytes = bytes;
    return KW_OK;
}

kw_status kw_model_quantize(kw_model *model, const char *type, kw_error *err)
{
    const kw_recipe *const recipe = kw_recipe_find(type);
    kw_model_file *const file = model->file;
    kw_recipe_model traits;
    if (!recipe)
        return kw_fail(err, KW_E_ARG, "model: \"%.40s\" is no known mixture (Q4_K_M, Q8_0, ...)",
                       type);
    read_traits(model, &traits);
    model->quantized = calloc(KW_MAX(file->n_tensors, (size_t)1), sizeof *model->quantized);
    if (!model->quantized)
        return kw_fail(err, KW_E_NOMEM, "model: no memory for %zu tensors", file->n_tensors);
    for (size_t i = 0; i < file->n_tensors; i++) {
        kw_tensor_view *const view = &file->tensors[i];
        kw_dtype to;
        KW_TRY(choose(model, recipe, &traits, view, &to, err));
        if (to == view->dtype)
            KW_TRY(reserve(model, view->bytes, err));
        else
            KW_TRY(convert(model, view, to, err));
    }
    return KW_OK;
}

void kw_model_quantize_undo(kw_model *model)
{
    for (size_t i = 0; i < model->n_quantized; i++)
        model->engine->backend->free(model->engine->device, model->quantized[i].data,
                                     model->quantized[i].bytes);
    free(model->quantized);
}
