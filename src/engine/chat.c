/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* chat.c - a conversation written with a chat template.
 *
 * Everything that a template may see is one JSON object, made here: the messages, the tools, the
 * model's bos and eos, the date. */
#include "engine/engine.h"

#include "base/check.h"
#include "base/json.h"
#include "text/template.h"

#include <stdlib.h>
#include <string.h>

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

/* As transformers: the one that is named, else tool_use when there are tools, else the default. */
static kw_status choose(const kw_model *model, const kw_chat *chat, const char **out, kw_error *err)
{
    const char *source = NULL;
    if (chat->template_name)
        source = kw_model_chat_template(model, chat->template_name);
    else if (chat->tools_json)
        source = kw_model_chat_template(model, "tool_use");
    if (!source && !chat->template_name)
        source = kw_model_chat_template(model, "default");
    if (source) {
        *out = source;
        return KW_OK;
    }
    if (model->templates.n == 0)
        return kw_fail(err, KW_E_NOTFOUND, "%s: the model has no chat template", model->file->path);
    char names[200];
    kw_chat_templates_list(&model->templates, names, sizeof names);
    return kw_fail(err, KW_E_NOTFOUND, "%s: no chat template called \"%s\": there are %s",
                   model->file->path, chat->template_name ? chat->template_name : "default", names);
}

kw_status kw_chat_apply(const kw_model *model, const kw_chat *chat, char **text, size_t *len,
                        kw_error *err)
{
    kw_template *t;
    kw_buf out = {0};
    if (!chat || chat->struct_size != sizeof *chat)
        return kw_fail(err, KW_E_ARG, "chat: no chat, or one of another library's size");
    const char *source = chat->source;
    if (!source)
        KW_TRY(choose(model, chat, &source, err));
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
