/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* width.h - how many columns of a terminal a character takes. */
#ifndef KW_CLI_WIDTH_H
#define KW_CLI_WIDTH_H

#include <stddef.h>
#include <stdint.h>

/* 0 (combining), 1 or 2 (East Asian wide, emoji); control characters take 1, as a replacement. */
int kw_char_width(uint32_t codepoint);
/* Columns of UTF-8 text without line ends; an invalid byte takes 1. */
size_t kw_text_width(const char *text, size_t len);

#endif
