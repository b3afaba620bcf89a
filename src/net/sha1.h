/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* sha1.h - SHA-1, which RFC 6455 asks for. It protects nothing; use SHA-256 for that. */
#ifndef KW_NET_SHA1_H
#define KW_NET_SHA1_H

#include "base/str.h"

void kw_sha1(kw_bytes data, uint8_t out[20]);

#endif
