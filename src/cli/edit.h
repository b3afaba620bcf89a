/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* edit.h - a text being typed: what keys do to it, and how it looks on a terminal. */
#ifndef KW_CLI_EDIT_H
#define KW_CLI_EDIT_H

#include "base/buf.h"
#include "cli/keys.h"

/* Zero-initialised is an empty text. text may hold line ends (pasted ones). */
typedef struct kw_edit {
    kw_buf text;
    size_t cursor; /* byte offset, on a character boundary */
} kw_edit;

void kw_edit_free(kw_edit *edit);
void kw_edit_set(kw_edit *edit, const char *text, size_t len); /* cursor at its end */
void kw_edit_insert(kw_edit *edit, const char *text, size_t len);
/* Moves and deletions; false for keys that mean something else. */
bool kw_edit_key(kw_edit *edit, kw_key key);

/* Appends what draws prompt and text over what was drawn before, and puts the cursor in place.
 * *row: in, the row of the cursor below the first row of the last drawing; out, the same for this.
 */
void kw_edit_draw(const kw_edit *edit, const char *prompt, int columns, int *row, kw_buf *out);
/* Appends what moves from the cursor to the start of the line below the text. */
void kw_edit_leave(const kw_edit *edit, const char *prompt, int columns, int row, kw_buf *out);

#endif
