/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pickle.c - the stack machine of pickles, protocols 0 to 5, without its dangers.
 *
 * The invariant: an instruction takes from the stack what lies above the last mark or fails, every
 * object is made once by one instruction, and no instruction does more work than its operands have
 * bytes or items. There is no recursion. Source: Python's pickletools.py, which describes each
 * instruction. */
#include "format/pickle.h"

#include "base/check.h"
#include "base/decimal.h"
#include "base/utf8.h"

#include <inttypes.h>

enum { MAX_PROTOCOL = 5, MAX_LINE = 4096 };

typedef struct machine {
    const unsigned char *data;
    size_t len, pos;
    size_t at; /* of the instruction that runs */
    const kw_pickle_global *globals;
    kw_arena *arena;
    const kw_pickle_object **stack; /* [n_stack] */
    size_t n_stack, stack_capacity;
    size_t *marks; /* heights of the stack */
    size_t n_marks, marks_capacity;
    const kw_pickle_object **memo; /* [memo_capacity], NULL: nothing there */
    size_t memo_capacity, n_memo;
    size_t n_objects;
    const kw_pickle_object **persistent;
    size_t n_persistent, persistent_capacity;
    kw_error *err;
} machine;

/* Values that need no object of their own. */
static const kw_pickle_object NONE = {.kind = KW_PICKLE_NONE};
static const kw_pickle_object TRUE_VALUE = {.kind = KW_PICKLE_BOOL, .b = true};
static const kw_pickle_object FALSE_VALUE = {.kind = KW_PICKLE_BOOL, .b = false};
static const kw_pickle_object EMPTY_TUPLE = {.kind = KW_PICKLE_TUPLE};

/* Instructions, by the letters of pickletools.py. */
enum opcode {
    OP_MARK = '(',
    OP_STOP = '.',
    OP_POP = '0',
    OP_POP_MARK = '1',
    OP_DUP = '2',
    OP_FLOAT = 'F',
    OP_INT = 'I',
    OP_BININT = 'J',
    OP_BININT1 = 'K',
    OP_LONG = 'L',
    OP_BININT2 = 'M',
    OP_NONE = 'N',
    OP_BINPERSID = 'Q',
    OP_REDUCE = 'R',
    OP_STRING = 'S',
    OP_BINSTRING = 'T',
    OP_SHORT_BINSTRING = 'U',
    OP_UNICODE = 'V',
    OP_BINUNICODE = 'X',
    OP_BINBYTES = 'B',
    OP_SHORT_BINBYTES = 'C',
    OP_BINFLOAT = 'G',
    OP_APPEND = 'a',
    OP_BUILD = 'b',
    OP_GLOBAL = 'c',
    OP_DICT = 'd',
    OP_EMPTY_DICT = '}',
    OP_APPENDS = 'e',
    OP_GET = 'g',
    OP_BINGET = 'h',
    OP_LONG_BINGET = 'j',
    OP_LIST = 'l',
    OP_EMPTY_LIST = ']',
    OP_PUT = 'p',
    OP_BINPUT = 'q',
    OP_LONG_BINPUT = 'r',
    OP_SETITEM = 's',
    OP_TUPLE = 't',
    OP_EMPTY_TUPLE = ')',
    OP_SETITEMS = 'u',
    OP_PROTO = 0x80,
    OP_NEWOBJ = 0x81,
    OP_TUPLE1 = 0x85,
    OP_TUPLE2 = 0x86,
    OP_TUPLE3 = 0x87,
    OP_NEWTRUE = 0x88,
    OP_NEWFALSE = 0x89,
    OP_LONG1 = 0x8a,
    OP_LONG4 = 0x8b,
    OP_SHORT_BINUNICODE = 0x8c,
    OP_BINUNICODE8 = 0x8d,
    OP_BINBYTES8 = 0x8e,
    OP_EMPTY_SET = 0x8f,
    OP_ADDITEMS = 0x90,
    OP_FROZENSET = 0x91,
    OP_STACK_GLOBAL = 0x93,
    OP_MEMOIZE = 0x94,
    OP_FRAME = 0x95,
    OP_BYTEARRAY8 = 0x96
};

/* The names of those that are refused: they make objects by ways that torch.save has no need of. */
static const struct refused {
    unsigned char opcode;
    const char *name;
} REFUSED[] = {
    {'P', "PERSID"},     {'i', "INST"},         {'o', "OBJ"},
    {0x82, "EXT1"},      {0x83, "EXT2"},        {0x84, "EXT4"},
    {0x92, "NEWOBJ_EX"}, {0x97, "NEXT_BUFFER"}, {0x98, "READONLY_BUFFER"},
};

/* ---- operands ---- */

static kw_status take(machine *m, uint64_t n, const unsigned char **out)
{
    if (n > m->len - m->pos)
        return kw_fail(m->err, KW_E_FORMAT,
                       "pickle: the instruction at %zu needs %" PRIu64 " bytes, past the end (%zu)",
                       m->at, n, m->len);
    *out = m->data + m->pos;
    m->pos += (size_t)n;
    return KW_OK;
}

static kw_status take_int(machine *m, size_t bytes, uint64_t *out)
{
    const unsigned char *src = NULL;
    uint64_t v = 0;
    KW_TRY(take(m, bytes, &src));
    for (size_t i = bytes; i-- > 0;)
        v = v << 8 | src[i];
    *out = v;
    return KW_OK;
}

/* The text up to the next line feed, which is skipped. */
static kw_status take_line(machine *m, kw_str *out)
{
    const size_t most = KW_MIN(m->len - m->pos, (size_t)MAX_LINE);
    const char *const start = (const char *)m->data + m->pos;
    const char *const end = most > 0 ? memchr(start, '\n', most) : NULL;
    if (!end)
        return kw_fail(m->err, KW_E_FORMAT,
                       "pickle: the line of the instruction at %zu does not end within %d bytes",
                       m->at, MAX_LINE);
    *out = (kw_str){start, (size_t)(end - start)};
    m->pos += out->len + 1;
    return KW_OK;
}

/* A length of `bytes` bytes and as much text, or bytes. */
static kw_status take_counted(machine *m, size_t bytes, kw_str *out)
{
    uint64_t n = 0;
    const unsigned char *src = NULL;
    KW_TRY(take_int(m, bytes, &n));
    KW_TRY(take(m, n, &src));
    *out = (kw_str){(const char *)src, (size_t)n};
    return KW_OK;
}

/* A decimal integer, as protocol 0 writes them. */
static bool parse_int(kw_str text, int64_t *out)
{
    const bool minus = text.len > 0 && text.data[0] == '-';
    int64_t v = 0;
    if (text.len == minus || text.len > 19)
        return false;
    for (size_t i = minus; i < text.len; i++) {
        const int digit = text.data[i] - '0';
        if (digit < 0 || digit > 9 || v > (INT64_MAX - digit) / 10)
            return false;
        v = 10 * v + digit;
    }
    *out = minus ? -v : v;
    return true;
}

/* ---- stack and memo ---- */

static kw_status nomem(machine *m)
{
    return kw_fail(m->err, KW_E_NOMEM, "pickle: no memory at byte %zu", m->at);
}

/* Room for one more item: the same array or a copy twice as large, NULL without memory. */
static void *grow(machine *m, const void *items, size_t n, size_t *capacity, size_t item_bytes)
{
    const size_t larger = *capacity == 0 ? 64 : 2 * *capacity;
    void *const moved = kw_arena_array(m->arena, larger, item_bytes);
    if (!moved)
        return NULL;
    if (n > 0)
        memcpy(moved, items, n * item_bytes);
    *capacity = larger;
    return moved;
}

static kw_status push(machine *m, const kw_pickle_object *object)
{
    if (m->n_stack >= KW_PICKLE_MAX_OBJECTS)
        return kw_fail(m->err, KW_E_LIMIT, "pickle: more than %zu items on the stack",
                       KW_PICKLE_MAX_OBJECTS);
    if (m->n_stack == m->stack_capacity) {
        m->stack = grow(m, m->stack, m->n_stack, &m->stack_capacity, sizeof(kw_pickle_object *));
        if (!m->stack)
            return nomem(m);
    }
    m->stack[m->n_stack++] = object;
    return KW_OK;
}

/* Items above the last mark. */
static size_t above_mark(const machine *m)
{
    return m->n_stack - (m->n_marks > 0 ? m->marks[m->n_marks - 1] : 0);
}

static kw_status need(machine *m, size_t n)
{
    if (above_mark(m) < n)
        return kw_fail(m->err, KW_E_FORMAT,
                       "pickle: the instruction 0x%02x at %zu finds %zu of %zu items on the stack",
                       m->data[m->at], m->at, above_mark(m), n);
    return KW_OK;
}

static kw_status pop(machine *m, const kw_pickle_object **out)
{
    KW_TRY(need(m, 1));
    *out = m->stack[--m->n_stack];
    return KW_OK;
}

static kw_status push_mark(machine *m)
{
    if (m->n_marks >= KW_PICKLE_MAX_OBJECTS)
        return kw_fail(m->err, KW_E_LIMIT, "pickle: more than %zu marks", KW_PICKLE_MAX_OBJECTS);
    if (m->n_marks == m->marks_capacity) {
        m->marks = grow(m, m->marks, m->n_marks, &m->marks_capacity, sizeof *m->marks);
        if (!m->marks)
            return nomem(m);
    }
    m->marks[m->n_marks++] = m->n_stack;
    return KW_OK;
}

/* Takes the last mark and what lies above it: *items stay readable until the next push. */
static kw_status pop_mark(machine *m, const kw_pickle_object ***items, size_t *n)
{
    if (m->n_marks == 0)
        return kw_fail(m->err, KW_E_FORMAT, "pickle: the instruction 0x%02x at %zu finds no mark",
                       m->data[m->at], m->at);
    *n = above_mark(m);
    m->n_stack -= *n;
    m->n_marks--;
    *items = m->stack + m->n_stack;
    return KW_OK;
}

/* The memo's slots are at most as many as the pickle has bytes. */
static kw_status memo_put(machine *m, uint64_t slot)
{
    KW_TRY(need(m, 1));
    if (slot >= m->len || slot >= KW_PICKLE_MAX_OBJECTS)
        return kw_fail(m->err, KW_E_LIMIT, "pickle: memo %" PRIu64 " in a pickle of %zu bytes",
                       slot, m->len);
    while (slot >= m->memo_capacity) {
        m->memo = grow(m, m->memo, m->memo_capacity, &m->memo_capacity, sizeof(kw_pickle_object *));
        if (!m->memo)
            return nomem(m);
    }
    if (!m->memo[slot])
        m->n_memo++;
    m->memo[slot] = m->stack[m->n_stack - 1];
    return KW_OK;
}

static kw_status memo_get(machine *m, uint64_t slot)
{
    if (slot >= m->memo_capacity || !m->memo[slot])
        return kw_fail(m->err, KW_E_FORMAT,
                       "pickle: nothing was put into memo %" PRIu64 " (at %zu)", slot, m->at);
    return push(m, m->memo[slot]);
}

/* ---- objects ---- */

static kw_status count(machine *m, size_t n)
{
    if (n > KW_PICKLE_MAX_OBJECTS - m->n_objects)
        return kw_fail(m->err, KW_E_LIMIT, "pickle: more than %zu objects", KW_PICKLE_MAX_OBJECTS);
    m->n_objects += n;
    return KW_OK;
}

static kw_status make(machine *m, const kw_pickle_object *value)
{
    KW_TRY(count(m, 1));
    kw_pickle_object *const object = kw_arena_alloc(m->arena, sizeof *object);
    if (!object)
        return nomem(m);
    *object = *value;
    return push(m, object);
}

static kw_status make_int(machine *m, int64_t v)
{
    return make(m, &(kw_pickle_object){.kind = KW_PICKLE_INT, .i = v});
}

static kw_status make_text(machine *m, kw_str text)
{
    if (!kw_utf8_valid(text.data, text.len))
        return kw_fail(m->err, KW_E_FORMAT, "pickle: the text at %zu is no UTF-8", m->at);
    return make(m, &(kw_pickle_object){.kind = KW_PICKLE_TEXT, .text = text});
}

/* A string of Python 2: text where it can be. */
static kw_status make_string(machine *m, kw_str text)
{
    const bool valid = kw_utf8_valid(text.data, text.len);
    return make(
        m, &(kw_pickle_object){.kind = valid ? KW_PICKLE_TEXT : KW_PICKLE_BYTES, .text = text});
}

static kw_status make_long(machine *m, kw_str bytes)
{
    if (bytes.len > 8)
        return make(m, &(kw_pickle_object){.kind = KW_PICKLE_LONG, .text = bytes});
    uint64_t v = 0;
    for (size_t i = bytes.len; i-- > 0;)
        v = v << 8 | (unsigned char)bytes.data[i];
    if (bytes.len > 0 && bytes.len < 8) {
        const uint64_t sign = UINT64_C(1) << (8 * bytes.len - 1);
        v = (v ^ sign) - sign;
    }
    return make_int(m, (int64_t)v);
}

static kw_status make_list(machine *m, kw_pickle_kind kind, const kw_pickle_object *const *items,
                           size_t n)
{
    kw_pickle_object list = {.kind = kind};
    if (n > 0) {
        list.list.items = kw_arena_array(m->arena, n, sizeof(kw_pickle_object *));
        if (!list.list.items)
            return nomem(m);
        for (size_t i = 0; i < n; i++)
            list.list.items[i] = items[i];
        list.list.n = list.list.capacity = n;
    }
    return make(m, &list);
}

/* The top of the stack, which this machine made and may still change. */
static kw_pickle_object *top(const machine *m)
{
    const union {
        const kw_pickle_object *made;
        kw_pickle_object *own;
    } u = {.made = m->stack[m->n_stack - 1]};
    return u.own;
}

static kw_status append(machine *m, kw_pickle_kind kind, const kw_pickle_object *const *items,
                        size_t n)
{
    KW_TRY(need(m, 1));
    if (m->stack[m->n_stack - 1]->kind != kind)
        return kw_fail(m->err, KW_E_FORMAT, "pickle: the instruction 0x%02x at %zu finds no %s",
                       m->data[m->at], m->at, kind == KW_PICKLE_DICT ? "dict" : "list");
    kw_pickle_object *const list = top(m);
    for (size_t i = 0; i < n; i++) {
        if (list->list.n == list->list.capacity) {
            list->list.items = grow(m, list->list.items, list->list.n, &list->list.capacity,
                                    sizeof(kw_pickle_object *));
            if (!list->list.items)
                return nomem(m);
        }
        list->list.items[list->list.n++] = items[i];
    }
    return KW_OK;
}

static kw_status append_marked(machine *m, kw_pickle_kind kind)
{
    const kw_pickle_object **items = NULL;
    size_t n = 0;
    KW_TRY(pop_mark(m, &items, &n));
    if (kind == KW_PICKLE_DICT && n % 2 != 0)
        return kw_fail(m->err, KW_E_FORMAT, "pickle: a key without a value at %zu", m->at);
    return append(m, kind, items, n);
}

static kw_status make_marked(machine *m, kw_pickle_kind kind)
{
    const kw_pickle_object **items = NULL;
    size_t n = 0;
    KW_TRY(pop_mark(m, &items, &n));
    if (kind == KW_PICKLE_DICT && n % 2 != 0)
        return kw_fail(m->err, KW_E_FORMAT, "pickle: a key without a value at %zu", m->at);
    return make_list(m, kind, items, n);
}

static kw_status make_tuple(machine *m, size_t n)
{
    KW_TRY(need(m, n));
    m->n_stack -= n;
    return make_list(m, KW_PICKLE_TUPLE, m->stack + m->n_stack, n);
}

/* ---- globals and calls ---- */

static kw_status find_global(machine *m, kw_str module, kw_str name)
{
    for (const kw_pickle_global *g = m->globals; g->module; g++) {
        if (kw_str_is(module, g->module) && kw_str_is(name, g->name))
            return make(m, &(kw_pickle_object){.kind = KW_PICKLE_GLOBAL, .global = g});
    }
    char text[96];
    size_t n = 0;
    const kw_str parts[] = {module, KW_STR("."), name};
    for (size_t p = 0; p < KW_COUNT(parts); p++) {
        for (size_t i = 0; i < parts[p].len && n < sizeof text - 1; i++) {
            const char c = parts[p].data[i];
            text[n++] = c > 0x20 && c < 0x7f ? c : '?';
        }
    }
    text[n] = '\0';
    return kw_fail(m->err, KW_E_UNSUPPORTED,
                   "pickle: it asks for %s, which is not on the list of what a checkpoint needs "
                   "(nothing was executed)",
                   text);
}

static kw_status line_global(machine *m)
{
    kw_str module = {0}, name = {0};
    KW_TRY(take_line(m, &module));
    KW_TRY(take_line(m, &name));
    return find_global(m, module, name);
}

static kw_status stack_global(machine *m)
{
    const kw_pickle_object *name = NULL, *module = NULL;
    KW_TRY(pop(m, &name));
    KW_TRY(pop(m, &module));
    if (name->kind != KW_PICKLE_TEXT || module->kind != KW_PICKLE_TEXT)
        return kw_fail(m->err, KW_E_FORMAT, "pickle: the global at %zu has no names", m->at);
    return find_global(m, module->text, name->text);
}

/* A dict or list made by calling its type: from nothing, or from an iterable that is a list of
 * items, or of pairs. The iterable may be used again and again, so its items count as objects. */
static kw_status make_container(machine *m, kw_pickle_kind kind, const kw_pickle_object *args)
{
    const kw_pickle_object *const from = args->list.n > 0 ? args->list.items[0] : &EMPTY_TUPLE;
    if (args->list.n > 1 || (from->kind != KW_PICKLE_LIST && from->kind != KW_PICKLE_TUPLE))
        return kw_fail(m->err, KW_E_UNSUPPORTED,
                       "pickle: the container made at %zu has arguments that are no list", m->at);
    KW_TRY(count(m, from->list.n));
    if (kind == KW_PICKLE_LIST)
        return make_list(m, kind, from->list.items, from->list.n);
    KW_TRY(make_list(m, kind, NULL, 0));
    for (size_t i = 0; i < from->list.n; i++) {
        const kw_pickle_object *const pair = from->list.items[i];
        if ((pair->kind != KW_PICKLE_LIST && pair->kind != KW_PICKLE_TUPLE) || pair->list.n != 2)
            return kw_fail(m->err, KW_E_FORMAT, "pickle: the dict made at %zu has no pairs", m->at);
        KW_TRY(append(m, kind, pair->list.items, 2));
    }
    return KW_OK;
}

static kw_status call(machine *m)
{
    const kw_pickle_object *args = NULL, *callable = NULL;
    KW_TRY(pop(m, &args));
    KW_TRY(pop(m, &callable));
    if (callable->kind != KW_PICKLE_GLOBAL || args->kind != KW_PICKLE_TUPLE)
        return kw_fail(m->err, KW_E_FORMAT,
                       "pickle: a call at %zu of what is no global, or without arguments", m->at);
    const kw_pickle_kind makes = callable->global->makes;
    if (makes == KW_PICKLE_DICT || makes == KW_PICKLE_LIST)
        return make_container(m, makes, args);
    return make(m, &(kw_pickle_object){.kind = KW_PICKLE_CALL,
                                       .call = {.global = callable->global, .args = args}});
}

/* State is kept of what was called; a dict's is Python's own (OrderedDict._metadata). */
static kw_status build(machine *m)
{
    const kw_pickle_object *state = NULL;
    KW_TRY(pop(m, &state));
    KW_TRY(need(m, 1));
    const kw_pickle_kind kind = m->stack[m->n_stack - 1]->kind;
    if (kind == KW_PICKLE_CALL)
        top(m)->call.state = state;
    else if (kind != KW_PICKLE_DICT)
        return kw_fail(m->err, KW_E_UNSUPPORTED, "pickle: BUILD at %zu of what was not called",
                       m->at);
    return KW_OK;
}

static kw_status persistent(machine *m)
{
    const kw_pickle_object *id = NULL;
    KW_TRY(pop(m, &id));
    KW_TRY(make(m, &(kw_pickle_object){.kind = KW_PICKLE_PERSISTENT, .persistent = id}));
    if (m->n_persistent == m->persistent_capacity) {
        m->persistent = grow(m, m->persistent, m->n_persistent, &m->persistent_capacity,
                             sizeof(kw_pickle_object *));
        if (!m->persistent)
            return nomem(m);
    }
    m->persistent[m->n_persistent++] = m->stack[m->n_stack - 1];
    return KW_OK;
}

/* ---- numbers and texts of protocol 0 ---- */

/* "42", and "00" and "01" for booleans; a long number ends in L. */
static kw_status text_int(machine *m, bool is_long)
{
    kw_str line = {0};
    int64_t v = 0;
    KW_TRY(take_line(m, &line));
    if (!is_long && (kw_str_is(line, "00") || kw_str_is(line, "01")))
        return push(m, line.data[1] == '1' ? &TRUE_VALUE : &FALSE_VALUE);
    if (is_long && line.len > 0 && line.data[line.len - 1] == 'L')
        line.len--;
    if (!parse_int(line, &v))
        return kw_fail(m->err, KW_E_FORMAT, "pickle: the line at %zu is no number of 63 bits",
                       m->at);
    return make_int(m, v);
}

static kw_status text_float(machine *m)
{
    kw_str line = {0};
    double v = 0;
    KW_TRY(take_line(m, &line));
    if (!kw_decimal_f64(line, &v))
        return kw_fail(m->err, KW_E_FORMAT, "pickle: the line at %zu is no number", m->at);
    return make(m, &(kw_pickle_object){.kind = KW_PICKLE_FLOAT, .f = v});
}

/* quoted: 'text' as Python's repr writes it. Escapes are for what no name of a weight holds. */
static kw_status text_string(machine *m, bool quoted)
{
    kw_str line = {0};
    KW_TRY(take_line(m, &line));
    if (memchr(line.data, '\\', line.len))
        return kw_fail(m->err, KW_E_UNSUPPORTED, "pickle: the text at %zu has escapes", m->at);
    if (!quoted)
        return make_text(m, line);
    if (line.len < 2 || (line.data[0] != '\'' && line.data[0] != '"') ||
        line.data[line.len - 1] != line.data[0])
        return kw_fail(m->err, KW_E_FORMAT, "pickle: the text at %zu has no quotes", m->at);
    return make_string(m, (kw_str){line.data + 1, line.len - 2});
}

static kw_status text_slot(machine *m, uint64_t *out)
{
    kw_str line = {0};
    int64_t v = 0;
    KW_TRY(take_line(m, &line));
    if (!parse_int(line, &v) || v < 0)
        return kw_fail(m->err, KW_E_FORMAT, "pickle: the line at %zu is no memo", m->at);
    *out = (uint64_t)v;
    return KW_OK;
}

static kw_status big_float(machine *m)
{
    const unsigned char *src = NULL;
    uint64_t bits = 0;
    double v;
    KW_TRY(take(m, 8, &src));
    for (size_t i = 0; i < 8; i++)
        bits = bits << 8 | src[i];
    memcpy(&v, &bits, sizeof v);
    return make(m, &(kw_pickle_object){.kind = KW_PICKLE_FLOAT, .f = v});
}

/* ---- instructions, by what they do ---- */

/* Each returns true when the opcode is one of its own, and *status is its result. */
static bool run_scalar(machine *m, unsigned op, kw_status *status)
{
    uint64_t v = 0;
    kw_str bytes = {0};
    const size_t width = op == OP_BININT1 ? 1 : op == OP_BININT2 ? 2 : 4;
    switch (op) {
    case OP_NONE:
        *status = push(m, &NONE);
        return true;
    case OP_NEWTRUE:
    case OP_NEWFALSE:
        *status = push(m, op == OP_NEWTRUE ? &TRUE_VALUE : &FALSE_VALUE);
        return true;
    case OP_BININT:
    case OP_BININT1:
    case OP_BININT2:
        *status = take_int(m, width, &v);
        if (*status == KW_OK)
            *status = make_int(m, op == OP_BININT ? (int64_t)(int32_t)(uint32_t)v : (int64_t)v);
        return true;
    case OP_LONG1:
    case OP_LONG4:
        *status = take_counted(m, op == OP_LONG1 ? 1 : 4, &bytes);
        if (*status == KW_OK)
            *status = make_long(m, bytes);
        return true;
    case OP_INT:
    case OP_LONG:
        *status = text_int(m, op == OP_LONG);
        return true;
    case OP_FLOAT:
        *status = text_float(m);
        return true;
    case OP_BINFLOAT:
        *status = big_float(m);
        return true;
    default:
        return false;
    }
}

static bool run_text(machine *m, unsigned op, kw_status *status)
{
    static const struct text_op {
        unsigned char opcode, length_bytes;
        kw_pickle_kind kind; /* NONE: a string of Python 2 */
    } ops[] = {
        {OP_BINUNICODE, 4, KW_PICKLE_TEXT},      {OP_SHORT_BINUNICODE, 1, KW_PICKLE_TEXT},
        {OP_BINUNICODE8, 8, KW_PICKLE_TEXT},     {OP_BINSTRING, 4, KW_PICKLE_NONE},
        {OP_SHORT_BINSTRING, 1, KW_PICKLE_NONE}, {OP_BINBYTES, 4, KW_PICKLE_BYTES},
        {OP_SHORT_BINBYTES, 1, KW_PICKLE_BYTES}, {OP_BINBYTES8, 8, KW_PICKLE_BYTES},
        {OP_BYTEARRAY8, 8, KW_PICKLE_BYTES},
    };
    if (op == OP_STRING || op == OP_UNICODE) {
        *status = text_string(m, op == OP_STRING);
        return true;
    }
    for (size_t i = 0; i < KW_COUNT(ops); i++) {
        kw_str bytes = {0};
        if (ops[i].opcode != op)
            continue;
        *status = take_counted(m, ops[i].length_bytes, &bytes);
        if (*status != KW_OK)
            return true;
        if (ops[i].kind == KW_PICKLE_TEXT)
            *status = make_text(m, bytes);
        else if (ops[i].kind == KW_PICKLE_NONE)
            *status = make_string(m, bytes);
        else
            *status = make(m, &(kw_pickle_object){.kind = KW_PICKLE_BYTES, .text = bytes});
        return true;
    }
    return false;
}

static kw_status pop_and_append(machine *m, kw_pickle_kind kind, size_t n)
{
    KW_TRY(need(m, n + 1));
    m->n_stack -= n;
    return append(m, kind, m->stack + m->n_stack, n);
}

static bool run_container(machine *m, unsigned op, kw_status *status)
{
    switch (op) {
    case OP_EMPTY_TUPLE:
        *status = push(m, &EMPTY_TUPLE);
        return true;
    case OP_TUPLE1:
    case OP_TUPLE2:
    case OP_TUPLE3:
        *status = make_tuple(m, op - OP_TUPLE1 + 1);
        return true;
    case OP_TUPLE:
        *status = make_marked(m, KW_PICKLE_TUPLE);
        return true;
    case OP_EMPTY_LIST:
    case OP_EMPTY_SET:
        *status = make_list(m, KW_PICKLE_LIST, NULL, 0);
        return true;
    case OP_EMPTY_DICT:
        *status = make_list(m, KW_PICKLE_DICT, NULL, 0);
        return true;
    case OP_LIST:
    case OP_FROZENSET:
        *status = make_marked(m, KW_PICKLE_LIST);
        return true;
    case OP_DICT:
        *status = make_marked(m, KW_PICKLE_DICT);
        return true;
    case OP_APPEND:
        *status = pop_and_append(m, KW_PICKLE_LIST, 1);
        return true;
    case OP_SETITEM:
        *status = pop_and_append(m, KW_PICKLE_DICT, 2);
        return true;
    case OP_APPENDS:
    case OP_ADDITEMS:
        *status = append_marked(m, KW_PICKLE_LIST);
        return true;
    case OP_SETITEMS:
        *status = append_marked(m, KW_PICKLE_DICT);
        return true;
    default:
        return false;
    }
}

static bool run_object(machine *m, unsigned op, kw_status *status)
{
    switch (op) {
    case OP_GLOBAL:
        *status = line_global(m);
        return true;
    case OP_STACK_GLOBAL:
        *status = stack_global(m);
        return true;
    case OP_REDUCE:
    case OP_NEWOBJ:
        *status = call(m);
        return true;
    case OP_BUILD:
        *status = build(m);
        return true;
    case OP_BINPERSID:
        *status = persistent(m);
        return true;
    default:
        return false;
    }
}

static kw_status run_memo(machine *m, unsigned op)
{
    uint64_t slot = 0;
    if (op == OP_MEMOIZE)
        return memo_put(m, m->n_memo);
    if (op == OP_PUT || op == OP_GET)
        KW_TRY(text_slot(m, &slot));
    else
        KW_TRY(take_int(m, op == OP_BINPUT || op == OP_BINGET ? 1 : 4, &slot));
    const bool put = op == OP_PUT || op == OP_BINPUT || op == OP_LONG_BINPUT;
    return put ? memo_put(m, slot) : memo_get(m, slot);
}

static kw_status run_protocol(machine *m, unsigned op)
{
    uint64_t v = 0;
    KW_TRY(take_int(m, op == OP_PROTO ? 1 : 8, &v));
    if (op == OP_PROTO && v > MAX_PROTOCOL)
        return kw_fail(m->err, KW_E_UNSUPPORTED, "pickle: protocol %" PRIu64 " (at most %d)", v,
                       MAX_PROTOCOL);
    if (op == OP_FRAME && v > m->len - m->pos)
        return kw_fail(m->err, KW_E_FORMAT,
                       "pickle: a frame of %" PRIu64 " bytes at %zu, past the end (%zu)", v, m->at,
                       m->len);
    return KW_OK;
}

static bool run_stack(machine *m, unsigned op, kw_status *status)
{
    const kw_pickle_object *popped = NULL, **items = NULL;
    size_t n = 0;
    switch (op) {
    case OP_MARK:
        *status = push_mark(m);
        return true;
    case OP_POP:
        *status = pop(m, &popped);
        return true;
    case OP_POP_MARK:
        *status = pop_mark(m, &items, &n);
        return true;
    case OP_DUP:
        *status = need(m, 1);
        if (*status == KW_OK)
            *status = push(m, m->stack[m->n_stack - 1]);
        return true;
    case OP_MEMOIZE:
    case OP_PUT:
    case OP_GET:
    case OP_BINPUT:
    case OP_BINGET:
    case OP_LONG_BINPUT:
    case OP_LONG_BINGET:
        *status = run_memo(m, op);
        return true;
    case OP_PROTO:
    case OP_FRAME:
        *status = run_protocol(m, op);
        return true;
    default:
        return false;
    }
}

static kw_status refuse(machine *m, unsigned op)
{
    for (size_t i = 0; i < KW_COUNT(REFUSED); i++) {
        if (REFUSED[i].opcode == op)
            return kw_fail(m->err, KW_E_UNSUPPORTED,
                           "pickle: the instruction %s at %zu, which no checkpoint needs",
                           REFUSED[i].name, m->at);
    }
    return kw_fail(m->err, KW_E_FORMAT, "pickle: 0x%02x at %zu is no instruction", op, m->at);
}

static kw_status step(machine *m)
{
    kw_status status = KW_OK;
    const unsigned op = m->data[m->pos];
    m->at = m->pos++;
    if (run_scalar(m, op, &status) || run_text(m, op, &status) || run_container(m, op, &status) ||
        run_object(m, op, &status) || run_stack(m, op, &status))
        return status;
    return refuse(m, op);
}

kw_status kw_pickle_read(kw_str bytes, const kw_pickle_global *globals, kw_arena *arena,
                         kw_pickle *out, kw_error *err)
{
    machine m = {.data = (const unsigned char *)bytes.data,
                 .len = KW_MIN(bytes.len, KW_PICKLE_MAX_BYTES),
                 .globals = globals,
                 .arena = arena,
                 .err = err};
    m.stack = grow(&m, NULL, 0, &m.stack_capacity, sizeof(kw_pickle_object *));
    if (!m.stack)
        return nomem(&m);
    for (;;) {
        if (m.pos == m.len)
            return kw_fail(err, m.len < bytes.len ? KW_E_LIMIT : KW_E_FORMAT,
                           "pickle: no STOP within %zu bytes", m.len);
        if (m.data[m.pos] == OP_STOP)
            break;
        KW_TRY(step(&m));
    }
    m.at = m.pos++;
    if (m.n_marks != 0 || m.n_stack != 1)
        return kw_fail(err, KW_E_FORMAT,
                       "pickle: it stops with %zu items and %zu marks on its stack", m.n_stack,
                       m.n_marks);
    *out = (kw_pickle){.root = m.stack[0],
                       .bytes = m.pos,
                       .persistent = m.persistent,
                       .n_persistent = m.n_persistent};
    return KW_OK;
}

const kw_pickle_object *kw_pickle_get(const kw_pickle_object *dict, const char *key)
{
    for (size_t i = dict->kind == KW_PICKLE_DICT ? dict->list.n : 0; i >= 2; i -= 2) {
        const kw_pickle_object *const k = dict->list.items[i - 2];
        if (k->kind == KW_PICKLE_TEXT && kw_str_is(k->text, key))
            return dict->list.items[i - 1];
    }
    return NULL;
}
