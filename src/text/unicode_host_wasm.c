/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unicode_host_wasm.c - the seam of unicode.h over the host's String.normalize.
 *
 * The host normalises into a string it keeps and answers its length in bytes of UTF-8; the second
 * call writes that many bytes and lets go of it. */
#include "text/unicode.h"

#include <stdint.h>
#include <stdlib.h>

#define HOST(name) __attribute__((import_module("kwaai"), import_name(#name)))

/* form: the number of kw_unicode_form. */
HOST(normalize_begin) int32_t kw_host_normalize_begin(int32_t form, const char *text, size_t len);
HOST(normalize_take) void kw_host_normalize_take(char *out); /* NULL: only let go */

kw_status kw_unicode_normalize(kw_unicode_form form, kw_str text, char **out, size_t *len,
                               kw_error *err)
{
    const int32_t n = kw_host_normalize_begin((int32_t)form, text.data, text.len);
    char *composed = n < 0 ? NULL : malloc((size_t)n + 1);
    if (n >= 0)
        kw_host_normalize_take(composed);
    if (!composed)
        return kw_fail(err, KW_E_NOMEM, "unicode: out of memory normalising %zu bytes", text.len);
    composed[n] = 0;
    *out = composed;
    *len = (size_t)n;
    return KW_OK;
}
