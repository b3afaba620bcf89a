/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* vocab_sentencepiece.c - tokenizer.model, spiece.model: SentencePiece's ModelProto, by a small
 * protobuf reader.
 *
 * Every length is checked against the bytes that remain before it is used; unknown fields are
 * skipped. Source: google/sentencepiece, sentencepiece_model.proto; protobuf.dev, "Encoding". */
#include "base/utf8.h"
#include "text/grow.h"
#include "text/vocab.h"

typedef struct field {
    uint32_t number, wire;
    uint64_t value; /* wire 0, 1 and 5 */
    kw_str bytes;   /* wire 2 */
} field;

typedef struct reader {
    kw_str rest;
    const char *subject;
} reader;

static kw_status truncated(const reader *r, kw_error *err)
{
    return kw_fail(err, KW_E_FORMAT, "%s: a protobuf field runs past the end of its message",
                   r->subject);
}

static kw_status read_varint(reader *r, uint64_t *out, kw_error *err)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 10; i++) {
        if (r->rest.len == 0)
            return truncated(r, err);
        const unsigned char byte = (unsigned char)r->rest.data[0];
        r->rest.data++;
        r->rest.len--;
        value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            *out = value;
            return KW_OK;
        }
    }
    return kw_fail(err, KW_E_FORMAT, "%s: a protobuf number is longer than 10 bytes", r->subject);
}

static kw_status read_fixed(reader *r, size_t width, uint64_t *out, kw_error *err)
{
    if (r->rest.len < width)
        return truncated(r, err);
    *out = 0;
    for (size_t i = 0; i < width; i++)
        *out |= (uint64_t)(unsigned char)r->rest.data[i] << (8 * i);
    r->rest.data += width;
    r->rest.len -= width;
    return KW_OK;
}

/* The next field of a message whose rest is not empty. */
static kw_status read_field(reader *r, field *out, kw_error *err)
{
    uint64_t key, len;
    KW_TRY(read_varint(r, &key, err));
    *out = (field){.number = (uint32_t)(key >> 3), .wire = (uint32_t)(key & 7)};
    switch (out->wire) {
    case 0:
        return read_varint(r, &out->value, err);
    case 1:
        return read_fixed(r, 8, &out->value, err);
    case 5:
        return read_fixed(r, 4, &out->value, err);
    case 2:
        KW_TRY(read_varint(r, &len, err));
        if (len > r->rest.len)
            return truncated(r, err);
        out->bytes = (kw_str){r->rest.data, (size_t)len};
        r->rest.data += len;
        r->rest.len -= (size_t)len;
        return KW_OK;
    default:
        return kw_fail(err, KW_E_FORMAT, "%s: protobuf wire type %u is none", r->subject,
                       (unsigned)out->wire);
    }
}

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
static kw_status read_piece(model *m, kw_str bytes, kw_error *err)
{
    reader r = {bytes, m->subject};
    kw_str token = KW_STR("");
    float score = 0.0f;
    uint64_t kind = KW_TOKEN_NORMAL;
    while (r.rest.len > 0) {
        field f;
        KW_TRY(read_field(&r, &f, err));
        if (f.number == 1 && f.wire == 2) {
            token = f.bytes;
        } else if (f.number == 2 && f.wire == 5) {
            const uint32_t bits = (uint32_t)f.value;
            memcpy(&score, &bits, sizeof(score));
        } else if (f.number == 3 && f.wire == 0) {
            kind = f.value;
        }
    }
    if (kind < KW_TOKEN_NORMAL || kind > KW_TOKEN_BYTE)
        return kw_fail(err, KW_E_FORMAT, "%s: piece %zu has type %llu, none of 1 to 6", m->subject,
                       m->n, (unsigned long long)kind);
    return add_piece(m, token, score, (uint8_t)kind, err);
}

static kw_status read_trainer(model *m, kw_str bytes, kw_error *err)
{
    reader r = {bytes, m->subject};
    while (r.rest.len > 0) {
        field f;
        KW_TRY(read_field(&r, &f, err));
        if (f.wire != 0)
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
    return KW_OK;
}

static kw_status read_normalizer(model *m, kw_str bytes, kw_error *err)
{
    reader r = {bytes, m->subject};
    while (r.rest.len > 0) {
        field f;
        KW_TRY(read_field(&r, &f, err));
        if (f.number == 2 && f.wire == 2)
            m->charsmap = f.bytes;
        else if (f.number == 3 && f.wire == 0)
            m->add_dummy_prefix = f.value != 0;
        else if (f.number == 4 && f.wire == 0)
            m->remove_extra = f.value != 0;
        else if (f.number == 5 && f.wire == 0)
            m->escape = f.value != 0;
    }
    return KW_OK;
}

/* ModelProto: pieces = 1, trainer_spec = 2, normalizer_spec = 3. */
static kw_status read_model(model *m, kw_str bytes, kw_error *err)
{
    reader r = {bytes, m->subject};
    while (r.rest.len > 0) {
        field f;
        KW_TRY(read_field(&r, &f, err));
        if (f.wire != 2)
            continue;
        if (f.number == 1)
            KW_TRY(read_piece(m, f.bytes, err));
        else if (f.number == 2)
            KW_TRY(read_trainer(m, f.bytes, err));
        else if (f.number == 3)
            KW_TRY(read_normalizer(m, f.bytes, err));
    }
    return KW_OK;
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
    kw_status status = read_model(&m, bytes, err);
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
