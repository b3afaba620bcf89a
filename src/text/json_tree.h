/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* json_tree.h - a small JSON value as a tree in an arena, for the parts of a tokenizer's files
 * whose keys come in any order. At most KW_TREE_MAX_NODES values, so memory stays small whatever
 * the file. */
#ifndef KW_TEXT_JSON_TREE_H
#define KW_TEXT_JSON_TREE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"

#define KW_TREE_MAX_NODES 262144

typedef struct kw_tree {
    kw_json_kind kind;            /* OBJECT, ARRAY or a scalar */
    kw_str key;                   /* in an object */
    kw_str text;                  /* of a string, decoded; of a number, its digits */
    int64_t integer;              /* of a number that is one in the range of i64, else -1 */
    struct kw_tree *child, *next; /* first of its values; the one after it */
} kw_tree;

/* Reads the value that `first` opens. */
kw_status kw_tree_read(kw_json *json, const kw_json_token *first, kw_arena *arena, kw_tree **out,
                       kw_error *err);
/* The value of a key, or NULL; also when the tree is NULL or no object. */
const kw_tree *kw_tree_get(const kw_tree *tree, const char *key);
/* The text of a key's string, or an empty view. */
kw_str kw_tree_text(const kw_tree *tree, const char *key);
/* A key's boolean; when it has none, `otherwise`. */
bool kw_tree_bool(const kw_tree *tree, const char *key, bool otherwise);

#endif
