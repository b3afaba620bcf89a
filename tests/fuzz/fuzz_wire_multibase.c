/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_wire_multibase.c - bytes come back from every base; a text that is taken is the only one of
 * its bytes. */
#include "promise.h"
#include "wire/multibase.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void there_and_back(kw_base base, kw_bytes bytes)
{
    kw_buf text = {0}, back = {0};
    kw_multibase_put(&text, base, bytes);
    promise(kw_multibase_get((kw_str){text.data, text.len}, &back, NULL) == KW_OK);
    promise(back.len == bytes.len);
    promise(bytes.len == 0 || memcmp(back.data, bytes.data, bytes.len) == 0);
    kw_buf_free(&text);
    kw_buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_base base;
    kw_buf bytes = {0}, text = {0};
    for (int i = KW_BASE16; i <= KW_BASE64_URL; i++)
        there_and_back((kw_base)i, (kw_bytes){data, size < 512 ? size : 512});
    if (kw_multibase_get((kw_str){(const char *)data, size}, &bytes, NULL) == KW_OK) {
        promise(kw_multibase_letter((char)data[0], &base));
        kw_multibase_put(&text, base, (kw_bytes){(const uint8_t *)bytes.data, bytes.len});
        promise(text.len == size && memcmp(text.data, data, size) == 0);
    }
    kw_buf_free(&bytes);
    kw_buf_free(&text);
    return 0;
}
