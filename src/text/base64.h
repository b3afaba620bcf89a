/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* base64.h - base64 (RFC 4648), as tiktoken's ranks and charsmaps are written. */
#ifndef KW_TEXT_BASE64_H
#define KW_TEXT_BASE64_H

#include "base/str.h"

#include <stdbool.h>

/* Decodes into out, which has room for text.len bytes. False when it is none. */
bool kw_base64_decode(kw_str text, char *out, size_t *n);

#endif
