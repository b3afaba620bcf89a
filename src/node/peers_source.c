/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* peers_source.c - blocks of other nodes for the fetch path. See peers_source.h.
 *
 * What fetch calls is posted to the loop's thread, in order; only closing waits for it, so that
 * nothing is delivered afterwards. A session of bitswap serves one file. */
#include "node/peers_source.h"

#include "base/check.h"
#include "crypto/crypto.h"
#include "net/bitswap.h"
#include "net/kad.h"
#include "net/mdns.h"
#include "node/guard.h"
#include "node/ranges.h"
#include "os/thread.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PARALLEL 32
#define SPAN 4
#define RUN_PARALLEL 8        /* while runs are asked for ... */
#define RUN_PARALLEL_SHARED 2 /* by a node, which shares */
#define RUN_SPAN 16
#define RUN_FIRST 8
#define RUN_MIN 2 /* ... of so many blocks at least */
#define RETRY_MS 2000
#define PROVIDERS 16
#define REDIAL_MS 250 /* doubled each time, up to */
#define REDIAL_MAX_MS 2000
#define LOOK_MS 300         /* after a peer came: the DHT has met it by then */
#define LOOK_AGAIN_MS 15000 /* by a node, while it fetches */

typedef struct file file;

struct kw_peers_source {
    kw_identity identity;
    uint8_t psk[32]; /* of a private network */
    kw_loop *loop;
    kw_host *host;
    kw_guard *guard;
    kw_bitswap *bitswap;
    kw_kad *kad;
    bool of_node;   /* the parts above are a node's, and it is patient */
    kw_timer *look; /* for the search in the DHT that new peers make worth while */
    bool look_due;
    kw_timer *redial; /* of the peers that are given */
    uint64_t redial_ms;
    kw_mdns *mdns; /* NULL: not wanted, or this machine cannot */
    kw_thread *thread;
    kw_multiaddr *peers; /* owned */
    size_t n_peers;
    file *files;
};

/* What fetch asked for and has not got whole. */
typedef struct ask {
    struct ask *next;
    kw_ask what;
    bool by_run;    /* one peer sends all of it; else bitswap */
    uint64_t given; /* bytes that a run has brought: those of the first blocks */
    size_t n, n_got;
    bool *got;
    kw_cid *cids; /* behind got, one allocation with the ask */
} ask;

struct file {
    kw_peers_source *source;
    file *next;
    const kw_want *want;
    const kw_delivery *to;
    kw_bitswap_session *session;
    kw_ranges *ranges;
    kw_kad_query *query;
    ask *asks;
    bool told;      /* opened or failed */
    bool runs, ran; /* runs can be asked for; one has come */
    _Atomic uint32_t closed;
};

/* ---- asks ---------------------------------------------------------------------------------- */

static uint64_t place_of(const ask *a, size_t i)
{
    return a->what.offset + (uint64_t)i * a->what.leaf_size;
}

static void drop_ask(file *f, ask *a)
{
    for (ask **place = &f->asks; *place; place = &(*place)->next) {
        if (*place == a) {
            *place = a->next;
            break;
        }
    }
    free(a);
}

/* Whether another ask waits for this block. */
static bool is_wanted(const file *f, const kw_cid *cid)
{
    for (const ask *a = f->asks; a; a = a->next) {
        for (size_t i = 0; i < a->n && !a->by_run; i++) {
            if (!a->got[i] && kw_cid_equal(&a->cids[i], cid))
                return true;
        }
    }
    return false;
}

/* Ends an ask; blocks that nobody else waits for are not wanted any more. */
static void end_ask(file *f, ask *a, bool tell, kw_status status, const char *why)
{
    const uint64_t id = a->what.id;
    kw_cid *cids = a->cids;
    if (a->by_run)
        kw_ranges_cancel(f->ranges, id);
    for (ask **place = &f->asks; *place; place = &(*place)->next) {
        if (*place == a) {
            *place = a->next;
            break;
        }
    }
    for (size_t i = 0; i < a->n; i++) {
        if (!a->by_run && !a->got[i] && !is_wanted(f, &cids[i]))
            kw_bitswap_unwant(f->session, &cids[i]);
    }
    free(a);
    if (tell)
        f->to->done(f->to->user, id, status, why, status == KW_E_IO ? RETRY_MS : 0);
}

static void finish_ask(file *f, ask *a)
{
    const uint64_t id = a->what.id;
    drop_ask(f, a);
    f->to->done(f->to->user, id, KW_OK, NULL, 0);
}

/* Gives a block to an ask, but for what a run has brought of it before it ended. */
static void give(file *f, ask *a, const kw_cid *cid, kw_bytes data)
{
    for (size_t i = 0; i < a->n && !a->by_run; i++) {
        if (a->got[i] || !kw_cid_equal(&a->cids[i], cid))
            continue;
        const uint64_t place = place_of(a, i), had = a->what.offset + a->given;
        const size_t skip = (size_t)KW_MIN(had > place ? had - place : 0, (uint64_t)data.len);
        a->got[i] = true;
        a->n_got++;
        if (f->to->data(f->to->user, a->what.id, place + skip,
                        (kw_bytes){data.data + skip, data.len - skip}) != KW_TAKE_OK) {
            end_ask(f, a, false, KW_OK, NULL);
            return;
        }
    }
    if (a->n_got == a->n)
        finish_ask(f, a);
}

static void on_block(void *user, const kw_cid *cid, kw_bytes data, const kw_peer_id *from)
{
    file *const f = user;
    if (f->source->guard)
        kw_guard_good(f->source->guard, from, data.len);
    for (ask *a = f->asks, *next; a; a = next) {
        next = a->next;
        give(f, a, cid, data);
    }
}

/* Blocks that were missed are wanted again, of peers that have been found since. */
static void want_again(file *f)
{
    for (ask *a = f->asks, *next; a; a = next) {
        next = a->next;
        for (size_t i = 0; i < a->n && !a->by_run; i++) {
            kw_error err;
            if (a->got[i] || kw_bitswap_want(f->session, &a->cids[i], 1, &err) == KW_OK)
                continue;
            end_ask(f, a, true, KW_E_IO, err.message);
            break;
        }
    }
}

static void on_missing(void *user, const kw_cid *cid)
{
    file *const f = user;
    if (f->query || f->source->look_due || f->source->of_node)
        return; /* peers are still being looked for, and on_looked goes on; or one gets it */
    for (ask *a = f->asks, *next; a; a = next) {
        next = a->next;
        for (size_t i = 0; i < a->n && !a->by_run; i++) {
            if (!a->got[i] && kw_cid_equal(&a->cids[i], cid)) {
                end_ask(f, a, true, KW_E_IO, "no peer has a block of it");
                break;
            }
        }
    }
}

static void on_starved(void *user)
{
    file *const f = user;
    if (f->source->of_node)
        return; /* they come back, or others are found */
    for (ask *a = f->asks, *next; a && !f->query && !f->source->look_due; a = next) {
        next = a->next;
        if (!a->by_run)
            end_ask(f, a, true, KW_E_IO, "no peer is left that has it");
    }
}

static const kw_bitswap_events session_events = {
    .block = on_block, .missing = on_missing, .starved = on_starved};

/* ---- runs ---------------------------------------------------------------------------------- */

static ask *find_ask(const file *f, uint64_t id)
{
    ask *a = f->asks;
    while (a && a->what.id != id)
        a = a->next;
    return a;
}

static void offer(file *f)
{
    /* What a node has asked of one holder it will not ask of those who are about to get it. */
    const uint32_t n_runs = f->source->of_node ? RUN_PARALLEL_SHARED : RUN_PARALLEL;
    if (!f->told)
        return;
    f->to->opened(f->to->user, &(kw_offer){.size = KW_SIZE_UNKNOWN,
                                           .from = f->ran ? "peers, runs by HTTP" : "peers",
                                           .parallel = f->runs ? n_runs : PARALLEL,
                                           .span = f->runs ? RUN_SPAN : SPAN,
                                           .first_span = f->runs ? RUN_FIRST : 1,
                                           .ranges = true,
                                           .blocks = true});
}

static void want(file *f, ask *a)
{
    kw_error err;
    kw_status status = KW_OK;
    for (size_t i = 0; i < a->n && status == KW_OK; i++)
        if (!a->got[i])
            status = kw_bitswap_want(f->session, &a->cids[i], 1, &err);
    if (status != KW_OK)
        end_ask(f, a, true, status, err.message);
}

static kw_take on_run_data(void *user, uint64_t id, uint64_t offset, kw_bytes bytes)
{
    file *const f = user;
    ask *const a = find_ask(f, id);
    if (!a)
        return KW_TAKE_STOP;
    a->given += bytes.len;
    if (f->to->data(f->to->user, id, offset, bytes) == KW_TAKE_OK)
        return KW_TAKE_OK;
    drop_ask(f, a);
    return KW_TAKE_STOP;
}

/* What a run did not bring is for bitswap. Good bytes are credited before they are verified: a
 * wrong block costs far more than they give. */
static void on_run_done(void *user, uint64_t id, bool whole)
{
    file *const f = user;
    ask *const a = find_ask(f, id);
    const kw_peer_id *const sender = kw_ranges_sender(f->ranges, id);
    if (!a)
        return;
    if (f->source->guard && sender)
        kw_guard_good(f->source->guard, sender, (size_t)a->given);
    if (whole) {
        const bool first = !f->ran;
        f->ran = true;
        finish_ask(f, a);
        if (first)
            offer(f);
        return;
    }
    a->by_run = false;
    a->n_got = (size_t)(a->given / a->what.leaf_size);
    for (size_t i = 0; i < a->n_got; i++)
        a->got[i] = true;
    want(f, a);
}

static void on_runs_changed(void *user, bool ready)
{
    file *const f = user;
    f->runs = ready;
    offer(f);
}

static void on_run_fault(void *user, const kw_peer_id *peer, bool stalled)
{
    const file *const f = user;
    if (f->source->guard)
        kw_guard_report(f->source->guard, peer, stalled ? KW_CONDUCT_STALL : KW_CONDUCT_MALFORMED);
}

static const kw_ranges_events range_events = {
    .data = on_run_data, .done = on_run_done, .changed = on_runs_changed, .fault = on_run_fault};

typedef struct ask_post {
    file *f;
    ask *a;
} ask_post;

static void do_ask(void *user)
{
    ask_post *const post = user;
    file *const f = post->f;
    ask *const a = post->a;
    free(post);
    a->next = f->asks;
    f->asks = a;
    a->by_run = a->n >= RUN_MIN && kw_ranges_ask(f->ranges, &a->what);
    if (!a->by_run)
        want(f, a);
}

static kw_status peers_ask(void *handle, const kw_ask *what, kw_error *err)
{
    file *const f = handle;
    size_t n = 1;
    if (what->kind == KW_ASK_RANGE) {
        if (!what->leaves || what->leaf_size == 0)
            return kw_fail(err, KW_E_UNSUPPORTED, "peers: blocks whose digests are not known");
        n = (size_t)((what->len + what->leaf_size - 1) / what->leaf_size);
    }
    ask *a = calloc(1, sizeof *a + n * (sizeof(kw_cid) + sizeof(bool)));
    ask_post *post = malloc(sizeof *post);
    if (!a || !post) {
        free(a);
        free(post);
        return kw_fail(err, KW_E_NOMEM, "peers: no memory for %zu blocks", n);
    }
    *a = (ask){.what = *what, .n = n};
    if (what->kind != KW_ASK_RANGE)
        a->what.offset = 0;
    a->cids = (kw_cid *)(a + 1);
    a->got = (bool *)(a->cids + n);
    for (size_t i = 0; i < n; i++)
        a->cids[i] = what->kind == KW_ASK_BLOCK ? what->cid
                                                : kw_cid_of_sha256(KW_CODEC_RAW, what->leaves[i]);
    *post = (ask_post){f, a};
    const kw_status status = kw_loop_post(f->source->loop, do_ask, post, err);
    if (status != KW_OK) {
        free(a);
        free(post);
    }
    return status;
}

typedef struct about_post {
    file *f;
    uint64_t id;
} about_post;

static void do_cancel(void *user)
{
    about_post *const post = user;
    ask *const a = find_ask(post->f, post->id);
    if (a)
        end_ask(post->f, a, false, KW_OK, NULL);
    free(post);
}

/* Has work done about an ask. Without memory it is not: what comes is not taken then. */
static void post_about(file *f, uint64_t id, void (*work)(void *user))
{
    about_post *post = malloc(sizeof *post);
    if (!post)
        return;
    *post = (about_post){f, id};
    if (kw_loop_post(f->source->loop, work, post, NULL) != KW_OK)
        free(post);
}

static void peers_cancel(void *handle, uint64_t id)
{
    post_about(handle, id, do_cancel);
}

/* What bitswap brings was verified; this was a run. */
static void do_blame(void *user)
{
    about_post *const post = user;
    kw_peers_source *const s = post->f->source;
    const kw_peer_id *const sender = kw_ranges_sender(post->f->ranges, post->id);
    const kw_peer_id peer = sender ? *sender : (kw_peer_id){.len = 0};
    free(post);
    if (!sender)
        return;
    if (s->guard)
        kw_guard_report(s->guard, &peer, KW_CONDUCT_BAD_BLOCK);
    for (file *f = s->files; f; f = f->next) {
        if (!f->ranges)
            continue;
        kw_bitswap_remove_peer(f->session, &peer);
        kw_ranges_drop(f->ranges, &peer);
    }
}

static void peers_blame(void *handle, uint64_t id)
{
    post_about(handle, id, do_blame);
}

static void peers_resume(void *handle, uint64_t id)
{
    (void)handle; /* nothing is ever paused */
    (void)id;
}

/* ---- files --------------------------------------------------------------------------------- */

/* A peer may have it: the session asks, and fetch may begin. */
static void add_peer(file *f, const kw_peer_id *peer)
{
    if (!f->session || kw_bitswap_add_peer(f->session, peer, NULL) != KW_OK || f->told)
        return;
    f->told = true;
    offer(f);
}

static void on_provider(void *user, const kw_kad_peer *peer)
{
    add_peer(user, &peer->id);
}

static void on_looked(void *user, kw_status status, size_t n)
{
    file *const f = user;
    (void)status;
    (void)n;
    f->query = NULL;
    want_again(f);
}

static const kw_kad_events provider_events = {.peer = on_provider, .done = on_looked};

/* Asks the DHT who has the file. */
static void look(file *f)
{
    uint8_t key[KW_CID_MAX];
    const kw_bytes multihash = {key, kw_cid_multihash(&f->want->root, key)};
    if (f->query || !f->session)
        return;
    if (kw_kad_find_providers(f->source->kad, multihash, PROVIDERS, &provider_events, f, &f->query,
                              NULL) != KW_OK) {
        f->query = NULL;
        want_again(f);
    }
}

static void on_look(void *user)
{
    kw_peers_source *const s = user;
    s->look_due = false;
    for (file *f = s->files; f; f = f->next)
        look(f);
    if (s->of_node && s->files)
        kw_timer_set(s->look, LOOK_AGAIN_MS, 0);
}

static void do_open(void *user)
{
    file *const f = user;
    kw_peers_source *const s = f->source;
    kw_error err;
    f->next = s->files;
    s->files = f;
    const kw_ranges_config ranges = {
        .host = s->host, .want = f->want, .events = &range_events, .user = f};
    kw_status status = kw_bitswap_session_open(s->bitswap, &session_events, f, &f->session, &err);
    if (status == KW_OK)
        status = kw_ranges_open(&ranges, &f->ranges, &err);
    if (status != KW_OK) {
        f->told = true;
        f->to->failed(f->to->user, status, err.message);
        return;
    }
    look(f);
    if (s->of_node)
        kw_timer_set(s->look, LOOK_AGAIN_MS, 0);
    kw_peer_info peers[64];
    const size_t n = KW_MIN(kw_host_peers(s->host, peers, KW_COUNT(peers)), KW_COUNT(peers));
    for (size_t i = 0; i < n; i++) {
        add_peer(f, &peers[i].id);
        kw_ranges_add(f->ranges, &peers[i].id);
    }
}

static kw_status peers_open(void *user, const kw_want *want, const kw_delivery *to, void **out,
                            kw_error *err)
{
    kw_peers_source *const s = user;
    if (!want->has_root)
        return kw_fail(err, KW_E_NOTFOUND, "peers: %s is not known by the CID of its content",
                       want->name);
    file *f = calloc(1, sizeof *f);
    if (!f)
        return kw_fail(err, KW_E_NOMEM, "peers: no memory for a file");
    f->source = s;
    f->want = want;
    f->to = to;
    const kw_status status = kw_loop_post(s->loop, do_open, f, err);
    if (status != KW_OK) {
        free(f);
        return status;
    }
    *out = f;
    return KW_OK;
}

static void do_close(void *user)
{
    file *const f = user;
    for (file **place = &f->source->files; *place; place = &(*place)->next) {
        if (*place == f) {
            *place = f->next;
            break;
        }
    }
    if (f->query)
        kw_kad_cancel(f->query);
    kw_ranges_close(f->ranges);
    if (f->session)
        kw_bitswap_session_close(f->session);
    while (f->asks)
        drop_ask(f, f->asks);
    atomic_store(&f->closed, 1);
    kw_futex_wake(&f->closed);
}

static void peers_close(void *handle)
{
    file *const f = handle;
    /* Without memory for the post there is nothing to wait for: the loop still runs, so try again.
     */
    while (kw_loop_post(f->source->loop, do_close, f, NULL) != KW_OK)
        kw_cpu_relax();
    while (atomic_load(&f->closed) == 0)
        kw_futex_wait(&f->closed, 0);
    free(f);
}

kw_source kw_peers_source_make(kw_peers_source *source)
{
    return (kw_source){.name = "peers",
                       .order = KW_FROM_PEERS,
                       .user = source,
                       .open = peers_open,
                       .ask = peers_ask,
                       .cancel = peers_cancel,
                       .resume = peers_resume,
                       .blame = peers_blame,
                       .close = peers_close};
}

/* ---- the host of it ------------------------------------------------------------------------ */

static void on_joined(void *user, const kw_peer_id *peer)
{
    kw_peers_source *const s = user;
    s->look_due = true;
    kw_timer_set(s->look, LOOK_MS, 0);
    if (!kw_host_peer_speaks(s->host, peer, KW_BITSWAP_ID))
        return;
    for (file *f = s->files; f; f = f->next) {
        add_peer(f, peer);
        if (f->ranges)
            kw_ranges_add(f->ranges, peer);
    }
}

static void on_left(void *user, const kw_peer_id *peer)
{
    (void)user; /* bitswap dials again, or passes it over */
    (void)peer;
}

/* A node that is full for a moment may have room the next. */
static void dial_again(void *user)
{
    kw_peers_source *const s = user;
    for (size_t i = 0; i < s->n_peers; i++) {
        kw_multiaddr without;
        kw_peer_id peer;
        if (kw_multiaddr_split(&s->peers[i], &without, &peer) && !kw_host_connected(s->host, &peer))
            kw_host_connect(s->host, NULL, &s->peers[i], NULL, NULL);
    }
    s->redial_ms = KW_MIN(2 * s->redial_ms, (uint64_t)REDIAL_MAX_MS);
    kw_timer_set(s->redial, s->redial_ms, 0);
}

static void start(void *user)
{
    kw_peers_source *const s = user;
    for (size_t i = 0; i < s->n_peers; i++)
        kw_host_connect(s->host, NULL, &s->peers[i], NULL, NULL); /* the watch tells who came */
    s->redial_ms = REDIAL_MS;
    kw_timer_set(s->redial, s->redial_ms, 0);
    if (s->n_peers)
        (void)kw_kad_bootstrap(s->kad, s->peers, s->n_peers, NULL);
}

static void run(void *user)
{
    kw_peers_source *const s = user;
    kw_loop_run(s->loop);
}

/* What is seen here counts for the node too. A database that cannot be used is no reason not to
 * fetch: then what is seen is forgotten. */
static kw_status open_guard(kw_peers_source *s, const char *path, kw_host_config *host,
                            kw_error *err)
{
    if (!path || kw_guard_open(s->loop, path, NULL, &s->guard, NULL) != KW_OK)
        KW_TRY(kw_guard_open(s->loop, NULL, NULL, &s->guard, err));
    kw_guard_gate(s->guard, host);
    return KW_OK;
}

static kw_status watch(kw_peers_source *s, kw_error *err)
{
    const kw_host_watch events = {.joined = on_joined, .left = on_left, .user = s};
    KW_TRY(kw_timer_open(s->loop, on_look, s, &s->look, err));
    KW_TRY(kw_timer_open(s->loop, dial_again, s, &s->redial, err));
    return kw_host_add_watch(s->host, &events, err);
}

static kw_status borrow_parts(kw_peers_source *s, const kw_peers_parts *parts, kw_error *err)
{
    s->of_node = true;
    s->loop = parts->loop;
    s->host = parts->host;
    s->bitswap = parts->bitswap;
    s->kad = parts->kad;
    s->guard = parts->guard;
    return watch(s, err);
}

static kw_status open_parts(kw_peers_source *s, const kw_peers_config *config, kw_error *err)
{
    static const kw_kad_network networks[] = {{.protocol = "/kwaai/kad/1.0.0"},
                                              {.protocol = "/ipfs/lan/kad/1.0.0"},
                                              {.protocol = "/ipfs/kad/1.0.0", .public_only = true}};
    KW_TRY(kw_identity_new(&s->identity, err));
    KW_TRY(kw_loop_open(&s->loop, err));
    kw_host_config host = {.loop = s->loop, .identity = &s->identity, .agent = config->agent};
    if (config->psk) {
        memcpy(s->psk, config->psk, sizeof(s->psk));
        host.psk = s->psk;
    }
    KW_TRY(open_guard(s, config->reputation, &host, err));
    KW_TRY(kw_host_open(&host, &s->host, err));
    kw_guard_attach(s->guard, s->host);
    KW_TRY(watch(s, err));
    kw_bitswap_config bitswap = {.host = s->host,
                                 .kernel = kw_sha256_kernel(config->sha_extension)};
    kw_guard_bitswap(s->guard, &bitswap);
    KW_TRY(kw_bitswap_open(&bitswap, &s->bitswap, err));
    const kw_kad_config kad = {
        .host = s->host, .networks = networks, .n_networks = KW_COUNT(networks)};
    KW_TRY(kw_kad_open(&kad, &s->kad, err));
    const kw_mdns_config mdns = {.host = s->host};
    if (config->local && kw_mdns_open(&mdns, &s->mdns, NULL) != KW_OK)
        s->mdns = NULL; /* no network here can multicast */
    KW_TRY(kw_loop_post(s->loop, start, s, err));
    return kw_thread_start(&s->thread, run, s, err);
}

kw_status kw_peers_source_open(const kw_peers_config *config, kw_peers_source **out, kw_error *err)
{
    kw_peers_source *s = calloc(1, sizeof *s);
    kw_multiaddr *peers = calloc(config->n_peers + 1, sizeof *peers);
    if (!s || !peers) {
        free(s);
        free(peers);
        return kw_fail(err, KW_E_NOMEM, "peers: no memory");
    }
    if (config->n_peers)
        memcpy(peers, config->peers, config->n_peers * sizeof *peers);
    s->peers = peers;
    s->n_peers = config->n_peers;
    const kw_status status =
        config->parts ? borrow_parts(s, config->parts, err) : open_parts(s, config, err);
    if (status != KW_OK) {
        kw_peers_source_close(s);
        return status;
    }
    *out = s;
    return KW_OK;
}

static void free_source(kw_peers_source *s)
{
    kw_identity_wipe(&s->identity);
    kw_crypto_wipe(s->psk, sizeof(s->psk));
    free(s->peers);
    free(s);
}

static void stop(void *user)
{
    kw_loop_stop(user);
}

static void host_closed(void *user)
{
    kw_peers_source *const s = user;
    s->host = NULL;
}

void kw_peers_source_close(kw_peers_source *s)
{
    if (!s)
        return;
    if (s->thread) {
        while (kw_loop_post(s->loop, stop, s->loop, NULL) != KW_OK)
            kw_cpu_relax();
        kw_thread_join(s->thread);
    }
    if (s->look)
        kw_timer_close(s->look);
    if (s->redial)
        kw_timer_close(s->redial);
    if (s->of_node) {
        kw_host_remove_watch(s->host, s);
        free_source(s);
        return;
    }
    if (s->mdns)
        kw_mdns_close(s->mdns);
    if (s->kad)
        kw_kad_close(s->kad);
    if (s->bitswap)
        kw_bitswap_close(s->bitswap);
    if (s->host) {
        kw_host_remove_watch(s->host, s);
        kw_guard_attach(s->guard, NULL);
        kw_host_close(s->host, host_closed, s);
        while (s->host)
            kw_loop_step(s->loop, 100);
    }
    kw_guard_close(s->guard);
    if (s->loop)
        kw_loop_close(s->loop);
    free_source(s);
}
