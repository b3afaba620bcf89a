/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pickle.c - the instructions of pickles, protocols 0 to 5, without their dangers.
 *
 * The invariant: an instruction takes from the stack what lies above the last mark or fails, every
 * object is made once by one instruction, and no instruction does more work than its operands have
 * bytes or items. There is no recursion. Source: Python's pickletools.py, which describes each
 * instruction. */
#include "format/pickle.h"

#include "base/check.h"
#include "base/decimal.h"
#include "format/pickle_machine.h"

#include <inttypes.h>

enum { MAX_PROTOCOL = 5 };

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

/* ---- numbers and texts of protocol 0 ---- */

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

/* "42", and "00" and "01" for booleans; a long number ends in L. */
static kw_status text_int(kw_pickle_machine *m, bool is_long)
{
    kw_str line = {0};
    int64_t v = 0;
    KW_TRY(kw_pickle_take_line(m, &line));
    if (!is_long && (kw_str_is(line, "00") || kw_str_is(line, "01")))
        return kw_pickle_push(m, line.data[1] == '1' ? &TRUE_VALUE : &FALSE_VALUE);
    if (is_long && line.len > 0 && line.data[line.len - 1] == 'L')
        line.len--;
    if (!parse_int(line, &v))
        return kw_fail(m->err, KW_E_FORMAT, "pickle: the line at %zu is no number of 63 bits",
                       m->at);
    return kw_pickle_make_int(m, v);
}

static kw_status text_float(kw_pickle_machine *m)
{
    kw_str line = {0};
    double v = 0;
    KW_TRY(kw_pickle_take_line(m, &line));
    if (!kw_decimal_f64(line, &v))
        return kw_fail(m->err, KW_E_FORMAT, "pickle: the line at %zu is no number", m->at);
    return kw_pickle_make(m, &(kw_pickle_object){.kind = KW_PICKLE_FLOAT, .f = v});
}

/* quoted: 'text' as Python's repr writes it. Escapes are for what no name of a weight holds. */
static kw_status text_string(kw_pickle_machine *m, bool quoted)
{
    kw_str line = {0};
    KW_TRY(kw_pickle_take_line(m, &line));
    if (memchr(line.data, '\\', line.len))
        return kw_fail(m->err, KW_E_UNSUPPORTED, "pickle: the text at %zu has escapes", m->at);
    if (!quoted)
        return kw_pickle_make_text(m, line);
    if (line.len < 2 || (line.data[0] != '\'' && line.data[0] != '"') ||
        line.data[line.len - 1] != line.data[0])
        return kw_fail(m->err, KW_E_FORMAT, "pickle: the text at %zu has no quotes", m->at);
    return kw_pickle_make_string(m, (kw_str){line.data + 1, line.len - 2});
}

static kw_status text_slot(kw_pickle_machine *m, uint64_t *out)
{
    kw_str line = {0};
    int64_t v = 0;
    KW_TRY(kw_pickle_take_line(m, &line));
    if (!parse_int(line, &v) || v < 0)
        return kw_fail(m->err, KW_E_FORMAT, "pickle: the line at %zu is no memo", m->at);
    *out = (uint64_t)v;
    return KW_OK;
}

static kw_status big_float(kw_pickle_machine *m)
{
    const unsigned char *src = NULL;
    uint64_t bits = 0;
    double v;
    KW_TRY(kw_pickle_take(m, 8, &src));
    for (size_t i = 0; i < 8; i++)
        bits = bits << 8 | src[i];
    memcpy(&v, &bits, sizeof v);
    return kw_pickle_make(m, &(kw_pickle_object){.kind = KW_PICKLE_FLOAT, .f = v});
}

/* ---- instructions, by what they do ---- */

/* Each returns true when the opcode is one of its own, and *status is its result. */
static bool run_scalar(kw_pickle_machine *m, unsigned op, kw_status *status)
{
    uint64_t v = 0;
    kw_str bytes = {0};
    const size_t width = op == OP_BININT1 ? 1 : op == OP_BININT2 ? 2 : 4;
    switch (op) {
    case OP_NONE:
        *status = kw_pickle_push(m, &NONE);
        return true;
    case OP_NEWTRUE:
    case OP_NEWFALSE:
        *status = kw_pickle_push(m, op == OP_NEWTRUE ? &TRUE_VALUE : &FALSE_VALUE);
        return true;
    case OP_BININT:
    case OP_BININT1:
    case OP_BININT2:
        *status = kw_pickle_take_int(m, width, &v);
        if (*status == KW_OK)
            *status =
                kw_pickle_make_int(m, op == OP_BININT ? (int64_t)(int32_t)(uint32_t)v : (int64_t)v);
        return true;
    case OP_LONG1:
    case OP_LONG4:
        *status = kw_pickle_take_counted(m, op == OP_LONG1 ? 1 : 4, &bytes);
        if (*status == KW_OK)
            *status = kw_pickle_make_long(m, bytes);
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

static bool run_text(kw_pickle_machine *m, unsigned op, kw_status *status)
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
        *status = kw_pickle_take_counted(m, ops[i].length_bytes, &bytes);
        if (*status != KW_OK)
            return true;
        if (ops[i].kind == KW_PICKLE_TEXT)
            *status = kw_pickle_make_text(m, bytes);
        else if (ops[i].kind == KW_PICKLE_NONE)
            *status = kw_pickle_make_string(m, bytes);
        else
            *status =
                kw_pickle_make(m, &(kw_pickle_object){.kind = KW_PICKLE_BYTES, .text = bytes});
        return true;
    }
    return false;
}

static kw_status pop_and_append(kw_pickle_machine *m, kw_pickle_kind kind, size_t n)
{
    KW_TRY(kw_pickle_need(m, n + 1));
    m->n_stack -= n;
    return kw_pickle_append(m, kind, m->stack + m->n_stack, n);
}

static bool run_container(kw_pickle_machine *m, unsigned op, kw_status *status)
{
    switch (op) {
    case OP_EMPTY_TUPLE:
        *status = kw_pickle_push(m, &EMPTY_TUPLE);
        return true;
    case OP_TUPLE1:
    case OP_TUPLE2:
    case OP_TUPLE3:
        *status = kw_pickle_make_tuple(m, op - OP_TUPLE1 + 1);
        return true;
    case OP_TUPLE:
        *status = kw_pickle_make_marked(m, KW_PICKLE_TUPLE);
        return true;
    case OP_EMPTY_LIST:
    case OP_EMPTY_SET:
        *status = kw_pickle_make_list(m, KW_PICKLE_LIST, NULL, 0);
        return true;
    case OP_EMPTY_DICT:
        *status = kw_pickle_make_list(m, KW_PICKLE_DICT, NULL, 0);
        return true;
    case OP_LIST:
    case OP_FROZENSET:
        *status = kw_pickle_make_marked(m, KW_PICKLE_LIST);
        return true;
    case OP_DICT:
        *status = kw_pickle_make_marked(m, KW_PICKLE_DICT);
        return true;
    case OP_APPEND:
        *status = pop_and_append(m, KW_PICKLE_LIST, 1);
        return true;
    case OP_SETITEM:
        *status = pop_and_append(m, KW_PICKLE_DICT, 2);
        return true;
    case OP_APPENDS:
    case OP_ADDITEMS:
        *status = kw_pickle_append_marked(m, KW_PICKLE_LIST);
        return true;
    case OP_SETITEMS:
        *status = kw_pickle_append_marked(m, KW_PICKLE_DICT);
        return true;
    default:
        return false;
    }
}

static bool run_object(kw_pickle_machine *m, unsigned op, kw_status *status)
{
    switch (op) {
    case OP_GLOBAL:
        *status = kw_pickle_line_global(m);
        return true;
    case OP_STACK_GLOBAL:
        *status = kw_pickle_stack_global(m);
        return true;
    case OP_REDUCE:
    case OP_NEWOBJ:
        *status = kw_pickle_call(m);
        return true;
    case OP_BUILD:
        *status = kw_pickle_build(m);
        return true;
    case OP_BINPERSID:
        *status = kw_pickle_persistent(m);
        return true;
    default:
        return false;
    }
}

static kw_status run_memo(kw_pickle_machine *m, unsigned op)
{
    uint64_t slot = 0;
    if (op == OP_MEMOIZE)
        return kw_pickle_memo_put(m, m->n_memo);
    if (op == OP_PUT || op == OP_GET)
        KW_TRY(text_slot(m, &slot));
    else
        KW_TRY(kw_pickle_take_int(m, op == OP_BINPUT || op == OP_BINGET ? 1 : 4, &slot));
    const bool put = op == OP_PUT || op == OP_BINPUT || op == OP_LONG_BINPUT;
    return put ? kw_pickle_memo_put(m, slot) : kw_pickle_memo_get(m, slot);
}

static kw_status run_protocol(kw_pickle_machine *m, unsigned op)
{
    uint64_t v = 0;
    KW_TRY(kw_pickle_take_int(m, op == OP_PROTO ? 1 : 8, &v));
    if (op == OP_PROTO && v > MAX_PROTOCOL)
        return kw_fail(m->err, KW_E_UNSUPPORTED, "pickle: protocol %" PRIu64 " (at most %d)", v,
                       MAX_PROTOCOL);
    if (op == OP_FRAME && v > m->len - m->pos)
        return kw_fail(m->err, KW_E_FORMAT,
                       "pickle: a frame of %" PRIu64 " bytes at %zu, past the end (%zu)", v, m->at,
                       m->len);
    return KW_OK;
}

static bool run_stack(kw_pickle_machine *m, unsigned op, kw_status *status)
{
    const kw_pickle_object *popped = NULL, **items = NULL;
    size_t n = 0;
    switch (op) {
    case OP_MARK:
        *status = kw_pickle_push_mark(m);
        return true;
    case OP_POP:
        *status = kw_pickle_pop(m, &popped);
        return true;
    case OP_POP_MARK:
        *status = kw_pickle_pop_mark(m, &items, &n);
        return true;
    case OP_DUP:
        *status = kw_pickle_need(m, 1);
        if (*status == KW_OK)
            *status = kw_pickle_push(m, m->stack[m->n_stack - 1]);
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

static kw_status refuse(kw_pickle_machine *m, unsigned op)
{
    for (size_t i = 0; i < KW_COUNT(REFUSED); i++) {
        if (REFUSED[i].opcode == op)
            return kw_fail(m->err, KW_E_UNSUPPORTED,
                           "pickle: the instruction %s at %zu, which no checkpoint needs",
                           REFUSED[i].name, m->at);
    }
    return kw_fail(m->err, KW_E_FORMAT, "pickle: 0x%02x at %zu is no instruction", op, m->at);
}

static kw_status step(kw_pickle_machine *m)
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
    kw_pickle_machine m = {.data = (const unsigned char *)bytes.data,
                           .len = KW_MIN(bytes.len, KW_PICKLE_MAX_BYTES),
                           .globals = globals,
                           .arena = arena,
                           .err = err};
    m.stack = kw_pickle_grow(&m, NULL, 0, &m.stack_capacity, sizeof(kw_pickle_object *));
    if (!m.stack)
        return kw_pickle_nomem(&m);
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
