/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_value.h - what expressions yield, and the state of one rendering.
 *
 * Everything lies in the rendering's arena, which is limited; values are views and pointers into
 * it. Lists and dictionaries never change once a template can see them, as in Jinja's immutable
 * sandbox; only namespaces do. */
#ifndef KW_TEXT_TEMPLATE_VALUE_H
#define KW_TEXT_TEMPLATE_VALUE_H

#include "text/template_ast.h"

typedef enum kw_tpl_kind {
    KW_TV_UNDEFINED, /* s: the name that was looked for */
    KW_TV_NONE,
    KW_TV_BOOL,
    KW_TV_INT,
    KW_TV_FLOAT,
    KW_TV_STRING,
    KW_TV_LIST,
    KW_TV_DICT,
    KW_TV_NAMESPACE, /* a dict that may be changed */
    KW_TV_MACRO,
    KW_TV_LOOP,
    KW_TV_FUNCTION, /* one of this file's own: a row of a table */
    KW_TV_METHOD    /* a function of a string, list, dict or loop, with its owner */
} kw_tpl_kind;

/* Flags of strings and lists. */
enum {
    KW_TV_SAFE = 1,      /* string: marked by |safe; "+" escapes what is added to it */
    KW_TV_TUPLE = 1,     /* list: printed with parentheses */
    KW_TV_GENERATOR = 2, /* list: of map, select, ...: true, without a length, read once */
    KW_TV_VIEW = 4       /* list: of dict.items() and its kin: no items by number */
};

typedef struct kw_tval kw_tval;
typedef struct kw_tpl_state kw_tpl_state;
typedef struct kw_tpl_args kw_tpl_args;

/* Deepest nesting of lists and dictionaries that is compared or printed. */
#define KW_TV_MAX_NESTING 140

typedef struct kw_tpl_list {
    kw_tval *items;
    size_t n;
} kw_tpl_list;

typedef struct kw_tpl_pair kw_tpl_pair;

typedef struct kw_tpl_dict {
    kw_tpl_pair *pairs;
    size_t n, cap;
} kw_tpl_dict;

typedef kw_status (*kw_tpl_fn)(kw_tpl_state *s, const kw_tval *self, const kw_tpl_args *args,
                               kw_tval *out);

typedef struct kw_tpl_function {
    const char *name;
    kw_tpl_fn call;
} kw_tpl_function;

typedef struct kw_tpl_method {
    const kw_tpl_function *function;
    const kw_tval *self;
} kw_tpl_method;

typedef struct kw_tpl_binding {
    kw_str name;
    struct kw_tpl_binding *next;
    kw_tval *value;
} kw_tpl_binding;

typedef struct kw_tpl_scope {
    struct kw_tpl_scope *parent;
    kw_tpl_binding *first;
} kw_tpl_scope;

typedef struct kw_tpl_macro {
    const kw_tpl_node *node; /* KW_TN_MACRO or KW_TN_CALL_BLOCK */
    kw_tpl_scope *scope;     /* where it was defined */
} kw_tpl_macro;

typedef struct kw_tpl_loop {
    const kw_tpl_list *items;
    size_t index;
    const kw_tval *changed;  /* of loop.changed */
    const kw_tpl_node *node; /* KW_TN_FOR */
    kw_tpl_scope *scope;     /* around it */
    int depth;               /* 1: not within itself */
} kw_tpl_loop;

struct kw_tval {
    uint8_t kind, flags;
    union {
        bool b;
        int64_t i;
        double f;
        kw_str s;
        kw_tpl_list *list;
        kw_tpl_dict *dict;
        kw_tpl_macro *macro;
        kw_tpl_loop *loop;
        const kw_tpl_function *function;
        kw_tpl_method *method;
    } u;
};

struct kw_tpl_pair {
    kw_tval key, value;
};

struct kw_tpl_args {
    kw_tval *items;
    size_t n;
    kw_str *names; /* [n_named] with their values */
    kw_tval *values;
    size_t n_named;
};

typedef enum kw_tpl_jump { KW_TPL_GO_ON, KW_TPL_BREAK, KW_TPL_CONTINUE } kw_tpl_jump;

struct kw_tpl_state {
    const kw_template *template;
    kw_template_limits limits;
    kw_arena arena;
    kw_tpl_scope *scope;
    kw_buf *out;
    uint64_t steps;
    int64_t now;
    kw_error *err;
    uint32_t line; /* of what is being evaluated */
    int depth;
    kw_tpl_jump jump;
};

/* ---- failing, allocating, counting ---- */

/* Fails with the template's name and line before the message. */
void kw_tpl_error(kw_tpl_state *s, kw_status status, const char *fmt, ...) KW_PRINTF(3, 4);
/* As kw_fail: the comma shows the compiler that a constant status is not KW_OK. */
#define kw_tpl_fail(s, status, ...) (kw_tpl_error((s), (status), __VA_ARGS__), (kw_status)(status))
/* What every use of an undefined value but printing and testing ends in. */
#define kw_tpl_fail_undefined(s, v)                                                                \
    kw_tpl_fail(s, KW_E_FORMAT, "'%.*s' is undefined", KW_FMT((v)->u.s))
/* Counts a step, and another for every 16 bytes; fails when there were too many. */
kw_status kw_tpl_work(kw_tpl_state *s, size_t bytes);
/* Appends to a buffer, counted and limited as output. */
kw_status kw_tpl_write(kw_tpl_state *s, kw_buf *out, kw_str text);
kw_status kw_tpl_alloc(kw_tpl_state *s, size_t n, size_t size, void *out);

/* ---- making values ---- */

static inline kw_tval kw_tv_none(void)
{
    return (kw_tval){.kind = KW_TV_NONE};
}

static inline kw_tval kw_tv_bool(bool b)
{
    return (kw_tval){.kind = KW_TV_BOOL, .u.b = b};
}

static inline kw_tval kw_tv_int(int64_t i)
{
    return (kw_tval){.kind = KW_TV_INT, .u.i = i};
}

static inline kw_tval kw_tv_float(double f)
{
    return (kw_tval){.kind = KW_TV_FLOAT, .u.f = f};
}

static inline kw_tval kw_tv_str(kw_str s)
{
    return (kw_tval){.kind = KW_TV_STRING, .u.s = s};
}

static inline kw_tval kw_tv_undefined(kw_str name)
{
    return (kw_tval){.kind = KW_TV_UNDEFINED, .u.s = name};
}

static inline bool kw_tv_is(const kw_tval *v, kw_tpl_kind kind)
{
    return v->kind == kind;
}

/* A list with room for n items, all none. */
kw_status kw_tv_list(kw_tpl_state *s, size_t n, kw_tval *out);
kw_status kw_tv_dict(kw_tpl_state *s, size_t cap, kw_tval *out);
kw_status kw_tv_dict_set(kw_tpl_state *s, kw_tpl_dict *dict, const kw_tval *key,
                         const kw_tval *value);
/* NULL when it has none. */
const kw_tval *kw_tv_dict_get(const kw_tpl_dict *dict, const kw_tval *key);
/* The value of a JSON text. */
kw_status kw_tv_from_json(kw_tpl_state *s, kw_str text, const char *subject, kw_tval *out);

/* ---- asking values ---- */

/* "str", "int", ... */
const char *kw_tv_type(const kw_tval *v);
bool kw_tv_true(const kw_tval *v);
bool kw_tv_equal(const kw_tval *a, const kw_tval *b);
/* Whether a is before b; fails for kinds that have no order. */
kw_status kw_tv_less(kw_tpl_state *s, const kw_tval *a, const kw_tval *b, bool *out);
kw_status kw_tv_contains(kw_tpl_state *s, const kw_tval *in, const kw_tval *item, bool *out);
/* Number of items, as len() in Python; characters of a string. */
kw_status kw_tv_length(kw_tpl_state *s, const kw_tval *v, size_t *out);
/* What a loop over the value goes through: items, keys or characters. Empties a generator. */
kw_status kw_tv_iterate(kw_tpl_state *s, const kw_tval *v, kw_tpl_list *out);
/* The number in it, as int(): false for what is no number or bool. */
bool kw_tv_number(const kw_tval *v, double *out);
bool kw_tv_integer(const kw_tval *v, int64_t *out);

/* ---- members, calls, operators ---- */

/* v.name and v[key]: undefined when there is no such thing; fails when v is undefined. */
kw_status kw_tv_attr(kw_tpl_state *s, const kw_tval *v, kw_str name, kw_tval *out);
kw_status kw_tv_item(kw_tpl_state *s, const kw_tval *v, const kw_tval *key, kw_tval *out);
/* "a.b.0", or a number, as the attribute= of filters. */
kw_status kw_tv_path(kw_tpl_state *s, const kw_tval *v, const kw_tval *path, kw_tval *out);
kw_status kw_tv_slice(kw_tpl_state *s, const kw_tval *v, const kw_tval bounds[3], kw_tval *out);
kw_status kw_tv_binary(kw_tpl_state *s, kw_tpl_op op, const kw_tval *a, const kw_tval *b,
                       kw_tval *out);
kw_status kw_tpl_call(kw_tpl_state *s, const kw_tval *callee, const kw_tpl_args *args,
                      kw_tval *out);
/* A filter or test by its name. */
kw_status kw_tpl_apply_filter(kw_tpl_state *s, kw_str name, const kw_tval *value,
                              const kw_tpl_args *args, kw_tval *out);
kw_status kw_tpl_apply_test(kw_tpl_state *s, kw_str name, const kw_tval *value,
                            const kw_tpl_args *args, bool *out);
/* Argument `index` or of this name; NULL when it was not given. */
const kw_tval *kw_tpl_arg(const kw_tpl_args *args, size_t index, const char *name);
/* Likewise as a text, an integer or a truth; `otherwise` when it was not given. */
kw_status kw_tpl_arg_str(kw_tpl_state *s, const kw_tpl_args *args, size_t index, const char *name,
                         kw_str otherwise, kw_str *out);
kw_status kw_tpl_arg_int(kw_tpl_state *s, const kw_tpl_args *args, size_t index, const char *name,
                         int64_t otherwise, int64_t *out);
bool kw_tpl_arg_bool(const kw_tpl_args *args, size_t index, const char *name, bool otherwise);
/* Fails when there are more than n arguments, or fewer than `least`. */
kw_status kw_tpl_arg_count(kw_tpl_state *s, const kw_tpl_args *args, size_t least, size_t n,
                           const char *what);

/* The functions that a template can name. */
const kw_tpl_function *kw_tpl_global(kw_str name);
const kw_tpl_function *kw_tpl_string_method(kw_str name);
/* A method of strings, lists, dictionaries or loops; NULL. *unsafe: one that would change its
 * owner. */
const kw_tpl_function *kw_tpl_find_method(const kw_tval *owner, kw_str name, bool *unsafe);

/* ---- text ---- */

/* str(): appended. repr(): strings with quotes, as they show in lists. */
kw_status kw_tv_print(kw_tpl_state *s, const kw_tval *v, bool repr, int depth, kw_buf *out);
/* str() as a view: of the string itself, else of a copy in the arena. */
kw_status kw_tv_text(kw_tpl_state *s, const kw_tval *v, kw_str *out);
/* The shortest digits that give this double again, as Python writes them. */
void kw_tpl_print_float(double f, kw_buf *out);
/* A buffer into the arena; frees it. */
kw_status kw_tv_take(kw_tpl_state *s, kw_buf *buf, kw_tval *out);
/* json.dumps(v, ensure_ascii, indent, separators, sort_keys). */
typedef struct kw_tpl_json_style {
    bool ascii, sort;
    bool lines;       /* indent was given */
    kw_str indent;    /* of one level */
    kw_str item, key; /* separators */
} kw_tpl_json_style;
kw_status kw_tv_json(kw_tpl_state *s, const kw_tval *v, const kw_tpl_json_style *style, int depth,
                     kw_buf *out);
/* Where a part is in a text, from a byte on, or the last place; SIZE_MAX: nowhere. Every place that
 * could be it counts as work, so that no text makes this slow. */
kw_status kw_tpl_find(kw_tpl_state *s, kw_str text, kw_str part, size_t from, size_t *out);
kw_status kw_tpl_find_last(kw_tpl_state *s, kw_str text, kw_str part, size_t *out);
/* Characters (code points) of a text; the byte where character n begins. */
size_t kw_tpl_chars(kw_str text);
size_t kw_tpl_char_at(kw_str text, size_t n);
/* Replaces & < > ' " as MarkupSafe does. */
void kw_tpl_escape(kw_str text, kw_buf *out);

typedef enum kw_tpl_case {
    KW_TPL_UPPER,
    KW_TPL_LOWER,
    KW_TPL_TITLE,
    KW_TPL_CAPITALIZE
} kw_tpl_case;
void kw_tpl_recase(kw_str text, kw_tpl_case how, kw_buf *out);
bool kw_tpl_is_letter(uint32_t c);
/* printf-style formatting ("%s", "%d", ...), and str.format's. */
kw_status kw_tpl_format_percent(kw_tpl_state *s, kw_str format, const kw_tval *values, kw_buf *out);
kw_status kw_tpl_format_braces(kw_tpl_state *s, kw_str format, const kw_tpl_args *args,
                               kw_buf *out);
/* strftime of a local clock. */
kw_status kw_tpl_strftime(kw_tpl_state *s, kw_str format, int64_t now, kw_buf *out);

#endif
