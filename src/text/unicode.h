/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unicode.h - the seam to Unicode normalisation: utf8proc natively, String.normalize in a browser.
 */
#ifndef KW_TEXT_UNICODE_H
#define KW_TEXT_UNICODE_H

#include "base/error.h"
#include "base/str.h"

typedef enum kw_unicode_form {
    KW_UNICODE_NFC,
    KW_UNICODE_NFD,
    KW_UNICODE_NFKC,
    KW_UNICODE_NFKD
} kw_unicode_form;

/* Valid UTF-8 in a normalisation form, malloc'ed, owned by the caller. */
kw_status kw_unicode_normalize(kw_unicode_form form, kw_str text, char **out, size_t *len,
                               kw_error *err);

#endif
