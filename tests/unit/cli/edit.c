/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* edit.c - keys from bytes, edits from keys, and the drawing, read back by a small terminal. */
#include "cli/edit.h"
#include "cli/keys.h"
#include "cli/width.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- keys ---- */

/* Feeds bytes; the last key that is not NONE. */
static kw_key last_key(kw_keys *keys, const char *bytes)
{
    kw_key last = KW_KEY_NONE;
    for (const char *b = bytes; *b; b++) {
        const kw_key key = kw_keys_feed(keys, *b);
        if (key != KW_KEY_NONE)
            last = key;
    }
    return last;
}

static void test_keys(void **state)
{
    (void)state;
    kw_keys keys = {0};
    assert_int_equal(last_key(&keys, "\x01"), KW_KEY_HOME);
    assert_int_equal(last_key(&keys, "\x05"), KW_KEY_END);
    assert_int_equal(last_key(&keys, "\x0b"), KW_KEY_KILL_TO_END);
    assert_int_equal(last_key(&keys, "\x15"), KW_KEY_KILL_TO_START);
    assert_int_equal(last_key(&keys, "\x17"), KW_KEY_KILL_WORD);
    assert_int_equal(last_key(&keys, "\x03"), KW_KEY_INTERRUPT);
    assert_int_equal(last_key(&keys, "\x04"), KW_KEY_EOF);
    assert_int_equal(last_key(&keys, "\x7f"), KW_KEY_BACKSPACE);
    assert_int_equal(last_key(&keys, "\r"), KW_KEY_ENTER);
    assert_int_equal(last_key(&keys, "\033[A"), KW_KEY_UP);
    assert_int_equal(last_key(&keys, "\033OB"), KW_KEY_DOWN);
    assert_int_equal(last_key(&keys, "\033[3~"), KW_KEY_DELETE);
    assert_int_equal(last_key(&keys, "\033[1;5C"), KW_KEY_WORD_RIGHT);
    assert_int_equal(last_key(&keys, "\033b"), KW_KEY_WORD_LEFT);
    assert_int_equal(last_key(&keys, "\033[99;99;99q"), KW_KEY_NONE); /* swallowed whole */
    assert_int_equal(last_key(&keys, "\033[;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;;q"),
                     KW_KEY_NONE);
    assert_int_equal(last_key(&keys, "x"), KW_KEY_TEXT);
    assert_int_equal(keys.n_text, 1);
}

static void test_characters(void **state)
{
    (void)state;
    kw_keys keys = {0};
    assert_int_equal(kw_keys_feed(&keys, '\xE4'), KW_KEY_NONE);
    assert_int_equal(kw_keys_feed(&keys, '\xBD'), KW_KEY_NONE);
    assert_int_equal(kw_keys_feed(&keys, '\xA0'), KW_KEY_TEXT);
    assert_int_equal(keys.n_text, 3);
    assert_memory_equal(keys.text, "\xE4\xBD\xA0", 3);
    assert_int_equal(last_key(&keys, "\xff\xfe"), KW_KEY_NONE); /* invalid: dropped */
    assert_int_equal(kw_keys_feed(&keys, '\xE4'), KW_KEY_NONE);
    assert_int_equal(kw_keys_feed(&keys, '\r'), KW_KEY_ENTER); /* an unfinished one is dropped */
    assert_int_equal(kw_keys_feed(&keys, 'a'), KW_KEY_TEXT);
    assert_int_equal(keys.n_text, 1);
}

static void test_paste(void **state)
{
    (void)state;
    kw_keys keys = {0};
    kw_edit edit = {0};
    const char *bytes = "\033[200~one\rtwo\x03\x01\033[A\tend\033[201~\x01!";
    for (const char *b = bytes; *b; b++) {
        const kw_key key = kw_keys_feed(&keys, *b);
        if (key == KW_KEY_TEXT)
            kw_edit_insert(&edit, keys.text, keys.n_text);
        else if (key != KW_KEY_NONE)
            assert_true(kw_edit_key(&edit, key));
    }
    assert_string_equal(edit.text.data, "!one\ntwo\tend"); /* the last Ctrl-A is a key again */
    kw_edit_free(&edit);
}

/* ---- edits ---- */

static void press(kw_edit *edit, const char *bytes)
{
    kw_keys keys = {0};
    for (const char *b = bytes; *b; b++) {
        const kw_key key = kw_keys_feed(&keys, *b);
        if (key == KW_KEY_TEXT)
            kw_edit_insert(edit, keys.text, keys.n_text);
        else if (key != KW_KEY_NONE)
            (void)kw_edit_key(edit, key);
    }
}

static void expect(const char *bytes, const char *text, size_t cursor)
{
    kw_edit edit = {0};
    press(&edit, bytes);
    assert_string_equal(edit.text.data ? edit.text.data : "", text);
    assert_int_equal(edit.cursor, cursor);
    kw_edit_free(&edit);
}

static void test_edits(void **state)
{
    (void)state;
    expect("abc", "abc", 3);
    expect("abc\033[D\033[DX", "aXbc", 2);
    expect("abc\x7f", "ab", 2);
    expect("\x7f", "", 0);
    expect("abc\x01\x04", "bc", 0);
    expect("abc\x04", "abc", 3);
    expect("one two\x17", "one ", 4);
    expect("one two \x17", "one ", 4);
    expect("one two\033b\033b\033d", " two", 0);
    expect("one two\033b\x0b", "one ", 4);
    expect("one two\033b\x15", "two", 0);
    expect("one\x01\033f\x05!", "one!", 4);
    expect("a\xC3\xA9\xE4\xBD\xA0\x7f", "a\xC3\xA9", 3);
    expect("a\xC3\xA9z\033[D\033[D\033[3~", "az", 1);
    expect("e\xCC\x81x\033[D\x7f", "x", 0); /* a combining accent goes with its letter */
}

/* ---- drawing ---- */

#define ROWS 8
#define COLUMNS 20

/* A terminal that knows what kw_edit_draw writes. Wide characters fill two cells. */
typedef struct screen {
    char cell[ROWS][COLUMNS + 1]; /* '#' stands for a character that is not ASCII */
    int row, column;
} screen;

static void screen_clear_from(screen *s, int row, int column)
{
    for (int r = row; r < ROWS; r++) {
        for (int c = r == row ? column : 0; c < COLUMNS; c++)
            s->cell[r][c] = ' ';
        s->cell[r][COLUMNS] = '\0';
    }
}

static size_t screen_escape(screen *s, const char *at)
{
    char *end;
    assert_true(at[1] == '[');
    const long n = strtol(at + 2, &end, 10);
    if (*end == 'A')
        s->row -= (int)n;
    else if (*end == 'B')
        s->row += (int)n;
    else if (*end == 'C')
        s->column += (int)n;
    else if (*end == 'J')
        screen_clear_from(s, s->row, s->column);
    else
        assert_true(*end == 'K');
    assert_true(s->row >= 0 && s->row < ROWS && s->column >= 0 && s->column < COLUMNS);
    return (size_t)(end - at) + 1;
}

static void screen_put(screen *s, const char *bytes, size_t n)
{
    const int width = (int)kw_text_width(bytes, n);
    if (s->column + width > COLUMNS) {
        s->row++;
        s->column = 0;
    }
    assert_true(s->row < ROWS);
    for (int i = 0; i < width; i++)
        s->cell[s->row][s->column++] = n == 1 ? bytes[0] : '#';
}

static void screen_write(screen *s, const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = 1;
        if (text[i] == '\033') {
            n = screen_escape(s, text + i);
        } else if (text[i] == '\r') {
            s->column = 0;
        } else if (text[i] == '\n') {
            s->row++;
        } else {
            while (i + n < len && ((unsigned char)text[i + n] & 0xC0) == 0x80)
                n++;
            screen_put(s, text + i, n);
        }
        i += n;
    }
}

typedef struct drawing {
    kw_edit edit;
    screen screen;
    int row;
} drawing;

static void draw(drawing *d)
{
    kw_buf out = {0};
    kw_edit_draw(&d->edit, "> ", COLUMNS, &d->row, &out);
    screen_write(&d->screen, out.data, out.len);
    kw_buf_free(&out);
}

static void expect_row(const drawing *d, int row, const char *text)
{
    char padded[COLUMNS + 1];
    (void)snprintf(padded, sizeof padded, "%-*s", COLUMNS, text);
    assert_string_equal(d->screen.cell[row], padded);
}

static void test_draw_wraps(void **state)
{
    (void)state;
    drawing d = {.row = 0};
    screen_clear_from(&d.screen, 0, 0);
    press(&d.edit, "0123456789abcdefgh"); /* fills the first row exactly */
    draw(&d);
    expect_row(&d, 0, "> 0123456789abcdefgh");
    assert_int_equal(d.screen.row, 1);
    assert_int_equal(d.screen.column, 0);
    press(&d.edit, "ijk");
    draw(&d);
    expect_row(&d, 1, "ijk");
    assert_int_equal(d.screen.column, 3);
    press(&d.edit, "\x01"); /* home: the cursor goes up, the text stays */
    draw(&d);
    expect_row(&d, 1, "ijk");
    assert_int_equal(d.screen.row, 0);
    assert_int_equal(d.screen.column, 2);
    press(&d.edit, "\x0b");
    draw(&d);
    expect_row(&d, 0, "> ");
    expect_row(&d, 1, "");
    kw_edit_free(&d.edit);
}

static void test_draw_lines(void **state)
{
    (void)state;
    drawing d = {.row = 0};
    screen_clear_from(&d.screen, 0, 0);
    kw_edit_insert(&d.edit, "one\ntwo\n", 8);
    draw(&d);
    expect_row(&d, 0, "> one");
    expect_row(&d, 1, "two");
    assert_int_equal(d.screen.row, 2);
    assert_int_equal(d.screen.column, 0);
    press(&d.edit, "\x7f\x7f");
    draw(&d);
    expect_row(&d, 1, "tw");
    assert_int_equal(d.screen.row, 1);
    assert_int_equal(d.screen.column, 2);
    kw_buf out = {0};
    press(&d.edit, "\x01");
    draw(&d);
    kw_edit_leave(&d.edit, "> ", COLUMNS, d.row, &out);
    screen_write(&d.screen, out.data, out.len);
    assert_int_equal(d.screen.row, 2);
    assert_int_equal(d.screen.column, 0);
    kw_buf_free(&out);
    kw_edit_free(&d.edit);
}

static void test_draw_wide(void **state)
{
    (void)state;
    drawing d = {.row = 0};
    screen_clear_from(&d.screen, 0, 0);
    press(&d.edit, "0123456789abcdefg"); /* one column is left: a wide character does not fit */
    press(&d.edit, "\xE4\xBD\xA0!");
    draw(&d);
    expect_row(&d, 0, "> 0123456789abcdefg");
    expect_row(&d, 1, "##!");
    assert_int_equal(d.screen.column, 3);
    press(&d.edit, "\033[D");
    draw(&d);
    assert_int_equal(d.screen.column, 2);
    kw_edit_free(&d.edit);
    assert_int_equal(kw_char_width(0x301), 0);
    assert_int_equal(kw_char_width('a'), 1);
    assert_int_equal(kw_char_width(0x4F60), 2);
    assert_int_equal(kw_char_width(0x1F600), 2);
    assert_int_equal(kw_text_width("a\xff\xE4\xBD\xA0", 5), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),       cmocka_unit_test(test_characters),
        cmocka_unit_test(test_paste),      cmocka_unit_test(test_edits),
        cmocka_unit_test(test_draw_wraps), cmocka_unit_test(test_draw_lines),
        cmocka_unit_test(test_draw_wide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
