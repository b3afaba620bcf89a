/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bitswap_loopback.c - blocks of full size between real hosts, with one that lies among them. */
#include "nodes.h"

#include <stdlib.h>

#include "net/bitswap.h"

enum { BLOCKS = 24, BLOCK_BYTES = 1 << 20 };

static uint8_t *content; /* [BLOCKS][BLOCK_BYTES] */
static kw_cid names[BLOCKS];

static bool has(void *user, const kw_cid *cid, size_t *size)
{
    (void)user;
    *size = BLOCK_BYTES;
    for (size_t i = 0; i < BLOCKS; i++)
        if (kw_cid_equal(cid, &names[i]))
            return true;
    return false;
}

/* user: what a liar sends instead, or NULL. */
static kw_status get(void *user, const kw_cid *cid, kw_block *out, kw_error *err)
{
    for (size_t i = 0; i < BLOCKS; i++)
        if (kw_cid_equal(cid, &names[i])) {
            const uint8_t *const data = user ? user : content + i * BLOCK_BYTES;
            out->data = (kw_bytes){data, BLOCK_BYTES};
            return KW_OK;
        }
    return kw_fail(err, KW_E_NOTFOUND, "no such block");
}

static void release(void *user, kw_block *block)
{
    (void)user;
    (void)block;
}

typedef struct fetch {
    size_t n_got, n_bad;
    kw_peer_id bad;
    bool done;
} fetch;

static void got_block(void *user, const kw_cid *cid, kw_bytes data, const kw_peer_id *from)
{
    fetch *const f = user;
    (void)from;
    assert_true(kw_cid_verify(cid, data, NULL));
    f->done = ++f->n_got == BLOCKS;
}

static void got_missing(void *user, const kw_cid *cid)
{
    (void)user;
    (void)cid;
    fail_msg("a block is missing");
}

static void got_fault(void *user, const kw_peer_id *peer, kw_bitswap_fault fault)
{
    fetch *const f = user;
    assert_int_equal(fault, KW_BITSWAP_BAD_BLOCK);
    f->n_bad++;
    f->bad = *peer;
}

static void with_a_liar(void **state)
{
    (void)state;
    static const kw_bitswap_events events = {got_block, got_missing, NULL};
    kw_loop *const loop = open_loop();
    fetch f = {0};
    node a, peers[3];
    kw_bitswap *fetching, *serving[3];
    kw_block_store stores[3];
    kw_bitswap_session *session;
    uint8_t *const lie = calloc(1, BLOCK_BYTES);
    node_open(&a, loop, 1, NULL);
    const kw_bitswap_config asks = {.host = a.host, .fault = got_fault, .user = &f};
    assert_int_equal(kw_bitswap_open(&asks, &fetching, NULL), KW_OK);
    assert_int_equal(kw_bitswap_session_open(fetching, &events, &f, &session, NULL), KW_OK);
    for (size_t i = 0; i < 3; i++) {
        node_open(&peers[i], loop, (uint8_t)(i + 2), NULL);
        stores[i] = (kw_block_store){i == 1 ? lie : NULL, has, get, release};
        const kw_bitswap_config serves = {.host = peers[i].host, .store = &stores[i]};
        assert_int_equal(kw_bitswap_open(&serves, &serving[i], NULL), KW_OK);
        const kw_multiaddr addr = node_listen(&peers[i]);
        kw_host_learn(a.host, &peers[i].identity.id, &addr, 1, 60000);
        assert_int_equal(kw_bitswap_add_peer(session, &peers[i].identity.id, NULL), KW_OK);
    }
    assert_int_equal(kw_bitswap_want(session, names, BLOCKS, NULL), KW_OK);
    assert_true(wait_for(loop, &f.done, 60000));
    wait_ms(loop, 50);
    assert_int_equal(f.n_got, BLOCKS);
    assert_true(f.n_bad == 1 && kw_peer_id_equal(&f.bad, &peers[1].identity.id));
    kw_bitswap_session_close(session);
    kw_bitswap_close(fetching);
    for (size_t i = 0; i < 3; i++) {
        kw_bitswap_close(serving[i]);
        node_close(&peers[i], loop);
    }
    node_close(&a, loop);
    kw_loop_close(loop);
    free(lie);
}

/* Closed while blocks are on their way, in either order. */
static void closed_in_the_middle(void **state)
{
    (void)state;
    static const kw_bitswap_events events = {got_block, got_missing, NULL};
    for (int order = 0; order < 2; order++) {
        kw_loop *const loop = open_loop();
        fetch f = {0};
        node a, b;
        kw_bitswap *fetching, *serving;
        kw_block_store store = {NULL, has, get, release};
        kw_bitswap_session *session;
        node_open(&a, loop, 1, NULL);
        node_open(&b, loop, 2, NULL);
        const kw_bitswap_config asks = {.host = a.host}, serves = {.host = b.host, .store = &store};
        assert_int_equal(kw_bitswap_open(&asks, &fetching, NULL), KW_OK);
        assert_int_equal(kw_bitswap_open(&serves, &serving, NULL), KW_OK);
        const kw_multiaddr addr = node_listen(&b);
        kw_host_learn(a.host, &b.identity.id, &addr, 1, 60000);
        assert_int_equal(kw_bitswap_session_open(fetching, &events, &f, &session, NULL), KW_OK);
        assert_int_equal(kw_bitswap_add_peer(session, &b.identity.id, NULL), KW_OK);
        assert_int_equal(kw_bitswap_want(session, names, BLOCKS, NULL), KW_OK);
        for (size_t i = 0; i < 10000 && f.n_got < 2; i++)
            kw_loop_step(loop, 10);
        assert_true(f.n_got >= 2 && f.n_got < BLOCKS);
        kw_bitswap_close(order ? serving : fetching);
        wait_ms(loop, 50);
        kw_bitswap_close(order ? fetching : serving);
        node_close(&a, loop);
        node_close(&b, loop);
        kw_loop_close(loop);
    }
}

static int fill(void **state)
{
    (void)state;
    content = malloc((size_t)BLOCKS * BLOCK_BYTES);
    if (!content)
        return -1;
    for (size_t i = 0; i < (size_t)BLOCKS * BLOCK_BYTES; i += 4) {
        const uint32_t word = (uint32_t)(i * 2654435761u ^ i >> 7);
        memcpy(content + i, &word, sizeof(word));
    }
    for (size_t i = 0; i < BLOCKS; i++)
        names[i] =
            kw_cid_of(KW_CODEC_RAW, (kw_bytes){content + i * BLOCK_BYTES, BLOCK_BYTES}, NULL);
    return 0;
}

static int empty(void **state)
{
    (void)state;
    free(content);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_a_liar),
        cmocka_unit_test(closed_in_the_middle),
    };
    return cmocka_run_group_tests(tests, fill, empty);
}
