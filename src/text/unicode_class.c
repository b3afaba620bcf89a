/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unicode_class.c - see unicode_table.h. */
#include "base/check.h"
#include "base/utf8.h"
#include "text/unicode_table.h"

bool kw_is_space(uint32_t c)
{
    return (c >= '\t' && c <= '\r') || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

/* The letter of the table for code points above it. */
static char letter_above(uint32_t c)
{
    if (c == 0xE0001 || (c >= 0xE0020 && c <= 0xE007F))
        return 'f';
    if (c >= 0xE0100 && c <= 0xE01EF)
        return 'n';
    return c >= 0xF0000 && c <= 0x10FFFF && (c & 0xFFFF) < 0xFFFE ? 'v' : ' ';
}

uint32_t kw_unicode_class(uint32_t c)
{
    static const uint32_t classes[128] = {
        ['U'] = KW_UC_LU,
        ['l'] = KW_UC_LL,
        ['t'] = KW_UC_LT,
        ['m'] = KW_UC_LM,
        ['o'] = KW_UC_LO,
        ['n'] = KW_UC_MN,
        ['c'] = KW_UC_MC,
        ['e'] = KW_UC_ME,
        ['d'] = KW_UC_ND,
        ['r'] = KW_UC_N ^ KW_UC_ND,
        ['x'] = KW_UC_N ^ KW_UC_ND,
        ['_'] = KW_UC_PC,
        ['-'] = KW_UC_P ^ KW_UC_PC,
        ['p'] = KW_UC_P ^ KW_UC_PC,
        ['s'] = KW_UC_S,
        ['z'] = KW_UC_Z,
        ['C'] = KW_UC_CC,
        ['f'] = KW_UC_CF,
        ['v'] = KW_UC_CO,
    };
    const size_t block = c >> 7;
    const char letter = block < KW_COUNT(kw_unicode_index)
                            ? kw_unicode_blocks[kw_unicode_index[block]][c & 127]
                            : letter_above(c);
    const uint32_t class = classes[(unsigned char)letter & 127];
    return class & (KW_UC_Z | KW_UC_CC) && kw_is_space(c) ? class | KW_UC_SPACE : class;
}

size_t kw_unicode_lower(uint32_t c, uint32_t out[2])
{
    out[0] = c;
    if (c == 0x130) {
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    size_t low = 0, high = KW_UNICODE_CASES;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        const kw_unicode_case *row = &kw_unicode_cases[middle];
        if (c > row->last) {
            low = middle + 1;
        } else if (c < row->first) {
            high = middle;
        } else {
            if ((c - row->first) % (uint32_t)row->stride == 0)
                out[0] = (uint32_t)((int32_t)c + row->delta);
            break;
        }
    }
    return 1;
}

bool kw_is_cjk(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

/* --- grapheme clusters --- */

/* Extend, SpacingMark and ZWJ: these never start a cluster after another character. */
static bool extends(uint32_t c)
{
    return kw_unicode_class(c) & KW_UC_M || c == 0x200C || c == 0x200D || c == 0xE33 ||
           c == 0xEB3 || (c >= 0xFF9E && c <= 0xFF9F) || (c >= 0x1F3FB && c <= 0x1F3FF);
}

static bool prepends(uint32_t c)
{
    return (c >= 0x600 && c <= 0x605) || c == 0x6DD || c == 0x70F || c == 0x890 || c == 0x891 ||
           c == 0x8E2 || c == 0xD4E || c == 0x110BD || c == 0x110CD;
}

static bool controls(uint32_t c)
{
    const uint32_t class = kw_unicode_class(c);
    return (class & (KW_UC_CC | KW_UC_CF) && c != 0x200C && c != 0x200D && !prepends(c)) ||
           c == 0x2028 || c == 0x2029;
}

/* Hangul: L 1, V 2, T 3, LV 4, LVT 5; else 0. */
static int hangul(uint32_t c)
{
    if ((c >= 0x1100 && c <= 0x115F) || (c >= 0xA960 && c <= 0xA97C))
        return 1;
    if ((c >= 0x1160 && c <= 0x11A7) || (c >= 0xD7B0 && c <= 0xD7C6))
        return 2;
    if ((c >= 0x11A8 && c <= 0x11FF) || (c >= 0xD7CB && c <= 0xD7FB))
        return 3;
    if (c >= 0xAC00 && c <= 0xD7A3)
        return (c - 0xAC00) % 28 == 0 ? 4 : 5;
    return 0;
}

/* Whether no cluster ends between two characters. */
static bool joined(uint32_t a, uint32_t b)
{
    if (a == '\r' && b == '\n')
        return true;
    if (controls(a) || controls(b))
        return false;
    if (extends(b) || prepends(a))
        return true;
    const int first = hangul(a), second = hangul(b);
    return (first == 1 && second != 0 && second != 3) ||
           ((first == 2 || first == 4) && (second == 2 || second == 3)) ||
           ((first == 3 || first == 5) && second == 3);
}

size_t kw_grapheme_end(const char *text, size_t from, size_t len)
{
    uint32_t before, next;
    size_t at = from + kw_utf8_decode(text + from, len - from, &before);
    while (at < len && at - from <= 5) {
        const size_t width = kw_utf8_decode(text + at, len - at, &next);
        if (!joined(before, next))
            break;
        at += width;
        before = next;
    }
    return at;
}
