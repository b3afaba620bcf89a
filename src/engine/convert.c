/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* convert.c - a model as safetensors: everything is decided first, then rows stream through.
 *
 * What Hugging Face's code stores otherwise than GGUF (a transposed matrix, a norm less one) is
 * undone on the whole tensor as f32; all else needs a slab. */
#include "engine/convert.h"

#include "engine/engine.h"
#include "engine/rows.h"
#include "engine/tokenizer_files.h"

#include "base/check.h"
#include "format/safetensors_writer.h"
#include "model/export.h"
#include "os/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 4096

typedef struct item {
    kw_rows rows;
    unsigned flags; /* KW_ALIAS_... */
    kw_quantize_step step;
} item;

typedef struct job {
    kw_engine *engine;
    kw_model_file *file;
    const kw_quantize_config *config;
    kw_net *net; /* NULL: names stay */
    kw_net_export model;
    kw_buf text;   /* config.json, when it is made here */
    kw_dtype type; /* KW_N_DTYPES: as they are */
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

/* ---- decisions ---- */

static kw_status read_type(job *j, kw_error *err)
{
    const char *const name = j->config->type;
    j->type = KW_N_DTYPES;
    if (name && (!kw_dtype_by_name(kw_str_from(name), &j->type) ||
                 !kw_dtype_info(j->type)->is_float || !kw_dtype_info(j->type)->encode))
        return kw_fail(err, KW_E_ARG,
                       "convert: safetensors of type \"%.40s\": f32, f16, bf16 and f64 can be "
                       "written",
                       name);
    return KW_OK;
}

/* The tensors as they are called in the file. */
static kw_status keep_names(job *j, kw_error *err)
{
    const size_t n = j->file->n_tensors;
    j->model.tensors = kw_arena_array(&j->arena, n, sizeof *j->model.tensors);
    if (!j->model.tensors)
        return kw_fail(err, KW_E_NOMEM, "convert: no memory for %zu tensors", n);
    for (size_t i = 0; i < n; i++) {
        const kw_str name = j->file->tensors[i].name;
        j->model.tensors[i] = (kw_export_tensor){
            .name = {kw_arena_strdup(&j->arena, name), name.len}, .view = &j->file->tensors[i]};
        if (!j->model.tensors[i].name.data)
            return kw_fail(err, KW_E_NOMEM, "convert: no memory for a name");
    }
    j->model.n_tensors = n;
    return KW_OK;
}

static kw_status name_tensors(job *j, kw_error *err)
{
    if (!kw_model_file_names_gguf(j->file))
        return keep_names(j, err);
    const bool named = kw_model_file_meta(j->file, KW_STR("general.architecture")) != NULL;
    const kw_status status = named ? kw_net_open_stream(j->file, &j->net, err) : KW_E_UNSUPPORTED;
    if (status == KW_E_UNSUPPORTED) {
        warn(j, "the family of this model is not known here: its tensors keep GGUF's names, and "
                "there is no config.json");
        return keep_names(j, err);
    }
    KW_TRY(status);
    if (kw_model_file_tensor(j->file, KW_STR("rope_freqs.weight")))
        warn(j, "config.json cannot say how this model stretches its rotation: the tensor of "
                "factors is left out");
    return kw_net_export_hf(j->net, &j->arena, &j->model, &j->text, err);
}

static kw_status decide(job *j, size_t i, kw_error *err)
{
    const kw_export_tensor *const from = &j->model.tensors[i];
    item *const it = &j->items[i];
    size_t bytes = 0;
    KW_TRY(kw_rows_of(from->view, from->name, &it->rows, err));
    const kw_dtype_traits *const own = kw_dtype_info(from->view->dtype);
    kw_shape shape = from->view->shape;
    it->flags = from->flags;
    it->rows.order = from->order;
    if (j->type != KW_N_DTYPES && (own->is_float || !own->st_name))
        it->rows.to = j->type;
    else if (!own->st_name)
        it->rows.to = KW_F32;
    if (it->flags & KW_ALIAS_TRANSPOSED && shape.rank == 2)
        shape = SHAPE(shape.dim[1], shape.dim[0]);
    if (!kw_tensor_bytes(it->rows.to, shape, &bytes))
        return kw_fail(err, KW_E_FORMAT, "convert: tensor \"%.*s\" is too large",
                       KW_FMT(from->name));
    it->step = (kw_quantize_step){.index = i,
                                  .n = j->model.n_tensors,
                                  .name = from->name,
                                  .shape = shape,
                                  .from = own->name,
                                  .to = kw_dtype_info(it->rows.to)->name,
                                  .bytes_in = from->view->bytes,
                                  .bytes_out = bytes};
    j->specs[i] = (kw_tensor_spec){from->name.data, it->rows.to, shape};
    j->result.n_quantized += it->rows.to != from->view->dtype;
    j->result.bytes_in += from->view->bytes;
    j->result.bytes_out += bytes;
    return KW_OK;
}

static kw_status decide_all(job *j, kw_error *err)
{
    const size_t n = j->model.n_tensors;
    j->items = kw_arena_array(&j->arena, n, sizeof *j->items);
    j->specs = kw_arena_array(&j->arena, n, sizeof *j->specs);
    if (!j->items || !j->specs)
        return kw_fail(err, KW_E_NOMEM, "convert: no memory for %zu tensors", n);
    for (size_t i = 0; i < n; i++)
        KW_TRY(decide(j, i, err));
    j->result.n_tensors = n;
    j->result.n_dropped = j->model.n_dropped;
    return KW_OK;
}

/* ---- writing ---- */

typedef struct output {
    const job *job;
    const item *item;
    kw_st_writer *writer;
} output;

static kw_status tell(const output *o, double share, kw_error *err)
{
    const kw_quantize_config *const c = o->job->config;
    if (c->progress && !c->progress(c->user, &o->item->step, share))
        return kw_fail(err, KW_E_CANCELLED, "convert: interrupted");
    return KW_OK;
}

/* kw_rows_sink */
static kw_status write_rows(void *user, const void *data, size_t n, double share, kw_error *err)
{
    const output *const o = user;
    KW_TRY(kw_st_write(o->writer, data, n, err));
    return tell(o, share, err);
}

/* values: [rows, cols] into [cols, rows], or less one. */
static void undo(const item *it, const float *values, float *out)
{
    const size_t rows = (size_t)it->rows.n, cols = (size_t)it->rows.cols;
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < cols; c++) {
            const float v = values[r * cols + c];
            if (it->flags & KW_ALIAS_TRANSPOSED)
                out[c * rows + r] = v;
            else
                out[r * cols + c] = v - 1.0f;
        }
    }
}

/* A tensor that is changed as a whole, by way of f32. */
static kw_status write_changed(output *o, kw_error *err)
{
    const item *const it = o->item;
    const size_t n = (size_t)(it->rows.n * it->rows.cols);
    size_t packed = 0;
    (void)kw_row_bytes(it->rows.to, (int64_t)n, &packed);
    float *const values = calloc(2 * n, sizeof *values);
    unsigned char *const bytes = malloc(packed);
    kw_status status = values && bytes ? KW_OK
                                       : kw_fail(err, KW_E_NOMEM, "convert: no memory for \"%.*s\"",
                                                 KW_FMT(it->step.name));
    if (status == KW_OK) {
        status = kw_rows_read(o->job->engine, o->job->file, &o->job->model.tensors[it->step.index],
                              0, it->rows.n, values, err);
    }
    if (status == KW_OK) {
        undo(it, values, values + n);
        kw_dtype_info(it->rows.to)->encode(bytes, values + n, n, NULL);
        status = write_rows(o, bytes, packed, 1.0, err);
    }
    free(values);
    free(bytes);
    return status;
}

static kw_status write_tensors(const job *j, kw_st_writer *writer, kw_error *err)
{
    size_t bytes = 64;
    for (size_t i = 0; i < j->model.n_tensors; i++)
        bytes = KW_MAX(bytes, kw_rows_slab_bytes(&j->items[i].rows));
    unsigned char *const slab = malloc(bytes);
    if (!slab)
        return kw_fail(err, KW_E_NOMEM, "convert: no memory for %zu bytes of rows", bytes);
    kw_status status = KW_OK;
    for (size_t i = 0; status == KW_OK && i < j->model.n_tensors; i++) {
        output o = {j, &j->items[i], writer};
        status = tell(&o, 0.0, err);
        if (status == KW_OK)
            status = o.item->flags ? write_changed(&o, err)
                                   : kw_rows_stream(j->engine, j->file, &o.item->rows, slab,
                                                    write_rows, &o, err);
        kw_rows_release(j->file, o.item->rows.view);
    }
    free(slab);
    return status;
}

static kw_status write_model(const job *j, const char *path, kw_error *err)
{
    kw_st_writer *writer;
    KW_TRY(kw_st_create(path, j->specs, j->model.n_tensors, &writer, err));
    const kw_status status = write_tensors(j, writer, err);
    const kw_status finished = kw_st_finish(writer, status == KW_OK, status == KW_OK ? err : NULL);
    return status == KW_OK ? finished : status;
}

/* What lies beside the weights, then they: a directory without them is no model yet. */
static kw_status write_directory(const job *j, const char *path, kw_error *err)
{
    char full[PATH_BYTES];
    const char *const dir = j->file->dir;
    bool tokenizer = false;
    const int n = snprintf(full, sizeof full, "%s/model.safetensors", path);
    if (n < 0 || (size_t)n >= sizeof full)
        return kw_fail(err, KW_E_LIMIT, "convert: a path of more than %d bytes", PATH_BYTES);
    KW_TRY(kw_dir_make(path, err));
    if (j->text.len > 0)
        KW_TRY(kw_file_put(path, "config.json", (kw_str){j->text.data, j->text.len}, err));
    if (kw_model_file_names_gguf(j->file))
        KW_TRY(kw_tokenizer_files_make(j->file, path, &tokenizer, err));
    else if (dir)
        KW_TRY(kw_tokenizer_files_copy(dir, path, &tokenizer, err));
    if (!tokenizer)
        warn(j, "no tokenizer that can be put beside the weights: give one with --tokenizer where "
                "the model is used");
    return write_model(j, full, err);
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static kw_status run(job *j, const char *path, kw_error *err)
{
    KW_TRY(read_type(j, err));
    KW_TRY(name_tensors(j, err));
    KW_TRY(decide_all(j, err));
    return ends_with(path, ".safetensors") ? write_model(j, path, err)
                                           : write_directory(j, path, err);
}

kw_status kw_convert_safetensors(kw_engine *engine, kw_model_file *file, const char *path,
                                 const kw_quantize_config *config, kw_quantize_result *out,
                                 kw_error *err)
{
    job j = {.engine = engine, .file = file, .config = config};
    const kw_status status = run(&j, path, err);
    if (status == KW_OK)
        *out = j.result;
    kw_net_close(j.net);
    kw_buf_free(&j.text);
    kw_arena_free(&j.arena);
    return status;
}
