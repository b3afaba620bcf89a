/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unixfs.c - the names of files and folders are helia's; nodes read back; archives too.
 *
 * Names by @helia/unixfs 8 over bytes (7 i + i / 251) mod 256, chunks of 100, 4 links a parent. */
#include "wire/unixfs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "hex.h"
#include "wire/car.h"

static uint8_t content[3145733];

static int fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (uint8_t)(i * 7 + i / 251);
    return 0;
}

/* Every parent as it comes: it reads, and its children add up. */
typedef struct seen {
    size_t n, width;

    kw_cid last;
} seen;

static kw_status see_parent(void *user, const kw_cid *cid, kw_bytes block, kw_error *err)
{
    seen *const s = user;
    kw_unixfs_node node;
    kw_unixfs_child c;
    uint64_t size = 0;
    size_t n = 0;
    assert_true(kw_cid_verify(cid, block, NULL));
    assert_int_equal(kw_unixfs_read(block, &node, err), KW_OK);
    assert_int_equal(node.type, KW_UNIXFS_FILE);
    kw_unixfs_walk walk = kw_unixfs_children(&node);
    for (; kw_unixfs_next(&walk, &c); n++)
        size += c.size;
    assert_true(n == node.dag.n_links && n > 0 && n <= s->width && size == node.file_size);
    s->n++;
    s->last = *cid;
    return KW_OK;
}

static kw_cid name_of(size_t n, size_t leaf, size_t width, uint64_t *total)
{
    seen s = {.width = width ? width : KW_UNIXFS_WIDTH};
    const kw_unixfs_config config = {
        .leaf_bytes = leaf, .width = width, .parent = see_parent, .user = &s};
    const size_t step = leaf ? leaf : KW_UNIXFS_LEAF_BYTES;
    kw_unixfs_builder *builder;
    kw_cid root;
    assert_int_equal(kw_unixfs_open(&config, &builder, NULL), KW_OK);
    for (size_t at = 0; at < n; at += step) {
        const kw_bytes block = {content + at, KW_MIN(step, n - at)};
        const kw_cid cid = kw_cid_of(KW_CODEC_RAW, block, NULL);
        assert_int_equal(kw_unixfs_leaf(builder, cid.digest, block.len, NULL), KW_OK);
    }
    assert_int_equal(kw_unixfs_finish(builder, &root, total, NULL), KW_OK);
    assert_true(s.n == 0 ? root.codec == KW_CODEC_RAW : kw_cid_equal(&root, &s.last));
    kw_unixfs_free(builder);
    return root;
}

static void files(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        const char *name;
    } cases[] = {
        {0, "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"},
        {1, "bafkreidogqfzz75tpkmjzjke425xqcrmpcib2p5tg44hnbirumdbpl5adu"},
        {100, "bafkreicw73slckzib2q6pqnvkaacxmmlgqwmxvzcttklcr7ka6vbu2issq"},
        {101, "bafybeig76z46amllmesvp4jxtsnvhu7az5akoyx5nu75oi4pxuplwr7nhi"},
        {399, "bafybeib3wjxajyp64ipzhi2am2c2dupldjwzfwf2tbhwn2qde6grjq47aa"},
        {400, "bafybeic3nn6yjdz5ynghhx3ipg4nu3ojcjauutthusdvt7or4ugdurxx6q"},
        {401, "bafybeiatoxetb3o4mfgiqbt5k7chly7lxhswvqsuenfkq4x2osvrhuz6a4"},
        {1600, "bafybeigmd724u62vnfp6q7lgsyv74unuytfnqvcy5dpbura5uzqkmhiptq"},
        {1601, "bafybeieyace6ac7eis6uffjhezzzzhuorppqaszdkxjwvojnsrjlyvdzfi"},
        {2000, "bafybeigsdbwqb7hy6sjezvnvjnfgyvoxlowqwgp63ogexoxg2qxnmjwhui"},
        {6400, "bafybeif4dlleefszz52v2w2ipqbfavpzq4og4ovdxuii72nww3eukgc4dq"},
        {6401, "bafybeiawslbgxyzeae3aqlfbvhatny2ehkzsbdk7tgvafmhfdtkovyi2c4"},
        {6500, "bafybeiasmvwz2sn4j7t7uhhqxloye3jb35m5wbc5v7gienoox23vlq5l2i"},
        {26000, "bafybeicbbatoqnors67iwh5e6ziwhnbdcl6reo6ioilgzrxidhf7qclife"},
        {99999, "bafybeicxyqc5ziyi7v2thodcjypnpinrki6xmcsk2jsilwf3vfhzvakufu"},
    };
    char text[KW_CID_TEXT_MAX];
    kw_cid cid;
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        cid = name_of(cases[i].n, 100, 4, NULL);
        kw_cid_text(&cid, text);
        assert_string_equal(text, cases[i].name);
    }
    cid = name_of(sizeof(content), 0, 0, NULL); /* the profile itself */
    kw_cid_text(&cid, text);
    assert_string_equal(text, "bafybeid7xxeerhwwfpog23mjnlexq4yzehqtivoll75otupzgi6eluvcd4");
}

static void directories(void **state)
{
    (void)state;
    kw_unixfs_entry entries[2] = {{.name = KW_STR("a.bin")}, {.name = KW_STR("b.txt")}};
    kw_buf block = {0};
    kw_unixfs_node node;
    kw_unixfs_child c;
    kw_error err;
    uint64_t total;
    char text[KW_CID_TEXT_MAX];
    entries[0].cid = name_of(401, 100, 4, &entries[0].total);
    entries[1].cid = name_of(7, 0, 0, &entries[1].total);
    assert_int_equal(kw_unixfs_directory(entries, 2, &block, &total, NULL), KW_OK);
    const kw_bytes bytes = {(const uint8_t *)block.data, block.len};
    kw_cid cid = kw_cid_of(KW_CODEC_DAG_PB, bytes, NULL);
    kw_cid_text(&cid, text);
    assert_string_equal(text, "bafybeiey2oouoohmprspbrdq3nfy5gvmxrly4iymjei6silpi33lmtbiaq");
    assert_int_equal(total, entries[0].total + entries[1].total + block.len);
    assert_int_equal(kw_unixfs_read(bytes, &node, NULL), KW_OK);
    assert_true(node.type == KW_UNIXFS_DIRECTORY && node.dag.n_links == 2);
    kw_unixfs_walk walk = kw_unixfs_children(&node);
    for (size_t i = 0; i < 2; i++) {
        assert_true(kw_unixfs_next(&walk, &c));
        assert_true(kw_str_eq(c.link.name, entries[i].name));
        assert_true(kw_cid_equal(&c.link.cid, &entries[i].cid));
    }
    assert_false(kw_unixfs_next(&walk, &c));
    for (size_t n = 0; n < bytes.len; n++)
        assert_int_not_equal(kw_unixfs_read((kw_bytes){bytes.data, n}, &node, &err), KW_OK);
    kw_buf_free(&block);
    assert_int_equal(kw_unixfs_directory(NULL, 0, &block, NULL, NULL), KW_OK);
    cid = kw_cid_of(KW_CODEC_DAG_PB, (kw_bytes){(const uint8_t *)block.data, block.len}, NULL);
    kw_cid_text(&cid, text);
    assert_string_equal(text, "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354");
    entries[1].name = KW_STR("a.bin");
    assert_int_equal(kw_unixfs_directory(entries, 2, &block, NULL, &err), KW_E_ARG);
    kw_buf_free(&block);
}

static void misuse(void **state)
{
    (void)state;
    static const uint8_t digest[32];
    const kw_unixfs_config config = {.leaf_bytes = 10, .width = 2};
    const kw_unixfs_config narrow = {.width = 1};
    kw_unixfs_builder *builder;
    kw_error err;
    kw_status status = KW_OK;
    assert_int_equal(kw_unixfs_open(&narrow, &builder, &err), KW_E_ARG);
    assert_int_equal(kw_unixfs_open(&config, &builder, &err), KW_OK);
    assert_int_equal(kw_unixfs_leaf(builder, digest, 11, &err), KW_E_ARG);
    assert_int_equal(kw_unixfs_leaf(builder, digest, 9, &err), KW_OK);
    assert_int_equal(kw_unixfs_leaf(builder, digest, 9, &err), KW_E_ARG);
    kw_unixfs_free(builder);
    /* Levels have an end: 2^16 leaves fill sixteen of two. */
    assert_int_equal(kw_unixfs_open(&config, &builder, &err), KW_OK);
    for (size_t i = 0; i < 200000 && status == KW_OK; i++)
        status = kw_unixfs_leaf(builder, digest, 10, &err);
    assert_int_equal(status, KW_E_LIMIT);
    kw_unixfs_free(builder);
}

/* Nodes that do not add up, and fields out of their order. */
static void bad_nodes(void **state)
{
    (void)state;
    static const char *const blocks[] = {
        "",                 /* no data */
        "0a0408021805",     /* a file of 5 bytes that has none */
        "0a04080220050a00", /* two data */
        "0a0208091a00",     /* field 3 */
        "0a020806",         /* type 6 */
        "0a0418050802",     /* cut */
        "0a0408021800"
        "12020a00", /* a link behind the data */
        "1200"
        "0a0408021800", /* a link without a hash */
        "12021200"
        "0a0408021800",
        "120a"
        "0a08"
        "01551205aabbccdd"
        "0a0408021800",
    };
    for (size_t i = 0; i < KW_COUNT(blocks); i++) {
        uint8_t bytes[64];
        kw_unixfs_node node;
        kw_error err = {0};
        assert_int_equal(kw_unixfs_read(kw_hex(blocks[i], bytes, sizeof(bytes)), &node, &err),
                         KW_E_FORMAT);
        assert_true(err.message[0] != '\0');
    }
}

static void archives(void **state)
{
    (void)state;
    kw_cid roots[2] = {kw_cid_of(KW_CODEC_RAW, kw_text_bytes("one"), NULL),
                       kw_cid_of(KW_CODEC_DAG_PB, kw_text_bytes("two"), NULL)};
    kw_buf out = {0};
    uint8_t prefix[KW_CAR_PREFIX_MAX];
    kw_car_header header;
    kw_cid cid;
    kw_bytes block;
    size_t used, more;
    kw_error err;
    kw_car_put_header(&out, roots, 2);
    const size_t end = out.len;
    kw_buf_add(&out, (const char *)prefix, kw_car_prefix(&roots[0], 3, prefix));
    kw_buf_add(&out, "one", 3);
    const kw_bytes bytes = {(const uint8_t *)out.data, out.len};
    for (size_t n = 0; n < end; n++) {
        assert_int_equal(kw_car_read_header((kw_bytes){bytes.data, n}, &header, &used, &err),
                         KW_OK);
        assert_int_equal(used, 0);
    }
    assert_int_equal(kw_car_read_header(bytes, &header, &used, &err), KW_OK);
    assert_true(used == end && header.n_roots == 2 && kw_cid_equal(&header.roots[1], &roots[1]));
    for (size_t n = used; n < bytes.len; n++) {
        assert_int_equal(
            kw_car_read_block((kw_bytes){bytes.data + used, n - used}, &cid, &block, &more, &err),
            KW_OK);
        assert_int_equal(more, 0);
    }
    assert_int_equal(kw_car_read_block((kw_bytes){bytes.data + used, bytes.len - used}, &cid,
                                       &block, &more, &err),
                     KW_OK);
    assert_true(used + more == bytes.len && kw_cid_verify(&cid, block, NULL));
    kw_buf_free(&out);
}

static void bad_archives(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        kw_status status;
    } cases[] = {
        {"00", KW_E_FORMAT},
        {"ffff7f", KW_E_LIMIT},
        {"0aa16776657273696f6e02", KW_E_UNSUPPORTED}, /* version 2 says so */
        {"0aa16776657273696f6e01", KW_E_FORMAT},      /* no roots */
        {"11a265726f6f7473806776657273696f6e01", KW_OK},
        {"11a265726f6f74738f6776657273696f6e01", KW_E_FORMAT},
        {"12a265726f6f747398ff6776657273696f6e01", KW_E_LIMIT},
        {"11bf65726f6f7473806776657273696f6e01", KW_E_FORMAT},
        {"12a265726f6f7473806776657273696f6e0100", KW_E_FORMAT},
    };
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        uint8_t bytes[64];
        kw_car_header header;
        size_t used;
        kw_error err;
        assert_int_equal(
            kw_car_read_header(kw_hex(cases[i].hex, bytes, sizeof(bytes)), &header, &used, &err),
            cases[i].status);
    }
    uint8_t bytes[8];
    kw_cid cid;
    kw_bytes block;
    size_t used;
    kw_error err;
    assert_int_equal(kw_car_read_block(kw_hex("0401551205", bytes, 8), &cid, &block, &used, &err),
                     KW_E_FORMAT);
    assert_int_equal(kw_car_read_block(kw_hex("ffffff7f", bytes, 8), &cid, &block, &used, &err),
                     KW_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),     cmocka_unit_test(directories), cmocka_unit_test(misuse),
        cmocka_unit_test(bad_nodes), cmocka_unit_test(archives),    cmocka_unit_test(bad_archives),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
