/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* keys.c - control characters, UTF-8 and escape sequences (ECMA-48; xterm's cursor and editing
 * keys, its modifiers and bracketed paste). An unknown sequence is swallowed whole. */
#include "cli/keys.h"

#include "base/check.h"
#include "base/utf8.h"

#include <string.h>

#define ESCAPE '\033'

typedef struct binding {
    const char *bytes;
    kw_key key;
} binding;

static const binding sequences[] = {
    {"[A", KW_KEY_UP},
    {"[B", KW_KEY_DOWN},
    {"[C", KW_KEY_RIGHT},
    {"[D", KW_KEY_LEFT},
    {"[H", KW_KEY_HOME},
    {"[F", KW_KEY_END},
    {"OA", KW_KEY_UP},
    {"OB", KW_KEY_DOWN},
    {"OC", KW_KEY_RIGHT},
    {"OD", KW_KEY_LEFT},
    {"OH", KW_KEY_HOME},
    {"OF", KW_KEY_END},
    {"[1~", KW_KEY_HOME},
    {"[7~", KW_KEY_HOME},
    {"[4~", KW_KEY_END},
    {"[8~", KW_KEY_END},
    {"[3~", KW_KEY_DELETE},
    {"[1;5D", KW_KEY_WORD_LEFT},
    {"[1;5C", KW_KEY_WORD_RIGHT},
    {"[1;3D", KW_KEY_WORD_LEFT},
    {"[1;3C", KW_KEY_WORD_RIGHT},
    {"b", KW_KEY_WORD_LEFT},
    {"f", KW_KEY_WORD_RIGHT},
    {"d", KW_KEY_KILL_NEXT_WORD},
    {"\177", KW_KEY_KILL_WORD},
};

static kw_key control_key(char byte)
{
    static const struct {
        char letter;
        kw_key key;
    } table[] = {
        {'A', KW_KEY_HOME},         {'B', KW_KEY_LEFT},          {'C', KW_KEY_INTERRUPT},
        {'D', KW_KEY_EOF},          {'E', KW_KEY_END},           {'F', KW_KEY_RIGHT},
        {'H', KW_KEY_BACKSPACE},    {'J', KW_KEY_ENTER},         {'K', KW_KEY_KILL_TO_END},
        {'L', KW_KEY_CLEAR_SCREEN}, {'M', KW_KEY_ENTER},         {'N', KW_KEY_DOWN},
        {'P', KW_KEY_UP},           {'U', KW_KEY_KILL_TO_START}, {'W', KW_KEY_KILL_WORD},
        {'Z', KW_KEY_SUSPEND},
    };
    for (size_t i = 0; i < KW_COUNT(table); i++) {
        if (byte == (char)(table[i].letter & 0x1f))
            return table[i].key;
    }
    return KW_KEY_NONE;
}

/* Is pending, which starts with ESC, a complete sequence? */
static bool sequence_complete(const kw_keys *keys)
{
    const size_t n = keys->n_pending;
    if (n < 2)
        return false;
    if (keys->pending[1] == 'O')
        return n == 3;
    if (keys->pending[1] != '[')
        return true;
    const char last = keys->pending[n - 1];
    return n > 2 && last >= 0x40 && last <= 0x7e;
}

static kw_key escape_key(kw_keys *keys, char byte)
{
    if (keys->n_pending == sizeof keys->pending - 1)
        keys->n_pending = 2; /* too long to mean anything; its last byte still ends it */
    keys->pending[keys->n_pending++] = byte;
    if (!sequence_complete(keys))
        return KW_KEY_NONE;
    keys->pending[keys->n_pending] = '\0';
    keys->n_pending = 0;
    const char *body = keys->pending + 1;
    if (strcmp(body, "[200~") == 0)
        keys->pasting = true;
    else if (strcmp(body, "[201~") == 0)
        keys->pasting = false;
    for (size_t i = 0; i < KW_COUNT(sequences) && !keys->pasting; i++) {
        if (strcmp(body, sequences[i].bytes) == 0)
            return sequences[i].key;
    }
    return KW_KEY_NONE;
}

/* A byte of a character; KW_KEY_TEXT when it completes one. Invalid bytes are dropped. */
static kw_key text_key(kw_keys *keys, char byte)
{
    keys->pending[keys->n_pending++] = byte;
    const size_t n = keys->n_pending;
    if (kw_utf8_complete(keys->pending, n) < n)
        return KW_KEY_NONE;
    keys->n_pending = 0;
    if (n > sizeof keys->text || !kw_utf8_valid(keys->pending, n))
        return KW_KEY_NONE;
    memcpy(keys->text, keys->pending, n);
    keys->n_text = n;
    return KW_KEY_TEXT;
}

kw_key kw_keys_feed(kw_keys *keys, char byte)
{
    const unsigned char c = (unsigned char)byte;
    if (keys->n_pending > 0 && keys->pending[0] == ESCAPE)
        return escape_key(keys, byte);
    if (c < 0x20 || c == 0x7f)
        keys->n_pending = 0; /* an unfinished character is dropped */
    if (byte == ESCAPE) {
        keys->pending[keys->n_pending++] = byte;
        return KW_KEY_NONE;
    }
    if (c == '\t' || (keys->pasting && (c == '\r' || c == '\n')))
        return text_key(keys, c == '\t' ? '\t' : '\n');
    if (keys->pasting && (c < 0x20 || c == 0x7f))
        return KW_KEY_NONE;
    if (c == 0x7f)
        return KW_KEY_BACKSPACE;
    return c < 0x20 ? control_key(byte) : text_key(keys, byte);
}
