/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unicode_table.h - what kind of character a code point is, and its lower case, by Unicode 14.
 *
 * The engine's own, so that the well-known ways to cut text do the same on every machine, whatever
 * its libraries; the tests compare with PCRE2. Source: the Unicode Character Database. */
#ifndef KW_TEXT_UNICODE_TABLE_H
#define KW_TEXT_UNICODE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* General categories as bits. */
enum {
    KW_UC_LU = 1,
    KW_UC_LL = 2,
    KW_UC_LT = 4,
    KW_UC_LM = 8,
    KW_UC_LO = 0x10,
    KW_UC_L = 0x1F,
    KW_UC_MN = 0x20,
    KW_UC_MC = 0x40,
    KW_UC_ME = 0x80,
    KW_UC_M = 0xE0,
    KW_UC_ND = 0x100,
    KW_UC_N = 0x300, /* Nd, Nl, No */
    KW_UC_PC = 0x400,
    KW_UC_P = 0xC00,
    KW_UC_S = 0x1000,
    KW_UC_Z = 0x2000,
    KW_UC_CC = 0x4000,
    KW_UC_CF = 0x8000,
    KW_UC_CO = 0x10000,   /* and surrogates */
    KW_UC_SPACE = 0x20000 /* White_Space: Z and \t to \r, U+0085 */
};

#define KW_UNICODE_CASES 181

typedef struct kw_unicode_case {
    uint32_t first, last;
    int32_t stride, delta;
} kw_unicode_case;

extern const uint16_t kw_unicode_index[1600];
extern const char kw_unicode_blocks[239][129];
extern const kw_unicode_case kw_unicode_cases[KW_UNICODE_CASES];

/* The bits of a code point; 0 when it is not assigned. */
uint32_t kw_unicode_class(uint32_t codepoint);
/* White space as Unicode has it (the White_Space property). */
bool kw_is_space(uint32_t codepoint);
/* Writes the lower case (one code point, two for U+0130) and returns how many. */
size_t kw_unicode_lower(uint32_t codepoint, uint32_t out[2]);
/* Chinese characters, as BERT's tokenizer counts them. */
bool kw_is_cjk(uint32_t codepoint);
/* End of the grapheme cluster (what a reader takes for one character) that starts at text[from) of
 * valid UTF-8, from < len; right for clusters of up to 5 bytes, and more than 5 bytes for longer
 * ones. Source: UAX #29, rules GB3 to GB13. */
size_t kw_grapheme_end(const char *text, size_t from, size_t len);

#endif
