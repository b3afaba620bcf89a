/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pull_manifest.c - finding, judging and using the manifest of a pull. See pull_manifest.h. */
#include "cli/net/pull_manifest.h"

#include "base/sha256.h"
#include "cli/interrupt.h"
#include "cli/net/owner.h"
#include "cli/net/trusted.h"
#include "hub/listing.h"
#include "node/registry_lookup.h"

#include <kwaai/kwaai.h>

#include <stdio.h>
#include <time.h>

/* ---- which one ---- */

typedef struct finding {
    const kw_manifest_search *search;
    kw_trust trust;
    uint64_t seen; /* the highest version that was here */
    bool in_index; /* where what is looked at comes from */
    kw_pull_manifest *out;
    kw_status status; /* of a call that can return none */
} finding;

static bool is_same(const kw_buf *a, kw_str b)
{
    return kw_str_eq((kw_str){a->data, a->len}, b);
}

static bool is_good(const kw_judgement *judgement)
{
    return judgement->reason == KW_TRUST_GOOD;
}

/* Whether the new one takes the place of the one so far. */
static bool is_better(finding *f, kw_str body, const kw_judgement *judgement)
{
    kw_pull_manifest *const out = f->out;
    if (!out->stated)
        return true;
    if (is_good(judgement) && is_good(&out->judgement))
        return judgement->version > out->judgement.version;
    if (is_good(judgement) || out->believed)
        return is_good(judgement);
    out->conflict = out->conflict || !is_same(&out->body, body);
    return false;
}

static kw_status keep(finding *f, kw_str body, kw_str signature, const kw_judgement *judgement,
                      kw_manifest *manifest)
{
    kw_pull_manifest *const out = f->out;
    kw_buf copies[2] = {0};
    kw_buf_add(&copies[0], body.data, body.len);
    if (signature.len > 0)
        kw_buf_add(&copies[1], signature.data, signature.len);
    if (copies[0].failed || copies[1].failed) {
        kw_buf_free(&copies[0]);
        kw_buf_free(&copies[1]);
        return KW_E_NOMEM;
    }
    kw_buf_free(&out->body);
    kw_buf_free(&out->signature);
    kw_manifest_free(&out->manifest);
    out->body = copies[0];
    out->signature = copies[1];
    out->manifest = *manifest;
    *manifest = (kw_manifest){0};
    out->judgement = *judgement;
    out->stated = true;
    out->believed = is_good(judgement) || f->in_index;
    out->recorded = f->in_index;
    out->conflict = false;
    return KW_OK;
}

static void consider(finding *f, kw_str body, kw_str signature)
{
    const kw_signed what = {f->search->model, body, signature, f->seen};
    kw_judgement judgement;
    kw_manifest manifest;
    if (kw_manifest_get(body, &manifest, NULL) != KW_OK)
        return;
    if (kw_str_is(kw_str_from(f->search->model), manifest.model)) {
        kw_trust_judge(&f->trust, &what, &judgement);
        /* What nobody signed that we know cannot be newer than what somebody signed. */
        const bool older = f->seen > 0 && !f->in_index && !is_good(&judgement);
        if (!judgement.accepted || older)
            (void)snprintf(f->out->refused, sizeof f->out->refused, "%s",
                           older && judgement.accepted
                               ? "a signed version was here before, and this is none of a known key"
                               : judgement.why);
        else if (is_better(f, body, &judgement))
            f->status = keep(f, body, signature, &judgement, &manifest);
    }
    kw_manifest_free(&manifest);
}

static kw_status from_index(void *user, const kw_index_manifest *m, kw_error *err)
{
    finding *const f = user;
    consider(f, m->body, m->signature);
    return f->status == KW_OK ? KW_OK : kw_fail(err, f->status, "no memory for a manifest");
}

static void from_peer(void *user, const kw_registry_answer *answer)
{
    consider(user, answer->manifest, answer->signature);
}

static bool still(void *user)
{
    (void)user;
    return !kw_interrupt_seen();
}

static kw_status ask_peers(finding *f, kw_error *err)
{
    const kw_manifest_search *const s = f->search;
    kw_registry_question question = {.by = KW_REGISTRY_BY_NAME};
    if (!s->ask || !kw_model_name_ok(kw_str_from(s->model)))
        return KW_OK;
    (void)snprintf(question.name, sizeof question.name, "%s", s->model);
    uint8_t network[32];
    const uint8_t *psk;
    KW_TRY(kw_owner_network(s->home->dir, network, &psk, err));
    const kw_registry_lookup lookup = {.agent = "kwaai/" KW_VERSION,
                                       .psk = psk,
                                       .peers = s->peers,
                                       .n_peers = s->n_peers,
                                       .local = s->local,
                                       .question = &question,
                                       .wait_ms = s->wait_ms,
                                       .reputation = s->home->node,
                                       .answer = from_peer,
                                       .still = still,
                                       .user = f};
    f->in_index = false;
    kw_cli_progress(s->cli, "%s: asking peers for its manifest", s->model);
    const kw_status status = kw_registry_look_up(&lookup, &f->out->n_peers, err);
    kw_cli_progress_end(s->cli);
    KW_TRY(status);
    return f->status == KW_OK ? KW_OK : kw_fail(err, f->status, "no memory for a manifest");
}

static kw_status find(finding *f, kw_error *err)
{
    const kw_manifest_search *const s = f->search;
    KW_TRY(kw_index_seen_version(s->index, s->model, &f->seen, err));
    f->in_index = true;
    KW_TRY(kw_index_each_manifest(s->index, s->model, NULL, from_index, f, err));
    KW_TRY(ask_peers(f, err));
    kw_pull_manifest *const out = f->out;
    if (out->stated)
        return KW_OK;
    const kw_signed nothing = {.model = s->model};
    kw_trust_judge(&f->trust, &nothing, &out->judgement);
    if (out->judgement.accepted)
        return KW_OK;
    return kw_fail(err, KW_E_ARG, "refused by the trust file (%s): %.300s",
                   kw_policy_name(out->judgement.policy),
                   out->refused[0] ? out->refused : out->judgement.why);
}

kw_status kw_pull_manifest_find(const kw_manifest_search *search, kw_pull_manifest *out,
                                kw_error *err)
{
    finding f = {.search = search, .out = out};
    bool there;
    *out = (kw_pull_manifest){0};
    KW_TRY(kw_cli_trust(search->home, &f.trust, &there, err));
    const kw_status status = find(&f, err);
    kw_trust_free(&f.trust);
    if (status != KW_OK)
        kw_pull_manifest_free(out);
    return status;
}

void kw_pull_manifest_free(kw_pull_manifest *manifest)
{
    kw_buf_free(&manifest->body);
    kw_buf_free(&manifest->signature);
    kw_manifest_free(&manifest->manifest);
    *manifest = (kw_pull_manifest){0};
}

/* ---- what it says ---- */

static void fill(const kw_manifest_file *from, kw_listed *file)
{
    memcpy(file->sha256, from->sha256, 32);
    file->has_sha256 = true;
    if (from->sized)
        file->size = from->size;
    if (from->rooted && !file->has_root) {
        file->root = from->root;
        file->has_root = true;
    }
}

kw_status kw_pull_manifest_list(const kw_pull_manifest *m, const char *model, const char *file,
                                kw_listing *out, kw_error *err)
{
    if (!m->stated && m->refused[0])
        return kw_fail(err, KW_E_ARG, "%s: %.300s", model, m->refused);
    if (!m->stated)
        return kw_fail(err, KW_E_NOTFOUND,
                       "%s: its manifest is not here, and %zu peers that were met do not have it",
                       model, m->n_peers);
    if (m->conflict)
        return kw_fail(err, KW_E_ARG,
                       "%s: peers have different manifests of it, and none is signed by a key of "
                       "the trust file",
                       model);
    for (size_t i = 0; i < m->manifest.n_files; i++) {
        kw_listed *listed;
        KW_TRY(kw_listing_add(out, kw_str_from(m->manifest.files[i].name), &listed, err));
        fill(&m->manifest.files[i], listed);
    }
    return file[0] ? kw_listing_choose(out, file, err) : KW_OK;
}

kw_status kw_pull_manifest_apply(const kw_pull_manifest *m, kw_listing *listing, kw_error *err)
{
    for (size_t i = 0; m->stated && i < listing->n; i++) {
        kw_listed *const file = &listing->files[i];
        const kw_manifest_file *const said = kw_manifest_find(&m->manifest, file->name);
        const bool same = said && file->has_sha256 && memcmp(said->sha256, file->sha256, 32) == 0;
        if (same || (said && !file->has_sha256 && m->believed))
            fill(said, file);
        else if (m->believed)
            return kw_fail(err, KW_E_ARG, "%s: %s the manifest of %s", file->name,
                           said ? "not the content of" : "not in", m->manifest.model);
    }
    return KW_OK;
}

kw_status kw_pull_manifest_record(const kw_pull_manifest *m, kw_index *index, kw_error *err)
{
    if (!m->stated || m->recorded)
        return KW_OK;
    kw_index_manifest row = {.model = m->manifest.model,
                             .version = m->judgement.version,
                             .body = {m->body.data, m->body.len},
                             .signature = {m->signature.data, m->signature.len},
                             .time = (int64_t)time(NULL)};
    kw_sha256 hash;
    kw_sha256_init(&hash, kw_sha256_kernel(false));
    kw_sha256_update(&hash, m->body.data, m->body.len);
    kw_sha256_final(&hash, row.sha256);
    return kw_index_put_manifest(index, &row, err);
}
