/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_connection.c - any bytes as what a peer sends from the first byte on, to either end:
 * multistream-select, the length of frames, the messages of Noise. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "net/connection.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct ends {
    int n_closed;
} ends;

static void send_bytes(void *user, kw_bytes bytes)
{
    (void)user;
    promise(bytes.len > 0 && bytes.data);
}

static void secured(void *user, const kw_peer_id *peer)
{
    (void)user;
    (void)peer;
    promise(false); /* nobody signs by chance */
}

static bool incoming(void *user, kw_stream *stream, const char *protocol)
{
    (void)user;
    (void)stream;
    (void)protocol;
    return false;
}

static bool speaks(void *user, const char *protocol)
{
    (void)user;
    (void)protocol;
    return false;
}

static void closed(void *user, kw_status why, const char *reason)
{
    promise(why != KW_OK && reason[0] != '\0');
    ((ends *)user)->n_closed++;
}

static const kw_connection_owner owner = {.send = send_bytes,
                                          .secured = secured,
                                          .incoming = incoming,
                                          .speaks = speaks,
                                          .closed = closed};

/* The first byte says which end, and how the rest is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[32] = {7};
    kw_identity identity;
    ends e = {.n_closed = 0};
    kw_connection *c;
    if (size == 0 || kw_identity_of_seed(seed, &identity, NULL) != KW_OK)
        return 0;
    const kw_connection_config config = {.identity = &identity,
                                         .owner = &owner,
                                         .user = &e,
                                         .initiator = data[0] % 2 == 0,
                                         .now_ms = 1000};
    const size_t step = data[0] / 2 ? data[0] / 2 : size;
    if (kw_connection_open(&config, &c, NULL) != KW_OK)
        return 0;
    for (size_t at = 1; at < size; at += step) {
        const size_t n = size - at < step ? size - at : step;
        kw_connection_receive(c, (kw_bytes){data + at, n}, 1000 + at);
    }
    kw_connection_lost(c, KW_E_IO);
    promise(e.n_closed == 1);
    kw_connection_free(c);
    return 0;
}
