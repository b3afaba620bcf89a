/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* merge.c - several models of one shape become one, tensor by tensor.
 *
 * Rows of all models stream through as f32, a slab at a time, are combined in f64 and written in
 * their type: memory is needed for a slab of each, not for the models. Slerp looks at a tensor
 * twice: the angle between the two is that of the whole tensor.
 * Sources: Shoemake 1985, "Animating rotation with quaternion curves" (slerp); Ilharco et al. 2022,
 * arXiv:2212.04089 (task arithmetic); Wortsman et al. 2022, arXiv:2203.05482 (averages). */
#include "engine/merge.h"

#include "engine/engine.h"
#include "engine/export.h"
#include "engine/recipe.h"
#include "engine/rows.h"

#include "base/check.h"
#include "format/gguf_writer.h"
#include "format/name_index.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLAB_ELEMS ((int64_t)1 << 20)
#define MAX_MODELS 64
#define PARALLEL 0.9995 /* cosine from which the arc is a line */

typedef struct source {
    const kw_model_file *file;
    kw_export model;
    kw_name_index index;            /* of its tensors */
    const kw_export_tensor *tensor; /* of the tensor at hand */
    double factor;                  /* what its numbers are multiplied with */
    float *rows;                    /* [SLAB_ELEMS or one row] */
} source;

typedef struct job {
    kw_engine *engine;
    const kw_merge_config *config;
    source *sources; /* [n], the base last when there is one */
    size_t n;
    kw_tensor_spec *specs;
    double *sum; /* [slab] */
    float *out;  /* [slab] */
    unsigned char *packed;
    int64_t slab; /* elements */
    kw_arena arena;
} job;

/* ---- what is merged ---- */

static const char *path_of(const job *j, size_t i)
{
    return i < j->config->n_models ? j->config->models[i]->path : j->config->base->path;
}

static bool readable(const kw_tensor_view *view)
{
    int64_t count;
    return view->dtype < KW_N_DTYPES && (view->data || view->packed) &&
           kw_dtype_info(view->dtype)->decode && kw_shape_count(view->shape, &count) && count > 0;
}

/* Every model has this tensor in the first one's shape. */
static kw_status find_everywhere(job *j, const kw_export_tensor *first, kw_error *err)
{
    for (size_t i = 0; i < j->n; i++) {
        const size_t at = kw_name_index_find(&j->sources[i].index, first->name);
        char want[64], have[64];
        if (at == KW_NOT_FOUND)
            return kw_fail(err, KW_E_FORMAT, "merge: %s has no tensor \"%.*s\"", path_of(j, i),
                           KW_FMT(first->name));
        const kw_export_tensor *const t = &j->sources[i].model.tensors[at];
        if (!kw_shape_eq(t->view->shape, first->view->shape))
            return kw_fail(err, KW_E_FORMAT, "merge: \"%.*s\" is %s in %s and %s in %s",
                           KW_FMT(first->name), kw_shape_print(t->view->shape, have, sizeof have),
                           path_of(j, i), kw_shape_print(first->view->shape, want, sizeof want),
                           path_of(j, 0));
        if (!readable(t->view))
            return kw_fail(err, KW_E_UNSUPPORTED, "merge: \"%.*s\" is empty or of type %s in %s",
                           KW_FMT(first->name), t->view->type_name ? t->view->type_name : "?",
                           path_of(j, i));
        j->sources[i].tensor = t;
    }
    return KW_OK;
}

static kw_status choose_type(const job *j, const kw_export_tensor *t, kw_dtype *out, kw_error *err)
{
    const kw_tensor_view *const view = t->view;
    const int rank = view->shape.rank;
    *out = view->dtype;
    if (rank < 2)
        *out = KW_F32;
    else if (j->config->type && kw_recipe_quantizes(t->name, view->file_rank)) {
        kw_dtype wanted;
        if (!kw_dtype_by_name(kw_str_from(j->config->type), &wanted) ||
            kw_dtype_info(wanted)->gguf_id < 0)
            return kw_fail(err, KW_E_ARG, "merge: \"%.40s\" is no type that can be written",
                           j->config->type);
        KW_TRY(kw_recipe_fit(wanted, view->shape.dim[rank - 1], out, err));
    }
    if (!kw_dtype_info(*out)->encode)
        return kw_fail(err, KW_E_UNSUPPORTED,
                       "merge: \"%.*s\" is of type %s, which cannot be written (--type names one)",
                       KW_FMT(t->name), kw_dtype_info(*out)->name);
    return KW_OK;
}

static kw_status decide(job *j, kw_error *err)
{
    const kw_export *const first = &j->sources[0].model;
    int64_t longest = 1;
    j->specs = kw_arena_array(&j->arena, first->n_tensors, sizeof *j->specs);
    if (!j->specs)
        return kw_fail(err, KW_E_NOMEM, "merge: no memory for %zu tensors", first->n_tensors);
    for (size_t i = 1; i < j->n; i++)
        if (j->sources[i].model.n_tensors != first->n_tensors)
            return kw_fail(err, KW_E_FORMAT, "merge: %s has %zu tensors, %s has %zu", path_of(j, i),
                           j->sources[i].model.n_tensors, path_of(j, 0), first->n_tensors);
    for (size_t i = 0; i < first->n_tensors; i++) {
        const kw_export_tensor *const t = &first->tensors[i];
        kw_dtype type;
        KW_TRY(find_everywhere(j, t, err));
        KW_TRY(choose_type(j, t, &type, err));
        j->specs[i] = (kw_tensor_spec){t->name.data, type, t->view->shape};
        if (t->view->shape.rank >= 2)
            longest = KW_MAX(longest, t->view->shape.dim[t->view->shape.rank - 1]);
    }
    j->slab = KW_MAX(SLAB_ELEMS, longest);
    return KW_OK;
}

static kw_status make_room(job *j, kw_error *err)
{
    const size_t n = (size_t)j->slab;
    bool whole = true;
    for (size_t i = 0; i < j->n; i++) {
        j->sources[i].rows = kw_arena_array(&j->arena, n, sizeof(float));
        whole = whole && j->sources[i].rows;
    }
    j->sum = kw_arena_array(&j->arena, n, sizeof *j->sum);
    j->out = kw_arena_array(&j->arena, n, sizeof *j->out);
    j->packed = kw_arena_array(&j->arena, n, sizeof(double));
    if (!whole || !j->sum || !j->out || !j->packed)
        return kw_fail(err, KW_E_NOMEM, "merge: no memory for rows of %zu models", j->n);
    return KW_OK;
}

/* ---- numbers ---- */

/* Rows [first, first + n) of the tensor at hand, of one model. */
static kw_status read_rows(const job *j, const source *s, int64_t first, int64_t n, kw_error *err)
{
    return kw_rows_read(j->engine, s->file, s->tensor, first, n, s->rows, err);
}

/* Gives the pages of the tensor at hand back, of every model. */
static void release(const job *j)
{
    for (size_t i = 0; i < j->n; i++) {
        const kw_merge_config *const c = j->config;
        const kw_model_file *const file = i < c->n_models ? c->models[i] : c->base;
        const kw_export_tensor *const t = j->sources[i].tensor;
        for (size_t p = 0; p < t->n_parts; p++)
            kw_rows_release(file, t->parts[p]);
        if (!t->parts)
            kw_rows_release(file, t->view);
    }
}

/* Rows and columns of a tensor, and the rows of a slab. */
typedef struct extent {
    int64_t rows, cols, step;
} extent;

static extent extent_of(const job *j, const kw_tensor_view *view)
{
    int64_t count = 0;
    (void)kw_shape_count(view->shape, &count);
    const int64_t cols = view->shape.rank < 2 ? 1 : view->shape.dim[view->shape.rank - 1];
    return (extent){count / cols, cols, KW_MAX(j->slab / cols, 1)};
}

/* The factors of slerp for one tensor, from the angle between its two forms. */
static kw_status read_angle(job *j, const extent *e, kw_error *err)
{
    source *const a = &j->sources[0], *const b = &j->sources[1];
    const double t = j->config->weights[1];
    double aa = 0, bb = 0, ab = 0;
    for (int64_t r = 0; r < e->rows; r += e->step) {
        const int64_t n = KW_MIN(e->step, e->rows - r);
        KW_TRY(read_rows(j, a, r, n, err));
        KW_TRY(read_rows(j, b, r, n, err));
        for (int64_t i = 0; i < n * e->cols; i++) {
            const double x = (double)a->rows[i], y = (double)b->rows[i];
            aa += x * x;
            bb += y * y;
            ab += x * y;
        }
    }
    const double cosine = aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 1.0;
    a->factor = 1.0 - t;
    b->factor = t;
    if (fabs(cosine) < PARALLEL) {
        const double angle = acos(cosine);
        a->factor = sin((1.0 - t) * angle) / sin(angle);
        b->factor = sin(t * angle) / sin(angle);
    }
    return KW_OK;
}

/* Factors of every tensor but slerp's: all methods are weighted sums. */
static void set_factors(job *j)
{
    const kw_merge_config *const c = j->config;
    double total = 0;
    for (size_t i = 0; i < c->n_models; i++)
        total += c->weights[i];
    for (size_t i = 0; i < c->n_models; i++)
        j->sources[i].factor = c->method == KW_MERGE_LINEAR ? c->weights[i] / total : c->weights[i];
    if (c->method == KW_MERGE_TASK)
        j->sources[c->n_models].factor = 1.0 - total;
}

static void combine(const job *j, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        j->sum[i] = 0.0;
    for (size_t s = 0; s < j->n; s++)
        for (int64_t i = 0; i < n; i++)
            j->sum[i] += j->sources[s].factor * (double)j->sources[s].rows[i];
    for (int64_t i = 0; i < n; i++)
        j->out[i] = (float)j->sum[i];
}

static kw_status write_tensor(job *j, size_t index, kw_gguf_writer *writer, kw_error *err)
{
    const kw_tensor_spec *const spec = &j->specs[index];
    const kw_export_tensor *const first = &j->sources[0].model.tensors[index];
    const extent e = extent_of(j, first->view);
    size_t to_bytes = 0;
    (void)kw_row_bytes(spec->dtype, e.cols, &to_bytes);
    KW_TRY(find_everywhere(j, first, err));
    if (j->config->method == KW_MERGE_SLERP)
        KW_TRY(read_angle(j, &e, err));
    for (int64_t r = 0; r < e.rows; r += e.step) {
        const int64_t n = KW_MIN(e.step, e.rows - r);
        for (size_t s = 0; s < j->n; s++)
            KW_TRY(read_rows(j, &j->sources[s], r, n, err));
        combine(j, n * e.cols);
        const kw_conversion pack = {.from = KW_F32,
                                    .to = spec->dtype,
                                    .src = j->out,
                                    .dst = j->packed,
                                    .rows = n,
                                    .cols = e.cols};
        KW_TRY(j->engine->backend->convert(j->engine->device, &pack, err));
        KW_TRY(kw_gguf_write(writer, j->packed, (size_t)n * to_bytes, err));
    }
    release(j);
    return KW_OK;
}

/* ---- the whole ---- */

static kw_status write_tensors(job *j, kw_gguf_writer *writer, kw_error *err)
{
    const kw_export *const first = &j->sources[0].model;
    for (size_t i = 0; i < first->n_tensors; i++) {
        const kw_merge_step step = {i, first->n_tensors, first->tensors[i].name,
                                    kw_dtype_info(j->specs[i].dtype)->name};
        if (j->config->progress && !j->config->progress(j->config->user, &step))
            return kw_fail(err, KW_E_CANCELLED, "merge: interrupted");
        KW_TRY(write_tensor(j, i, writer, err));
    }
    return KW_OK;
}

/* The first model's, without what described its file. */
static kw_status write_file(job *j, const char *path, kw_error *err)
{
    const kw_export *const first = &j->sources[0].model;
    kw_gguf_writer *writer;
    kw_meta *const metas = kw_arena_array(&j->arena, first->n_metas, sizeof *metas);
    size_t n = 0;
    if (!metas)
        return kw_fail(err, KW_E_NOMEM, "merge: no memory for the metadata");
    for (size_t i = 0; i < first->n_metas; i++) {
        const kw_str key = first->metas[i].key;
        const bool drop = kw_str_starts(key, KW_STR("split.")) ||
                          kw_str_starts(key, KW_STR("quantize.imatrix.")) ||
                          (j->config->type && kw_str_is(key, "general.file_type"));
        if (!drop)
            metas[n++] = first->metas[i];
    }
    KW_TRY(kw_gguf_create(path, metas, n, j->specs, first->n_tensors, &writer, err));
    const kw_status status = write_tensors(j, writer, err);
    const kw_status finished =
        kw_gguf_finish(writer, status == KW_OK, status == KW_OK ? err : NULL);
    return status == KW_OK ? finished : status;
}

static kw_status check_config(const kw_merge_config *c, kw_error *err)
{
    double total = 0;
    if (c->n_models < 2 - (size_t)(c->method == KW_MERGE_TASK) || c->n_models > MAX_MODELS)
        return kw_fail(err, KW_E_ARG, "merge: %zu models, must be 2 to %d", c->n_models,
                       MAX_MODELS);
    if (c->method == KW_MERGE_SLERP && c->n_models != 2)
        return kw_fail(err, KW_E_ARG, "merge: slerp is between 2 models, not %zu", c->n_models);
    if ((c->method == KW_MERGE_TASK) != (c->base != NULL))
        return kw_fail(err, KW_E_ARG, "merge: task arithmetic, and it alone, takes a base");
    for (size_t i = 0; i < c->n_models; i++) {
        if (!(fabs(c->weights[i]) <= 1e6))
            return kw_fail(err, KW_E_ARG, "merge: weight %zu is %g, must be within 1e6", i + 1,
                           c->weights[i]);
        total += c->weights[i];
    }
    if (c->method == KW_MERGE_LINEAR && !(fabs(total) > 1e-9))
        return kw_fail(err, KW_E_ARG, "merge: the weights add up to nothing");
    if (c->method == KW_MERGE_SLERP && !(c->weights[1] >= 0 && c->weights[1] <= 1))
        return kw_fail(err, KW_E_ARG, "merge: slerp goes 0 to 1 of the way, not %g", c->weights[1]);
    return KW_OK;
}

static kw_status run(job *j, const char *path, kw_error *err)
{
    const kw_merge_config *const c = j->config;
    KW_TRY(check_config(c, err));
    j->sources = kw_arena_array(&j->arena, c->n_models + 1, sizeof *j->sources);
    if (!j->sources)
        return kw_fail(err, KW_E_NOMEM, "merge: no memory for %zu models", c->n_models);
    const size_t n = c->n_models + (c->base != NULL);
    while (j->n < n) {
        kw_export *const model = &j->sources[j->n].model;
        kw_model_file *const file = j->n < c->n_models ? c->models[j->n] : c->base;
        j->sources[j->n++].file = file;
        KW_TRY(kw_export_open(model, file, err));
        KW_TRY(kw_name_index_build(&j->sources[j->n - 1].index, &j->arena, model->tensors,
                                   sizeof *model->tensors, model->n_tensors, "merge: tensor", err));
        if (j->n == 1 && model->warning[0] && c->warn)
            c->warn(c->user, model->warning);
    }
    set_factors(j);
    KW_TRY(decide(j, err));
    KW_TRY(make_room(j, err));
    return write_file(j, path, err);
}

kw_status kw_merge_models(kw_engine *engine, const char *path, const kw_merge_config *config,
                          kw_error *err)
{
    job j = {.engine = engine, .config = config};
    const kw_status status = run(&j, path, err);
    for (size_t i = 0; i < j.n; i++)
        kw_export_close(&j.sources[i].model);
    kw_arena_free(&j.arena);
    return status;
}
