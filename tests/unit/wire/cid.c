/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cid.c - CIDs and peer ids, with the vectors of their specifications and of js-libp2p. */
#include "wire/cid.h"
#include "wire/peer_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "hex.h"

static void of_block(void **state)
{
    (void)state;
    const kw_bytes block = kw_text_bytes("model bytes");
    const kw_cid cid = kw_cid_of(KW_CODEC_RAW, block, NULL);
    uint8_t binary[KW_CID_MAX], expected[KW_CID_MAX];
    char text[KW_CID_TEXT_MAX];
    kw_cid again;
    size_t used;
    const kw_bytes want = kw_hex(
        "015512209cb7487000bc86ac36ce83c4acfabe8878552be99572a6770f65ab1d048a5c48", expected, 36);
    assert_int_equal(kw_cid_put(&cid, binary), want.len);
    assert_memory_equal(binary, want.data, want.len);
    assert_int_equal(kw_cid_multihash(&cid, binary), 34);
    assert_memory_equal(binary, want.data + 2, 34);
    kw_cid_text(&cid, text);
    assert_string_equal(text, "bafkreie4w5ehaaf4q2wdntudyswpvpuipbksx2mvokthod3fvmoqjcs4ja");
    assert_int_equal(kw_cid_parse(kw_str_from(text), &again, NULL), KW_OK);
    assert_memory_equal(&again, &cid, sizeof(cid));
    assert_true(kw_cid_verify(&cid, block, NULL));
    assert_false(kw_cid_verify(&cid, kw_text_bytes("model byteS"), NULL));
    /* Behind it may be more, unless it must be all. */
    expected[36] = 7;
    assert_int_equal(kw_cid_get((kw_bytes){expected, 37}, &again, &used, NULL), KW_OK);
    assert_int_equal(used, 36);
    assert_int_equal(kw_cid_get((kw_bytes){expected, 37}, &again, NULL, NULL), KW_E_FORMAT);
    for (size_t n = 0; n < 36; n++)
        assert_int_equal(kw_cid_get((kw_bytes){expected, n}, &again, &used, NULL), KW_E_FORMAT);
}

static void texts(void **state)
{
    (void)state;
    /* The same block: version 0, and version 1 in several bases. */
    static const char *const same[] = {
        "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n",
        "bafybeihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        "zdj7WhuEjrB52m1BisYCtmjH1hSKa7yZ3jEZ9JcXaFRD51wVz",
    };
    kw_cid cid;
    kw_error err;
    char text[KW_CID_TEXT_MAX];
    assert_int_equal(kw_cid_parse(kw_str_from(same[0]), &cid, NULL), KW_OK);
    assert_true(cid.version == 0 && cid.codec == KW_CODEC_DAG_PB);
    kw_cid_text(&cid, text);
    assert_string_equal(text, same[0]);
    cid.version = 1;
    kw_cid_text(&cid, text);
    assert_string_equal(text, same[1]);
    static const char *const bad[] = {
        "",
        "Qm",
        "bafkreie4w5ehaaf4q2wdntudyswpvpuipbksx2mvokthod3fvmoqjcs4j",
        "bafkreie4w5ehaaf4q2wdntudyswpvpuipbksx2mvokthod3fvmoqjcs4jaa",
        "zQmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n",
        "f01551114" /* SHA-1, cut */,
        "f02551220e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "f0155121fe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8",
    };
    for (size_t i = 0; i < KW_COUNT(bad); i++)
        assert_int_equal(kw_cid_parse(kw_str_from(bad[i]), &cid, &err), KW_E_FORMAT);
    /* The empty raw block by the identity hash: what a gateway is probed with. */
    assert_int_equal(kw_cid_parse(KW_STR("bafkqaaa"), &cid, NULL), KW_OK);
    assert_true(cid.hash == KW_HASH_IDENTITY && kw_cid_verify(&cid, (kw_bytes){0}, NULL));
    assert_false(kw_cid_verify(&cid, kw_text_bytes("x"), NULL));
    static char lots[400];
    memset(lots, 'a', sizeof(lots));
    lots[0] = 'b';
    assert_int_equal(kw_cid_parse((kw_str){lots, sizeof(lots)}, &cid, &err), KW_E_LIMIT);
}

static void peer_ids(void **state)
{
    (void)state;
    uint8_t key[36], rsa[294];
    char text[KW_PEER_ID_TEXT_MAX];
    kw_peer_id again;
    kw_error err;
    (void)kw_hex("080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c", key,
                 sizeof(key));
    kw_peer_id id = kw_peer_id_of((kw_bytes){key, sizeof(key)});
    kw_peer_id_text(&id, text);
    assert_string_equal(text, "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5");
    assert_int_equal(kw_peer_id_parse(kw_str_from(text), &again, NULL), KW_OK);
    assert_memory_equal(&again, &id, sizeof(id));
    assert_int_equal(kw_peer_id_get((kw_bytes){id.bytes, id.len}, &again, NULL), KW_OK);
    assert_true(kw_peer_id_equal(&again, &id));
    /* The CID of the same key. */
    kw_cid cid = {.version = 1, .codec = KW_CODEC_LIBP2P_KEY, .digest_len = 36};
    char cid_text[KW_CID_TEXT_MAX];
    memcpy(cid.digest, key, 36);
    kw_cid_text(&cid, cid_text);
    assert_int_equal(kw_peer_id_parse(kw_str_from(cid_text), &again, NULL), KW_OK);
    assert_true(kw_peer_id_equal(&again, &id));
    cid.codec = KW_CODEC_RAW;
    kw_cid_text(&cid, cid_text);
    assert_int_equal(kw_peer_id_parse(kw_str_from(cid_text), &again, &err), KW_E_FORMAT);
    /* A long key becomes its hash. */
    memset(rsa, 3, sizeof(rsa));
    id = kw_peer_id_of((kw_bytes){rsa, sizeof(rsa)});
    kw_peer_id_text(&id, text);
    assert_true(id.len == 34 && text[0] == 'Q' && text[1] == 'm');
    static const char *const bad[] = {"", "1", "Qm", "12D3KooW", "Qm0", "x"};
    for (size_t i = 0; i < KW_COUNT(bad); i++)
        assert_int_equal(kw_peer_id_parse(kw_str_from(bad[i]), &again, &err), KW_E_FORMAT);
    assert_int_equal(kw_peer_id_get((kw_bytes){rsa, 45}, &again, &err), KW_E_FORMAT);
    assert_int_equal(kw_peer_id_get((kw_bytes){0}, &again, &err), KW_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_block),
        cmocka_unit_test(texts),
        cmocka_unit_test(peer_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
