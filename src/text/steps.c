/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* steps.c - see steps.h. A splitting step only changes the spans; a rewriting step writes the
 * pieces one after another into the buffer that the text does not lie in, and its spans over them.
 */
#include "text/steps.h"

#include "base/utf8.h"
#include "text/added.h"
#include "text/charsmap.h"
#include "text/pretoken.h"
#include "text/rewrite.h"

#define NOMEM(err) kw_fail((err), KW_E_NOMEM, "tokenizer: out of memory preparing text")

static bool copy_view(kw_arena *arena, kw_str *view)
{
    const char *copy = kw_arena_strdup(arena, *view);
    if (copy)
        view->data = copy;
    return copy != NULL;
}

static kw_status compile_map(const kw_step *step, kw_arena *arena, kw_compiled_step *out,
                             kw_error *err)
{
    out->map = kw_arena_alloc(arena, sizeof(*out->map));
    out->keep = kw_arena_alloc(arena, sizeof(*out->keep));
    if (!out->map || !out->keep)
        return NOMEM(err);
    KW_TRY(kw_charsmap_build(step->text, arena, out->map, err));
    KW_TRY(kw_added_build(step->keep, step->n_keep, arena, out->keep, err));
    if (step->n_keep == 0)
        out->keep = NULL;
    return KW_OK;
}

/* Compiles what one step needs into its slot, which is zero. */
static kw_status compile_step(const kw_step *step, kw_arena *arena, kw_compiled_step *out,
                              kw_error *err)
{
    out->step = *step;
    if (!copy_view(arena, &out->step.text) || !copy_view(arena, &out->step.with))
        return NOMEM(err);
    if (step->kind == KW_STEP_CHARSMAP)
        return compile_map(step, arena, out, err);
    if (step->literal || (step->kind != KW_STEP_SPLIT && step->kind != KW_STEP_REPLACE) ||
        (step->kind == KW_STEP_SPLIT && kw_pretoken_known(step->pre)))
        return KW_OK;
    kw_str expression;
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
static kw_status split_piece(kw_pieces *pieces, kw_finder *f, uint32_t base, kw_error *err)
{
    const kw_step *step = &f->with->step;
    const size_t first = pieces->scratch.n;
    const uint32_t len = (uint32_t)f->text.len;
    uint32_t last = 0, from = 0;
    bool before = false;
    while (from < len) {
        bool found;
        kw_span match;
        KW_TRY(kw_find_next(f, from, &found, &match, err));
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
        kw_finder f = {step, piece_at(pieces, i), NULL};
        const kw_status status = split_piece(pieces, &f, pieces->spans.items[i].start, err);
        kw_matcher_end(f.matcher);
        KW_TRY(status);
    }
    const kw_spans swap = pieces->spans;
    pieces->spans = pieces->scratch;
    pieces->scratch = swap;
    return KW_OK;
}

static kw_status run_writing(const kw_compiled_step *step, kw_pieces *pieces, bool at_start,
                             kw_error *err)
{
    kw_sink s = {pieces, pieces->current == 0 ? 1 : 0, 0};
    size_t kept = 0;
    for (size_t i = 0; i < pieces->spans.n; i++) {
        const size_t start = s.len;
        const bool first = at_start && pieces->spans.items[i].start == 0;
        KW_TRY(kw_text_rewrite(&s, step, piece_at(pieces, i), first, err));
        if (s.len > start)
            pieces->spans.items[kept++] = (kw_span){(uint32_t)start, (uint32_t)s.len};
    }
    pieces->spans.n = kept;
    pieces->text = (kw_str){s.len ? pieces->buffers[s.buffer] : "", s.len};
    pieces->current = s.buffer;
    return KW_OK;
}

bool kw_steps_repair(const kw_steps *steps)
{
    return steps->n > 0 && steps->items[0].step.kind == KW_STEP_CHARSMAP &&
           !steps->items[0].step.all;
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
