/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* minisign.c - the files of minisign.
 *
 *   public key   comment, base64("Ed" id[8] key[32])
 *   secret key   comment, base64("Ed" kdf[2] "B2" salt[32] ops[8] mem[8] {id[8] seed[32] key[32]
 *                check[32]}), the braces under the stream of scrypt when kdf is "Sc"
 *   signature    comment, base64(algorithm[2] id[8] signature[64]), trusted comment,
 *                base64(signature[64] of signature and trusted comment)
 *
 * Each line ends with \n or \r\n. check is a hash of the key; whether a password was right is seen
 * from the public half, which has to follow from the seed. Numbers are little-endian. */
#include "hub/minisign.h"

#include <string.h>

#include "base/check.h"
#include "base/utf8.h"
#include "crypto/crypto.h"
#include "wire/multibase.h"

#define PUBLIC_LEN ((size_t)42)
#define SECRET_LEN ((size_t)158)
#define SIGNATURE_LEN ((size_t)74)
#define SECRET_PART 54 /* where what is encrypted begins */
#define SCRYPT_MEMORY_MAX ((uint64_t)2 << 30)

static const char untrusted[] = "untrusted comment: ";
static const char trusted_mark[] = "trusted comment: ";
static const uint8_t ed25519[2] = {'E', 'd'}, prehashed_ed25519[2] = {'E', 'D'};
static const uint8_t plain_secret[6] = {'E', 'd', 0, 0, 'B', '2'};

/* ---- lines and base64 ---- */

/* Takes one line off the front. */
static kw_str next_line(kw_str *text)
{
    if (text->len == 0)
        return (kw_str){"", 0};
    const char *const end = memchr(text->data, '\n', text->len);
    kw_str line = {text->data, end ? (size_t)(end - text->data) : text->len};
    const size_t taken = line.len + (end != NULL);
    *text = (kw_str){text->data + taken, text->len - taken};
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* Padded base64 of exactly len bytes. */
static kw_status get_base64(kw_str line, const char *what, uint8_t *out, size_t len, kw_error *err)
{
    const size_t pad = (3 - len % 3) % 3;
    kw_buf bytes = {0};
    bool good = line.len == (len + 2) / 3 * 4;
    for (size_t i = 0; good && i < pad; i++)
        good = line.data[line.len - 1 - i] == '=';
    if (good)
        good = kw_base_get(KW_BASE64, (kw_str){line.data, line.len - pad}, &bytes, NULL) == KW_OK &&
               bytes.len == len;
    if (good)
        memcpy(out, bytes.data, len);
    if (bytes.data)
        kw_crypto_wipe(bytes.data, bytes.len);
    const bool lost = bytes.failed;
    kw_buf_free(&bytes);
    if (lost)
        return kw_fail(err, KW_E_NOMEM, "minisign: no memory for the %s", what);
    return good ? KW_OK
                : kw_fail(err, KW_E_FORMAT, "minisign: the %s is not base64 of %zu bytes", what,
                          len);
}

static void put_base64(kw_buf *out, const uint8_t *data, size_t len)
{
    kw_base_put(out, KW_BASE64, (kw_bytes){data, len});
    kw_buf_add(out, "==", (3 - len % 3) % 3);
}

/* The base64 behind the comment. A text of one line is that line. */
static kw_status key_line(kw_str text, const char *what, kw_str *out, kw_error *err)
{
    if (text.len > KW_MINISIGN_FILE_MAX)
        return kw_fail(err, KW_E_LIMIT, "minisign: a %s of %zu bytes, the limit is %d", what,
                       text.len, KW_MINISIGN_FILE_MAX);
    const kw_str first = next_line(&text);
    *out = kw_str_starts(first, kw_str_from(untrusted)) ? next_line(&text) : first;
    if (text.len > 0)
        return kw_fail(err, KW_E_FORMAT, "minisign: lines behind the %s", what);
    return KW_OK;
}

void kw_key_id_text(const uint8_t id[KW_KEY_ID_LEN], char out[KW_KEY_ID_TEXT])
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < KW_KEY_ID_LEN; i++) {
        const uint8_t byte = id[KW_KEY_ID_LEN - 1 - i];
        out[2 * i] = digits[byte >> 4];
        out[2 * i + 1] = digits[byte & 15];
    }
    out[2 * KW_KEY_ID_LEN] = '\0';
}

/* ---- public keys ---- */

kw_status kw_public_key_get(kw_str text, kw_public_key *out, kw_error *err)
{
    uint8_t raw[PUBLIC_LEN];
    kw_str line;
    *out = (kw_public_key){0};
    KW_TRY(key_line(text, "public key", &line, err));
    KW_TRY(get_base64(line, "public key", raw, sizeof raw, err));
    if (memcmp(raw, ed25519, 2) != 0)
        return kw_fail(err, KW_E_UNSUPPORTED, "minisign: the public key is not of Ed25519");
    memcpy(out->id, raw + 2, sizeof out->id);
    memcpy(out->key, raw + 10, sizeof out->key);
    return KW_OK;
}

void kw_public_key_put_line(const kw_public_key *key, kw_buf *out)
{
    uint8_t raw[PUBLIC_LEN];
    memcpy(raw, ed25519, 2);
    memcpy(raw + 2, key->id, sizeof key->id);
    memcpy(raw + 10, key->key, sizeof key->key);
    put_base64(out, raw, sizeof raw);
}

void kw_public_key_put(const kw_public_key *key, kw_buf *out)
{
    char id[KW_KEY_ID_TEXT];
    kw_key_id_text(key->id, id);
    kw_buf_printf(out, "%sminisign public key %s\n", untrusted, id);
    kw_public_key_put_line(key, out);
    kw_buf_add(out, "\n", 1);
}

/* ---- secret keys ---- */

static uint64_t read_le64(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

/* scrypt's parameters for libsodium's two limits: r is 8, n as large as the smaller allows. */
static void scrypt_cost(uint64_t ops, uint64_t memory, uint64_t *n, uint32_t *p)
{
    ops = KW_MAX(ops, (uint64_t)32768);
    const bool slow = ops < memory / 32;
    const uint64_t most = slow ? ops / 32 : memory / 1024;
    *n = 2;
    while (*n <= most / 2)
        *n *= 2;
    *p = slow ? 1 : (uint32_t)(KW_MIN(ops / 4 / *n, (uint64_t)0x3fffffff) / 8);
    *p = KW_MAX(*p, (uint32_t)1);
}

static kw_status unlock(uint8_t raw[SECRET_LEN], const char *password, kw_error *err)
{
    const uint64_t ops = read_le64(raw + 38), memory = read_le64(raw + 46);
    uint8_t stream[SECRET_LEN - SECRET_PART];
    uint64_t n;
    uint32_t p;
    if (!password)
        return kw_fail(err, KW_E_ARG, "minisign: the secret key is encrypted and wants a password");
    scrypt_cost(ops, memory, &n, &p);
    if (memory > SCRYPT_MEMORY_MAX || n > SCRYPT_MEMORY_MAX / 1024 || p > 64)
        return kw_fail(
            err, KW_E_LIMIT,
            "minisign: unlocking the secret key would take %llu bytes, the limit is %llu",
            (unsigned long long)memory, (unsigned long long)SCRYPT_MEMORY_MAX);
    const kw_bytes secret = {(const uint8_t *)password, strlen(password)}, salt = {raw + 6, 32};
    const kw_scrypt_cost cost = {.n = n, .r = 8, .p = p};
    KW_TRY(kw_scrypt(secret, salt, &cost, stream, sizeof stream, err));
    for (size_t i = 0; i < sizeof stream; i++)
        raw[SECRET_PART + i] ^= stream[i];
    kw_crypto_wipe(stream, sizeof stream);
    return KW_OK;
}

/* From the decoded bytes, which are changed. */
static kw_status read_secret(uint8_t raw[SECRET_LEN], const char *password, kw_secret_key *out,
                             bool *locked, kw_error *err)
{
    uint8_t key[32];
    *locked = memcmp(raw + 2, "Sc", 2) == 0;
    if (memcmp(raw, ed25519, 2) != 0 || memcmp(raw + 4, "B2", 2) != 0 ||
        (!*locked && memcmp(raw + 2, "\0\0", 2) != 0))
        return kw_fail(err, KW_E_UNSUPPORTED, "minisign: a secret key of an unknown kind");
    if (*locked)
        KW_TRY(unlock(raw, password, err));
    memcpy(out->id, raw + SECRET_PART, sizeof out->id);
    memcpy(out->seed, raw + SECRET_PART + 8, sizeof out->seed);
    memcpy(out->key, raw + SECRET_PART + 40, sizeof out->key);
    KW_TRY(kw_ed25519_public(out->seed, key, err));
    if (memcmp(key, out->key, sizeof key) == 0)
        return KW_OK;
    kw_secret_key_wipe(out);
    return *locked ? kw_fail(err, KW_E_ARG, "minisign: wrong password for the secret key")
                   : kw_fail(err, KW_E_FORMAT, "minisign: the halves of the secret key differ");
}

kw_status kw_secret_key_get(kw_str text, const char *password, kw_secret_key *out, bool *locked,
                            kw_error *err)
{
    uint8_t raw[SECRET_LEN];
    kw_str line;
    *out = (kw_secret_key){0};
    *locked = false;
    KW_TRY(key_line(text, "secret key", &line, err));
    kw_status status = get_base64(line, "secret key", raw, sizeof raw, err);
    if (status == KW_OK)
        status = read_secret(raw, password, out, locked, err);
    kw_crypto_wipe(raw, sizeof raw);
    return status;
}

void kw_secret_key_put(const kw_secret_key *key, kw_buf *out)
{
    uint8_t raw[SECRET_LEN] = {0};
    memcpy(raw, plain_secret, 6);
    memcpy(raw + SECRET_PART, key->id, sizeof key->id);
    memcpy(raw + SECRET_PART + 8, key->seed, sizeof key->seed);
    memcpy(raw + SECRET_PART + 40, key->key, sizeof key->key);
    kw_buf_printf(out, "%sminisign secret key, not encrypted\n", untrusted);
    put_base64(out, raw, sizeof raw);
    kw_buf_add(out, "\n", 1);
    kw_crypto_wipe(raw, sizeof raw);
}

kw_status kw_secret_key_new(kw_secret_key *out, kw_error *err)
{
    *out = (kw_secret_key){0};
    KW_TRY(kw_crypto_random(out->id, sizeof out->id, err));
    KW_TRY(kw_crypto_random(out->seed, sizeof out->seed, err));
    return kw_ed25519_public(out->seed, out->key, err);
}

kw_public_key kw_secret_key_public(const kw_secret_key *key)
{
    kw_public_key out;
    memcpy(out.id, key->id, sizeof out.id);
    memcpy(out.key, key->key, sizeof out.key);
    return out;
}

void kw_secret_key_wipe(kw_secret_key *key)
{
    kw_crypto_wipe(key, sizeof *key);
}

/* ---- signatures ---- */

/* One line of printable UTF-8. */
static bool comment_ok(kw_str comment)
{
    if (comment.len > KW_TRUSTED_COMMENT || !kw_utf8_valid(comment.data, comment.len))
        return false;
    for (size_t i = 0; i < comment.len; i++)
        if (((unsigned char)comment.data[i] < ' ' && comment.data[i] != '\t') ||
            comment.data[i] == 0x7f)
            return false;
    return true;
}

static kw_status prehash(kw_bytes message, uint8_t digest[64], kw_error *err)
{
    kw_blake2b *hash;
    KW_TRY(kw_blake2b_begin(&hash, err));
    const kw_status status = kw_blake2b_update(hash, message.data, message.len, err);
    const kw_status end = kw_blake2b_end(hash, status == KW_OK ? digest : NULL, err);
    return status != KW_OK ? status : end;
}

/* What the second signature is over. */
static kw_bytes global_message(const uint8_t signature[64], kw_str comment,
                               uint8_t out[64 + KW_TRUSTED_COMMENT])
{
    memcpy(out, signature, 64);
    if (comment.len > 0)
        memcpy(out + 64, comment.data, comment.len);
    return (kw_bytes){out, 64 + comment.len};
}

kw_status kw_signature_get(kw_str text, kw_signature *out, kw_error *err)
{
    uint8_t raw[SIGNATURE_LEN];
    *out = (kw_signature){0};
    if (text.len > KW_MINISIGN_FILE_MAX)
        return kw_fail(err, KW_E_LIMIT, "minisign: a signature of %zu bytes, the limit is %d",
                       text.len, KW_MINISIGN_FILE_MAX);
    const kw_str comment = next_line(&text), line = next_line(&text);
    kw_str trusted = next_line(&text);
    const kw_str global = next_line(&text);
    if (!kw_str_starts(comment, kw_str_from(untrusted)) ||
        !kw_str_starts(trusted, kw_str_from(trusted_mark)) || text.len > 0)
        return kw_fail(err, KW_E_FORMAT, "minisign: these are not the four lines of a signature");
    trusted =
        (kw_str){trusted.data + sizeof trusted_mark - 1, trusted.len - (sizeof trusted_mark - 1)};
    if (!comment_ok(trusted))
        return kw_fail(err, KW_E_FORMAT, "minisign: the trusted comment is no line of text");
    KW_TRY(get_base64(line, "signature", raw, sizeof raw, err));
    KW_TRY(get_base64(global, "signature of the comment", out->global, sizeof out->global, err));
    out->prehashed = memcmp(raw, prehashed_ed25519, 2) == 0;
    if (!out->prehashed && memcmp(raw, ed25519, 2) != 0)
        return kw_fail(err, KW_E_UNSUPPORTED, "minisign: the signature is not of Ed25519");
    memcpy(out->id, raw + 2, sizeof out->id);
    memcpy(out->signature, raw + 10, sizeof out->signature);
    memcpy(out->trusted, trusted.data, trusted.len);
    return KW_OK;
}

kw_status kw_signature_make(const kw_secret_key *key, kw_bytes message, const char *trusted,
                            kw_buf *out, kw_error *err)
{
    uint8_t digest[64], raw[SIGNATURE_LEN], global[64], both[64 + KW_TRUSTED_COMMENT];
    const kw_str comment = kw_str_from(trusted);
    char id[KW_KEY_ID_TEXT];
    if (!comment_ok(comment))
        return kw_fail(err, KW_E_ARG,
                       "minisign: the trusted comment is no line of at most %d bytes",
                       KW_TRUSTED_COMMENT);
    memcpy(raw, prehashed_ed25519, 2);
    memcpy(raw + 2, key->id, sizeof key->id);
    KW_TRY(prehash(message, digest, err));
    KW_TRY(kw_ed25519_sign(key->seed, (kw_bytes){digest, sizeof digest}, raw + 10, err));
    KW_TRY(kw_ed25519_sign(key->seed, global_message(raw + 10, comment, both), global, err));
    kw_key_id_text(key->id, id);
    kw_buf_printf(out, "%ssignature with key %s\n", untrusted, id);
    put_base64(out, raw, sizeof raw);
    kw_buf_printf(out, "\n%s%s\n", trusted_mark, trusted);
    put_base64(out, global, sizeof global);
    kw_buf_add(out, "\n", 1);
    return kw_buf_status(out, err);
}

kw_status kw_signature_verify(const kw_signature *signature, const kw_public_key *key,
                              kw_bytes message, kw_error *err)
{
    uint8_t digest[64], both[64 + KW_TRUSTED_COMMENT];
    char theirs[KW_KEY_ID_TEXT], ours[KW_KEY_ID_TEXT];
    kw_key_id_text(signature->id, theirs);
    kw_key_id_text(key->id, ours);
    if (memcmp(signature->id, key->id, sizeof key->id) != 0)
        return kw_fail(err, KW_E_ARG, "minisign: signed with key %s, not %s", theirs, ours);
    if (signature->prehashed) {
        KW_TRY(prehash(message, digest, err));
        message = (kw_bytes){digest, sizeof digest};
    }
    if (!kw_ed25519_verify(key->key, message, signature->signature))
        return kw_fail(err, KW_E_FORMAT, "minisign: the content is not what key %s signed", ours);
    const kw_str comment = kw_str_from(signature->trusted);
    if (!kw_ed25519_verify(key->key, global_message(signature->signature, comment, both),
                           signature->global))
        return kw_fail(err, KW_E_FORMAT, "minisign: the trusted comment is not what key %s signed",
                       ours);
    return KW_OK;
}
