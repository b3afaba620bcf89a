/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* vocab_sentencepiece.c - tokenizer.model, spiece.model: SentencePiece's ModelProto. Unknown
 * fields are skipped. Source: google/sentencepiece, sentencepiece_model.proto. */
#include "base/protobuf.h"
#include "base/utf8.h"
#include "text/grow.h"
#include "text/vocab.h"

enum { UNIGRAM = 1, BPE = 2 }; /* TrainerSpec.ModelType; 3 is word, 4 character */

/* A model while it is read, with the proto's defaults. */
typedef struct model {
    const char *subject;
    kw_str *tokens; /* owned */
    float *scores;  /* owned */
    uint8_t *kinds; /* owned */
    size_t n, cap_tokens, cap_scores, cap_kinds;
    uint64_t type;
    int32_t unk, bos, eos, pad;
    bool byte_fallback, suffix, add_dummy_prefix, remove_extra, escape;
    kw_str charsmap;
} model;

static kw_status nomem(const model *m, kw_error *err)
{
    return kw_fail(err, KW_E_NOMEM, "%s: out of memory", m->subject);
}

static kw_str text_of(kw_bytes bytes)
{
    return (kw_str){(const char *)bytes.data, bytes.len};
}

/* What a message ends with, once its fields are read. */
static kw_status end_of(const model *m, const kw_pb *message, kw_error *err)
{
    if (message->bad)
        return kw_fail(err, KW_E_FORMAT,
                       "%s: no protobuf: a field breaks its rules or runs past the end of its "
                       "message",
                       m->subject);
    return KW_OK;
}

static kw_status add_piece(model *m, kw_str token, float score, uint8_t kind, kw_error *err)
{
    kw_str *tokens = kw_grow(m->tokens, &m->cap_tokens, m->n + 1, sizeof(*tokens));
    if (tokens)
        m->tokens = tokens;
    float *scores = kw_grow(m->scores, &m->cap_scores, m->n + 1, sizeof(*scores));
    if (scores)
        m->scores = scores;
    uint8_t *kinds = kw_grow(m->kinds, &m->cap_kinds, m->n + 1, sizeof(*kinds));
    if (kinds)
        m->kinds = kinds;
    if (!tokens || !scores || !kinds)
        return nomem(m, err);
    tokens[m->n] = token;
    scores[m->n] = score;
    kinds[m->n++] = kind;
    return KW_OK;
}

/* ModelProto.SentencePiece: piece = 1, score = 2, type = 3. Its types are numbered as GGUF's, which
 * took them from here. */
static kw_status read_piece(model *m, kw_bytes bytes, kw_error *err)
{
    kw_pb r = kw_pb_read(bytes);
    kw_pb_field f;
    kw_str token = KW_STR("");
    float score = 0.0f;
    uint64_t kind = KW_TOKEN_NORMAL;
    while (kw_pb_next(&r, &f)) {
        if (f.number == 1 && f.type == KW_PB_BYTES) {
            token = text_of(f.bytes);
        } else if (f.number == 2 && f.type == KW_PB_FIXED32) {
            const uint32_t bits = (uint32_t)f.value;
            memcpy(&score, &bits, sizeof(score));
        } else if (f.number == 3 && f.type == KW_PB_VARINT) {
            kind = f.value;
        }
    }
    KW_TRY(end_of(m, &r, err));
    if (kind < KW_TOKEN_NORMAL || kind > KW_TOKEN_BYTE)
        return kw_fail(err, KW_E_FORMAT, "%s: piece %zu has type %llu, none of 1 to 6", m->subject,
                       m->n, (unsigned long long)kind);
    return add_piece(m, token, score, (uint8_t)kind, err);
}

static kw_status read_trainer(model *m, kw_bytes bytes, kw_error *err)
{
    kw_pb r = kw_pb_read(bytes);
    kw_pb_field f;
    while (kw_pb_next(&r, &f)) {
        if (f.type != KW_PB_VARINT)
            continue;
        const int32_t id = f.value > INT32_MAX ? -1 : (int32_t)f.value;
        switch (f.number) {
        case 3:
            m->type = f.value;
            break;
        case 24:
            m->suffix = f.value != 0;
            break;
        case 35:
            m->byte_fallback = f.value != 0;
            break;
        case 40:
            m->unk = id;
            break;
        case 41:
            m->bos = id;
            break;
        case 42:
            m->eos = id;
            break;
        case 43:
            m->pad = id;
            break;
        default:
            break;
        }
    }
    return end_of(m, &r, err);
}

static kw_status read_normalizer(model *m, kw_bytes bytes, kw_error *err)
{
    kw_pb r = kw_pb_read(bytes);
    kw_pb_field f;
    while (kw_pb_next(&r, &f)) {
        if (f.number == 2 && f.type == KW_PB_BYTES)
            m->charsmap = text_of(f.bytes);
        else if (f.number == 3 && f.type == KW_PB_VARINT)
            m->add_dummy_prefix = f.value != 0;
        else if (f.number == 4 && f.type == KW_PB_VARINT)
            m->remove_extra = f.value != 0;
        else if (f.number == 5 && f.type == KW_PB_VARINT)
            m->escape = f.value != 0;
    }
    return end_of(m, &r, err);
}

/* ModelProto: pieces = 1, trainer_spec = 2, normalizer_spec = 3. */
static kw_status read_model(model *m, kw_bytes bytes, kw_error *err)
{
    kw_pb r = kw_pb_read(bytes);
    kw_pb_field f;
    while (kw_pb_next(&r, &f)) {
        if (f.type != KW_PB_BYTES)
            continue;
        if (f.number == 1)
            KW_TRY(read_piece(m, f.bytes, err));
        else if (f.number == 2)
            KW_TRY(read_trainer(m, f.bytes, err));
        else if (f.number == 3)
            KW_TRY(read_normalizer(m, f.bytes, err));
    }
    return end_of(m, &r, err);
}

static kw_status check_model(const model *m, kw_error *err)
{
    static const char *const names[] = {"0", "Unigram", "BPE", "Word", "Character"};
    if (m->n == 0)
        return kw_fail(err, KW_E_FORMAT, "%s: no SentencePiece model: it has no pieces",
                       m->subject);
    if (m->type != BPE && m->type != UNIGRAM)
        return kw_fail(
            err, KW_E_UNSUPPORTED,
            "%s: a SentencePiece model of type %s is not supported, only BPE and Unigram",
            m->subject, m->type < KW_COUNT(names) ? names[m->type] : "unknown");
    if (m->suffix)
        return kw_fail(err, KW_E_UNSUPPORTED, "%s: white space as a suffix is not supported",
                       m->subject);
    return KW_OK;
}

/* Moves the tables into the arena. */
static kw_status fill(const model *m, kw_arena *arena, kw_vocab *out, kw_error *err)
{
    kw_str *tokens = kw_arena_array(arena, m->n, sizeof(*tokens));
    float *scores = kw_arena_array(arena, m->n, sizeof(*scores));
    uint8_t *kinds = kw_arena_array(arena, m->n, sizeof(*kinds));
    if (!tokens || !scores || !kinds)
        return nomem(m, err);
    memcpy(tokens, m->tokens, m->n * sizeof(*tokens));
    memcpy(scores, m->scores, m->n * sizeof(*scores));
    memcpy(kinds, m->kinds, m->n * sizeof(*kinds));
    const bool unigram = m->type == UNIGRAM;
    kw_vocab_defaults(out, unigram ? KW_VOCAB_UNIGRAM : KW_VOCAB_SPM_BPE);
    out->n_tokens = m->n;
    out->tokens = tokens;
    out->scores = scores;
    out->kinds = kinds;
    out->unk = m->unk;
    out->bos = m->bos;
    out->eos = m->eos;
    out->pad = m->pad;
    out->add_bos = !unigram;
    out->add_eos = unigram;
    out->user_in_model = unigram;
    out->charsmap = m->charsmap;
    out->byte_fallback = m->byte_fallback;
    out->squeeze_spaces = m->remove_extra;
    out->add_space_prefix = m->add_dummy_prefix;
    out->drop_first_space = m->add_dummy_prefix;
    out->metaspace = m->escape;
    return KW_OK;
}

kw_status kw_vocab_from_sentencepiece(kw_str bytes, const char *subject, kw_arena *arena,
                                      kw_vocab *out, kw_error *err)
{
    model m = {.subject = subject,
               .type = UNIGRAM,
               .bos = 1,
               .eos = 2,
               .pad = -1,
               .add_dummy_prefix = true,
               .remove_extra = true,
               .escape = true};
    kw_vocab vocab;
    kw_status status = read_model(&m, (kw_bytes){(const uint8_t *)bytes.data, bytes.len}, err);
    if (status == KW_OK)
        status = check_model(&m, err);
    if (status == KW_OK)
        status = fill(&m, arena, &vocab, err);
    free(m.tokens);
    free(m.scores);
    free(m.kinds);
    if (status == KW_OK)
        *out = vocab;
    return status;
}
