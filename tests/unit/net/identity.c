/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* identity.c - key files and public keys, with the vectors of the peer-ids specification and of
 * js-libp2p. */
#include "net/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hex.h"

static const char spec_private[] =
    "080112407e0830617c4a7de83925dfb2694556b12936c477a0e1feb2e148ec9da60fee7d1ed1e8fae2c4a144b8be8"
    "fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e";
static const char spec_public[] =
    "080112201ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e";

static void of_seed(void **state)
{
    (void)state;
    uint8_t seed[32], expected[64], signature[64];
    char text[KW_PEER_ID_TEXT_MAX];
    kw_identity identity;
    memset(seed, 1, sizeof(seed));
    assert_int_equal(kw_identity_of_seed(seed, &identity, NULL), KW_OK);
    (void)kw_hex("8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c", expected, 32);
    assert_memory_equal(identity.public_key, expected, 32);
    kw_peer_id_text(&identity.id, text);
    assert_string_equal(text, "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5");
    /* What Noise signs: its prefix and the public key of the static secret 22 x 32. */
    uint8_t message[24 + 32] = "noise-libp2p-static-key:";
    (void)kw_hex("0faa684ed28867b97f4a6a2dee5df8ce974e76b7018e3f22a1c4cf2678570f20", message + 24,
                 32);
    const kw_bytes whole = {message, sizeof(message)};
    assert_int_equal(kw_identity_sign(&identity, whole, signature, NULL), KW_OK);
    (void)kw_hex("246d43e960be67ad57094023dc4575126f441c320b9ddc27b2dda580e884891e"
                 "3892478d03ebccbcfb5f84c603e1e6dded40e75e134ba8843bd09082a3df6108",
                 expected, 64);
    assert_memory_equal(signature, expected, 64);
    const kw_bytes key = {identity.encoded, sizeof(identity.encoded)};
    assert_true(kw_identity_verify(key, whole, (kw_bytes){signature, 64}));
    assert_false(kw_identity_verify(key, whole, (kw_bytes){signature, 63}));
    message[30] ^= 1;
    assert_false(kw_identity_verify(key, whole, (kw_bytes){signature, 64}));
    kw_identity_wipe(&identity);
    assert_int_equal(identity.seed[0], 0);
}

static void key_file(void **state)
{
    (void)state;
    uint8_t file[200], public_key[36];
    kw_identity identity;
    kw_buf out = {0};
    kw_error err;
    const kw_bytes encoded = kw_hex(spec_private, file, sizeof(file));
    (void)kw_hex(spec_public, public_key, sizeof(public_key));
    assert_int_equal(kw_identity_get(encoded, &identity, &err), KW_OK);
    assert_memory_equal(identity.encoded, public_key, sizeof(public_key));
    kw_identity_put(&identity, &out);
    assert_int_equal(out.len, encoded.len);
    assert_memory_equal(out.data, file, encoded.len);
    kw_buf_free(&out);
    /* The old form has the public key twice; both must be that of the private one. */
    file[3] = 96;
    memcpy(file + 68, file + 36, 32);
    assert_int_equal(kw_identity_get((kw_bytes){file, 100}, &identity, &err), KW_OK);
    file[99] ^= 1;
    assert_int_equal(kw_identity_get((kw_bytes){file, 100}, &identity, &err), KW_E_FORMAT);
    (void)kw_hex(spec_private, file, sizeof(file));
    for (size_t n = 0; n < encoded.len; n++)
        assert_int_equal(kw_identity_get((kw_bytes){file, n}, &identity, &err), KW_E_FORMAT);
    file[1] = 0;
    assert_int_equal(kw_identity_get(encoded, &identity, &err), KW_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "RSA"));
}

static void fresh(void **state)
{
    (void)state;
    kw_identity a, b;
    assert_int_equal(kw_identity_new(&a, NULL), KW_OK);
    assert_int_equal(kw_identity_new(&b, NULL), KW_OK);
    assert_false(kw_peer_id_equal(&a.id, &b.id));
}

static void bad_keys(void **state)
{
    (void)state;
    static const char *const keys[] = {"",         "0801", "1200",     "08011200",
                                       "08041220", "0001", "08011221", "0a0112020000"};
    uint8_t key[64], signature[64] = {0};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_false(kw_identity_verify(kw_hex(keys[i], key, sizeof(key)), kw_text_bytes("m"),
                                        (kw_bytes){signature, 64}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_seed),
        cmocka_unit_test(key_file),
        cmocka_unit_test(fresh),
        cmocka_unit_test(bad_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
