/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* minisign.c - keys and signatures: files made by the tool minisign 0.11 are read, what we write is
 * read back, and no changed byte passes. tests/e2e/sign.sh runs the tool itself. */
#include "hub/minisign.h"

#include "hub_test.h"

#include "base/check.h"

/* minisign -G -W; echo -n hello, signed by it; the legacy signature by minisign -S -l. */
#define PUBLIC_LINE "RWRgjTsEClhdhw3iikkV/ueRRP81/cT3+jr0q2PyI5rhkfGWimJiBNQr"
static const char public_file[] =
    "untrusted comment: minisign public key 875D580A043B8D60\n" PUBLIC_LINE "\n";
static const char secret_file[] = "untrusted comment: minisign encrypted secret key\n"
                                  "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                                  "AAAAAAAAYI07BApYXYeomPF9Z79Ax9sy"
                                  "OuIAx8ONKtb/7FxphFsV8hUQ1HD+Gw3iikkV/ueRRP81/"
                                  "cT3+jr0q2PyI5rhkfGWimJiBNQrAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                                  "AAAAAAAAAAAAAAA=\n";
static const char signed_hello[] =
    "untrusted comment: signature from minisign secret key\n"
    "RURgjTsEClhdh8nWIkDXYpzFTewmEJdPh42x1P0TDR3YLi+T8tsrlBR4M6pGSWAM3XOnWQk/nu8T3+Ju9vqP4O+m"
    "Who769i6mAQ=\n"
    "trusted comment: timestamp:1795650798\tfile:hello\thashed\n"
    "HMIpNcW2zJd5qfneYjE4ze2wNrah9NQttP6yujXFaEKo+gr1oTubz1tocfccMg52d4ykZlzDvNLNIpQBbfz3Cg==\n";
static const char legacy_hello[] =
    "untrusted comment: signature from minisign secret key\n"
    "RWRgjTsEClhdhwiIwQKkeog8iIYHrDh6+UXRQN/OH3yRe0aT+Dt/7us6b4sSr0LQ1lYgbt+mWxdsHK/z3iYJCuS3"
    "7fwvfsjGLgM=\n"
    "trusted comment: timestamp:1795650798\tfile:hello\n"
    "txKd6fFQMB802Io/O7brn81YuVx0gHH6VVLbu6OVL2GAhG/BiT5VVoAbgNMOKMWOIknhdlWdBfg23Byr+mG3CQ==\n";
/* The same key under the password "secret", with libsodium's "interactive" limits: the tool signs
 * with it, and unlocking takes 16 MiB instead of its usual 1 GiB. */
static const char locked_file[] =
    "untrusted comment: minisign encrypted secret key\n"
    "RWRTY0IyAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8AAAgAAAAAAAAAAAEAAAAAmP6K2y/9mc6335dw"
    "k+hsd5N0hwy7qiCkFGqF8CAgEFrZ0t9YZEoL2S9l2WQWCJjKXyOxExpBWDdXLO0lq8nrEWVdZNZ+r+N4rYUGxDG/"
    "lXNdfUVzJwIpziU5iUAH+GDTKgsd58OECog=\n";

/* The same asking for 1 TiB. */
static const char greedy_file[] =
    "untrusted comment: minisign encrypted secret key\n"
    "RWRTY0IyAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8AAAAAAAEAAAAAAAAAAQAAmP6K2y/9mc6335dw"
    "k+hsd5N0hwy7qiCkFGqF8CAgEFrZ0t9YZEoL2S9l2WQWCJjKXyOxExpBWDdXLO0lq8nrEWVdZNZ+r+N4rYUGxDG/"
    "lXNdfUVzJwIpziU5iUAH+GDTKgsd58OECog=\n";

static kw_bytes bytes(const char *text)
{
    return (kw_bytes){(const uint8_t *)text, strlen(text)};
}

static kw_status verify(const char *file, const char *message)
{
    kw_public_key key;
    kw_signature signature;
    assert_int_equal(kw_public_key_get(kw_str_from(public_file), &key, NULL), KW_OK);
    const kw_status status = kw_signature_get(kw_str_from(file), &signature, NULL);
    return status == KW_OK ? kw_signature_verify(&signature, &key, bytes(message), NULL) : status;
}

static void theirs(void **state)
{
    (void)state;
    kw_public_key key;
    kw_secret_key secret;
    kw_buf buf = {0};
    bool locked;
    char id[KW_KEY_ID_TEXT];
    assert_int_equal(kw_public_key_get(KW_STR(PUBLIC_LINE), &key, NULL), KW_OK);
    kw_key_id_text(key.id, id);
    assert_string_equal(id, "875D580A043B8D60");
    kw_public_key_put(&key, &buf);
    assert_string_equal(buf.data, public_file);
    kw_buf_free(&buf);
    assert_int_equal(kw_secret_key_get(kw_str_from(secret_file), NULL, &secret, &locked, NULL),
                     KW_OK);
    assert_false(locked);
    const kw_public_key half = kw_secret_key_public(&secret);
    assert_memory_equal(&half, &key, sizeof key);
    assert_int_equal(verify(signed_hello, "hello"), KW_OK);
    assert_int_equal(verify(signed_hello, "hallo"), KW_E_FORMAT);
    assert_int_equal(verify(legacy_hello, "hello"), KW_OK);
    assert_int_equal(verify(legacy_hello, "hello "), KW_E_FORMAT);
    kw_secret_key_wipe(&secret);
}

static void locked_key(void **state)
{
    (void)state;
    kw_secret_key secret;
    bool locked = false;
    kw_error err = {0};
    const kw_str file = kw_str_from(locked_file);
    assert_int_equal(kw_secret_key_get(file, NULL, &secret, &locked, &err), KW_E_ARG);
    assert_true(locked);
    assert_int_equal(kw_secret_key_get(file, "wrong", &secret, &locked, &err), KW_E_ARG);
    assert_non_null(strstr(err.message, "wrong password"));
    assert_int_equal(kw_secret_key_get(file, "secret", &secret, &locked, &err), KW_OK);
    kw_secret_key_wipe(&secret);
    assert_int_equal(kw_secret_key_get(kw_str_from(greedy_file), "secret", &secret, &locked, &err),
                     KW_E_LIMIT);
}

static void ours(void **state)
{
    (void)state;
    kw_secret_key secret, again;
    kw_signature signature;
    kw_buf file = {0}, key_file = {0};
    bool locked;
    assert_int_equal(kw_secret_key_new(&secret, NULL), KW_OK);
    kw_secret_key_put(&secret, &key_file);
    assert_int_equal(
        kw_secret_key_get((kw_str){key_file.data, key_file.len}, NULL, &again, &locked, NULL),
        KW_OK);
    assert_memory_equal(&secret, &again, sizeof secret);
    assert_int_equal(kw_signature_make(&secret, bytes("text"), "model:a/b\tversion:3", &file, NULL),
                     KW_OK);
    assert_int_equal(kw_signature_get((kw_str){file.data, file.len}, &signature, NULL), KW_OK);
    assert_true(signature.prehashed);
    assert_string_equal(signature.trusted, "model:a/b\tversion:3");
    kw_public_key key = kw_secret_key_public(&secret);
    assert_int_equal(kw_signature_verify(&signature, &key, bytes("text"), NULL), KW_OK);
    assert_int_equal(kw_signature_verify(&signature, &key, bytes("texT"), NULL), KW_E_FORMAT);
    signature.trusted[16]++;
    assert_int_equal(kw_signature_verify(&signature, &key, bytes("text"), NULL), KW_E_FORMAT);
    signature.trusted[16]--;
    key.id[0] ^= 1;
    assert_int_equal(kw_signature_verify(&signature, &key, bytes("text"), NULL), KW_E_ARG);
    file.len = 0;
    assert_int_equal(kw_signature_make(&secret, bytes("text"), "two\nlines", &file, NULL),
                     KW_E_ARG);
    kw_buf_free(&file);
    kw_buf_free(&key_file);
}

/* Each byte of the lines that are signed or checked, changed; each truncation. */
static void no_other_file_passes(void **state)
{
    (void)state;
    char text[sizeof signed_hello];
    kw_signature signature;
    const size_t begin = (size_t)(strchr(signed_hello, '\n') - signed_hello) + 1;
    for (size_t i = begin; i + 2 < sizeof signed_hello; i++) {
        memcpy(text, signed_hello, sizeof text);
        text[i] = text[i] == 'A' ? 'B' : 'A';
        assert_int_not_equal(verify(text, "hello"), KW_OK);
    }
    for (size_t i = 0; i + 2 < sizeof signed_hello; i++)
        assert_int_not_equal(kw_signature_get((kw_str){signed_hello, i}, &signature, NULL), KW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(theirs),
        cmocka_unit_test(locked_key),
        cmocka_unit_test(ours),
        cmocka_unit_test(no_other_file_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
