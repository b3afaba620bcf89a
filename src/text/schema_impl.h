/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* schema_impl.h - what the parts of the translation from JSON Schema to GBNF share. */
#ifndef KW_TEXT_SCHEMA_IMPL_H
#define KW_TEXT_SCHEMA_IMPL_H

#include "text/grammar.h"
#include "text/json_tree.h"

typedef struct kw_schema_maker {
    const kw_tree *root;
    const char *subject;
    const kw_tree **schemas; /* rule s<i> is for the i-th */
    size_t n, cap;
    kw_arena *arena; /* of schemas that are made of others */
    size_t n_merged; /* values in it */
    kw_buf *out;
    kw_error *err;
} kw_schema_maker;

/* Whether a keyword restricts values, rather than describes them. */
bool kw_schema_restricts(kw_str key);
/* Two JSON values, as they are written here. */
bool kw_schema_same(const kw_tree *a, const kw_tree *b);
/* A member in a new object; value is borrowed, its key is not looked at. */
kw_status kw_schema_put(kw_schema_maker *m, kw_tree *object, kw_str key, const kw_tree *value);
kw_status kw_schema_new(kw_schema_maker *m, kw_json_kind kind, kw_tree **out);
/* "#/$defs/name", from the root. */
kw_status kw_schema_resolve(const kw_schema_maker *m, kw_str path, const kw_tree **out);

/* One schema without $ref, allOf and not at its top that describes what all of these do: the
 * schema itself when it has none of them. What cannot be put together is refused by name. */
kw_status kw_schema_flatten(kw_schema_maker *m, const kw_tree *schema, const kw_tree **out);

/* Writes what a JSON string may hold so that a pattern (ECMA-262) is found in it. Only the
 * shortest way to write a character is taken. Lookaround, back references, word boundaries and
 * classes by property are refused. */
kw_status kw_schema_pattern(kw_schema_maker *m, kw_str pattern);
/* Writes the rule's body for a number or integer within minimum, maximum and the exclusive ones;
 * *found false: the schema has none of them, and nothing is written. */
kw_status kw_schema_range(kw_schema_maker *m, const kw_tree *schema, bool integer, bool *found);

#endif
