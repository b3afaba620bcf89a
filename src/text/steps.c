/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* steps.c - see steps.h. A splitting step only changes the spans; a rewriting step writes the
 * pieces one after another into the buffer that the text does not lie in, and its spans over them.
 */
#include "text/steps.h"

#include "base/utf8.h"
#include "text/alphabet.h"
#include "text/pretoken.h"
#include "text/unicode.h"

#define NOMEM(err) kw_fail((err), KW_E_NOMEM, "tokenizer: out of memory preparing text")

bool kw_is_space(uint32_t c)
{
    return (c >= '\t' && c <= '\r') || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

static bool copy_view(kw_arena *arena, kw_str *view)
{
    const char *copy = kw_arena_strdup(arena, *view);
    if (copy)
        view->data = copy;
    return copy != NULL;
}

/* Compiles what one step needs into its slot, which is zero. */
static kw_status compile_step(const kw_step *step, kw_arena *arena, kw_compiled_step *out,
                              kw_error *err)
{
    out->step = *step;
    if (!copy_view(arena, &out->step.text) || !copy_view(arena, &out->step.with))
        return NOMEM(err);
    if (step->literal || (step->kind != KW_STEP_SPLIT && step->kind != KW_STEP_REPLACE))
        return KW_OK;
    kw_str expression = out->step.text;
    if (step->kind == KW_STEP_SPLIT && step->pre != KW_PRE_CUSTOM)
        expression = kw_pretoken_expression(step->pre);
    else
        KW_TRY(kw_pattern_portable(out->step.text, arena, &expression, err));
    return kw_pattern_compile(expression, &out->pattern, err);
}

kw_status kw_steps_compile(const kw_step *steps, size_t n, kw_arena *arena, kw_steps *out,
                           kw_error *err)
{
    kw_steps list = {kw_arena_array(arena, n + 1, sizeof(kw_compiled_step)), 0};
    if (!list.items)
        return NOMEM(err);
    bool mapped = false;
    while (n > 0 && steps[n - 1].kind == KW_STEP_BYTES)
        n--;
    for (size_t i = 0; i < n; i++) {
        /* The alphabet is written once: a second writing would spell the spelling. */
        if (steps[i].kind == KW_STEP_BYTES && mapped)
            continue;
        mapped = mapped || steps[i].kind == KW_STEP_BYTES;
        const kw_status status = compile_step(&steps[i], arena, &list.items[list.n], err);
        if (status != KW_OK) {
            kw_steps_free(&list);
            return status;
        }
        list.n++;
    }
    if (mapped)
        list.items[list.n++].step.kind = KW_STEP_UNBYTES;
    *out = list;
    return KW_OK;
}

void kw_steps_free(kw_steps *steps)
{
    for (size_t i = 0; i < steps->n; i++)
        kw_pattern_free(steps->items[i].pattern);
    steps->n = 0;
}

void kw_pieces_free(kw_pieces *pieces)
{
    free(pieces->spans.items);
    free(pieces->scratch.items);
    free(pieces->buffers[0]);
    free(pieces->buffers[1]);
    *pieces = (kw_pieces){.current = -1};
}

static kw_str piece_at(const kw_pieces *pieces, size_t i)
{
    const kw_span span = pieces->spans.items[i];
    return (kw_str){pieces->text.data + span.start, span.end - span.start};
}

/* Where a step reads matches from: a literal, or a matcher begun when first needed. */
typedef struct finder {
    const kw_compiled_step *with;
    kw_str text;
    kw_matcher *matcher; /* owned */
} finder;

static kw_status find_pattern(finder *f, size_t from, bool *found, kw_span *match, kw_error *err)
{
    if (!f->matcher)
        KW_TRY(kw_matcher_begin(f->with->pattern, f->text, &f->matcher, err));
    size_t start = 0, end = 0;
    KW_TRY(kw_matcher_find(f->matcher, from, found, &start, &end, err));
    *match = (kw_span){(uint32_t)start, (uint32_t)end};
    return KW_OK;
}

static bool find_literal(const finder *f, size_t from, kw_span *match)
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

/* The first match at or after `from` < text.len. */
static kw_status find_next(finder *f, size_t from, bool *found, kw_span *match, kw_error *err)
{
    if (f->with->step.literal) {
        *found = find_literal(f, from, match);
        return KW_OK;
    }
    const size_t end = f->with->step.kind == KW_STEP_SPLIT
                           ? kw_pretoken_ascii(f->with->step.pre, f->text.data, from, f->text.len)
                           : 0;
    if (end == 0)
        return find_pattern(f, from, found, match, err);
    *found = true;
    *match = (kw_span){(uint32_t)from, (uint32_t)end};
    return KW_OK;
}

/* Adds a part, `delimiter` or not, in the step's mode. Spans from `first` on are of the same piece;
 * *before tells whether the part before was a delimiter. */
static bool add_part(kw_spans *spans, const kw_step *step, size_t first, kw_span part,
                     bool delimiter, bool *before)
{
    if (part.start == part.end)
        return true;
    kw_span *last = spans->n > first ? &spans->items[spans->n - 1] : NULL;
    const bool was = *before;
    *before = delimiter;
    switch (step->mode) {
    case KW_SPLIT_REMOVED:
        return delimiter || kw_spans_add(spans, part.start, part.end);
    case KW_SPLIT_MERGED_WITH_PREVIOUS:
        if (delimiter && !was && last) {
            last->end = part.end;
            return true;
        }
        break;
    case KW_SPLIT_MERGED_WITH_NEXT:
        /* A delimiter joins the part after it, unless that is one too. */
        if (!delimiter && was && last) {
            last->end = part.end;
            return true;
        }
        break;
    case KW_SPLIT_CONTIGUOUS:
        if (delimiter == was && last) {
            last->end = part.end;
            return true;
        }
        break;
    case KW_SPLIT_ISOLATED:
        break;
    }
    return kw_spans_add(spans, part.start, part.end);
}

/* Cuts one piece, which starts at `base` in the whole text, into the scratch spans. */
static kw_status split_piece(kw_pieces *pieces, finder *f, uint32_t base, kw_error *err)
{
    const kw_step *step = &f->with->step;
    const size_t first = pieces->scratch.n;
    const uint32_t len = (uint32_t)f->text.len;
    uint32_t last = 0, from = 0;
    bool before = false;
    while (from < len) {
        bool found;
        kw_span match;
        KW_TRY(find_next(f, from, &found, &match, err));
        if (!found)
            break;
        const kw_span gap = {base + last, base + match.start};
        const kw_span hit = {base + match.start, base + match.end};
        if (!add_part(&pieces->scratch, step, first, gap, step->invert, &before) ||
            !add_part(&pieces->scratch, step, first, hit, !step->invert, &before))
            return NOMEM(err);
        last = match.end;
        from = match.end;
        if (match.start == match.end && from < len) { /* an empty match cuts, and moves on */
            uint32_t codepoint;
            from += (uint32_t)kw_utf8_decode(f->text.data + from, len - from, &codepoint);
        }
    }
    const kw_span rest = {base + last, base + len};
    return add_part(&pieces->scratch, step, first, rest, step->invert, &before) ? KW_OK
                                                                                : NOMEM(err);
}

static kw_status run_split(const kw_compiled_step *step, kw_pieces *pieces, kw_error *err)
{
    pieces->scratch.n = 0;
    for (size_t i = 0; i < pieces->spans.n; i++) {
        finder f = {step, piece_at(pieces, i), NULL};
        const kw_status status = split_piece(pieces, &f, pieces->spans.items[i].start, err);
        kw_matcher_end(f.matcher);
        KW_TRY(status);
    }
    const kw_spans swap = pieces->spans;
    pieces->spans = pieces->scratch;
    pieces->scratch = swap;
    return KW_OK;
}

/* The buffer being written by a rewriting step. */
typedef struct sink {
    kw_pieces *pieces;
    int buffer;
    size_t len;
} sink;

static kw_status sink_add(sink *s, const char *data, size_t len, kw_error *err)
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

static kw_status write_replaced(sink *s, const kw_compiled_step *step, kw_str piece, kw_error *err)
{
    finder f = {step, piece, NULL};
    kw_status status = KW_OK;
    for (size_t from = 0; from < piece.len;) {
        bool found;
        kw_span match;
        KW_GOTO(status, find_next(&f, from, &found, &match, err));
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

static kw_status write_squeezed(sink *s, kw_str piece, kw_error *err)
{
    bool space = true; /* leading spaces go */
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

static kw_status write_nfc(sink *s, kw_str piece, kw_error *err)
{
    /* Below U+0300 every character is its own composition; those start with bytes below CC. */
    size_t i = 0;
    while (i < piece.len && (unsigned char)piece.data[i] < 0xCC)
        i++;
    if (i == piece.len)
        return sink_add(s, piece.data, piece.len, err);
    char *composed;
    size_t len;
    KW_TRY(kw_unicode_nfc(piece, &composed, &len, err));
    const kw_status status = sink_add(s, composed, len, err);
    free(composed);
    return status;
}

static kw_status write_bytes(sink *s, kw_str piece, bool to_alphabet, kw_error *err)
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

/* Writes what becomes of one piece. */
static kw_status write_piece(sink *s, const kw_compiled_step *step, kw_str piece, bool at_start,
                             kw_error *err)
{
    const kw_step *how = &step->step;
    switch (how->kind) {
    case KW_STEP_NFC:
        return write_nfc(s, piece, err);
    case KW_STEP_REPLACE:
        return write_replaced(s, step, piece, err);
    case KW_STEP_SQUEEZE:
        return write_squeezed(s, piece, err);
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

static kw_status run_writing(const kw_compiled_step *step, kw_pieces *pieces, bool at_start,
                             kw_error *err)
{
    sink s = {pieces, pieces->current == 0 ? 1 : 0, 0};
    size_t kept = 0;
    for (size_t i = 0; i < pieces->spans.n; i++) {
        const size_t start = s.len;
        const bool first = at_start && pieces->spans.items[i].start == 0;
        KW_TRY(write_piece(&s, step, piece_at(pieces, i), first, err));
        if (s.len > start)
            pieces->spans.items[kept++] = (kw_span){(uint32_t)start, (uint32_t)s.len};
    }
    pieces->spans.n = kept;
    pieces->text = (kw_str){s.len ? pieces->buffers[s.buffer] : "", s.len};
    pieces->current = s.buffer;
    return KW_OK;
}

kw_status kw_steps_run(const kw_steps *steps, kw_str text, bool at_start, kw_pieces *pieces,
                       kw_error *err)
{
    pieces->text = text;
    pieces->current = -1;
    pieces->spans.n = 0;
    if (!kw_spans_add(&pieces->spans, 0, text.len))
        return NOMEM(err);
    for (size_t i = 0; i < steps->n && pieces->spans.n > 0; i++) {
        const kw_compiled_step *step = &steps->items[i];
        if (step->step.kind == KW_STEP_SPLIT)
            KW_TRY(run_split(step, pieces, err));
        else
            KW_TRY(run_writing(step, pieces, at_start, err));
    }
    return KW_OK;
}
