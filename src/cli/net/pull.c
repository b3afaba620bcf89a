/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pull.c - kwaai pull: fetches a model into the store. */
#include "cli/commands.h"

#include "base/sha256.h"
#include "cli/interrupt.h"
#include "cli/net/fetch_progress.h"
#include "cli/net/gguf_order.h"
#include "cli/net/home.h"
#include "cli/net/node_pull.h"
#include "cli/net/owner.h"
#include "cli/net/pull_manifest.h"
#include "cli/net/pull_routes.h"
#include "hub/gateway.h"
#include "hub/listing.h"
#include "hub/pull.h"
#include "hub/web_source.h"
#include "node/peers_source.h"
#include "os/system.h"

#include <kwaai/kwaai.h>

#include <string.h>

#define GATEWAYS_MAX 8
#define USUAL_GATEWAY "https://trustless-gateway.link"

enum { FROM_CACHE = 1, FROM_PEERS = 2, FROM_IPFS = 4, FROM_HTTP = 8 };
#define PEERS_MAX 16
#define MANIFEST_MS 20000    /* for peers to have the manifest, when they alone can */
#define MANIFEST_HUB_MS 3000 /* when a hub can say which files there are */
static const struct {
    const char *name;
    unsigned bit;
} places[] = {
    {"cache", FROM_CACHE}, {"peers", FROM_PEERS}, {"ipfs", FROM_IPFS}, {"http", FROM_HTTP}};

typedef struct job {
    kw_cli *cli;
    unsigned from; /* FROM_... */
    bool by_node;  /* one runs here, and peers may be asked */
    kw_reference ref;
    kw_listing listing;
    kw_pull_manifest manifest;
    bool manifest_lists; /* what is fetched is what the manifest lists */
    kw_home home;
    kw_index *index;
    kw_web *web;
    kw_routed routed; /* whom routers name */
    kw_pull_config config;
    kw_fetch_line line;
    kw_json_writer json;
} job;

static bool on_progress(void *user, const kw_listed *file, const kw_fetch_progress *progress)
{
    job *const j = user;
    kw_fetch_line_show(&j->line, file->name, progress);
    return !kw_interrupt_seen();
}

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

static kw_status list_url(job *j, kw_error *err)
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

static kw_status list_root(job *j, kw_error *err)
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
static const char *token_of(const job *j)
{
    const char *const token = j->ref.kind == KW_REF_HUGGINGFACE ? j->cli->env("HF_TOKEN") : NULL;
    return token && token[0] ? token : NULL;
}

/* Where lists of files are asked for; NULL: where the name says. */
static const char *endpoint_of(const job *j)
{
    const char *const named = j->cli->parsed.options.endpoint;
    const char *const hub = j->ref.kind == KW_REF_HUGGINGFACE ? j->cli->env("HF_ENDPOINT") : NULL;
    return named ? named : hub && hub[0] ? hub : NULL;
}

/* The files that the name means, as who keeps them says. */
static kw_status list_origin(job *j, kw_error *err)
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

static kw_status parse_peers(const job *j, kw_multiaddr out[PEERS_MAX], size_t *n, kw_error *err)
{
    const kw_text_list *const texts = &j->cli->parsed.options.peers;
    if (texts->n > PEERS_MAX)
        return kw_fail(err, KW_E_ARG, "--peer %zu times (at most %d)", texts->n, PEERS_MAX);
    for (*n = 0; *n < texts->n; ++*n)
        KW_TRY(kw_cli_parse_addr(texts->items[*n], &out[*n], err));
    return KW_OK;
}

/* Whether the name is one of a hub, which peers may know a model by too. */
static bool is_named(const job *j)
{
    return j->ref.kind == KW_REF_HUGGINGFACE || j->ref.kind == KW_REF_OLLAMA;
}

/* The manifest that is known of the model, here or among peers. */
static kw_status find_manifest(job *j, kw_error *err)
{
    kw_multiaddr peers[PEERS_MAX];
    kw_manifest_search search = {.cli = j->cli,
                                 .home = &j->home,
                                 .index = j->index,
                                 .model = j->ref.model,
                                 .peers = peers,
                                 .local = j->cli->parsed.options.local,
                                 .wait_ms = j->from & FROM_HTTP ? MANIFEST_HUB_MS : MANIFEST_MS};
    KW_TRY(parse_peers(j, peers, &search.n_peers, err));
    search.ask = is_named(j) && (j->from & FROM_PEERS) && (search.n_peers > 0 || search.local);
    KW_TRY(kw_pull_manifest_find(&search, &j->manifest, err));
    const kw_judgement *const judged = &j->manifest.judgement;
    if (j->manifest.stated && judged->reason != KW_TRUST_NOT_ASKED)
        kw_cli_note(j->cli, "%s: %s", j->ref.model, judged->why);
    return KW_OK;
}

/* The files to fetch: a hub's list where one may be asked, else the manifest's. */
static kw_status list_files(job *j, kw_error *err)
{
    KW_TRY(find_manifest(j, err));
    const bool hub = !is_named(j) || (j->from & FROM_HTTP);
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

static void tell_file(job *j, const kw_listed *file, const char *path, const kw_fetch_result *r,
                      bool there)
{
    char hex[65], size[16], shares[600];
    kw_sha256_hex(r->sha256, hex);
    if (!j->cli->parsed.options.json) {
        kw_cli_note(j->cli, "%s: %s, %s", file->name, kw_print_bytes(r->size, size),
                    there ? "already here"
                          : kw_print_shares(r->shares, r->n_shares, shares, sizeof(shares)));
        if (!there && !file->has_sha256 && !file->has_root)
            kw_cli_note(j->cli, "nothing said what its content must be; its SHA-256 is %s", hex);
        kw_out_printf(&j->cli->out, "%s\n", path);
        return;
    }
    kw_json_open(&j->json, NULL, '{');
    kw_json_puts(&j->json, "file", file->name);
    kw_json_puts(&j->json, "path", path);
    kw_json_int(&j->json, "size", (int64_t)r->size);
    kw_json_puts(&j->json, "sha256", hex);
    kw_json_bool(&j->json, "verified", file->has_sha256 || file->has_root);
    kw_json_bool(&j->json, "already_here", there);
    kw_json_int(&j->json, "resumed", (int64_t)r->resumed);
    kw_json_open(&j->json, "sources", '[');
    for (size_t i = 0; i < r->n_shares; i++) {
        kw_json_open(&j->json, NULL, '{');
        kw_json_puts(&j->json, "name", r->shares[i].name);
        kw_json_puts(&j->json, "from", r->shares[i].from);
        kw_json_int(&j->json, "bytes", (int64_t)r->shares[i].bytes);
        kw_json_int(&j->json, "bad_blocks", r->shares[i].n_bad);
        kw_json_int(&j->json, "failures", r->shares[i].n_failed + r->shares[i].n_stalled);
        kw_json_close(&j->json, '}');
    }
    kw_json_close(&j->json, ']');
    kw_json_close(&j->json, '}');
}

/* ---- what is here already ---- */

typedef struct search {
    job *job;
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

/* A file with this content in any store of this machine. */
static kw_status find_here(job *j, const kw_listed *file, kw_buf *path, kw_fetch_result *result,
                           bool *found, kw_error *err)
{
    search s = {.job = j, .file = file, .path = path};
    const bool rooted = file->has_root && !file->inside;
    const kw_index_query query = {.sha256 = file->has_sha256 ? file->sha256 : NULL,
                                  .root = file->has_sha256 ? NULL : &file->root};
    *found = false;
    if ((!file->has_sha256 && !rooted) || !(j->from & FROM_CACHE))
        return KW_OK;
    KW_TRY(kw_index_each(j->index, &query, take_row, &s, err));
    *found = s.found;
    memcpy(result->sha256, s.sha256, 32);
    result->size = s.size;
    return kw_buf_status(path, err);
}

/* Without a network: what the name means in the index. */
static kw_status pull_offline(job *j, kw_error *err)
{
    char name[2 * KW_REF_NAME_MAX + 2];
    kw_found found;
    const bool with_file = j->ref.file[0] && j->ref.kind != KW_REF_OLLAMA;
    snprintf(name, sizeof(name), "%s%s%s", j->ref.model, with_file ? ":" : "",
             with_file ? j->ref.file : "");
    KW_TRY(kw_cli_find(j->index, name, &found, err));
    for (size_t i = 0; i < found.n; i++) {
        const kw_index_row *const row = &found.rows[i];
        kw_listed file = {.has_sha256 = row->hashed};
        kw_fetch_result result = {.size = row->state.size};
        snprintf(file.name, sizeof(file.name), "%s", row->file);
        memcpy(result.sha256, row->sha256, 32);
        tell_file(j, &file, row->path, &result, true);
    }
    kw_found_free(&found);
    return KW_OK;
}

/* ---- the rest ---- */

/* The node that runs here fetches it, and shares it meanwhile. */
static kw_status pull_by_node(job *j, const kw_listed *file, kw_buf *path, kw_fetch_result *result,
                              bool *there, kw_error *err)
{
    const kw_options *const o = &j->cli->parsed.options;
    const char *const usual[] = {USUAL_GATEWAY};
    const kw_text_list otherwise = {.items = (const char **)(uintptr_t)usual, .n = 1}, none = {0};
    const kw_node_pull pull = {.dir = j->home.dir,
                               .model = j->ref.model,
                               .file = file,
                               .http = (j->from & FROM_HTTP) != 0,
                               .bytes_per_s = j->config.bytes_per_s,
                               .peers = &o->peers,
                               .gateways = !(j->from & FROM_IPFS) ? &none
                                           : o->gateways.n        ? &o->gateways
                                                                  : &otherwise,
                               .routed = &j->routed,
                               .progress = on_progress,
                               .user = j};
    return kw_node_pull_run(&pull, path, result, there, err);
}

static kw_status pull_file(job *j, const kw_listed *file, kw_buf *path, kw_error *err)
{
    kw_fetch_result result = {0};
    bool there;
    KW_TRY(find_here(j, file, path, &result, &there, err));
    if (!there && j->by_node && file->has_root)
        KW_TRY(pull_by_node(j, file, path, &result, &there, err));
    else if (!there)
        KW_TRY(kw_pull_file(&j->config, j->ref.model, file, path, &result, &there, err));
    kw_cli_progress_end(j->cli);
    tell_file(j, file, path->data, &result, there);
    return KW_OK;
}

static kw_status pull_files(job *j, kw_error *err)
{
    kw_buf path = {0};
    kw_status status = KW_OK;
    for (size_t i = 0; i < j->listing.n && status == KW_OK; i++)
        status = pull_file(j, &j->listing.files[i], &path, err);
    kw_buf_free(&path);
    return status;
}

/* What the sources are made of, for the time of a pull. */
typedef struct origins {
    kw_web_source web;
    kw_gateway gateways[GATEWAYS_MAX + KW_ROUTED_GATEWAYS + 1];
    kw_peers_source *peers; /* owned */
    kw_source sources[GATEWAYS_MAX + KW_ROUTED_GATEWAYS + 3];
    const kw_source *list[GATEWAYS_MAX + KW_ROUTED_GATEWAYS + 3];
    size_t n, n_gateways;
} origins;

/* Other nodes, where a file has a name that they know it by. */
static kw_status add_peers(job *j, origins *o, kw_error *err)
{
    kw_multiaddr peers[PEERS_MAX + KW_ROUTED_PEERS];
    size_t n_peers;
    bool rooted = false;
    for (size_t i = 0; i < j->listing.n; i++)
        rooted = rooted || j->listing.files[i].has_root;
    /* A token is told to its site alone, and not to the node. */
    const bool secret = (j->from & FROM_HTTP) && token_of(j);
    j->by_node = rooted && !secret && (j->from & FROM_PEERS) && kw_node_pull_runs(j->home.dir);
    if (!rooted || !(j->from & FROM_PEERS) || j->by_node)
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

static void add_gateway(job *j, origins *o, const char *url)
{
    kw_gateway *const gateway = &o->gateways[o->n_gateways++];
    *gateway = (kw_gateway){.web = j->web, .url = url};
    o->sources[o->n++] = kw_gateway_make(gateway);
}

static kw_status make_sources(job *j, origins *o, kw_error *err)
{
    const kw_text_list *const gateways = &j->cli->parsed.options.gateways;
    if (j->from & FROM_IPFS)
        kw_pull_routes(j->cli, j->web, &j->listing, &j->routed);
    for (size_t i = 0; i < gateways->n && i < GATEWAYS_MAX && (j->from & FROM_IPFS); i++)
        add_gateway(j, o, gateways->items[i]);
    KW_TRY(add_peers(j, o, err));
    for (size_t i = 0; i < j->routed.n_gateways; i++)
        add_gateway(j, o, j->routed.gateways[i]);
    if (gateways->n == 0 && (j->from & FROM_IPFS))
        add_gateway(j, o, USUAL_GATEWAY);
    o->web = (kw_web_source){.web = j->web, .token = token_of(j)};
    if (j->from & FROM_HTTP)
        o->sources[o->n++] = kw_web_source_make(&o->web);
    for (size_t i = 0; i < o->n; i++)
        o->list[i] = &o->sources[i];
    return KW_OK;
}

static kw_status pull_online(job *j, kw_error *err)
{
    origins o = {0};
    kw_system system;
    kw_system_query(&system);
    j->config.store = j->home.store;
    j->config.sha_extension = (system.features & KW_CPU_SHA) != 0;
    j->config.progress = on_progress;
    j->config.rank = kw_gguf_order;
    j->config.user = j;
    kw_status status = list_files(j, err);
    if (status == KW_OK)
        status = make_sources(j, &o, err);
    j->config.sources = o.list;
    j->config.n_sources = o.n;
    if (status == KW_OK)
        status = pull_files(j, err);
    if (status == KW_OK && (j->manifest.believed || j->manifest_lists))
        status = kw_pull_manifest_record(&j->manifest, j->index, err);
    j->config.sources = NULL;
    kw_peers_source_close(o.peers);
    return status;
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

static kw_status read_options(job *j, kw_error *err)
{
    const kw_options *const o = &j->cli->parsed.options;
    KW_TRY(kw_reference_parse(kw_str_from(j->cli->parsed.args[0]), &j->ref, err));
    if (o->limit_rate)
        KW_TRY(kw_parse_rate("limit-rate", o->limit_rate, &j->config.bytes_per_s, err));
    if (o->sha256 && j->ref.kind != KW_REF_URL)
        return kw_fail(err, KW_E_ARG, "--sha256 is of the file at a URL");
    KW_TRY(parse_from(o->from, &j->from, err));
    if (o->offline)
        j->from = FROM_CACHE;
    return KW_OK;
}

static kw_status open_and_pull(job *j, kw_error *err)
{
    KW_TRY(kw_home_open(j->cli, true, &j->home, err));
    char agent[64];
    snprintf(agent, sizeof(agent), "kwaai/%s", kw_version());
    kw_status status = kw_cli_open_index(&j->home, &j->index, err);
    if (status == KW_OK && j->from == FROM_CACHE) {
        status = pull_offline(j, err);
    } else if (status == KW_OK) {
        status = kw_web_open(agent, &j->web, err);
        if (status == KW_OK)
            status = pull_online(j, err);
        if (j->web)
            kw_web_close(j->web);
    }
    if (j->index)
        kw_index_close(j->index);
    kw_home_close(&j->home);
    kw_listing_free(&j->listing);
    kw_pull_manifest_free(&j->manifest);
    return status;
}

static int run_pull(kw_cli *cli)
{
    kw_error err = {0};
    if (cli->parsed.n_args != 1)
        return kw_cli_usage(cli, "say what to fetch: kwaai pull NAME");
    job j = {.cli = cli, .line = {.cli = cli}, .json = {.out = &cli->out, .pretty = true}};
    kw_status status = read_options(&j, &err);
    kw_interrupt_watch();
    if (status != KW_OK)
        return kw_cli_fail(cli, status, &err);
    if (cli->parsed.options.json)
        kw_json_open(&j.json, NULL, '[');
    status = open_and_pull(&j, &err);
    kw_cli_progress_end(cli);
    if (cli->parsed.options.json)
        kw_json_close(&j.json, ']');
    if (status == KW_OK)
        return KW_EXIT_OK;
    const int code = kw_cli_fail(cli, status, &err);
    if (status == KW_E_CANCELLED || status == KW_E_IO || status == KW_E_LIMIT)
        kw_cli_note(cli, "what has arrived is kept: the same command goes on from there");
    return code;
}

const kw_command kw_command_pull = {
    .name = "pull",
    .summary = "fetch a model into the store",
    .usage = "NAME",
    .description =
        "Fetches a model into ~/.kwaai/store (KWAAI_HOME/store), and prints where its files are "
        "then. NAME is one of\n\n"
        "ORG/NAME[:FILE or QUANTISATION] of Hugging Face, also as hf.co/... or the address of its "
        "page. Without a file: the usual quantisation of GGUF files, or what a directory of "
        "safetensors needs. HF_TOKEN is sent to its site alone; HF_ENDPOINT names another site.\n\n"
        "ollama.com/NAME[:TAG] of Ollama's registry.\n\n"
        "With --from peers alone, ORG/NAME is asked of other nodes: what they have of it is the "
        "signed list that its publisher made (kwaai publish), and the trust file says whose is "
        "accepted.\n\n"
        "ipfs://CID[/FILE], from other nodes and from trustless gateways; every block is verified "
        "here. Nodes are found at the addresses of --peer, on the local network, in the DHT and by "
        "the routers of --router. While kwaai node start runs here, that node fetches it, and "
        "shares what has arrived.\n\n"
        "A URL of http or https.\n\n"
        "What a store of this machine has already, by its SHA-256, is used where it is. What "
        "arrives "
        "is written at its place in the file and noted in a journal, so that a pull which was "
        "interrupted in any way goes on when it is repeated. A file gets its name once its SHA-256 "
        "was compared with what is wanted, where that is known.",
    .examples = "  kwaai pull hf.co/org/name:Q4_K_M\n"
                "  kwaai pull ollama.com/library/name:8b\n"
                "  kwaai pull ipfs://CID --from peers\n"
                "  kwaai pull org/name --from peers\n"
                "  kwaai pull https://example.org/model.gguf --sha256 DIGEST\n",
    .choices = "",
    .max_args = 1,
    .run = run_pull,
};
