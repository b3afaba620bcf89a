/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* vocab_tiktoken.c - tiktoken ranks: a line is base64 of a token's bytes, a space, and its rank.
 *
 * The file names neither its pattern nor its special tokens. They are known by the number of ranks:
 * 128000 is Llama 3, 50256 and 50257 GPT-2, 151643 Qwen; others get Llama 3's pattern and no
 * specials. Source: openai/tiktoken, load.py; meta-llama/llama3, tokenizer.py. */
#include "text/alphabet.h"
#include "text/base64.h"
#include "text/grow.h"
#include "text/vocab.h"

#include <stdio.h>

#define LLAMA3_RANKS 128000
#define LLAMA3_SPECIALS 256
#define GPT2_RANKS 50256
#define QWEN_RANKS 151643
#define SPECIAL_NAME_MAX 40

typedef struct ranks {
    kw_str *tokens; /* in the arena, by rank, spelled in the byte alphabet */
    size_t n, room;
} ranks;

/* Reads "base64 rank" into the table. */
static kw_status read_line(kw_str line, size_t number, const char *subject, char *work,
                           kw_arena *arena, ranks *table, kw_error *err)
{
    const char *space = memchr(line.data, ' ', line.len);
    const size_t width = space ? (size_t)(space - line.data) : 0;
    size_t rank = 0, n = 0;
    bool good = space && width + 1 < line.len && line.len - width <= 9;
    for (size_t i = width + 1; good && i < line.len; i++) {
        good = line.data[i] >= '0' && line.data[i] <= '9';
        rank = 10 * rank + (size_t)(line.data[i] - '0');
    }
    /* A rank may be left empty: one file of Whisper's writes "=" for it. */
    if (!good || !kw_base64_decode((kw_str){line.data, width}, work, &n))
        return kw_fail(err, KW_E_FORMAT, "%s: line %zu is not \"base64 rank\"", subject, number);
    if (rank >= table->room || table->tokens[rank].len > 0)
        return kw_fail(err, KW_E_FORMAT, "%s: line %zu: rank %zu is %s", subject, number, rank,
                       rank >= table->room ? "past the number of lines" : "taken");
    char *spelled = kw_arena_alloc(arena, 2 * n);
    if (!spelled)
        return kw_fail(err, KW_E_NOMEM, "%s: out of memory", subject);
    table->tokens[rank] = (kw_str){spelled, kw_alphabet_encode(work, n, spelled)};
    table->n = KW_MAX(table->n, rank + 1);
    return KW_OK;
}

static kw_status read_lines(kw_str text, const char *subject, kw_arena *arena, ranks *table,
                            kw_error *err)
{
    size_t n_lines = 1;
    for (size_t i = 0; i < text.len; i++)
        n_lines += text.data[i] == '\n';
    char *work = kw_arena_alloc(arena, text.len);
    *table = (ranks){kw_arena_array(arena, n_lines + LLAMA3_SPECIALS, sizeof(kw_str)), 0, n_lines};
    if (!work || !table->tokens)
        return kw_fail(err, KW_E_NOMEM, "%s: out of memory", subject);
    for (size_t at = 0, number = 1; at < text.len; number++) {
        const char *start = text.data + at, *end = memchr(start, '\n', text.len - at);
        kw_str line = {start, end ? (size_t)(end - start) : text.len - at};
        at += line.len + 1;
        if (line.len > 0 && line.data[line.len - 1] == '\r')
            line.len--;
        if (line.len > 0)
            KW_TRY(read_line(line, number, subject, work, arena, table, err));
    }
    return KW_OK;
}

/* The 256 special tokens of Llama 3, by their place. */
static void llama3_special(size_t i, char out[SPECIAL_NAME_MAX])
{
    static const char *const first[] = {"<|begin_of_text|>",
                                        "<|end_of_text|>",
                                        "<|reserved_special_token_0|>",
                                        "<|reserved_special_token_1|>",
                                        "<|reserved_special_token_2|>",
                                        "<|reserved_special_token_3|>",
                                        "<|start_header_id|>",
                                        "<|end_header_id|>",
                                        "<|reserved_special_token_4|>",
                                        "<|eot_id|>"};
    if (i < KW_COUNT(first))
        snprintf(out, SPECIAL_NAME_MAX, "%s", first[i]);
    else
        snprintf(out, SPECIAL_NAME_MAX, "<|reserved_special_token_%zu|>", i - 5);
}

static void qwen_special(size_t i, char out[SPECIAL_NAME_MAX])
{
    static const char *const names[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
    snprintf(out, SPECIAL_NAME_MAX, "%s", names[i]);
}

static void gpt2_special(size_t i, char out[SPECIAL_NAME_MAX])
{
    (void)i;
    snprintf(out, SPECIAL_NAME_MAX, "<|endoftext|>");
}

/* Adds n special tokens after the ranks. */
static kw_status add_specials(ranks *table, size_t n, void (*name)(size_t, char *), kw_arena *arena,
                              kw_error *err)
{
    for (size_t i = 0; i < n; i++) {
        char text[SPECIAL_NAME_MAX];
        name(i, text);
        const kw_str view = kw_str_from(text);
        const char *copy = kw_arena_strdup(arena, view);
        if (!copy)
            return kw_fail(err, KW_E_NOMEM, "tiktoken: out of memory");
        table->tokens[table->n++] = (kw_str){copy, view.len};
    }
    return KW_OK;
}

kw_status kw_vocab_from_tiktoken(kw_str text, const char *subject, kw_arena *arena, kw_vocab *out,
                                 kw_error *err)
{
    ranks table;
    KW_TRY(read_lines(text, subject, arena, &table, err));
    const size_t n = table.n;
    kw_vocab vocab;
    kw_vocab_defaults(&vocab, KW_VOCAB_BYTE_BPE);
    vocab.pre = KW_PRE_LLAMA3;
    vocab.ignore_merges = true;
    const int32_t end = (int32_t)n;
    if (n == LLAMA3_RANKS) {
        KW_TRY(add_specials(&table, LLAMA3_SPECIALS, llama3_special, arena, err));
        vocab.bos = end;
        vocab.eos = end + 1;
        vocab.eot = end + 9;
        vocab.add_bos = true;
    } else if (n == GPT2_RANKS || n == GPT2_RANKS + 1) {
        KW_TRY(add_specials(&table, 1, gpt2_special, arena, err));
        vocab.pre = KW_PRE_GPT2;
        vocab.bos = vocab.eos = end;
    } else if (n == QWEN_RANKS) {
        KW_TRY(add_specials(&table, 3, qwen_special, arena, err));
        vocab.pre = KW_PRE_QWEN2;
        vocab.nfc = true;
        vocab.eos = end;
        vocab.eot = end + 2;
    }
    uint8_t *kinds = kw_arena_array(arena, table.n, sizeof(*kinds));
    if (!kinds)
        return kw_fail(err, KW_E_NOMEM, "%s: out of memory", subject);
    for (size_t i = 0; i < table.n; i++)
        kinds[i] = i < n ? KW_TOKEN_NORMAL : KW_TOKEN_CONTROL;
    vocab.n_tokens = table.n;
    vocab.tokens = table.tokens;
    vocab.kinds = kinds;
    *out = vocab;
    return KW_OK;
}
