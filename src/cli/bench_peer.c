/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bench_peer.c - runs a benchmark command and reads the Markdown table it prints.
 *
 * What another program prints is input like any other: lengths are limited, a line that does not
 * fit the table is passed over, and no row at all is an error. */
#include "cli/bench_peer.h"

#include "base/buf.h"
#include "base/check.h"
#include "base/str.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define MAX_OUTPUT ((size_t)1 << 20)

typedef enum column { COLUMN_TEST, COLUMN_RATE, COLUMN_THREADS, N_COLUMNS } column;

static const char *const COLUMN_NAMES[N_COLUMNS] = {"test", "t/s", "threads"};

/* The next cell of a table's line, without the spaces around it; false at the line's end. */
static bool next_cell(kw_str *line, kw_str *cell)
{
    const char *bar = line->len > 0 ? memchr(line->data, '|', line->len) : NULL;
    if (!bar)
        return false;
    size_t from = 0, to = (size_t)(bar - line->data);
    while (from < to && line->data[from] == ' ')
        from++;
    while (to > from && line->data[to - 1] == ' ')
        to--;
    *cell = (kw_str){line->data + from, to - from};
    const size_t used = (size_t)(bar - line->data) + 1;
    *line = (kw_str){line->data + used, line->len - used};
    return true;
}

/* The places of the columns we want, when this line is a table's first one. */
static bool read_header(kw_str line, int place[N_COLUMNS])
{
    int found[N_COLUMNS] = {-1, -1, -1};
    kw_str cell;
    for (int at = 0; next_cell(&line, &cell); at++)
        for (int c = 0; c < N_COLUMNS; c++)
            if (kw_str_is(cell, COLUMN_NAMES[c]))
                found[c] = at;
    if (found[COLUMN_TEST] < 0 || found[COLUMN_RATE] < 0)
        return false;
    memcpy(place, found, sizeof found);
    return true;
}

/* A number at the beginning of a cell; nan when there is none. */
static double number(kw_str cell)
{
    char text[32];
    char *end;
    const size_t n = KW_MIN(cell.len, sizeof text - 1);
    memcpy(text, cell.data, n);
    text[n] = '\0';
    const double value = strtod(text, &end);
    return end == text ? (double)NAN : value;
}

static bool read_row(kw_str line, const int place[N_COLUMNS], kw_peer_row *row)
{
    kw_str cell;
    *row = (kw_peer_row){.rate = (double)NAN};
    for (int at = 0; next_cell(&line, &cell); at++) {
        if (at == place[COLUMN_TEST] && cell.len > 0 && cell.len < sizeof row->test)
            memcpy(row->test, cell.data, cell.len);
        if (at == place[COLUMN_RATE])
            row->rate = number(cell);
        if (at == place[COLUMN_THREADS]) {
            const double n = number(cell);
            row->n_threads = n >= 1.0 && n <= 65536.0 ? (int)n : 0;
        }
    }
    return row->test[0] != '\0' && isfinite(row->rate) && row->rate > 0.0;
}

size_t kw_peer_parse(const char *text, size_t len, kw_peer_row rows[KW_PEER_MAX_ROWS])
{
    int place[N_COLUMNS] = {-1, -1, -1};
    size_t n = 0;
    for (size_t at = 0; at < len && n < KW_PEER_MAX_ROWS;) {
        const char *end = memchr(text + at, '\n', len - at);
        const size_t line_len = end ? (size_t)(end - text) - at : len - at;
        const kw_str line = {text + at + 1, line_len > 0 ? line_len - 1 : 0};
        if (line_len > 0 && text[at] == '|' && !read_header(line, place) &&
            place[COLUMN_TEST] >= 0 && read_row(line, place, &rows[n]))
            n++;
        at += line_len + 1;
    }
    return n;
}

static kw_status read_all(FILE *pipe, kw_buf *out, kw_error *err)
{
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, pipe)) > 0) {
        if (out->len + n > MAX_OUTPUT)
            return kw_fail(err, KW_E_LIMIT, "--against: the command printed more than %zu bytes",
                           MAX_OUTPUT);
        kw_buf_add(out, chunk, n);
    }
    return kw_buf_status(out, err);
}

kw_status kw_peer_run(const char *command, kw_peer_row rows[KW_PEER_MAX_ROWS], size_t *n_rows,
                      kw_error *err)
{
    kw_buf text = {0};
    (void)fflush(NULL);
    FILE *pipe = popen(command, "r"); // NOLINT(cert-env33-c): a shell command is what was asked for
    if (!pipe)
        return kw_fail(err, KW_E_IO, "--against: %s", strerror(errno));
    kw_status status = read_all(pipe, &text, err);
    const int ended = pclose(pipe);
    if (status == KW_OK && (!WIFEXITED(ended) || WEXITSTATUS(ended) != 0))
        status = kw_fail(err, KW_E_IO, "--against: the command ended with %s %d",
                         WIFEXITED(ended) ? "status" : "signal",
                         WIFEXITED(ended) ? WEXITSTATUS(ended) : WTERMSIG(ended));
    *n_rows = status == KW_OK ? kw_peer_parse(text.data, text.len, rows) : 0;
    if (status == KW_OK && *n_rows == 0)
        status = kw_fail(err, KW_E_FORMAT,
                         "--against: the command printed no row of a table with the columns "
                         "\"test\" and \"t/s\"");
    kw_buf_free(&text);
    return status;
}
