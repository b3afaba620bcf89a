/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* touch_model.h - reads everything that an opened model claims to hold, for the fuzzers of readers.
 */
#ifndef KW_TEST_FUZZ_TOUCH_MODEL_H
#define KW_TEST_FUZZ_TOUCH_MODEL_H

#include "format/model_file.h"
#include "promise.h"
#include "tensor/quant/old.h"

static inline uint64_t touch_bytes(const void *data, size_t n)
{
    const volatile unsigned char *const bytes = data;
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += bytes[i];
    return sum;
}

static inline void touch_value(const kw_value *value)
{
    if (value->kind == KW_VALUE_STRING)
        (void)touch_bytes(value->s.data, value->s.len);
    for (uint64_t i = 0; value->kind == KW_VALUE_ARRAY && i < value->array.n; i++) {
        const kw_value item = kw_value_at(value, i);
        promise(item.kind == value->array.kind);
        if (item.kind == KW_VALUE_STRING)
            (void)touch_bytes(item.s.data, item.s.len);
    }
}

/* Every byte, and the first rows decoded. */
static inline void touch_tensor(const kw_model_file *file, const kw_tensor_view *view)
{
    enum { N = 2048 };
    float row[N];
    unsigned char packed[2 * N];
    size_t bytes = 0;
    kw_dtype today = KW_F32;
    promise(kw_model_file_tensor(file, view->name) == view);
    promise(view->part >= 0 && view->part < file->n_parts);
    promise(view->bytes == 0 || view->data != NULL);
    (void)touch_bytes(view->name.data, view->name.len);
    (void)touch_bytes(view->data, (size_t)view->bytes);
    if (view->dtype == KW_N_DTYPES)
        return;
    promise(kw_tensor_bytes(view->dtype, view->shape, &bytes) && bytes == view->bytes);
    const kw_dtype_traits *const traits = kw_dtype_info(view->dtype);
    const size_t blocks = bytes / traits->block_bytes, most = N / traits->block_elems;
    const size_t n = (blocks < most ? blocks : most) * traits->block_elems;
    if (bytes > 0)
        traits->decode(row, view->data, n);
    if (bytes > 0 && kw_old_block(view->dtype, &today) && today != KW_F32)
        (void)kw_old_repack(view->dtype, packed, view->data, n);
}

static inline void touch_model(const kw_model_file *file)
{
    for (size_t i = 0; i < file->n_metas; i++) {
        promise(kw_model_file_meta(file, file->metas[i].key) == &file->metas[i].value);
        touch_value(&file->metas[i].value);
    }
    for (size_t i = 0; i < file->n_tensors; i++)
        touch_tensor(file, &file->tensors[i]);
}

/* Opens the bytes as a model; a failure must say what is wrong. */
static inline void open_and_touch(const void *data, size_t size)
{
    kw_model_file *file = NULL;
    kw_error err = {0};
    const kw_status status = kw_model_file_from_memory(data, size, "input", &file, &err);
    if (status != KW_OK) {
        promise(err.code == status && err.message[0] != '\0' && status != KW_E_INTERNAL);
        return;
    }
    touch_model(file);
    kw_model_file_close(file);
}

#endif
