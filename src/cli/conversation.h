/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* conversation.h - the messages of a conversation, written with a chat template. */
#ifndef KW_CLI_CONVERSATION_H
#define KW_CLI_CONVERSATION_H

#include "base/buf.h"

#include <kwaai/kwaai.h>

/* Zero-initialised: none, texts are continued as they are. */
typedef struct kw_conversation {
    bool active;
    char *source;              /* owned: a template that goes before the model's; NULL */
    const char *name;          /* borrowed: which of the model's; NULL: its default */
    kw_chat_message *messages; /* owned, their contents too */
    size_t n, cap;
} kw_conversation;

/* Takes the model's template of this name, or reads that of a file (NULL: the model's own), and
 * begins with a system message when there
 * is one. It is active when there is a template. */
kw_status kw_conversation_open(kw_conversation *talk, const kw_model *model, const char *choice,
                               const char *system, kw_error *err);
void kw_conversation_free(kw_conversation *talk);
/* role: a literal. The content is copied. */
kw_status kw_conversation_add(kw_conversation *talk, const char *role, kw_str content,
                              kw_error *err);
/* Forgets the last message. */
void kw_conversation_drop(kw_conversation *talk);
/* Forgets all but the system message. */
void kw_conversation_clear(kw_conversation *talk);
/* The whole conversation with the beginning of an answer, freed with kw_free. */
kw_status kw_conversation_write(const kw_conversation *talk, const kw_model *model, char **text,
                                size_t *len, kw_error *err);

#endif
