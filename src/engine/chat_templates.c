/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* chat_templates.c - finding the chat templates of a model.
 *
 * GGUF has them under tokenizer.chat_template and tokenizer.chat_template.NAME. In a folder they
 * are looked for as the transformers package does: chat_template.jinja with
 * additional_chat_templates/NAME.jinja, chat_template.json, tokenizer_config.json, of which the
 * first that has any is taken; the last two hold a text, a list of {"name", "template"}, or an
 * object of names and texts. Other files are never opened: the names in additional_chat_templates
 * are those that transformers documents. */
#include "engine/chat_templates.h"

#include "base/check.h"
#include "format/paths.h"
#include "os/file.h"
#include "text/json_tree.h"
#include "text/template.h"

#include <stdio.h>
#include <string.h>

#define MAX_CONFIG_BYTES ((size_t)16 << 20)
#define GGUF_KEY "tokenizer.chat_template"

void kw_chat_templates_free(kw_chat_templates *t)
{
    kw_arena_free(&t->arena);
    *t = (kw_chat_templates){0};
}

const kw_chat_template *kw_chat_templates_find(const kw_chat_templates *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->items[i].name, name) == 0)
            return &t->items[i];
    return NULL;
}

void kw_chat_templates_list(const kw_chat_templates *t, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < t->n && len < size; i++) {
        const char *comma = i > 0 ? ", " : "";
        const int n = snprintf(out + len, size - len, "%s%s", comma, t->items[i].name);
        len += n > 0 ? (size_t)n : 0;
    }
}

/* Of two with one name the first is kept. */
static kw_status add(kw_chat_templates *t, kw_str name, kw_str source, kw_error *err)
{
    if (name.len == 0 || source.len == 0)
        return KW_OK;
    if (t->n == KW_MAX_CHAT_TEMPLATES)
        return kw_fail(err, KW_E_LIMIT, "chat: more than %d chat templates", KW_MAX_CHAT_TEMPLATES);
    kw_chat_template made = {.name = kw_arena_strdup(&t->arena, name),
                             .source = kw_arena_strdup(&t->arena, source),
                             .len = source.len};
    if (!made.name || !made.source)
        return kw_fail(err, KW_E_NOMEM, "chat: no memory for a template of %zu bytes", source.len);
    if (!kw_chat_templates_find(t, made.name))
        t->items[t->n++] = made;
    return KW_OK;
}

/* ---- files ---- */

static kw_status from_tree(kw_chat_templates *t, const kw_tree *value, kw_error *err)
{
    if (!value)
        return KW_OK;
    if (value->kind == KW_JSON_STRING)
        return add(t, KW_STR("default"), value->text, err);
    for (const kw_tree *item = value->child; item; item = item->next) {
        if (value->kind == KW_JSON_ARRAY)
            KW_TRY(add(t, kw_tree_text(item, "name"), kw_tree_text(item, "template"), err));
        else if (item->kind == KW_JSON_STRING)
            KW_TRY(add(t, item->key, item->text, err));
    }
    return KW_OK;
}

/* The member "chat_template" of a JSON file. */
static kw_status from_json(kw_chat_templates *t, kw_str json, const char *path, kw_error *err)
{
    kw_arena arena = {0};
    kw_json reader;
    kw_json_token token;
    kw_tree *tree = NULL;
    kw_json_init(&reader, json, path);
    kw_status status = kw_json_next(&reader, &token, err);
    if (status == KW_OK)
        status = kw_tree_read(&reader, &token, &arena, &tree, err);
    if (status == KW_OK)
        status = from_tree(t, kw_tree_get(tree, "chat_template"), err);
    kw_arena_free(&arena);
    return status;
}

/* From one file, when it is there. name: of the template that it is; NULL: it is JSON. */
static kw_status from_file(kw_chat_templates *t, const char *path, const char *name, kw_error *err)
{
    kw_map map;
    if (!kw_file_exists(path))
        return KW_OK;
    KW_TRY(kw_map_open(path, false, &map, err));
    const kw_str text = {map.len ? (const char *)map.data : "", map.len};
    const size_t limit = name ? KW_TEMPLATE_MAX_BYTES : MAX_CONFIG_BYTES;
    kw_status status = KW_OK;
    if (map.len > limit)
        status = kw_fail(err, KW_E_LIMIT, "%s: %zu bytes, the limit is %zu", path, map.len, limit);
    else
        status = name ? add(t, kw_str_from(name), text, err) : from_json(t, text, path, err);
    kw_map_close(&map);
    return status;
}

kw_status kw_chat_templates_read(const char *dir, kw_chat_templates *out, kw_error *err)
{
    static const struct {
        const char *file, *name;
        bool joins; /* others of its kind, rather than standing in for them */
    } files[] = {{"chat_template.jinja", "default", true},
                 {"additional_chat_templates/tool_use.jinja", "tool_use", true},
                 {"additional_chat_templates/rag.jinja", "rag", true},
                 {"chat_template.json", NULL, false},
                 {"tokenizer_config.json", NULL, false}};
    kw_arena arena = {0};
    kw_status status = KW_OK;
    for (size_t i = 0; i < KW_COUNT(files) && status == KW_OK; i++) {
        if (out->n > 0 && !files[i].joins)
            break;
        const char *path = kw_path_join(&arena, kw_str_from(dir), kw_str_from(files[i].file));
        status = path ? from_file(out, path, files[i].name, err)
                      : kw_fail(err, KW_E_NOMEM, "chat: out of memory");
    }
    kw_arena_free(&arena);
    return status;
}

/* ---- metadata ---- */

kw_status kw_chat_templates_of(const kw_model_file *file, kw_chat_templates *out, kw_error *err)
{
    const kw_str key = KW_STR(GGUF_KEY);
    for (size_t i = 0; i < file->n_metas; i++) {
        const kw_meta *meta = &file->metas[i];
        if (meta->value.kind != KW_VALUE_STRING || !kw_str_starts(meta->key, key))
            continue;
        const kw_str rest = {meta->key.data + key.len, meta->key.len - key.len};
        if (rest.len == 0)
            KW_TRY(add(out, KW_STR("default"), meta->value.s, err));
        else if (rest.data[0] == '.')
            KW_TRY(add(out, (kw_str){rest.data + 1, rest.len - 1}, meta->value.s, err));
    }
    return out->n == 0 && file->dir ? kw_chat_templates_read(file->dir, out, err) : KW_OK;
}
