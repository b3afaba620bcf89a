/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bitswap.c - how fast blocks go from one node to another.
 *
 *   bitswap serve MIB          serves a file of pseudo-random bytes; prints its address and root
 *   bitswap fetch ADDR ROOT    fetches a file, verified, into nothing; prints MiB/s
 *
 * Two processes of one thread each. The other side may be any peer of the protocol:
 * tests/interop uses it so. Build: bench/net/run. */
#include "net/bitswap.h"
#include "base/rng.h"
#include "os/system.h"
#include "wire/unixfs.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct block {
    kw_cid cid;
    kw_bytes data;
} block;

typedef struct world {
    kw_loop *loop;
    kw_host *host;
    kw_bitswap *bitswap;
    kw_sha256_fn kernel;
    block *blocks; /* by insertion; found by a table of digests */
    size_t n_blocks;
    uint32_t *table;
    kw_bitswap_session *session;
    uint64_t start_ms, bytes;
    size_t n_missing;
} world;

enum { TABLE = 1 << 20 };

static void stop(const char *what, const kw_error *err)
{
    fprintf(stderr, "%s: %s\n", what, err ? err->message : "");
    exit(1);
}

static uint32_t *place_of(world *w, const kw_cid *cid)
{
    uint32_t at;
    memcpy(&at, cid->digest, sizeof(at));
    for (at %= TABLE; w->table[at]; at = (at + 1) % TABLE)
        if (memcmp(w->blocks[w->table[at] - 1].cid.digest, cid->digest, 32) == 0)
            break;
    return &w->table[at];
}

static void add_block(world *w, kw_cid cid, kw_bytes data)
{
    w->blocks = realloc(w->blocks, (w->n_blocks + 1) * sizeof(block));
    if (!w->blocks)
        stop("memory", NULL);
    w->blocks[w->n_blocks++] = (block){cid, data};
    *place_of(w, &cid) = (uint32_t)w->n_blocks;
}

static bool has(void *user, const kw_cid *cid, size_t *size)
{
    world *const w = user;
    const uint32_t i = *place_of(w, cid);
    if (i)
        *size = w->blocks[i - 1].data.len;
    return i != 0;
}

static kw_status get(void *user, const kw_cid *cid, kw_block *out, kw_error *err)
{
    world *const w = user;
    const uint32_t i = *place_of(w, cid);
    if (!i)
        return kw_fail(err, KW_E_NOTFOUND, "no such block");
    out->data = w->blocks[i - 1].data;
    return KW_OK;
}

static void release(void *user, kw_block *b)
{
    (void)user;
    (void)b;
}

static kw_status add_parent(void *user, const kw_cid *cid, kw_bytes data, kw_error *err)
{
    uint8_t *const copy = malloc(data.len);
    if (!copy)
        return kw_fail(err, KW_E_NOMEM, "memory");
    memcpy(copy, data.data, data.len);
    add_block(user, *cid, (kw_bytes){copy, data.len});
    return KW_OK;
}

static kw_cid make_file(world *w, size_t n_mib)
{
    const kw_unixfs_config config = {.kernel = w->kernel, .parent = add_parent, .user = w};
    kw_unixfs_builder *builder;
    kw_error err;
    kw_cid root;
    if (kw_unixfs_open(&config, &builder, &err) != KW_OK)
        stop("unixfs", &err);
    for (size_t i = 0; i < n_mib; i++) {
        uint32_t *const leaf = malloc(KW_UNIXFS_LEAF_BYTES);
        if (!leaf)
            stop("memory", NULL);
        for (size_t j = 0; j < KW_UNIXFS_LEAF_BYTES / 4; j++)
            leaf[j] = kw_rng_u32(i, 1, j);
        const kw_bytes data = {(const uint8_t *)leaf, KW_UNIXFS_LEAF_BYTES};
        const kw_cid cid = kw_cid_of(KW_CODEC_RAW, data, w->kernel);
        add_block(w, cid, data);
        if (kw_unixfs_leaf(builder, cid.digest, data.len, &err) != KW_OK)
            stop("unixfs", &err);
    }
    if (kw_unixfs_finish(builder, &root, NULL, &err) != KW_OK)
        stop("unixfs", &err);
    kw_unixfs_free(builder);
    return root;
}

static void got_block(void *user, const kw_cid *cid, kw_bytes data, const kw_peer_id *from)
{
    world *const w = user;
    kw_unixfs_node node;
    kw_unixfs_child child;
    kw_error err;
    (void)from;
    if (cid->codec == KW_CODEC_RAW) {
        w->bytes += data.len;
    } else {
        if (kw_unixfs_read(data, &node, &err) != KW_OK)
            stop("node", &err);
        w->bytes += node.data.len;
        kw_unixfs_walk walk = kw_unixfs_children(&node);
        while (kw_unixfs_next(&walk, &child))
            if (kw_bitswap_want(w->session, &child.link.cid, 1, &err) != KW_OK)
                stop("want", &err);
    }
    if (kw_bitswap_wanted(w->session) == 0)
        kw_loop_stop(w->loop);
}

static void got_missing(void *user, const kw_cid *cid)
{
    world *const w = user;
    (void)cid;
    w->n_missing++;
    kw_loop_stop(w->loop);
}

static void got_fault(void *user, const kw_peer_id *peer, kw_bitswap_fault fault)
{
    static const char *const names[] = {"bad block", "broken message", "stalled", "lost"};
    (void)user;
    (void)peer;
    fprintf(stderr, "fault: %s\n", names[fault]);
    if (fault != KW_BITSWAP_STALLED)
        exit(1);
}

static void serve(world *w, size_t n_mib)
{
    kw_multiaddr addr;
    kw_error err;
    char text[KW_MULTIADDR_TEXT_MAX], peer[KW_PEER_ID_TEXT_MAX], root[KW_CID_TEXT_MAX];
    const kw_cid cid = make_file(w, n_mib);
    if (kw_multiaddr_parse(KW_STR("/ip4/127.0.0.1/tcp/0"), &addr, &err) != KW_OK ||
        kw_host_listen(w->host, &addr, &err) != KW_OK)
        stop("listen", &err);
    (void)kw_host_addrs(w->host, &addr, 1);
    kw_multiaddr_text(&addr, text);
    kw_peer_id_text(kw_host_id(w->host), peer);
    kw_cid_text(&cid, root);
    printf("%s/p2p/%s %s\n", text, peer, root);
    fflush(stdout);
    kw_loop_run(w->loop);
}

static void fetch(world *w, const char *addr_text, const char *root_text)
{
    static const kw_bitswap_events events = {got_block, got_missing, NULL};
    kw_multiaddr addr, without;
    kw_peer_id peer;
    kw_cid root;
    kw_error err;
    if (kw_multiaddr_parse(kw_str_from(addr_text), &addr, &err) != KW_OK ||
        kw_cid_parse(kw_str_from(root_text), &root, &err) != KW_OK)
        stop("arguments", &err);
    if (!kw_multiaddr_split(&addr, &without, &peer))
        stop("the address names no peer", NULL);
    kw_host_learn(w->host, &peer, &without, 1, 60000);
    if (kw_bitswap_session_open(w->bitswap, &events, w, &w->session, &err) != KW_OK ||
        kw_bitswap_add_peer(w->session, &peer, &err) != KW_OK ||
        kw_bitswap_want(w->session, &root, 1, &err) != KW_OK)
        stop("session", &err);
    kw_loop_step(w->loop, 0);
    w->start_ms = kw_loop_now(w->loop);
    kw_loop_run(w->loop);
    const double seconds = (double)(kw_loop_now(w->loop) - w->start_ms) / 1000;
    const double mib = (double)w->bytes / 1048576;
    printf("%s: %.1f MiB in %.3f s, %.0f MiB/s\n", w->n_missing ? "MISSING" : "whole", mib, seconds,
           mib / seconds);
    exit(w->n_missing ? 1 : 0);
}

int main(int argc, char **argv)
{
    world w = {.table = calloc(TABLE, sizeof(uint32_t))};
    kw_identity identity;
    kw_error err;
    kw_system system;
    const kw_block_store store = {&w, has, get, release};
    if (argc < 3 || !w.table)
        stop("usage: bitswap serve MIB | fetch ADDR ROOT", NULL);
    kw_system_query(&system);
    w.kernel = kw_sha256_kernel((system.features & KW_CPU_SHA) != 0);
    if (kw_loop_open(&w.loop, &err) != KW_OK || kw_identity_new(&identity, &err) != KW_OK)
        stop("loop", &err);
    const kw_host_config host = {.loop = w.loop, .identity = &identity, .agent = "kwaai/bench"};
    if (kw_host_open(&host, &w.host, &err) != KW_OK)
        stop("host", &err);
    const kw_bitswap_config config = {
        .host = w.host, .store = &store, .kernel = w.kernel, .fault = got_fault};
    if (kw_bitswap_open(&config, &w.bitswap, &err) != KW_OK)
        stop("bitswap", &err);
    if (strcmp(argv[1], "serve") == 0)
        serve(&w, strtoul(argv[2], NULL, 10));
    else if (argc > 3)
        fetch(&w, argv[2], argv[3]);
    return 0;
}
