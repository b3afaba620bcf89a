/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* json_steps.c - see json_steps.h. Source: Hugging Face tokenizers, the serialised forms and their
 * defaults. */
#include "text/json_steps.h"

#include "base/check.h"
#include "base/utf8.h"
#include "text/base64.h"
#include "text/pretoken.h"
#include "text/surface.h"

#include <stdio.h>

#define METASPACE "\xE2\x96\x81"
#define IDS_MAX 16
/* \w of the engine that Whitespace is written for: letters, marks, decimal and letter numbers,
 * connectors, joiners, and letters in circles and squares. */
#define WORD                                                                                       \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\xE2\x80\x8C\xE2\x80\x8D\xE2\x92\xB6-"                       \
    "\xE2\x93\xA9\xF0\x9F\x84\xB0"                                                                 \
    "-\xF0\x9F\x85\x89\xF0\x9F\x85\x90-\xF0\x9F\x85\xA9\xF0\x9F\x85\xB0-\xF0\x9F\x86\x89"

/* Calls `each` for a value, or for what it holds when it is a Sequence (of Sequences). */
typedef kw_status (*visit_fn)(const kw_tree *value, const char *subject, void *to, kw_error *err);

static kw_status visit(const kw_tree *tree, const char *list_key, const char *subject,
                       visit_fn each, void *to, kw_error *err)
{
    if (!tree || tree->kind == KW_JSON_NULL)
        return KW_OK;
    kw_tree root = *tree;
    root.next = NULL;
    const kw_tree *stack[KW_JSON_MAX_DEPTH + 1] = {&root};
    for (size_t depth = 1; depth > 0;) {
        const kw_tree *value = stack[--depth];
        if (value->next) /* comes after all that this one holds */
            stack[depth++] = value->next;
        if (!kw_str_is(kw_tree_text(value, "type"), "Sequence")) {
            KW_TRY(each(value, subject, to, err));
            continue;
        }
        const kw_tree *list = kw_tree_get(value, list_key);
        if (depth == KW_COUNT(stack))
            return kw_fail(err, KW_E_LIMIT, "%s: nested too deep", subject);
        if (list && list->child)
            stack[depth++] = list->child;
    }
    return KW_OK;
}

static kw_status unsupported(const char *subject, const char *part, kw_str type, kw_error *err)
{
    return kw_fail(err, KW_E_UNSUPPORTED, "%s: %s \"%.*s\" is not supported", subject, part,
                   KW_FMT(type));
}

static kw_status add_step(kw_step_list *list, kw_step step, const char *subject, kw_error *err)
{
    if (list->n == KW_JSON_MAX_STEPS)
        return kw_fail(err, KW_E_LIMIT, "%s: more than %d steps", subject, KW_JSON_MAX_STEPS);
    list->items[list->n++] = step;
    return KW_OK;
}

/* "pattern": {"String": ..} or {"Regex": ..}. */
static kw_status read_pattern(const kw_tree *value, const char *subject, kw_step *step,
                              kw_error *err)
{
    const kw_tree *pattern = kw_tree_get(value, "pattern");
    const kw_tree *literal = kw_tree_get(pattern, "String"), *regex = kw_tree_get(pattern, "Regex");
    const kw_tree *text = literal ? literal : regex;
    if (!text || text->kind != KW_JSON_STRING)
        return kw_fail(err, KW_E_FORMAT, "%s: a step has no pattern", subject);
    step->literal = literal != NULL;
    step->text = text->text;
    step->pre = literal ? KW_PRE_CUSTOM : kw_pretoken_recognise(text->text);
    return KW_OK;
}

/* BertNormalizer: accents go where case does, unless the file says. */
static kw_status add_bert(const kw_tree *value, const char *subject, kw_step_list *list,
                          kw_error *err)
{
    const bool lower = kw_tree_bool(value, "lowercase", true);
    const bool strip = kw_tree_bool(value, "strip_accents", lower);
    static const kw_step clean = {.kind = KW_STEP_CLEAN}, cjk = {.kind = KW_STEP_CJK},
                         parts = {.kind = KW_STEP_NFD}, unmark = {.kind = KW_STEP_UNMARK},
                         small = {.kind = KW_STEP_LOWER};
    if (kw_tree_bool(value, "clean_text", true))
        KW_TRY(add_step(list, clean, subject, err));
    if (kw_tree_bool(value, "handle_chinese_chars", true))
        KW_TRY(add_step(list, cjk, subject, err));
    if (strip)
        KW_TRY(add_step(list, parts, subject, err));
    if (strip)
        KW_TRY(add_step(list, unmark, subject, err));
    return lower ? add_step(list, small, subject, err) : KW_OK;
}

/* The map of a Precompiled normalizer: base64 of its bytes. */
static kw_status read_map(const kw_tree *value, kw_step_list *list, kw_step *step,
                          const char *subject, kw_error *err)
{
    const kw_tree *map = kw_tree_get(value, "precompiled_charsmap");
    const kw_str text = map && map->kind == KW_JSON_STRING ? map->text : KW_STR("");
    char *bytes = kw_arena_alloc(list->arena, text.len + 1);
    size_t n;
    if (!bytes)
        return kw_fail(err, KW_E_NOMEM, "%s: out of memory", subject);
    if (!kw_base64_decode(text, bytes, &n))
        return kw_fail(err, KW_E_FORMAT, "%s: precompiled_charsmap is no base64", subject);
    step->kind = KW_STEP_CHARSMAP;
    step->all = true;
    step->text = (kw_str){bytes, n};
    return KW_OK;
}

/* The normalizers that are a step and nothing else. */
static bool plain_normalizer(kw_str type, kw_step *step)
{
    static const struct {
        const char *type;
        kw_step_kind kind;
        bool all;
    } plain[] = {
        {"NFC", KW_STEP_NFC, false},         {"NFD", KW_STEP_NFD, false},
        {"NFKC", KW_STEP_NFKC, false},       {"NFKD", KW_STEP_NFKD, false},
        {"Lowercase", KW_STEP_LOWER, false}, {"StripAccents", KW_STEP_UNMARK, true},
        {"Nmt", KW_STEP_NMT, false},
    };
    for (size_t i = 0; i < KW_COUNT(plain); i++) {
        if (!kw_str_is(type, plain[i].type))
            continue;
        step->kind = plain[i].kind;
        step->all = plain[i].all;
        return true;
    }
    return false;
}

static kw_status add_normalizer(const kw_tree *value, const char *subject, void *to, kw_error *err)
{
    const kw_str type = kw_tree_text(value, "type");
    kw_step step = {.pre = KW_PRE_CUSTOM};
    if (kw_str_is(type, "BertNormalizer")) {
        return add_bert(value, subject, to, err);
    } else if (kw_str_is(type, "ByteLevel")) {
        step.kind = KW_STEP_BYTES;
        ((kw_step_list *)to)->bytes = true;
    } else if (kw_str_is(type, "Precompiled")) {
        KW_TRY(read_map(value, to, &step, subject, err));
        if (step.text.len == 0)
            return KW_OK;
    } else if (kw_str_is(type, "Strip")) {
        step.kind = KW_STEP_STRIP;
        step.left = kw_tree_bool(value, "strip_left", true);
        step.right = kw_tree_bool(value, "strip_right", true);
    } else if (kw_str_is(type, "Prepend")) {
        step.kind = KW_STEP_PREPEND;
        step.text = kw_tree_text(value, "prepend");
    } else if (kw_str_is(type, "Replace")) {
        step.kind = KW_STEP_REPLACE;
        KW_TRY(read_pattern(value, subject, &step, err));
        step.pre = KW_PRE_CUSTOM;
        step.with = kw_tree_text(value, "content");
    } else if (!plain_normalizer(type, &step)) {
        return unsupported(subject, "normalizer", type, err);
    }
    return add_step(to, step, subject, err);
}

kw_status kw_json_normalizer(const kw_tree *tree, const char *subject, kw_step_list *out,
                             kw_error *err)
{
    return visit(tree, "normalizers", subject, add_normalizer, out, err);
}

static kw_status read_mode(const kw_tree *value, const char *subject, kw_split_mode *mode,
                           kw_error *err)
{
    static const char *const names[] = {
        [KW_SPLIT_ISOLATED] = "Isolated",
        [KW_SPLIT_REMOVED] = "Removed",
        [KW_SPLIT_MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
        [KW_SPLIT_MERGED_WITH_NEXT] = "MergedWithNext",
        [KW_SPLIT_CONTIGUOUS] = "Contiguous",
    };
    const kw_str name = kw_tree_text(value, "behavior");
    for (size_t i = 0; i < KW_COUNT(names); i++) {
        if (kw_str_is(name, names[i])) {
            *mode = (kw_split_mode)i;
            return KW_OK;
        }
    }
    return unsupported(subject, "split behavior", name, err);
}

static kw_status add_byte_level(const kw_tree *value, const char *subject, kw_step_list *list,
                                kw_error *err)
{
    list->bytes = true;
    if (kw_tree_bool(value, "add_prefix_space", true))
        KW_TRY(add_step(list,
                        (kw_step){.kind = KW_STEP_PREPEND, .unless = true, .text = KW_STR(" ")},
                        subject, err));
    if (kw_tree_bool(value, "use_regex", true))
        KW_TRY(add_step(list, (kw_step){.kind = KW_STEP_SPLIT, .pre = KW_PRE_GPT2}, subject, err));
    return add_step(list, (kw_step){.kind = KW_STEP_BYTES}, subject, err);
}

static kw_status add_metaspace(const kw_tree *value, const char *subject, kw_step_list *list,
                               kw_error *err)
{
    const kw_str scheme = kw_tree_text(value, "prepend_scheme");
    kw_str sign = kw_tree_text(value, "replacement");
    if (sign.len == 0)
        sign = KW_STR(METASPACE);
    const bool never = kw_str_is(scheme, "never") ||
                       (scheme.len == 0 && !kw_tree_bool(value, "add_prefix_space", true));
    KW_TRY(add_step(
        list,
        (kw_step){.kind = KW_STEP_REPLACE, .literal = true, .text = KW_STR(" "), .with = sign},
        subject, err));
    if (!never)
        KW_TRY(add_step(list,
                        (kw_step){.kind = KW_STEP_PREPEND,
                                  .unless = true,
                                  .first_only = kw_str_is(scheme, "first"),
                                  .text = sign},
                        subject, err));
    if (!kw_tree_bool(value, "split", true))
        return KW_OK;
    return add_step(list,
                    (kw_step){.kind = KW_STEP_SPLIT,
                              .pre = KW_PRE_CUSTOM,
                              .literal = true,
                              .mode = KW_SPLIT_MERGED_WITH_NEXT,
                              .text = sign},
                    subject, err);
}

/* FixedLength: that many characters. */
static kw_status read_length(const kw_tree *value, kw_arena *arena, const char *subject,
                             kw_str *pattern, kw_error *err)
{
    const kw_tree *length = kw_tree_get(value, "length");
    char text[64];
    if (!length || length->integer < 1 || length->integer > 65535)
        return kw_fail(err, KW_E_FORMAT, "%s: a FixedLength is no number from 1 to 65535", subject);
    const int n = snprintf(text, sizeof text, "[\\p{L}\\P{L}]{1,%d}", (int)length->integer);
    *pattern = (kw_str){kw_arena_strdup(arena, kw_str_from(text)), (size_t)n};
    return pattern->data ? KW_OK : kw_fail(err, KW_E_NOMEM, "%s: out of memory", subject);
}

/* The pre-tokenizers that are one split. */
static kw_status add_split(const kw_tree *value, const char *subject, kw_step_list *list,
                           kw_error *err)
{
    const kw_str type = kw_tree_text(value, "type");
    kw_step step = {.kind = KW_STEP_SPLIT, .pre = KW_PRE_CUSTOM, .mode = KW_SPLIT_REMOVED};
    if (kw_str_is(type, "Split")) {
        KW_TRY(read_pattern(value, subject, &step, err));
        KW_TRY(read_mode(value, subject, &step.mode, err));
        step.invert = kw_tree_bool(value, "invert", false);
    } else if (kw_str_is(type, "Digits")) {
        const bool single = kw_tree_bool(value, "individual_digits", false);
        step.mode = single ? KW_SPLIT_ISOLATED : KW_SPLIT_CONTIGUOUS;
        step.text = KW_STR("\\p{N}");
    } else if (kw_str_is(type, "Punctuation")) {
        step.mode = KW_SPLIT_ISOLATED;
        if (kw_tree_get(value, "behavior"))
            KW_TRY(read_mode(value, subject, &step.mode, err));
        step.text = KW_STR("[\\p{P}!-\\/:-@\\[-`{-~]");
    } else if (kw_str_is(type, "Whitespace")) {
        step.text = KW_STR("[" WORD "]+|[^" WORD "\\s]+");
        step.invert = true;
    } else if (kw_str_is(type, "WhitespaceSplit")) {
        step.pre = KW_PRE_WORDS;
        step.invert = true;
    } else if (kw_str_is(type, "BertPreTokenizer")) {
        step.pre = KW_PRE_BERT;
        step.invert = true;
    } else if (kw_str_is(type, "UnicodeScripts")) {
        KW_TRY(kw_json_scripts(list->arena, &step.text, err));
        step.invert = true;
    } else if (kw_str_is(type, "FixedLength")) {
        KW_TRY(read_length(value, list->arena, subject, &step.text, err));
        step.invert = true;
    } else if (kw_str_is(type, "CharDelimiterSplit")) {
        step.text = kw_tree_text(value, "delimiter");
        step.literal = true;
    } else {
        return unsupported(subject, "pre-tokenizer", type, err);
    }
    return add_step(list, step, subject, err);
}

static kw_status add_pretokenizer(const kw_tree *value, const char *subject, void *to,
                                  kw_error *err)
{
    const kw_str type = kw_tree_text(value, "type");
    if (kw_str_is(type, "ByteLevel"))
        return add_byte_level(value, subject, to, err);
    if (kw_str_is(type, "Metaspace"))
        return add_metaspace(value, subject, to, err);
    return add_split(value, subject, to, err);
}

kw_status kw_json_pretokenizer(const kw_tree *tree, const char *subject, kw_step_list *out,
                               kw_error *err)
{
    return visit(tree, "pretokenizers", subject, add_pretokenizer, out, err);
}

/* What surrounds a text. */
typedef struct surround {
    int32_t ids[2][IDS_MAX]; /* before, after */
    size_t n[2];
    bool said;
} surround;

static kw_status add_id(surround *s, int side, int64_t id, const char *subject, kw_error *err)
{
    if (id < 0 || id > INT32_MAX)
        return kw_fail(err, KW_E_FORMAT, "%s: post_processor names a token without an id", subject);
    if (s->n[side] == IDS_MAX)
        return kw_fail(err, KW_E_LIMIT, "%s: post_processor adds more than %d tokens", subject,
                       IDS_MAX);
    s->ids[side][s->n[side]++] = (int32_t)id;
    return KW_OK;
}

static kw_status read_template(const kw_tree *value, const char *subject, surround *s,
                               kw_error *err)
{
    const kw_tree *single = kw_tree_get(value, "single");
    const kw_tree *specials = kw_tree_get(value, "special_tokens");
    int side = 0;
    for (const kw_tree *part = single ? single->child : NULL; part; part = part->next) {
        if (kw_tree_get(part, "Sequence")) {
            side = 1;
            continue;
        }
        const kw_str name = kw_tree_text(kw_tree_get(part, "SpecialToken"), "id");
        const kw_tree *special = specials ? specials->child : NULL;
        while (special && !kw_str_eq(special->key, name))
            special = special->next;
        const kw_tree *ids = kw_tree_get(special, "ids");
        if (!ids || !ids->child)
            return add_id(s, side, -1, subject, err);
        for (const kw_tree *id = ids->child; id; id = id->next)
            KW_TRY(add_id(s, side, id->integer, subject, err));
    }
    return KW_OK;
}

/* ["<s>", 0] */
static int64_t id_of_pair(const kw_tree *pair)
{
    return pair && pair->child && pair->child->next ? pair->child->next->integer : -1;
}

static kw_status add_postprocessor(const kw_tree *value, const char *subject, void *to,
                                   kw_error *err)
{
    surround *s = to;
    const kw_str type = kw_tree_text(value, "type");
    if (kw_str_is(type, "ByteLevel")) /* changes offsets only */
        return KW_OK;
    if (s->said)
        return unsupported(subject, "second post-processor", type, err);
    s->said = true;
    if (kw_str_is(type, "TemplateProcessing"))
        return read_template(value, subject, s, err);
    if (kw_str_is(type, "RobertaProcessing") || kw_str_is(type, "BertProcessing")) {
        KW_TRY(add_id(s, 0, id_of_pair(kw_tree_get(value, "cls")), subject, err));
        return add_id(s, 1, id_of_pair(kw_tree_get(value, "sep")), subject, err);
    }
    return unsupported(subject, "post-processor", type, err);
}

kw_status kw_json_postprocessor(const kw_tree *tree, const char *subject, kw_arena *arena,
                                kw_vocab *vocab, kw_error *err)
{
    surround s = {.said = false};
    KW_TRY(visit(tree, "processors", subject, add_postprocessor, &s, err));
    if (!s.said)
        return KW_OK;
    int32_t *ids = kw_arena_array(arena, 2 * IDS_MAX, sizeof(*ids));
    if (!ids)
        return kw_fail(err, KW_E_NOMEM, "%s: out of memory", subject);
    memcpy(ids, s.ids, sizeof(s.ids));
    vocab->prefix = ids;
    vocab->suffix = ids + IDS_MAX;
    vocab->n_prefix = s.n[0];
    vocab->n_suffix = s.n[1];
    vocab->bos = s.n[0] > 0 ? ids[0] : -1;
    vocab->eos = s.n[1] > 0 ? ids[IDS_MAX + s.n[1] - 1] : -1;
    return KW_OK;
}

/* A decoder while it is read. */
typedef struct decoding {
    kw_vocab *vocab;
    kw_token_edit edits[KW_JSON_MAX_EDITS];
    size_t n;
    bool fused; /* what follows sees one text, not tokens */
} decoding;

static kw_status add_edit(decoding *d, kw_token_edit edit, const char *subject, kw_error *err)
{
    if (d->n == KW_JSON_MAX_EDITS)
        return kw_fail(err, KW_E_LIMIT, "%s: more than %d decoders", subject, KW_JSON_MAX_EDITS);
    d->edits[d->n++] = edit;
    return KW_OK;
}

/* Replace: U+2581 by a space is what most do, and has its own flag. In one text a longer pattern
 * could lie across tokens. */
static kw_status add_replace(const kw_tree *value, const char *subject, decoding *d, kw_error *err)
{
    const kw_str from = kw_tree_text(kw_tree_get(value, "pattern"), "String");
    const kw_token_edit edit = {.from = from, .with = kw_tree_text(value, "content")};
    uint32_t first;
    const size_t width = kw_utf8_decode(from.data, from.len, &first);
    if (kw_str_is(from, METASPACE) && kw_str_is(edit.with, " ") && d->n == 0) {
        d->vocab->metaspace = true;
        return KW_OK;
    }
    if (from.len == 0 || (d->fused && width < from.len))
        return unsupported(subject, "decoder", KW_STR("Replace"), err);
    return add_edit(d, edit, subject, err);
}

/* Strip: at the ends of each token or, in one text, a space before it. */
static kw_status add_strip(const kw_tree *value, const char *subject, decoding *d, kw_error *err)
{
    const kw_tree *start = kw_tree_get(value, "start"), *stop = kw_tree_get(value, "stop");
    const int64_t left = start ? start->integer : 0, right = stop ? stop->integer : 0;
    const kw_str what = kw_tree_text(value, "content");
    if (left < 0 || right < 0)
        return unsupported(subject, "decoder", KW_STR("Strip"), err);
    if (!d->fused)
        return add_edit(
            d,
            (kw_token_edit){
                .from = what, .strip = true, .start = (size_t)left, .stop = (size_t)right},
            subject, err);
    if (left > 1 || right > 0 || !kw_str_is(what, " "))
        return unsupported(subject, "decoder", KW_STR("Strip"), err);
    d->vocab->drop_first_space = d->vocab->drop_first_space || left == 1;
    return KW_OK;
}

static kw_status add_spaces(const kw_tree *value, const char *subject, decoding *d, kw_error *err)
{
    const kw_str scheme = kw_tree_text(value, "prepend_scheme");
    const kw_str sign = kw_tree_text(value, "replacement");
    d->vocab->drop_first_space = scheme.len > 0 ? !kw_str_is(scheme, "never")
                                                : kw_tree_bool(value, "add_prefix_space", true);
    if (sign.len > 0 && !kw_str_is(sign, METASPACE))
        return add_edit(d, (kw_token_edit){.from = sign, .with = KW_STR(" ")}, subject, err);
    d->vocab->metaspace = true;
    return KW_OK;
}

/* CTC: a token that repeats the one before it is left out, and so is the blank. */
static kw_status add_ctc(const kw_tree *value, const char *subject, decoding *d, kw_error *err)
{
    const kw_tree *pad = kw_tree_get(value, "pad_token");
    const kw_tree *bar = kw_tree_get(value, "word_delimiter_token");
    if (d->n > 0 || d->fused)
        return unsupported(subject, "decoder behind another", KW_STR("CTC"), err);
    d->vocab->skip_repeats = true;
    KW_TRY(add_edit(d,
                    (kw_token_edit){.from = pad ? pad->text : KW_STR("<pad>"), .with = KW_STR("")},
                    subject, err));
    if (!kw_tree_bool(value, "cleanup", true))
        return KW_OK;
    for (size_t i = 0; i < KW_N_CLEANUP; i++)
        KW_TRY(add_edit(d,
                        (kw_token_edit){.from = kw_str_from(kw_cleanup[i][0]),
                                        .with = kw_str_from(kw_cleanup[i][1])},
                        subject, err));
    return add_edit(d, (kw_token_edit){.from = bar ? bar->text : KW_STR("|"), .with = KW_STR(" ")},
                    subject, err);
}

static kw_status add_decoder(const kw_tree *value, const char *subject, void *to, kw_error *err)
{
    decoding *d = to;
    const kw_str type = kw_tree_text(value, "type");
    if (kw_str_is(type, "ByteLevel"))
        return KW_OK;
    if (kw_str_is(type, "ByteFallback")) {
        d->vocab->spelled_bytes = false;
        return KW_OK;
    }
    if (kw_str_is(type, "Fuse")) {
        d->fused = true;
        return KW_OK;
    }
    if (kw_str_is(type, "Metaspace"))
        return add_spaces(value, subject, d, err);
    if (kw_str_is(type, "Replace"))
        return add_replace(value, subject, d, err);
    if (kw_str_is(type, "Strip"))
        return add_strip(value, subject, d, err);
    if (kw_str_is(type, "WordPiece")) {
        d->vocab->spaced = true;
        d->vocab->cleanup = kw_tree_bool(value, "cleanup", true);
        d->vocab->word_decoded = kw_tree_text(value, "prefix");
        return KW_OK;
    }
    if (kw_str_is(type, "CTC"))
        return add_ctc(value, subject, d, err);
    if (kw_str_is(type, "BPEDecoder")) {
        d->vocab->end_decoded = kw_tree_text(value, "suffix");
        return KW_OK;
    }
    return unsupported(subject, "decoder", type, err);
}

kw_status kw_json_decoder(const kw_tree *tree, const char *subject, kw_arena *arena,
                          kw_vocab *vocab, kw_error *err)
{
    decoding d = {.vocab = vocab};
    vocab->metaspace = false;
    vocab->drop_first_space = false;
    vocab->spelled_unk = vocab->spelled_bytes = true;
    vocab->spaced = !tree || tree->kind == KW_JSON_NULL; /* then the library writes words */
    vocab->cleanup = vocab->skip_repeats = false;
    vocab->word_decoded = KW_STR("");
    KW_TRY(visit(tree, "decoders", subject, add_decoder, &d, err));
    if (vocab->kind == KW_VOCAB_BYTE_BPE)
        vocab->spaced = false;
    kw_token_edit *edits = kw_arena_array(arena, d.n, sizeof(*edits));
    if (!edits)
        return kw_fail(err, KW_E_NOMEM, "%s: out of memory", subject);
    memcpy(edits, d.edits, d.n * sizeof(*edits));
    vocab->edits = edits;
    vocab->n_edits = d.n;
    return KW_OK;
}
