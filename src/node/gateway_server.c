/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gateway_server.c - answers of the gateway, and the bodies that are under way. */
#include "node/gateway_server.h"

#include "base/check.h"
#include "net/bucket.h"
#include "net/http_stream.h"
#include "net/loop.h"
#include "node/gateway_request.h"

#include <stdio.h>
#include <stdlib.h>

#define TICK_MS 50
#define PIECE (32 << 10) /* of a body that counts against a cap */

typedef struct body {
    struct kw_gateway_server *server; /* NULL: a free place */
    kw_http_request *request;
    kw_block block; /* held when has_block, of a raw block */
    bool has_block;
    kw_car_walk *walk; /* owned, of an archive */
    bool waits;        /* for the cap */
} body;

struct kw_gateway_server {
    kw_gateway_config config;
    kw_http_streams *streams;
    kw_block_store base, store; /* store: base, with blocks that may be kept */
    kw_timer *timer;            /* NULL: no cap */
    body bodies[KW_GATEWAY_BODIES];
    size_t n_bodies, first;
    bool closed; /* freed with the last body */
};

/* ---- blocks that may be kept ----
 *
 * A block of a file that is being fetched holds nothing, and goes when that ends; a reader may take
 * longer. So it is copied: at most one for each body. */

static bool has_block(void *user, const kw_cid *cid, size_t *size)
{
    const kw_block_store *const base = &((kw_gateway_server *)user)->base;
    return base->has(base->user, cid, size);
}

static kw_status get_block(void *user, const kw_cid *cid, kw_block *out, kw_error *err)
{
    const kw_block_store *const base = &((kw_gateway_server *)user)->base;
    kw_block block;
    KW_TRY(base->get(base->user, cid, &block, err));
    if (block.hold) {
        *out = block;
        return KW_OK;
    }
    uint8_t *const copy = malloc(block.data.len + 1);
    if (copy && block.data.len > 0)
        memcpy(copy, block.data.data, block.data.len);
    *out = (kw_block){.data = {copy, block.data.len}};
    base->release(base->user, &block);
    return copy ? KW_OK : kw_fail(err, KW_E_NOMEM, "gateway: no memory for a block");
}

static void release_block(void *user, kw_block *block)
{
    const kw_block_store *const base = &((kw_gateway_server *)user)->base;
    if (block->hold)
        base->release(base->user, block);
    else
        free((void *)(uintptr_t)block->data.data);
    *block = (kw_block){0};
}

/* ---- bodies ---- */

static body *take_body(kw_gateway_server *s, kw_http_request *request)
{
    for (size_t i = 0; i < KW_GATEWAY_BODIES; i++) {
        if (s->bodies[i].server)
            continue;
        s->bodies[i] = (body){.server = s, .request = request};
        s->n_bodies++;
        return &s->bodies[i];
    }
    return NULL;
}

/* Gives back what the body is read from. */
static void drop_content(body *b)
{
    const kw_block_store *const store = &b->server->store;
    kw_car_walk_close(b->walk);
    if (b->has_block)
        store->release(store->user, &b->block);
    b->walk = NULL;
    b->has_block = false;
}

static void end_body(body *b)
{
    kw_gateway_server *const s = b->server;
    drop_content(b);
    *b = (body){.server = NULL};
    s->n_bodies--;
}

static void on_done(void *user, bool sent)
{
    (void)sent;
    body *const b = user;
    kw_gateway_server *const s = b->server;
    end_body(b);
    if (s->closed && s->n_bodies == 0)
        free(s);
}

/* How much of max may be sent now; 0: it waits for the timer. */
static size_t allowed(body *b, size_t max)
{
    kw_gateway_server *const s = b->server;
    if (!s->timer)
        return max;
    b->waits = !kw_cap_has(s->config.cap, KW_CAP_HTTP, kw_loop_now(kw_host_loop(s->config.host)));
    return b->waits ? 0 : KW_MIN(max, (size_t)PIECE);
}

static void spend(const body *b, size_t n)
{
    if (b->server->timer)
        kw_cap_spend(b->server->config.cap, KW_CAP_HTTP, (double)n);
}

static kw_status next_raw(void *user, uint64_t offset, size_t max, kw_bytes *out, bool *ended)
{
    body *const b = user;
    (void)ended;
    if (b->server->closed)
        return KW_E_CANCELLED;
    max = allowed(b, max);
    if (max > 0)
        *out = (kw_bytes){b->block.data.data + offset, max};
    spend(b, max);
    return KW_OK;
}

static kw_status next_car(void *user, uint64_t offset, size_t max, kw_bytes *out, bool *ended)
{
    body *const b = user;
    (void)offset;
    if (b->server->closed)
        return KW_E_CANCELLED;
    max = allowed(b, max);
    if (max == 0)
        return KW_OK;
    const kw_status status = kw_car_walk_next(b->walk, max, out, NULL);
    *ended = status == KW_OK && out->len == 0;
    spend(b, status == KW_OK ? out->len : 0);
    return status;
}

/* Bodies that wait for the cap go on, another one first each time. */
static void go_on(void *user)
{
    kw_gateway_server *const s = user;
    s->first = (s->first + 1) % KW_GATEWAY_BODIES;
    for (size_t i = 0; i < KW_GATEWAY_BODIES; i++) {
        const body *const b = &s->bodies[(s->first + i) % KW_GATEWAY_BODIES];
        if (b->server && b->waits)
            kw_http_more(b->request);
    }
}

/* ---- answers ---- */

static void put_etag(kw_buf *out, const kw_gateway_request *r, const char *cid)
{
    const kw_car_part *const part = &r->part;
    if (r->car)
        kw_buf_printf(out, "W/\"%s.car.%d.%lld.%lld\"", cid, (int)part->scope,
                      (long long)part->from, (long long)part->to);
    else
        kw_buf_printf(out, "\"%s.raw\"", cid);
}

static kw_str without_weakness(kw_str etag)
{
    while (etag.len > 0 && (etag.data[0] == ' ' || etag.data[0] == ','))
        etag = (kw_str){etag.data + 1, etag.len - 1};
    return kw_str_starts(etag, KW_STR("W/")) ? (kw_str){etag.data + 2, etag.len - 2} : etag;
}

/* Whether a list of If-None-Match has this entity tag, weak or not. */
static bool has_etag(kw_str list, kw_str etag)
{
    etag = without_weakness(etag);
    if (kw_str_is(list, "*"))
        return true;
    for (list = without_weakness(list); list.len > 0;) {
        size_t n = 0;
        while (n < list.len && list.data[n] != ',')
            n++;
        if (n >= etag.len && memcmp(list.data, etag.data, etag.len) == 0)
            return true;
        list = without_weakness((kw_str){list.data + n, list.len - n});
    }
    return false;
}

/* The fields that all answers with a body or 304 have. */
static void put_fields(kw_buf *out, const kw_gateway_request *r, kw_str etag)
{
    const char *const ending = r->car ? "car" : "bin";
    char cid[KW_CID_TEXT_MAX];
    kw_buf_printf(out, "Cache-Control: public, max-age=29030400, immutable\r\nETag: ");
    kw_buf_add(out, etag.data, etag.len);
    kw_buf_printf(out, "\r\nVary: Accept\r\nAccess-Control-Allow-Origin: *\r\n"
                       "X-Content-Type-Options: nosniff\r\nX-Ipfs-Roots: ");
    for (size_t i = 0; i < r->part.n_path; i++) {
        kw_cid_text(&r->part.path[i], cid);
        kw_buf_printf(out, i ? ",%s" : "%s", cid);
    }
    kw_buf_printf(out, "\r\nContent-Disposition: attachment; filename=\"%s.%s\"\r\n", cid, ending);
    if (r->car)
        kw_buf_printf(out, "Accept-Ranges: none\r\n");
}

/* What is here of the file that an archive is of. */
static void put_holds(const kw_gateway_server *s, kw_buf *out, const kw_gateway_request *r)
{
    const kw_gateway_config *const c = &s->config;
    if (r->car && c->whole)
        kw_buf_printf(out, KW_GATEWAY_HOLDS ": %s\r\n",
                      c->whole(c->user, &r->part.path[r->part.n_path - 1]) ? "all" : "part");
}

static bool is_identity(const kw_gateway_request *r)
{
    return r->part.n_path == 1 && r->part.path[0].hash == KW_HASH_IDENTITY && !r->car;
}

/* The block or archive; false: it is not here. The digest of an identity is its block. */
static kw_status open_body(body *b, const kw_gateway_request *r, kw_error *err)
{
    const kw_block_store *const store = &b->server->store;
    if (r->car)
        return kw_car_walk_open(store, &r->part, &b->walk, err);
    KW_TRY(store->get(store->user, &r->part.path[r->part.n_path - 1], &b->block, err));
    b->has_block = true;
    return KW_OK;
}

/* What is missing is not fetched from elsewhere: who asked for what is cached alone hears so. */
static void refuse(kw_http_request *request, unsigned status, const char *why)
{
    const bool cached = kw_http_list_has(kw_http_field(request, "cache-control"), "only-if-cached");
    kw_http_reply_status(request, status == 404 && cached ? 412 : status, why);
}

static void answer(kw_gateway_server *s, kw_http_request *request, const kw_gateway_request *r,
                   const kw_buf *fields)
{
    body *const b = take_body(s, request);
    kw_error err;
    if (!b) {
        kw_http_reply_status(request, 503, "too many answers are under way\n");
        return;
    }
    const kw_status status = open_body(b, r, &err);
    if (status != KW_OK) {
        end_body(b);
        if (status == KW_E_NOTFOUND)
            refuse(request, 404, "this block is not here\n");
        else
            kw_http_reply_status(request, 503, "no room to answer now\n");
        return;
    }
    kw_http_reply_t reply = {.status = 200, .fields = fields->data, .done = on_done, .user = b};
    if (r->car) {
        reply.type = "application/vnd.ipld.car; version=1; order=dfs; dups=y";
        reply.size = KW_HTTP_SIZE_UNKNOWN;
        reply.next = next_car;
    } else {
        reply.type = "application/vnd.ipld.raw";
        reply.size = b->block.data.len;
        reply.ranges = true;
        reply.next = next_raw;
    }
    kw_http_reply(request, &reply);
}

/* The empty block whose name is its content: what gateways are probed with. */
static void answer_identity(kw_http_request *request, const kw_gateway_request *r,
                            const kw_buf *fields)
{
    if (r->part.path[0].digest_len > 0)
        refuse(request, 404, "this block is not here\n");
    else
        kw_http_reply(request, &(kw_http_reply_t){.status = 200,
                                                  .type = "application/vnd.ipld.raw",
                                                  .fields = fields->data});
}

/* What is served here, for who asks by streams. Source: libp2p specifications, http. */
static bool answer_well_known(kw_http_request *request)
{
    static const char protocols[] = "{\"/ipfs/gateway\":{\"path\":\"/\"}}";
    if (!kw_str_is(kw_http_path(request), "/.well-known/libp2p/protocols"))
        return false;
    kw_http_reply_text(request, 200, "application/json", protocols);
    return true;
}

static void on_request(void *user, kw_http_request *request)
{
    kw_gateway_server *const s = user;
    kw_gateway_fields fields = {.path = kw_http_path(request),
                                .accept = kw_http_field(request, "accept")};
    kw_gateway_request r;
    kw_buf text = {0}, etag = {0};
    const char *why;
    char cid[KW_CID_TEXT_MAX];
    if (answer_well_known(request))
        return;
    (void)kw_http_parameter(request, "format", &fields.format);
    (void)kw_http_parameter(request, "dag-scope", &fields.dag_scope);
    (void)kw_http_parameter(request, "entity-bytes", &fields.entity_bytes);
    unsigned status = kw_gateway_request_get(&fields, &r, &why);
    if (status == 200)
        status = kw_gateway_request_follow(&r, &s->store, &why);
    if (status != 200) {
        refuse(request, status, why);
        return;
    }
    kw_cid_text(&r.part.path[r.part.n_path - 1], cid);
    put_etag(&etag, &r, cid);
    put_fields(&text, &r, (kw_str){etag.data, etag.len});
    put_holds(s, &text, &r);
    if (text.failed || etag.failed)
        kw_http_reply_status(request, 503, "no memory to answer\n");
    else if (has_etag(kw_http_field(request, "if-none-match"), (kw_str){etag.data, etag.len}))
        kw_http_reply(
            request,
            &(kw_http_reply_t){.status = 304, .size = KW_HTTP_SIZE_UNKNOWN, .fields = text.data});
    else if (is_identity(&r))
        answer_identity(request, &r, &text);
    else
        answer(s, request, &r, &text);
    kw_buf_free(&etag);
    kw_buf_free(&text);
}

/* ---- the server ---- */

kw_status kw_gateway_server_open(const kw_gateway_config *config, kw_gateway_server **out,
                                 kw_error *err)
{
    kw_gateway_server *const s = calloc(1, sizeof *s);
    if (!s)
        return kw_fail(err, KW_E_NOMEM, "gateway: no memory for a server");
    s->config = *config;
    s->base = *config->store;
    s->store =
        (kw_block_store){.user = s, .has = has_block, .get = get_block, .release = release_block};
    kw_status status = kw_http_streams_open(config->host, &s->streams, err);
    if (status == KW_OK && config->cap)
        status = kw_timer_open(kw_host_loop(config->host), go_on, s, &s->timer, err);
    if (status != KW_OK) {
        kw_http_streams_close(s->streams);
        free(s);
        return status;
    }
    if (s->timer)
        kw_timer_set(s->timer, TICK_MS, TICK_MS);
    kw_host_http(config->host, on_request, s);
    *out = s;
    return KW_OK;
}

void kw_gateway_server_close(kw_gateway_server *s)
{
    if (!s)
        return;
    kw_host_http(s->config.host, NULL, NULL);
    if (s->timer)
        kw_timer_close(s->timer);
    kw_http_streams_close(s->streams);
    s->closed = true;
    for (size_t i = 0; i < KW_GATEWAY_BODIES; i++) {
        if (s->bodies[i].server)
            drop_content(&s->bodies[i]);
    }
    if (s->n_bodies == 0)
        free(s);
}
