/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* web.c - libcurl's multi interface in a thread.
 *
 * Only that thread touches libcurl's handles. Others put commands into a list and wake it. */
#include "hub/web.h"

#include "base/check.h"
#include "os/sync.h"
#include "os/thread.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#define REDIRECTS_MAX 5L
#define CONNECT_MS 15000L
#define CONNECTIONS_MAX 32L
#define CONNECTIONS_PER_HOST 8L

typedef struct transfer {
    struct transfer *next;
    kw_web *http;
    uint64_t id;
    CURL *easy;
    struct curl_slist *fields;
    kw_web_events events;
    void *user, *owner;
    kw_web_reply reply;
    bool secure;   /* it began with https */
    bool begun;    /* head was told */
    bool ended;    /* by us: no done */
    bool too_long; /* header */
    char why[CURL_ERROR_SIZE];
} transfer;

typedef enum command_kind { START, CANCEL, RESUME, DROP } command_kind;

typedef struct command {
    command_kind kind;
    uint64_t id;
    void *owner;
    transfer *transfer; /* START */
} command;

struct kw_web {
    CURLM *multi;
    kw_thread *thread;
    kw_sync *sync;
    char *agent; /* owned */
    /* guarded by sync */
    command *commands; /* owned */
    size_t n_commands, cap_commands;
    uint64_t next_id, n_taken, n_given; /* commands so far: finished, and handed over */
    bool stop;
    /* of the thread */
    transfer *transfers;
};

/* ---- URLs ---- */

typedef struct origin {
    char scheme[8], host[256], port[8];
} origin;

static bool url_part(CURLU *url, CURLUPart part, unsigned flags, char *out, size_t size)
{
    char *text = NULL;
    if (curl_url_get(url, part, &text, flags) != CURLUE_OK)
        return false;
    const size_t len = strlen(text);
    const bool fits = len < size;
    if (fits)
        memcpy(out, text, len + 1);
    curl_free(text);
    return fits;
}

static bool read_origin(const char *text, origin *out)
{
    CURLU *const url = curl_url();
    const bool ok = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
                    url_part(url, CURLUPART_SCHEME, 0, out->scheme, sizeof(out->scheme)) &&
                    url_part(url, CURLUPART_HOST, 0, out->host, sizeof(out->host)) &&
                    url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, out->port, sizeof(out->port));
    curl_url_cleanup(url);
    return ok && (strcmp(out->scheme, "http") == 0 || strcmp(out->scheme, "https") == 0);
}

bool kw_web_host(const char *url, char *out, size_t size)
{
    origin o;
    if (!read_origin(url, &o))
        return false;
    const bool usual = strcmp(o.port, strcmp(o.scheme, "https") == 0 ? "443" : "80") == 0;
    const int n = snprintf(out, size, "%s%s%s", o.host, usual ? "" : ":", usual ? "" : o.port);
    return n >= 0 && (size_t)n < size;
}

bool kw_web_same_origin(const char *a, const char *b)
{
    origin x, y;
    return read_origin(a, &x) && read_origin(b, &y) && strcmp(x.scheme, y.scheme) == 0 &&
           strcmp(x.host, y.host) == 0 && strcmp(x.port, y.port) == 0;
}

/* A token is a secret: encrypted, or on this machine. */
static bool may_have_token(const origin *o)
{
    return strcmp(o->scheme, "https") == 0 || strcmp(o->host, "127.0.0.1") == 0 ||
           strcmp(o->host, "[::1]") == 0 || strcmp(o->host, "localhost") == 0;
}

/* ---- libcurl's callbacks ---- */

kw_status kw_web_status(long status)
{
    if (status == 200 || status == 206)
        return KW_OK;
    if (status == 401 || status == 403 || status == 404 || status == 410 || status == 451)
        return KW_E_NOTFOUND;
    if (status == 408 || status == 425 || status == 429 || status >= 500)
        return KW_E_IO;
    return KW_E_FORMAT;
}

static size_t on_header(char *data, size_t size, size_t n, void *user)
{
    transfer *const t = user;
    if (kw_web_header_line(&t->reply, (kw_str){data, size * n}))
        return size * n;
    t->too_long = true;
    return 0;
}

/* Tells of the header once; false: this is the end. */
static bool begin(transfer *t)
{
    if (t->begun)
        return true;
    t->begun = true;
    char *url = NULL;
    curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_URL, &url);
    if (!t->events.head)
        return kw_web_status(t->reply.status) == KW_OK;
    t->ended = !t->events.head(t->user, &t->reply, url ? url : "");
    return !t->ended;
}

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
    transfer *const t = user;
    if (!begin(t))
        return CURL_WRITEFUNC_ERROR;
    switch (t->events.data(t->user, (kw_bytes){(const uint8_t *)data, size * n})) {
    case KW_TAKE_OK:
        return size * n;
    case KW_TAKE_PAUSE:
        return CURL_WRITEFUNC_PAUSE;
    case KW_TAKE_STOP:
        break;
    }
    t->ended = true;
    return CURL_WRITEFUNC_ERROR;
}

/* ---- a transfer ---- */

static void transfer_free(transfer *t)
{
    if (!t)
        return;
    if (t->id != 0 && t->events.gone)
        t->events.gone(t->user);
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->fields);
    free(t);
}

static bool add_field(transfer *t, const char *name, const char *value)
{
    char text[KW_WEB_TAG_MAX + 64];
    const int n = snprintf(text, sizeof(text), "%s: %s", name, value);
    if (n < 0 || (size_t)n >= sizeof(text))
        return false;
    struct curl_slist *const more = curl_slist_append(t->fields, text);
    if (more)
        t->fields = more;
    return more != NULL;
}

static bool set_text(transfer *t, CURLoption option, const char *value)
{
    return curl_easy_setopt(t->easy, option, value) == CURLE_OK;
}

static bool set_number(transfer *t, CURLoption option, long value)
{
    return curl_easy_setopt(t->easy, option, value) == CURLE_OK;
}

static bool set_rules(transfer *t, const char *agent)
{
    return set_text(t, CURLOPT_USERAGENT, agent) &&
           set_text(t, CURLOPT_PROTOCOLS_STR, "http,https") &&
           set_text(t, CURLOPT_REDIR_PROTOCOLS_STR, t->secure ? "https" : "http,https") &&
           set_number(t, CURLOPT_FOLLOWLOCATION, 1) &&
           set_number(t, CURLOPT_MAXREDIRS, REDIRECTS_MAX) &&
           set_number(t, CURLOPT_UNRESTRICTED_AUTH, 0) && set_number(t, CURLOPT_NOSIGNAL, 1) &&
           set_number(t, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS) &&
           set_number(t, CURLOPT_TCP_KEEPALIVE, 1) &&
           set_number(t, CURLOPT_BUFFERSIZE, 256L << 10) &&
           /* Streams of one connection share its window; ranges come faster over several. */
           set_number(t, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
}

static bool set_callbacks(transfer *t)
{
    return curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->why) == CURLE_OK;
}

static bool set_request(transfer *t, const kw_web_get *get, const origin *o)
{
    char range[48];
    bool ok = set_text(t, CURLOPT_URL, get->url);
    if (get->ranged) {
        snprintf(range, sizeof(range), "%ju-%ju", (uintmax_t)get->from,
                 (uintmax_t)(get->from + get->len - 1));
        ok = ok && set_text(t, CURLOPT_RANGE, range);
    }
    if (get->accept)
        ok = ok && add_field(t, "Accept", get->accept);
    if (get->if_range)
        ok = ok && add_field(t, "If-Range", get->if_range);
    if (get->token && may_have_token(o))
        ok = ok && set_number(t, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER) &&
             set_text(t, CURLOPT_XOAUTH2_BEARER, get->token);
    return ok && curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->fields) == CURLE_OK;
}

static kw_status transfer_make(kw_web *http, const kw_web_get *get, transfer **out, kw_error *err)
{
    origin o;
    if (!read_origin(get->url, &o))
        return kw_fail(err, KW_E_ARG, "\"%.150s\" is not a URL of http or https", get->url);
    transfer *const t = calloc(1, sizeof(*t));
    if (!t)
        return kw_fail(err, KW_E_NOMEM, "http: no memory for a request");
    t->http = http;
    t->events = *get->events;
    t->user = get->user;
    t->owner = get->owner;
    t->secure = strcmp(o.scheme, "https") == 0;
    t->easy = curl_easy_init();
    if (!t->easy || !set_rules(t, http->agent) || !set_callbacks(t) || !set_request(t, get, &o)) {
        transfer_free(t);
        return kw_fail(err, KW_E_NOMEM, "http: no memory for a request");
    }
    *out = t;
    return KW_OK;
}

static kw_status curl_status(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return KW_OK;
    case CURLE_OUT_OF_MEMORY:
        return KW_E_NOMEM;
    case CURLE_URL_MALFORMAT:
        return KW_E_ARG;
    case CURLE_UNSUPPORTED_PROTOCOL: /* a redirect to what is not allowed */
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return KW_E_FORMAT;
    default:
        return KW_E_IO;
    }
}

static void unlink_transfer(kw_web *http, transfer *t)
{
    transfer **at = &http->transfers;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    curl_multi_remove_handle(http->multi, t->easy);
}

/* The end of a transfer, as libcurl sees it. */
static void finish(kw_web *http, transfer *t, CURLcode code)
{
    unlink_transfer(http, t);
    const bool bodyless = code == CURLE_OK && !t->begun;
    if (bodyless)
        (void)begin(t); /* an answer without a body */
    if (!t->ended) {
        kw_status status = code == CURLE_OK ? KW_OK : curl_status(code);
        char why[CURL_ERROR_SIZE + 32];
        snprintf(why, sizeof(why), "%s", t->why[0] ? t->why : curl_easy_strerror(code));
        if (t->too_long) {
            status = KW_E_FORMAT;
            snprintf(why, sizeof(why), "its header is longer than %zu bytes", KW_WEB_HEADERS_MAX);
        } else if (!t->events.head && t->begun && kw_web_status(t->reply.status) != KW_OK) {
            status = kw_web_status(t->reply.status);
            snprintf(why, sizeof(why), "answered with status %ld", t->reply.status);
        }
        t->events.done(t->user, status, &t->reply, why);
    }
    transfer_free(t);
}

/* ---- the thread ---- */

static void drop_owned(kw_web *http, const void *owner, uint64_t id)
{
    transfer *next = NULL;
    for (transfer *t = http->transfers; t; t = next) {
        next = t->next;
        if (owner ? t->owner != owner : t->id != id)
            continue;
        unlink_transfer(http, t);
        transfer_free(t);
    }
}

static void resume(kw_web *http, uint64_t id)
{
    for (transfer *t = http->transfers; t; t = t->next) {
        if (t->id != id)
            continue;
        /* What was held back is delivered from within this call. */
        (void)curl_easy_pause(t->easy, CURLPAUSE_CONT);
        return;
    }
}

static void obey(kw_web *http, const command *c)
{
    switch (c->kind) {
    case START:
        c->transfer->next = http->transfers;
        http->transfers = c->transfer;
        if (curl_multi_add_handle(http->multi, c->transfer->easy) != CURLM_OK)
            finish(http, c->transfer, CURLE_OUT_OF_MEMORY);
        break;
    case CANCEL:
        drop_owned(http, NULL, c->id);
        break;
    case RESUME:
        resume(http, c->id);
        break;
    case DROP:
        drop_owned(http, c->owner, 0);
        break;
    }
}

/* Takes the commands that are there; false: it is time to stop. */
static bool obey_all(kw_web *http)
{
    kw_sync_lock(http->sync);
    command *const commands = http->commands;
    const size_t n = http->n_commands;
    http->commands = NULL;
    http->n_commands = http->cap_commands = 0;
    const bool go_on = !http->stop;
    kw_sync_unlock(http->sync);
    for (size_t i = 0; i < n; i++)
        obey(http, &commands[i]);
    free(commands);
    kw_sync_lock(http->sync);
    http->n_taken += n;
    kw_sync_wake(http->sync);
    kw_sync_unlock(http->sync);
    return go_on;
}

static void run(void *arg)
{
    kw_web *const http = arg;
    while (obey_all(http)) {
        int n_running = 0, n_left = 0;
        if (curl_multi_perform(http->multi, &n_running) != CURLM_OK)
            continue;
        for (CURLMsg *m; (m = curl_multi_info_read(http->multi, &n_left));) {
            if (m->msg != CURLMSG_DONE)
                continue;
            char *t = NULL;
            const CURLcode code = m->data.result;
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
            finish(http, (transfer *)(void *)t, code);
        }
        (void)curl_multi_poll(http->multi, NULL, 0, 1000, NULL);
    }
    while (http->transfers) {
        transfer *const t = http->transfers;
        unlink_transfer(http, t);
        transfer_free(t);
    }
}

/* ---- from other threads ---- */

/* Adds a command; the number after which it has been obeyed, 0 without memory. */
static uint64_t put(kw_web *http, const command *c, uint64_t *id)
{
    uint64_t ticket = 0;
    kw_sync_lock(http->sync);
    if (http->n_commands == http->cap_commands) {
        const size_t cap = http->cap_commands ? 2 * http->cap_commands : 16;
        command *const more = realloc(http->commands, cap * sizeof(*more));
        if (more) {
            http->commands = more;
            http->cap_commands = cap;
        }
    }
    if (http->n_commands < http->cap_commands) {
        http->commands[http->n_commands++] = *c;
        if (c->transfer)
            *id = c->transfer->id = ++http->next_id;
        ticket = ++http->n_given;
    }
    kw_sync_unlock(http->sync);
    (void)curl_multi_wakeup(http->multi);
    return ticket;
}

kw_status kw_web_start(kw_web *http, const kw_web_get *get, uint64_t *id, kw_error *err)
{
    transfer *t;
    KW_TRY(transfer_make(http, get, &t, err));
    const command c = {.kind = START, .transfer = t};
    if (put(http, &c, id) != 0)
        return KW_OK;
    transfer_free(t);
    return kw_fail(err, KW_E_NOMEM, "http: no memory for a request");
}

void kw_web_cancel(kw_web *http, uint64_t id)
{
    (void)put(http, &(command){.kind = CANCEL, .id = id}, NULL);
}

void kw_web_resume(kw_web *http, uint64_t id)
{
    (void)put(http, &(command){.kind = RESUME, .id = id}, NULL);
}

void kw_web_drop(kw_web *http, void *owner)
{
    uint64_t ticket;
    /* This must not fail; memory comes back when others end. */
    while ((ticket = put(http, &(command){.kind = DROP, .owner = owner}, NULL)) == 0) {
        kw_sync_lock(http->sync);
        kw_sync_wait(http->sync, 10000000);
        kw_sync_unlock(http->sync);
    }
    kw_sync_lock(http->sync);
    while (http->n_taken < ticket)
        kw_sync_wait(http->sync, UINT64_C(1000000000));
    kw_sync_unlock(http->sync);
}

kw_status kw_web_open(const char *agent, kw_web **out, kw_error *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return kw_fail(err, KW_E_IO, "http: libcurl cannot start");
    kw_web *const http = calloc(1, sizeof(*http));
    kw_status status = KW_OK;
    if (http) {
        http->agent = malloc(strlen(agent) + 1);
        http->multi = curl_multi_init();
        if (http->agent)
            memcpy(http->agent, agent, strlen(agent) + 1);
    }
    if (!http || !http->agent || !http->multi)
        status = kw_fail(err, KW_E_NOMEM, "http: no memory");
    if (status == KW_OK) {
        curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, CONNECTIONS_MAX);
        curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS, CONNECTIONS_PER_HOST);
        status = kw_sync_create(&http->sync, err);
    }
    if (status == KW_OK)
        status = kw_thread_start(&http->thread, run, http, err);
    if (status != KW_OK) {
        kw_web_close(http);
        return status;
    }
    *out = http;
    return KW_OK;
}

void kw_web_close(kw_web *http)
{
    if (http && http->thread) {
        kw_sync_lock(http->sync);
        http->stop = true;
        kw_sync_unlock(http->sync);
        (void)curl_multi_wakeup(http->multi);
        kw_thread_join(http->thread);
    }
    if (http) {
        for (size_t i = 0; i < http->n_commands; i++)
            transfer_free(http->commands[i].transfer);
        free(http->commands);
        kw_sync_free(http->sync);
        if (http->multi)
            curl_multi_cleanup(http->multi);
        free(http->agent);
        free(http);
    }
    curl_global_cleanup();
}
