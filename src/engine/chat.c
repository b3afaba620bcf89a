/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* chat.c - the chat template of a model, and a conversation written with it.
 *
 * Everything that a template may see is one JSON object, made here: the messages, the tools, the
 * model's bos and eos, the date. Sources: tokenizer.chat_template of GGUF; beside safetensors
 * chat_template.jinja, chat_template.json, tokenizer_config.json, as transformers looks for them.
 */
#include "engine/engine.h"

#include "base/check.h"
#include "format/paths.h"
#include "os/file.h"
#include "text/json_tree.h"
#include "text/template.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CONFIG_BYTES ((size_t)16 << 20)

/* ---- finding the template ---- */

static kw_status copy(kw_str text, char **out, kw_error *err)
{
    char *made = malloc(text.len + 1);
    if (!made)
        return kw_fail(err, KW_E_NOMEM, "chat: no memory for a template of %zu bytes", text.len);
    if (text.len > 0)
        memcpy(made, text.data, text.len);
    made[text.len] = '\0';
    *out = made;
    return KW_OK;
}

/* Of named templates, [{"name", "template"}], the one called default, else the first. */
static kw_str pick(const kw_tree *value)
{
    kw_str found = KW_STR("");
    if (!value || value->kind == KW_JSON_STRING)
        return value ? value->text : found;
    for (const kw_tree *item = value->kind == KW_JSON_ARRAY ? value->child : NULL; item;
         item = item->next) {
        const kw_str text = kw_tree_text(item, "template");
        if (found.len == 0 || kw_str_is(kw_tree_text(item, "name"), "default"))
            found = text;
    }
    return found;
}

/* The member "chat_template" of a JSON file; *out stays NULL when it has none. */
static kw_status from_json(kw_str json, const char *path, char **out, kw_error *err)
{
    kw_arena arena = {0};
    kw_json reader;
    kw_json_token token;
    kw_tree *tree = NULL;
    kw_json_init(&reader, json, path);
    kw_status status = kw_json_next(&reader, &token, err);
    if (status == KW_OK)
        status = kw_tree_read(&reader, &token, &arena, &tree, err);
    const kw_str found = status == KW_OK ? pick(kw_tree_get(tree, "chat_template")) : KW_STR("");
    if (found.len > 0)
        status = copy(found, out, err);
    kw_arena_free(&arena);
    return status;
}

/* From one file, when it is there. */
static kw_status from_file(const char *path, bool json, char **out, kw_error *err)
{
    kw_map map;
    if (!kw_file_exists(path))
        return KW_OK;
    KW_TRY(kw_map_open(path, false, &map, err));
    const kw_str text = {map.len ? (const char *)map.data : "", map.len};
    kw_status status = KW_OK;
    if (map.len > (json ? MAX_CONFIG_BYTES : KW_TEMPLATE_MAX_BYTES))
        status = kw_fail(err, KW_E_LIMIT, "%s: %zu bytes, the limit is %zu", path, map.len,
                         json ? MAX_CONFIG_BYTES : KW_TEMPLATE_MAX_BYTES);
    else
        status = json ? from_json(text, path, out, err) : copy(text, out, err);
    kw_map_close(&map);
    return status;
}

kw_status kw_engine_chat_template(const char *dir, char **out, kw_error *err)
{
    static const struct {
        const char *name;
        bool json;
    } files[] = {{"chat_template.jinja", false},
                 {"chat_template.json", true},
                 {"tokenizer_config.json", true}};
    kw_arena arena = {0};
    kw_status status = KW_OK;
    for (size_t i = 0; i < KW_COUNT(files) && status == KW_OK && !*out; i++) {
        const char *path = kw_path_join(&arena, kw_str_from(dir), kw_str_from(files[i].name));
        status = path ? from_file(path, files[i].json, out, err)
                      : kw_fail(err, KW_E_NOMEM, "chat: out of memory");
    }
    kw_arena_free(&arena);
    return status;
}

/* ---- what a template sees ---- */

void kw_chat_init(kw_chat *chat)
{
    *chat = (kw_chat){.struct_size = sizeof *chat};
}

/* JSON from the caller: one value of this kind, checked before it is put among others. */
static kw_status check_json(const char *text, kw_json_kind kind, const char *what, kw_error *err)
{
    kw_json json;
    kw_json_token token;
    kw_json_init(&json, kw_str_from(text), what);
    KW_TRY(kw_json_expect(&json, kind, &token, err));
    KW_TRY(kw_json_skip(&json, &token, err));
    return kw_json_expect(&json, KW_JSON_END, &token, err);
}

/* Adds text[0..) without the braces and the blanks around them, and a comma; nothing for {}. */
static void add_members(kw_buf *out, const char *object)
{
    static const char blanks[] = " \t\r\n";
    const char *start = strchr(object, '{') + 1, *end = strrchr(object, '}');
    start += strspn(start, blanks);
    while (end > start && strchr(blanks, end[-1]))
        end--;
    if (end == start)
        return;
    kw_buf_add(out, start, (size_t)(end - start));
    kw_buf_printf(out, ", ");
}

static void add_token(kw_buf *out, const kw_tokenizer *t, const char *name, int32_t id)
{
    if (id < 0)
        return;
    kw_buf_printf(out, "\"%s\": ", name);
    kw_buf_json(out, kw_tokenizer_piece(t, id));
    kw_buf_printf(out, ", ");
}

static void add_messages(kw_buf *out, const kw_chat *chat)
{
    if (chat->messages_json) {
        kw_buf_printf(out, "%s", chat->messages_json);
        return;
    }
    kw_buf_printf(out, "[");
    for (size_t i = 0; i < chat->n_messages; i++) {
        const kw_chat_message *m = &chat->messages[i];
        const char *content = m->content ? m->content : "";
        kw_buf_printf(out, "%s{\"role\": ", i > 0 ? ", " : "");
        kw_buf_json(out, kw_str_from(m->role ? m->role : ""));
        kw_buf_printf(out, ", \"content\": ");
        kw_buf_json(out, (kw_str){content, m->content_len ? m->content_len : strlen(content)});
        kw_buf_printf(out, "}");
    }
    kw_buf_printf(out, "]");
}

/* Later members win over earlier ones of the same name, so the caller's cannot hide the messages.
 */
static kw_status variables(const kw_model *model, const kw_chat *chat, kw_buf *out, kw_error *err)
{
    if (chat->messages_json)
        KW_TRY(check_json(chat->messages_json, KW_JSON_ARRAY, "chat messages", err));
    if (chat->tools_json)
        KW_TRY(check_json(chat->tools_json, KW_JSON_ARRAY, "chat tools", err));
    if (chat->variables_json)
        KW_TRY(check_json(chat->variables_json, KW_JSON_OBJECT, "chat variables", err));
    kw_buf_printf(out, "{");
    if (model->tokenizer) {
        add_token(out, model->tokenizer, "bos_token", kw_tokenizer_bos(model->tokenizer));
        add_token(out, model->tokenizer, "eos_token", kw_tokenizer_eos(model->tokenizer));
    }
    kw_buf_printf(out, "\"documents\": null, ");
    if (chat->variables_json)
        add_members(out, chat->variables_json);
    kw_buf_printf(out, "\"tools\": %s, \"add_generation_prompt\": %s, \"messages\": ",
                  chat->tools_json ? chat->tools_json : "null",
                  chat->no_generation_prompt ? "false" : "true");
    add_messages(out, chat);
    kw_buf_printf(out, "}");
    return kw_buf_status(out, err);
}

static kw_status apply(const kw_model *model, const kw_chat *chat, kw_template *t, kw_buf *out,
                       kw_error *err)
{
    kw_buf json = {0};
    kw_status status = variables(model, chat, &json, err);
    if (status == KW_OK)
        status = kw_template_render(t, (kw_str){json.data, json.len}, chat->now_s, NULL, out, err);
    kw_buf_free(&json);
    if (status == KW_OK)
        kw_buf_add(out, "", 0); /* terminated, also when it is empty */
    return status == KW_OK ? kw_buf_status(out, err) : status;
}

kw_status kw_chat_apply(const kw_model *model, const kw_chat *chat, char **text, size_t *len,
                        kw_error *err)
{
    kw_template *t;
    kw_buf out = {0};
    if (!chat || chat->struct_size != sizeof *chat)
        return kw_fail(err, KW_E_ARG, "chat: no chat, or one of another library's size");
    const char *source = chat->source ? chat->source : model->chat_template;
    if (!source)
        return kw_fail(err, KW_E_NOTFOUND, "%s: the model has no chat template", model->file->path);
    KW_TRY(kw_template_parse(kw_str_from(source), "chat template", &t, err));
    const kw_status status = apply(model, chat, t, &out, err);
    kw_template_free(t);
    if (status != KW_OK) {
        kw_buf_free(&out);
        return status;
    }
    *text = out.data;
    if (len)
        *len = out.len;
    return KW_OK;
}
