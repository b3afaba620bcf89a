/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* inspect.c - each arrow of the line from file to programs leaves something to print: this prints
 * it. */
#include "engine/inspect.h"

#include "base/check.h"
#include "engine/engine.h"

#include <string.h>

#define SHOWN_ITEMS 4 /* of an array */

static const char *const stage_names[] = {"file", "config", "graph", "plan"};

bool kw_stage_by_name(const char *name, kw_stage *out)
{
    for (size_t i = 0; i < KW_COUNT(stage_names); i++)
        if (strcmp(stage_names[i], name) == 0) {
            *out = (kw_stage)i;
            return true;
        }
    return false;
}

static void print_value(const kw_value *value, kw_buf *out)
{
    switch (value->kind) {
    case KW_VALUE_BOOL:
        kw_buf_printf(out, "%s", value->b ? "true" : "false");
        break;
    case KW_VALUE_INT:
        kw_buf_printf(out, "%lld", (long long)value->i);
        break;
    case KW_VALUE_FLOAT:
        if (value->f - value->f == 0) /* JSON has no infinity and no nan */
            kw_buf_printf(out, "%.9g", value->f);
        else
            kw_buf_printf(out, "null");
        break;
    case KW_VALUE_STRING:
        kw_buf_json(out, (kw_str){value->s.data, KW_MIN(value->s.len, (size_t)300)});
        break;
    case KW_VALUE_ARRAY:
    case KW_VALUE_NULL:
        kw_buf_printf(out, "null");
        break;
    }
}

static void print_array(const kw_value *array, bool json, kw_buf *out)
{
    kw_buf_printf(out, "%s", json ? "{\"count\":" : "");
    kw_buf_printf(out, "%llu%s", (unsigned long long)array->array.n,
                  json ? ",\"first\":[" : " items [");
    for (uint64_t i = 0; i < array->array.n && i < SHOWN_ITEMS; i++) {
        const kw_value item = kw_value_at(array, i);
        kw_buf_printf(out, "%s", i > 0 ? ", " : "");
        print_value(&item, out);
    }
    kw_buf_printf(out, "%s", json ? "]}" : array->array.n > SHOWN_ITEMS ? ", ...]" : "]");
}

static void print_metas(const kw_model_file *file, bool json, kw_buf *out)
{
    for (size_t i = 0; i < file->n_metas; i++) {
        const kw_meta *meta = &file->metas[i];
        kw_buf_printf(out, "%s", json ? (i > 0 ? ",\n" : "") : "  ");
        if (json)
            kw_buf_json(out, meta->key);
        else
            kw_buf_printf(out, "%.*s", KW_FMT(meta->key));
        kw_buf_printf(out, "%s", json ? ":" : " = ");
        if (meta->value.kind == KW_VALUE_ARRAY)
            print_array(&meta->value, json, out);
        else
            print_value(&meta->value, out);
        kw_buf_printf(out, "%s", json ? "" : "\n");
    }
}

static bool first_of_type(const kw_model_file *file, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (strcmp(file->tensors[j].type_name, file->tensors[i].type_name) == 0)
            return false;
    return true;
}

static void print_types(const kw_model_file *file, bool json, kw_buf *out)
{
    bool first = true;
    for (size_t i = 0; i < file->n_tensors; i++) {
        const char *name = file->tensors[i].type_name;
        size_t n = 0;
        uint64_t bytes = 0;
        if (!first_of_type(file, i))
            continue;
        for (size_t j = i; j < file->n_tensors; j++)
            if (strcmp(file->tensors[j].type_name, name) == 0) {
                n++;
                bytes += file->tensors[j].bytes;
            }
        if (json)
            kw_buf_printf(out, "%s\"%s\":{\"tensors\":%zu,\"bytes\":%llu}", first ? "" : ",", name,
                          n, (unsigned long long)bytes);
        else
            kw_buf_printf(out, "  %-8s %6zu tensors %14llu bytes\n", name, n,
                          (unsigned long long)bytes);
        first = false;
    }
}

static void print_file(const kw_model_file *file, bool json, kw_buf *out)
{
    const char *kind = kw_file_kind_name(file->kind);
    if (json) {
        kw_buf_printf(out, "{\"path\":");
        kw_buf_json(out, kw_str_from(file->path));
        kw_buf_printf(out,
                      ",\"format\":\"%s\",\"version\":%u,\"files\":%d,\"bytes\":%llu,"
                      "\"tensors\":%zu,\"types\":{",
                      kind, (unsigned)file->version, file->n_parts,
                      (unsigned long long)file->total_bytes, file->n_tensors);
        print_types(file, true, out);
        kw_buf_printf(out, "},\"metadata\":{");
        print_metas(file, true, out);
        kw_buf_printf(out, "}}\n");
        return;
    }
    kw_buf_printf(out, "%s: %s", file->path, kind);
    if (file->version > 0)
        kw_buf_printf(out, " version %u", (unsigned)file->version);
    kw_buf_printf(out, ", %d file%s, %llu bytes, %zu tensors\n", file->n_parts,
                  file->n_parts == 1 ? "" : "s", (unsigned long long)file->total_bytes,
                  file->n_tensors);
    print_types(file, false, out);
    kw_buf_printf(out, "metadata (%zu)\n", file->n_metas);
    print_metas(file, false, out);
}

static kw_status print_config(const kw_net *net, bool json, kw_buf *out, kw_error *err)
{
    size_t n_missing;
    kw_buf_printf(out, "%s", json ? "{\"config\":" : "");
    kw_net_print_config(net, json, out);
    kw_buf_printf(out, "%s", json ? "," : "");
    KW_TRY(kw_net_survey(net, json, out, &n_missing, err));
    kw_buf_printf(out, "%s", json ? "}\n" : "");
    return KW_OK;
}

/* The cache that a session has when nothing else is asked. */
static int64_t positions(const kw_net *net)
{
    const int64_t trained = net->family->context(net->config);
    return KW_MIN(trained, (int64_t)KW_DEFAULT_CONTEXT);
}

/* What is printed of one graph. */
typedef kw_status (*print_fn)(kw_engine *engine, const kw_graph *graph, bool json, kw_buf *out,
                              kw_error *err);

static kw_status print_graph(kw_engine *engine, const kw_graph *graph, bool json, kw_buf *out,
                             kw_error *err)
{
    (void)engine;
    (void)err;
    kw_graph_print(graph, json, out);
    return KW_OK;
}

static kw_status print_plans(kw_engine *engine, const kw_graph *graph, bool json, kw_buf *out,
                             kw_error *err)
{
    static const int64_t bounds[][KW_N_EXTENTS] = {{0, 1, 1}, {0, 512, 1}, {0, 64, 64}};
    kw_status status = KW_OK;
    kw_buf_printf(out, "%s", json ? "[" : "");
    for (size_t i = 0; status == KW_OK && i < KW_COUNT(bounds); i++) {
        kw_plan *plan;
        status = kw_plan_create(graph, engine->backend, engine->device, bounds[i], &plan, err);
        if (status != KW_OK)
            break;
        kw_buf_printf(out, "%s", json && i > 0 ? ",\n" : "");
        kw_plan_print(plan, json, out);
        kw_plan_free(plan);
    }
    kw_buf_printf(out, "%s", json ? "]" : "");
    return status;
}

/* The graph of a net; of its encoder and its decoder, under their names, when it has both. */
static kw_status print_parts(kw_engine *engine, const kw_net *net, print_fn print, bool json,
                             kw_buf *out, kw_error *err)
{
    static const struct {
        kw_net_part part;
        const char *name;
    } parts[] = {{KW_NET_ENCODER, "encoder"}, {KW_NET_DECODER, "decoder"}};
    const bool both = kw_net_has(net, KW_NET_ENCODER) && kw_net_has(net, KW_NET_DECODER);
    for (size_t i = 0; i < KW_COUNT(parts); i++) {
        kw_graph *graph;
        if (!kw_net_has(net, parts[i].part))
            continue;
        const kw_net_options options = {positions(net), KW_F16, parts[i].part};
        KW_TRY(kw_net_build(net, &options, &graph, err));
        if (both && json)
            kw_buf_printf(out, "%s\"%s\":", i == 0 ? "{" : ",\n", parts[i].name);
        else if (both)
            kw_buf_printf(out, "%s\n", parts[i].name);
        const kw_status status = print(engine, graph, json, out, err);
        kw_graph_free(graph);
        KW_TRY(status);
    }
    kw_buf_printf(out, "%s%s", both && json ? "}" : "", json ? "\n" : "");
    return KW_OK;
}

static kw_status inspect(kw_engine *engine, kw_model_file *file, const kw_inspection *what,
                         kw_buf *out, kw_error *err)
{
    const bool json = what->json;
    if (what->stage == KW_STAGE_FILE) {
        print_file(file, json, out);
        return KW_OK;
    }
    kw_net *net = NULL;
    KW_TRY(kw_net_open(file, &net, err));
    const print_fn print = what->stage == KW_STAGE_GRAPH ? print_graph : print_plans;
    const kw_status status = what->stage == KW_STAGE_CONFIG
                                 ? print_config(net, json, out, err)
                                 : print_parts(engine, net, print, json, out, err);
    kw_net_close(net);
    return status;
}

/* Closes the file. */
static kw_status inspect_file(kw_engine *engine, kw_model_file *file, const kw_inspection *what,
                              kw_error *err)
{
    kw_buf out = {0};
    kw_status status = inspect(engine, file, what, &out, err);
    if (status == KW_OK)
        status = kw_buf_status(&out, err);
    if (status == KW_OK)
        what->write(what->user, out.data, out.len);
    kw_buf_free(&out);
    kw_model_file_close(file);
    return status;
}

kw_status kw_inspect(kw_engine *engine, const char *path, const kw_inspection *what, kw_error *err)
{
    kw_model_file *file = NULL;
    KW_TRY(kw_model_file_open(path, NULL, &file, err));
    return inspect_file(engine, file, what, err);
}

kw_status kw_inspect_memory(kw_engine *engine, const void *data, size_t len, const char *name,
                            const kw_inspection *what, kw_error *err)
{
    kw_model_file *file = NULL;
    KW_TRY(kw_model_file_from_memory(data, len, name, &file, err));
    return inspect_file(engine, file, what, err);
}
