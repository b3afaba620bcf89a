/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* touch_tokenizer.h - uses a tokenizer made from hostile bytes: a few texts in and out. */
#ifndef KW_FUZZ_TOUCH_TOKENIZER_H
#define KW_FUZZ_TOUCH_TOKENIZER_H

#include "base/utf8.h"
#include "promise.h"
#include "text/tokenizer.h"

#include <stdlib.h>

static void touch_text(const kw_tokenizer *t, kw_str text, unsigned flags)
{
    int32_t *ids;
    size_t n, len;
    char *back;
    /* A hostile expression may pass its limit. */
    if (kw_tokenizer_encode(t, text, flags, &ids, &n, NULL) != KW_OK)
        return;
    for (size_t i = 0; i < n; i++)
        promise(ids[i] >= 0 && (size_t)ids[i] < kw_tokenizer_size(t));
    promise(kw_tokenizer_decode(t, ids, n, (flags & 1) != 0, &back, &len, NULL) == KW_OK);
    promise(kw_utf8_valid(back, len));
    free(back);
    free(ids);
}

static void touch_tokenizer(const kw_tokenizer *t, const uint8_t *data, size_t size)
{
    static const char *const texts[] = {
        "",
        " ",
        "a",
        "It's 2 o'clock, 1234 sheep -- they'LL sleep.\n\n  x",
        "<s> a</s>\xE2\x96\x81 b<|endoftext|>",
        "caf\x65\xCC\x81 \xE4\xBD\xA0\xE5\xA5\xBD \xF0\x9F\x98\x80\xC2\xA0\xE2\x80\xA8",
        "\xFF\x80 a\xC3"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        for (unsigned flags = 0; flags < 4; flags++)
            touch_text(t, kw_str_from(texts[i]), flags);
    /* Part of the input itself: its tokens are likely to be in it. */
    touch_text(t, (kw_str){(const char *)data + size / 3, size / 3 < 300 ? size / 3 : 300},
               KW_ENCODE_PARSE);
    const int32_t n = (int32_t)kw_tokenizer_size(t);
    for (int32_t id = -1; id <= n && id < 600; id++) {
        kw_detokenizer d;
        kw_detokenizer_init(&d, t, true);
        const kw_str text = kw_detokenizer_push(&d, id);
        promise(kw_utf8_valid(text.data, text.len));
        kw_detokenizer_flush(&d);
        const kw_str piece = kw_tokenizer_piece(t, id);
        const int32_t found = kw_tokenizer_find(t, piece);
        promise(piece.len == 0 || (found >= 0 && found <= id));
    }
}

#endif
