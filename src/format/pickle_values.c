/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pickle_values.c - what the instructions of a pickle make: objects, lists, globals and calls.
 *
 * Every object is made once and counted; an instruction does no more work than its operands have
 * bytes or items. */
#include "format/pickle_machine.h"

#include "base/check.h"
#include "base/utf8.h"

static kw_status count(kw_pickle_machine *m, size_t n)
{
    if (n > KW_PICKLE_MAX_OBJECTS - m->n_objects)
        return kw_fail(m->err, KW_E_LIMIT, "pickle: more than %zu objects", KW_PICKLE_MAX_OBJECTS);
    m->n_objects += n;
    return KW_OK;
}

kw_status kw_pickle_make(kw_pickle_machine *m, const kw_pickle_object *value)
{
    KW_TRY(count(m, 1));
    kw_pickle_object *const object = kw_arena_alloc(m->arena, sizeof *object);
    if (!object)
        return kw_pickle_nomem(m);
    *object = *value;
    return kw_pickle_push(m, object);
}

kw_status kw_pickle_make_int(kw_pickle_machine *m, int64_t v)
{
    return kw_pickle_make(m, &(kw_pickle_object){.kind = KW_PICKLE_INT, .i = v});
}

kw_status kw_pickle_make_text(kw_pickle_machine *m, kw_str text)
{
    if (!kw_utf8_valid(text.data, text.len))
        return kw_fail(m->err, KW_E_FORMAT, "pickle: the text at %zu is no UTF-8", m->at);
    return kw_pickle_make(m, &(kw_pickle_object){.kind = KW_PICKLE_TEXT, .text = text});
}

kw_status kw_pickle_make_string(kw_pickle_machine *m, kw_str text)
{
    const bool valid = kw_utf8_valid(text.data, text.len);
    return kw_pickle_make(
        m, &(kw_pickle_object){.kind = valid ? KW_PICKLE_TEXT : KW_PICKLE_BYTES, .text = text});
}

kw_status kw_pickle_make_long(kw_pickle_machine *m, kw_str bytes)
{
    if (bytes.len > 8)
        return kw_pickle_make(m, &(kw_pickle_object){.kind = KW_PICKLE_LONG, .text = bytes});
    uint64_t v = 0;
    for (size_t i = bytes.len; i-- > 0;)
        v = v << 8 | (unsigned char)bytes.data[i];
    if (bytes.len > 0 && bytes.len < 8) {
        const uint64_t sign = UINT64_C(1) << (8 * bytes.len - 1);
        v = (v ^ sign) - sign;
    }
    return kw_pickle_make_int(m, (int64_t)v);
}

kw_status kw_pickle_make_list(kw_pickle_machine *m, kw_pickle_kind kind,
                              const kw_pickle_object *const *items, size_t n)
{
    kw_pickle_object list = {.kind = kind};
    if (n > 0) {
        list.list.items = kw_arena_array(m->arena, n, sizeof(kw_pickle_object *));
        if (!list.list.items)
            return kw_pickle_nomem(m);
        for (size_t i = 0; i < n; i++)
            list.list.items[i] = items[i];
        list.list.n = list.list.capacity = n;
    }
    return kw_pickle_make(m, &list);
}

/* The top of the stack, which this machine made and may still change. */
static kw_pickle_object *top(const kw_pickle_machine *m)
{
    const union {
        const kw_pickle_object *made;
        kw_pickle_object *own;
    } u = {.made = m->stack[m->n_stack - 1]};
    return u.own;
}

kw_status kw_pickle_append(kw_pickle_machine *m, kw_pickle_kind kind,
                           const kw_pickle_object *const *items, size_t n)
{
    KW_TRY(kw_pickle_need(m, 1));
    if (m->stack[m->n_stack - 1]->kind != kind)
        return kw_fail(m->err, KW_E_FORMAT, "pickle: the instruction 0x%02x at %zu finds no %s",
                       m->data[m->at], m->at, kind == KW_PICKLE_DICT ? "dict" : "list");
    kw_pickle_object *const list = top(m);
    for (size_t i = 0; i < n; i++) {
        if (list->list.n == list->list.capacity) {
            list->list.items = kw_pickle_grow(m, list->list.items, list->list.n,
                                              &list->list.capacity, sizeof(kw_pickle_object *));
            if (!list->list.items)
                return kw_pickle_nomem(m);
        }
        list->list.items[list->list.n++] = items[i];
    }
    return KW_OK;
}

kw_status kw_pickle_append_marked(kw_pickle_machine *m, kw_pickle_kind kind)
{
    const kw_pickle_object **items = NULL;
    size_t n = 0;
    KW_TRY(kw_pickle_pop_mark(m, &items, &n));
    if (kind == KW_PICKLE_DICT && n % 2 != 0)
        return kw_fail(m->err, KW_E_FORMAT, "pickle: a key without a value at %zu", m->at);
    return kw_pickle_append(m, kind, items, n);
}

kw_status kw_pickle_make_marked(kw_pickle_machine *m, kw_pickle_kind kind)
{
    const kw_pickle_object **items = NULL;
    size_t n = 0;
    KW_TRY(kw_pickle_pop_mark(m, &items, &n));
    if (kind == KW_PICKLE_DICT && n % 2 != 0)
        return kw_fail(m->err, KW_E_FORMAT, "pickle: a key without a value at %zu", m->at);
    return kw_pickle_make_list(m, kind, items, n);
}

kw_status kw_pickle_make_tuple(kw_pickle_machine *m, size_t n)
{
    KW_TRY(kw_pickle_need(m, n));
    m->n_stack -= n;
    return kw_pickle_make_list(m, KW_PICKLE_TUPLE, m->stack + m->n_stack, n);
}

/* ---- globals and calls ---- */

static kw_status find_global(kw_pickle_machine *m, kw_str module, kw_str name)
{
    for (const kw_pickle_global *g = m->globals; g->module; g++) {
        if (kw_str_is(module, g->module) && kw_str_is(name, g->name))
            return kw_pickle_make(m, &(kw_pickle_object){.kind = KW_PICKLE_GLOBAL, .global = g});
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

kw_status kw_pickle_line_global(kw_pickle_machine *m)
{
    kw_str module = {0}, name = {0};
    KW_TRY(kw_pickle_take_line(m, &module));
    KW_TRY(kw_pickle_take_line(m, &name));
    return find_global(m, module, name);
}

kw_status kw_pickle_stack_global(kw_pickle_machine *m)
{
    const kw_pickle_object *name = NULL, *module = NULL;
    KW_TRY(kw_pickle_pop(m, &name));
    KW_TRY(kw_pickle_pop(m, &module));
    if (name->kind != KW_PICKLE_TEXT || module->kind != KW_PICKLE_TEXT)
        return kw_fail(m->err, KW_E_FORMAT, "pickle: the global at %zu has no names", m->at);
    return find_global(m, module->text, name->text);
}

static const kw_pickle_object NOTHING = {.kind = KW_PICKLE_TUPLE};

/* A dict or list made by calling its type: from nothing, or from an iterable that is a list of
 * items, or of pairs. The iterable may be used again and again, so its items count as objects. */
static kw_status make_container(kw_pickle_machine *m, kw_pickle_kind kind,
                                const kw_pickle_object *args)
{
    const kw_pickle_object *const from = args->list.n > 0 ? args->list.items[0] : &NOTHING;
    if (args->list.n > 1 || (from->kind != KW_PICKLE_LIST && from->kind != KW_PICKLE_TUPLE))
        return kw_fail(m->err, KW_E_UNSUPPORTED,
                       "pickle: the container made at %zu has arguments that are no list", m->at);
    KW_TRY(count(m, from->list.n));
    if (kind == KW_PICKLE_LIST)
        return kw_pickle_make_list(m, kind, from->list.items, from->list.n);
    KW_TRY(kw_pickle_make_list(m, kind, NULL, 0));
    for (size_t i = 0; i < from->list.n; i++) {
        const kw_pickle_object *const pair = from->list.items[i];
        if ((pair->kind != KW_PICKLE_LIST && pair->kind != KW_PICKLE_TUPLE) || pair->list.n != 2)
            return kw_fail(m->err, KW_E_FORMAT, "pickle: the dict made at %zu has no pairs", m->at);
        KW_TRY(kw_pickle_append(m, kind, pair->list.items, 2));
    }
    return KW_OK;
}

kw_status kw_pickle_call(kw_pickle_machine *m)
{
    const kw_pickle_object *args = NULL, *callable = NULL;
    KW_TRY(kw_pickle_pop(m, &args));
    KW_TRY(kw_pickle_pop(m, &callable));
    if (callable->kind != KW_PICKLE_GLOBAL || args->kind != KW_PICKLE_TUPLE)
        return kw_fail(m->err, KW_E_FORMAT,
                       "pickle: a call at %zu of what is no global, or without arguments", m->at);
    const kw_pickle_kind makes = callable->global->makes;
    if (makes == KW_PICKLE_DICT || makes == KW_PICKLE_LIST)
        return make_container(m, makes, args);
    return kw_pickle_make(m,
                          &(kw_pickle_object){.kind = KW_PICKLE_CALL,
                                              .call = {.global = callable->global, .args = args}});
}

/* State is kept of what was called; a dict's is Python's own (OrderedDict._metadata). */
kw_status kw_pickle_build(kw_pickle_machine *m)
{
    const kw_pickle_object *state = NULL;
    KW_TRY(kw_pickle_pop(m, &state));
    KW_TRY(kw_pickle_need(m, 1));
    const kw_pickle_kind kind = m->stack[m->n_stack - 1]->kind;
    if (kind == KW_PICKLE_CALL)
        top(m)->call.state = state;
    else if (kind != KW_PICKLE_DICT)
        return kw_fail(m->err, KW_E_UNSUPPORTED, "pickle: BUILD at %zu of what was not called",
                       m->at);
    return KW_OK;
}

kw_status kw_pickle_persistent(kw_pickle_machine *m)
{
    const kw_pickle_object *id = NULL;
    KW_TRY(kw_pickle_pop(m, &id));
    KW_TRY(kw_pickle_make(m, &(kw_pickle_object){.kind = KW_PICKLE_PERSISTENT, .persistent = id}));
    if (m->n_persistent == m->persistent_capacity) {
        m->persistent = kw_pickle_grow(m, m->persistent, m->n_persistent, &m->persistent_capacity,
                                       sizeof(kw_pickle_object *));
        if (!m->persistent)
            return kw_pickle_nomem(m);
    }
    m->persistent[m->n_persistent++] = m->stack[m->n_stack - 1];
    return KW_OK;
}
