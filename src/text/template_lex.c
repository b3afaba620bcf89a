/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_lex.c - a template's text as tokens.
 *
 * White space around tags is settled here, so that nothing later knows of it: trim_blocks drops the
 * line end after a block or comment, lstrip_blocks the blanks before one at the start of its line,
 * "-" all white space on its side, "+" keeps it. Line ends become \n and the last one is dropped.
 */
#include "text/template_ast.h"

#include "base/utf8.h"
#include "text/grow.h"

#include <string.h>

#define MAX_BRACKETS 200

typedef struct lexer {
    kw_str src;
    size_t pos, line_at; /* line_at: how far `line` was counted */
    uint32_t line;
    const char *subject;
    kw_arena *arena;
    kw_error *err;
    kw_tpl_token *tokens;
    size_t n, cap;
    char brackets[MAX_BRACKETS]; /* open in this tag */
    size_t depth;
} lexer;

bool kw_tpl_is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

static uint32_t line_of(lexer *l, size_t pos)
{
    for (; l->line_at < pos; l->line_at++)
        l->line += l->src.data[l->line_at] == '\n';
    return l->line;
}

static kw_status fail(lexer *l, const char *what)
{
    return kw_fail(l->err, KW_E_FORMAT, "%s: line %u: %s", l->subject, line_of(l, l->pos), what);
}

static kw_status add(lexer *l, kw_tpl_token_kind kind, kw_str text, size_t at)
{
    kw_tpl_token *items = kw_grow(l->tokens, &l->cap, l->n + 1, sizeof *items);
    if (!items)
        return kw_fail(l->err, KW_E_NOMEM, "%s: out of memory", l->subject);
    l->tokens = items;
    items[l->n++] = (kw_tpl_token){text, line_of(l, at), (uint8_t)kind};
    return KW_OK;
}

static bool at(const lexer *l, size_t pos, const char *text)
{
    const size_t n = strlen(text);
    return l->src.len - pos >= n && memcmp(l->src.data + pos, text, n) == 0;
}

static size_t skip_space(const lexer *l, size_t pos)
{
    while (pos < l->src.len) {
        uint32_t c;
        const size_t n = kw_utf8_decode(l->src.data + pos, l->src.len - pos, &c);
        if (!kw_tpl_is_space(c))
            break;
        pos += n;
    }
    return pos;
}

/* The end of text[start..end) without the white space before it. */
static size_t strip_end(const lexer *l, size_t start, size_t end)
{
    while (end > start) {
        size_t begin = end - 1;
        uint32_t c;
        while (begin > start && ((unsigned char)l->src.data[begin] & 0xC0) == 0x80)
            begin--;
        (void)kw_utf8_decode(l->src.data + begin, end - begin, &c);
        if (!kw_tpl_is_space(c))
            break;
        end = begin;
    }
    return end;
}

/* The end of the text before a tag at `tag`, whose sign follows its two characters. */
static size_t text_end(const lexer *l, size_t start, size_t tag)
{
    const char sign = tag + 2 < l->src.len ? l->src.data[tag + 2] : ' ';
    if (sign == '-')
        return strip_end(l, start, tag);
    if (sign == '+' || l->src.data[tag + 1] == '{')
        return tag;
    size_t line = tag;
    while (line > start && l->src.data[line - 1] != '\n')
        line--;
    const bool line_start = line == 0 || l->src.data[line - 1] == '\n';
    return line_start && strip_end(l, line, tag) == line ? line : tag;
}

/* After "%}" or "#}" the line end goes, too. */
static size_t skip_line_end(const lexer *l, size_t pos)
{
    return pos < l->src.len && l->src.data[pos] == '\n' ? pos + 1 : pos;
}

/* The position behind an end like "%}" at pos with its sign, or 0. */
static size_t match_end(const lexer *l, size_t pos, const char *end)
{
    const bool block = end[0] != '}';
    if (at(l, pos, end))
        return block ? skip_line_end(l, pos + 2) : pos + 2;
    if (l->src.data[pos] == '-' && at(l, pos + 1, end))
        return skip_space(l, pos + 3);
    if (block && l->src.data[pos] == '+' && at(l, pos + 1, end))
        return pos + 3;
    return 0;
}

static kw_status skip_comment(lexer *l)
{
    size_t pos = l->pos + 2;
    pos += pos < l->src.len && (l->src.data[pos] == '-' || l->src.data[pos] == '+');
    for (; pos < l->src.len; pos++) {
        const size_t end = match_end(l, pos, "#}");
        if (end > 0) {
            l->pos = end;
            return KW_OK;
        }
    }
    return fail(l, "a comment {# has no end");
}

/* Whether the tag at pos is {% word %}; *end is then behind it. Jinja keeps the line end after
 * {% raw %} and not that after {% endraw %}. */
static bool match_word_tag(const lexer *l, size_t pos, const char *word, size_t *end)
{
    if (!at(l, pos, "{%"))
        return false;
    pos += 2;
    if (pos < l->src.len && (l->src.data[pos] == '-' || l->src.data[pos] == '+'))
        pos++;
    pos = skip_space(l, pos);
    if (!at(l, pos, word))
        return false;
    pos = skip_space(l, pos + strlen(word));
    if (pos >= l->src.len)
        return false;
    if (at(l, pos, "%}") && word[0] == 'r') {
        *end = pos + 2;
        return true;
    }
    *end = match_end(l, pos, "%}");
    return *end > 0;
}

static kw_status lex_raw(lexer *l, size_t start)
{
    for (size_t pos = start; pos < l->src.len; pos++) {
        size_t end;
        if (!match_word_tag(l, pos, "endraw", &end))
            continue;
        const size_t stop = text_end(l, start, pos);
        l->pos = end;
        return stop == start
                   ? KW_OK
                   : add(l, KW_TOK_DATA, (kw_str){l->src.data + start, stop - start}, start);
    }
    return fail(l, "{% raw %} has no {% endraw %}");
}

/* ---- inside a tag ---- */

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char peek(const lexer *l, size_t pos)
{
    return pos < l->src.len ? l->src.data[pos] : '\0';
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* \x41, \u0041, \U00000041 at *pos (on the letter). */
static kw_status decode_hex(lexer *l, size_t *pos, char *out, size_t *n)
{
    const char letter = peek(l, *pos);
    const size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
    uint32_t c = 0;
    for (size_t i = 1; i <= digits; i++) {
        const int d = hex_digit(peek(l, *pos + i));
        if (d < 0 || c > 0x10FFFF)
            return fail(l, "a string has a malformed \\ escape");
        c = c * 16 + (uint32_t)d;
    }
    const size_t len = kw_utf8_encode(c, out + *n);
    if (len == 0)
        return fail(l, "a string has an escape that is no character");
    *n += len;
    *pos += digits + 1;
    return KW_OK;
}

/* The escape at *pos, behind its backslash. */
static kw_status decode_escape(lexer *l, size_t *pos, char *out, size_t *n)
{
    static const char from[] = "abfnrtv\\'\"", to[] = "\a\b\f\n\r\t\v\\'\"";
    const char c = peek(l, *pos);
    const char *known = c ? strchr(from, c) : NULL;
    if (known) {
        out[(*n)++] = to[known - from];
        (*pos)++;
    } else if (c == 'x' || c == 'u' || c == 'U') {
        return decode_hex(l, pos, out, n);
    } else if (c >= '0' && c <= '7') {
        uint32_t value = 0;
        for (int i = 0; i < 3 && peek(l, *pos) >= '0' && peek(l, *pos) <= '7'; i++)
            value = value * 8 + (uint32_t)(peek(l, (*pos)++) - '0');
        *n += kw_utf8_encode(value, out + *n);
    } else if (c == 'N') {
        return fail(l, "\\N escapes are not supported");
    } else if (c == '\n') {
        (*pos)++;
    } else {
        out[(*n)++] = '\\'; /* an unknown one stands for itself */
    }
    return KW_OK;
}

static kw_status lex_string(lexer *l)
{
    const char quote = l->src.data[l->pos];
    const size_t start = l->pos + 1;
    size_t end = start;
    bool escaped = false;
    while (end < l->src.len && l->src.data[end] != quote) {
        const bool slash = l->src.data[end] == '\\';
        escaped = escaped || slash;
        end += slash ? 2 : 1;
    }
    if (end >= l->src.len)
        return fail(l, "a string has no end");
    kw_str text = {l->src.data + start, end - start};
    if (escaped) {
        /* Three octal digits, the shortest escape, are two bytes: never longer than its text. */
        char *out = kw_arena_alloc(l->arena, text.len + 4);
        if (!out)
            return kw_fail(l->err, KW_E_NOMEM, "%s: out of memory", l->subject);
        size_t n = 0, pos = start;
        while (pos < end) {
            if (l->src.data[pos] != '\\') {
                out[n++] = l->src.data[pos++];
                continue;
            }
            pos++;
            KW_TRY(decode_escape(l, &pos, out, &n));
        }
        text = (kw_str){out, n};
    }
    const size_t begin = l->pos;
    l->pos = end + 1;
    return add(l, KW_TOK_STRING, text, begin);
}

static size_t digits_end(const lexer *l, size_t pos)
{
    while (is_digit(peek(l, pos)) || (peek(l, pos) == '_' && is_digit(peek(l, pos + 1))))
        pos++;
    return pos;
}

static kw_status lex_number(lexer *l)
{
    const size_t start = l->pos;
    size_t end = digits_end(l, start);
    bool real = false;
    if (end == start + 1 && peek(l, start) == '0' && peek(l, end) != '\0' &&
        strchr("xXoObB", peek(l, end)))
        return fail(l, "hexadecimal, octal and binary numbers are not supported");
    /* "x.0.1" is two items, so a number behind a point has no point of its own. */
    const bool member = l->n > 0 && l->tokens[l->n - 1].kind == KW_TOK_OP &&
                        kw_str_is(l->tokens[l->n - 1].text, ".");
    if (!member && peek(l, end) == '.' && is_digit(peek(l, end + 1))) {
        real = true;
        end = digits_end(l, end + 1);
    }
    size_t e = end + 1;
    if (!member && (peek(l, end) | 32) == 'e') {
        e += peek(l, e) == '+' || peek(l, e) == '-';
        if (is_digit(peek(l, e))) {
            real = true;
            end = digits_end(l, e);
        }
    }
    char *text = kw_arena_alloc(l->arena, end - start + 1);
    if (!text)
        return kw_fail(l->err, KW_E_NOMEM, "%s: out of memory", l->subject);
    size_t n = 0;
    for (size_t i = start; i < end; i++)
        if (l->src.data[i] != '_')
            text[n++] = l->src.data[i];
    l->pos = end;
    return add(l, real ? KW_TOK_FLOAT : KW_TOK_INT, (kw_str){text, n}, start);
}

static kw_status lex_operator(lexer *l)
{
    static const char *const two[] = {"//", "**", "==", "!=", ">=", "<="};
    const size_t start = l->pos;
    const char c = l->src.data[start];
    size_t len = 0;
    for (size_t i = 0; i < KW_COUNT(two); i++)
        if (at(l, start, two[i]))
            len = 2;
    if (len == 0 && c != '\0' && strchr("+-/*%~[](){}><=.:|,;", c))
        len = 1;
    if (len == 0)
        return fail(l, "a character that belongs to no expression");
    if (strchr("([{", c)) {
        if (l->depth == MAX_BRACKETS)
            return fail(l, "brackets are nested too deep");
        l->brackets[l->depth++] = c == '(' ? ')' : (char)(c + 2);
    } else if (strchr(")]}", c)) {
        const bool matches = l->depth > 0 && l->brackets[l->depth - 1] == c;
        l->depth -= matches;
        if (!matches)
            return fail(l, "a closing bracket that no opening one belongs to");
    }
    l->pos += len;
    return add(l, KW_TOK_OP, (kw_str){l->src.data + start, len}, start);
}

/* The rest of a tag, up to its end ("}}" or "%}"). */
static kw_status lex_tag(lexer *l, const char *end, kw_tpl_token_kind end_kind)
{
    for (;;) {
        l->pos = skip_space(l, l->pos);
        if (l->pos >= l->src.len)
            return fail(l, "a tag has no end");
        const size_t behind = l->depth == 0 ? match_end(l, l->pos, end) : 0;
        const size_t start = l->pos;
        const char c = l->src.data[start];
        if (behind > 0) {
            l->pos = behind;
            return add(l, end_kind, KW_STR(""), start);
        }
        if (c == '"' || c == '\'') {
            KW_TRY(lex_string(l));
        } else if (is_digit(c)) {
            KW_TRY(lex_number(l));
        } else if (is_name_start(c)) {
            while (is_name_start(peek(l, l->pos)) || is_digit(peek(l, l->pos)))
                l->pos++;
            KW_TRY(add(l, KW_TOK_NAME, (kw_str){l->src.data + start, l->pos - start}, start));
        } else {
            KW_TRY(lex_operator(l));
        }
    }
}

/* The text up to the next tag, and the tag. */
static kw_status lex_piece(lexer *l)
{
    const size_t start = l->pos;
    size_t tag = start;
    while (tag < l->src.len && !at(l, tag, "{%") && !at(l, tag, "{{") && !at(l, tag, "{#"))
        tag++;
    const size_t stop = tag < l->src.len ? text_end(l, start, tag) : tag;
    if (stop > start)
        KW_TRY(add(l, KW_TOK_DATA, (kw_str){l->src.data + start, stop - start}, start));
    l->pos = tag;
    if (tag == l->src.len)
        return KW_OK;
    size_t raw;
    if (match_word_tag(l, tag, "raw", &raw))
        return lex_raw(l, raw);
    if (l->src.data[tag + 1] == '#')
        return skip_comment(l);
    const bool variable = l->src.data[tag + 1] == '{';
    KW_TRY(add(l, variable ? KW_TOK_VAR_BEGIN : KW_TOK_BLOCK_BEGIN, KW_STR(""), tag));
    l->pos += 2;
    const char sign = peek(l, l->pos);
    if (sign == '-' || (sign == '+' && !variable))
        l->pos++;
    l->depth = 0;
    return variable ? lex_tag(l, "}}", KW_TOK_VAR_END) : lex_tag(l, "%}", KW_TOK_BLOCK_END);
}

/* A copy with \n for every line end, less the last one. */
static kw_status normalise(lexer *l, kw_str source)
{
    char *copy = kw_arena_alloc(l->arena, source.len + 1);
    size_t n = 0;
    if (!copy)
        return kw_fail(l->err, KW_E_NOMEM, "%s: out of memory", l->subject);
    for (size_t i = 0; i < source.len; i++) {
        const char c = source.data[i];
        if (c == '\r' && i + 1 < source.len && source.data[i + 1] == '\n')
            continue;
        copy[n++] = c == '\r' ? '\n' : c;
    }
    if (n > 0 && copy[n - 1] == '\n')
        n--;
    l->src = (kw_str){copy, n};
    return KW_OK;
}

kw_status kw_tpl_lex(kw_str source, const char *subject, kw_arena *arena, kw_tpl_token **out,
                     kw_error *err)
{
    lexer l = {.subject = subject, .arena = arena, .err = err, .line = 1};
    kw_status status = normalise(&l, source);
    while (status == KW_OK && l.pos < l.src.len)
        status = lex_piece(&l);
    if (status == KW_OK)
        status = add(&l, KW_TOK_END, KW_STR(""), l.src.len);
    *out = l.tokens;
    return status;
}
