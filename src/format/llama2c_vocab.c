/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* llama2c_vocab.c - tokenizer.bin: the longest token's length, then score, length and text of each.
 *
 * It is a SentencePiece model with its spaces written as spaces, and with line feeds around the
 * names of its two control tokens. Source: tokenizer.py of llama2.c. */
#include "format/llama2c.h"

#include "base/check.h"
#include "format/gguf_writer.h"

enum { BOS = 1, EOS = 2, TYPE_NORMAL = 1, TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_BYTE = 6 };

typedef struct reader {
    kw_str bytes;
    size_t pos;
    kw_arena *arena;
    kw_error *err;
} reader;

static kw_status take(reader *r, size_t n, const char **out)
{
    if (n > r->bytes.len - r->pos)
        return kw_fail(r->err, KW_E_FORMAT,
                       "llama2.c tokenizer: %zu bytes at %zu run past its end (%zu)", n, r->pos,
                       r->bytes.len);
    *out = r->bytes.data + r->pos;
    r->pos += n;
    return KW_OK;
}

static kw_status take_u32(reader *r, uint32_t *out)
{
    const char *src = NULL;
    uint32_t v = 0;
    KW_TRY(take(r, 4, &src));
    for (size_t i = 4; i-- > 0;)
        v = v << 8 | (unsigned char)src[i];
    *out = v;
    return KW_OK;
}

static bool is_byte(kw_str text)
{
    return text.len == 6 && memcmp(text.data, "<0x", 3) == 0 && text.data[5] == '>';
}

/* The text with U+2581 for its spaces. */
static kw_status mark_spaces(reader *r, kw_str text, kw_str *out)
{
    const kw_str mark = KW_STR("\xe2\x96\x81");
    char *const marked = kw_arena_array(r->arena, text.len, 3);
    size_t n = 0;
    if (!marked)
        return kw_fail(r->err, KW_E_NOMEM, "llama2.c tokenizer: no memory for a token");
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == ' ') {
            memcpy(marked + n, mark.data, mark.len);
            n += mark.len;
        } else {
            marked[n++] = text.data[i];
        }
    }
    *out = (kw_str){marked, n};
    return KW_OK;
}

static kw_status read_token(reader *r, size_t i, uint32_t longest, kw_str *text, int32_t *type)
{
    uint32_t len = 0;
    const char *src = NULL;
    KW_TRY(take_u32(r, &len));
    if (len > longest)
        return kw_fail(r->err, KW_E_FORMAT,
                       "llama2.c tokenizer: token %zu has %u bytes (at most %u)", i, (unsigned)len,
                       (unsigned)longest);
    KW_TRY(take(r, len, &src));
    *text = (kw_str){src, len};
    *type = TYPE_NORMAL;
    if (i == 0) {
        *type = TYPE_UNKNOWN;
    } else if (i == BOS || i == EOS) {
        *type = TYPE_CONTROL;
        *text = i == BOS ? KW_STR("<s>") : KW_STR("</s>");
    } else if (is_byte(*text)) {
        *type = TYPE_BYTE;
    } else {
        return mark_spaces(r, *text, text);
    }
    return KW_OK;
}

kw_status kw_llama2c_vocab(kw_str bytes, size_t n, kw_arena *arena, kw_image *out, kw_error *err)
{
    reader r = {.bytes = bytes, .arena = arena, .err = err};
    uint32_t longest = 0;
    if (n > bytes.len / 8)
        return kw_fail(err, KW_E_FORMAT, "llama2.c tokenizer: %zu bytes cannot hold %zu tokens",
                       bytes.len, n);
    kw_str *const tokens = kw_arena_array(arena, n, sizeof *tokens);
    float *const scores = kw_arena_array(arena, n, sizeof *scores);
    int32_t *const types = kw_arena_array(arena, n, sizeof *types);
    if (!tokens || !scores || !types)
        return kw_fail(err, KW_E_NOMEM, "llama2.c tokenizer: no memory for %zu tokens", n);
    KW_TRY(take_u32(&r, &longest));
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = 0;
        KW_TRY(take_u32(&r, &bits));
        memcpy(&scores[i], &bits, sizeof bits);
        KW_TRY(read_token(&r, i, longest, &tokens[i], &types[i]));
    }
    if (r.pos != bytes.len)
        return kw_fail(err, KW_E_FORMAT,
                       "llama2.c tokenizer: %zu bytes are left after the model's %zu tokens",
                       bytes.len - r.pos, n);
    const kw_meta metas[] = {
        {KW_STR("tokenizer.ggml.model"), kw_gguf_string(KW_STR("llama"))},
        {KW_STR("tokenizer.ggml.tokens"), kw_gguf_array(KW_GGUF_STRING, tokens, n)},
        {KW_STR("tokenizer.ggml.scores"), kw_gguf_array(KW_GGUF_F32, scores, n)},
        {KW_STR("tokenizer.ggml.token_type"), kw_gguf_array(KW_GGUF_I32, types, n)},
        {KW_STR("tokenizer.ggml.unknown_token_id"), kw_gguf_u32(0)},
        {KW_STR("tokenizer.ggml.bos_token_id"), kw_gguf_u32(BOS)},
        {KW_STR("tokenizer.ggml.eos_token_id"), kw_gguf_u32(EOS)},
    };
    size_t capacity = 0;
    for (size_t i = 0; i < KW_COUNT(metas); i++)
        KW_TRY(kw_image_push_meta(out, &capacity, arena, &metas[i], err));
    return KW_OK;
}
