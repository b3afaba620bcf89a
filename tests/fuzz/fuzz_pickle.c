/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_pickle.c - any bytes are a pickle or fail. What it makes can be walked, stays in proportion
 * to the bytes, and its tensors over storages of zeros lie in them. */
#include "touch_model.h"

#include "format/pytorch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ZERO_BYTES = 4096 };

static const char zeros[ZERO_BYTES];

/* kw_pt_storages.find: every storage that is small enough exists. */
static kw_status find_zeros(const kw_pt_storages *from, const kw_pt_storage_ref *ref, kw_str *out,
                            kw_error *err)
{
    (void)from;
    if (ref->n > ZERO_BYTES / ref->type->bytes)
        return kw_fail(err, KW_E_NOTFOUND, "no storage of that size");
    *out = (kw_str){zeros, (size_t)ref->n * ref->type->bytes};
    return KW_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_arena arena = {0};
    kw_pickle pickle;
    kw_image image;
    kw_error err = {0};
    const kw_pt_storages storages = {find_zeros, NULL};
    const kw_str bytes = {(const char *)data, size};
    kw_status status = kw_pickle_read(bytes, kw_pt_globals, &arena, &pickle, &err);
    promise(arena.total_bytes <= 256 * size + (1 << 20));
    if (status == KW_OK) {
        promise(pickle.bytes > 0 && pickle.bytes <= size);
        const kw_str file = {zeros, ZERO_BYTES};
        status = kw_pt_collect(pickle.root, &storages, file, 0, &arena, &image, &err);
    }
    promise(status == KW_OK || (err.code == status && err.message[0] != '\0'));
    for (size_t i = 0; status == KW_OK && i < image.n_tensors; i++)
        (void)touch_bytes(image.tensors[i].data, (size_t)image.tensors[i].bytes);
    kw_arena_free(&arena);
    return 0;
}
