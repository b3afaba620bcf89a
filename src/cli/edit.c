/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* edit.c - the line editor without the terminal. */
#include "cli/edit.h"

#include "base/check.h"
#include "base/utf8.h"
#include "cli/width.h"

#include <string.h>

#define TAB_COLUMNS 4

void kw_edit_free(kw_edit *edit)
{
    kw_buf_free(&edit->text);
    edit->cursor = 0;
}

void kw_edit_insert(kw_edit *edit, const char *text, size_t len)
{
    const size_t old = edit->text.len;
    kw_buf_add(&edit->text, text, len);
    if (edit->text.failed || len == 0)
        return;
    char *at = edit->text.data + edit->cursor;
    memmove(at + len, at, old - edit->cursor);
    memcpy(at, text, len);
    edit->cursor += len;
}

void kw_edit_set(kw_edit *edit, const char *text, size_t len)
{
    edit->text.len = 0;
    edit->cursor = 0;
    kw_edit_insert(edit, text, len);
}

/* ---- positions ---- */

static uint32_t char_at(const kw_edit *edit, size_t at, size_t *n)
{
    uint32_t c;
    *n = kw_utf8_decode(edit->text.data + at, edit->text.len - at, &c);
    return c;
}

/* The start of the character before `at`, with the base of combining ones. */
static size_t before(const kw_edit *edit, size_t at)
{
    while (at > 0) {
        do
            at--;
        while (at > 0 && ((unsigned char)edit->text.data[at] & 0xC0) == 0x80);
        size_t n;
        if (kw_char_width(char_at(edit, at, &n)) > 0)
            break;
    }
    return at;
}

static size_t after(const kw_edit *edit, size_t at)
{
    size_t n = 0;
    if (at < edit->text.len)
        (void)char_at(edit, at, &n);
    at += n;
    while (at < edit->text.len && kw_char_width(char_at(edit, at, &n)) == 0)
        at += n;
    return at;
}

static bool is_space(const kw_edit *edit, size_t at)
{
    return strchr(" \t\n", edit->text.data[at]) != NULL;
}

static size_t word_before(const kw_edit *edit, size_t at)
{
    while (at > 0 && is_space(edit, at - 1))
        at--;
    while (at > 0 && !is_space(edit, at - 1))
        at--;
    return at;
}

static size_t word_after(const kw_edit *edit, size_t at)
{
    while (at < edit->text.len && is_space(edit, at))
        at++;
    while (at < edit->text.len && !is_space(edit, at))
        at++;
    return at;
}

/* Deletes [from, to); the cursor ends up at from. */
static void erase(kw_edit *edit, size_t from, size_t to)
{
    if (from >= to)
        return;
    memmove(edit->text.data + from, edit->text.data + to, edit->text.len - to);
    edit->text.len -= to - from;
    edit->text.data[edit->text.len] = '\0';
    edit->cursor = from;
}

bool kw_edit_key(kw_edit *edit, kw_key key)
{
    const size_t at = edit->cursor, end = edit->text.len;
    switch (key) {
    case KW_KEY_LEFT:
        edit->cursor = before(edit, at);
        return true;
    case KW_KEY_RIGHT:
        edit->cursor = after(edit, at);
        return true;
    case KW_KEY_HOME:
        edit->cursor = 0;
        return true;
    case KW_KEY_END:
        edit->cursor = end;
        return true;
    case KW_KEY_WORD_LEFT:
        edit->cursor = word_before(edit, at);
        return true;
    case KW_KEY_WORD_RIGHT:
        edit->cursor = word_after(edit, at);
        return true;
    case KW_KEY_BACKSPACE:
        erase(edit, before(edit, at), at);
        return true;
    case KW_KEY_DELETE:
    case KW_KEY_EOF:
        erase(edit, at, after(edit, at));
        return true;
    case KW_KEY_KILL_TO_END:
        erase(edit, at, end);
        return true;
    case KW_KEY_KILL_TO_START:
        erase(edit, 0, at);
        return true;
    case KW_KEY_KILL_WORD:
        erase(edit, word_before(edit, at), at);
        return true;
    case KW_KEY_KILL_NEXT_WORD:
        erase(edit, at, word_after(edit, at));
        return true;
    default:
        return false;
    }
}

/* ---- drawing ---- */

typedef struct place {
    int row, column;
} place;

/* Moves p over one character, as a terminal does that wraps at the last column. */
static void advance(place *p, uint32_t c, int columns)
{
    const int width = c == '\t' ? TAB_COLUMNS : c == KW_UTF8_BAD ? 1 : kw_char_width(c);
    if (c == '\n') {
        p->row++;
        p->column = 0;
        return;
    }
    if (p->column + width > columns) {
        p->row++;
        p->column = 0;
    }
    p->column += width;
}

/* Where the text before `end` ends. A full row counts as the start of the next one. */
static place locate(const kw_edit *edit, const char *prompt, size_t end, int columns)
{
    place p = {0, (int)kw_text_width(prompt, strlen(prompt))};
    for (size_t i = 0; i < end;) {
        size_t n;
        const uint32_t c = char_at(edit, i, &n);
        advance(&p, c, columns);
        i += n;
    }
    if (p.column >= columns) {
        p.row++;
        p.column = 0;
    }
    return p;
}

static void draw_text(const kw_edit *edit, kw_buf *out)
{
    for (size_t i = 0; i < edit->text.len;) {
        size_t n;
        const uint32_t c = char_at(edit, i, &n);
        if (c == '\n')
            kw_buf_add(out, "\033[K\r\n", 5);
        else if (c == '\t')
            kw_buf_printf(out, "%*s", TAB_COLUMNS, "");
        else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == KW_UTF8_BAD)
            kw_buf_add(out, "?", 1);
        else
            kw_buf_add(out, edit->text.data + i, n);
        i += n;
    }
}

static void move_up(kw_buf *out, int rows)
{
    if (rows > 0)
        kw_buf_printf(out, "\033[%dA", rows);
}

void kw_edit_draw(const kw_edit *edit, const char *prompt, int columns, int *row, kw_buf *out)
{
    columns = KW_MAX(columns, 8);
    const place cursor = locate(edit, prompt, edit->cursor, columns);
    const place end = locate(edit, prompt, edit->text.len, columns);
    move_up(out, *row);
    kw_buf_printf(out, "\r\033[J%s", prompt);
    draw_text(edit, out);
    if (end.column == 0 && end.row > 0 && edit->text.data[edit->text.len - 1] != '\n')
        kw_buf_add(out, "\r\n", 2); /* leaves the last column, where the terminal waits to wrap */
    move_up(out, end.row - cursor.row);
    kw_buf_add(out, "\r", 1);
    if (cursor.column > 0)
        kw_buf_printf(out, "\033[%dC", cursor.column);
    *row = cursor.row;
}

void kw_edit_leave(const kw_edit *edit, const char *prompt, int columns, int row, kw_buf *out)
{
    const place end = locate(edit, prompt, edit->text.len, KW_MAX(columns, 8));
    if (end.row > row)
        kw_buf_printf(out, "\033[%dB", end.row - row);
    kw_buf_add(out, "\r\n", 2);
}
