/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* follow_job.c - taking one model of a publisher. See follow_job.h.
 *
 * The manifest is recorded last: whatever ends it before leaves a state from which the next look
 * goes on. */
#include "node/follow_job.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/sha256.h"
#include "hub/stores.h"
#include "os/file.h"

/* ---- whether ---- */

/* What is here under the name already. */
typedef struct present {
    const uint8_t *key_id;
    const kw_manifest *wanted;
    bool manifest, other_key; /* there is a manifest; by another key, or by none */
    bool other_file;          /* the store has one that is not of the wanted manifest */
} present;

static kw_status see_manifest(void *user, const kw_index_manifest *m, kw_error *err)
{
    present *const p = user;
    kw_signature signature;
    (void)err;
    p->manifest = true;
    p->other_key = kw_signature_get(m->signature, &signature, NULL) != KW_OK ||
                   memcmp(signature.id, p->key_id, KW_KEY_ID_LEN) != 0;
    return KW_OK;
}

static kw_status see_file(void *user, const kw_index_row *row, kw_error *err)
{
    present *const p = user;
    const kw_manifest_file *const file = kw_manifest_find(p->wanted, row->file);
    (void)err;
    if (row->owner == KW_OWNER_STORE)
        p->other_file = p->other_file || !file || file->size != row->state.size ||
                        (row->hashed && memcmp(row->sha256, file->sha256, sizeof row->sha256) != 0);
    return KW_OK;
}

/* Whoever is followed may renew what is his, and nothing else. */
static kw_status check_present(kw_follow_job *job, const kw_trust_key *key, kw_error *err)
{
    const char *const model = job->manifest.model;
    const kw_index_query query = {.model = model};
    present p = {.key_id = key->key.id, .wanted = &job->manifest};
    KW_TRY(kw_index_each_manifest(job->index, model, NULL, see_manifest, &p, err));
    KW_TRY(kw_index_each(job->index, &query, see_file, &p, err));
    if (p.other_key)
        return kw_fail(err, KW_E_ARG, "%s: another key's manifest of it is here", model);
    if (p.other_file && !p.manifest) /* files of this manifest are of a look that was cut off */
        return kw_fail(err, KW_E_ARG, "%s: a model of this name is here, and not by this publisher",
                       model);
    return KW_OK;
}

static kw_status check_files(const kw_manifest *manifest, kw_error *err)
{
    for (size_t i = 0; i < manifest->n_files; i++) {
        const kw_manifest_file *const file = &manifest->files[i];
        if (!file->sized || !file->rooted || !kw_path_is_safe(kw_str_from(file->name)))
            return kw_fail(err, KW_E_ARG, "%s: \"%.100s\" has no size or CID, or cannot be kept",
                           manifest->model, file->name);
    }
    return KW_OK;
}

static kw_status check_signature(kw_follow_job *job, const kw_registry_entry *entry,
                                 const kw_registry_answer *answer, const kw_trust_key *key,
                                 const kw_trust *trust, kw_error *err)
{
    kw_trust_key keys[1] = {*key};
    kw_trust_rule rules[1] = {{.pattern = "*", .policy = KW_POLICY_ENFORCE}};
    const kw_trust alone = {.keys = keys, .n_keys = 1, .rules = rules, .n_rules = 1};
    kw_signed what = {
        .model = entry->name, .manifest = answer->manifest, .signature = answer->signature};
    kw_judgement judgement;
    KW_TRY(kw_index_seen_version(job->index, entry->name, &what.seen, err));
    kw_trust_judge(&alone, &what, &judgement);
    if (!judgement.accepted) /* an old one is the publisher's own */
        return kw_fail(err, judgement.reason == KW_TRUST_OLDER ? KW_E_ARG : KW_E_FORMAT,
                       "%s: %.150s", entry->name, judgement.why);
    if (judgement.version <= what.seen)
        return kw_fail(err, KW_E_ARG, "%s: version %llu is not newer than %llu", entry->name,
                       (unsigned long long)judgement.version, (unsigned long long)what.seen);
    job->version = judgement.version;
    if (trust)
        kw_trust_judge(trust, &what, &judgement);
    return judgement.accepted ? KW_OK
                              : kw_fail(err, KW_E_ARG, "%s: refused by the trust file: %.150s",
                                        entry->name, judgement.why);
}

typedef struct room {
    int64_t last; /* the file that was counted last: a file may have several names */
    uint64_t bytes;
} room;

static kw_status count_row(void *user, const kw_index_row *row, kw_error *err)
{
    room *const r = user;
    (void)err;
    if (row->owner == KW_OWNER_STORE && row->id != r->last)
        r->bytes += row->state.size;
    r->last = row->id;
    return KW_OK;
}

static kw_status check_room(const kw_follow_job *job, kw_error *err)
{
    const kw_index_query all = {0};
    room r = {0};
    uint64_t wanted = 0;
    if (job->cap_bytes == 0)
        return KW_OK;
    KW_TRY(kw_index_each(job->index, &all, count_row, &r, err));
    for (size_t i = 0; i < job->manifest.n_files; i++) {
        const uint64_t size = job->manifest.files[i].size;
        if (size > job->cap_bytes - wanted)
            wanted = job->cap_bytes; /* too much however it goes on */
        else
            wanted += size;
    }
    if (r.bytes <= job->cap_bytes && wanted < job->cap_bytes - r.bytes)
        return KW_OK;
    return kw_fail(
        err, KW_E_LIMIT, "%s: %llu bytes in the store and its own would be above the cap of %llu",
        job->manifest.model, (unsigned long long)r.bytes, (unsigned long long)job->cap_bytes);
}

kw_status kw_follow_accept(kw_follow_job *job, const kw_registry_entry *entry,
                           const kw_registry_answer *answer, const kw_trust_key *key,
                           const kw_trust *trust, kw_error *err)
{
    const kw_store_places places = {.own = job->store};
    KW_TRY(check_signature(job, entry, answer, key, trust, err));
    kw_buf_add(&job->body, answer->manifest.data, answer->manifest.len);
    kw_buf_add(&job->signature, answer->signature.data, answer->signature.len);
    KW_TRY(kw_buf_status(&job->body, err));
    KW_TRY(kw_buf_status(&job->signature, err));
    KW_TRY(kw_manifest_get((kw_str){job->body.data, job->body.len}, &job->manifest, err));
    KW_TRY(check_files(&job->manifest, err));
    KW_TRY(kw_stores_scan(job->index, &places, err)); /* what came by another hand counts */
    KW_TRY(check_present(job, key, err));
    return check_room(job, err);
}

void kw_follow_job_free(kw_follow_job *job)
{
    if (!job)
        return;
    kw_manifest_free(&job->manifest);
    kw_buf_free(&job->body);
    kw_buf_free(&job->signature);
    free(job);
}

/* ---- taking it ---- */

bool kw_follow_next(const kw_follow_job *job, kw_listed *out)
{
    if (job->n_fetched == job->manifest.n_files)
        return false;
    const kw_manifest_file *const from = &job->manifest.files[job->n_fetched];
    *out =
        (kw_listed){.size = from->size, .has_sha256 = true, .has_root = true, .root = from->root};
    memcpy(out->name, from->name, strlen(from->name) + 1); /* a safe path is short enough */
    memcpy(out->sha256, from->sha256, 32);
    return true;
}

/* Files that only the version before has would not be of this manifest. */
static kw_status remove_old(void *user, const kw_index_manifest *m, kw_error *err)
{
    const kw_follow_job *const job = user;
    kw_manifest old;
    kw_buf path = {0};
    (void)err;
    if (kw_manifest_get(m->body, &old, NULL) != KW_OK)
        return KW_OK;
    for (size_t i = 0; i < old.n_files; i++) {
        if (kw_manifest_find(&job->manifest, old.files[i].name))
            continue;
        path.len = 0;
        kw_buf_printf(&path, "%s/%s/%s", job->store, old.model, old.files[i].name);
        if (!path.failed)
            (void)kw_path_remove(path.data, NULL); /* it may never have been fetched */
    }
    kw_buf_free(&path);
    kw_manifest_free(&old);
    return KW_OK;
}

kw_status kw_follow_record(kw_follow_job *job, kw_error *err)
{
    const kw_store_places places = {.own = job->store};
    kw_index_manifest row = {.model = job->manifest.model,
                             .version = job->version,
                             .body = {job->body.data, job->body.len},
                             .signature = {job->signature.data, job->signature.len},
                             .offered = true,
                             .time = (int64_t)time(NULL)};
    kw_sha256 hash;
    kw_sha256_init(&hash, kw_sha256_kernel(false));
    kw_sha256_update(&hash, job->body.data, job->body.len);
    kw_sha256_final(&hash, row.sha256);
    KW_TRY(kw_index_each_manifest(job->index, job->manifest.model, NULL, remove_old, job, err));
    KW_TRY(kw_stores_scan(job->index, &places, err));
    return kw_index_put_manifest(job->index, &row, err);
}
