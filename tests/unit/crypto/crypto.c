/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* crypto.c - published vectors of each primitive, and that what was changed is refused.
 *
 * RSA, ECDSA and secp256k1: keys and signatures over "a message" made by the openssl command. */
#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "hex.h"

static const char rsa_der[] =
    "30820122300d06092a864886f70d01010105000382010f003082010a0282010100cc7763703d512e25cda1f5"
    "68351c42bef9c2b22be4ce37f3dc3e6e5522afff5bccb6dbf5984aea62af863786b7467c3ba774677c978147"
    "514a2c7393f57059d6ea073286c8a3aa04e37c9d6bbf0328c6ad50029d6b67d35b1fd3b11ee3a6f8b5eb8f6a"
    "b3948b78a428a37eb259423edb68c1b65294e2cfb0dc83f89d2aa655594199f63afd8995a41d2ca9b23b3891"
    "c746809cfa6f4e81431296f8f2c72b352f3cc40e62d51d8347a5488fd87b5a05c589b2025a2d344b9e5fe073"
    "fcd9baa3099ac0c6031baf349889f704feba623e1d89ad41314a213e490946e9a7077fb12d8fdb4bc6837fff"
    "940677c7144a63aabf9e76aa2f041cd51a0650591c3e5122470203010001";
static const char rsa_sig[] =
    "16db8ff1c257bb181faa3fc545d2e2c5e3092c2819f6bfcda1f9592d0cdca2b7376c2d3a345f6adc7bb4cb88"
    "46502612df7364ef384bbdfd8de0f844563f88b8d618e247d2c31aaa416ec6c4e6ea43bf396dd573ce38eacd"
    "99c37d0dfd28329fc0fead9afe42154878de500c8be4a8014b0f347af26f3cfc551f1a5ff25c43a386cc4dc7"
    "df16a7e45d0b5eacd5f9a2f3e3bab5fe27329ffd8b60a80d39a05d6c59638f197b2bf057527682c8673d35d1"
    "25f5c8821d890aab9b67fa2e5063cd0ecf6e26fa298f3dd8347c446db2057cf9f17fdd063f76f41903d71525"
    "0a6a47049eb5e8b4f9515ee3434178a8bdc69661a1e8270077400b1cf73ab3ca63eb9355";
static const char rsa1_der[] =
    "30819f300d06092a864886f70d010101050003818d00308189028181009e17614090cc4137b0467ccef610ab"
    "4771d996d671a0bd42ca1c428b8c67222890cf55ba40b1ffe642343c55ccfe64ba23d8e8863f7e99e6cd1ac5"
    "62844de4df934deefad2644b6bd7c9ba7e413f3c8721f3d18d4e416a10d99f5c660b079e7c71be3f6d98c269"
    "e5846ca21529682ae209adbd6dbb3ae163f76394e1c5ac91d10203010001";
static const char rsa1_sig[] =
    "159bc3fd09befc49f050d0527428c32dc5b8d567c8efbc7c7f895989ff0eaabd876d58898e943acc4edec3aa"
    "572bab444e5bda24afb19abbd5318ba16c8efd82ccf9f9cdb4c8cb70171941e2423e33a55958f8fb87ac9c5d"
    "22636a65b91118d5496ed28ed048211fc0cd7f75e72cb654a3ea7ec70227b35ba5c1c6ecb6dd3aad";
static const char p256_der[] =
    "3059301306072a8648ce3d020106082a8648ce3d0301070342000476835f997b791cd85bb522a536a27d53b4"
    "add4b6f00e725a7b152cd9ba10dacc3674bb48414e01b50eb9ce270c7e326c72b771811ec452242f62157f1e"
    "2d6cc9";
static const char p256_sig[] =
    "304402203d22071c2ab52efd95cfa97cc9f7b7d76190c30c965cbb1680b7d90be072dcdc022036afa8931cac"
    "063c94867c2f3f554810ea239a30676fe48db36c9af2cdddc431";
static const char k1_pt[] = "034ee7adc1127b6b883bbfe51aa55390ceff51573fe952a127582b15e02c840b16";
static const char k1_sig[] =
    "30450221008e99d3d3e36de945f4b184e28a2052edda8a83135618b5f34dfdea6525e5185b02202e64ed93e7"
    "a52a74693b889f7e269b4b05419e22841f4f302064f6a5c806a7bd";

static void assert_hex(const uint8_t *data, size_t len, const char *hex)
{
    uint8_t expected[256];
    const kw_bytes bytes = kw_hex(hex, expected, sizeof(expected));
    assert_int_equal(bytes.len, len);
    assert_memory_equal(data, expected, len);
}

static void hmacs(void **state)
{
    (void)state;
    uint8_t out[32], key[131];
    /* RFC 4231, test cases 2 and 6 (a key longer than a block). */
    kw_hmac_sha256(kw_text_bytes("Jefe"), kw_text_bytes("what do ya want "),
                   kw_text_bytes("for nothing?"), out);
    assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    kw_hmac_sha256((kw_bytes){key, sizeof(key)},
                   kw_text_bytes("Test Using Larger Than Block-Size Key - Hash Key First"),
                   (kw_bytes){0}, out);
    assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    /* RFC 2202, test case 2. */
    assert_int_equal(kw_hmac_sha1(kw_text_bytes("Jefe"),
                                  kw_text_bytes("what do ya want for nothing?"), out, NULL),
                     KW_OK);
    assert_hex(out, 20, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

static void hashes(void **state)
{
    (void)state;
    uint8_t out[64];
    kw_blake2b *hash;
    /* RFC 7693, appendix A. */
    assert_int_equal(kw_blake2b_begin(&hash, NULL), KW_OK);
    assert_int_equal(kw_blake2b_update(hash, "a", 1, NULL), KW_OK);
    assert_int_equal(kw_blake2b_update(hash, "bc", 2, NULL), KW_OK);
    assert_int_equal(kw_blake2b_end(hash, out, NULL), KW_OK);
    assert_hex(out, 64,
               "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
               "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
    assert_int_equal(kw_blake2b_begin(&hash, NULL), KW_OK);
    assert_int_equal(kw_blake2b_end(hash, NULL, NULL), KW_OK);
}

/* RFC 7748, section 6.1; and a point whose shared secret is zero. */
static void agreement(void **state)
{
    (void)state;
    uint8_t secret[32], theirs[32], out[32];
    kw_error err;
    (void)kw_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", secret, 32);
    (void)kw_hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", theirs, 32);
    assert_int_equal(kw_x25519_public(secret, out, &err), KW_OK);
    assert_hex(out, 32, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    assert_int_equal(kw_x25519(secret, theirs, out, &err), KW_OK);
    assert_hex(out, 32, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    memset(theirs, 0, sizeof(theirs));
    assert_int_equal(kw_x25519(secret, theirs, out, &err), KW_E_FORMAT);
    assert_int_equal(ERR_peek_error(), 0);
}

/* Whatever the cuts, the bytes are those of one call. */
static void in_pieces(kw_aead *seal)
{
    static uint8_t plain[1000], whole[sizeof plain + 16], pieces[sizeof plain + 16];
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i * 7);
    assert_int_equal(
        kw_aead_seal(seal, 9, (kw_bytes){0}, (kw_bytes){plain, sizeof plain}, whole, NULL), KW_OK);
    for (size_t cut = 0; cut <= sizeof plain; cut += 13) {
        const kw_bytes first = {plain, cut}, second = {plain + cut, sizeof plain - cut};
        assert_int_equal(kw_aead_seal_begin(seal, 9, NULL), KW_OK);
        assert_int_equal(kw_aead_seal_add(seal, first, pieces, NULL), KW_OK);
        assert_int_equal(kw_aead_seal_add(seal, second, pieces + cut, NULL), KW_OK);
        assert_int_equal(kw_aead_seal_end(seal, pieces + sizeof plain, NULL), KW_OK);
        assert_memory_equal(pieces, whole, sizeof whole);
    }
}

/* Against Python's cryptography: key 00..1f, the nonce as Noise counts. */
static void sealing(void **state)
{
    (void)state;
    const uint64_t nonce = 0x0102030405060708;
    const kw_bytes ad = kw_text_bytes("header"), plain = kw_text_bytes("a message");
    uint8_t key[32], sealed[64], opened[64];
    kw_aead *seal, *unseal;
    for (size_t i = 0; i < 32; i++)
        key[i] = (uint8_t)i;
    assert_int_equal(kw_aead_open(key, true, &seal, NULL), KW_OK);
    assert_int_equal(kw_aead_open(key, false, &unseal, NULL), KW_OK);
    assert_int_equal(kw_aead_seal(seal, 0, (kw_bytes){0}, (kw_bytes){0}, sealed, NULL), KW_OK);
    assert_hex(sealed, 16, "10324f800a160bd9a1794255be7ec29d");
    assert_int_equal(kw_aead_unseal(unseal, 0, (kw_bytes){0}, (kw_bytes){sealed, 16}, opened, NULL),
                     KW_OK);
    assert_int_equal(kw_aead_seal(seal, nonce, ad, plain, sealed, NULL), KW_OK);
    assert_hex(sealed, 25, "9169c081d84a8b7f017521b3d1dee5b5d2f5f6617be9213705");
    const kw_bytes whole = {sealed, 25};
    assert_int_equal(kw_aead_unseal(unseal, nonce, ad, whole, opened, NULL), KW_OK);
    assert_memory_equal(opened, plain.data, plain.len);
    assert_int_equal(kw_aead_unseal(unseal, nonce + 1, ad, whole, opened, NULL), KW_E_FORMAT);
    assert_int_equal(kw_aead_unseal(unseal, nonce, plain, whole, opened, NULL), KW_E_FORMAT);
    assert_int_equal(kw_aead_unseal(unseal, nonce, ad, (kw_bytes){sealed, 15}, opened, NULL),
                     KW_E_FORMAT);
    for (size_t i = 0; i < whole.len; i++) {
        sealed[i] ^= 1;
        assert_int_equal(kw_aead_unseal(unseal, nonce, ad, whole, opened, NULL), KW_E_FORMAT);
        sealed[i] ^= 1;
    }
    assert_int_equal(ERR_peek_error(), 0);
    in_pieces(seal);
    /* In place. */
    memcpy(opened, plain.data, plain.len);
    assert_int_equal(kw_aead_seal(seal, nonce, ad, (kw_bytes){opened, plain.len}, opened, NULL),
                     KW_OK);
    assert_memory_equal(opened, sealed, whole.len);
    assert_int_equal(kw_aead_unseal(unseal, nonce, ad, (kw_bytes){opened, 25}, opened, NULL),
                     KW_OK);
    assert_memory_equal(opened, plain.data, plain.len);
    kw_aead_close(seal);
    kw_aead_close(unseal);
}

/* RFC 8032, section 7.1, test 1. */
static void ed25519(void **state)
{
    (void)state;
    uint8_t seed[32], key[32], signature[64];
    (void)kw_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", seed, 32);
    assert_int_equal(kw_ed25519_public(seed, key, NULL), KW_OK);
    assert_hex(key, 32, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    assert_int_equal(kw_ed25519_sign(seed, (kw_bytes){0}, signature, NULL), KW_OK);
    assert_hex(signature, 64,
               "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
               "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
    assert_true(kw_ed25519_verify(key, (kw_bytes){0}, signature));
    assert_false(kw_ed25519_verify(key, kw_text_bytes("x"), signature));
    signature[63] ^= 1;
    assert_false(kw_ed25519_verify(key, (kw_bytes){0}, signature));
    assert_int_equal(ERR_peek_error(), 0);
}

typedef bool (*verify_fn)(kw_bytes key, kw_bytes message, kw_bytes signature);

/* The signature holds; with any byte of key or signature changed, or for another message, none
 * does. */
static void check_scheme(verify_fn verify, const char *key_hex, const char *signature_hex)
{
    uint8_t key[300], signature[300];
    const kw_bytes k = kw_hex(key_hex, key, sizeof(key));
    const kw_bytes s = kw_hex(signature_hex, signature, sizeof(signature));
    const kw_bytes message = kw_text_bytes("a message");
    assert_true(verify(k, message, s));
    assert_false(verify(k, kw_text_bytes("a messagf"), s));
    for (size_t i = 0; i < s.len; i += 7) {
        signature[i] ^= 4;
        assert_false(verify(k, message, s));
        signature[i] ^= 4;
    }
    for (size_t n = 0; n < k.len; n += 5) {
        assert_false(verify((kw_bytes){key, n}, message, s));
        key[n] ^= 4;
        assert_false(verify(k, message, s));
        key[n] ^= 4;
    }
    assert_true(verify(k, message, s));
    assert_int_equal(ERR_peek_error(), 0);
}

static void other_schemes(void **state)
{
    (void)state;
    uint8_t key[300], signature[300];
    const kw_bytes message = kw_text_bytes("a message");
    check_scheme(kw_rsa_verify, rsa_der, rsa_sig);
    check_scheme(kw_ecdsa_verify, p256_der, p256_sig);
    check_scheme(kw_secp256k1_verify, k1_pt, k1_sig);
    /* A key of 1,024 bits is too short, whatever it signed; kinds are not confused. */
    const kw_bytes k = kw_hex(rsa1_der, key, sizeof(key));
    const kw_bytes s = kw_hex(rsa1_sig, signature, sizeof(signature));
    assert_false(kw_rsa_verify(k, message, s));
    assert_false(kw_ecdsa_verify(k, message, s));
}

static void randomness(void **state)
{
    (void)state;
    uint8_t a[32] = {0}, b[32] = {0};
    assert_int_equal(kw_crypto_random(a, sizeof(a), NULL), KW_OK);
    assert_int_equal(kw_crypto_random(b, sizeof(b), NULL), KW_OK);
    assert_false(kw_crypto_equal(a, b, sizeof(a)));
    kw_crypto_wipe(a, sizeof(a));
    kw_crypto_wipe(b, sizeof(b));
    assert_true(kw_crypto_equal(a, b, sizeof(a)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hmacs),      cmocka_unit_test(hashes),  cmocka_unit_test(agreement),
        cmocka_unit_test(sealing),    cmocka_unit_test(ed25519), cmocka_unit_test(other_schemes),
        cmocka_unit_test(randomness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
