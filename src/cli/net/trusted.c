/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* trusted.c - judging the models that are here. */
#include "cli/net/trusted.h"

#include "os/file.h"

#include <stdlib.h>
#include <string.h>

kw_status kw_cli_read_text(const char *path, size_t limit, char **out, size_t *len, kw_error *err)
{
    kw_map map;
    *out = NULL;
    KW_TRY(kw_map_open(path, false, &map, err));
    kw_status status =
        map.len <= limit
            ? KW_OK
            : kw_fail(err, KW_E_LIMIT, "%s: %zu bytes, the limit is %zu", path, map.len, limit);
    if (status == KW_OK) {
        *out = malloc(map.len + 1);
        status = *out ? KW_OK : kw_fail(err, KW_E_NOMEM, "%s: no memory", path);
    }
    if (status == KW_OK) {
        if (map.len > 0)
            memcpy(*out, map.data, map.len);
        (*out)[map.len] = '\0';
        *len = map.len;
    }
    kw_map_close(&map);
    return status;
}

kw_status kw_cli_trust(const kw_home *home, kw_trust *out, bool *there, kw_error *err)
{
    return kw_trust_read(home->trust, out, there, err);
}

/* ---- one model ---- */

typedef struct judging {
    const kw_trust *trust;
    const char *model;
    kw_model_trust *out;
} judging;

static kw_status judge_manifest(void *user, const kw_index_manifest *m, kw_error *err)
{
    const judging *const j = user;
    (void)err;
    const kw_signed what = {j->model, m->body, m->signature, m->version};
    kw_trust_judge(j->trust, &what, &j->out->judgement);
    j->out->stated = kw_manifest_get(m->body, &j->out->manifest, NULL) == KW_OK;
    j->out->offered = m->offered;
    return KW_OK;
}

kw_status kw_cli_judge(kw_index *index, const kw_trust *trust, const char *model,
                       kw_model_trust *out, kw_error *err)
{
    judging j = {trust, model, out};
    const kw_signed nothing = {.model = model};
    *out = (kw_model_trust){0};
    kw_trust_judge(trust, &nothing, &out->judgement);
    return kw_index_each_manifest(index, model, NULL, judge_manifest, &j, err);
}

void kw_model_trust_free(kw_model_trust *trust)
{
    kw_manifest_free(&trust->manifest);
}

/* ---- before it runs ---- */

static kw_status allow_file(kw_cli *cli, kw_index *index, const kw_manifest *manifest,
                            const kw_index_row *row, kw_error *err)
{
    kw_file_hash hash;
    uint8_t sha256[32];
    const kw_manifest_file *const file = kw_manifest_find(manifest, row->file);
    if (!file)
        return kw_fail(err, KW_E_ARG, "%s: the manifest of %s does not list it", row->file,
                       row->model);
    KW_TRY(kw_cli_hash(cli, index, row, false, &hash, err));
    memcpy(sha256, hash.leaves ? hash.sha256 : row->sha256, 32);
    kw_file_hash_free(&hash);
    if (memcmp(sha256, file->sha256, 32) != 0)
        return kw_fail(err, KW_E_ARG, "%s: not the content that the manifest of %s says", row->file,
                       row->model);
    return KW_OK;
}

static kw_status allow_files(kw_cli *cli, kw_index *index, const kw_manifest *manifest,
                             const kw_found *found, kw_error *err)
{
    for (size_t i = 0; i < found->n; i++)
        KW_TRY(allow_file(cli, index, manifest, &found->rows[i], err));
    return KW_OK;
}

static kw_status allow_judged(kw_cli *cli, kw_index *index, const kw_model_trust *trust,
                              const kw_found *found, kw_error *err)
{
    const kw_judgement *const j = &trust->judgement;
    if (!j->accepted)
        return kw_fail(err, KW_E_ARG, "refused by the trust file (%s): %.300s",
                       kw_policy_name(j->policy), j->why);
    if (j->reason == KW_TRUST_NOT_ASKED)
        return KW_OK;
    if (j->reason != KW_TRUST_GOOD)
        kw_cli_note(cli, "%s", j->why);
    return trust->stated ? allow_files(cli, index, &trust->manifest, found, err) : KW_OK;
}

kw_status kw_cli_allow(kw_cli *cli, const kw_home *home, kw_index *index, const kw_found *found,
                       kw_error *err)
{
    kw_trust trust;
    kw_model_trust model;
    bool there;
    KW_TRY(kw_cli_trust(home, &trust, &there, err));
    kw_status status = KW_OK;
    if (there && found->n > 0) {
        status = kw_cli_judge(index, &trust, found->rows[0].model, &model, err);
        if (status == KW_OK)
            status = allow_judged(cli, index, &model, found, err);
        kw_model_trust_free(&model);
    }
    kw_trust_free(&trust);
    return status;
}
