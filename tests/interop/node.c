/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* node.c - our own host, told what to do a line at a time (README.md here): a peer for the tests
 * with other implementations, and for measurements.
 *
 *   interop-node [listen=ADDR]... [seed=N] [open=1] [per_ip=N] [autonat=1]
 *
 * open=1 lifts the limits on connections, for measurements; per_ip=N those of one address.
 * autonat=1 tells others whether they can be dialed, on loopback too, and can ask them. Besides
 * the lines of all peers it takes idle ADDR N      opens N more connections, each as a peer of its
 * own, and keeps them flood ADDR N MS  N peers connect, open streams, say nonsense and leave, again
 * and again memory           resident bytes of the process, and its connections */
#include "net/autonat.h"
#include "net/host.h"

#include "base/check.h"
#include "base/json.h"
#include "crypto/crypto.h"
#include "net/loop_uv.h"
#include "net/perf.h"
#include "net/sctp.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_LISTEN 4

typedef struct node {
    kw_loop *loop;
    kw_host *host;
    kw_identity identity;
    uv_thread_t reader;
    char line[2048]; /* the one under way */
    kw_peer_id peer; /* whom it is about */
    uint64_t begin_ns, sent, received;
    uv_sem_t answered;
    bool closed;
    /* idle, flood */
    struct guest *guests;
    size_t n_guests, n_done, n_reached;
    kw_timer *timer;
    kw_multiaddr target;
    uint64_t until_ms, n_rounds;
    kw_autonat *autonat; /* NULL: off */
    size_t n_votes;      /* before the question */
} node;

static void fail(const char *what, const kw_error *err)
{
    (void)fprintf(stderr, "interop-node: %s: %s\n", what, err ? err->message : "");
    exit(1);
}

/* ---- answers ---- */

static void say(node *n, kw_buf *text)
{
    (void)fwrite(text->data, 1, text->len, stdout);
    (void)fputc('\n', stdout);
    (void)fflush(stdout);
    kw_buf_free(text);
    uv_sem_post(&n->answered);
}

static void say_error(node *n, const char *why)
{
    kw_buf out = {0};
    kw_buf_printf(&out, "{\"error\": ");
    kw_buf_json(&out, kw_str_from(why));
    kw_buf_printf(&out, "}");
    say(n, &out);
}

static void greet(node *n)
{
    kw_multiaddr addrs[MAX_LISTEN * 4];
    char id[KW_PEER_ID_TEXT_MAX], text[KW_MULTIADDR_TEXT_MAX];
    const size_t n_addrs = kw_host_addrs(n->host, addrs, KW_COUNT(addrs));
    kw_peer_id_text(&n->identity.id, id);
    (void)printf("{\"peer\": \"%s\", \"addrs\": [", id);
    for (size_t i = 0; i < n_addrs && i < KW_COUNT(addrs); i++) {
        kw_multiaddr_text(&addrs[i], text);
        (void)printf("%s\"%s/p2p/%s\"", i ? ", " : "", text, id);
    }
    (void)printf("]}\n");
    (void)fflush(stdout);
}

/* ---- the lines of all peers ---- */

static void on_ping(void *user, kw_status status, uint64_t rtt_us)
{
    kw_buf out = {0};
    if (status != KW_OK) {
        say_error(user, kw_status_name(status));
        return;
    }
    kw_buf_printf(&out, "{\"us\": %llu}", (unsigned long long)rtt_us);
    say(user, &out);
}

static void on_perf(void *user, kw_status status, const kw_perf_result *result)
{
    node *n = user;
    kw_buf out = {0};
    if (status != KW_OK) {
        say_error(n, kw_status_name(status));
        return;
    }
    kw_buf_printf(&out, "{\"sent\": %llu, \"received\": %llu, \"us\": %llu}",
                  (unsigned long long)result->up_bytes, (unsigned long long)result->down_bytes,
                  (unsigned long long)(result->up_us + result->down_us));
    say(n, &out);
}

static void on_identify_wait(node *n)
{
    static const char *const interesting[] = {"/ipfs/id/1.0.0",   "/ipfs/id/push/1.0.0",
                                              "/ipfs/ping/1.0.0", "/perf/1.0.0",
                                              "/ipfs/kad/1.0.0",  "/kwaai/kad/1.0.0"};
    kw_peer_info infos[64];
    const size_t n_infos = kw_host_peers(n->host, infos, KW_COUNT(infos));
    for (size_t i = 0; i < n_infos && i < KW_COUNT(infos); i++) {
        if (!kw_peer_id_equal(&infos[i].id, &n->peer) || !infos[i].agent[0])
            continue;
        char id[KW_PEER_ID_TEXT_MAX];
        kw_buf out = {0};
        kw_timer_clear(n->timer);
        kw_peer_id_text(&n->peer, id);
        kw_buf_printf(&out, "{\"peer\": \"%s\", \"agent\": ", id);
        kw_buf_json(&out, kw_str_from(infos[i].agent));
        kw_buf_printf(&out, ", \"protocols\": [");
        const char *between = "";
        for (size_t p = 0; p < KW_COUNT(interesting); p++) {
            if (!kw_host_peer_speaks(n->host, &n->peer, interesting[p]))
                continue;
            kw_buf_printf(&out, "%s\"%s\"", between, interesting[p]);
            between = ", ";
        }
        kw_buf_printf(&out, "]}");
        say(n, &out);
        return;
    }
    if (kw_loop_now(n->loop) > n->until_ms) {
        kw_timer_clear(n->timer);
        say_error(n, "no identify within 5 s");
    }
}

/* AutoNAT asks whoever is connected and was not asked yet: the peer of the line. */
static void on_reach_wait(node *n)
{
    kw_autonat_info info;
    kw_autonat_get_info(n->autonat, &info);
    if (info.n_yes + info.n_no > n->n_votes) {
        kw_buf out = {0};
        kw_timer_clear(n->timer);
        kw_buf_printf(&out, "{\"yes\": %zu, \"no\": %zu}", info.n_yes, info.n_no);
        say(n, &out);
    } else if (kw_loop_now(n->loop) > n->until_ms) {
        kw_timer_clear(n->timer);
        say_error(n, "no answer within 20 s");
    }
}

static void on_timer(void *user)
{
    node *n = user;
    if (strncmp(n->line, "reach ", 6) == 0)
        on_reach_wait(n);
    else
        on_identify_wait(n);
}

static void on_connected(void *user, const kw_peer_id *peer, kw_status status, const char *why)
{
    node *n = user;
    if (status != KW_OK) {
        say_error(n, why);
        return;
    }
    n->peer = *peer;
    if (strncmp(n->line, "ping ", 5) == 0) {
        kw_host_ping(n->host, peer, on_ping, n);
    } else if (strncmp(n->line, "perf ", 5) == 0) {
        kw_perf_run(n->host, peer, n->sent, n->received, on_perf, n);
    } else {
        const bool reach = strncmp(n->line, "reach ", 6) == 0;
        n->until_ms = kw_loop_now(n->loop) + (reach ? 20000 : 5000);
        kw_timer_set(n->timer, 0, 20);
    }
}

/* ---- many peers ---- */

typedef struct guest {
    node *owner;
    kw_host *host;
    kw_identity identity;
    kw_stream *streams[8];
    size_t n_streams;
} guest;

static bool open_guest(node *n, guest *g)
{
    uint8_t seed[32];
    const kw_host_config config = {.loop = n->loop,
                                   .identity = &g->identity,
                                   .agent = "guest",
                                   .limits = {.idle_ms = 3600000, .dial_ms = 60000}};
    g->owner = n;
    return kw_crypto_random(seed, sizeof seed, NULL) == KW_OK &&
           kw_identity_of_seed(seed, &g->identity, NULL) == KW_OK &&
           kw_host_open(&config, &g->host, NULL) == KW_OK;
}

static void on_idle(void *user, const kw_peer_id *peer, kw_status status, const char *why);

/* The next one dials when the one before has arrived: no queue grows anywhere. */
static void next_idle(node *n)
{
    if (n->n_done == n->n_guests) {
        kw_buf out = {0};
        kw_buf_printf(&out, "{\"connected\": %zu}", n->n_reached);
        say(n, &out);
        return;
    }
    guest *g = &n->guests[n->n_done++];
    if (open_guest(n, g))
        kw_host_connect(g->host, NULL, &n->target, on_idle, g);
    else
        next_idle(n);
}

static void on_idle(void *user, const kw_peer_id *peer, kw_status status, const char *why)
{
    node *n = ((guest *)user)->owner;
    (void)peer;
    (void)why;
    n->n_reached += status == KW_OK;
    next_idle(n);
}

static void flood_round(void *user);

static void guest_closed(void *user)
{
    guest *g = user;
    node *n = g->owner;
    n->n_rounds++;
    if (kw_loop_now(n->loop) < n->until_ms) {
        flood_round(g);
        return;
    }
    if (++n->n_done < n->n_guests)
        return;
    kw_buf out = {0};
    kw_buf_printf(&out, "{\"rounds\": %llu, \"connected\": %zu}", (unsigned long long)n->n_rounds,
                  n->n_reached);
    free(n->guests);
    n->guests = NULL;
    say(n, &out);
}

static void flood_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    (void)user;
    (void)stream;
    (void)bytes;
}

static void flood_closed(void *user, kw_stream *stream, kw_status why)
{
    guest *g = user;
    (void)why;
    for (size_t i = 0; i < g->n_streams; i++)
        if (g->streams[i] == stream)
            g->streams[i] = NULL;
}

static const kw_stream_events flood_events = {.data = flood_data, .closed = flood_closed};

static void flood_opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    static const uint8_t nonsense[4096] = {0xff, 0xff, 0xff, 0xff, 0x7f};
    guest *g = user;
    (void)status;
    (void)why;
    if (!stream)
        return;
    kw_stream_listen(stream, &flood_events, g);
    (void)kw_stream_write(stream, (kw_bytes){nonsense, sizeof nonsense}, NULL);
}

static void leave(void *user)
{
    guest *g = user;
    kw_host *host = g->host;
    g->host = NULL;
    kw_host_close(host, guest_closed, g);
}

/* As many streams as go, of protocols that exist and of one that does not. */
static void on_flood(void *user, const kw_peer_id *peer, kw_status status, const char *why)
{
    static const char *const names[] = {"/ipfs/ping/1.0.0", "/ipfs/id/push/1.0.0", "/no/such"};
    guest *g = user;
    (void)why;
    if (status == KW_OK) {
        g->owner->n_reached++;
        for (int i = 0; i < 300; i++)
            kw_host_stream(g->host, peer, &names[i % 3], 1, flood_opened, g);
    }
    leave(g);
}

static void flood_round(void *user)
{
    guest *g = user;
    node *n = g->owner;
    if (open_guest(n, g))
        kw_host_connect(g->host, NULL, &n->target, on_flood, g);
    else
        guest_closed(g);
}

static void begin_guests(node *n, const char *kind, size_t count, uint64_t ms)
{
    free(n->guests);
    n->guests = calloc(count, sizeof *n->guests);
    if (!n->guests || count == 0) {
        say_error(n, "how many?");
        return;
    }
    n->n_guests = count;
    n->n_done = n->n_reached = 0;
    n->n_rounds = 0;
    if (strcmp(kind, "idle") == 0) {
        next_idle(n);
        return;
    }
    n->until_ms = kw_loop_now(n->loop) + ms;
    for (size_t i = 0; i < count; i++) {
        n->guests[i].owner = n;
        flood_round(&n->guests[i]);
    }
}

static void say_memory(node *n)
{
    unsigned long long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%llu %llu", &pages, &resident) != 2)
            resident = 0;
        (void)fclose(file);
    }
    kw_buf out = {0};
    kw_buf_printf(&out, "{\"resident\": %llu, \"peers\": %zu}",
                  resident * (unsigned long long)sysconf(_SC_PAGESIZE),
                  kw_host_peers(n->host, NULL, 0));
    say(n, &out);
}

/* ---- lines ---- */

static void on_line(void *user)
{
    node *n = user;
    char command[16] = "", where[512] = "";
    unsigned long long a = 0, b = 0;
    kw_error err;
    const int words = sscanf(n->line, "%15s %511s %llu %llu", command, where, &a, &b);
    n->sent = a;
    n->received = b;
    if (words == 1 && strcmp(command, "memory") == 0) {
        say_memory(n);
    } else if (words < 2 || kw_multiaddr_parse(kw_str_from(where), &n->target, &err) != KW_OK) {
        say_error(n, words < 2 ? "no such line" : err.message);
    } else if (strcmp(command, "idle") == 0 || strcmp(command, "flood") == 0) {
        begin_guests(n, command, (size_t)a, b);
    } else if (strcmp(command, "ping") == 0 || strcmp(command, "identify") == 0 ||
               strcmp(command, "perf") == 0 || (n->autonat && strcmp(command, "reach") == 0)) {
        kw_autonat_info info = {.n_yes = 0};
        if (n->autonat)
            kw_autonat_get_info(n->autonat, &info);
        n->n_votes = info.n_yes + info.n_no;
        kw_host_connect(n->host, NULL, &n->target, on_connected, n);
    } else {
        say_error(n, "no such line");
    }
}

static void on_closed(void *user)
{
    kw_loop_stop(((node *)user)->loop);
}

static void on_end(void *user)
{
    node *n = user;
    if (n->autonat)
        kw_autonat_close(n->autonat);
    kw_host_close(n->host, on_closed, user);
}

static void read_lines(void *user)
{
    node *n = user;
    while (fgets(n->line, sizeof n->line, stdin)) {
        if (kw_loop_post(n->loop, on_line, n, NULL) != KW_OK)
            break;
        uv_sem_wait(&n->answered);
    }
    (void)kw_loop_post(n->loop, on_end, n, NULL);
}

int main(int argc, char **argv)
{
    static node n;
    kw_error err;
    uint8_t seed[32];
    kw_host_config config = {.agent = "kwaai/interop"};
    kw_multiaddr listen[MAX_LISTEN];
    size_t n_listen = 0;
    bool autonat = false;
    if (kw_crypto_random(seed, sizeof seed, &err) != KW_OK)
        fail("random", &err);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "seed=", 5) == 0)
            memset(seed, atoi(argv[i] + 5), sizeof seed);
        else if (strcmp(argv[i], "open=1") == 0)
            config.limits = (kw_host_limits){.connections = 100000,
                                             .connections_per_ip = 100000,
                                             .handshakes_per_second = 1000000,
                                             .idle_ms = 3600000};
        else if (strncmp(argv[i], "per_ip=", 7) == 0)
            config.limits.connections_per_ip = (size_t)atoi(argv[i] + 7);
        else if (strcmp(argv[i], "autonat=1") == 0)
            autonat = true;
        else if (strncmp(argv[i], "listen=", 7) == 0 && n_listen < MAX_LISTEN &&
                 kw_multiaddr_parse(kw_str_from(argv[i] + 7), &listen[n_listen], &err) == KW_OK)
            n_listen++;
        else
            fail(argv[i], NULL);
    }
    if (kw_identity_of_seed(seed, &n.identity, &err) != KW_OK ||
        kw_loop_open(&n.loop, &err) != KW_OK)
        fail("open", &err);
    config.loop = n.loop;
    config.identity = &n.identity;
    if (kw_host_open(&config, &n.host, &err) != KW_OK || kw_perf_serve(n.host, &err) != KW_OK ||
        kw_timer_open(n.loop, on_timer, &n, &n.timer, &err) != KW_OK)
        fail("host", &err);
    for (size_t i = 0; i < n_listen; i++) {
        kw_multiaddr_part webrtc;
        if (kw_multiaddr_find(&listen[i], KW_MA_WEBRTC_DIRECT, &webrtc) && !kw_sctp_there())
            (void)fprintf(stderr, "interop-node: this build has no WebRTC\n");
        else if (kw_host_listen(n.host, &listen[i], &err) != KW_OK)
            fail("listen", &err);
    }
    const kw_autonat_config nat = {
        .host = n.host, .anywhere = true, .undecided_ms = 200, .again_ms = 200};
    if (autonat && kw_autonat_open(&nat, &n.autonat, &err) != KW_OK)
        fail("autonat", &err);
    greet(&n);
    if (uv_sem_init(&n.answered, 0) != 0 || uv_thread_create(&n.reader, read_lines, &n) != 0)
        fail("thread", NULL);
    kw_loop_run(n.loop);
    (void)uv_thread_join(&n.reader);
    return 0;
}
