/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* quantize.c - writes a model with other element types, tensor by tensor.
 *
 * Everything is decided before the first byte is written: what each tensor is called, and its type.
 * Then rows stream through: at most a slab of a tensor, in its new type, is in memory, and one row
 * a worker at full precision. */
#include "engine/quantize.h"

#include "engine/engine.h"
#include "engine/export.h"
#include "engine/recipe.h"
#include "engine/rows.h"

#include "base/check.h"
#include "format/gguf_writer.h"
#include "text/pattern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUANTIZATION_VERSION 2 /* of ggml's blocks */

typedef struct override {
    kw_pattern *pattern; /* owned */
    kw_dtype type;
} override;

typedef struct item {
    const kw_export_tensor *from;
    kw_rows rows;
    kw_quantize_step step;
} item;

typedef struct job {
    kw_engine *engine;
    const kw_model_file *file;
    const kw_quantize_config *config;
    kw_export model;
    const kw_recipe *recipe; /* NULL: base for all */
    kw_recipe_model traits;
    kw_dtype base, output_type, embedding_type; /* KW_N_DTYPES: not given; base: as they are */
    override *overrides;
    size_t n_overrides;
    item *items;
    kw_tensor_spec *specs;
    kw_quantize_result result;
    kw_arena arena;
} job;

static void warn(const job *j, const char *message)
{
    if (j->config->warn)
        j->config->warn(j->config->user, message);
}

/* ---- options ---- */

static kw_status type_by_name(const char *name, kw_dtype *out, kw_error *err)
{
    if (!kw_dtype_by_name(kw_str_from(name), out) || kw_dtype_info(*out)->gguf_id < 0 ||
        !kw_dtype_info(*out)->encode)
        return kw_fail(err, KW_E_ARG, "quantize: \"%.40s\" is no type that can be written", name);
    return KW_OK;
}

static kw_status read_type(job *j, kw_error *err)
{
    const char *const name = j->config->type;
    j->base = KW_N_DTYPES;
    if (!name)
        return KW_OK;
    j->recipe = kw_recipe_find(name);
    if (j->recipe) {
        KW_TRY(kw_recipe_base(j->recipe, &j->base, err));
        return KW_OK;
    }
    if (!j->config->pure)
        return kw_fail(
            err, KW_E_ARG,
            "quantize: \"%.40s\" is no known mixture (Q4_K_M, Q8_0, ...); with --pure any "
            "type will do",
            name);
    return type_by_name(name, &j->base, err);
}

/* "PATTERN=TYPE" */
static kw_status read_override(job *j, const char *text, override *out, kw_error *err)
{
    const char *const equals = strrchr(text, '=');
    if (!equals || equals == text)
        return kw_fail(err, KW_E_ARG, "quantize: \"%.80s\" is not PATTERN=TYPE", text);
    KW_TRY(type_by_name(equals + 1, &out->type, err));
    kw_str pattern = {text, (size_t)(equals - text)};
    KW_TRY(kw_pattern_portable(pattern, &j->arena, &pattern, err));
    return kw_pattern_compile(pattern, &out->pattern, err);
}

static kw_status read_options(job *j, kw_error *err)
{
    const kw_quantize_config *const c = j->config;
    j->output_type = j->embedding_type = KW_N_DTYPES;
    KW_TRY(read_type(j, err));
    if (c->output_type)
        KW_TRY(type_by_name(c->output_type, &j->output_type, err));
    if (c->embedding_type)
        KW_TRY(type_by_name(c->embedding_type, &j->embedding_type, err));
    j->overrides = kw_arena_array(&j->arena, c->n_overrides, sizeof *j->overrides);
    if (!j->overrides)
        return kw_fail(err, KW_E_NOMEM, "quantize: no memory for its options");
    for (size_t i = 0; i < c->n_overrides; i++, j->n_overrides++)
        KW_TRY(read_override(j, c->overrides[i], &j->overrides[i], err));
    return KW_OK;
}

/* ---- decisions ---- */

static kw_status overridden(const job *j, kw_str name, kw_dtype *type, bool *found, kw_error *err)
{
    *found = false;
    for (size_t i = 0; i < j->n_overrides && !*found; i++) {
        kw_matcher *matcher;
        size_t start, end;
        KW_TRY(kw_matcher_begin(j->overrides[i].pattern, name, &matcher, err));
        const kw_status status = kw_matcher_find(matcher, 0, found, &start, &end, err);
        kw_matcher_end(matcher);
        KW_TRY(status);
        if (*found)
            *type = j->overrides[i].type;
    }
    return KW_OK;
}

/* The type that a tensor is wanted in; whether its rows fit is seen later. */
static kw_status wanted_type(const job *j, const item *it, kw_dtype *out, kw_error *err)
{
    const kw_str name = it->from->name;
    const bool embedding = kw_str_is(name, "token_embd.weight");
    const bool head = kw_str_is(name, "output.weight") || (embedding && j->traits.tied_head);
    bool found;
    *out = j->base == KW_N_DTYPES ? it->from->view->dtype : j->base;
    KW_TRY(overridden(j, name, out, &found, err));
    if (found)
        return KW_OK;
    if (embedding && j->embedding_type != KW_N_DTYPES)
        *out = j->embedding_type;
    else if (head && j->output_type != KW_N_DTYPES)
        *out = j->output_type;
    else if (j->recipe && !j->config->pure)
        return kw_recipe_type(j->recipe, &j->traits, name, it->rows.cols, out, err);
    return KW_OK;
}

/* Experts in one tensor have importances each. */
static void find_importance(const job *j, item *it)
{
    const kw_shape shape = it->from->view->shape;
    const int64_t matrices = shape.rank == 3 ? shape.dim[0] : 1;
    if (!j->config->imatrix)
        return;
    it->rows.of_matrix = matrices > 1 ? shape.dim[1] : 0;
    it->rows.importance = kw_imatrix_find(j->config->imatrix, it->from->name,
                                          (size_t)matrices * (size_t)it->rows.cols);
}

/* The type of a tensor, and its importances. Small matrices that no recipe touches (routers, tables
 * of positions and types) are f32 in a file made of another format, as llama.cpp's converter has
 * them: its products round what they multiply to the type of a 16-bit weight. */
static kw_status decide(job *j, item *it, kw_error *err)
{
    const kw_tensor_view *const view = it->from->view;
    const kw_str name = it->from->name;
    const bool is_float = kw_dtype_info(view->dtype)->is_float;
    kw_dtype wanted = view->dtype;
    it->rows.to = wanted;
    if (view->shape.rank < 2) {
        it->rows.to = is_float ? KW_F32 : view->dtype;
        return KW_OK;
    }
    if (!kw_recipe_quantizes(name, view->file_rank)) {
        it->rows.to = is_float && j->model.net ? KW_F32 : view->dtype;
        return KW_OK;
    }
    if (j->config->leave_output && kw_str_is(name, "output.weight"))
        return KW_OK;
    KW_TRY(wanted_type(j, it, &wanted, err));
    if (wanted == view->dtype)
        return KW_OK;
    KW_TRY(kw_recipe_fit(wanted, it->rows.cols, &it->rows.to, err));
    if (it->rows.to == view->dtype)
        return KW_OK;
    if (!is_float && !j->config->allow_requantize)
        return kw_fail(err, KW_E_ARG,
                       "quantize: tensor \"%.*s\" is %s already, and again as %s would lose more "
                       "(--allow-requantize does it)",
                       KW_FMT(name), kw_dtype_info(view->dtype)->name,
                       kw_dtype_info(it->rows.to)->name);
    if (it->rows.to != wanted) {
        it->step.wanted = kw_dtype_info(wanted)->name;
        j->result.n_fallback++;
    }
    find_importance(j, it);
    it->step.importance = it->rows.importance != NULL;
    it->step.coarse = !it->rows.importance && kw_recipe_wants_imatrix(it->rows.to, name);
    j->result.n_quantized++;
    return KW_OK;
}

static kw_status decide_item(job *j, size_t i, kw_error *err)
{
    item *const it = &j->items[i];
    const kw_tensor_view *const view = j->model.tensors[i].view;
    size_t bytes = 0;
    it->from = &j->model.tensors[i];
    KW_TRY(kw_rows_of(view, it->from->name, &it->rows, err));
    it->rows.order = it->from->order;
    KW_TRY(decide(j, it, err));
    if (!kw_tensor_bytes(it->rows.to, view->shape, &bytes))
        return kw_fail(
            err, KW_E_ARG, "quantize: tensor \"%.*s\": rows of %lld are no whole %s blocks",
            KW_FMT(it->from->name), (long long)it->rows.cols, kw_dtype_info(it->rows.to)->name);
    it->step.index = i;
    it->step.n = j->model.n_tensors;
    it->step.name = it->from->name;
    it->step.shape = view->shape;
    it->step.from = kw_dtype_info(view->dtype)->name;
    it->step.to = kw_dtype_info(it->rows.to)->name;
    it->step.bytes_in = view->bytes;
    it->step.bytes_out = bytes;
    j->result.bytes_in += view->bytes;
    j->result.bytes_out += bytes;
    j->specs[i] = (kw_tensor_spec){it->from->name.data, it->rows.to, view->shape};
    return KW_OK;
}

static int64_t meta_int(const job *j, const char *suffix)
{
    kw_value value;
    int64_t found = 0;
    if (kw_export_value(&j->model, suffix, &value) && value.kind == KW_VALUE_INT)
        found = value.i;
    return KW_MIN(KW_MAX(found, 0), (int64_t)INT32_MAX);
}

static void read_traits(job *j)
{
    j->traits = (kw_recipe_model){.layers = (int)meta_int(j, ".block_count"),
                                  .heads = (int)meta_int(j, ".attention.head_count"),
                                  .kv_heads = (int)meta_int(j, ".attention.head_count_kv"),
                                  .tied_head = true,
                                  .has_imatrix = j->config->imatrix != NULL};
    if (j->traits.kv_heads == 0)
        j->traits.kv_heads = j->traits.heads;
    for (size_t i = 0; i < j->model.n_tensors; i++)
        if (kw_str_is(j->model.tensors[i].name, "output.weight"))
            j->traits.tied_head = false;
}

static kw_status decide_all(job *j, kw_error *err)
{
    const size_t n = j->model.n_tensors;
    j->items = kw_arena_array(&j->arena, n, sizeof *j->items);
    j->specs = kw_arena_array(&j->arena, n, sizeof *j->specs);
    if (!j->items || !j->specs)
        return kw_fail(err, KW_E_NOMEM, "quantize: no memory for %zu tensors", n);
    read_traits(j);
    for (size_t i = 0; i < n; i++)
        KW_TRY(decide_item(j, i, err));
    j->result.n_tensors = n;
    j->result.n_dropped = j->model.n_dropped;
    return KW_OK;
}

/* ---- metadata ---- */

/* Keys that the output has its own values of. */
static bool replaced(const job *j, kw_str key)
{
    return (kw_str_is(key, "general.file_type") && j->config->type) ||
           kw_str_is(key, "general.quantization_version") ||
           kw_str_starts(key, KW_STR("quantize.imatrix.")) || kw_str_starts(key, KW_STR("split."));
}

/* What a model of floats is called when its types are kept and it does not say; NULL: it says, or
 * nothing fits. */
static const kw_recipe *kept_recipe(const job *j)
{
    uint64_t bytes[KW_N_DTYPES] = {0};
    kw_dtype most = KW_F32;
    for (size_t i = 0; i < j->model.n_metas; i++)
        if (kw_str_is(j->model.metas[i].key, "general.file_type"))
            return NULL;
    for (size_t i = 0; i < j->model.n_tensors && !j->config->type; i++) {
        const kw_dtype to = j->items[i].rows.to;
        bytes[to] += j->items[i].step.bytes_out;
        most = bytes[to] > bytes[most] ? to : most;
    }
    const kw_recipe *const recipe = kw_recipe_find(kw_dtype_info(most)->name);
    return j->config->type || !kw_dtype_info(most)->is_float ? NULL : recipe;
}

static kw_status collect_metas(job *j, kw_meta **out, size_t *n_out, kw_error *err)
{
    const kw_imatrix *const im = j->config->imatrix;
    kw_meta *const metas = kw_arena_array(&j->arena, j->model.n_metas + 6, sizeof *metas);
    size_t n = 0;
    if (!metas)
        return kw_fail(err, KW_E_NOMEM, "quantize: no memory for the metadata");
    for (size_t i = 0; i < j->model.n_metas; i++)
        if (!replaced(j, j->model.metas[i].key))
            metas[n++] = j->model.metas[i];
    const kw_recipe *const recipe = j->recipe ? j->recipe : kept_recipe(j);
    if (recipe)
        metas[n++] =
            (kw_meta){KW_STR("general.file_type"), kw_gguf_u32(kw_recipe_file_type(recipe))};
    metas[n++] =
        (kw_meta){KW_STR("general.quantization_version"), kw_gguf_u32(QUANTIZATION_VERSION)};
    if (im) {
        metas[n++] =
            (kw_meta){KW_STR("quantize.imatrix.file"), kw_gguf_string(kw_str_from(im->path))};
        metas[n++] = (kw_meta){KW_STR("quantize.imatrix.dataset"),
                               kw_gguf_string(im->dataset.data ? im->dataset : KW_STR(""))};
        metas[n++] = (kw_meta){KW_STR("quantize.imatrix.entries_count"),
                               kw_gguf_int(KW_GGUF_I32, (int64_t)im->n_entries)};
        metas[n++] = (kw_meta){KW_STR("quantize.imatrix.chunks_count"),
                               kw_gguf_int(KW_GGUF_I32, (int64_t)im->n_chunks)};
    }
    *out = metas;
    *n_out = n;
    return KW_OK;
}

/* ---- writing ---- */

static kw_status tell(const job *j, const item *it, double share, kw_error *err)
{
    if (j->config->progress && !j->config->progress(j->config->user, &it->step, share))
        return kw_fail(err, KW_E_CANCELLED, "quantize: interrupted");
    return KW_OK;
}

typedef struct output {
    const job *job;
    const item *item;
    kw_gguf_writer *writer;
} output;

/* kw_rows_sink */
static kw_status write_rows(void *user, const void *data, size_t n, double share, kw_error *err)
{
    const output *const o = user;
    KW_TRY(kw_gguf_write(o->writer, data, n, err));
    return tell(o->job, o->item, share, err);
}

/* The rows of a tensor, or of each of the parts that it is made of. */
static kw_status write_parts(const job *j, output *o, void *slab, kw_error *err)
{
    const kw_export_tensor *const from = o->item->from;
    kw_rows rows = o->item->rows;
    kw_status status = KW_OK;
    rows.n /= from->parts ? (int64_t)from->n_parts : 1;
    for (size_t i = 0; status == KW_OK && i < KW_MAX(from->n_parts, (size_t)1); i++) {
        rows.view = from->parts ? from->parts[i] : from->view;
        if (from->parts && rows.importance)
            rows.importance = o->item->rows.importance + i * (size_t)rows.cols;
        status = kw_rows_stream(j->engine, j->file, &rows, slab, write_rows, o, err);
        kw_rows_release(j->file, rows.view);
    }
    return status;
}

static kw_status write_tensors(const job *j, kw_gguf_writer *writer, kw_error *err)
{
    size_t bytes = 64;
    for (size_t i = 0; i < j->model.n_tensors; i++)
        bytes = KW_MAX(bytes, kw_rows_slab_bytes(&j->items[i].rows));
    unsigned char *const slab = malloc(bytes);
    if (!slab)
        return kw_fail(err, KW_E_NOMEM, "quantize: no memory for %zu bytes of rows", bytes);
    kw_status status = KW_OK;
    for (size_t i = 0; status == KW_OK && i < j->model.n_tensors; i++) {
        output o = {j, &j->items[i], writer};
        status = tell(j, o.item, 0.0, err);
        if (status == KW_OK)
            status = write_parts(j, &o, slab, err);
    }
    free(slab);
    return status;
}

static kw_status write_file(job *j, const char *path, kw_error *err)
{
    kw_meta *metas;
    size_t n_metas;
    kw_gguf_writer *writer;
    KW_TRY(collect_metas(j, &metas, &n_metas, err));
    KW_TRY(kw_gguf_create(path, metas, n_metas, j->specs, j->model.n_tensors, &writer, err));
    const kw_status status = write_tensors(j, writer, err);
    const kw_status finished =
        kw_gguf_finish(writer, status == KW_OK, status == KW_OK ? err : NULL);
    return status == KW_OK ? finished : status;
}

static kw_status report_only(const job *j, kw_error *err)
{
    for (size_t i = 0; i < j->model.n_tensors; i++)
        KW_TRY(tell(j, &j->items[i], 1.0, err));
    return KW_OK;
}

static kw_status run(job *j, kw_model_file *file, const char *path, kw_error *err)
{
    KW_TRY(read_options(j, err));
    KW_TRY(kw_export_open(&j->model, file, err));
    if (j->model.warning[0])
        warn(j, j->model.warning);
    KW_TRY(decide_all(j, err));
    return j->config->dry_run ? report_only(j, err) : write_file(j, path, err);
}

kw_status kw_quantize(kw_engine *engine, kw_model_file *file, const char *path,
                      const kw_quantize_config *config, kw_quantize_result *out, kw_error *err)
{
    job j = {.engine = engine, .file = file, .config = config};
    const kw_status status = run(&j, file, path, err);
    if (status == KW_OK)
        *out = j.result;
    for (size_t i = 0; i < j.n_overrides; i++)
        kw_pattern_free(j.overrides[i].pattern);
    kw_export_close(&j.model);
    kw_arena_free(&j.arena);
    return status;
}
