/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ip_text.h - IP addresses as text, without a socket library. */
#ifndef KW_WIRE_IP_TEXT_H
#define KW_WIRE_IP_TEXT_H

#include "base/str.h"

#define KW_IP_TEXT_MAX 46

/* Four decimal numbers without zeros in front. */
bool kw_ip4_parse(kw_str text, uint8_t out[4]);
void kw_ip4_text(const uint8_t address[4], char out[KW_IP_TEXT_MAX]);
/* RFC 4291 section 2.2, all three forms; written as RFC 5952 wants it. */
bool kw_ip6_parse(kw_str text, uint8_t out[16]);
void kw_ip6_text(const uint8_t address[16], char out[KW_IP_TEXT_MAX]);

#endif
