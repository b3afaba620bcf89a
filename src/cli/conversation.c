/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* conversation.c - see conversation.h. Each turn writes the conversation anew from its first
 * message: templates change what they wrote before, thoughts of earlier turns for instance. */
#include "cli/conversation.h"

#include "base/check.h"
#include "os/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static kw_status read_source(const char *file, char **out, kw_error *err)
{
    kw_map map;
    KW_TRY(kw_map_open(file, false, &map, err));
    char *text = malloc(map.len + 1);
    if (text) {
        if (map.len > 0)
            memcpy(text, map.data, map.len);
        text[map.len] = '\0';
        *out = text;
    }
    const size_t len = map.len;
    kw_map_close(&map);
    return text ? KW_OK : kw_fail(err, KW_E_NOMEM, "%s: no memory for %zu bytes", file, len);
}

/* The names of the model's templates: "a, b". */
static void list_names(const kw_model *model, char *out, size_t size)
{
    size_t len = 0;
    const char *name;
    (void)snprintf(out, size, "none");
    for (size_t i = 0; (name = kw_model_chat_template_name(model, i)) && len < size; i++)
        len += (size_t)snprintf(out + len, size - len, "%s%s", i > 0 ? ", " : "", name);
}

kw_status kw_conversation_open(kw_conversation *talk, const kw_model *model, const char *choice,
                               const char *system, kw_error *err)
{
    char names[200];
    *talk = (kw_conversation){.active = choice || kw_model_chat_template_name(model, 0)};
    list_names(model, names, sizeof names);
    if (choice && kw_model_chat_template(model, choice))
        talk->name = choice;
    else if (choice && !kw_file_exists(choice))
        return kw_fail(err, KW_E_NOTFOUND,
                       "--template %s: no such file, and of the model's templates (%s) none has "
                       "this name",
                       choice, names);
    else if (choice)
        KW_TRY(read_source(choice, &talk->source, err));
    else if (talk->active && !kw_model_chat_template(model, "default"))
        return kw_fail(err, KW_E_ARG,
                       "the model has chat templates and no default: choose by --template (%s)",
                       names);
    if (system && !talk->active)
        return kw_fail(err, KW_E_ARG,
                       "--system: the model has no chat template to write it with (--template "
                       "names one)");
    return system ? kw_conversation_add(talk, "system", kw_str_from(system), err) : KW_OK;
}

void kw_conversation_free(kw_conversation *talk)
{
    while (talk->n > 0)
        kw_conversation_drop(talk);
    free(talk->messages);
    free(talk->source);
    *talk = (kw_conversation){0};
}

kw_status kw_conversation_add(kw_conversation *talk, const char *role, kw_str content,
                              kw_error *err)
{
    char *text = malloc(content.len + 1);
    kw_chat_message *messages = talk->messages;
    if (talk->n == talk->cap) {
        const size_t cap = 2 * talk->cap + 8;
        messages = realloc(talk->messages, cap * sizeof *messages);
        if (messages) {
            talk->messages = messages;
            talk->cap = cap;
        }
    }
    if (!text || !messages) {
        free(text);
        return kw_fail(err, KW_E_NOMEM, "no memory for a message of %zu bytes", content.len);
    }
    if (content.len > 0)
        memcpy(text, content.data, content.len);
    text[content.len] = '\0';
    messages[talk->n++] =
        (kw_chat_message){.role = role, .content = text, .content_len = content.len};
    return KW_OK;
}

void kw_conversation_drop(kw_conversation *talk)
{
    if (talk->n > 0)
        free((void *)(uintptr_t)talk->messages[--talk->n].content);
}

void kw_conversation_clear(kw_conversation *talk)
{
    const size_t kept = talk->n > 0 && strcmp(talk->messages[0].role, "system") == 0;
    while (talk->n > kept)
        kw_conversation_drop(talk);
}

/* Seconds since 1970 as if the clock on the wall showed UTC. */
static int64_t local_seconds(void)
{
    const time_t now = time(NULL);
    struct tm local, utc;
    if (!localtime_r(&now, &local) || !gmtime_r(&now, &utc))
        return (int64_t)now;
    int days = local.tm_yday - utc.tm_yday;
    if (local.tm_year != utc.tm_year)
        days = local.tm_year > utc.tm_year ? 1 : -1;
    return (int64_t)now +
           ((days * 24 + local.tm_hour - utc.tm_hour) * 60 + local.tm_min - utc.tm_min) * 60;
}

kw_status kw_conversation_write(const kw_conversation *talk, const kw_model *model, char **text,
                                size_t *len, kw_error *err)
{
    kw_chat chat;
    kw_chat_init(&chat);
    chat.messages = talk->messages;
    chat.n_messages = talk->n;
    chat.source = talk->source;
    chat.template_name = talk->name;
    chat.now_s = local_seconds();
    return kw_chat_apply(model, &chat, text, len, err);
}
