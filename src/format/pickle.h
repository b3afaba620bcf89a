/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pickle.h - reads a pickle as data: what it would build, and nothing of what it would do.
 *
 * A pickle is a program for a stack machine that may call anything. Here a global is a name on the
 * caller's list, a call of it is a record of its arguments, and every other global, and every
 * instruction that torch.save does not write, is an error that names it. */
#ifndef KW_FORMAT_PICKLE_H
#define KW_FORMAT_PICKLE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define KW_PICKLE_MAX_BYTES ((size_t)256 << 20)
#define KW_PICKLE_MAX_OBJECTS ((size_t)1 << 22) /* objects, and items on the stack */

typedef enum kw_pickle_kind {
    KW_PICKLE_NONE,
    KW_PICKLE_BOOL,
    KW_PICKLE_INT,
    KW_PICKLE_LONG, /* beyond 64 bits: its bytes, little-endian two's complement */
    KW_PICKLE_FLOAT,
    KW_PICKLE_TEXT, /* valid UTF-8 */
    KW_PICKLE_BYTES,
    KW_PICKLE_TUPLE,
    KW_PICKLE_LIST, /* also a set */
    KW_PICKLE_DICT,
    KW_PICKLE_GLOBAL,
    KW_PICKLE_CALL,      /* of a global */
    KW_PICKLE_PERSISTENT /* a reference to what lies outside the pickle: its id */
} kw_pickle_kind;

/* One row of the caller's list. */
typedef struct kw_pickle_global {
    const char *module, *name; /* "torch._utils", "_rebuild_tensor_v2" */
    kw_pickle_kind makes;      /* by a call: KW_PICKLE_DICT, KW_PICKLE_LIST, else KW_PICKLE_CALL */
    int id, detail;            /* the caller's own */
} kw_pickle_global;

typedef struct kw_pickle_object kw_pickle_object;
struct kw_pickle_object {
    kw_pickle_kind kind;
    union {
        bool b;
        int64_t i;
        double f;
        kw_str text; /* TEXT, BYTES, LONG: views of the pickle, or in the arena */
        const kw_pickle_global *global;
        struct { /* TUPLE, LIST; DICT: a key and its value by turns */
            const kw_pickle_object **items;
            size_t n, capacity;
        } list;
        struct {
            const kw_pickle_global *global;
            const kw_pickle_object *args;  /* a tuple */
            const kw_pickle_object *state; /* what BUILD gave it; NULL: nothing */
        } call;
        const kw_pickle_object *persistent;
    };
};

typedef struct kw_pickle {
    const kw_pickle_object *root;
    size_t bytes; /* its length, to the STOP */
    /* Every reference to what lies outside, as often as the pickle makes one. */
    const kw_pickle_object **persistent;
    size_t n_persistent;
} kw_pickle;

/* Runs one pickle at the start of the bytes, to its STOP. The globals end with a row of NULL.
 * Objects may be shared and may contain themselves; all lie in the arena, and their number stays in
 * proportion to the bytes. */
kw_status kw_pickle_read(kw_str bytes, const kw_pickle_global *globals, kw_arena *arena,
                         kw_pickle *out, kw_error *err);

/* The value of a text key; NULL when the dict has none. The last one counts, as in Python. */
const kw_pickle_object *kw_pickle_get(const kw_pickle_object *dict, const char *key);

#endif
