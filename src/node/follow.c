/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* follow.c - looking for what followed publishers have. See follow.h.
 *
 * A look goes through the keys: search who knows the publisher, collect what is newer than what is
 * here, then ask for one manifest after the other and take its files. */
#include "node/follow.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "node/follow_job.h"

#define FIRST_MS 1000
#define LOOK_MS 30000
#define PATIENCE_S 120 /* without a byte, and the model is left for a later look */
#define WANTS_MAX 64   /* newer models of one publisher in one look */
#define WANT_PEERS 8   /* who has them */
#define OF_PEER_MAX                                                                                \
    8                 /* wants that one peer brings: lists are claims, and made-up ones are long   \
                       */
#define FAILED_MAX 64 /* manifests that are left alone for a while */
#define FAILED_MS (600 * 1000)

typedef struct wanted {
    kw_registry_entry entry;
    kw_peer_id peers[WANT_PEERS];
    size_t n_peers, n_asked;
    bool done;
} wanted;

typedef struct failed {
    kw_registry_entry entry;
    uint64_t until_ms;
} failed;

struct kw_follow {
    kw_follow_config config;
    kw_timer *timer;
    kw_trust list, trust;
    bool has_trust, looking, again;
    size_t key; /* whom the look is at */
    kw_registry_search *search;
    wanted wants[WANTS_MAX];
    size_t n_wants, want;
    kw_registry_ask *ask;
    kw_follow_job *job;
    failed failed[FAILED_MAX];
    size_t n_failed;
    kw_follow_info info;
};

static kw_loop *loop_of(const kw_follow *f)
{
    return f->config.loop;
}

static void next_want(kw_follow *f);
static void next_key(kw_follow *f);

/* ---- what failed ---- */

/* A name with another's manifest says nothing of either. */
static bool is_same(const kw_registry_entry *a, const kw_registry_entry *b)
{
    return memcmp(a->sha256, b->sha256, sizeof a->sha256) == 0 && strcmp(a->name, b->name) == 0;
}

static bool is_failed(const kw_follow *f, const kw_registry_entry *entry)
{
    const uint64_t now = kw_loop_now(loop_of(f));
    for (size_t i = 0; i < KW_MIN(f->n_failed, (size_t)FAILED_MAX); i++)
        if (is_same(&f->failed[i].entry, entry) && now < f->failed[i].until_ms)
            return true;
    return false;
}

static void fail(kw_follow *f, const wanted *w, const kw_error *err)
{
    failed *const place = &f->failed[f->n_failed++ % FAILED_MAX];
    place->entry = w->entry;
    place->until_ms = kw_loop_now(loop_of(f)) + FAILED_MS;
    f->info.n_refused++;
    kw_log_print(f->config.log, KW_LOG_WARN, "not taken: %s", err->message);
}

/* ---- fetching ---- */

/* What the look knows besides of a model that has come is older. */
static void drop_older(kw_follow *f)
{
    for (size_t i = 0; i < f->n_wants; i++)
        if (strcmp(f->wants[i].entry.name, f->wants[f->want].entry.name) == 0)
            f->wants[i].done = true;
}

/* A forged signature hides no manifest: the next peer may have the good one. */
static void end_job(kw_follow *f, kw_status status, const kw_error *err)
{
    wanted *const w = &f->wants[f->want];
    kw_follow_job *const job = f->job;
    f->job = NULL;
    f->info.fetching[0] = '\0';
    w->done = status != KW_E_FORMAT;
    if (status == KW_OK) {
        f->info.n_fetched++;
        drop_older(f);
        kw_log_print(f->config.log, KW_LOG_INFO, "%s is here, version %llu", job->manifest.model,
                     (unsigned long long)job->version);
    } else if (status == KW_E_FORMAT) {
        kw_log_print(f->config.log, KW_LOG_WARN, "not taken: %s", err->message);
        kw_guard_report(f->config.guard, &w->peers[w->n_asked - 1], KW_CONDUCT_MALFORMED);
    } else if (status != KW_E_CANCELLED) {
        fail(f, w, err);
    }
    kw_follow_job_free(job);
    next_want(f);
}

static void fetch_next(kw_follow *f);

static void on_fetched(void *user, kw_status status, const char *why)
{
    kw_follow *const f = user;
    kw_error err = {0};
    if (status == KW_OK) {
        f->job->n_fetched++;
        fetch_next(f);
        return;
    }
    if (status == KW_E_FORMAT)
        status = KW_E_IO; /* of the file, not of the manifest */
    end_job(f, kw_fail(&err, status, "%s: %.200s", f->job->manifest.model, why), &err);
}

static void fetch_next(kw_follow *f)
{
    kw_listed file;
    kw_error err = {0};
    const kw_pulls_order order = {.model = f->job->manifest.model,
                                  .file = &file,
                                  .patience_s = PATIENCE_S,
                                  .done = on_fetched,
                                  .user = f};
    const bool more = kw_follow_next(f->job, &file);
    const kw_status status =
        more ? kw_pulls_fetch(f->config.pulls, &order, &err) : kw_follow_record(f->job, &err);
    if (!more || status != KW_OK)
        end_job(f, status, &err);
}

static kw_status make_job(kw_follow *f, const kw_registry_answer *answer, kw_error *err)
{
    const kw_follow_config *const config = &f->config;
    f->job = calloc(1, sizeof *f->job);
    if (!f->job)
        return kw_fail(err, KW_E_NOMEM, "follow: no memory");
    f->job->index = config->index;
    f->job->store = config->store;
    f->job->cap_bytes = config->cap_bytes;
    return kw_follow_accept(f->job, &f->wants[f->want].entry, answer, &f->list.keys[f->key],
                            f->has_trust ? &f->trust : NULL, err);
}

static void on_manifest(void *user, kw_status status, const kw_registry_answer *answer)
{
    kw_follow *const f = user;
    const char *const name = f->wants[f->want].entry.name;
    kw_error err = {0};
    f->ask = NULL;
    if (status != KW_OK) {
        next_want(f); /* of the next peer that has it */
        return;
    }
    status = make_job(f, answer, &err);
    if (status != KW_OK) {
        end_job(f, status, &err);
        return;
    }
    memcpy(f->info.fetching, name, strlen(name) + 1);
    kw_log_print(f->config.log, KW_LOG_INFO, "fetching %s of %s", name, f->list.keys[f->key].name);
    fetch_next(f);
}

/* The newest first, by what is claimed: a version that is made up has no manifest, and what is
 * behind it comes next. */
static bool pick_want(kw_follow *f)
{
    bool found = false;
    for (size_t i = 0; i < f->n_wants; i++) {
        const wanted *const w = &f->wants[i];
        if (w->done || (found && w->entry.version <= f->wants[f->want].entry.version))
            continue;
        f->want = i;
        found = true;
    }
    return found;
}

/* Asks for the manifest of the want under way, or of the next one that somebody may have. */
static void next_want(kw_follow *f)
{
    while (pick_want(f)) {
        wanted *const w = &f->wants[f->want];
        kw_registry_question question = {.by = KW_REGISTRY_BY_MANIFEST};
        memcpy(question.sha256, w->entry.sha256, 32);
        if (w->n_asked == w->n_peers) {
            w->done = true;
            continue;
        }
        if (kw_registry_ask_peer(f->config.registry, &w->peers[w->n_asked++], &question,
                                 on_manifest, f, &f->ask, NULL) == KW_OK)
            return;
        f->ask = NULL;
    }
    f->key++;
    next_key(f);
}

/* ---- looking ---- */

static void add_peer(wanted *w, const kw_peer_id *peer)
{
    if (w->n_peers < WANT_PEERS)
        w->peers[w->n_peers++] = *peer;
}

/* Of a key that policies of the list name, their models alone. */
static bool is_followed(const kw_follow *f, const char *model)
{
    bool named;
    return kw_trust_names(&f->list, &f->list.keys[f->key], model, &named) || !named;
}

/* Whether it became a new want. */
static bool take_entry(kw_follow *f, const kw_registry_entry *entry, const kw_peer_id *from)
{
    uint64_t seen;
    if (!is_followed(f, entry->name) || is_failed(f, entry) ||
        kw_index_seen_version(f->config.index, entry->name, &seen, NULL) != KW_OK ||
        entry->version <= seen)
        return false;
    for (size_t i = 0; i < f->n_wants; i++) {
        if (is_same(&f->wants[i].entry, entry)) {
            add_peer(&f->wants[i], from);
            return false;
        }
    }
    if (f->n_wants == WANTS_MAX)
        return false; /* a later look has room */
    wanted *const w = &f->wants[f->n_wants++];
    *w = (wanted){.entry = *entry};
    add_peer(w, from);
    return true;
}

static void on_list(void *user, const kw_peer_id *from, const kw_registry_answer *answer)
{
    kw_registry_entry entry;
    size_t at = 0, n = 0;
    while (n < OF_PEER_MAX && kw_registry_next(answer, &at, &entry))
        n += take_entry(user, &entry, from);
}

static void on_idle(void *user)
{
    kw_follow *const f = user;
    kw_registry_search_close(f->search);
    f->search = NULL;
    next_want(f);
}

static void end_look(kw_follow *f)
{
    f->looking = false;
    kw_timer_set(f->timer, f->again ? 0 : LOOK_MS, 0);
    f->again = false;
}

static void next_key(kw_follow *f)
{
    static const kw_registry_search_events events = {.answer = on_list, .idle = on_idle};
    for (; f->key < f->list.n_keys; f->key++) {
        kw_registry_question question = {.by = KW_REGISTRY_BY_PUBLISHER};
        memcpy(question.publisher, f->list.keys[f->key].key.id, KW_KEY_ID_LEN);
        f->n_wants = 0;
        if (kw_registry_search_open(f->config.registry, f->config.kad, &question, &events, f,
                                    &f->search, NULL) == KW_OK)
            return;
        f->search = NULL;
    }
    end_look(f);
}

/* Reads the two files anew. A trust file that cannot be read allows nothing. */
static kw_status read_files(kw_follow *f, kw_error *err)
{
    bool there;
    kw_trust_free(&f->list);
    kw_trust_free(&f->trust);
    f->has_trust = false;
    KW_TRY(kw_trust_read(f->config.list, &f->list, &there, err));
    return f->config.trust ? kw_trust_read(f->config.trust, &f->trust, &f->has_trust, err) : KW_OK;
}

static void look(void *user)
{
    kw_follow *const f = user;
    kw_error err = {0};
    f->looking = true;
    f->key = 0;
    if (read_files(f, &err) != KW_OK) {
        kw_log_print(f->config.log, KW_LOG_WARN, "nobody is followed: %s", err.message);
        kw_trust_free(&f->list);
    }
    f->info.n_keys = f->list.n_keys;
    next_key(f);
}

void kw_follow_look(kw_follow *f)
{
    if (f->looking)
        f->again = true;
    else
        kw_timer_set(f->timer, 0, 0);
}

kw_status kw_follow_open(const kw_follow_config *config, kw_follow **out, kw_error *err)
{
    kw_follow *f = calloc(1, sizeof *f);
    if (!f)
        return kw_fail(err, KW_E_NOMEM, "follow: no memory");
    f->config = *config;
    const kw_status status = kw_timer_open(loop_of(f), look, f, &f->timer, err);
    if (status != KW_OK) {
        free(f);
        return status;
    }
    kw_timer_set(f->timer, FIRST_MS, 0);
    *out = f;
    return KW_OK;
}

void kw_follow_close(kw_follow *f)
{
    if (!f)
        return;
    kw_timer_close(f->timer);
    if (f->search)
        kw_registry_search_close(f->search);
    if (f->ask)
        kw_registry_cancel(f->ask);
    kw_pulls_leave(f->config.pulls, f);
    kw_follow_job_free(f->job);
    kw_trust_free(&f->list);
    kw_trust_free(&f->trust);
    free(f);
}

void kw_follow_get_info(const kw_follow *f, kw_follow_info *out)
{
    *out = f->info;
}
