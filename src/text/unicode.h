/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unicode.h - the seam to Unicode normalisation: utf8proc natively, String.normalize in a browser.
 */
#ifndef KW_TEXT_UNICODE_H
#define KW_TEXT_UNICODE_H

#include "base/error.h"
#include "base/str.h"

/* NFC of valid UTF-8, malloc'ed, owned by the caller. */
kw_status kw_unicode_nfc(kw_str text, char **out, size_t *len, kw_error *err);

#endif
