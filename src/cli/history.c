/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* history.c - one entry a line, "\n" and "\\" for line ends and backslashes in it.
 * Entries are appended as they are made, so that two sessions lose nothing to each other. */
#include "cli/history.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool kw_xdg_dir(kw_env_fn env, const char *variable, const char *fallback, kw_buf *out)
{
    const char *dir = env(variable), *home = env("HOME");
    if (dir && dir[0] == '/')
        kw_buf_printf(out, "%s/kwaai", dir);
    else if (home && home[0] == '/')
        kw_buf_printf(out, "%s/%s/kwaai", home, fallback);
    else
        return false;
    return !out->failed;
}

/* Creates every folder of a path. */
static void make_folders(char *path)
{
    for (char *c = path + 1;; c++) {
        if (*c != '/' && *c != '\0')
            continue;
        const char saved = *c;
        *c = '\0';
        (void)mkdir(path, 0700);
        *c = saved;
        if (saved == '\0')
            return;
    }
}

static void remember(kw_history *h, const char *text, size_t len)
{
    if (h->n == h->capacity) {
        const size_t capacity = h->capacity ? h->capacity * 2 : 64;
        char **entries = realloc(h->entries, capacity * sizeof *entries);
        if (!entries)
            return;
        h->entries = entries;
        h->capacity = capacity;
    }
    char *copy = malloc(len + 1);
    if (!copy)
        return;
    memcpy(copy, text, len);
    copy[len] = '\0';
    h->entries[h->n++] = copy;
    if (h->n > KW_HISTORY_MAX) {
        free(h->entries[0]);
        h->n--;
        memmove(h->entries, h->entries + 1, h->n * sizeof *h->entries);
    }
}

static void decode_line(kw_history *h, const char *line, size_t len)
{
    kw_buf text = {0};
    for (size_t i = 0; i < len; i++) {
        char c = line[i];
        if (c == '\\' && i + 1 < len) {
            i++;
            c = line[i] == 'n' ? '\n' : line[i];
        }
        kw_buf_add(&text, &c, 1);
    }
    if (text.len > 0 && !text.failed)
        remember(h, text.data, text.len);
    kw_buf_free(&text);
}

static void encode_line(kw_buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n')
            kw_buf_add(out, "\\n", 2);
        else if (text[i] == '\\')
            kw_buf_add(out, "\\\\", 2);
        else
            kw_buf_add(out, text + i, 1);
    }
    kw_buf_add(out, "\n", 1);
}

static void append(const char *path, int flags, const kw_buf *text)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    if (fd < 0)
        return;
    const ssize_t n = write(fd, text->data, text->len);
    (void)n; /* a history that cannot be written is a shorter one */
    (void)close(fd);
}

/* Writes the newest entries only, once the file holds twice as many. */
static void shorten(const kw_history *h)
{
    kw_buf text = {0};
    for (size_t i = 0; i < h->n; i++)
        encode_line(&text, h->entries[i], strlen(h->entries[i]));
    if (!text.failed && text.len > 0)
        append(h->path, O_TRUNC, &text);
    kw_buf_free(&text);
}

void kw_history_open(kw_history *history, kw_env_fn env)
{
    kw_buf path = {0};
    *history = (kw_history){0};
    if (!kw_xdg_dir(env, "XDG_STATE_HOME", ".local/state", &path)) {
        kw_buf_free(&path);
        return;
    }
    make_folders(path.data);
    kw_buf_add(&path, "/history", 8);
    if (path.failed) {
        kw_buf_free(&path);
        return;
    }
    history->path = path.data; /* moves */
    FILE *file = fopen(history->path, "r");
    if (!file)
        return;
    char *line = NULL;
    size_t capacity = 0, n_lines = 0;
    for (ssize_t n = getline(&line, &capacity, file); n > 0; n = getline(&line, &capacity, file)) {
        n_lines++;
        decode_line(history, line, (size_t)n - (line[n - 1] == '\n'));
    }
    free(line);
    (void)fclose(file);
    if (n_lines > 2 * (size_t)KW_HISTORY_MAX)
        shorten(history);
}

void kw_history_add(kw_history *history, const char *text, size_t len)
{
    if (len == 0)
        return;
    if (history->n > 0) {
        const char *last = history->entries[history->n - 1];
        if (strlen(last) == len && memcmp(last, text, len) == 0)
            return;
    }
    remember(history, text, len);
    kw_buf line = {0};
    encode_line(&line, text, len);
    if (history->path && !line.failed)
        append(history->path, O_APPEND, &line);
    kw_buf_free(&line);
}

void kw_history_free(kw_history *history)
{
    for (size_t i = 0; i < history->n; i++)
        free(history->entries[i]);
    free(history->entries);
    free(history->path);
    *history = (kw_history){0};
}
