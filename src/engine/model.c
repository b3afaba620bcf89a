/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* model.c - loading: file, family, tokenizer, and what a model says of itself. */
#include "engine/engine.h"

#include "engine/ends.h"
#include "engine/onload.h"
#include "model/export.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

void kw_model_config_init(kw_model_config *config)
{
    *config = (kw_model_config){.struct_size = sizeof *config};
}

static kw_str meta_string(const kw_model_file *file, const char *key)
{
    const kw_value *value = kw_model_file_meta(file, kw_str_from(key));
    return value && value->kind == KW_VALUE_STRING ? value->s : (kw_str){NULL, 0};
}

/* The type that holds most bytes: what people call the model's quantisation. */
static const char *main_type(const kw_model_file *file)
{
    uint64_t bytes[KW_N_DTYPES + 1] = {0};
    kw_dtype best = KW_N_DTYPES;
    for (size_t i = 0; i < file->n_tensors; i++) {
        const kw_dtype t = file->tensors[i].dtype;
        bytes[t] += file->tensors[i].bytes;
        if (t < KW_N_DTYPES && (best == KW_N_DTYPES || bytes[t] > bytes[best]))
            best = t;
    }
    return best < KW_N_DTYPES ? kw_dtype_info(best)->name : "?";
}

static void count(kw_model *model)
{
    const kw_model_file *file = model->file;
    for (size_t i = 0; i < file->n_tensors; i++) {
        int64_t n;
        if (kw_shape_count(file->tensors[i].shape, &n))
            model->n_params += (uint64_t)n;
        model->weight_bytes += file->tensors[i].bytes;
    }
}

static kw_status describe(kw_model *model, kw_error *err)
{
    kw_buf text = {0};
    const kw_str name = meta_string(model->file, "general.name");
    count(model);
    const double n = (double)model->n_params;
    const char *unit = n >= 1e9 ? "B" : n >= 1e6 ? "M" : "K";
    const double scaled = n >= 1e9 ? n / 1e9 : n >= 1e6 ? n / 1e6 : n / 1e3;
    kw_buf_printf(&text, "%.*s %.*f%s ", KW_FMT(model->net->arch), n >= 1e6 ? 1 : 0, scaled, unit);
    for (const char *c = main_type(model->file); *c; c++)
        kw_buf_printf(&text, "%c", *c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    KW_TRY(kw_buf_status(&text, err));
    model->description = text.data;
    text = (kw_buf){0};
    if (name.len > 0)
        kw_buf_add(&text, name.data, name.len);
    else
        kw_buf_printf(&text, "%s", model->file->path);
    KW_TRY(kw_buf_status(&text, err));
    model->name = text.data;
    return kw_chat_templates_of(model->file, &model->templates, err);
}

/* What one token is multiplied with, and one row of logits. */
static void count_products(kw_model *model, const kw_graph *graph)
{
    for (uint32_t id = 1; id < graph->n_nodes; id++) {
        const kw_node *node = kw_graph_node(graph, id);
        if (node->op != KW_OP_MATMUL && node->op != KW_OP_EXPERTS)
            continue;
        const kw_node *w = kw_graph_node(graph, node->src[1]);
        const bool output = node->extent[0] == KW_EXTENT_OUTPUTS;
        int64_t n = 0;
        size_t bytes = 0;
        (void)kw_shape_count(w->shape, &n);
        (void)kw_tensor_bytes(w->dtype, w->shape, &bytes);
        if (node->op == KW_OP_EXPERTS) { /* of all experts, those that a token goes to */
            const int64_t used = kw_graph_node(graph, node->src[2])->shape.dim[1] / 2;
            n = n / w->shape.dim[0] * used;
            bytes = bytes / (size_t)w->shape.dim[0] * (size_t)used;
        }
        *(output ? &model->output_params : &model->token_params) += (uint64_t)n;
        *(output ? &model->output_bytes : &model->token_bytes) += bytes;
    }
}

/* Builds and plans one token of a part once, so that every weight was looked up and everything that
 * runs was checked before the first session. */
static kw_status check_part(kw_model *model, kw_net_part part, kw_error *err)
{
    const kw_engine *engine = model->engine;
    kw_graph *graph = NULL;
    kw_plan *plan = NULL;
    const int64_t trained = model->net->family->context(model->net->config);
    KW_TRY(kw_net_build(model->net, &(kw_net_options){KW_MIN(16, trained), KW_F16, part}, &graph,
                        err));
    const kw_node *value = kw_graph_node(graph, graph->outputs[0]);
    if (part == KW_NET_DECODER)
        model->vocab = value->shape.dim[1];
    if (part == KW_NET_DECODER || !kw_net_has(model->net, KW_NET_DECODER))
        count_products(model, graph);
    const kw_status status =
        kw_plan_create(graph, engine->backend, engine->device, graph->bound, &plan, err);
    kw_plan_free(plan);
    kw_graph_free(graph);
    return status;
}

static kw_status check_weights(kw_model *model, kw_error *err)
{
    model->vocab = kw_net_int_field(model->net, "vocab");
    if (kw_net_has(model->net, KW_NET_ENCODER))
        KW_TRY(check_part(model, KW_NET_ENCODER, err));
    return kw_net_has(model->net, KW_NET_DECODER) ? check_part(model, KW_NET_DECODER, err) : KW_OK;
}

void kw_model_close(kw_model *model)
{
    if (!model)
        return;
    kw_engine_release(model->engine, model->reserved_bytes);
    kw_tokenizer_free(model->tokenizer);
    kw_net_close(model->net);
    kw_model_file_close(model->file);
    kw_model_quantize_undo(model);
    if (model->image)
        model->engine->backend->free(model->engine->device, model->image, model->image_bytes);
    free(model->name);
    free(model->description);
    kw_chat_templates_free(&model->templates);
    free(model);
}

/* The tokenizer that the file brings or that the caller prefers, and where its answers end. */
static kw_status open_tokenizer(kw_model *model, const char *path, kw_error *err)
{
    kw_ends ends;
    KW_TRY(kw_engine_tokenizer(model->file, path, &model->engine->log, &model->tokenizer, err));
    if (!model->tokenizer)
        return KW_OK;
    if ((int64_t)kw_tokenizer_size(model->tokenizer) > model->vocab)
        return kw_fail(err, KW_E_FORMAT, "%s: the tokenizer has %zu tokens, the model %lld",
                       model->file->path, kw_tokenizer_size(model->tokenizer),
                       (long long)model->vocab);
    KW_TRY(kw_ends_read(model->file, &ends, err));
    for (size_t i = 0; i < ends.n; i++)
        kw_tokenizer_add_end(model->tokenizer, ends.ids[i]);
    return KW_OK;
}

static kw_arrival ask_file(void *user, const void *data, size_t bytes, uint32_t wait_ms)
{
    const kw_model *const model = user;
    return kw_model_file_ask(model->file, data, bytes, wait_ms);
}

const kw_weight_gate *kw_model_gate(kw_model *model)
{
    const kw_model_file *const file = model->file;
    if (!file->arriving.arrived || atomic_load(&model->all_is_here))
        return NULL;
    if (!kw_model_file_is_whole(file))
        return &model->gate;
    atomic_store(&model->all_is_here, true);
    return NULL;
}

static kw_status load(kw_model *model, const kw_model_config *config, kw_error *err)
{
    kw_engine *engine = model->engine;
    const char *const type = config ? config->type : NULL;
    if (!type) {
        KW_TRY(kw_engine_reserve(engine, model->file->total_bytes, model->file->path, err));
        model->reserved_bytes = model->file->total_bytes;
    }
    const uint64_t copied = kw_net_copied_bytes(model->file);
    KW_TRY(kw_engine_reserve(engine, copied, model->file->path, err));
    model->reserved_bytes += copied;
    KW_TRY(kw_net_open(model->file, &model->net, err));
    if (type) { /* reads it all */
        KW_TRY(kw_model_file_need_all(model->file, err));
        KW_TRY(kw_model_quantize(model, type, err));
    }
    KW_TRY(check_weights(model, err));
    KW_TRY(describe(model, err));
    KW_TRY(open_tokenizer(model, config ? config->tokenizer : NULL, err));
    return KW_OK;
}

/* Takes over the file, also on failure. */
static kw_status from_file(kw_engine *engine, kw_model_file *file, const kw_model_config *config,
                           kw_model **out, kw_error *err)
{
    kw_model *model = calloc(1, sizeof *model);
    if (!model) {
        kw_model_file_close(file);
        return kw_fail(err, KW_E_NOMEM, "model: no memory for a model");
    }
    model->engine = engine;
    model->file = file;
    model->gate = (kw_weight_gate){.ask = ask_file, .user = model};
    const kw_status status = load(model, config, err);
    if (status != KW_OK) {
        kw_model_close(model);
        return status;
    }
    *out = model;
    return KW_OK;
}

static kw_status check_config(const kw_model_config *config, kw_error *err)
{
    if (config && config->struct_size != sizeof *config)
        return kw_fail(err, KW_E_ARG, "model: config of %zu bytes, this library has %zu",
                       config->struct_size, sizeof *config);
    if (config && config->type && config->no_mmap)
        return kw_fail(err, KW_E_ARG,
                       "model: a file that is quantised while loading is mapped, not read whole");
    if (config && config->arrived && config->no_mmap)
        return kw_fail(err, KW_E_ARG,
                       "model: a file that is still being fetched is mapped, not read whole");
    return KW_OK;
}

kw_status kw_model_load(kw_engine *engine, const char *path, const kw_model_config *config,
                        kw_model **out, kw_error *err)
{
    kw_model_file *file;
    KW_TRY(check_config(config, err));
    kw_model_file_options options = {0};
    if (config) {
        options.no_mmap = config->no_mmap;
        options.arriving = (kw_arriving){config->arrived, config->arrived_user};
    }
    KW_TRY(kw_model_file_open(path, &options, &file, err));
    return from_file(engine, file, config, out, err);
}

kw_status kw_model_load_memory(kw_engine *engine, const void *data, size_t len, const char *name,
                               const kw_model_config *config, kw_model **out, kw_error *err)
{
    kw_model_file *file;
    KW_TRY(check_config(config, err));
    KW_TRY(kw_model_file_from_memory(data, len, name, &file, err));
    return from_file(engine, file, config, out, err);
}

const char *kw_model_chat_template(const kw_model *model, const char *name)
{
    const kw_chat_template *found = kw_chat_templates_find(&model->templates, name);
    return found ? found->source : NULL;
}

const char *kw_model_chat_template_name(const kw_model *model, size_t i)
{
    return i < model->templates.n ? model->templates.items[i].name : NULL;
}

void kw_model_get_info(const kw_model *model, kw_model_info *out)
{
    kw_model_info info = {.struct_size = out->struct_size,
                          .name = model->name,
                          .architecture = model->net->family->name,
                          .description = model->description,
                          .n_params = model->n_params,
                          .size_bytes = model->weight_bytes,
                          .vocab = (int)model->vocab,
                          .has_tokenizer = model->tokenizer != NULL,
                          .chat_template = kw_model_chat_template(model, "default"),
                          .token_params = model->token_params,
                          .token_bytes = model->token_bytes,
                          .output_params = model->output_params,
                          .output_bytes = model->output_bytes,
                          .has_encoder = kw_net_has(model->net, KW_NET_ENCODER),
                          .has_decoder = kw_net_has(model->net, KW_NET_DECODER),
                          .decoder_start = -1};
    if (info.has_encoder)
        info.decoder_start = (int)model->net->family->decoder_start(model->net->config);
    const int64_t context = model->net->family->context(model->net->config);
    info.context = (int)KW_MIN(context, (int64_t)INT32_MAX);
    model->net->family->sizes(model->net->config, &info.dim, &info.layers);
    memcpy(out, &info, KW_MIN(out->struct_size, sizeof info));
}

static kw_status need_tokenizer(const kw_model *model, kw_error *err)
{
    if (model->tokenizer)
        return KW_OK;
    return kw_fail(err, KW_E_NOTFOUND,
                   "%s: no tokenizer in the file or beside it (give one with --tokenizer)",
                   model->file->path);
}

kw_status kw_model_tokenize(const kw_model *model, const char *text, size_t len, bool add_special,
                            bool parse_special, int32_t **ids, size_t *n_ids, kw_error *err)
{
    KW_TRY(need_tokenizer(model, err));
    const unsigned flags =
        (add_special ? KW_ENCODE_SPECIAL : 0u) | (parse_special ? KW_ENCODE_PARSE : 0u);
    return kw_tokenizer_encode(model->tokenizer, (kw_str){text, len}, flags, ids, n_ids, err);
}

kw_status kw_model_detokenize(const kw_model *model, const int32_t *ids, size_t n_ids, char **text,
                              size_t *len, kw_error *err)
{
    KW_TRY(need_tokenizer(model, err));
    return kw_tokenizer_decode(model->tokenizer, ids, n_ids, true, text, len, err);
}

kw_status kw_model_bos(const kw_model *model, int *out, kw_error *err)
{
    int32_t *ids = NULL;
    size_t n = 0;
    *out = -1;
    if (!model->tokenizer)
        return KW_OK;
    KW_TRY(kw_tokenizer_encode(model->tokenizer, KW_STR(""), KW_ENCODE_SPECIAL, &ids, &n, err));
    if (n > 0 && ids[0] == kw_tokenizer_bos(model->tokenizer))
        *out = ids[0];
    free(ids);
    return KW_OK;
}
