#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Writes src/text/unicode_table.c: the general category and the lower case of every character.

    python3 tools/make_unicode.py > src/text/unicode_table.c && clang-format-19 -i src/text/unicode_table.c

Unicode 14 (Python 3.11's unicodedata), which is also what PCRE2 10.42 has: the tests compare the two."""
import unicodedata as u

BLOCK, TABLE_END = 128, 0x32000
LETTERS = {"Lu": "U", "Ll": "l", "Lt": "t", "Lm": "m", "Lo": "o", "Mn": "n", "Mc": "c", "Me": "e", "Nd": "d", "Nl": "r",
           "No": "x", "Pc": "_", "Pd": "-", "Ps": "p", "Pe": "p", "Pi": "p", "Pf": "p", "Po": "p", "Sm": "s", "Sc": "s",
           "Sk": "s", "So": "s", "Zs": "z", "Zl": "z", "Zp": "z", "Cc": "C", "Cf": "f", "Cs": "v", "Co": "v", "Cn": " "}


def main():
    assert u.unidata_version == "14.0.0", u.unidata_version
    classes = "".join(LETTERS[u.category(chr(c))] for c in range(0x110000))
    blocks, index = {}, []
    for at in range(0, TABLE_END, BLOCK):
        index.append(blocks.setdefault(classes[at:at + BLOCK], len(blocks)))
    # Above the table: tags and variation selectors, and private use.
    for c in range(TABLE_END, 0x110000):
        want = " "
        if c == 0xE0001 or 0xE0020 <= c <= 0xE007F:
            want = "f"
        elif 0xE0100 <= c <= 0xE01EF:
            want = "n"
        elif c >= 0xF0000 and c & 0xFFFF < 0xFFFE:
            want = "v"
        assert classes[c] == want, hex(c)
    rows = []
    for c in range(0x110000):
        low = chr(c).lower()
        delta = ord(low[0]) - c
        if low == chr(c) or c == 0x130:
            assert low == chr(c) or low == "i\u0307"
            continue
        assert len(low) == 1
        if rows and rows[-1][3] == delta and c - rows[-1][1] in (1, 2) and rows[-1][2] in (0, c - rows[-1][1]):
            rows[-1][1:3] = c, c - rows[-1][1]
        else:
            rows.append([c, c, 0, delta])
    print("/* SPDX-License-Identifier: Apache-2.0 OR MIT */")
    print("/* unicode_table.c - a table: category and lower case of every character of Unicode 14.\n *")
    print(" * Written by tools/make_unicode.py; source: the Unicode Character Database. */")
    print('#include "text/unicode_table.h"\n')
    print("const uint16_t kw_unicode_index[%d] = {" % len(index))
    for at in range(0, len(index), 20):
        print("    " + " ".join("%d," % i for i in index[at:at + 20]))
    print("};\n\n/* A letter for each character of a block: see kw_unicode_class. */")
    print("const char kw_unicode_blocks[%d][129] = {" % len(blocks))
    for block in blocks:
        print('    "%s",' % block)
    print("};\n\nconst kw_unicode_case kw_unicode_cases[KW_UNICODE_CASES] = {")
    for first, last, stride, delta in rows:
        print("    {0x%X, 0x%X, %d, %d}," % (first, last, max(stride, 1), delta))
    print("};")
    import sys
    print(len(blocks), len(rows), len(index), file=sys.stderr)


if __name__ == "__main__":
    main()
