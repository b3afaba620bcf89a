/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unicode_utf8proc.c - the seam of unicode.h over utf8proc. */
#include "text/unicode.h"

#include <stdint.h>
#include <stdlib.h>
#include <utf8proc.h>

kw_status kw_unicode_normalize(kw_unicode_form form, kw_str text, char **out, size_t *len,
                               kw_error *err)
{
    static const int options[] = {
        [KW_UNICODE_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
        [KW_UNICODE_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        [KW_UNICODE_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [KW_UNICODE_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    };
    utf8proc_uint8_t *composed;
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)(text.len ? text.data : "");
    /* The library means a set of bits by its enum. NOLINTNEXTLINE(*EnumCastOutOfRange) */
    const utf8proc_option_t option = (utf8proc_option_t)options[form];
    const utf8proc_ssize_t n = utf8proc_map(bytes, (utf8proc_ssize_t)text.len, &composed, option);
    if (n == UTF8PROC_ERROR_NOMEM)
        return kw_fail(err, KW_E_NOMEM, "unicode: out of memory normalising %zu bytes", text.len);
    if (n < 0)
        return kw_fail(err, KW_E_FORMAT, "unicode: %s in %zu bytes", utf8proc_errmsg(n), text.len);
    *out = (char *)composed;
    *len = (size_t)n;
    return KW_OK;
}
