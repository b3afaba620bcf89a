/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rewrite.c - see rewrite.h. Source: Hugging Face tokenizers, normalizers; google/sentencepiece,
 * normalizer.cc. */
#include "text/rewrite.h"

#include "base/utf8.h"
#include "text/added.h"
#include "text/alphabet.h"
#include "text/charsmap.h"
#include "text/pretoken.h"
#include "text/unicode.h"
#include "text/unicode_table.h"

#define NOMEM(err) kw_fail((err), KW_E_NOMEM, "tokenizer: out of memory preparing text")

static kw_status find_pattern(kw_finder *f, size_t from, bool *found, kw_span *match, kw_error *err)
{
    if (!f->matcher)
        KW_TRY(kw_matcher_begin(f->with->pattern, f->text, &f->matcher, err));
    size_t start = 0, end = 0;
    KW_TRY(kw_matcher_find(f->matcher, from, found, &start, &end, err));
    *match = (kw_span){(uint32_t)start, (uint32_t)end};
    return KW_OK;
}

static bool find_literal(const kw_finder *f, size_t from, kw_span *match)
{
    const kw_str what = f->with->step.text;
    while (what.len > 0 && f->text.len - from >= what.len) {
        const char *at = memchr(f->text.data + from, what.data[0], f->text.len - from);
        if (!at)
            return false;
        from = (size_t)(at - f->text.data);
        if (f->text.len - from >= what.len && memcmp(at, what.data, what.len) == 0) {
            *match = (kw_span){(uint32_t)from, (uint32_t)(from + what.len)};
            return true;
        }
        from++;
    }
    return false;
}

kw_status kw_find_next(kw_finder *f, size_t from, bool *found, kw_span *match, kw_error *err)
{
    if (f->with->step.literal) {
        *found = find_literal(f, from, match);
        return KW_OK;
    }
    if (f->with->step.kind != KW_STEP_SPLIT || !kw_pretoken_known(f->with->step.pre))
        return find_pattern(f, from, found, match, err);
    size_t start = from;
    const size_t end = kw_pretoken_next(f->with->step.pre, f->text.data, f->text.len, &start);
    *found = end > start;
    *match = (kw_span){(uint32_t)start, (uint32_t)end};
    return KW_OK;
}

static kw_status sink_add(kw_sink *s, const char *data, size_t len, kw_error *err)
{
    size_t need;
    if (!kw_add_size(s->len, len, &need) || need > UINT32_MAX)
        return kw_fail(err, KW_E_LIMIT, "tokenizer: normalised text is longer than %u bytes",
                       UINT32_MAX);
    char **buffer = &s->pieces->buffers[s->buffer];
    char *room = kw_grow(*buffer, &s->pieces->caps[s->buffer], need, 1);
    if (!room)
        return NOMEM(err);
    *buffer = room;
    if (len > 0)
        memcpy(room + s->len, data, len);
    s->len = need;
    return KW_OK;
}

static kw_status write_replaced(kw_sink *s, const kw_compiled_step *step, kw_str piece,
                                kw_error *err)
{
    kw_finder f = {step, piece, NULL};
    kw_status status = KW_OK;
    for (size_t from = 0; from < piece.len;) {
        bool found;
        kw_span match;
        KW_GOTO(status, kw_find_next(&f, from, &found, &match, err));
        size_t next = found ? match.end : piece.len;
        KW_GOTO(status, sink_add(s, piece.data + from, (found ? match.start : next) - from, err));
        if (found)
            KW_GOTO(status, sink_add(s, step->step.with.data, step->step.with.len, err));
        if (found && match.start == match.end && next < piece.len) { /* empty: moves on by one */
            uint32_t codepoint;
            next += kw_utf8_decode(piece.data + next, piece.len - next, &codepoint);
            KW_GOTO(status, sink_add(s, piece.data + match.end, next - match.end, err));
        }
        from = next;
    }
fail:
    kw_matcher_end(f.matcher);
    return status;
}

/* keep: one space stays before the text. */
static kw_status write_squeezed(kw_sink *s, kw_str piece, bool keep, kw_error *err)
{
    bool space = !keep; /* leading spaces go */
    while (piece.len > 0 && piece.data[piece.len - 1] == ' ')
        piece.len--;
    for (size_t i = 0; i < piece.len; i++) {
        const bool is = piece.data[i] == ' ';
        if (!(is && space))
            KW_TRY(sink_add(s, &piece.data[i], 1, err));
        space = is;
    }
    return KW_OK;
}

static kw_status write_normal(kw_sink *s, kw_unicode_form form, kw_str piece, kw_error *err)
{
    /* Below U+0300 every character is its own composition; those start with bytes below CC. Below
     * U+00C0 none has parts, but some from U+00A0 on are compatible with others. */
    static const unsigned char first[] = {[KW_UNICODE_NFC] = 0xCC,
                                          [KW_UNICODE_NFD] = 0xC3,
                                          [KW_UNICODE_NFKC] = 0x80,
                                          [KW_UNICODE_NFKD] = 0x80};
    size_t i = 0;
    while (i < piece.len && (unsigned char)piece.data[i] < first[form])
        i++;
    if (i == piece.len)
        return sink_add(s, piece.data, piece.len, err);
    char *normal;
    size_t len;
    KW_TRY(kw_unicode_normalize(form, piece, &normal, &len, err));
    const kw_status status = sink_add(s, normal, len, err);
    free(normal);
    return status;
}

static bool nmt_drops(uint32_t c)
{
    return (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
           c == 0x9F;
}

static bool nmt_spaces(uint32_t c)
{
    return c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == 0x1680 ||
           (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
           c == 0xFEFF || c == 0xFFFD;
}

/* unassigned: such characters go too. */
static bool bert_drops(uint32_t c, bool unassigned)
{
    const uint32_t class = kw_unicode_class(c);
    const bool control = class & (KW_UC_CC | KW_UC_CF | KW_UC_CO) || (class == 0 && unassigned);
    return c == 0 || c == 0xFFFD || (control && c != '\t' && c != '\n' && c != '\r');
}

/* What a character becomes, at most three of them. */
static size_t map_character(const kw_step *step, uint32_t c, uint32_t out[3])
{
    out[0] = c;
    switch (step->kind) {
    case KW_STEP_LOWER:
        return kw_unicode_lower(c, out);
    case KW_STEP_UNMARK:
        return kw_unicode_class(c) & (step->all ? KW_UC_M : KW_UC_MN) ? 0 : 1;
    case KW_STEP_CLEAN:
        out[0] = kw_is_space(c) ? ' ' : c;
        return bert_drops(c, step->all) ? 0 : 1;
    case KW_STEP_NMT:
        out[0] = nmt_spaces(c) ? ' ' : c;
        return nmt_drops(c) ? 0 : 1;
    default: /* CJK */
        if (!kw_is_cjk(c))
            return 1;
        out[0] = out[2] = ' ';
        out[1] = c;
        return 3;
    }
}

static kw_status write_mapped(kw_sink *s, const kw_step *step, kw_str piece, kw_error *err)
{
    for (size_t at = 0; at < piece.len;) {
        uint32_t codepoint, becomes[3];
        char text[12];
        size_t len = 0;
        at += kw_utf8_decode(piece.data + at, piece.len - at, &codepoint);
        const size_t n = map_character(step, codepoint, becomes);
        for (size_t i = 0; i < n; i++)
            len += kw_utf8_encode(becomes[i], text + len);
        KW_TRY(sink_add(s, text, len, err));
    }
    return KW_OK;
}

static kw_status write_stripped(kw_sink *s, const kw_step *step, kw_str piece, kw_error *err)
{
    size_t start = 0, end = 0;
    bool before = true; /* only white space so far */
    for (size_t at = 0; at < piece.len;) {
        uint32_t codepoint;
        const size_t width = kw_utf8_decode(piece.data + at, piece.len - at, &codepoint);
        const bool space = kw_is_space(codepoint);
        if (space && before && step->left)
            start = at + width;
        before = before && space;
        at += width;
        if (!space || !step->right)
            end = at;
    }
    return start < end ? sink_add(s, piece.data + start, end - start, err) : KW_OK;
}

/* Writes text through the map, a character at a time. */
static kw_status write_through(kw_sink *s, const kw_charsmap *map, kw_str text, kw_error *err)
{
    for (size_t at = 0; at < text.len;) {
        uint32_t codepoint;
        const size_t width = kw_utf8_decode(text.data + at, text.len - at, &codepoint);
        kw_str becomes = {text.data + at, width};
        kw_charsmap_find(map, becomes, true, &becomes);
        KW_TRY(sink_add(s, becomes.data, becomes.len, err));
        at += width;
    }
    return KW_OK;
}

/* Hugging Face's reading: a cluster of up to 5 bytes that starts with a sequence of the map
 * becomes what that becomes, whatever follows in it; the characters of other clusters one by one.
 */
static kw_status write_clusters(kw_sink *s, const kw_charsmap *map, kw_str piece, kw_error *err)
{
    for (size_t at = 0, end; at < piece.len; at = end) {
        end = kw_grapheme_end(piece.data, at, piece.len);
        const kw_str cluster = {piece.data + at, end - at};
        kw_str becomes;
        if (cluster.len < 6 && kw_charsmap_find(map, cluster, true, &becomes))
            KW_TRY(sink_add(s, becomes.data, becomes.len, err));
        else
            KW_TRY(write_through(s, map, cluster, err));
    }
    return KW_OK;
}

/* SentencePiece's: the longest sequence at each place; texts to keep stay. Here bytes that are no
 * character become U+FFFD, which the map does not see. */
static kw_status write_charsmap(kw_sink *s, const kw_compiled_step *step, kw_str piece,
                                kw_error *err)
{
    if (step->step.all)
        return write_clusters(s, step->map, piece, err);
    for (size_t at = 0; at < piece.len;) {
        const kw_str rest = {piece.data + at, piece.len - at};
        const size_t kept = step->keep ? kw_added_at(step->keep, piece, at) : 0;
        kw_str becomes = {rest.data, kept > 0 ? kept - at : 0};
        size_t width = becomes.len;
        uint32_t codepoint;
        const size_t one = kw_utf8_decode(rest.data, rest.len, &codepoint);
        if (codepoint == KW_UTF8_BAD) {
            width = one;
            becomes = KW_STR("\xEF\xBF\xBD");
        }
        if (width == 0)
            width = kw_charsmap_find(step->map, rest, false, &becomes);
        if (width == 0) {
            width = one;
            becomes = (kw_str){rest.data, one};
        }
        KW_TRY(sink_add(s, becomes.data, becomes.len, err));
        at += width;
    }
    return KW_OK;
}

static kw_status write_bytes(kw_sink *s, kw_str piece, bool to_alphabet, kw_error *err)
{
    const size_t at = s->len;
    for (int twice = 0; twice <= (to_alphabet ? 1 : 0); twice++)
        KW_TRY(sink_add(s, piece.data, piece.len, err)); /* room; written over below */
    char *out = s->pieces->buffers[s->buffer] + at;
    size_t n = piece.len;
    if (to_alphabet)
        n = kw_alphabet_encode(piece.data, piece.len, out);
    else if (!kw_alphabet_decode(piece, out, &n))
        return kw_fail(err, KW_E_INTERNAL, "tokenizer: a piece is not in the byte alphabet");
    s->len = at + n;
    return KW_OK;
}

kw_status kw_text_rewrite(kw_sink *s, const kw_compiled_step *step, kw_str piece, bool at_start,
                          kw_error *err)
{
    const kw_step *how = &step->step;
    switch (how->kind) {
    case KW_STEP_NFC:
    case KW_STEP_NFD:
    case KW_STEP_NFKC:
    case KW_STEP_NFKD:
        return write_normal(s, (kw_unicode_form)(how->kind - KW_STEP_NFC), piece, err);
    case KW_STEP_LOWER:
    case KW_STEP_UNMARK:
    case KW_STEP_CLEAN:
    case KW_STEP_NMT:
    case KW_STEP_CJK:
        return write_mapped(s, how, piece, err);
    case KW_STEP_STRIP:
        return write_stripped(s, how, piece, err);
    case KW_STEP_CHARSMAP:
        return write_charsmap(s, step, piece, err);
    case KW_STEP_REPLACE:
        return write_replaced(s, step, piece, err);
    case KW_STEP_SQUEEZE:
        return write_squeezed(s, piece, how->first_only && !at_start, err);
    case KW_STEP_BYTES:
        return write_bytes(s, piece, true, err);
    case KW_STEP_UNBYTES:
        return write_bytes(s, piece, false, err);
    case KW_STEP_PREPEND:
        if ((at_start || !how->first_only) && !(how->unless && kw_str_starts(piece, how->text)))
            KW_TRY(sink_add(s, how->text.data, how->text.len, err));
        return sink_add(s, piece.data, piece.len, err);
    case KW_STEP_SPLIT:
        break;
    }
    return kw_fail(err, KW_E_INTERNAL, "tokenizer: step %d does not write", (int)how->kind);
}
