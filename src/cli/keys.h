/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* keys.h - the bytes of a terminal in raw mode become keys. */
#ifndef KW_CLI_KEYS_H
#define KW_CLI_KEYS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum kw_key {
    KW_KEY_NONE, /* nothing yet, or a key without meaning here */
    KW_KEY_TEXT, /* one character: keys.text */
    KW_KEY_ENTER,
    KW_KEY_LEFT,
    KW_KEY_RIGHT,
    KW_KEY_UP,
    KW_KEY_DOWN,
    KW_KEY_HOME,
    KW_KEY_END,
    KW_KEY_WORD_LEFT,
    KW_KEY_WORD_RIGHT,
    KW_KEY_BACKSPACE,
    KW_KEY_DELETE,
    KW_KEY_KILL_TO_END,
    KW_KEY_KILL_TO_START,
    KW_KEY_KILL_WORD, /* before the cursor */
    KW_KEY_KILL_NEXT_WORD,
    KW_KEY_CLEAR_SCREEN,
    KW_KEY_INTERRUPT,
    KW_KEY_EOF, /* Ctrl-D: end of input on an empty line, else delete */
    KW_KEY_SUSPEND
} kw_key;

/* Zero-initialised is ready. */
typedef struct kw_keys {
    char text[4]; /* of KW_KEY_TEXT: one UTF-8 character; a pasted line end is '\n' */
    size_t n_text;
    char pending[32]; /* an unfinished character or escape sequence */
    size_t n_pending;
    bool pasting; /* between the brackets of a paste: nothing is a command */
} kw_keys;

kw_key kw_keys_feed(kw_keys *keys, char byte);

#endif
