/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* predictions.c - reads and writes files of predictions; score.c says what is in them. */
#include "engine/predictions.h"

#include "base/check.h"
#include "os/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "_logits_"
#define MAGIC_BYTES 8
#define HEADER_BYTES (MAGIC_BYTES + 3 * sizeof(int32_t))
#define RANGE 16.0f /* nats below the likeliest; what is less likely gets the lowest code */

struct kw_predictions {
    kw_map map;
    int window, vocab;
    size_t n_tokens;
    int32_t *tokens; /* owned */
    size_t at, row_bytes;
};

struct kw_predictions_writer {
    kw_file_writer *file;
    uint16_t *row; /* owned */
    int vocab;
    size_t row_bytes;
};

/* Two f32, then the codes, an even number of them. */
static size_t row_bytes(int vocab)
{
    return 2 * sizeof(float) + ((size_t)vocab + 1) / 2 * 2 * sizeof(uint16_t);
}

static kw_status read_header(kw_predictions *p, const char *path, int vocab, kw_error *err)
{
    int32_t numbers[3];
    size_t tokens, rows, bytes = 0;
    if (p->map.len < HEADER_BYTES || memcmp(p->map.data, MAGIC, MAGIC_BYTES) != 0)
        return kw_fail(err, KW_E_FORMAT, "%s: no file of predictions", path);
    memcpy(numbers, p->map.data + MAGIC_BYTES, sizeof numbers);
    p->window = numbers[0];
    p->vocab = numbers[1];
    if (p->window < 4 || p->vocab < 1 || numbers[2] < 1)
        return kw_fail(err, KW_E_FORMAT, "%s: window %d, vocabulary %d, %d windows", path,
                       p->window, p->vocab, (int)numbers[2]);
    if (vocab > 0 && p->vocab != vocab)
        return kw_fail(err, KW_E_ARG, "%s: predictions over %d tokens, the model has %d", path,
                       p->vocab, vocab);
    p->row_bytes = row_bytes(p->vocab);
    const size_t scored = (size_t)(p->window - 1 - p->window / 2);
    if (!kw_mul_size((size_t)p->window, (size_t)numbers[2], &p->n_tokens) ||
        !kw_mul_size(p->n_tokens, sizeof(int32_t), &tokens) ||
        !kw_mul_size(scored * (size_t)numbers[2], p->row_bytes, &rows) ||
        !kw_add_size(tokens, rows, &bytes) || !kw_add_size(bytes, HEADER_BYTES, &bytes) ||
        bytes > p->map.len)
        return kw_fail(err, KW_E_FORMAT, "%s: %zu bytes, %d windows of predictions need %zu", path,
                       p->map.len, (int)numbers[2], bytes);
    p->tokens = malloc(tokens);
    if (!p->tokens)
        return kw_fail(err, KW_E_NOMEM, "%s: no memory for %zu tokens", path, p->n_tokens);
    memcpy(p->tokens, p->map.data + HEADER_BYTES, tokens);
    p->at = HEADER_BYTES + tokens;
    return KW_OK;
}

kw_status kw_predictions_open(const char *path, int vocab, kw_predictions **out, kw_error *err)
{
    kw_predictions *const p = calloc(1, sizeof *p);
    if (!p)
        return kw_fail(err, KW_E_NOMEM, "%s: no memory to read it", path);
    kw_status status = kw_map_open(path, false, &p->map, err);
    if (status == KW_OK)
        status = read_header(p, path, vocab, err);
    if (status != KW_OK) {
        kw_predictions_close(p);
        return status;
    }
    *out = p;
    return KW_OK;
}

void kw_predictions_close(kw_predictions *p)
{
    if (!p)
        return;
    kw_map_close(&p->map);
    free(p->tokens);
    free(p);
}

int kw_predictions_window(const kw_predictions *p)
{
    return p->window;
}

const int32_t *kw_predictions_tokens(const kw_predictions *p, size_t *n)
{
    *n = p->n_tokens;
    return p->tokens;
}

kw_status kw_predictions_next(kw_predictions *p, kw_prediction *out, kw_error *err)
{
    if (p->row_bytes > p->map.len - p->at)
        return kw_fail(err, KW_E_FORMAT, "predictions: the file has no more of them");
    const unsigned char *const row = p->map.data + p->at;
    memcpy(&out->scale, row, sizeof(float));
    memcpy(&out->lowest, row + sizeof(float), sizeof(float));
    out->codes = row + 2 * sizeof(float);
    p->at += p->row_bytes;
    if (!isfinite(out->scale) || !isfinite(out->lowest) || out->lowest > 0.0f)
        return kw_fail(err, KW_E_FORMAT, "predictions: a scale of %g and a lowest of %g",
                       (double)out->scale, (double)out->lowest);
    return KW_OK;
}

uint16_t kw_prediction_code(const kw_prediction *p, int token)
{
    uint16_t code;
    memcpy(&code, (const unsigned char *)p->codes + (size_t)token * sizeof code, sizeof code);
    return code;
}

/* ---- writing ---- */

static kw_status write_header(kw_predictions_writer *w, const kw_predictions_shape *shape,
                              kw_error *err)
{
    const int32_t numbers[3] = {shape->window, shape->vocab, (int32_t)shape->windows};
    KW_TRY(kw_file_write(w->file, MAGIC, MAGIC_BYTES, err));
    KW_TRY(kw_file_write(w->file, numbers, sizeof numbers, err));
    return kw_file_write(w->file, shape->tokens,
                         shape->windows * (size_t)shape->window * sizeof(int32_t), err);
}

kw_status kw_predictions_create(const char *path, const kw_predictions_shape *shape,
                                kw_predictions_writer **out, kw_error *err)
{
    if (shape->windows > INT32_MAX)
        return kw_fail(err, KW_E_LIMIT, "%s: %zu windows are too many", path, shape->windows);
    kw_predictions_writer *const w = calloc(1, sizeof *w);
    if (!w)
        return kw_fail(err, KW_E_NOMEM, "%s: no memory to write it", path);
    w->vocab = shape->vocab;
    w->row_bytes = row_bytes(shape->vocab);
    w->row = calloc(1, w->row_bytes);
    kw_status status = w->row ? KW_OK : kw_fail(err, KW_E_NOMEM, "%s: no memory to write it", path);
    if (status == KW_OK)
        status = kw_file_create(path, &w->file, err);
    if (status == KW_OK)
        status = write_header(w, shape, err);
    if (status != KW_OK) {
        (void)kw_predictions_finish(w, false, NULL);
        return status;
    }
    *out = w;
    return KW_OK;
}

kw_status kw_predictions_add(kw_predictions_writer *w, const float *logits, float max, double norm,
                             kw_error *err)
{
    float low = max;
    for (int i = 0; i < w->vocab; i++)
        low = logits[i] < low ? logits[i] : low;
    low = KW_MAX(low, max - RANGE);
    const float head[2] = {(max - low) / 65535.0f, (float)((double)low - norm)};
    const float inverse = head[0] > 0.0f ? 1.0f / head[0] : 0.0f;
    memcpy(w->row, head, sizeof head);
    uint16_t *const codes = w->row + 4; /* behind the two floats */
    for (int i = 0; i < w->vocab; i++) {
        const float above = logits[i] > low ? (logits[i] - low) * inverse : 0.0f;
        codes[i] = (uint16_t)KW_MIN(above + 0.5f, 65535.0f);
    }
    return kw_file_write(w->file, w->row, w->row_bytes, err);
}

kw_status kw_predictions_finish(kw_predictions_writer *w, bool ok, kw_error *err)
{
    const kw_status status = w->file ? kw_file_finish(w->file, ok, err) : KW_OK;
    free(w->row);
    free(w);
    return status;
}
