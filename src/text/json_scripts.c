/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* json_scripts.c - the pre-tokenizer UnicodeScripts as an expression: runs of one script. Spaces
 * and what is of no script go on with what stands before them, and are left out at the beginning;
 * Hiragana and Katakana count as Han, which the prolonged sound mark does, too. Scripts that are
 * younger than the library's table are cut into characters.
 * Source: Hugging Face tokenizers, pre_tokenizers/unicode_scripts. */
#include "text/json_steps.h"

#include "base/buf.h"
#include "base/check.h"

static const char *const scripts[] = {
    "Adlam",
    "Ahom",
    "Anatolian_Hieroglyphs",
    "Arabic",
    "Armenian",
    "Avestan",
    "Balinese",
    "Bamum",
    "Bassa_Vah",
    "Batak",
    "Bengali",
    "Bhaiksuki",
    "Bopomofo",
    "Brahmi",
    "Braille",
    "Buginese",
    "Buhid",
    "Canadian_Aboriginal",
    "Carian",
    "Caucasian_Albanian",
    "Chakma",
    "Cham",
    "Cherokee",
    "Common",
    "Coptic",
    "Cuneiform",
    "Cypriot",
    "Cyrillic",
    "Deseret",
    "Devanagari",
    "Duployan",
    "Egyptian_Hieroglyphs",
    "Elbasan",
    "Ethiopic",
    "Georgian",
    "Glagolitic",
    "Gothic",
    "Grantha",
    "Greek",
    "Gujarati",
    "Gurmukhi",
    "Hangul",
    "Hanunoo",
    "Hatran",
    "Hebrew",
    "Imperial_Aramaic",
    "Inherited",
    "Inscriptional_Pahlavi",
    "Inscriptional_Parthian",
    "Javanese",
    "Kaithi",
    "Kannada",
    "Kayah_Li",
    "Kharoshthi",
    "Khmer",
    "Khojki",
    "Khudawadi",
    "Lao",
    "Latin",
    "Lepcha",
    "Limbu",
    "Linear_A",
    "Linear_B",
    "Lisu",
    "Lycian",
    "Lydian",
    "Mahajani",
    "Malayalam",
    "Mandaic",
    "Manichaean",
    "Marchen",
    "Meetei_Mayek",
    "Mende_Kikakui",
    "Meroitic_Cursive",
    "Meroitic_Hieroglyphs",
    "Miao",
    "Modi",
    "Mongolian",
    "Mro",
    "Multani",
    "Myanmar",
    "Nabataean",
    "New_Tai_Lue",
    "Newa",
    "Nko",
    "Ogham",
    "Ol_Chiki",
    "Old_Hungarian",
    "Old_Italic",
    "Old_North_Arabian",
    "Old_Permic",
    "Old_Persian",
    "Old_South_Arabian",
    "Old_Turkic",
    "Oriya",
    "Osage",
    "Osmanya",
    "Pahawh_Hmong",
    "Palmyrene",
    "Pau_Cin_Hau",
    "Phags_Pa",
    "Phoenician",
    "Psalter_Pahlavi",
    "Rejang",
    "Runic",
    "Samaritan",
    "Saurashtra",
    "Sharada",
    "Shavian",
    "Siddham",
    "SignWriting",
    "Sinhala",
    "Sora_Sompeng",
    "Sundanese",
    "Syloti_Nagri",
    "Syriac",
    "Tagalog",
    "Tagbanwa",
    "Tai_Le",
    "Tai_Tham",
    "Tai_Viet",
    "Takri",
    "Tamil",
    "Tangut",
    "Telugu",
    "Thaana",
    "Thai",
    "Tibetan",
    "Tifinagh",
    "Tirhuta",
    "Ugaritic",
    "Vai",
    "Warang_Citi",
    "Yi",
};

#define HAN "\\p{sc=Han}\\p{sc=Hiragana}\\p{sc=Katakana}\xE3\x83\xBC"
#define NONE " \\p{Cn}\\p{Co}"
/* U+30FC is Common, and Han here; the space is Common, and of none here. */
#define BUT "(?![ \xE3\x83\xBC])"

kw_status kw_json_scripts(kw_arena *arena, kw_str *out, kw_error *err)
{
    kw_buf text = {0};
    kw_buf_printf(&text, "[" HAN "][" HAN NONE "]*");
    for (size_t i = 0; i < KW_COUNT(scripts); i++)
        kw_buf_printf(&text, "|" BUT "\\p{sc=%s}(?:" BUT "\\p{sc=%s}|[" NONE "])*", scripts[i],
                      scripts[i]);
    kw_buf_printf(&text, "|[^" NONE "]");
    kw_status status = kw_buf_status(&text, err);
    if (status == KW_OK) {
        *out = (kw_str){kw_arena_strdup(arena, (kw_str){text.data, text.len}), text.len};
        if (!out->data)
            status = kw_fail(err, KW_E_NOMEM, "tokenizer: out of memory");
    }
    kw_buf_free(&text);
    return status;
}
