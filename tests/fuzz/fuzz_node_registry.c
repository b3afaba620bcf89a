/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_node_registry.c - any bytes as a question and as an answer of /kwaai/model/1.0.0; what was
 * read as a question is written and read again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "node/registry_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void question(kw_bytes in)
{
    kw_registry_question read, again;
    uint8_t key[KW_REGISTRY_KEY_LEN];
    kw_buf out = {0};
    if (kw_registry_question_get(in, &read, NULL) != KW_OK)
        return;
    kw_registry_key(&read, key);
    kw_registry_question_put(&read, &out);
    if (kw_registry_question_get((kw_bytes){(const uint8_t *)out.data, out.len}, &again, NULL) !=
            KW_OK ||
        again.by != read.by || strcmp(again.name, read.name) != 0 ||
        memcmp(again.sha256, read.sha256, 32) != 0)
        abort();
    kw_buf_free(&out);
}

static void answer(kw_bytes in)
{
    kw_registry_answer read;
    kw_registry_entry entry;
    size_t at = 0, n = 0;
    kw_manifest manifest;
    kw_signature signature;
    if (kw_registry_answer_get(in, &read, NULL) != KW_OK)
        return;
    while (kw_registry_next(&read, &at, &entry)) {
        n++;
        if (!kw_model_name_ok(kw_str_from(entry.name)))
            abort();
    }
    if (n != read.n_entries || n > KW_REGISTRY_ENTRIES)
        abort();
    if (kw_manifest_get(read.manifest, &manifest, NULL) == KW_OK)
        kw_manifest_free(&manifest);
    (void)kw_signature_get(read.signature, &signature, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    question((kw_bytes){data, size});
    answer((kw_bytes){data, size});
    return 0;
}
