/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* imatrix.c - reads importance matrices.
 *
 * Both forms hold sums over the tokens seen; what is kept is the mean, which is all that the
 * encoders look at. A weight that was never used gets ones. Source: the files that llama.cpp's
 * imatrix writes. */
#include "engine/imatrix.h"

#include "base/check.h"
#include "format/model_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VALUES ((size_t)1 << 24) /* of one entry */
#define MAX_NAME_BYTES 1024

static const char sums_suffix[] = ".in_sum2", counts_suffix[] = ".counts";

static kw_status nomem(kw_error *err)
{
    return kw_fail(err, KW_E_NOMEM, "imatrix: no memory for its values");
}

/* values[n] = sums / count, or ones when nothing was counted: a count for each of n_counts equal
 * parts. sums and counts: f32 at any address. */
static kw_status take_means(kw_imatrix *m, kw_imatrix_entry *entry, const void *sums, size_t n,
                            const void *counts, size_t n_counts, kw_error *err)
{
    float *const values = kw_arena_array(&m->arena, n, sizeof *values);
    if (!values)
        return nomem(err);
    memcpy(values, sums, n * sizeof *values);
    for (size_t i = 0; i < n; i++) {
        float counted;
        memcpy(&counted, (const char *)counts + i / (n / n_counts) * sizeof counted,
               sizeof counted);
        const float mean = counted > 0.0f ? (float)((double)values[i] / (double)counted) : 1.0f;
        if (!isfinite(values[i]) || values[i] < 0.0f || !isfinite(mean))
            return kw_fail(err, KW_E_FORMAT, "imatrix: \"%.*s\": value %zu is %g of %g",
                           KW_FMT(entry->name), i, (double)values[i], (double)counted);
        values[i] = mean;
    }
    entry->values = values;
    entry->n = n;
    return KW_OK;
}

/* ---- GGUF ---- */

static bool ends_with(kw_str text, const char *suffix)
{
    const size_t n = strlen(suffix);
    return text.len > n && memcmp(text.data + text.len - n, suffix, n) == 0;
}

static const kw_tensor_view *counts_of(const kw_model_file *file, kw_str name)
{
    char counts[MAX_NAME_BYTES + sizeof counts_suffix];
    memcpy(counts, name.data, name.len);
    memcpy(counts + name.len, counts_suffix, sizeof counts_suffix);
    return kw_model_file_tensor(file, kw_str_from(counts));
}

static kw_status take_tensor(kw_imatrix *m, const kw_model_file *file, const kw_tensor_view *sums,
                             kw_error *err)
{
    kw_imatrix_entry *const entry = &m->entries[m->n_entries];
    const kw_str name = {sums->name.data, sums->name.len - (sizeof sums_suffix - 1)};
    int64_t n = 0;
    if (name.len > MAX_NAME_BYTES)
        return kw_fail(err, KW_E_LIMIT, "imatrix: a name of %zu bytes (at most %d)", name.len,
                       MAX_NAME_BYTES);
    const kw_tensor_view *const counts = counts_of(file, name);
    if (!counts || counts->dtype != KW_F32 || sums->dtype != KW_F32 ||
        !kw_shape_count(sums->shape, &n) || n < 1 || (uint64_t)n > MAX_VALUES ||
        counts->bytes < sizeof(float) || n % (int64_t)(counts->bytes / sizeof(float)) != 0)
        return kw_fail(err, KW_E_FORMAT, "imatrix: \"%.*s\" is no pair of f32 sums and counts",
                       KW_FMT(name));
    /* One count a matrix; the matrices of experts stand one behind the other. */
    const size_t n_counts = (size_t)counts->bytes / sizeof(float);
    entry->name = (kw_str){kw_arena_strdup(&m->arena, name), name.len};
    if (!entry->name.data)
        return nomem(err);
    KW_TRY(take_means(m, entry, sums->data, (size_t)n, counts->data, n_counts, err));
    m->n_entries++;
    return KW_OK;
}

static kw_status take_gguf(kw_imatrix *m, const kw_model_file *file, kw_error *err)
{
    m->entries = kw_arena_array(&m->arena, file->n_tensors, sizeof *m->entries);
    if (!m->entries)
        return nomem(err);
    for (size_t i = 0; i < file->n_tensors; i++)
        if (ends_with(file->tensors[i].name, sums_suffix))
            KW_TRY(take_tensor(m, file, &file->tensors[i], err));
    const kw_value *const chunks = kw_model_file_meta(file, KW_STR("imatrix.chunk_count"));
    if (chunks && chunks->kind == KW_VALUE_INT && chunks->i > 0 && chunks->i <= UINT32_MAX)
        m->n_chunks = (uint32_t)chunks->i;
    const kw_value *const sets = kw_model_file_meta(file, KW_STR("imatrix.datasets"));
    if (sets && sets->kind == KW_VALUE_ARRAY && sets->array.kind == KW_VALUE_STRING &&
        sets->array.n > 0) {
        const kw_str first = kw_value_at(sets, 0).s;
        m->dataset = (kw_str){kw_arena_strdup(&m->arena, first), first.len};
        if (!m->dataset.data)
            return nomem(err);
    }
    return KW_OK;
}

/* ---- the older form: i32 count of entries; each: i32 length, name, i32 calls, i32 count of
 * values, f32 values; then, if anything follows, i32 chunks, i32 length, name of the data set ----
 */

static bool take_i32(kw_str *rest, int32_t *out)
{
    if (rest->len < sizeof *out)
        return false;
    memcpy(out, rest->data, sizeof *out);
    rest->data += sizeof *out;
    rest->len -= sizeof *out;
    return true;
}

static bool take_text(kw_str *rest, size_t most, kw_str *out)
{
    int32_t n;
    if (!take_i32(rest, &n) || n < 0 || (size_t)n > most || (size_t)n > rest->len)
        return false;
    *out = (kw_str){rest->data, (size_t)n};
    rest->data += n;
    rest->len -= (size_t)n;
    return true;
}

static kw_status take_entry(kw_imatrix *m, kw_str *rest, kw_error *err)
{
    kw_imatrix_entry *const entry = &m->entries[m->n_entries];
    kw_str name;
    int32_t calls, n;
    if (!take_text(rest, MAX_NAME_BYTES, &name) || !take_i32(rest, &calls) || !take_i32(rest, &n) ||
        n < 1 || (size_t)n > rest->len / sizeof(float))
        return kw_fail(err, KW_E_FORMAT, "imatrix: entry %zu runs past the end of the file",
                       m->n_entries);
    entry->name = (kw_str){kw_arena_strdup(&m->arena, name), name.len};
    if (!entry->name.data)
        return nomem(err);
    const float count = calls > 0 ? (float)calls : 1.0f;
    KW_TRY(take_means(m, entry, rest->data, (size_t)n, &count, 1, err));
    rest->data += (size_t)n * sizeof(float);
    rest->len -= (size_t)n * sizeof(float);
    m->n_entries++;
    return KW_OK;
}

kw_status kw_imatrix_parse(kw_str bytes, kw_imatrix *m, kw_error *err)
{
    kw_str rest = bytes, dataset;
    int32_t n, chunks;
    /* An entry has at least three numbers and a value. */
    if (!take_i32(&rest, &n) || n < 1 || (size_t)n > rest.len / 16)
        return kw_fail(err, KW_E_FORMAT, "imatrix: neither GGUF nor a list of entries");
    m->entries = kw_arena_array(&m->arena, (size_t)n, sizeof *m->entries);
    if (!m->entries)
        return nomem(err);
    for (int32_t i = 0; i < n; i++)
        KW_TRY(take_entry(m, &rest, err));
    if (!take_i32(&rest, &chunks) || !take_text(&rest, rest.len, &dataset))
        return KW_OK;
    m->n_chunks = chunks > 0 ? (uint32_t)chunks : 0;
    m->dataset = (kw_str){kw_arena_strdup(&m->arena, dataset), dataset.len};
    return m->dataset.data ? KW_OK : nomem(err);
}

static kw_status read_file(kw_imatrix *m, const char *path, kw_error *err)
{
    kw_map map;
    kw_model_file *file;
    kw_status status;
    m->path = kw_arena_strdup(&m->arena, kw_str_from(path));
    if (!m->path)
        return nomem(err);
    KW_TRY(kw_map_open(path, false, &map, err));
    if (map.len < 4 || memcmp(map.data, "GGUF", 4) != 0) {
        status = kw_imatrix_parse((kw_str){(const char *)map.data, map.len}, m, err);
    } else {
        status = kw_model_file_from_memory(map.data, map.len, path, &file, err);
        if (status == KW_OK) {
            status = take_gguf(m, file, err);
            kw_model_file_close(file);
        }
    }
    kw_map_close(&map);
    if (status == KW_OK && m->n_entries == 0)
        return kw_fail(err, KW_E_FORMAT, "%s: no importances in it", path);
    return status;
}

kw_status kw_imatrix_open(const char *path, kw_imatrix **out, kw_error *err)
{
    kw_imatrix *const m = calloc(1, sizeof *m);
    if (!m)
        return nomem(err);
    const kw_status status = read_file(m, path, err);
    if (status != KW_OK) {
        kw_imatrix_close(m);
        return status;
    }
    *out = m;
    return KW_OK;
}

void kw_imatrix_close(kw_imatrix *imatrix)
{
    if (!imatrix)
        return;
    kw_arena_free(&imatrix->arena);
    free(imatrix);
}

const float *kw_imatrix_find(const kw_imatrix *imatrix, kw_str name, size_t n)
{
    for (size_t i = 0; i < imatrix->n_entries; i++)
        if (kw_str_eq(imatrix->entries[i].name, name))
            return imatrix->entries[i].n == n ? imatrix->entries[i].values : NULL;
    return NULL;
}
