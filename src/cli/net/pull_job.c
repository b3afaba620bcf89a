/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pull_job.c - from a name to files and their sources. */
#include "cli/net/pull_job.h"

#include "base/sha256.h"
#include "cli/interrupt.h"
#include "cli/net/fetch_progress.h"
#include "cli/net/gguf_order.h"
#include "cli/net/node_pull.h"
#include "cli/net/owner.h"
#include "cli/net/pull_routes.h"
#include "hub/gateway.h"
#include "hub/listing.h"
#include "hub/pull.h"
#include "hub/web_source.h"
#include "node/peers_source.h"
#include "os/system.h"

#include <kwaai/kwaai.h>

#include <stdlib.h>
#include <string.h>

#define GATEWAYS_MAX 8
#define USUAL_GATEWAY "https://trustless-gateway.link"
#define PEERS_MAX 16
#define MANIFEST_MS 20000    /* for peers to have the manifest, when they alone can */
#define MANIFEST_HUB_MS 3000 /* when a hub can say which files there are */

static const struct {
    const char *name;
    unsigned bit;
} places[] = {{"cache", KW_FROM_CACHE_BIT},
              {"peers", KW_FROM_PEERS_BIT},
              {"ipfs", KW_FROM_IPFS_BIT},
              {"http", KW_FROM_HTTP_BIT}};

/* ---- what the name means ---- */

/* 64 hex digits, perhaps behind "sha256:". */
static kw_status parse_sha256(const char *text, uint8_t out[32], kw_error *err)
{
    const char *digits = strncmp(text, "sha256:", 7) == 0 ? text + 7 : text;
    uint8_t value[32] = {0};
    size_t n = 0;
    for (; n < 64 && digits[n]; n++) {
        const char c = (char)(digits[n] | 0x20);
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            break;
        value[n / 2] = (uint8_t)(value[n / 2] << 4 | digit);
    }
    if (n != 64 || digits[64])
        return kw_fail(err, KW_E_ARG, "--sha256 is \"%.80s\": 64 hexadecimal digits", text);
    memcpy(out, value, 32);
    return KW_OK;
}

static bool still(void *user)
{
    (void)user;
    return !kw_interrupt_seen();
}

static kw_status list_url(kw_pull_job *j, kw_error *err)
{
    const char *const sha256 = j->cli->parsed.options.sha256;
    kw_listed *file;
    KW_TRY(kw_listing_add(&j->listing, kw_str_from(j->ref.file), &file, err));
    memcpy(file->url, j->ref.url, sizeof(file->url));
    if (sha256) {
        KW_TRY(parse_sha256(sha256, file->sha256, err));
        file->has_sha256 = true;
    }
    return KW_OK;
}

static kw_status list_root(kw_pull_job *j, kw_error *err)
{
    kw_listed *file;
    kw_cid root;
    if (kw_cid_parse(kw_str_from(j->ref.repo), &root, NULL) != KW_OK)
        return kw_fail(err, KW_E_ARG, "\"%.100s\" is not a CID", j->ref.repo);
    const bool inside = j->ref.file[0] != 0;
    KW_TRY(
        kw_listing_add(&j->listing, kw_str_from(inside ? j->ref.file : j->ref.repo), &file, err));
    file->root = root;
    file->has_root = true;
    file->inside = inside;
    return KW_OK;
}

/* The token of Hugging Face; its own program reads the same variable. */
static const char *token_of(const kw_pull_job *j)
{
    const char *const token = j->ref.kind == KW_REF_HUGGINGFACE ? j->cli->env("HF_TOKEN") : NULL;
    return token && token[0] ? token : NULL;
}

/* Where lists of files are asked for; NULL: where the name says. */
static const char *endpoint_of(const kw_pull_job *j)
{
    const char *const named = j->cli->parsed.options.endpoint;
    const char *const hub = j->ref.kind == KW_REF_HUGGINGFACE ? j->cli->env("HF_ENDPOINT") : NULL;
    return named ? named : hub && hub[0] ? hub : NULL;
}

/* The files that the name means, as who keeps them says. */
static kw_status list_origin(kw_pull_job *j, kw_error *err)
{
    const kw_options *const o = &j->cli->parsed.options;
    switch (j->ref.kind) {
    case KW_REF_URL:
        return list_url(j, err);
    case KW_REF_HUGGINGFACE:
    case KW_REF_OLLAMA: {
        const kw_listing_source with = {.web = j->web,
                                        .endpoint = endpoint_of(j),
                                        .token = token_of(j),
                                        .revision = o->revision,
                                        .still = still};
        return kw_resolve_listing(&with, &j->ref, &j->listing, err);
    }
    case KW_REF_IPFS:
        return list_root(j, err);
    }
    return kw_fail(err, KW_E_INTERNAL, "a reference of kind %d", (int)j->ref.kind);
}

static kw_status parse_peers(const kw_pull_job *j, kw_multiaddr out[PEERS_MAX], size_t *n,
                             kw_error *err)
{
    const kw_text_list *const texts = &j->cli->parsed.options.peers;
    if (texts->n > PEERS_MAX)
        return kw_fail(err, KW_E_ARG, "--peer %zu times (at most %d)", texts->n, PEERS_MAX);
    for (*n = 0; *n < texts->n; ++*n)
        KW_TRY(kw_cli_parse_addr(texts->items[*n], &out[*n], err));
    return KW_OK;
}

/* Whether the name is one of a hub, which peers may know a model by too. */
static bool is_named(const kw_pull_job *j)
{
    return j->ref.kind == KW_REF_HUGGINGFACE || j->ref.kind == KW_REF_OLLAMA;
}

/* The manifest that is known of the model, here or among peers. */
static kw_status find_manifest(kw_pull_job *j, kw_error *err)
{
    kw_multiaddr peers[PEERS_MAX + 1];
    kw_manifest_search search = {.cli = j->cli,
                                 .home = &j->home,
                                 .index = j->index,
                                 .model = j->ref.model,
                                 .peers = peers,
                                 .local = j->cli->parsed.options.local,
                                 .wait_ms =
                                     j->from & KW_FROM_HTTP_BIT ? MANIFEST_HUB_MS : MANIFEST_MS};
    KW_TRY(parse_peers(j, peers, &search.n_peers, err));
    /* Through the node that runs here all can be found whom it knows. */
    if (is_named(j) && (j->from & KW_FROM_PEERS_BIT) &&
        kw_node_addr(j->home.dir, &peers[search.n_peers]))
        search.n_peers++;
    search.ask =
        is_named(j) && (j->from & KW_FROM_PEERS_BIT) && (search.n_peers > 0 || search.local);
    KW_TRY(kw_pull_manifest_find(&search, &j->manifest, err));
    const kw_judgement *const judged = &j->manifest.judgement;
    if (j->manifest.stated && judged->reason != KW_TRUST_NOT_ASKED)
        kw_cli_note(j->cli, "%s: %s", j->ref.model, judged->why);
    return KW_OK;
}

/* The files to fetch: a hub's list where one may be asked, else the manifest's. */
static kw_status list_files(kw_pull_job *j, kw_error *err)
{
    KW_TRY(find_manifest(j, err));
    const bool hub = !is_named(j) || (j->from & KW_FROM_HTTP_BIT);
    const kw_status status = hub ? list_origin(j, err) : KW_E_IO;
    if (status == KW_OK)
        return kw_pull_manifest_apply(&j->manifest, &j->listing, err);
    if (hub && (status != KW_E_IO || !j->manifest.believed))
        return status;
    kw_listing_free(&j->listing);
    j->manifest_lists = true;
    return kw_pull_manifest_list(&j->manifest, j->ref.model,
                                 j->ref.kind == KW_REF_OLLAMA ? "" : j->ref.file, &j->listing, err);
}

/* ---- what is here already ---- */

typedef struct search {
    kw_pull_job *job;
    const kw_listed *file;
    kw_buf *path;
    uint8_t sha256[32];
    uint64_t size;
    bool found;
} search;

/* Whether this file has the content; one that only claims it is hashed. */
static kw_status take_row(void *user, const kw_index_row *row, kw_error *err)
{
    search *const s = user;
    uint8_t sha256[32];
    if (s->found || (!s->file->has_sha256 && !row->hashed))
        return KW_OK;
    memcpy(sha256, row->sha256, 32);
    if (!row->hashed) {
        kw_file_hash hash;
        if (kw_cli_hash(s->job->cli, s->job->index, row, true, &hash, err) != KW_OK)
            return kw_interrupt_seen() ? KW_E_CANCELLED : KW_OK;
        memcpy(sha256, hash.sha256, 32);
        kw_file_hash_free(&hash);
    }
    s->found = !s->file->has_sha256 || memcmp(sha256, s->file->sha256, 32) == 0;
    if (s->found) {
        memcpy(s->sha256, sha256, 32);
        s->size = row->state.size;
        s->path->len = 0;
        kw_buf_printf(s->path, "%s", row->path);
    }
    return KW_OK;
}

kw_status kw_pull_job_find(kw_pull_job *j, const kw_listed *file, kw_buf *path,
                           kw_fetch_result *result, bool *found, kw_error *err)
{
    search s = {.job = j, .file = file, .path = path};
    const bool rooted = file->has_root && !file->inside;
    const kw_index_query query = {.sha256 = file->has_sha256 ? file->sha256 : NULL,
                                  .root = file->has_sha256 ? NULL : &file->root};
    *found = false;
    if ((!file->has_sha256 && !rooted) || !(j->from & KW_FROM_CACHE_BIT))
        return KW_OK;
    KW_TRY(kw_index_each(j->index, &query, take_row, &s, err));
    *found = s.found;
    memcpy(result->sha256, s.sha256, 32);
    result->size = s.size;
    return kw_buf_status(path, err);
}

/* ---- fetching ---- */

/* The node that runs here fetches it, and shares it meanwhile. */
static kw_status pull_by_node(kw_pull_job *j, const kw_listed *file, kw_buf *path,
                              kw_fetch_result *result, bool *there, kw_error *err)
{
    const kw_options *const o = &j->cli->parsed.options;
    const char *const usual[] = {USUAL_GATEWAY};
    const kw_text_list otherwise = {.items = (const char **)(uintptr_t)usual, .n = 1}, none = {0};
    const kw_node_pull pull = {.dir = j->home.dir,
                               .model = j->ref.model,
                               .file = file,
                               .http = (j->from & KW_FROM_HTTP_BIT) != 0,
                               .bytes_per_s = j->config.bytes_per_s,
                               .peers = &o->peers,
                               .gateways = !(j->from & KW_FROM_IPFS_BIT) ? &none
                                           : o->gateways.n               ? &o->gateways
                                                                         : &otherwise,
                               .routed = &j->routed,
                               .progress = j->config.progress,
                               .user = j->config.user};
    return kw_node_pull_run(&pull, path, result, there, err);
}

kw_status kw_pull_job_fetch(kw_pull_job *j, const kw_listed *file, kw_buf *path,
                            kw_fetch_result *result, bool *there, kw_error *err)
{
    if (j->by_node && file->has_root)
        return pull_by_node(j, file, path, result, there, err);
    return kw_pull_file(&j->config, j->ref.model, file, path, result, there, err);
}

/* What the sources are made of, for the time of a pull. */
struct kw_origins {
    kw_web_source web;
    kw_gateway gateways[GATEWAYS_MAX + KW_ROUTED_GATEWAYS + 1];
    kw_peers_source *peers; /* owned */
    kw_source sources[GATEWAYS_MAX + KW_ROUTED_GATEWAYS + 3];
    const kw_source *list[GATEWAYS_MAX + KW_ROUTED_GATEWAYS + 3];
    size_t n, n_gateways;
};

/* Other nodes, where a file has a name that they know it by. */
static kw_status add_peers(kw_pull_job *j, struct kw_origins *o, kw_error *err)
{
    kw_multiaddr peers[PEERS_MAX + KW_ROUTED_PEERS];
    size_t n_peers;
    bool rooted = false;
    for (size_t i = 0; i < j->listing.n; i++)
        rooted = rooted || j->listing.files[i].has_root;
    /* A token is told to its site alone, and not to the node. */
    const bool secret = (j->from & KW_FROM_HTTP_BIT) && token_of(j);
    j->by_node = !j->alone && rooted && !secret && (j->from & KW_FROM_PEERS_BIT) &&
                 kw_node_pull_runs(j->home.dir);
    if (!rooted || !(j->from & KW_FROM_PEERS_BIT) || j->by_node)
        return KW_OK;
    KW_TRY(parse_peers(j, peers, &n_peers, err));
    memcpy(&peers[n_peers], j->routed.peers, j->routed.n_peers * sizeof(peers[0]));
    n_peers += j->routed.n_peers;
    uint8_t network[32];
    const uint8_t *psk;
    KW_TRY(kw_owner_network(j->home.dir, network, &psk, err));
    const kw_peers_config config = {.agent = "kwaai/" KW_VERSION,
                                    .psk = psk,
                                    .peers = peers,
                                    .n_peers = n_peers,
                                    .local = j->cli->parsed.options.local,
                                    .reputation = j->home.node,
                                    .sha_extension = j->config.sha_extension};
    KW_TRY(kw_peers_source_open(&config, &o->peers, err));
    o->sources[o->n++] = kw_peers_source_make(o->peers);
    return KW_OK;
}

static void add_gateway(kw_pull_job *j, struct kw_origins *o, const char *url)
{
    kw_gateway *const gateway = &o->gateways[o->n_gateways++];
    *gateway = (kw_gateway){.web = j->web, .url = url};
    o->sources[o->n++] = kw_gateway_make(gateway);
}

static kw_status make_sources(kw_pull_job *j, struct kw_origins *o, kw_error *err)
{
    const kw_text_list *const gateways = &j->cli->parsed.options.gateways;
    if (j->from & KW_FROM_IPFS_BIT)
        kw_pull_routes(j->cli, j->web, &j->listing, &j->routed);
    for (size_t i = 0; i < gateways->n && i < GATEWAYS_MAX && (j->from & KW_FROM_IPFS_BIT); i++)
        add_gateway(j, o, gateways->items[i]);
    KW_TRY(add_peers(j, o, err));
    for (size_t i = 0; i < j->routed.n_gateways; i++)
        add_gateway(j, o, j->routed.gateways[i]);
    if (gateways->n == 0 && (j->from & KW_FROM_IPFS_BIT))
        add_gateway(j, o, USUAL_GATEWAY);
    o->web = (kw_web_source){.web = j->web, .token = token_of(j)};
    if (j->from & KW_FROM_HTTP_BIT)
        o->sources[o->n++] = kw_web_source_make(&o->web);
    for (size_t i = 0; i < o->n; i++)
        o->list[i] = &o->sources[i];
    return KW_OK;
}

/* "cache,http" */
static kw_status parse_from(const char *text, unsigned *out, kw_error *err)
{
    unsigned bits = 0;
    for (const char *at = text;; at++) {
        const size_t len = strcspn(at, ",");
        unsigned bit = 0;
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
            if (strlen(places[i].name) == len && memcmp(places[i].name, at, len) == 0)
                bit = places[i].bit;
        }
        if (bit == 0)
            return kw_fail(err, KW_E_ARG, "--from is \"%.60s\": a list of cache, peers, ipfs, http",
                           text);
        bits |= bit;
        at += len;
        if (!*at)
            break;
    }
    *out = bits;
    return KW_OK;
}

static kw_status read_options(kw_pull_job *j, const char *name, kw_error *err)
{
    const kw_options *const o = &j->cli->parsed.options;
    KW_TRY(kw_reference_parse(kw_str_from(name), &j->ref, err));
    if (o->limit_rate)
        KW_TRY(kw_parse_rate("limit-rate", o->limit_rate, &j->config.bytes_per_s, err));
    if (o->sha256 && j->ref.kind != KW_REF_URL)
        return kw_fail(err, KW_E_ARG, "--sha256 is of the file at a URL");
    KW_TRY(parse_from(o->from, &j->from, err));
    if (o->offline)
        j->from = KW_FROM_CACHE_BIT;
    return KW_OK;
}

kw_status kw_pull_job_open(kw_cli *cli, const char *name, kw_pull_job *j, kw_error *err)
{
    char agent[64];
    kw_system system;
    *j = (kw_pull_job){.cli = cli};
    KW_TRY(read_options(j, name, err));
    KW_TRY(kw_home_open(cli, true, &j->home, err));
    KW_TRY(kw_cli_open_index(&j->home, &j->index, err));
    if (j->from == KW_FROM_CACHE_BIT)
        return KW_OK;
    kw_system_query(&system);
    j->config.store = j->home.store;
    j->config.sha_extension = (system.features & KW_CPU_SHA) != 0;
    j->config.rank = kw_gguf_order;
    (void)snprintf(agent, sizeof(agent), "kwaai/%s", kw_version());
    return kw_web_open(agent, &j->web, err);
}

kw_status kw_pull_job_list(kw_pull_job *j, kw_error *err)
{
    KW_TRY(list_files(j, err));
    j->origins = calloc(1, sizeof(*j->origins));
    if (!j->origins)
        return kw_fail(err, KW_E_NOMEM, "pull: no memory for its sources");
    KW_TRY(make_sources(j, j->origins, err));
    j->config.sources = j->origins->list;
    j->config.n_sources = j->origins->n;
    return KW_OK;
}

void kw_note_unknown(kw_cli *cli, const kw_listed *file, const kw_fetch_result *result)
{
    char hex[65];
    if (file->has_sha256 || file->has_root)
        return;
    kw_sha256_hex(result->sha256, hex);
    kw_cli_note(cli, "nothing said what its content must be; its SHA-256 is %s", hex);
}

kw_status kw_pull_job_record(kw_pull_job *j, kw_error *err)
{
    const bool keep = j->manifest.believed || j->manifest_lists;
    return keep ? kw_pull_manifest_record(&j->manifest, j->index, err) : KW_OK;
}

void kw_pull_job_name(const kw_pull_job *j, char out[2 * KW_REF_NAME_MAX + 2])
{
    const bool with_file = j->ref.file[0] && j->ref.kind != KW_REF_OLLAMA;
    (void)snprintf(out, 2 * KW_REF_NAME_MAX + 2, "%s%s%s", j->ref.model, with_file ? ":" : "",
                   with_file ? j->ref.file : "");
}

void kw_pull_job_close(kw_pull_job *j)
{
    if (j->origins)
        kw_peers_source_close(j->origins->peers);
    free(j->origins);
    if (j->web)
        kw_web_close(j->web);
    if (j->index)
        kw_index_close(j->index);
    kw_home_close(&j->home);
    kw_listing_free(&j->listing);
    kw_pull_manifest_free(&j->manifest);
    *j = (kw_pull_job){0};
}
