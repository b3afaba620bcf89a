/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* load.c - tokenizers from bytes, and from files and folders as models come with them.
 *
 * A description points into the mapped files, so they stay open until the tokenizer is made. */
#include "base/check.h"
#include "os/file.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>

#define PATH_BYTES 4096

typedef kw_status (*read_fn)(kw_str text, const char *subject, kw_arena *arena, kw_vocab *out,
                             kw_error *err);

static kw_status from_bytes(read_fn read, kw_str text, const char *subject, kw_tokenizer **out,
                            kw_error *err)
{
    kw_arena arena = {0};
    kw_vocab vocab;
    kw_status status = read(text, subject, &arena, &vocab, err);
    if (status == KW_OK)
        status = kw_tokenizer_create(&vocab, out, err);
    kw_arena_free(&arena);
    return status;
}

kw_status kw_tokenizer_from_json(kw_str text, const char *subject, kw_tokenizer **out,
                                 kw_error *err)
{
    return from_bytes(kw_vocab_from_json, text, subject, out, err);
}

kw_status kw_tokenizer_from_sentencepiece(kw_str bytes, const char *subject, kw_tokenizer **out,
                                          kw_error *err)
{
    return from_bytes(kw_vocab_from_sentencepiece, bytes, subject, out, err);
}

kw_status kw_tokenizer_from_wordlist(kw_str text, const char *subject, kw_tokenizer **out,
                                     kw_error *err)
{
    return from_bytes(kw_vocab_from_wordlist, text, subject, out, err);
}

kw_status kw_tokenizer_from_tiktoken(kw_str text, const char *subject, kw_tokenizer **out,
                                     kw_error *err)
{
    return from_bytes(kw_vocab_from_tiktoken, text, subject, out, err);
}

/* A folder's files while a tokenizer is made from them. */
typedef struct source {
    char folder[PATH_BYTES]; /* with its '/'; empty: the current one */
    kw_map main, merges, added, config;
    kw_arena arena;
    kw_vocab vocab;
} source;

static kw_str view(const kw_map *map)
{
    return (kw_str){map->len ? (const char *)map->data : "", map->len};
}

static kw_status join(const source *s, const char *name, char out[PATH_BYTES], kw_error *err)
{
    const int n = snprintf(out, PATH_BYTES, "%s%s", s->folder, name);
    return n >= 0 && n < PATH_BYTES
               ? KW_OK
               : kw_fail(err, KW_E_LIMIT, "tokenizer: a path of %d bytes is longer than %d", n,
                         PATH_BYTES - 1);
}

static bool exists(const source *s, const char *name)
{
    char path[PATH_BYTES];
    return join(s, name, path, NULL) == KW_OK && kw_file_exists(path) && !kw_file_is_dir(path);
}

static kw_status open_file(const source *s, const char *name, kw_map *map, kw_error *err)
{
    char path[PATH_BYTES];
    KW_TRY(join(s, name, path, err));
    return kw_map_open(path, false, map, err);
}

static kw_status read_pair(source *s, const char *vocab, const char *merges, kw_error *err)
{
    KW_TRY(open_file(s, vocab, &s->main, err));
    KW_TRY(open_file(s, merges, &s->merges, err));
    KW_TRY(
        kw_vocab_from_merges(view(&s->main), view(&s->merges), vocab, &s->arena, &s->vocab, err));
    if (!exists(s, "added_tokens.json"))
        return KW_OK;
    KW_TRY(open_file(s, "added_tokens.json", &s->added, err));
    return kw_vocab_apply_added(view(&s->added), "added_tokens.json", &s->arena, &s->vocab, err);
}

static bool ends_with(const char *name, const char *end)
{
    const size_t len = strlen(name), n = strlen(end);
    return len >= n && strcmp(name + len - n, end) == 0;
}

/* Any one file, told by how it starts: JSON with '{', SentencePiece with the key of its first
 * piece, BERT's list of words with '[' (or by its name), else ranks. */
static kw_status read_one(source *s, const char *name, kw_error *err)
{
    KW_TRY(open_file(s, name, &s->main, err));
    const kw_str text = view(&s->main);
    size_t at = 0;
    while (at < text.len && strchr(" \t\r\n", text.data[at]))
        at++;
    if (at < text.len && text.data[at] == '{')
        return kw_vocab_from_json(text, name, &s->arena, &s->vocab, err);
    if (text.len > 0 && text.data[0] == 0x0A)
        return kw_vocab_from_sentencepiece(text, name, &s->arena, &s->vocab, err);
    if (ends_with(name, "vocab.txt") || (text.len > 0 && text.data[0] == '['))
        return kw_vocab_from_wordlist(text, name, &s->arena, &s->vocab, err);
    return kw_vocab_from_tiktoken(text, name, &s->arena, &s->vocab, err);
}

static const char *const pairs[][2] = {{"vocab.json", "merges.txt"}, {"encoder.json", "vocab.bpe"}};

static kw_status read_folder(source *s, kw_error *err)
{
    static const char *const alone[] = {"tokenizer.json", "tokenizer.model", "spiece.model",
                                        "sentencepiece.bpe.model", "spm.model"};
    for (size_t i = 0; i < KW_COUNT(alone); i++)
        if (exists(s, alone[i]))
            return read_one(s, alone[i], err);
    for (size_t i = 0; i < KW_COUNT(pairs); i++)
        if (exists(s, pairs[i][0]) && exists(s, pairs[i][1]))
            return read_pair(s, pairs[i][0], pairs[i][1], err);
    if (exists(s, "vocab.txt"))
        return read_one(s, "vocab.txt", err);
    return kw_fail(err, KW_E_NOTFOUND,
                   "tokenizer: no tokenizer.json, tokenizer.model, spiece.model, vocab.json with "
                   "merges.txt or vocab.txt in \"%.120s\"",
                   s->folder);
}

static kw_status read_named(source *s, const char *name, kw_error *err)
{
    for (size_t i = 0; i < KW_COUNT(pairs); i++)
        if (strcmp(name, pairs[i][0]) == 0 || strcmp(name, pairs[i][1]) == 0)
            return read_pair(s, pairs[i][0], pairs[i][1], err);
    return read_one(s, name, err);
}

static kw_status read_path(source *s, const char *path, kw_error *err)
{
    const char *slash = strrchr(path, '/');
    const bool folder = kw_file_is_dir(path);
    const size_t len = folder ? strlen(path) : slash ? (size_t)(slash - path) + 1 : 0;
    if (len + 2 > PATH_BYTES)
        return kw_fail(err, KW_E_LIMIT, "tokenizer: a path of %zu bytes is longer than %d",
                       strlen(path), PATH_BYTES - 2);
    memcpy(s->folder, path, len);
    if (folder && len > 0 && path[len - 1] != '/')
        s->folder[len] = '/';
    KW_TRY(folder ? read_folder(s, err) : read_named(s, path + len, err));
    if (!exists(s, "tokenizer_config.json"))
        return KW_OK;
    KW_TRY(open_file(s, "tokenizer_config.json", &s->config, err));
    return kw_vocab_apply_config(view(&s->config), "tokenizer_config.json", &s->arena, &s->vocab,
                                 err);
}

kw_status kw_vocab_from_path(const char *path, kw_vocab_use use, void *user, kw_error *err)
{
    source *s = calloc(1, sizeof(*s));
    if (!s)
        return kw_fail(err, KW_E_NOMEM, "tokenizer: out of memory");
    kw_status status = read_path(s, path, err);
    if (status == KW_OK)
        status = use(user, &s->vocab, err);
    kw_map_close(&s->main);
    kw_map_close(&s->merges);
    kw_map_close(&s->added);
    kw_map_close(&s->config);
    kw_arena_free(&s->arena);
    free(s);
    return status;
}

static kw_status create(void *user, const kw_vocab *vocab, kw_error *err)
{
    return kw_tokenizer_create(vocab, user, err);
}

kw_status kw_tokenizer_from_path(const char *path, kw_tokenizer **out, kw_error *err)
{
    return kw_vocab_from_path(path, create, out, err);
}
