/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* chat_templates.h - the chat templates that come with a model, each with its name. */
#ifndef KW_ENGINE_CHAT_TEMPLATES_H
#define KW_ENGINE_CHAT_TEMPLATES_H

#include "base/arena.h"
#include "format/model_file.h"

#define KW_MAX_CHAT_TEMPLATES 32

typedef struct kw_chat_template {
    const char *name; /* "default", "tool_use", "rag", ... */
    const char *source;
    size_t len;
} kw_chat_template;

typedef struct kw_chat_templates {
    kw_arena arena;
    kw_chat_template items[KW_MAX_CHAT_TEMPLATES];
    size_t n;
} kw_chat_templates;

/* Those of GGUF's metadata, else of the files in the model's folder; none is no error. */
kw_status kw_chat_templates_of(const kw_model_file *file, kw_chat_templates *out, kw_error *err);
/* Those of the files in a folder. */
kw_status kw_chat_templates_read(const char *dir, kw_chat_templates *out, kw_error *err);
void kw_chat_templates_free(kw_chat_templates *t);

/* NULL when there is none of this name. */
const kw_chat_template *kw_chat_templates_find(const kw_chat_templates *t, const char *name);
/* "a, b, c", cut to size. */
void kw_chat_templates_list(const kw_chat_templates *t, char *out, size_t size);

#endif
