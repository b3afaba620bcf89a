/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* registry_message.c - reading and writing of registry_message.h. Lengths are looked at before
 * anything is copied, and an answer is walked twice rather than kept. */
#include "node/registry_message.h"

#include "base/protobuf.h"
#include "base/sha256.h"
#include "wire/cid.h"

#include <string.h>

enum { Q_NAME = 1, Q_MANIFEST = 2, Q_PUBLISHER = 3, Q_AFTER = 4 };
enum { A_STATUS = 1, A_MANIFEST = 2, A_SIGNATURE = 3, A_ENTRY = 4, A_MORE = 5 };
enum { E_NAME = 1, E_VERSION = 2, E_MANIFEST = 3 };

/* ---- questions ---- */

/* Names become parts of paths and of answers to people: none but good ones are read. */
static bool get_name(kw_bytes bytes, char out[KW_MODEL_NAME_MAX + 1])
{
    const kw_str name = {(const char *)bytes.data, bytes.len};
    if (name.len > KW_MODEL_NAME_MAX || !kw_model_name_ok(name))
        return false;
    memcpy(out, name.data, name.len);
    out[name.len] = '\0';
    return true;
}

static bool get_exact(kw_bytes bytes, uint8_t *out, size_t n)
{
    if (bytes.len != n)
        return false;
    memcpy(out, bytes.data, n);
    return true;
}

/* One field; *n_subjects counts those of which there may be one. */
static bool get_question_field(const kw_pb_field *field, kw_bytes bytes, kw_registry_question *out,
                               size_t *n_subjects)
{
    switch (field->number) {
    case Q_NAME:
        out->by = KW_REGISTRY_BY_NAME;
        ++*n_subjects;
        return get_name(bytes, out->name);
    case Q_MANIFEST:
        out->by = KW_REGISTRY_BY_MANIFEST;
        ++*n_subjects;
        return get_exact(bytes, out->sha256, sizeof out->sha256);
    case Q_PUBLISHER:
        out->by = KW_REGISTRY_BY_PUBLISHER;
        ++*n_subjects;
        return get_exact(bytes, out->publisher, sizeof out->publisher);
    default:
        return get_name(bytes, out->after);
    }
}

kw_status kw_registry_question_get(kw_bytes in, kw_registry_question *out, kw_error *err)
{
    kw_registry_question question = {0};
    size_t n_subjects = 0;
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    kw_bytes bytes;
    if (in.len > KW_REGISTRY_QUESTION_MAX)
        return kw_fail(err, KW_E_LIMIT, "registry: a question of %zu bytes (at most %d)", in.len,
                       KW_REGISTRY_QUESTION_MAX);
    while (kw_pb_next(&pb, &field)) {
        if (field.number > Q_AFTER || !kw_pb_bytes(&pb, &field, &bytes))
            continue;
        if (!get_question_field(&field, bytes, &question, &n_subjects))
            return kw_fail(err, KW_E_FORMAT, "registry: field %u of a question is not what it says",
                           (unsigned)field.number);
    }
    if (pb.bad || n_subjects != 1)
        return kw_fail(err, KW_E_FORMAT, "registry: a question about %zu things", n_subjects);
    *out = question;
    return KW_OK;
}

void kw_registry_question_put(const kw_registry_question *question, kw_buf *out)
{
    switch (question->by) {
    case KW_REGISTRY_BY_NAME:
        kw_pb_put_text(out, Q_NAME, kw_str_from(question->name));
        break;
    case KW_REGISTRY_BY_MANIFEST:
        kw_pb_put_bytes(out, Q_MANIFEST, (kw_bytes){question->sha256, sizeof question->sha256});
        break;
    case KW_REGISTRY_BY_PUBLISHER:
        kw_pb_put_bytes(out, Q_PUBLISHER,
                        (kw_bytes){question->publisher, sizeof question->publisher});
        if (question->after[0])
            kw_pb_put_text(out, Q_AFTER, kw_str_from(question->after));
        break;
    }
}

/* ---- answers ---- */

static bool get_entry(kw_bytes in, kw_registry_entry *out)
{
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    kw_bytes bytes;
    bool named = false, hashed = false;
    *out = (kw_registry_entry){0};
    while (kw_pb_next(&pb, &field)) {
        if (field.number == E_NAME && kw_pb_bytes(&pb, &field, &bytes))
            named = get_name(bytes, out->name);
        else if (field.number == E_VERSION)
            (void)kw_pb_u64(&pb, &field, &out->version);
        else if (field.number == E_MANIFEST && kw_pb_bytes(&pb, &field, &bytes))
            hashed = get_exact(bytes, out->sha256, sizeof out->sha256);
    }
    return !pb.bad && named && hashed && out->version <= INT64_MAX;
}

static kw_status get_answer_field(kw_pb *pb, const kw_pb_field *field, kw_registry_answer *out,
                                  kw_error *err)
{
    kw_registry_entry entry;
    kw_bytes bytes = {0};
    uint64_t number = 0;
    if (field->number == A_STATUS || field->number == A_MORE) {
        if (!kw_pb_u64(pb, field, &number))
            return KW_OK; /* the reader is marked */
        if (field->number == A_MORE)
            out->more = number != 0;
        else
            out->status = number > KW_REGISTRY_BUSY ? KW_REGISTRY_BUSY : (kw_registry_status)number;
        return KW_OK;
    }
    if (field->number > A_MORE || !kw_pb_bytes(pb, field, &bytes))
        return KW_OK;
    if (field->number == A_MANIFEST) {
        out->manifest = (kw_str){(const char *)bytes.data, bytes.len};
    } else if (field->number == A_SIGNATURE) {
        out->signature = (kw_str){(const char *)bytes.data, bytes.len};
    } else {
        if (!get_entry(bytes, &entry))
            return kw_fail(err, KW_E_FORMAT, "registry: entry %zu of an answer is none",
                           out->n_entries);
        out->n_entries++;
    }
    return KW_OK;
}

kw_status kw_registry_answer_get(kw_bytes in, kw_registry_answer *out, kw_error *err)
{
    kw_registry_answer answer = {.body = in};
    kw_pb pb = kw_pb_read(in);
    kw_pb_field field;
    while (kw_pb_next(&pb, &field)) {
        KW_TRY(get_answer_field(&pb, &field, &answer, err));
        if (answer.n_entries > KW_REGISTRY_ENTRIES)
            return kw_fail(err, KW_E_LIMIT, "registry: an answer with more than %zu entries",
                           KW_REGISTRY_ENTRIES);
    }
    if (pb.bad)
        return kw_fail(err, KW_E_FORMAT, "registry: an answer of %zu bytes is no protocol buffer",
                       in.len);
    if (answer.manifest.len > KW_MANIFEST_MAX || answer.signature.len > KW_MINISIGN_FILE_MAX)
        return kw_fail(err, KW_E_LIMIT, "registry: %zu + %zu bytes (at most %zu + %d)",
                       answer.manifest.len, answer.signature.len, KW_MANIFEST_MAX,
                       KW_MINISIGN_FILE_MAX);
    *out = answer;
    return KW_OK;
}

bool kw_registry_next(const kw_registry_answer *answer, size_t *at, kw_registry_entry *out)
{
    kw_pb pb = kw_pb_read(
        (kw_bytes){answer->body.data ? answer->body.data + *at : NULL, answer->body.len - *at});
    kw_pb_field field;
    while (kw_pb_next(&pb, &field)) {
        kw_bytes bytes;
        *at = answer->body.len - pb.left.len;
        if (field.number == A_ENTRY && kw_pb_bytes(&pb, &field, &bytes) && get_entry(bytes, out))
            return true;
    }
    return false;
}

void kw_registry_put_status(kw_buf *out, kw_registry_status status)
{
    kw_pb_put_u64(out, A_STATUS, status);
}

void kw_registry_put_manifest(kw_buf *out, kw_str manifest, kw_str signature)
{
    kw_pb_put_text(out, A_MANIFEST, manifest);
    if (signature.len > 0)
        kw_pb_put_text(out, A_SIGNATURE, signature);
}

void kw_registry_put_entry(kw_buf *out, const kw_registry_entry *entry)
{
    const size_t begin = kw_pb_begin(out);
    kw_pb_put_text(out, E_NAME, kw_str_from(entry->name));
    kw_pb_put_u64(out, E_VERSION, entry->version);
    kw_pb_put_bytes(out, E_MANIFEST, (kw_bytes){entry->sha256, sizeof entry->sha256});
    kw_pb_end(out, A_ENTRY, begin);
}

void kw_registry_put_more(kw_buf *out)
{
    kw_pb_put_u64(out, A_MORE, 1);
}

/* ---- the key in the DHT ---- */

static void hash_lower(kw_sha256 *hash, const char *name)
{
    for (; *name; name++) {
        const char c = *name >= 'A' && *name <= 'Z' ? (char)(*name + 32) : *name;
        kw_sha256_update(hash, &c, 1);
    }
}

void kw_registry_key(const kw_registry_question *question, uint8_t out[KW_REGISTRY_KEY_LEN])
{
    static const char *const kinds[] = {"name:", "manifest:", "publisher:"};
    kw_sha256 hash;
    kw_sha256_init(&hash, kw_sha256_kernel(false));
    kw_sha256_update(&hash, KW_REGISTRY_ID " ", sizeof KW_REGISTRY_ID);
    kw_sha256_update(&hash, kinds[question->by], strlen(kinds[question->by]));
    if (question->by == KW_REGISTRY_BY_NAME)
        hash_lower(&hash, question->name);
    else if (question->by == KW_REGISTRY_BY_MANIFEST)
        kw_sha256_update(&hash, question->sha256, sizeof question->sha256);
    else
        kw_sha256_update(&hash, question->publisher, sizeof question->publisher);
    out[0] = KW_HASH_SHA2_256;
    out[1] = 32;
    kw_sha256_final(&hash, out + 2);
}
