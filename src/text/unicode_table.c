/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unicode_table.c - a table: category and lower case of every character of Unicode 14.
 *
 * Written by tools/make_unicode.py; source: the Unicode Character Database. */
#include "text/unicode_table.h"

const uint16_t kw_unicode_index[1600] = {
    0,   1,   2,   3,   4,   5,   6,   7,   8,   9,   10,  11,  12,  13,  14,  15,  16,  17,  18,
    19,  20,  21,  22,  23,  24,  25,  26,  27,  28,  29,  30,  31,  32,  33,  34,  34,  35,  36,
    37,  38,  39,  34,  34,  34,  40,  41,  42,  43,  44,  45,  46,  47,  48,  49,  50,  51,  52,
    53,  54,  55,  56,  57,  58,  59,  60,  61,  62,  63,  64,  64,  65,  64,  66,  67,  64,  64,
    64,  64,  68,  69,  64,  64,  64,  70,  64,  64,  71,  72,  73,  74,  75,  76,  77,  78,  64,
    79,  80,  81,  82,  83,  84,  85,  64,  64,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  86,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  87,  34,  34,
    34,  34,  34,  34,  34,  34,  88,  34,  34,  89,  90,  91,  92,  93,  94,  95,  96,  97,  98,
    99,  100, 34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  101, 102, 102, 102, 102, 102,
    102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102,
    102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102,
    102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102, 102,
    102, 102, 102, 102, 34,  34,  103, 104, 105, 106, 34,  34,  107, 108, 109, 110, 111, 112, 113,
    114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 34,  34,  125, 126, 127, 128, 129, 130,
    131, 132, 133, 134, 135, 136, 137, 117, 138, 139, 140, 141, 142, 143, 144, 145, 146, 147, 148,
    117, 149, 150, 117, 151, 152, 153, 154, 117, 155, 156, 157, 158, 159, 160, 117, 117, 161, 162,
    163, 164, 117, 165, 117, 166, 34,  34,  34,  34,  34,  34,  34,  167, 168, 34,  169, 117, 117,
    117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 170,
    34,  34,  34,  34,  34,  34,  34,  34,  171, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117,
    117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117,
    117, 117, 34,  34,  34,  34,  172, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117,
    117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117,
    117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117,
    117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 34,  34,
    34,  34,  173, 174, 175, 176, 117, 117, 117, 117, 177, 178, 179, 180, 34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  181, 34,  34,  34,  34,  34,  34,  34,  34,  34,  182, 183, 117, 117, 117,
    117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117,
    117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117,
    117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117,
    117, 117, 117, 117, 117, 117, 117, 117, 184, 34,  34,  185, 34,  34,  186, 117, 117, 117, 117,
    117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 187, 188, 117, 117, 117,
    117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117,
    117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 189, 190, 64,  191, 192,
    193, 194, 195, 196, 117, 197, 198, 199, 200, 201, 202, 203, 204, 64,  64,  64,  64,  205, 206,
    117, 117, 117, 117, 117, 117, 117, 117, 207, 117, 208, 117, 209, 117, 117, 210, 117, 117, 117,
    117, 117, 117, 117, 117, 117, 211, 34,  212, 213, 117, 117, 117, 117, 117, 214, 215, 216, 117,
    217, 218, 117, 117, 219, 220, 221, 222, 223, 117, 64,  64,  64,  64,  64,  64,  64,  224, 225,
    226, 227, 228, 64,  64,  229, 230, 64,  231, 117, 117, 117, 117, 117, 117, 117, 117, 34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  232, 34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  233, 34,  234, 34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  235, 34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  236, 117, 117, 117, 117, 117,
    117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117,
    34,  34,  34,  34,  237, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,
    34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  34,  238, 117, 117,
    117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117,
    117, 117, 117, 117,
};

/* A letter for each character of a block: see kw_unicode_class. */
const char kw_unicode_blocks[239][129] = {
    "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCzpppsppppppsp-"
    "ppddddddddddppsssppUUUUUUUUUUUUUUUUUUUUUUUUUUppps_sllllllllllllllllllllllllllpspsC",
    "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCzpssssspssopsfssssxxslppsxopxxxpUUUUUUUUUUUUUUUUUUUUUUUsUUUUUU"
    "Ullllllllllllllllllllllllsllllllll",
    "UlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUllUlUlUlUlUlUlUlUllUlUlUlUlUlUlUlUlUlUl"
    "UlUlUlUlUlUlUlUlUlUlUlUlUlUUlUlUll",
    "lUUlUlUUlUUUllUUUUlUUlUUUlllUUlUUlUlUlUUlUllUlUUlUUUlUlUUlloUlllooooUtlUtlUtlUlUlUlUlUlUlUlUll"
    "UlUlUlUlUlUlUlUlUllUtlUlUUUlUlUlUl",
    "UlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlllllllUUlUUllUlUUUUlUlUlUlUlllllllllllllll"
    "llllllllllllllllllllllllllllllllll",
    "llllllllllllllllllllolllllllllllllllllllllllllllmmmmmmmmmmmmmmmmmmssssmmmmmmmmmmmmssssssssssss"
    "ssmmmmmsssssssmsmsssssssssssssssss",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
    "nnnnnnnnnnnnnnnnnnUlUlmsUl  mlllpU",
    "    ssUpUUU U UUlUUUUUUUUUUUUUUUUU "
    "UUUUUUUUUlllllllllllllllllllllllllllllllllllUllUUUlllUlUlUlUlUlUlUlUlUlUlUlUlllllUlsUlUUllUUU",
    "UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUllllllllllllllllllllllllllllllllllllllllllllll"
    "llUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUl",
    "UlsnnnnneeUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUUlUlUlUlUlUlUllUlUlUlUlUlUlUl"
    "UlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUl",
    "UlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUl UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUU  "
    "mppppppllllllllllllllllllllllllllllllll",
    "lllllllllp-  sss nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn-npnnpnnpn        "
    "ooooooooooooooooooooooooooo    oooopp           ",
    "ffffffsssppsppssnnnnnnnnnnnpfpppoooooooooooooooooooooooooooooooomoooooooooonnnnnnnnnnnnnnnnnnn"
    "nnddddddddddppppoonooooooooooooooo",
    "ooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooponnnnnnnf"
    "snnnnnnmmnnsnnnnooddddddddddooosso",
    "pppppppppppppp fonoooooooooooooooooooooooooooooonnnnnnnnnnnnnnnnnnnnnnnnnnn  "
    "ooooooooooooooooooooooooooooooooooooooooooooooooooo",
    "oooooooooooooooooooooooooooooooooooooonnnnnnnnnnno              "
    "ddddddddddooooooooooooooooooooooooooooooooonnnnnnnnnmmspppm  nss",
    "oooooooooooooooooooooonnnnmnnnnnnnnnmnnnmnnnnn  ppppppppppppppp ooooooooooooooooooooooooonnn  "
    "p ooooooooooo     oooooooooooooooo",
    "oooooooosoooooo ff      "
    "nnnnnnnnooooooooooooooooooooooooooooooooooooooooomnnnnnnnnnnnnnnnnnnnnnnnnfnnnnnnnnnnnnnnnnnnn"
    "nnnnnnnnnn",
    "nnncooooooooooooooooooooooooooooooooooooooooooooooooooooooncnocccnnnnnnnnccccncconnnnnnnoooooo"
    "oooonnppddddddddddpmoooooooooooooo",
    "oncc oooooooo  oo  oooooooooooooooooooooo ooooooo o   oooo  nocccnnnn  cc  ccno        c    "
    "oo ooonn  ddddddddddoossxxxxxxssopn ",
    " nnc oooooo    oo  oooooooooooooooooooooo ooooooo oo oo oo  n cccnn    nn  nnn   n       oooo "
    "o       ddddddddddnnooonp         ",
    " nnc ooooooooo ooo oooooooooooooooooooooo ooooooo oo ooooo  nocccnnnnn nnc ccn  o             "
    "  oonn  ddddddddddps       onnnnnn",
    " ncc oooooooo  oo  oooooooooooooooooooooo ooooooo oo ooooo  nocncnnnn  cc  ccn       nnc    "
    "oo ooonn  ddddddddddsoxxxxxx        ",
    "  no oooooo   ooo oooo   oo o oo   oo   ooo   oooooooooooo    ccncc   ccc cccn  o      c      "
    "        ddddddddddxxxssssssss     ",
    "ncccnoooooooo ooo ooooooooooooooooooooooo oooooooooooooooo  nonnncccc nnn nnnn       nn ooo  "
    "o  oonn  dddddddddd       pxxxxxxxs",
    "onccpoooooooo ooo ooooooooooooooooooooooo oooooooooo ooooo  nocnccccc ncc ccnn       cc      "
    "oo oonn  dddddddddd oo             ",
    "nnccooooooooo ooo ooooooooooooooooooooooooooooooooooooooooonnocccnnnn ccc cccnos    "
    "ooocxxxxxxxooonn  ddddddddddxxxxxxxxxsoooooo",
    " ncc oooooooooooooooooo   oooooooooooooooooooooooo ooooooooo o  ooooooo   n    cccnnn n "
    "cccccccc      dddddddddd  ccp           ",
    " oooooooooooooooooooooooooooooooooooooooooooooooonoonnnnnnn    soooooomnnnnnnnnpddddddddddpp  "
    "                                  ",
    " oo o ooooo oooooooooooooooooooooooo o oooooooooonoonnnnnnnnno  ooooo m nnnnnn  dddddddddd  "
    "oooo                                ",
    "ossspppppppppppppppspsssnnssssssddddddddddxxxxxxxxxxsnsnsnppppccoooooooo "
    "oooooooooooooooooooooooooooooooooooo    nnnnnnnnnnnnnnc",
    "nnnnnpnnooooonnnnnnnnnnn nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn ssssssssnssssss sspppppsssspp   "
    "                                  ",
    "oooooooooooooooooooooooooooooooooooooooooooccnnnncnnnnnncnnccnnoddddddddddppppppooooooccnnoooo"
    "nnnocccoocccccccooonnnnooooooooooo",
    "oonccnnccccccnocddddddddddcccnssUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUU U     U  "
    "lllllllllllllllllllllllllllllllllllllllllllpmlll",
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo"
    "oooooooooooooooooooooooooooooooooo",
    "ooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo oooo  ooooooo o "
    "oooo  oooooooooooooooooooooooooooooooo",
    "ooooooooo oooo  ooooooooooooooooooooooooooooooooo oooo  ooooooo o oooo  ooooooooooooooo "
    "oooooooooooooooooooooooooooooooooooooooo",
    "ooooooooooooooooo oooo  ooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo  "
    "nnnpppppppppxxxxxxxxxxxxxxxxxxxx   ",
    "oooooooooooooooossssssssss      "
    "UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUU  "
    "llllll  ",
    "-ooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo"
    "oooooooooooooooooooooooooooooooooo",
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo"
    "ooooooooooooooospooooooooooooooooo",
    "zoooooooooooooooooooooooooopp   "
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooppprrroooooooo     "
    "  ",
    "oooooooooooooooooonnnc         ooooooooooooooooooonncpp         oooooooooooooooooonn          "
    "  ooooooooooooo ooo nn            ",
    "oooooooooooooooooooooooooooooooooooooooooooooooooooonncnnnnnnnccccccccnccnnnnnnnnnnnpppmpppson"
    "  dddddddddd      xxxxxxxxxx      ",
    "pppppp-ppppnnnfndddddddddd      "
    "ooooooooooooooooooooooooooooooooooomooooooooooooooooooooooooooooooooooooooooooooooooooooo     "
    "  ",
    "ooooonnoooooooooooooooooooooooooooooooooono     "
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo          ",
    "ooooooooooooooooooooooooooooooo nnnccccnnccc    ccnccccccnnn    s   "
    "ppddddddddddoooooooooooooooooooooooooooooo  ooooo           ",
    "oooooooooooooooooooooooooooooooooooooooooooo    oooooooooooooooooooooooooo      ddddddddddx   "
    "ssssssssssssssssssssssssssssssssss",
    "ooooooooooooooooooooooonnccn  "
    "ppooooooooooooooooooooooooooooooooooooooooooooooooooooocncnnnnnnn "
    "ncnccnnnnnnnnccccccnnnnnnnnnn  n",
    "dddddddddd      dddddddddd      pppppppmpppppp  nnnnnnnnnnnnnnennnnnnnnnnnnnnnn               "
    "                                  ",
    "nnnncoooooooooooooooooooooooooooooooooooooooooooooooncnnnnncncccccnccoooooooo   "
    "ddddddddddpppppppssssssssssnnnnnnnnnssssssssspp ",
    "nncoooooooooooooooooooooooooooooocnnnnccnncnnnooddddddddddoooooooooooooooooooooooooooooooooooo"
    "ooooooooncnncccncnnncc        pppp",
    "ooooooooooooooooooooooooooooooooooooccccccccnnnnnnnnccnn   pppppdddddddddd   "
    "oooddddddddddoooooooooooooooooooooooooooooommmmmmpp",
    "lllllllll       UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUU  UUUpppppppp        "
    "nnnpnnnnnnnnnnnnncnnnnnnnoooonoooooonoocnno     ",
    "llllllllllllllllllllllllllllllllllllllllllllmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"
    "mmmmmmmmmmmmmlllllllllllllmlllllll",
    "lllllllllllllllllllllllllllmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "UlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUl"
    "UlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUl",
    "UlUlUlUlUlUlUlUlUlUlUlllllllllUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUl"
    "UlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUl",
    "llllllllUUUUUUUUllllll  UUUUUU  llllllllUUUUUUUUllllllllUUUUUUUUllllll  UUUUUU  llllllll U U "
    "U UllllllllUUUUUUUUllllllllllllll  ",
    "llllllllttttttttllllllllttttttttllllllllttttttttlllll llUUUUtslssslll llUUUUtsssllll  llUUUU "
    "sssllllllllUUUUUsss  lll llUUUUtss ",
    "zzzzzzzzzzzfffff------ppppppppppppppppppzzfffffzppppppppppppppp__pppspppppppppppppsp_"
    "ppppppppppzfffff ffffffffffxm  xxxxxxsssppm",
    "xxxxxxxxxxssspp mmmmmmmmmmmmm   sssssssssssssssssssssssssssssssss               "
    "nnnnnnnnnnnnneeeeneeennnnnnnnnnnn               ",
    "ssUssssUsslUUUllUUUlsUsssUUUUUssssssUsUsUsUUUUslUUUUloooolssllUUsssssUllllsssslsxxxxxxxxxxxxxx"
    "xxrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr",
    "rrrUlrrrrxss    "
    "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
    "ssssssssssssssssss",
    "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
    "ssssssssssssssssssssssssssssssssss",
    "ssssssssppppsssssssssssssssssssssssssssssppsssssssssssssssssssssssssssssssssssssssssssssssssss"
    "ssssssssssssssssssssssssssssssssss",
    "sssssssssssssssssssssssssssssssssssssss                         sssssssssss                   "
    "  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
    "ssssssssssssxxxxxxxxxxxxxxxxxxxxxx",
    "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
    "ssssssssssppppppppppppppxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxsssssssssssssssssssssssssssssssssssssssssssssssssppsssssssssssssssssssssss"
    "ssssssssppppppppppssssssssssssssss",
    "sssppppppppppppppppppppppsssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssppppss"
    "ssssssssssssssssssssssssssssssppss",
    "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
    "ssssssssssssssssssssss  ssssssssss",
    "ssssssssssssssssssssss "
    "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
    "sssssssssss",
    "UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUllllllllllllllllllllllllllllllllllllllllllllll"
    "llUlUUUllUlUlUlUUUUlUllUllllllmmUU",
    "UlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUl"
    "UlUlUllssssssUlUlnnnUl     ppppxpp",
    "llllllllllllllllllllllllllllllllllllll l     l  "
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooo       mp              n",
    "ooooooooooooooooooooooo         ooooooo ooooooo ooooooo ooooooo ooooooo ooooooo ooooooo "
    "ooooooo nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "ppppppppppppppppppppppp-pp-ppppppppppppppppppppmpppppppppp--pppp-pppppppppppppppssppppppppppp-"
    "                                  ",
    "ssssssssssssssssssssssssss "
    "sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss     "
    "       ",
    "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss        "
    "                  ssssssssssss    ",
    "zpppsmorppppppppppsspppppppp-pppsrrrrrrrrrnnnncc-mmmmmssrrrmopss "
    "ooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo",
    "ooooooooooooooooooooooo  "
    "nnssmmo-"
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooopmmm"
    "o",
    "     ooooooooooooooooooooooooooooooooooooooooooo "
    "ooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo",
    "ooooooooooooooo "
    "ssxxxxssssssssssoooooooooooooooooooooooooooooooossssssssssssssssssssssssssssssssssss          "
    "  oooooooooooooooo",
    "sssssssssssssssssssssssssssssss "
    "xxxxxxxxxxssssssssssssssssssssssssssssssxxxxxxxxsxxxxxxxxxxxxxxxssssssssssssssssssssssssssssss"
    "ss",
    "xxxxxxxxxxsssssssssssssssssssssssssssssssssssssssxxxxxxxxxxxxxxxssssssssssssssssssssssssssssss"
    "ssssssssssssssssssssssssssssssssss",
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooossssssssssssssssssssssssssssss"
    "ssssssssssssssssssssssssssssssssss",
    "ooooooooooooooooooooomoooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo"
    "oooooooooooooooooooooooooooooooooo",
    "ooooooooooooo   sssssssssssssssssssssssssssssssssssssssssssssssssssssss         "
    "oooooooooooooooooooooooooooooooooooooooommmmmmpp",
    "oooooooooooompppooooooooooooooooddddddddddoo                    "
    "UlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUloneeepnnnnnnnnnnpm",
    "UlUlUlUlUlUlUlUlUlUlUlUlUlUlmmnnoooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo"
    "oooooooorrrrrrrrrrnnpppppp        ",
    "sssssssssssssssssssssssmmmmmmmmmssUlUlUlUlUlUlUlllUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUlUl"
    "UlUlUlUlUlUlUlUlUlmllllllllUlUlUUl",
    "UlUlUlUlmssUlUloUlUlllUlUlUlUlUlUlUlUlUlUlUUUUUlUUUUUlUlUlUlUlUlUlUlUUUUlUl     Ul l lUlUl    "
    "                    mmmUlommlooooo",
    "oonooonoooonoooooooooooooooooooooooccnncssssn   xxxxxxssss      "
    "oooooooooooooooooooooooooooooooooooooooooooooooooooopppp        ",
    "ccooooooooooooooooooooooooooooooooooooooooooooooooooccccccccccccccccnn        ppdddddddddd    "
    "  nnnnnnnnnnnnnnnnnnoooooopppopoon",
    "ddddddddddoooooooooooooooooooooooooooonnnnnnnnppooooooooooooooooooooooonnnnnnnnnnncc          "
    " pooooooooooooooooooooooooooooo   ",
    "nnncooooooooooooooooooooooooooooooooooooooooooooooonccnnnnccnncccppppppppppppp mdddddddddd    "
    "ppooooonmoooooooooddddddddddooooo ",
    "ooooooooooooooooooooooooooooooooooooooooonnnnnnccnnccnn         ooonoooooooonc  dddddddddd  "
    "ppppoooooooooooooooomoooooosssocncoo",
    "oooooooooooooooooooooooooooooooooooooooooooooooononnnoonnooooonnono                        "
    "oomppooooooooooocnnccppommcn         ",
    " oooooo  oooooo  oooooo         ooooooo ooooooo "
    "lllllllllllllllllllllllllllllllllllllllllllsmmmmlllllllllmss    llllllllllllllll",
    "lllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllloooooooooooooooooooooooooooooo"
    "oooooccnccnccpcn  dddddddddd      ",
    "oooooooooooooooooooooooooooooooooooo            ooooooooooooooooooooooo    "
    "ooooooooooooooooooooooooooooooooooooooooooooooooo    ",
    "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"
    "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv",
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo"
    "oooooooooooooooo  oooooooooooooooo",
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo    "
    "                                  ",
    "lllllll            lllll     onoooooooooosooooooooooooo ooooo o oo oo "
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooo",
    "oooooooooooooooooooooooooooooooooooooooooooooooooosssssssssssssssss                "
    "ooooooooooooooooooooooooooooooooooooooooooooo",
    "ooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooppssssssssssssssssoooooooooooooo"
    "oooooooooooooooooooooooooooooooooo",
    "oooooooooooooooo  oooooooooooooooooooooooooooooooooooooooooooooooooooooo       s              "
    "                  oooooooooooossss",
    "nnnnnnnnnnnnnnnnpppppppppp      nnnnnnnnnnnnnnnnp--__pppppppppppppppppppppppp___ppp "
    "pppp-ppppppppps-sss pspp    ooooo oooooooooo",
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo"
    "ooooooooooooooooooooooooooooooo  f",
    " pppsppppppsp-ppddddddddddppsssppUUUUUUUUUUUUUUUUUUUUUUUUUUppps_"
    "sllllllllllllllllllllllllllpspspppppppoooooooooomooooooooooooooo",
    "oooooooooooooooooooooooooooooommooooooooooooooooooooooooooooooo   oooooo  oooooo  oooooo  ooo "
    "  sssssss sssssss          fffss  ",
    "oooooooooooo oooooooooooooooooooooooooo ooooooooooooooooooo oo ooooooooooooooo  "
    "oooooooooooooo                                  ",
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo"
    "ooooooooooooooooooooooooooooo     ",
    "ppp    xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx   "
    "sssssssssrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrxxxxsssssss",
    "ssssssssssxxsss sssssssssssss   s                                               "
    "sssssssssssssssssssssssssssssssssssssssssssssn  ",
    "                                                                                              "
    "                                  ",
    "ooooooooooooooooooooooooooooo   ooooooooooooooooooooooooooooooooooooooooooooooooo             "
    "  nxxxxxxxxxxxxxxxxxxxxxxxxxxx    ",
    "ooooooooooooooooooooooooooooooooxxxx         ooooooooooooooooooooroooooooor     "
    "oooooooooooooooooooooooooooooooooooooonnnnn     ",
    "oooooooooooooooooooooooooooooo poooooooooooooooooooooooooooooooooooo    ooooooooprrrrr        "
    "                                  ",
    "UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUlllllllllllllllllllllllllllllllllllllllloooooooooooooo"
    "oooooooooooooooooooooooooooooooooo",
    "oooooooooooooooooooooooooooooo  dddddddddd      UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUU    "
    "llllllllllllllllllllllllllllllllllll    ",
    "oooooooooooooooooooooooooooooooooooooooo        "
    "oooooooooooooooooooooooooooooooooooooooooooooooooooo           pUUUUUUUUUUU UUUU",
    "UUUUUUUUUUU UUUUUUU UU lllllllllll lllllllllllllll lllllll ll                                 "
    "                                  ",
    "ooooooooooooooooooooooooooooooooooooooooooooooooooooooo         oooooooooooooooooooooo        "
    "  oooooooo                        ",
    "mmmmmm mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm mmmmmmmmm                                   "
    "                                  ",
    "oooooo  o oooooooooooooooooooooooooooooooooooooooooooo oo   o  ooooooooooooooooooooooo "
    "pxxxxxxxxooooooooooooooooooooooossxxxxxxx",
    "ooooooooooooooooooooooooooooooo        xxxxxxxxx                                              "
    "  ooooooooooooooooooo oo     xxxxx",
    "ooooooooooooooooooooooxxxxxx   poooooooooooooooooooooooooo     p                              "
    "                                  ",
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooo    xxooxxxxxxxxxxxxxxxx  "
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "onnn nn     nnnnoooo ooo ooooooooooooooooooooooooooooo  nnn    nxxxxxxxxx       ppppppppp     "
    "  oooooooooooooooooooooooooooooxxp",
    "oooooooooooooooooooooooooooooxxx                                "
    "oooooooosoooooooooooooooooooooooooooonn    xxxxxppppppp         ",
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooo   pppppppoooooooooooooooooooooo  "
    "xxxxxxxxooooooooooooooooooo     xxxxxxxx",
    "oooooooooooooooooo       pppp            xxxxxxx                                              "
    "                                  ",
    "ooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo                     "
    "                                  ",
    "UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUU             "
    "lllllllllllllllllllllllllllllllllllllllllllllllllll       xxxxxx",
    "oooooooooooooooooooooooooooooooooooonnnn        dddddddddd                                    "
    "                                  ",
    "                                                                                              "
    "  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx ",
    "oooooooooooooooooooooooooooooooooooooooooo nn-  oo                                            "
    "                                  ",
    "oooooooooooooooooooooooooooooxxxxxxxxxxo        oooooooooooooooooooooonnnnnnnnnnnxxxxppppp    "
    "                  oooooooooooooooo",
    "oonnnnpppp                                      oooooooooooooooooooooxxxxxxx                  "
    "  ooooooooooooooooooooooo         ",
    "cncooooooooooooooooooooooooooooooooooooooooooooooooooooonnnnnnnnnnnnnnnppppppp    "
    "xxxxxxxxxxxxxxxxxxxxddddddddddnoonno         n",
    "nncooooooooooooooooooooooooooooooooooooooooooooocccnnnnccnnppfppppn          f  "
    "ooooooooooooooooooooooooo       dddddddddd      ",
    "nnnoooooooooooooooooooooooooooooooooooonnnnncnnnnnnnn ddddddddddppppocco        "
    "ooooooooooooooooooooooooooooooooooonppo         ",
    "nncoooooooooooooooooooooooooooooooooooooooooooooooocccnnnnnnnnnccooooppppnnnnpcnddddddddddopop"
    "pp xxxxxxxxxxxxxxxxxxxx           ",
    "oooooooooooooooooo ooooooooooooooooooooooooocccnnnccncnnppppppn                               "
    "                                  ",
    "ooooooo o oooo ooooooooooooooo oooooooooop      "
    "oooooooooooooooooooooooooooooooooooooooooooooooncccnnnnnnnn     dddddddddd      ",
    "nncc oooooooo  oo  oooooooooooooooooooooo ooooooo oo ooooo nnoccncccc  cc  ccc  o      c     "
    "ooooocc  nnnnnnn   nnnnn           ",
    "ooooooooooooooooooooooooooooooooooooooooooooooooooooocccnnnnnnnnccnnncnoooopppppddddddddddpp "
    "pnooo                              ",
    "oooooooooooooooooooooooooooooooooooooooooooooooocccnnnnnncnccccnncnnoopo        dddddddddd    "
    "                                  ",
    "ooooooooooooooooooooooooooooooooooooooooooooooocccnnnn  "
    "ccccnncnnpppppppppppppppppppppppoooonn                                  ",
    "oooooooooooooooooooooooooooooooooooooooooooooooocccnnnnnnnnccncnnpppo           dddddddddd    "
    "  ppppppppppppp                   ",
    "oooooooooooooooooooooooooooooooooooooooooooncnccnnnnnncnop      dddddddddd                    "
    "                                  ",
    "ooooooooooooooooooooooooooo  nnnccnnnncnnnnn    ddddddddddxxpppsooooooo                       "
    "                                  ",
    "oooooooooooooooooooooooooooooooooooooooooooocccnnnnnnnnncnnp                                  "
    "                                  ",
    "                                "
    "UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUllllllllllllllllllllllllllllllllddddddddddxxxxxxxxx           "
    " o",
    "ooooooo  o  oooooooo oo oooooooooooooooooooooooocccccc cc  nncnococnppp         dddddddddd    "
    "                                  ",
    "                                oooooooo  ooooooooooooooooooooooooooooooooooooooocccnnnn  "
    "nnccccnopoc                           ",
    "onnnnnnnnnnoooooooooooooooooooooooooooooooooooooooonnnnnnconnnnppppppppn        "
    "onnnnnnccnnnoooooooooooooooooooooooooooooooooooo",
    "oooooooooonnnnnnnnnnnnncnnpppoppppp             "
    "ooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo       ",
    "ooooooooo ooooooooooooooooooooooooooooooooooooocnnnnnnn nnnnnncnoppppp          "
    "ddddddddddxxxxxxxxxxxxxxxxxxx   ppoooooooooooooo",
    "oooooooooooooooo  nnnnnnnnnnnnnnnnnnnnnn cnnnnnnncnncnn                                       "
    "                                  ",
    "ooooooo oo oooooooooooooooooooooooooooooooooooooonnnnnn   n nn nnnnnnnon        dddddddddd    "
    "  oooooo oo oooooooooooooooooooooo",
    "ooooooooooccccc nn ccncno       dddddddddd                                                    "
    "                                  ",
    "                                                                                              "
    "  ooooooooooooooooooonnccpp       ",
    "                                                o               "
    "xxxxxxxxxxxxxxxxxxxxxsssssssssssssssssssssssssssss             p",
    "oooooooooooooooooooooooooo                                                                    "
    "                                  ",
    "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr"
    "rrrrrrrrrrrrrrrrr ppppp           ",
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo                          "
    "                                  ",
    "                "
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo"
    "ooopp             ",
    "ooooooooooooooooooooooooooooooooooooooooooooooo fffffffff                                     "
    "                                  ",
    "ooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo                       "
    "                                  ",
    "ooooooooooooooooooooooooooooooooooooooooooooooooooooooooo       "
    "ooooooooooooooooooooooooooooooo dddddddddd    ppoooooooooooooooo",
    "ooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo dddddddddd      "
    "oooooooooooooooooooooooooooooo  nnnnnp          ",
    "oooooooooooooooooooooooooooooooooooooooooooooooonnnnnnnpppppssssmmmmps          dddddddddd "
    "xxxxxxx ooooooooooooooooooooo     ooo",
    "oooooooooooooooo                                                                              "
    "                                  ",
    "                                                                "
    "UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUllllllllllllllllllllllllllllllll",
    "xxxxxxxxxxxxxxxxxxxxxxxpppp                                                                   "
    "                                  ",
    "ooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo    "
    "noccccccccccccccccccccccccccccccccccccccccccccccc",
    "cccccccc       nnnnmmmmmmmmmmmmm                                                              "
    "  mmpmn           cc              ",
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo"
    "oooooooooooooooooooooooooo        ",
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo        "
    "                                  ",
    "ooooooooo                                                                                     "
    "                                  ",
    "                                                                                              "
    "                  mmmm mmmmmmm mm ",
    "ooooooooooooooooooooooooooooooooooo                                             ooo           "
    "      oooo        oooooooooooooooo",
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo"
    "oooooooooooooooooooooooooooooo    ",
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo"
    "ooooooooooooo     ooooooooooooo   ",
    "ooooooooo       oooooooooo  snnpffff                                                          "
    "                                  ",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn  nnnnnnnnnnnnnnnnnnnnnnn         "
    "ssssssssssssssssssssssssssssssssssssssssssssssss",
    "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss                          "
    "                                  ",
    "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
    "ssssssssssssssssssssssss          ",
    "sssssssssssssssssssssssssssssssssssssss  "
    "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssccnnnsssccccccffffffffnnnnn",
    "nnnssnnnnnnnssssssssssssssssssssssssssssssnnnnssssssssssssssssssssssssssssssssssssssssssssssss"
    "sssssssssssss                     ",
    "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssnnns                        "
    "                                  ",
    "                                                                                              "
    "  xxxxxxxxxxxxxxxxxxxx            ",
    "sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss       "
    "  xxxxxxxxxxxxxxxxxxxxxxxxx       ",
    "UUUUUUUUUUUUUUUUUUUUUUUUUUllllllllllllllllllllllllllUUUUUUUUUUUUUUUUUUUUUUUUUUlllllll "
    "llllllllllllllllllUUUUUUUUUUUUUUUUUUUUUUUU",
    "UUllllllllllllllllllllllllllU UU  U  UU  UUUU UUUUUUUUllll l lllllll "
    "lllllllllllUUUUUUUUUUUUUUUUUUUUUUUUUUllllllllllllllllllllll",
    "llllUU UUUU  UUUUUUUU UUUUUUU llllllllllllllllllllllllllUU UUUU UUUUU U   UUUUUUU "
    "llllllllllllllllllllllllllUUUUUUUUUUUUUUUUUUUU",
    "UUUUUUllllllllllllllllllllllllllUUUUUUUUUUUUUUUUUUUUUUUUUUllllllllllllllllllllllllllUUUUUUUUUU"
    "UUUUUUUUUUUUUUUUllllllllllllllllll",
    "llllllllUUUUUUUUUUUUUUUUUUUUUUUUUUllllllllllllllllllllllllllUUUUUUUUUUUUUUUUUUUUUUUUUUllllllll"
    "llllllllllllllllllUUUUUUUUUUUUUUUU",
    "UUUUUUUUUUllllllllllllllllllllllllllll  "
    "UUUUUUUUUUUUUUUUUUUUUUUUUslllllllllllllllllllllllllsllllllUUUUUUUUUUUUUUUUUUUUUUUUUsllll",
    "lllllllllllllllllllllsllllllUUUUUUUUUUUUUUUUUUUUUUUUUslllllllllllllllllllllllllsllllllUUUUUUUU"
    "UUUUUUUUUUUUUUUUUsllllllllllllllll",
    "lllllllllsllllllUUUUUUUUUUUUUUUUUUUUUUUUUslllllllllllllllllllllllllsllllllUl  "
    "dddddddddddddddddddddddddddddddddddddddddddddddddd",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnssssnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
    "nnnnnnnnnnnnnnnssssssssnssssssssss",
    "ssssnssppppp               nnnnn nnnnnnnnnnnnnnn                                              "
    "                                  ",
    "llllllllllollllllllllllllllllll                                                               "
    "                                  ",
    "nnnnnnn nnnnnnnnnnnnnnnnn  nnnnnnn nn nnnnn                                                   "
    "                                  ",
    "ooooooooooooooooooooooooooooooooooooooooooooo   nnnnnnnmmmmmmm  dddddddddd    os              "
    "                                  ",
    "                oooooooooooooooooooooooooooooon                 "
    "oooooooooooooooooooooooooooooooooooooooooooonnnndddddddddd     s",
    "                                                                                              "
    "  ooooooo oooo oo ooooooooooooooo ",
    "ooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo  xxxxxxxxxnnnnnnn       "
    "                                  ",
    "UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUllllllllllllllllllllllllllllllllllnnnnnnnm    dddddddddd    "
    "pp                                ",
    "                                                                                              "
    "                   xxxxxxxxxxxxxxx",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxsxxxsxxxx                                         "
    "                                  ",
    " xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxsxxxxxxxxxxxxxxx                                "
    "                                  ",
    "oooo ooooooooooooooooooooooooooo oo o  o oooooooooo oooo o o      o    o o o ooo oo o  o o o "
    "o o oo o  oooo ooooooo oooo oooo o ",
    "oooooooooo ooooooooooooooooo     ooo ooooo ooooooooooooooooo                                  "
    "                  ss              ",
    "ssssssssssssssssssssssssssssssssssssssssssss    "
    "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss",
    "ssssssssssssssssssss            sssssssssssssss  sssssssssssssss sssssssssssssss "
    "sssssssssssssssssssssssssssssssssssss          ",
    "xxxxxxxxxxxxxsssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
    "ssssssssssssssssssssssssssssssssss",
    "ssssssssssssssssssssssssssssssssssssssssssssss                                                "
    "        ssssssssssssssssssssssssss",
    "sss             ssssssssssssssssssssssssssssssssssssssssssss    sssssssss       ss            "
    "  ssssss                          ",
    "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss     "
    "ssssssssssssssss   sssssssssssss   ",
    "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
    "ssssssssssssssssssssss            ",
    "sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss     "
    "  ssssssssssss    s               ",
    "ssssssssssss    ssssssssssssssssssssssssssssssssssssssssssssssssssssssss        ssssssssss    "
    "  ssssssssssssssssssssssssssssssss",
    "ssssssss        ssssssssssssssssssssssssssssss  ss                                            "
    "                                  ",
    "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss          "
    "  ssssssssssssss  sssss   sssss   ",
    "sssssss         sssssssssssssssssssssssssssss   sssssssssss     ssssss          ssssssssss    "
    "  ssssssss        sssssss         ",
    "sssssssssssssssssss sssssssssssssssssssssssssssssssssssssssssssssssssssssss                   "
    "                  dddddddddd      ",
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo"
    "oo                                ",
    "ooooooooooooooooooooooooooooooooooooooooooooooooooooooooo       "
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo",
    "oooooooooooooooooooooooooooooo  "
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo"
    "oo",
    "oooooooooooooooooooooooooooooooooo              "
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo",
    "oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo"
    "ooo                               ",
    "oooooooooooooooooooooooooooooo                                                                "
    "                                  ",
    "ooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo                   "
    "                                  ",
};

const kw_unicode_case kw_unicode_cases[KW_UNICODE_CASES] = {
    {0x41, 0x5A, 1, 32},         {0xC0, 0xD6, 1, 32},         {0xD8, 0xDE, 1, 32},
    {0x100, 0x12E, 2, 1},        {0x132, 0x136, 2, 1},        {0x139, 0x147, 2, 1},
    {0x14A, 0x176, 2, 1},        {0x178, 0x178, 1, -121},     {0x179, 0x17D, 2, 1},
    {0x181, 0x181, 1, 210},      {0x182, 0x184, 2, 1},        {0x186, 0x186, 1, 206},
    {0x187, 0x187, 1, 1},        {0x189, 0x18A, 1, 205},      {0x18B, 0x18B, 1, 1},
    {0x18E, 0x18E, 1, 79},       {0x18F, 0x18F, 1, 202},      {0x190, 0x190, 1, 203},
    {0x191, 0x191, 1, 1},        {0x193, 0x193, 1, 205},      {0x194, 0x194, 1, 207},
    {0x196, 0x196, 1, 211},      {0x197, 0x197, 1, 209},      {0x198, 0x198, 1, 1},
    {0x19C, 0x19C, 1, 211},      {0x19D, 0x19D, 1, 213},      {0x19F, 0x19F, 1, 214},
    {0x1A0, 0x1A4, 2, 1},        {0x1A6, 0x1A6, 1, 218},      {0x1A7, 0x1A7, 1, 1},
    {0x1A9, 0x1A9, 1, 218},      {0x1AC, 0x1AC, 1, 1},        {0x1AE, 0x1AE, 1, 218},
    {0x1AF, 0x1AF, 1, 1},        {0x1B1, 0x1B2, 1, 217},      {0x1B3, 0x1B5, 2, 1},
    {0x1B7, 0x1B7, 1, 219},      {0x1B8, 0x1B8, 1, 1},        {0x1BC, 0x1BC, 1, 1},
    {0x1C4, 0x1C4, 1, 2},        {0x1C5, 0x1C5, 1, 1},        {0x1C7, 0x1C7, 1, 2},
    {0x1C8, 0x1C8, 1, 1},        {0x1CA, 0x1CA, 1, 2},        {0x1CB, 0x1DB, 2, 1},
    {0x1DE, 0x1EE, 2, 1},        {0x1F1, 0x1F1, 1, 2},        {0x1F2, 0x1F4, 2, 1},
    {0x1F6, 0x1F6, 1, -97},      {0x1F7, 0x1F7, 1, -56},      {0x1F8, 0x21E, 2, 1},
    {0x220, 0x220, 1, -130},     {0x222, 0x232, 2, 1},        {0x23A, 0x23A, 1, 10795},
    {0x23B, 0x23B, 1, 1},        {0x23D, 0x23D, 1, -163},     {0x23E, 0x23E, 1, 10792},
    {0x241, 0x241, 1, 1},        {0x243, 0x243, 1, -195},     {0x244, 0x244, 1, 69},
    {0x245, 0x245, 1, 71},       {0x246, 0x24E, 2, 1},        {0x370, 0x372, 2, 1},
    {0x376, 0x376, 1, 1},        {0x37F, 0x37F, 1, 116},      {0x386, 0x386, 1, 38},
    {0x388, 0x38A, 1, 37},       {0x38C, 0x38C, 1, 64},       {0x38E, 0x38F, 1, 63},
    {0x391, 0x3A1, 1, 32},       {0x3A3, 0x3AB, 1, 32},       {0x3CF, 0x3CF, 1, 8},
    {0x3D8, 0x3EE, 2, 1},        {0x3F4, 0x3F4, 1, -60},      {0x3F7, 0x3F7, 1, 1},
    {0x3F9, 0x3F9, 1, -7},       {0x3FA, 0x3FA, 1, 1},        {0x3FD, 0x3FF, 1, -130},
    {0x400, 0x40F, 1, 80},       {0x410, 0x42F, 1, 32},       {0x460, 0x480, 2, 1},
    {0x48A, 0x4BE, 2, 1},        {0x4C0, 0x4C0, 1, 15},       {0x4C1, 0x4CD, 2, 1},
    {0x4D0, 0x52E, 2, 1},        {0x531, 0x556, 1, 48},       {0x10A0, 0x10C5, 1, 7264},
    {0x10C7, 0x10C7, 1, 7264},   {0x10CD, 0x10CD, 1, 7264},   {0x13A0, 0x13EF, 1, 38864},
    {0x13F0, 0x13F5, 1, 8},      {0x1C90, 0x1CBA, 1, -3008},  {0x1CBD, 0x1CBF, 1, -3008},
    {0x1E00, 0x1E94, 2, 1},      {0x1E9E, 0x1E9E, 1, -7615},  {0x1EA0, 0x1EFE, 2, 1},
    {0x1F08, 0x1F0F, 1, -8},     {0x1F18, 0x1F1D, 1, -8},     {0x1F28, 0x1F2F, 1, -8},
    {0x1F38, 0x1F3F, 1, -8},     {0x1F48, 0x1F4D, 1, -8},     {0x1F59, 0x1F5F, 2, -8},
    {0x1F68, 0x1F6F, 1, -8},     {0x1F88, 0x1F8F, 1, -8},     {0x1F98, 0x1F9F, 1, -8},
    {0x1FA8, 0x1FAF, 1, -8},     {0x1FB8, 0x1FB9, 1, -8},     {0x1FBA, 0x1FBB, 1, -74},
    {0x1FBC, 0x1FBC, 1, -9},     {0x1FC8, 0x1FCB, 1, -86},    {0x1FCC, 0x1FCC, 1, -9},
    {0x1FD8, 0x1FD9, 1, -8},     {0x1FDA, 0x1FDB, 1, -100},   {0x1FE8, 0x1FE9, 1, -8},
    {0x1FEA, 0x1FEB, 1, -112},   {0x1FEC, 0x1FEC, 1, -7},     {0x1FF8, 0x1FF9, 1, -128},
    {0x1FFA, 0x1FFB, 1, -126},   {0x1FFC, 0x1FFC, 1, -9},     {0x2126, 0x2126, 1, -7517},
    {0x212A, 0x212A, 1, -8383},  {0x212B, 0x212B, 1, -8262},  {0x2132, 0x2132, 1, 28},
    {0x2160, 0x216F, 1, 16},     {0x2183, 0x2183, 1, 1},      {0x24B6, 0x24CF, 1, 26},
    {0x2C00, 0x2C2F, 1, 48},     {0x2C60, 0x2C60, 1, 1},      {0x2C62, 0x2C62, 1, -10743},
    {0x2C63, 0x2C63, 1, -3814},  {0x2C64, 0x2C64, 1, -10727}, {0x2C67, 0x2C6B, 2, 1},
    {0x2C6D, 0x2C6D, 1, -10780}, {0x2C6E, 0x2C6E, 1, -10749}, {0x2C6F, 0x2C6F, 1, -10783},
    {0x2C70, 0x2C70, 1, -10782}, {0x2C72, 0x2C72, 1, 1},      {0x2C75, 0x2C75, 1, 1},
    {0x2C7E, 0x2C7F, 1, -10815}, {0x2C80, 0x2CE2, 2, 1},      {0x2CEB, 0x2CED, 2, 1},
    {0x2CF2, 0x2CF2, 1, 1},      {0xA640, 0xA66C, 2, 1},      {0xA680, 0xA69A, 2, 1},
    {0xA722, 0xA72E, 2, 1},      {0xA732, 0xA76E, 2, 1},      {0xA779, 0xA77B, 2, 1},
    {0xA77D, 0xA77D, 1, -35332}, {0xA77E, 0xA786, 2, 1},      {0xA78B, 0xA78B, 1, 1},
    {0xA78D, 0xA78D, 1, -42280}, {0xA790, 0xA792, 2, 1},      {0xA796, 0xA7A8, 2, 1},
    {0xA7AA, 0xA7AA, 1, -42308}, {0xA7AB, 0xA7AB, 1, -42319}, {0xA7AC, 0xA7AC, 1, -42315},
    {0xA7AD, 0xA7AD, 1, -42305}, {0xA7AE, 0xA7AE, 1, -42308}, {0xA7B0, 0xA7B0, 1, -42258},
    {0xA7B1, 0xA7B1, 1, -42282}, {0xA7B2, 0xA7B2, 1, -42261}, {0xA7B3, 0xA7B3, 1, 928},
    {0xA7B4, 0xA7C2, 2, 1},      {0xA7C4, 0xA7C4, 1, -48},    {0xA7C5, 0xA7C5, 1, -42307},
    {0xA7C6, 0xA7C6, 1, -35384}, {0xA7C7, 0xA7C9, 2, 1},      {0xA7D0, 0xA7D0, 1, 1},
    {0xA7D6, 0xA7D8, 2, 1},      {0xA7F5, 0xA7F5, 1, 1},      {0xFF21, 0xFF3A, 1, 32},
    {0x10400, 0x10427, 1, 40},   {0x104B0, 0x104D3, 1, 40},   {0x10570, 0x1057A, 1, 39},
    {0x1057C, 0x1058A, 1, 39},   {0x1058C, 0x10592, 1, 39},   {0x10594, 0x10595, 1, 39},
    {0x10C80, 0x10CB2, 1, 64},   {0x118A0, 0x118BF, 1, 32},   {0x16E40, 0x16E5F, 1, 32},
    {0x1E900, 0x1E921, 1, 34},
};
