/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* peer.c - a node that serves what an index knows, badly: for tests/swarm/run.
 *
 *   swarm-peer corrupt|stall INDEX LISTEN BOOTSTRAP...
 *
 * corrupt: every leaf is served with one byte changed, by bitswap and by HTTP. stall: every leaf is
 * said to be here, and none is sent. It prints its peer id and its address, and runs until it is
 * killed. */
#include "base/check.h"
#include "hub/index.h"
#include "hub/local_blocks.h"
#include "net/identity.h"
#include "node/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BOOTSTRAP_MAX = 8 };

typedef struct shelf {
    kw_block_store good;
    bool stalls;
} shelf;

static bool has(void *user, const kw_cid *cid, size_t *size)
{
    const shelf *const s = user;
    return s->good.has(s->good.user, cid, size);
}

static kw_status get(void *user, const kw_cid *cid, kw_block *out, kw_error *err)
{
    const shelf *const s = user;
    kw_block block;
    KW_TRY(s->good.get(s->good.user, cid, &block, err));
    uint8_t *const copy = malloc(block.data.len + 1);
    kw_status status = copy ? KW_OK : kw_fail(err, KW_E_NOMEM, "no memory for a block");
    if (copy) {
        memcpy(copy, block.data.data, block.data.len);
        if (cid->codec == KW_CODEC_RAW && block.data.len > 0)
            copy[block.data.len / 2] ^= 1;
        *out = (kw_block){.data = {copy, block.data.len}, .hold = copy};
    }
    s->good.release(s->good.user, &block);
    if (status == KW_OK && s->stalls && cid->codec == KW_CODEC_RAW) {
        free(copy);
        status = kw_fail(err, KW_E_IO, "not today");
    }
    return status;
}

static void release(void *user, kw_block *block)
{
    (void)user;
    free(block->hold);
}

static kw_status provide(void *user, const kw_index_row *row, kw_error *err)
{
    return row->rooted ? kw_node_provide(user, &row->root, err) : KW_OK;
}

static void announce(kw_node *node)
{
    kw_multiaddr addr;
    char id[KW_PEER_ID_TEXT_MAX], text[KW_MULTIADDR_TEXT_MAX] = "";
    kw_peer_id_text(kw_host_id(kw_node_host(node)), id);
    if (kw_host_addrs(kw_node_host(node), &addr, 1) > 0)
        kw_multiaddr_text(&addr, text);
    printf("{\"peer\": \"%s\", \"addrs\": [\"%s/p2p/%s\"]}\n", id, text, id);
    (void)fflush(stdout);
}

static kw_status run(bool stalls, char **words, size_t n, kw_error *err)
{
    kw_multiaddr listen, first[BOOTSTRAP_MAX];
    kw_index *index;
    kw_local_blocks *blocks;
    kw_identity identity;
    kw_node *node;
    const kw_local_config local = {0};
    KW_TRY(kw_index_open(words[0], &index, err));
    KW_TRY(kw_local_blocks_open(index, &local, &blocks, err));
    shelf s = {.good = kw_local_blocks_store(blocks), .stalls = stalls};
    const kw_block_store store = {.user = &s, .has = has, .get = get, .release = release};
    KW_TRY(kw_multiaddr_parse(kw_str_from(words[1]), &listen, err));
    for (size_t i = 2; i < n; i++)
        KW_TRY(kw_multiaddr_parse(kw_str_from(words[i]), &first[i - 2], err));
    KW_TRY(kw_identity_new(&identity, err));
    const kw_node_config config = {.identity = &identity,
                                   .agent = "swarm-peer",
                                   .listen = &listen,
                                   .n_listen = 1,
                                   .bootstrap = first,
                                   .n_bootstrap = n - 2,
                                   .index = index,
                                   .blocks = &store};
    KW_TRY(kw_node_open(&config, &node, err));
    const kw_index_query all = {0};
    KW_TRY(kw_index_each(index, &all, provide, node, err));
    announce(node);
    kw_node_run(node);
    kw_node_close(node);
    kw_local_blocks_close(blocks);
    kw_index_close(index);
    return KW_OK;
}

int main(int argc, char **argv)
{
    kw_error err = {0};
    if (argc < 4 || argc > 4 + BOOTSTRAP_MAX ||
        (strcmp(argv[1], "corrupt") != 0 && strcmp(argv[1], "stall") != 0)) {
        fprintf(stderr, "usage: swarm-peer corrupt|stall INDEX LISTEN BOOTSTRAP...\n");
        return 2;
    }
    if (run(argv[1][0] == 's', argv + 2, (size_t)argc - 2, &err) == KW_OK)
        return 0;
    fprintf(stderr, "swarm-peer: %s\n", err.message);
    return 1;
}
