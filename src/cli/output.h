/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* output.h - what a command writes: results to stdout, and JSON.
 *
 * Every write is checked: a full disk is an error, a reader that went away (head) is not. */
#ifndef KW_CLI_OUTPUT_H
#define KW_CLI_OUTPUT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct kw_out {
    FILE *file;
    bool tty;
    int error; /* errno of the first write that failed; later ones do nothing */
    char last; /* the last byte written; '\n' at the start */
} kw_out;

void kw_out_init(kw_out *out, FILE *file);
void kw_out_write(kw_out *out, const char *text, size_t len);
void kw_out_puts(kw_out *out, const char *text);
void kw_out_printf(kw_out *out, const char *fmt, ...) KW_PRINTF(2, 3);
/* Text that came from a file or a model: on a terminal, control characters other than line ends and
 * tabs become U+FFFD, so that no text can command the terminal. */
void kw_out_foreign(kw_out *out, const char *text, size_t len);
/* Hands what was written to the system; false when it was refused. */
bool kw_out_flush(kw_out *out);

/* text[0..len) appended to buf with control characters (but '\n' and '\t') as U+FFFD. */
void kw_text_clean(kw_buf *buf, const char *text, size_t len);

/* "1.50 GiB", "320 B"; out holds 16 bytes. */
char *kw_print_bytes(uint64_t bytes, char out[16]);
/* "1.10 B", "260.03 K" parameters; out holds 16 bytes. */
char *kw_print_count(uint64_t n, char out[16]);
/* "1.23 s", "12.3 ms"; out holds 16 bytes. */
char *kw_print_ns(uint64_t ns, char out[16]);

/* JSON, written as it is made. Zero-initialised apart from out (and pretty) is ready. */
typedef struct kw_json_writer {
    kw_out *out;
    bool pretty; /* a member a line, else all in one line */
    int depth;
    uint32_t filled; /* bit d: something was written at depth d */
} kw_json_writer;

/* key is NULL for elements of arrays and for the whole document. */
void kw_json_open(kw_json_writer *w, const char *key, char bracket);
void kw_json_close(kw_json_writer *w, char bracket);
void kw_json_text(kw_json_writer *w, const char *key, const char *text, size_t len);
void kw_json_puts(kw_json_writer *w, const char *key, const char *text); /* NULL: null */
void kw_json_int(kw_json_writer *w, const char *key, int64_t value);
void kw_json_real(kw_json_writer *w, const char *key, double value); /* not finite: null */
void kw_json_bool(kw_json_writer *w, const char *key, bool value);

#endif
