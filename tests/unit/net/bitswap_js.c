/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bitswap_js.c - a file to helia and a file from helia (tests/interop/js/bitswap.mjs).
 *
 * KWAAI_JS names a folder whose node_modules has Node 22 and the packages of
 * tests/interop/README.md; without it everything here is skipped. kw-test: timeout 180 */
#include "nodes.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/bitswap.h"
#include "net/sctp.h"
#include "wire/unixfs.h"

enum { MIB = 9, BLOCKS_MAX = MIB + 1 };

/* Our file: its leaves, and the root over them. */
typedef struct file {
    uint8_t *leaves;
    kw_buf root;
    kw_cid names[BLOCKS_MAX];
    size_t n;
} file;

static kw_status add_root(void *user, const kw_cid *cid, kw_bytes block, kw_error *err)
{
    file *const f = user;
    f->names[f->n++] = *cid;
    kw_buf_add(&f->root, (const char *)block.data, block.len);
    return kw_buf_status(&f->root, err);
}

static kw_bytes block_of(const file *f, const kw_cid *cid)
{
    for (size_t i = 0; i < f->n; i++)
        if (kw_cid_equal(&f->names[i], cid))
            return i < MIB ? (kw_bytes){f->leaves + i * KW_UNIXFS_LEAF_BYTES, KW_UNIXFS_LEAF_BYTES}
                           : (kw_bytes){(const uint8_t *)f->root.data, f->root.len};
    return (kw_bytes){0};
}

static bool has(void *user, const kw_cid *cid, size_t *size)
{
    *size = block_of(user, cid).len;
    return *size > 0;
}

static kw_status get(void *user, const kw_cid *cid, kw_block *out, kw_error *err)
{
    (void)err;
    out->data = block_of(user, cid);
    return KW_OK;
}

static void release(void *user, kw_block *block)
{
    (void)user;
    (void)block;
}

static void make_file(file *f)
{
    const kw_unixfs_config config = {.parent = add_root, .user = f};
    kw_unixfs_builder *builder;
    kw_cid root;
    f->leaves = malloc(MIB * KW_UNIXFS_LEAF_BYTES);
    assert_non_null(f->leaves);
    assert_int_equal(kw_unixfs_open(&config, &builder, NULL), KW_OK);
    for (size_t i = 0; i < MIB; i++) {
        uint8_t *const leaf = f->leaves + i * KW_UNIXFS_LEAF_BYTES;
        for (size_t j = 0; j < KW_UNIXFS_LEAF_BYTES; j++)
            leaf[j] = (uint8_t)(j * 31 + (j >> 8) * 7 + i);
        f->names[f->n] = kw_cid_of(KW_CODEC_RAW, (kw_bytes){leaf, KW_UNIXFS_LEAF_BYTES}, NULL);
        assert_int_equal(
            kw_unixfs_leaf(builder, f->names[f->n++].digest, KW_UNIXFS_LEAF_BYTES, NULL), KW_OK);
    }
    assert_int_equal(kw_unixfs_finish(builder, &root, NULL, NULL), KW_OK);
    assert_true(f->n == BLOCKS_MAX && kw_cid_equal(&root, &f->names[MIB]));
    kw_unixfs_free(builder);
}

/* ---- helia ---- */

typedef struct peer {
    pid_t pid;
    int to, from;
} peer;

static void run_script(const char *folder, const peer *ends, const char *addr, const char *cid)
{
    static char script[65536];
    char program[1024], mib[8];
    FILE *in = fopen(KW_SOURCE_DIR "/tests/interop/js/bitswap.mjs", "rb");
    if (!in || fread(script, 1, sizeof(script) - 1, in) == 0)
        _exit(1);
    (void)snprintf(program, sizeof(program), "%s/node_modules/.bin/node", folder);
    (void)snprintf(mib, sizeof(mib), "%d", MIB);
    if (chdir(folder) != 0 || dup2(ends->to, 0) < 0 || dup2(ends->from, 1) < 0)
        _exit(1);
    (void)execl(program, program, "--input-type=module", "-e", script, addr, cid, mib,
                (char *)NULL);
    _exit(1);
}

static void start_peer(peer *p, const char *addr, const char *cid)
{
    int to[2], from[2];
    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    p->pid = fork();
    assert_true(p->pid >= 0);
    if (p->pid == 0) {
        const peer ends = {.to = to[0], .from = from[1]};
        run_script(getenv("KWAAI_JS"), &ends, addr, cid);
    }
    (void)close(to[0]);
    (void)close(from[1]);
    p->to = to[1];
    p->from = from[0];
    assert_int_equal(fcntl(p->from, F_SETFL, O_NONBLOCK), 0);
}

static void read_line(kw_loop *loop, const peer *p, char line[1024])
{
    size_t len = 0;
    for (int i = 0; i < 12000; i++) {
        const ssize_t n = read(p->from, line + len, 1);
        if (n == 1 && line[len] == '\n') {
            line[len] = '\0';
            return;
        }
        assert_true(n != 0 && len < 1000);
        if (n == 1)
            len++;
        else
            kw_loop_step(loop, 10);
    }
    fail_msg("helia does not answer");
}

/* ---- fetching ---- */

typedef struct fetch {
    kw_bitswap_session *session;
    size_t bytes;
    bool done;
} fetch;

static void got_block(void *user, const kw_cid *cid, kw_bytes data, const kw_peer_id *from)
{
    fetch *const f = user;
    kw_unixfs_node parent;
    kw_unixfs_child child;
    (void)from;
    if (cid->codec == KW_CODEC_RAW) {
        f->bytes += data.len;
    } else {
        assert_int_equal(kw_unixfs_read(data, &parent, NULL), KW_OK);
        kw_unixfs_walk walk = kw_unixfs_children(&parent);
        while (kw_unixfs_next(&walk, &child))
            assert_int_equal(kw_bitswap_want(f->session, &child.link.cid, 1, NULL), KW_OK);
    }
    f->done = kw_bitswap_wanted(f->session) == 0;
}

static void got_missing(void *user, const kw_cid *cid)
{
    (void)user;
    (void)cid;
    fail_msg("a block is missing");
}

static void fetch_from(kw_loop *loop, node *us, kw_bitswap *bitswap, char *line)
{
    static const kw_bitswap_events events = {got_block, got_missing, NULL};
    char *const cid_text = strchr(line, ' ') + 1, *const cid_end = strchr(cid_text, ' ');
    fetch f = {0};
    kw_multiaddr addr, without;
    kw_peer_id id;
    kw_cid root;
    assert_non_null(cid_end);
    *cid_end = '\0';
    assert_int_equal(kw_multiaddr_parse(kw_str_from(cid_text), &addr, NULL), KW_OK);
    assert_int_equal(kw_cid_parse(kw_str_from(cid_end + 1), &root, NULL), KW_OK);
    assert_true(kw_multiaddr_split(&addr, &without, &id));
    kw_host_learn(us->host, &id, &without, 1, 60000);
    assert_int_equal(kw_bitswap_session_open(bitswap, &events, &f, &f.session, NULL), KW_OK);
    assert_int_equal(kw_bitswap_add_peer(f.session, &id, NULL), KW_OK);
    assert_int_equal(kw_bitswap_want(f.session, &root, 1, NULL), KW_OK);
    assert_true(wait_for(loop, &f.done, 60000));
    assert_int_equal(f.bytes, MIB << 20);
    kw_bitswap_session_close(f.session);
}

static kw_multiaddr listen_on(node *us, const char *where)
{
    kw_multiaddr addr;
    kw_error err = {.message = ""};
    assert_int_equal(kw_multiaddr_parse(kw_str_from(where), &addr, &err), KW_OK);
    if (kw_host_listen(us->host, &addr, &err) != KW_OK)
        fail_msg("%s", err.message);
    assert_int_equal(kw_host_addrs(us->host, &addr, 1), 1);
    return addr;
}

static void both_ways(const char *where)
{
    if (!getenv("KWAAI_JS")) {
        print_message("skip: KWAAI_JS names no folder with Node and helia\n");
        skip();
    }
    kw_loop *const loop = open_loop();
    file f = {0};
    node us;
    peer p;
    kw_bitswap *bitswap;
    char line[1024], cid[KW_CID_TEXT_MAX], at[KW_MULTIADDR_TEXT_MAX];
    make_file(&f);
    node_open(&us, loop, 1, NULL);
    const kw_block_store store = {&f, has, get, release};
    const kw_bitswap_config config = {.host = us.host, .store = &store};
    assert_int_equal(kw_bitswap_open(&config, &bitswap, NULL), KW_OK);
    kw_multiaddr addr = listen_on(&us, where);
    const kw_bytes id = {us.identity.id.bytes, us.identity.id.len};
    assert_int_equal(kw_multiaddr_add(&addr, KW_MA_P2P, id, NULL), KW_OK);
    kw_multiaddr_text(&addr, at);
    kw_cid_text(&f.names[MIB], cid);
    start_peer(&p, at, cid);
    read_line(loop, &p, line);
    char expected[32];
    (void)snprintf(expected, sizeof(expected), "got %d in ", MIB << 20);
    assert_memory_equal(line, expected, strlen(expected));
    read_line(loop, &p, line);
    fetch_from(loop, &us, bitswap, line);
    (void)close(p.to); /* the end of its input ends it */
    (void)waitpid(p.pid, NULL, 0);
    (void)close(p.from);
    kw_bitswap_close(bitswap);
    node_close(&us, loop);
    kw_loop_close(loop);
    kw_buf_free(&f.root);
    free(f.leaves);
}

static void over_tcp(void **state)
{
    (void)state;
    both_ways("/ip4/127.0.0.1/tcp/0");
}

static void over_webrtc(void **state)
{
    (void)state;
    if (!kw_sctp_there()) {
        print_message("skip: this build has no WebRTC\n");
        skip();
    }
    both_ways("/ip4/127.0.0.1/udp/0/webrtc-direct");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(over_tcp), cmocka_unit_test(over_webrtc)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
