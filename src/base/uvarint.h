/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* uvarint.h - unsigned LEB128, as multiformats and protocol buffers write integers. */
#ifndef KW_BASE_UVARINT_H
#define KW_BASE_UVARINT_H

#include "base/str.h"

#define KW_UVARINT_MAX 10 /* bytes; multiformats stop at 9 (63 bits) */

/* Bytes written, at most KW_UVARINT_MAX. */
size_t kw_uvarint_put(uint8_t out[KW_UVARINT_MAX], uint64_t value);

typedef enum kw_uvarint_result { KW_UVARINT_OK, KW_UVARINT_MORE, KW_UVARINT_BAD } kw_uvarint_result;

/* Reads one from the front of `in`. MORE: in ends inside it. BAD: longer than max_bytes, above 64
 * bits, or not the shortest form (where strict). */
kw_uvarint_result kw_uvarint_get(kw_bytes in, size_t max_bytes, bool strict, uint64_t *value,
                                 size_t *used);

#endif
