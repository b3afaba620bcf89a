/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gateway.c - what a gateway is asked for, and the archives that answer it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "node/gateway_request.h"
#include "wire/car.h"
#include "wire/unixfs.h"

#define LEAF ((size_t)16)
#define N_LEAVES ((size_t)7)

/* A file of 7 leaves in two levels of parents of 3 links, in a directory. */
typedef struct graph {
    struct {
        kw_cid cid;
        kw_buf data;
    } blocks[32];
    size_t n;
    int held;
    kw_cid leaves[N_LEAVES], file, dir;
} graph;

static kw_status keep(void *user, const kw_cid *cid, kw_bytes block, kw_error *err)
{
    graph *const g = user;
    g->blocks[g->n].cid = *cid;
    kw_buf_add(&g->blocks[g->n].data, (const char *)block.data, block.len);
    return kw_buf_status(&g->blocks[g->n++].data, err);
}

static size_t find(const graph *g, const kw_cid *cid)
{
    size_t i = 0;
    while (i < g->n && !kw_cid_equal(&g->blocks[i].cid, cid))
        i++;
    return i;
}

static bool has(void *user, const kw_cid *cid, size_t *size)
{
    const graph *const g = user;
    const size_t i = find(g, cid);
    *size = i < g->n ? g->blocks[i].data.len : 0;
    return i < g->n;
}

static kw_status get(void *user, const kw_cid *cid, kw_block *out, kw_error *err)
{
    graph *const g = user;
    const size_t i = find(g, cid);
    if (i == g->n)
        return kw_fail(err, KW_E_NOTFOUND, "not here");
    g->held++;
    *out = (kw_block){.data = {(const uint8_t *)g->blocks[i].data.data, g->blocks[i].data.len}};
    return KW_OK;
}

static void release(void *user, kw_block *block)
{
    graph *const g = user;
    g->held--;
    *block = (kw_block){0};
}

static kw_block_store store_of(graph *g)
{
    return (kw_block_store){.user = g, .has = has, .get = get, .release = release};
}

static graph *make_graph(void)
{
    graph *const g = calloc(1, sizeof *g);
    assert_non_null(g);
    const kw_unixfs_config config = {.leaf_bytes = LEAF, .width = 3, .parent = keep, .user = g};
    kw_unixfs_builder *builder;
    kw_buf block = {0};
    uint64_t total;
    assert_int_equal(kw_unixfs_open(&config, &builder, NULL), KW_OK);
    for (size_t i = 0; i < N_LEAVES; i++) {
        uint8_t leaf[LEAF] = {(uint8_t)i};
        const size_t len = i + 1 < N_LEAVES ? LEAF : 5;
        g->leaves[i] = kw_cid_of(KW_CODEC_RAW, (kw_bytes){leaf, len}, NULL);
        assert_int_equal(keep(g, &g->leaves[i], (kw_bytes){leaf, len}, NULL), KW_OK);
        assert_int_equal(kw_unixfs_leaf(builder, g->leaves[i].digest, len, NULL), KW_OK);
    }
    assert_int_equal(kw_unixfs_finish(builder, &g->file, &total, NULL), KW_OK);
    kw_unixfs_free(builder);
    const kw_unixfs_entry entry = {.name = KW_STR("a b.bin"), .cid = g->file, .total = total};
    assert_int_equal(kw_unixfs_directory(&entry, 1, &block, NULL, NULL), KW_OK);
    const kw_bytes bytes = {(const uint8_t *)block.data, block.len};
    g->dir = kw_cid_of(KW_CODEC_DAG_PB, bytes, NULL);
    assert_int_equal(keep(g, &g->dir, bytes, NULL), KW_OK);
    kw_buf_free(&block);
    return g;
}

static void free_graph(graph *g)
{
    assert_int_equal(g->held, 0);
    for (size_t i = 0; i < g->n; i++)
        kw_buf_free(&g->blocks[i].data);
    free(g);
}

/* The status of GET /ipfs/CID<names>, and its archive when out is given. */
static unsigned ask(graph *g, const kw_cid *root, const char *names, const char *scope,
                    const char *bytes, kw_buf *out)
{
    char cid[KW_CID_TEXT_MAX], path[400];
    const kw_block_store store = store_of(g);
    kw_gateway_request r;
    const char *why;
    kw_cid_text(root, cid);
    snprintf(path, sizeof path, "/ipfs/%s%s", cid, names);
    const kw_gateway_fields fields = {.path = kw_str_from(path),
                                      .format = KW_STR("car"),
                                      .dag_scope = kw_str_from(scope),
                                      .entity_bytes = kw_str_from(bytes)};
    unsigned status = kw_gateway_request_get(&fields, &r, &why);
    if (status == 200)
        status = kw_gateway_request_follow(&r, &store, &why);
    if (status != 200 || !out)
        return status;
    kw_car_walk *walk;
    kw_bytes piece;
    assert_int_equal(kw_car_walk_open(&store, &r.part, &walk, NULL), KW_OK);
    do {
        assert_int_equal(kw_car_walk_next(walk, 7, &piece, NULL), KW_OK);
        assert_true(piece.len <= 7);
        kw_buf_add(out, (const char *)piece.data, piece.len);
    } while (piece.len > 0);
    kw_car_walk_close(walk);
    return status;
}

/* The archive as text: R for the directory, F for the root of the file, p for another parent, and
 * the numbers of leaves. */
static void sketch(const graph *g, const kw_buf *car, char *out)
{
    kw_bytes in = {(const uint8_t *)car->data, car->len}, block;
    kw_car_header header;
    kw_cid cid;
    size_t used;
    assert_int_equal(kw_car_read_header(in, &header, &used, NULL), KW_OK);
    assert_true(used > 0);
    while ((in = (kw_bytes){in.data + used, in.len - used}).len > 0) {
        assert_int_equal(kw_car_read_block(in, &cid, &block, &used, NULL), KW_OK);
        assert_true(used > 0 && kw_cid_verify(&cid, block, NULL));
        char c = kw_cid_equal(&cid, &g->dir) ? 'R' : kw_cid_equal(&cid, &g->file) ? 'F' : 'p';
        for (size_t i = 0; i < N_LEAVES; i++)
            c = kw_cid_equal(&cid, &g->leaves[i]) ? (char)('0' + i) : c;
        *out++ = c;
    }
    *out = 0;
}

static void archives_have_what_is_asked_for(void **state)
{
    (void)state;
    graph *const g = make_graph();
    const struct {
        const kw_cid *root;
        const char *names, *scope, *bytes, *want;
    } cases[] = {{&g->file, "", "", "", "Fp012p345p6"},
                 {&g->file, "/", "all", "", "Fp012p345p6"},
                 {&g->file, "", "block", "", "F"},
                 {&g->file, "", "entity", "", "Fp012p345p6"},
                 {&g->file, "", "entity", "0:0", "Fp0"},
                 {&g->file, "", "", "15:16", "Fp01"},
                 {&g->file, "", "entity", "40:50", "Fp2p3"},
                 {&g->file, "", "entity", "96:*", "Fp6"},
                 {&g->file, "", "entity", "-5:*", "Fp6"},
                 {&g->file, "", "entity", "-6:-6", "Fp5"},
                 {&g->file, "", "entity", "80:-6", "Fp5"},
                 {&g->file, "", "entity", "-1000:0", "Fp0"},
                 {&g->file, "", "entity", "101:200", "F"},
                 {&g->file, "", "entity", "90:-90", "F"},
                 {&g->file, "", "block", "0:5", "F"},
                 {&g->dir, "", "entity", "", "R"},
                 {&g->dir, "", "all", "", "RFp012p345p6"},
                 {&g->dir, "/a%20b.bin", "block", "", "RF"},
                 {&g->dir, "//a%20b.bin/", "entity", "33:34", "RFp2"},
                 {&g->leaves[3], "", "entity", "0:1", "3"}};
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        kw_buf car = {0};
        char got[64];
        assert_int_equal(
            ask(g, cases[i].root, cases[i].names, cases[i].scope, cases[i].bytes, &car), 200);
        sketch(g, &car, got);
        assert_string_equal(got, cases[i].want);
        kw_buf_free(&car);
    }
    free_graph(g);
}

static void what_is_not_there_or_no_request_is_refused(void **state)
{
    (void)state;
    graph *const g = make_graph();
    char deep[60] = "";
    for (size_t i = 0; i < 20; i++)
        strcat(deep, "/x");
    assert_int_equal(ask(g, &g->dir, "/other", "", "", NULL), 404);
    assert_int_equal(ask(g, &g->file, "/a", "", "", NULL), 404);
    assert_int_equal(ask(g, &g->leaves[0], "/a", "", "", NULL), 404);
    assert_int_equal(ask(g, &g->dir, deep, "", "", NULL), 404);
    assert_int_equal(ask(g, &g->dir, "/%2", "", "", NULL), 400);
    assert_int_equal(ask(g, &g->dir, "/%zz", "", "", NULL), 400);
    assert_int_equal(ask(g, &g->file, "", "some", "", NULL), 400);
    const char *const ranges[] = {"5",    "5:4", "-4:-5", ":",     "a:b",
                                  "1:2x", "*:*", "+1:2",  "--1:*", "99999999999999999999:*"};
    for (size_t i = 0; i < KW_COUNT(ranges); i++)
        assert_int_equal(ask(g, &g->file, "", "entity", ranges[i], NULL), 400);
    const struct {
        const char *path, *format, *accept;
        unsigned status;
    } cases[] = {
        {"/ipfs/bafkqaaa", "raw", "", 200},
        {"/ipfs/bafkqaaa", "", "text/html, application/vnd.ipld.raw;q=0.5", 200},
        {"/ipfs/bafkqaaa", "", "application/vnd.ipld.car; version=1; order=dfs; dups=y", 200},
        {"/ipfs/bafkqaaa", "", "application/vnd.ipld.car", 200},
        {"/ipfs/bafkqaaa", "", "application/vnd.ipld.car; version=2", 406},
        {"/ipfs/bafkqaaa", "", "*/*", 406},
        {"/ipfs/bafkqaaa", "", "", 406},
        {"/ipfs/bafkqaaa", "tar", "application/vnd.ipld.raw", 406},
        {"/ipfs/nonsense", "raw", "", 400},
        {"/ipfs/", "raw", "", 400},
        {"/ipns/example.org", "raw", "", 404},
        {"/", "raw", "", 404},
    };
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        const kw_gateway_fields fields = {.path = kw_str_from(cases[i].path),
                                          .format = kw_str_from(cases[i].format),
                                          .accept = kw_str_from(cases[i].accept)};
        kw_gateway_request r;
        const char *why;
        assert_int_equal(kw_gateway_request_get(&fields, &r, &why), cases[i].status);
    }
    free_graph(g);
}

/* A block that is missing half way ends the archive, with nothing held. */
static void a_missing_block_ends_it(void **state)
{
    (void)state;
    graph *const g = make_graph();
    const kw_block_store store = store_of(g);
    const kw_car_part part = {.path = {g->file}, .n_path = 1, .scope = KW_CAR_ALL, .to = -1};
    kw_car_walk *walk;
    kw_bytes piece;
    g->blocks[find(g, &g->leaves[4])].cid.digest[0] ^= 1;
    assert_int_equal(kw_car_walk_open(&store, &part, &walk, NULL), KW_OK);
    kw_status status;
    while ((status = kw_car_walk_next(walk, 1000, &piece, NULL)) == KW_OK)
        assert_true(piece.len > 0);
    assert_int_equal(status, KW_E_NOTFOUND);
    kw_car_walk_close(walk);
    free_graph(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(archives_have_what_is_asked_for),
        cmocka_unit_test(what_is_not_there_or_no_request_is_refused),
        cmocka_unit_test(a_missing_block_ends_it),
    };
    return cmocka_run_group_tests_name("gateway", tests, NULL, NULL);
}
