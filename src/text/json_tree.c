/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* json_tree.c - see json_tree.h. The parser bounds the depth; reading keeps its own stack. */
#include "text/json_tree.h"

/* A value for a token, its strings decoded. */
static kw_status new_node(kw_json *json, const kw_json_token *token, kw_str key, kw_arena *arena,
                          kw_tree **out, kw_error *err)
{
    kw_tree *node = kw_arena_alloc(arena, sizeof(*node));
    if (!node)
        return kw_fail(err, KW_E_NOMEM, "%s: out of memory", json->subject);
    *node = (kw_tree){.kind = token->kind, .key = key, .integer = -1};
    if (token->kind == KW_JSON_STRING)
        KW_TRY(kw_json_string(json, token, arena, &node->text, err));
    if (token->kind == KW_JSON_NUMBER)
        node->text = token->text;
    if (token->kind == KW_JSON_NUMBER && kw_json_i64(json, token, &node->integer, NULL) != KW_OK)
        node->integer = -1;
    *out = node;
    return KW_OK;
}

kw_status kw_tree_read(kw_json *json, const kw_json_token *first, kw_arena *arena, kw_tree **out,
                       kw_error *err)
{
    kw_tree *open[KW_JSON_MAX_DEPTH + 1], **tails[KW_JSON_MAX_DEPTH + 1], *root;
    size_t depth = 0, n = 1;
    KW_TRY(new_node(json, first, KW_STR(""), arena, &root, err));
    *out = root;
    if (root->kind != KW_JSON_OBJECT && root->kind != KW_JSON_ARRAY)
        return KW_OK;
    open[0] = root;
    tails[0] = &root->child;
    for (;;) {
        kw_json_token token;
        kw_str key = KW_STR("");
        KW_TRY(kw_json_next(json, &token, err));
        if (token.kind == KW_JSON_OBJECT_END || token.kind == KW_JSON_ARRAY_END) {
            if (depth-- == 0)
                return KW_OK;
            continue;
        }
        if (++n > KW_TREE_MAX_NODES)
            return kw_fail(err, KW_E_LIMIT, "%s: more than %d values where a few are expected",
                           json->subject, KW_TREE_MAX_NODES);
        if (open[depth]->kind == KW_JSON_OBJECT) {
            KW_TRY(kw_json_string(json, &token, arena, &key, err));
            KW_TRY(kw_json_next(json, &token, err));
        }
        kw_tree *node;
        KW_TRY(new_node(json, &token, key, arena, &node, err));
        *tails[depth] = node;
        tails[depth] = &node->next;
        if (token.kind != KW_JSON_OBJECT && token.kind != KW_JSON_ARRAY)
            continue;
        if (++depth > KW_JSON_MAX_DEPTH)
            return kw_fail(err, KW_E_LIMIT, "%s: nested too deep", json->subject);
        open[depth] = node;
        tails[depth] = &node->child;
    }
}

const kw_tree *kw_tree_get(const kw_tree *tree, const char *key)
{
    if (!tree || tree->kind != KW_JSON_OBJECT)
        return NULL;
    for (const kw_tree *at = tree->child; at; at = at->next)
        if (kw_str_is(at->key, key))
            return at;
    return NULL;
}

kw_str kw_tree_text(const kw_tree *tree, const char *key)
{
    const kw_tree *value = kw_tree_get(tree, key);
    return value && value->kind == KW_JSON_STRING ? value->text : KW_STR("");
}

bool kw_tree_bool(const kw_tree *tree, const char *key, bool otherwise)
{
    const kw_tree *value = kw_tree_get(tree, key);
    if (!value || (value->kind != KW_JSON_TRUE && value->kind != KW_JSON_FALSE))
        return otherwise;
    return value->kind == KW_JSON_TRUE;
}
