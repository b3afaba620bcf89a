/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* host.c - opening and closing a host, the protocols that it speaks, and who watches. */
#include "net/webrtc.h"

#include "base/check.h"
#include "crypto/crypto.h"
#include "crypto/dtls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- closing ---- */

static void free_host(kw_host *host)
{
    kw_timer_close(host->tick);
    kw_timer_close(host->soon_timer);
    kw_book_close(host->book);
    kw_limits_close(host->gate);
    kw_peer_table_free(&host->peers);
    kw_certificate_free(host->certificate);
    free(host->read_buffer);
    free(host);
}

void kw_host_released(kw_host *host)
{
    host->n_handles--;
    if (host->closing && host->n_handles == 0)
        kw_timer_set(host->soon_timer, 0, 0); /* who is on the stack may still look at the host */
}

static void on_soon(void *user)
{
    kw_host *host = user;
    kw_requests_run(host);
    kw_link_turns(host);
    if (!host->closing || host->n_handles > 0 || host->soon || host->turns)
        return;
    void (*closed)(void *) = host->closed;
    void *closed_user = host->closed_user;
    free_host(host);
    if (closed)
        closed(closed_user);
}

void kw_host_close(kw_host *host, void (*done)(void *user), void *user)
{
    host->closing = true;
    host->closed = done;
    host->closed_user = user;
    kw_listen_close_all(host);
    kw_dial_close_all(host);
    for (kw_link *link = host->links; link;) {
        kw_link *next = link->next;
        kw_link_close(link);
        link = next;
    }
    kw_webrtc_close_all(host);
    kw_timer_set(host->soon_timer, 0, 0);
}

/* ---- opening ---- */

static void on_tick(void *user)
{
    kw_host *host = user;
    const uint64_t now = kw_loop_now(host->loop);
    for (kw_link *link = host->links; link;) {
        kw_link *next = link->next; /* stays in memory in this turn of the loop, whatever happens */
        kw_link_tick(link, now);
        link = next;
    }
    if (host->push_due && !host->closing)
        kw_identify_push(host);
}

static kw_host_limits with_defaults(kw_host_limits l)
{
    return (kw_host_limits){
        .connections = l.connections ? l.connections : 200,
        .connections_per_ip = l.connections_per_ip ? l.connections_per_ip : 8,
        .handshakes_per_second = l.handshakes_per_second ? l.handshakes_per_second : 4,
        .requests_per_second = l.requests_per_second ? l.requests_per_second : 2000,
        .buffered_bytes = l.buffered_bytes ? l.buffered_bytes : (size_t)64 << 20,
        .handshake_ms = l.handshake_ms ? l.handshake_ms : 10000,
        .idle_ms = l.idle_ms ? l.idle_ms : 60000,
        .dial_ms = l.dial_ms ? l.dial_ms : 10000};
}

static kw_status open_parts(kw_host *host, kw_error *err)
{
    uint64_t salt;
    const kw_host_limits *limits = &host->limits;
    KW_TRY(kw_crypto_random(&salt, sizeof salt, err));
    host->peers.salt = salt;
    host->read_buffer = malloc(KW_READ_BUFFER);
    if (!host->read_buffer)
        return kw_fail(err, KW_E_NOMEM, "host: out of memory");
    KW_TRY(kw_book_open(salt, &host->book, err));
    KW_TRY(kw_limits_open(limits->connections_per_ip, limits->handshakes_per_second,
                          2 * limits->handshakes_per_second, salt, &host->gate, err));
    host->requests =
        (kw_rate){(double)limits->requests_per_second, 4.0 * (double)limits->requests_per_second};
    host->answer_rate = (kw_rate){8 * host->requests.per_second, 2 * host->requests.per_second};
    host->answers = kw_bucket_full(&host->answer_rate, kw_loop_now(host->loop));
    const kw_rate of_address = {2 * host->requests.per_second, 2 * host->requests.burst};
    kw_limits_set_requests(host->gate, &of_address);
    KW_TRY(kw_timer_open(host->loop, on_tick, host, &host->tick, err));
    KW_TRY(kw_timer_open(host->loop, on_soon, host, &host->soon_timer, err));
    KW_TRY(kw_identify_serve(host, err));
    return kw_ping_serve(host, err);
}

kw_status kw_host_open(const kw_host_config *config, kw_host **out, kw_error *err)
{
    kw_host *host = calloc(1, sizeof *host);
    if (!host)
        return kw_fail(err, KW_E_NOMEM, "host: out of memory");
    host->loop = config->loop;
    host->identity = config->identity;
    host->config = *config;
    host->limits = with_defaults(config->limits);
    host->window_budget = host->limits.buffered_bytes;
    (void)snprintf(host->agent, sizeof host->agent, "%s", config->agent ? config->agent : "kwaai");
    kw_link_owner(&host->owner);
    const kw_status status = open_parts(host, err);
    if (status != KW_OK) {
        free_host(host);
        return status;
    }
    const uint64_t shortest = KW_MIN(host->limits.handshake_ms, host->limits.idle_ms) / 4;
    const uint64_t tick = KW_MAX(KW_MIN(shortest, 1000), 20);
    kw_timer_set(host->tick, tick, tick);
    *out = host;
    return KW_OK;
}

const kw_peer_id *kw_host_id(const kw_host *host)
{
    return &host->identity->id;
}

kw_loop *kw_host_loop(const kw_host *host)
{
    return host->loop;
}

bool kw_host_allows(kw_host *host, const kw_peer_id *peer, const kw_multiaddr *addr, bool inbound)
{
    const kw_host_config *config = &host->config;
    return !host->closing &&
           (!config->allow || config->allow(config->allow_user, peer, addr, inbound));
}

/* ---- protocols ---- */

static size_t index_of(const kw_host *host, const char *id)
{
    size_t i = 0;
    while (i < host->n_protocols && strcmp(host->protocols[i].id, id) != 0)
        i++;
    return i;
}

const kw_protocol *kw_host_protocol(const kw_host *host, const char *id)
{
    const size_t i = index_of(host, id);
    return i < host->n_protocols ? &host->protocols[i] : NULL;
}

kw_status kw_host_speak(kw_host *host, const kw_protocol *protocol, kw_error *err)
{
    const size_t len = strlen(protocol->id);
    if (len == 0 || len > KW_PROTOCOL_MAX || kw_host_protocol(host, protocol->id))
        return kw_fail(err, KW_E_ARG, "host: protocol \"%.100s\" is spoken already, or no name",
                       protocol->id);
    if (host->n_protocols == KW_MAX_PROTOCOLS)
        return kw_fail(err, KW_E_LIMIT, "host: speaks %d protocols", KW_MAX_PROTOCOLS);
    host->protocols[host->n_protocols++] = *protocol;
    host->push_due = true;
    return KW_OK;
}

void kw_host_unspeak(kw_host *host, const char *id)
{
    const size_t i = index_of(host, id);
    if (i == host->n_protocols)
        return;
    host->n_protocols--;
    memmove(&host->protocols[i], &host->protocols[i + 1],
            (host->n_protocols - i) * sizeof(host->protocols[0]));
    host->push_due = true;
}

/* ---- watchers ---- */

void kw_host_tell(kw_host *host, const kw_peer_id *peer, bool joined)
{
    /* A copy: a watcher may remove itself, or another, meanwhile. */
    kw_host_watch watches[KW_MAX_WATCHES];
    const size_t n = host->n_watches;
    memcpy(watches, host->watches, sizeof watches);
    for (size_t i = 0; i < n; i++) {
        void (*tell)(void *, const kw_peer_id *) = joined ? watches[i].joined : watches[i].left;
        bool still = false;
        for (size_t j = 0; j < host->n_watches; j++)
            still = still || host->watches[j].user == watches[i].user;
        if (tell && still)
            tell(watches[i].user, peer);
    }
}

kw_status kw_host_add_watch(kw_host *host, const kw_host_watch *watch, kw_error *err)
{
    if (host->n_watches == KW_MAX_WATCHES)
        return kw_fail(err, KW_E_LIMIT, "host: has %d watchers", KW_MAX_WATCHES);
    host->watches[host->n_watches++] = *watch;
    return KW_OK;
}

void kw_host_remove_watch(kw_host *host, void *user)
{
    size_t kept = 0;
    for (size_t i = 0; i < host->n_watches; i++)
        if (host->watches[i].user != user)
            host->watches[kept++] = host->watches[i];
    host->n_watches = kept;
}
