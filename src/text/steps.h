/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* steps.h - what happens to text before BPE: normalisation, and cutting into pieces.
 *
 * A tokenizer holds two lists of steps. The first normalises (one piece in, one piece out); between
 * the two, added tokens are cut out; the second cuts into the pieces that BPE never merges across.
 * Invariant: the spans of a kw_pieces are in order, do not overlap, are never empty, and start and
 * end at character boundaries of its text. */
#ifndef KW_TEXT_STEPS_H
#define KW_TEXT_STEPS_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "text/grow.h"
#include "text/pattern.h"

#include <stdbool.h>

/* How byte-level BPE cuts text before merging. */
typedef enum kw_pretokenizer {
    KW_PRE_GPT2,
    KW_PRE_LLAMA3,
    KW_PRE_QWEN2,
    KW_PRE_CLIP,   /* letters, single numbers, runs of others; between them white space */
    KW_PRE_WORDS,  /* runs of what is no white space; what lies between is not matched */
    KW_PRE_BERT,   /* the same, and each punctuation character by itself */
    KW_PRE_CUSTOM, /* kw_vocab.splitters, or a step's own expression */
    KW_PRE_NONE    /* the whole text is one piece */
} kw_pretokenizer;

typedef enum kw_step_kind {
    KW_STEP_NFC, /* in the order of kw_unicode_form */
    KW_STEP_NFD,
    KW_STEP_NFKC,
    KW_STEP_NFKD,
    KW_STEP_PREPEND,  /* writes `text` before a piece */
    KW_STEP_REPLACE,  /* every match of `text` becomes `with` */
    KW_STEP_SQUEEZE,  /* spaces: none at either end, one in a row */
    KW_STEP_STRIP,    /* white space goes at the ends that `left` and `right` name */
    KW_STEP_LOWER,    /* lower case, each character by itself */
    KW_STEP_UNMARK,   /* marks go: those that take no space, or with `all` every one */
    KW_STEP_CLEAN,    /* BERT's: control characters go (with `all` unassigned ones too), white
                         space is a space */
    KW_STEP_NMT,      /* the same, as SentencePiece's nmt rules have it */
    KW_STEP_CJK,      /* BERT's: spaces around Chinese characters */
    KW_STEP_CHARSMAP, /* SentencePiece's map in `text`; with `all`, a cluster at a time */
    KW_STEP_SPLIT,    /* cuts each piece at matches of `text` */
    KW_STEP_BYTES,    /* bytes become the printable alphabet, for the steps that follow */
    KW_STEP_UNBYTES   /* and back */
} kw_step_kind;

/* What becomes of a match (a delimiter), in the words of tokenizer.json. */
typedef enum kw_split_mode {
    KW_SPLIT_ISOLATED,
    KW_SPLIT_REMOVED,
    KW_SPLIT_MERGED_WITH_PREVIOUS,
    KW_SPLIT_MERGED_WITH_NEXT,
    KW_SPLIT_CONTIGUOUS /* isolated, neighbours joined */
} kw_split_mode;

typedef struct kw_step {
    kw_step_kind kind;
    kw_pretokenizer pre; /* SPLIT: one of the known ways, else KW_PRE_CUSTOM */
    kw_split_mode mode;
    bool literal;    /* SPLIT, REPLACE: text is a string, not an expression */
    bool invert;     /* SPLIT: what lies between the matches is the delimiter */
    bool first_only; /* PREPEND: only to the piece that starts the whole text; SQUEEZE: others
                        keep a space before them */
    bool unless;     /* PREPEND: not to a piece that starts with it */
    bool left, right, all;
    kw_str text, with;
    const struct kw_added_token *keep; /* [n_keep] CHARSMAP: texts that stay as they are */
    size_t n_keep;
} kw_step;

typedef struct kw_compiled_step {
    kw_step step;
    kw_pattern *pattern;     /* owned; NULL: none is needed */
    struct kw_charsmap *map; /* CHARSMAP; in the arena */
    struct kw_added *keep;   /* CHARSMAP; in the arena, or NULL */
} kw_compiled_step;

typedef struct kw_steps {
    kw_compiled_step *items; /* in the arena given to kw_steps_compile */
    size_t n;
} kw_steps;

/* Copies and compiles. A BYTES step at the end of the list is dropped: the model reads bytes. On
 * failure nothing is left to free but the arena. */
kw_status kw_steps_compile(const kw_step *steps, size_t n, kw_arena *arena, kw_steps *out,
                           kw_error *err);
void kw_steps_free(kw_steps *steps);

typedef struct kw_pieces {
    kw_str text;      /* what the spans index: the caller's text or one of the buffers */
    kw_spans spans;   /* owned */
    kw_spans scratch; /* owned */
    char *buffers[2]; /* owned; a step reads one and writes the other */
    size_t caps[2];
    int current; /* index of the buffer that text lies in; -1: the caller's text */
} kw_pieces;

/* Whether the first step makes valid UTF-8 of any bytes. */
bool kw_steps_repair(const kw_steps *steps);
/* Runs the steps over valid UTF-8 (or, where they repair it, any bytes) of at most 2^28 bytes. text
 * is borrowed by `pieces` until the next run. at_start: text starts the whole input. */
kw_status kw_steps_run(const kw_steps *steps, kw_str text, bool at_start, kw_pieces *pieces,
                       kw_error *err);
void kw_pieces_free(kw_pieces *pieces);

#endif
