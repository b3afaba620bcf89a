/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* line_reader_posix.c - the line editor on a termios terminal.
 *
 * The terminal is raw only while a line is read; a signal that ends or stops the process meanwhile
 * puts it back first (that is what the two static variables are for). */
#include "cli/line_reader.h"

#include "base/check.h"
#include "cli/cli.h"
#include "cli/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PASTE_ON "\033[?2004h"
#define PASTE_OFF "\033[?2004l"

static struct termios cooked;
static volatile sig_atomic_t is_raw;

static void draw(const kw_line_reader *reader, const char *text, size_t len)
{
    while (len > 0) {
        const ssize_t n = write(reader->draw_fd, text, len);
        if (n < 0 && errno != EINTR)
            return;
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
    }
}

static void on_deadly(int number)
{
    if (is_raw)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static void leave_raw(const kw_line_reader *reader)
{
    if (!is_raw)
        return;
    draw(reader, PASTE_OFF, sizeof PASTE_OFF - 1);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &cooked);
    is_raw = 0;
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGHUP, SIG_DFL);
}

static bool enter_raw(const kw_line_reader *reader)
{
    if (tcgetattr(STDIN_FILENO, &cooked) != 0)
        return false;
    struct termios raw = cooked;
    raw.c_iflag &= (tcflag_t) ~(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
    raw.c_lflag &= (tcflag_t) ~(ECHO | ICANON | IEXTEN | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    (void)signal(SIGTERM, on_deadly);
    (void)signal(SIGHUP, on_deadly);
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) != 0)
        return false;
    is_raw = 1;
    draw(reader, PASTE_ON, sizeof PASTE_ON - 1);
    return true;
}

/* Fills the input; false at its end or when interrupted. */
static bool refill(kw_line_reader *reader)
{
    ssize_t n;
    do
        n = read(STDIN_FILENO, reader->input, sizeof reader->input);
    while (n < 0 && errno == EINTR && !kw_interrupt_seen());
    reader->at = 0;
    reader->n = n > 0 ? (size_t)n : 0;
    return n > 0;
}

void kw_line_reader_open(kw_line_reader *reader, kw_env_fn env, bool keep_history)
{
    *reader = (kw_line_reader){.draw_fd = -1};
    const char *term = env("TERM");
    const bool dumb = !term || strcmp(term, "dumb") == 0 || term[0] == '\0';
    if (dumb || isatty(STDIN_FILENO) != 1)
        return;
    if (isatty(STDERR_FILENO) == 1)
        reader->draw_fd = STDERR_FILENO;
    else if (isatty(STDOUT_FILENO) == 1)
        reader->draw_fd = STDOUT_FILENO;
    if (reader->draw_fd >= 0 && keep_history)
        kw_history_open(&reader->history, env);
}

void kw_line_reader_close(kw_line_reader *reader)
{
    kw_history_free(&reader->history);
}

static kw_line_status read_plain(kw_line_reader *reader, kw_buf *out)
{
    for (;;) {
        if (reader->at == reader->n && !refill(reader)) {
            if (kw_interrupt_seen())
                return KW_LINE_INTERRUPTED;
            return out->len > 0 ? KW_LINE_READ : KW_LINE_END;
        }
        const char *start = reader->input + reader->at;
        const size_t left = reader->n - reader->at;
        const char *end = memchr(start, '\n', left);
        const size_t n = end ? (size_t)(end - start) : left;
        kw_buf_add(out, start, n);
        reader->at += n + (end != NULL);
        if (end && out->len > 0 && out->data[out->len - 1] == '\r')
            out->data[--out->len] = '\0';
        if (end)
            return KW_LINE_READ;
    }
}

/* ---- the editor ---- */

typedef struct editing {
    kw_line_reader *reader;
    kw_edit edit;
    kw_buf draft;    /* what was typed before going through the history */
    size_t position; /* in the history; history.n: the draft */
    const char *prompt;
    int row;
} editing;

static void redraw(editing *e)
{
    kw_buf out = {0};
    kw_edit_draw(&e->edit, e->prompt, kw_terminal_columns(e->reader->draw_fd), &e->row, &out);
    if (!out.failed)
        draw(e->reader, out.data, out.len);
    kw_buf_free(&out);
}

/* Shows the text as it is now and goes to the line below it. */
static void leave_line(editing *e)
{
    kw_buf out = {0};
    redraw(e);
    kw_edit_leave(&e->edit, e->prompt, kw_terminal_columns(e->reader->draw_fd), e->row, &out);
    if (!out.failed)
        draw(e->reader, out.data, out.len);
    kw_buf_free(&out);
    e->row = 0;
}

static void recall(editing *e, bool older)
{
    const kw_history *h = &e->reader->history;
    if (older ? e->position == 0 : e->position >= h->n)
        return;
    if (e->position == h->n) {
        e->draft.len = 0;
        kw_buf_add(&e->draft, e->edit.text.data ? e->edit.text.data : "", e->edit.text.len);
    }
    e->position = older ? e->position - 1 : e->position + 1;
    if (e->position == h->n)
        kw_edit_set(&e->edit, e->draft.data, e->draft.len);
    else
        kw_edit_set(&e->edit, h->entries[e->position], strlen(h->entries[e->position]));
}

static void suspend(editing *e)
{
    leave_line(e);
    leave_raw(e->reader);
    (void)raise(SIGTSTP);
    (void)enter_raw(e->reader);
}

static void clear_line(editing *e)
{
    kw_edit_set(&e->edit, "", 0);
    e->position = e->reader->history.n;
}

/* True when the key ends the line, with *status. */
static bool handle(editing *e, kw_key key, kw_line_status *status)
{
    switch (key) {
    case KW_KEY_TEXT:
        kw_edit_insert(&e->edit, e->reader->keys.text, e->reader->keys.n_text);
        return false;
    case KW_KEY_ENTER:
        *status = KW_LINE_READ;
        return true;
    case KW_KEY_UP:
    case KW_KEY_DOWN:
        recall(e, key == KW_KEY_UP);
        return false;
    case KW_KEY_INTERRUPT:
        *status = KW_LINE_INTERRUPTED;
        if (e->edit.text.len == 0)
            return true;
        leave_line(e);
        clear_line(e);
        return false;
    case KW_KEY_EOF:
        *status = KW_LINE_END;
        if (e->edit.text.len == 0)
            return true;
        break;
    case KW_KEY_SUSPEND:
        suspend(e);
        return false;
    case KW_KEY_CLEAR_SCREEN:
        draw(e->reader, "\033[H\033[2J", 7);
        e->row = 0;
        return false;
    default:
        break;
    }
    (void)kw_edit_key(&e->edit, key);
    return false;
}

static kw_line_status edit_line(editing *e)
{
    kw_line_reader *reader = e->reader;
    kw_line_status status = KW_LINE_END;
    e->position = reader->history.n;
    redraw(e);
    for (;;) {
        if (reader->at == reader->n) {
            redraw(e); /* once for all that arrived together */
            if (!refill(reader))
                return KW_LINE_END;
        }
        const kw_key key = kw_keys_feed(&reader->keys, reader->input[reader->at++]);
        if (key != KW_KEY_NONE && handle(e, key, &status))
            return status;
    }
}

kw_line_status kw_line_read(kw_line_reader *reader, const char *prompt, kw_buf *out)
{
    out->len = 0;
    if (reader->draw_fd < 0 || !enter_raw(reader))
        return read_plain(reader, out);
    editing e = {.reader = reader, .prompt = prompt};
    const kw_line_status status = edit_line(&e);
    leave_line(&e);
    leave_raw(reader);
    kw_buf_add(out, e.edit.text.data ? e.edit.text.data : "", e.edit.text.len);
    if (status == KW_LINE_READ)
        kw_history_add(&reader->history, out->data, out->len);
    kw_edit_free(&e.edit);
    kw_buf_free(&e.draft);
    return status;
}
