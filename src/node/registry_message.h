/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* registry_message.h - what is asked of a registry, and what it answers: one protocol buffer each,
 * with its length in front.
 *
 *   Question { 1 name | 2 manifest (SHA-256) | 3 publisher (id of a key); 4 after }
 *   Answer   { 1 status; 2 manifest; 3 signature; 4 Entry*; 5 more }
 *   Entry    { 1 name; 2 version; 3 manifest (SHA-256) }
 *
 * A question by name or manifest gets one manifest with its signature, one by publisher a list in
 * order of name that `after` continues. Everything in an answer is a claim of its sender. */
#ifndef KW_NODE_REGISTRY_MESSAGE_H
#define KW_NODE_REGISTRY_MESSAGE_H

#include "base/buf.h"
#include "hub/manifest.h"
#include "hub/minisign.h"
#include "hub/stores.h"

#define KW_REGISTRY_ID "/kwaai/model/1.0.0"
#define KW_REGISTRY_QUESTION_MAX 1024
#define KW_REGISTRY_ENTRIES ((size_t)1000)       /* in one answer */
#define KW_REGISTRY_LIST_MAX ((size_t)512 << 10) /* bytes of an answer with entries */
#define KW_REGISTRY_ANSWER_MAX (KW_MANIFEST_MAX + KW_MINISIGN_FILE_MAX + 64)

typedef enum kw_registry_by {
    KW_REGISTRY_BY_NAME,
    KW_REGISTRY_BY_MANIFEST,
    KW_REGISTRY_BY_PUBLISHER
} kw_registry_by;

typedef struct kw_registry_question {
    kw_registry_by by;
    char name[KW_MODEL_NAME_MAX + 1];
    uint8_t sha256[32];
    uint8_t publisher[KW_KEY_ID_LEN];
    char after[KW_MODEL_NAME_MAX + 1]; /* by publisher: names behind this one; "": all */
} kw_registry_question;

typedef enum kw_registry_status {
    KW_REGISTRY_HERE,
    KW_REGISTRY_UNKNOWN, /* not known there */
    KW_REGISTRY_BUSY     /* asked too often */
} kw_registry_status;

typedef struct kw_registry_entry {
    char name[KW_MODEL_NAME_MAX + 1];
    uint64_t version;
    uint8_t sha256[32]; /* of the manifest */
} kw_registry_entry;

/* Views into the message. */
typedef struct kw_registry_answer {
    kw_registry_status status;
    kw_str manifest, signature; /* len 0: none */
    kw_bytes body;              /* for kw_registry_next */
    size_t n_entries;
    bool more; /* entries behind the last one */
} kw_registry_answer;

/* KW_E_FORMAT, KW_E_LIMIT: it is none. */
kw_status kw_registry_question_get(kw_bytes in, kw_registry_question *out, kw_error *err);
void kw_registry_question_put(const kw_registry_question *question, kw_buf *out);
kw_status kw_registry_answer_get(kw_bytes in, kw_registry_answer *out, kw_error *err);
/* The parts of an answer; more stands behind the last entry. */
void kw_registry_put_status(kw_buf *out, kw_registry_status status);
void kw_registry_put_manifest(kw_buf *out, kw_str manifest, kw_str signature);
void kw_registry_put_entry(kw_buf *out, const kw_registry_entry *entry);
void kw_registry_put_more(kw_buf *out);

/* Walks the entries of an answer that was read: *at begins as 0. */
bool kw_registry_next(const kw_registry_answer *answer, size_t *at, kw_registry_entry *out);

/* What the DHT calls who can answer this question: the multihash of a text that has the question's
 * subject, names in lower case. */
#define KW_REGISTRY_KEY_LEN 34
void kw_registry_key(const kw_registry_question *question, uint8_t out[KW_REGISTRY_KEY_LEN]);

#endif
