/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ranges.c - who holds what, and the runs that are under way. See ranges.h. */
#include "node/ranges.h"

#include "base/check.h"
#include "hub/car_stream.h"
#include "hub/reference.h"
#include "net/http_stream.h"
#include "node/gateway_server.h"

#include <stdlib.h>
#include <string.h>

#define RUNS 32     /* under way */
#define SENDERS 256 /* of runs that are remembered */
#define TICK_MS 500
#define STALL_MS 5000
#define AGAIN_MS 2000   /* to ask what a peer holds */
#define REFUSED_MS 5000 /* for so long a peer that refused is asked for no runs */

typedef enum holding { HOLDS_NOTHING, HOLDS_PART, HOLDS_ALL } holding;

typedef struct holder {
    kw_ranges *all;
    kw_peer_id peer; /* of length 0: a free place */
    holding holds;
    kw_http_get *question; /* what it holds; NULL: not asked now */
    uint64_t ask_at_ms, runs_at_ms;
    size_t n_runs;
    bool dropped; /* asked nothing more */
} holder;

typedef struct run {
    kw_ranges *all;
    holder *of; /* NULL: a free place */
    kw_http_get *get;
    uint64_t id, offset, at; /* at: of the next byte */
    kw_car_stream stream;
    bool refused, broken;
} run;

typedef struct sender {
    uint64_t id;
    kw_peer_id peer;
} sender;

struct kw_ranges {
    kw_ranges_config config;
    kw_timer *timer;
    holder holders[KW_RANGES_PEERS];
    run runs[RUNS];
    sender senders[SENDERS]; /* a ring */
    size_t n_senders;
    bool ready; /* as it was last told */
};

static uint64_t now_of(const kw_ranges *r)
{
    return kw_loop_now(kw_host_loop(r->config.host));
}

/* ---- who may be asked ---- */

/* The peer with the fewest runs among those who hold all; NULL while a part is all that some hold.
 */
static holder *choose(kw_ranges *r)
{
    holder *best = NULL;
    for (size_t i = 0; i < KW_RANGES_PEERS; i++) {
        holder *const h = &r->holders[i];
        if (h->peer.len == 0 || h->dropped || h->holds == HOLDS_NOTHING)
            continue;
        if (h->holds == HOLDS_PART)
            return NULL;
        if (now_of(r) >= h->runs_at_ms && (!best || h->n_runs < best->n_runs))
            best = h;
    }
    return best;
}

static void see_change(kw_ranges *r)
{
    const bool ready = choose(r) != NULL;
    if (ready == r->ready)
        return;
    r->ready = ready;
    r->config.events->changed(r->config.user, ready);
}

static void put_target(kw_buf *out, const kw_want *want)
{
    char text[KW_CID_TEXT_MAX];
    kw_cid_text(&want->root, text);
    kw_buf_printf(out, "/ipfs/%s", text);
    if (want->inside) {
        kw_buf_printf(out, "/");
        kw_url_escape(out, kw_str_from(want->inside));
    }
    kw_buf_printf(out, "?format=car&dag-scope=entity");
}

static kw_status open_get(const kw_ranges *r, const holder *h, const char *method,
                          const kw_buf *target, const kw_http_get_events *events, void *user,
                          kw_http_get **out)
{
    const kw_http_question question = {
        .method = method,
        .target = {target->data, target->len},
        .accept = "application/vnd.ipld.car; version=1; order=dfs; dups=y"};
    return target->failed
               ? KW_E_NOMEM
               : kw_http_get_open(r->config.host, &h->peer, &question, events, user, out, NULL);
}

static bool on_holds(void *user, unsigned status, const kw_http_head *head)
{
    holder *const h = user;
    const kw_str holds = kw_http_head_field(head, KW_GATEWAY_HOLDS);
    h->holds = HOLDS_NOTHING;
    if (status == 200 && kw_str_is(holds, "all"))
        h->holds = HOLDS_ALL;
    else if (status == 200 && kw_str_is(holds, "part"))
        h->holds = HOLDS_PART;
    return true;
}

static bool on_no_body(void *user, kw_bytes bytes)
{
    (void)user;
    (void)bytes;
    return false;
}

static void on_told(void *user, kw_status status, const char *why)
{
    holder *const h = user;
    (void)why;
    h->question = NULL;
    h->ask_at_ms = now_of(h->all) + AGAIN_MS;
    if (status != KW_OK)
        h->holds = HOLDS_NOTHING;
    h->dropped = h->dropped || status == KW_E_UNSUPPORTED || status == KW_E_FORMAT;
    see_change(h->all);
}

static void ask_what_it_holds(holder *h)
{
    static const kw_http_get_events events = {
        .head = on_holds, .body = on_no_body, .done = on_told};
    kw_buf target = {0};
    put_target(&target, h->all->config.want);
    h->ask_at_ms = now_of(h->all) + AGAIN_MS;
    if (open_get(h->all, h, "HEAD", &target, &events, h, &h->question) != KW_OK)
        h->question = NULL;
    kw_buf_free(&target);
}

static holder *find_holder(kw_ranges *r, const kw_peer_id *peer)
{
    for (size_t i = 0; i < KW_RANGES_PEERS; i++)
        if (peer ? kw_peer_id_equal(&r->holders[i].peer, peer) : r->holders[i].peer.len == 0)
            return &r->holders[i];
    return NULL;
}

void kw_ranges_add(kw_ranges *r, const kw_peer_id *peer)
{
    holder *h = find_holder(r, peer);
    if (h || !kw_host_peer_speaks(r->config.host, peer, KW_HTTP_STREAM_ID))
        return;
    h = find_holder(r, NULL);
    if (!h)
        return;
    *h = (holder){.all = r, .peer = *peer};
    ask_what_it_holds(h);
}

/* ---- runs ---- */

static run *find_run(kw_ranges *r, uint64_t id)
{
    for (size_t i = 0; i < RUNS; i++)
        if (r->runs[i].of && r->runs[i].id == id)
            return &r->runs[i];
    return NULL;
}

static void free_run(run *x)
{
    if (x->get)
        kw_http_get_cancel(x->get);
    x->of->n_runs--;
    *x = (run){.of = NULL};
}

static void end_run(run *x, bool whole)
{
    kw_ranges *const r = x->all;
    const uint64_t id = x->id;
    free_run(x);
    r->config.events->done(r->config.user, id, whole);
}

static bool on_head(void *user, unsigned status, const kw_http_head *head)
{
    run *const x = user;
    (void)head;
    x->refused = status != 200;
    return !x->refused;
}

static kw_take hand_on(void *user, kw_bytes bytes)
{
    run *const x = user;
    const kw_ranges_config *const c = &x->all->config;
    const kw_take take = c->events->data(c->user, x->id, x->at, bytes);
    x->at += bytes.len;
    return take;
}

static bool on_body(void *user, kw_bytes bytes)
{
    run *const x = user;
    const char *why;
    const kw_take take = kw_car_stream_take(&x->stream, bytes, hand_on, x, &why);
    if (take == KW_TAKE_OK)
        return true;
    if (why) {
        x->broken = true;
        return false; /* on_done follows */
    }
    free_run(x);
    return false;
}

static void on_done(void *user, kw_status status, const char *why)
{
    run *const x = user;
    kw_ranges *const r = x->all;
    holder *const h = x->of;
    (void)why;
    x->get = NULL;
    const bool whole = status == KW_OK && kw_car_stream_whole(&x->stream);
    if (!whole) {
        h->runs_at_ms = now_of(r) + REFUSED_MS;
        h->ask_at_ms = 0;
        if (x->broken || status == KW_E_FORMAT) {
            h->dropped = true;
            r->config.events->fault(r->config.user, &h->peer, false);
        }
    }
    end_run(x, whole);
    see_change(r);
}

static void remember(kw_ranges *r, uint64_t id, const kw_peer_id *peer)
{
    r->senders[r->n_senders++ % SENDERS] = (sender){id, *peer};
}

bool kw_ranges_ask(kw_ranges *r, const kw_ask *ask)
{
    static const kw_http_get_events events = {.head = on_head, .body = on_body, .done = on_done};
    holder *const h = choose(r);
    run *x = NULL;
    for (size_t i = 0; i < RUNS && !x; i++)
        x = r->runs[i].of ? NULL : &r->runs[i];
    if (!h || !x || h->n_runs >= KW_RANGES_AT_ONCE || !ask->leaves || ask->len == 0)
        return false;
    *x = (run){.all = r,
               .of = h,
               .id = ask->id,
               .offset = ask->offset,
               .at = ask->offset,
               .stream = kw_car_stream_of(ask)};
    kw_buf target = {0};
    put_target(&target, r->config.want);
    kw_buf_printf(&target, "&entity-bytes=%ju:%ju", (uintmax_t)ask->offset,
                  (uintmax_t)(ask->offset + ask->len - 1));
    const kw_status status = open_get(r, h, "GET", &target, &events, x, &x->get);
    kw_buf_free(&target);
    if (status != KW_OK) {
        *x = (run){.of = NULL};
        return false;
    }
    h->n_runs++;
    remember(r, ask->id, &h->peer);
    return true;
}

void kw_ranges_cancel(kw_ranges *r, uint64_t id)
{
    run *const x = find_run(r, id);
    if (x)
        free_run(x);
}

const kw_peer_id *kw_ranges_sender(const kw_ranges *r, uint64_t id)
{
    for (size_t i = 0; i < SENDERS; i++)
        if (r->senders[i].id == id && id != 0)
            return &r->senders[i].peer;
    return NULL;
}

void kw_ranges_drop(kw_ranges *r, const kw_peer_id *peer)
{
    holder *const h = find_holder(r, peer);
    if (!h)
        return;
    h->dropped = true;
    if (h->question)
        kw_http_get_cancel(h->question);
    h->question = NULL;
    for (size_t i = 0; i < RUNS; i++)
        if (r->runs[i].of == h)
            end_run(&r->runs[i], false);
    see_change(r);
}

/* ---- time ---- */

static void look_at(holder *h, uint64_t now)
{
    if (h->question && now - kw_http_get_heard(h->question) > STALL_MS) {
        kw_http_get_cancel(h->question);
        h->question = NULL;
        h->holds = HOLDS_NOTHING;
        h->ask_at_ms = now + AGAIN_MS;
    }
    if (!h->question && !h->dropped && now >= h->ask_at_ms &&
        kw_host_connected(h->all->config.host, &h->peer))
        ask_what_it_holds(h);
}

static void tick(void *user)
{
    kw_ranges *const r = user;
    const uint64_t now = now_of(r);
    for (size_t i = 0; i < KW_RANGES_PEERS; i++)
        if (r->holders[i].peer.len > 0)
            look_at(&r->holders[i], now);
    for (size_t i = 0; i < RUNS; i++) {
        run *const x = &r->runs[i];
        if (!x->of || now - kw_http_get_heard(x->get) <= STALL_MS)
            continue;
        x->of->runs_at_ms = now + REFUSED_MS;
        r->config.events->fault(r->config.user, &x->of->peer, true);
        end_run(x, false);
    }
    see_change(r);
}

/* ---- opening and closing ---- */

kw_status kw_ranges_open(const kw_ranges_config *config, kw_ranges **out, kw_error *err)
{
    kw_ranges *const r = calloc(1, sizeof *r);
    if (!r)
        return kw_fail(err, KW_E_NOMEM, "peers: no memory for a file");
    r->config = *config;
    const kw_status status = kw_timer_open(kw_host_loop(config->host), tick, r, &r->timer, err);
    if (status != KW_OK) {
        free(r);
        return status;
    }
    kw_timer_set(r->timer, TICK_MS, TICK_MS);
    *out = r;
    return KW_OK;
}

void kw_ranges_close(kw_ranges *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < RUNS; i++)
        if (r->runs[i].of)
            free_run(&r->runs[i]);
    for (size_t i = 0; i < KW_RANGES_PEERS; i++)
        if (r->holders[i].question)
            kw_http_get_cancel(r->holders[i].question);
    kw_timer_close(r->timer);
    free(r);
}
