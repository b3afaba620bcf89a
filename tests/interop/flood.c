/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* flood.c - a peer that means ill, for tests/e2e/flood.sh: as much as it can of one thing.
 *
 *   interop-flood handshakes|streams|wants|malformed|slow PORT FIRST N MS
 *
 * N connections at a time to 127.0.0.1:PORT, from 127.0.0.FIRST and on; each is made again when it
 * ends, under a new key. At the end a line of JSON says what came of it. */
#include "net/connection.h"

#include "base/check.h"
#include "crypto/crypto.h"
#include "net/bitswap_message.h"
#include "net/frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 64, STREAMS_AT_ONCE = 64, WANTS_A_MESSAGE = 1024, PAUSE_MS = 2 };

typedef enum mode { HANDSHAKES, STREAMS, WANTS, MALFORMED, SLOW, N_MODES } mode;
static const char *const mode_names[N_MODES] = {"handshakes", "streams", "wants", "malformed",
                                                "slow"};

typedef struct attacker {
    int fd;
    struct flood *flood;
    kw_identity identity;
    kw_connection *connection;
    kw_buf out;
    size_t n_out; /* of out, sent */
    size_t n_streams;
    uint64_t again_ms;
    bool up, secured, over;
    struct sockaddr_in from;
} attacker;

typedef struct flood {
    mode mode;
    struct sockaddr_in to;
    attacker attackers[CONNECTIONS];
    size_t n;
    unsigned long long n_connects, n_secured, n_streams, n_wants, n_ended;
} flood;

static uint64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- what is done once the peer is there ---- */

static void open_stream(attacker *a);

static void ignore_data(void *user, kw_stream *stream, kw_bytes bytes)
{
    (void)user;
    (void)stream;
    (void)bytes;
}

static void stream_closed(void *user, kw_stream *stream, kw_status why)
{
    attacker *const a = user;
    (void)stream;
    (void)why;
    a->n_streams--;
}

/* Wants of blocks that nobody has, each to be answered. */
static void write_wants(void *user, kw_stream *stream)
{
    attacker *const a = user;
    kw_buf wants = {0}, message = {0};
    for (int i = 0; i < WANTS_A_MESSAGE; i++) {
        uint8_t digest[32];
        const uint64_t serial = a->flood->n_wants++;
        memset(digest, (int)(serial >> 16), sizeof digest);
        memcpy(digest, &serial, sizeof serial);
        const kw_bitswap_entry entry = {
            .cid = kw_cid_of_sha256(KW_CODEC_RAW, digest), .have = i % 2, .send_dont_have = true};
        kw_bitswap_put_entry(&wants, &entry);
    }
    kw_bitswap_put_wants(&message, &wants);
    while (kw_stream_room(stream) > ((size_t)1 << 20) &&
           kw_frame_write(stream, (kw_bytes){(const uint8_t *)message.data, message.len}, NULL) ==
               KW_OK)
        a->flood->n_wants += WANTS_A_MESSAGE;
    kw_buf_free(&wants);
    kw_buf_free(&message);
}

static const kw_stream_events stream_events = {
    .data = ignore_data, .drained = write_wants, .closed = stream_closed};

static void stream_opened(void *user, kw_stream *stream, kw_status status, const char *why)
{
    attacker *const a = user;
    (void)status;
    (void)why;
    if (!stream) {
        a->n_streams--;
        return;
    }
    a->flood->n_streams++;
    kw_stream_listen(stream, &stream_events, a);
    if (a->flood->mode == WANTS)
        write_wants(a, stream);
    else
        kw_stream_reset(stream);
}

static void open_stream(attacker *a)
{
    static const char *const ids[] = {"/ipfs/ping/1.0.0", "/ipfs/bitswap/1.2.0"};
    a->n_streams++;
    kw_connection_stream(a->connection, &ids[a->flood->mode == WANTS], 1, stream_opened, a);
}

/* ---- the connection ---- */

static void on_send(void *user, kw_bytes bytes)
{
    attacker *const a = user;
    kw_buf_add(&a->out, (const char *)bytes.data, bytes.len);
}

static void on_secured(void *user, const kw_peer_id *peer)
{
    attacker *const a = user;
    (void)peer;
    a->secured = true;
    a->flood->n_secured++;
}

static bool on_incoming(void *user, kw_stream *stream, const char *protocol)
{
    (void)user;
    (void)stream;
    (void)protocol;
    return false;
}

static bool on_speaks(void *user, const char *protocol)
{
    (void)user;
    (void)protocol;
    return false;
}

static void on_closed(void *user, kw_status why, const char *reason)
{
    attacker *const a = user;
    (void)why;
    (void)reason;
    a->over = true;
}

static const kw_connection_owner owner = {.send = on_send,
                                          .secured = on_secured,
                                          .incoming = on_incoming,
                                          .speaks = on_speaks,
                                          .closed = on_closed};

static void hang_up(attacker *a)
{
    a->flood->n_ended++;
    if (a->connection && !a->over)
        kw_connection_lost(a->connection, KW_E_IO);
    kw_connection_free(a->connection);
    a->connection = NULL;
    kw_buf_free(&a->out);
    close(a->fd);
    a->fd = -1;
    a->n_out = 0;
    a->again_ms = now_ms() + PAUSE_MS;
}

static void reach(attacker *a)
{
    flood *const f = a->flood;
    const struct linger at_once = {.l_onoff = 1}; /* ports of this machine do not run out */
    a->up = a->secured = a->over = false;
    a->n_streams = 0;
    a->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (a->fd < 0 || bind(a->fd, (const struct sockaddr *)&a->from, sizeof a->from) != 0)
        die("socket");
    (void)setsockopt(a->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    f->n_connects++;
    if (connect(a->fd, (const struct sockaddr *)&f->to, sizeof f->to) != 0 && errno != EINPROGRESS)
        hang_up(a);
}

static void greet(attacker *a)
{
    flood *const f = a->flood;
    uint8_t seed[32];
    kw_error err;
    a->up = true;
    if (f->mode == SLOW) { /* the beginning of something, and nothing more */
        kw_buf_add(&a->out, "\x13/mu", 4);
        return;
    }
    if (f->mode == MALFORMED && f->n_connects % 2) {
        for (int i = 0; i < 64; i++)
            kw_buf_add(&a->out, "\x13/multistream/2.0.0\n", 20);
        return;
    }
    const kw_connection_config config = {.identity = &a->identity,
                                         .owner = &owner,
                                         .user = a,
                                         .initiator = true,
                                         .now_ms = now_ms()};
    if (kw_crypto_random(seed, sizeof seed, &err) != KW_OK ||
        kw_identity_of_seed(seed, &a->identity, &err) != KW_OK ||
        kw_connection_open(&config, &a->connection, &err) != KW_OK)
        die("connection");
}

/* Whatever the mode does again and again. */
static void go_on(attacker *a)
{
    flood *const f = a->flood;
    if (!a->secured || a->over)
        return;
    if (f->mode == HANDSHAKES)
        hang_up(a);
    else if (f->mode == MALFORMED)
        kw_buf_add(&a->out, "\0\x20 neither sealed nor of any use...", 34);
    else if (f->mode == STREAMS || a->n_streams == 0)
        while (a->n_streams < (f->mode == WANTS ? 1 : STREAMS_AT_ONCE))
            open_stream(a);
}

static void receive(attacker *a)
{
    static uint8_t bytes[65536];
    const ssize_t n = recv(a->fd, bytes, sizeof bytes, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        hang_up(a);
    } else if (n > 0 && a->connection) {
        kw_connection_receive(a->connection, (kw_bytes){bytes, (size_t)n}, now_ms());
        kw_connection_turn(a->connection);
        if (a->over)
            hang_up(a);
    }
}

static void transmit(attacker *a)
{
    const ssize_t n = send(a->fd, a->out.data + a->n_out, a->out.len - a->n_out, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        hang_up(a);
        return;
    }
    a->n_out += n > 0 ? (size_t)n : 0;
    if (a->n_out == a->out.len) {
        a->n_out = 0;
        a->out.len = 0;
    }
    if (a->connection)
        kw_connection_backlog(a->connection, a->out.len - a->n_out);
}

static void step(flood *f)
{
    struct pollfd polls[CONNECTIONS];
    for (size_t i = 0; i < f->n; i++) {
        attacker *const a = &f->attackers[i];
        if (a->fd < 0 && now_ms() >= a->again_ms)
            reach(a);
        const bool writes = a->fd >= 0 && (!a->up || a->out.len > a->n_out);
        polls[i] = (struct pollfd){.fd = a->fd, .events = writes ? POLLIN | POLLOUT : POLLIN};
    }
    (void)poll(polls, f->n, PAUSE_MS);
    for (size_t i = 0; i < f->n; i++) {
        attacker *const a = &f->attackers[i];
        if (a->fd < 0)
            continue;
        if (!a->up && polls[i].revents & POLLOUT)
            greet(a);
        if (polls[i].revents & (POLLIN | POLLERR | POLLHUP))
            receive(a);
        if (a->fd >= 0 && a->up)
            go_on(a);
        if (a->fd >= 0 && a->out.len > a->n_out)
            transmit(a);
    }
}

int main(int argc, char **argv)
{
    static flood f;
    int first = 0;
    if (argc == 6) {
        while (f.mode < N_MODES && strcmp(argv[1], mode_names[f.mode]) != 0)
            f.mode++;
        first = atoi(argv[3]);
        f.n = KW_MIN((size_t)strtoul(argv[4], NULL, 10), (size_t)CONNECTIONS);
    }
    if (argc != 6 || f.mode == N_MODES || first < 2 || first + (int)f.n > 255) {
        (void)fprintf(stderr, "usage: interop-flood handshakes|streams|wants|malformed|slow PORT "
                              "FIRST N MS\n");
        return 2;
    }
    f.to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    (void)inet_pton(AF_INET, "127.0.0.1", &f.to.sin_addr);
    for (size_t i = 0; i < f.n; i++) {
        char text[32];
        f.attackers[i] = (attacker){.fd = -1, .flood = &f, .from = {.sin_family = AF_INET}};
        (void)snprintf(text, sizeof text, "127.0.0.%d", first + (int)i);
        (void)inet_pton(AF_INET, text, &f.attackers[i].from.sin_addr);
    }
    const uint64_t until = now_ms() + strtoul(argv[5], NULL, 10);
    while (now_ms() < until)
        step(&f);
    (void)printf("{\"mode\": \"%s\", \"connects\": %llu, \"handshakes\": %llu, \"streams\": %llu, "
                 "\"wants\": %llu, \"ended\": %llu}\n",
                 argv[1], f.n_connects, f.n_secured, f.n_streams, f.n_wants, f.n_ended);
    for (size_t i = 0; i < f.n; i++)
        if (f.attackers[i].fd >= 0)
            hang_up(&f.attackers[i]);
    return 0;
}
