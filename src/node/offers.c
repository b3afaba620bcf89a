/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* offers.c - what the index offers, in the DHT. See offers.h.
 *
 * What was told is remembered by the manifest's SHA-256: a manifest that is replaced or removed is
 * told no more. Records of it that others keep expire. */
#include "node/offers.h"

#include "base/check.h"
#include "hub/manifest.h"
#include "node/registry_message.h"

#include <stdlib.h>

#define LOOK_MS 5000

typedef struct told {
    char name[KW_MODEL_NAME_MAX + 1];
    uint8_t sha256[32];
    bool still; /* seen in the walk under way */
} told;

struct kw_offers {
    kw_kad *kad;
    kw_index *index;
    kw_timer *timer;
    told *told;
    size_t n, cap;
};

static void tell_key(kw_offers *o, const kw_registry_question *about)
{
    uint8_t key[KW_REGISTRY_KEY_LEN];
    kw_kad_query *query;
    kw_registry_key(about, key);
    (void)kw_kad_provide(o->kad, (kw_bytes){key, sizeof key}, NULL, NULL, &query, NULL);
}

static void untell_key(kw_offers *o, const kw_registry_question *about)
{
    uint8_t key[KW_REGISTRY_KEY_LEN];
    kw_registry_key(about, key);
    kw_kad_unprovide(o->kad, (kw_bytes){key, sizeof key});
}

/* The two questions that are about this manifest alone. */
static void about_manifest(const told *t, kw_registry_question *by_name,
                           kw_registry_question *by_manifest)
{
    *by_name = (kw_registry_question){.by = KW_REGISTRY_BY_NAME};
    *by_manifest = (kw_registry_question){.by = KW_REGISTRY_BY_MANIFEST};
    memcpy(by_name->name, t->name, sizeof t->name);
    memcpy(by_manifest->sha256, t->sha256, 32);
}

static kw_status tell_files(void *user, const kw_index_manifest *m, kw_error *err)
{
    kw_offers *const o = user;
    kw_manifest manifest;
    (void)err;
    if (kw_manifest_get(m->body, &manifest, NULL) != KW_OK)
        return KW_OK;
    for (size_t i = 0; i < manifest.n_files; i++) {
        uint8_t key[KW_CID_MAX];
        kw_kad_query *query;
        if (!manifest.files[i].rooted)
            continue;
        const kw_bytes multihash = {key, kw_cid_multihash(&manifest.files[i].root, key)};
        (void)kw_kad_provide(o->kad, multihash, NULL, NULL, &query, NULL);
    }
    kw_manifest_free(&manifest);
    return KW_OK;
}

static void tell(kw_offers *o, const told *t, kw_str signature)
{
    kw_registry_question by_name, by_manifest;
    kw_registry_question by_publisher = {.by = KW_REGISTRY_BY_PUBLISHER};
    kw_signature read;
    about_manifest(t, &by_name, &by_manifest);
    tell_key(o, &by_name);
    tell_key(o, &by_manifest);
    if (signature.len > 0 && kw_signature_get(signature, &read, NULL) == KW_OK) {
        memcpy(by_publisher.publisher, read.id, KW_KEY_ID_LEN);
        tell_key(o, &by_publisher);
    }
    (void)kw_index_each_manifest(o->index, t->name, NULL, tell_files, o, NULL);
}

static kw_status take_offer(void *user, const kw_index_manifest *m, kw_error *err)
{
    kw_offers *const o = user;
    if (strlen(m->model) > KW_MODEL_NAME_MAX)
        return KW_OK;
    for (size_t i = 0; i < o->n; i++) {
        if (memcmp(o->told[i].sha256, m->sha256, 32) == 0) {
            o->told[i].still = true;
            return KW_OK;
        }
    }
    if (o->n == o->cap) {
        const size_t cap = KW_MAX(2 * o->cap, (size_t)16);
        told *const grown = realloc(o->told, cap * sizeof *grown);
        if (!grown)
            return kw_fail(err, KW_E_NOMEM, "offers: no memory for %zu", cap);
        o->told = grown;
        o->cap = cap;
    }
    told *const t = &o->told[o->n++];
    *t = (told){.still = true};
    memcpy(t->name, m->model, strlen(m->model) + 1);
    memcpy(t->sha256, m->sha256, 32);
    tell(o, t, m->signature);
    return KW_OK;
}

/* Whether another manifest has this name now. */
static bool is_renewed(const kw_offers *o, const told *gone)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->told[i].still && strcmp(o->told[i].name, gone->name) == 0)
            return true;
    return false;
}

static void look(void *user)
{
    kw_offers *const o = user;
    for (size_t i = 0; i < o->n; i++)
        o->told[i].still = false;
    if (kw_index_each_offer(o->index, take_offer, o, NULL) != KW_OK)
        return; /* the next look tells what this one could not */
    for (size_t i = 0; i < o->n;) {
        if (o->told[i].still) {
            i++;
            continue;
        }
        kw_registry_question by_name, by_manifest;
        about_manifest(&o->told[i], &by_name, &by_manifest);
        untell_key(o, &by_manifest);
        if (!is_renewed(o, &o->told[i]))
            untell_key(o, &by_name);
        o->told[i] = o->told[--o->n];
    }
}

kw_status kw_offers_open(kw_loop *loop, kw_kad *kad, kw_index *index, kw_offers **out,
                         kw_error *err)
{
    kw_offers *o = calloc(1, sizeof *o);
    if (!o)
        return kw_fail(err, KW_E_NOMEM, "offers: no memory");
    *o = (kw_offers){.kad = kad, .index = index};
    const kw_status status = kw_timer_open(loop, look, o, &o->timer, err);
    if (status != KW_OK) {
        free(o);
        return status;
    }
    kw_timer_set(o->timer, 0, LOOK_MS);
    *out = o;
    return KW_OK;
}

void kw_offers_close(kw_offers *o)
{
    if (!o)
        return;
    kw_timer_close(o->timer);
    free(o->told);
    free(o);
}
