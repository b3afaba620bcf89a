/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unicode_none.c - the seam of unicode.h in a build without Unicode tables: refused by name. */
#include "text/unicode.h"

kw_status kw_unicode_normalize(kw_unicode_form form, kw_str text, char **out, size_t *len,
                               kw_error *err)
{
    (void)form;
    (void)out;
    (void)len;
    return kw_fail(err, KW_E_UNSUPPORTED,
                   "unicode: this build cannot normalise text (%zu bytes were given)", text.len);
}
