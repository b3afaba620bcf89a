/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* stun.c - binding requests and their answers. See stun.h. */
#include "net/stun.h"

#include "base/check.h"
#include "crypto/crypto.h"

#include <string.h>

enum {
    USERNAME = 0x0006,
    MESSAGE_INTEGRITY = 0x0008,
    PRIORITY = 0x0024,
    USE_CANDIDATE = 0x0025,
    XOR_MAPPED_ADDRESS = 0x0020,
    FIRST_OPTIONAL = 0x8000, /* may be unknown to who reads them */
    FINGERPRINT = 0x8028,
    ICE_CONTROLLING = 0x802a
};

#define ATTRIBUTE 4 /* its type and length */
#define INTEGRITY_LEN 20
#define FINGERPRINT_LEN 4
#define USERNAME_MAX 512
#define ID_LEN 12

static const uint8_t cookie[4] = {0x21, 0x12, 0xa4, 0x42};

static unsigned get_u16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static void put_u16(uint8_t *p, size_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static void put_u32(uint8_t *p, uint32_t value)
{
    put_u16(p, value >> 16);
    put_u16(p + 2, value & 0xffff);
}

/* ITU V.42; a request has a hundred bytes or two. */
static uint32_t crc32(const uint8_t *data, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

static uint32_t fingerprint(const uint8_t *message, size_t len)
{
    return crc32(message, len) ^ 0x5354554eu;
}

/* ---- reading ------------------------------------------------------------------------------- */

static kw_status bad(kw_error *err, const char *what)
{
    return kw_fail(err, KW_E_FORMAT, "stun: %s", what);
}

static kw_status take(kw_stun *stun, unsigned type, size_t at, size_t len, kw_error *err)
{
    const uint8_t *const value = stun->whole.data + at + ATTRIBUTE;
    if (type == FINGERPRINT) {
        uint8_t right[FINGERPRINT_LEN];
        put_u32(right, fingerprint(stun->whole.data, at));
        if (len != FINGERPRINT_LEN || at + ATTRIBUTE + len != stun->whole.len ||
            memcmp(value, right, sizeof right) != 0)
            return bad(err, "the fingerprint is wrong, or not the last attribute");
    } else if (stun->integrity_at > 0) {
        return KW_OK; /* what the integrity does not cover is not there */
    } else if (type == MESSAGE_INTEGRITY) {
        if (len != INTEGRITY_LEN)
            return bad(err, "an integrity of another length than 20");
        stun->integrity_at = at;
    } else if (type == USERNAME) {
        stun->username = (kw_str){(const char *)value, len};
    } else if (type < FIRST_OPTIONAL && type != PRIORITY && type != USE_CANDIDATE &&
               type != XOR_MAPPED_ADDRESS) {
        return kw_fail(err, KW_E_UNSUPPORTED, "stun: attribute %04x is not known here", type);
    }
    return KW_OK;
}

kw_status kw_stun_read(kw_bytes message, kw_stun *out, kw_error *err)
{
    if (message.len < KW_STUN_HEADER || message.len > KW_STUN_MAX)
        return kw_fail(err, KW_E_FORMAT, "stun: a message of %zu bytes (%d to %d)", message.len,
                       KW_STUN_HEADER, KW_STUN_MAX);
    kw_stun stun = {.whole = message, .type = (uint16_t)get_u16(message.data)};
    if (memcmp(message.data + 4, cookie, sizeof cookie) != 0 ||
        get_u16(message.data + 2) != message.len - KW_STUN_HEADER || message.len % 4 != 0)
        return bad(err, "no message: the cookie or the length is wrong");
    bool has_fingerprint = false;
    for (size_t at = KW_STUN_HEADER; at < message.len;) {
        const size_t left = message.len - at - ATTRIBUTE; /* a multiple of 4 stands before it */
        const unsigned type = get_u16(message.data + at);
        const size_t len = get_u16(message.data + at + 2);
        if (len > left)
            return bad(err, "an attribute runs past the end");
        KW_TRY(take(&stun, type, at, len, err));
        has_fingerprint = has_fingerprint || type == FINGERPRINT;
        at += ATTRIBUTE + (len + 3) / 4 * 4;
    }
    if (stun.integrity_at == 0 || !has_fingerprint)
        return bad(err, "no integrity or no fingerprint");
    *out = stun;
    return KW_OK;
}

/* Of all before the attribute at `at`, with the length that the message has up to its end. */
static kw_status integrity(const uint8_t *message, size_t at, kw_str password, uint8_t out[20],
                           kw_error *err)
{
    uint8_t copy[KW_STUN_MAX];
    kw_assert(at <= KW_STUN_MAX);
    memcpy(copy, message, at);
    put_u16(copy + 2, at + ATTRIBUTE + INTEGRITY_LEN - KW_STUN_HEADER);
    const kw_bytes key = {(const uint8_t *)password.data, password.len};
    return kw_hmac_sha1(key, (kw_bytes){copy, at}, out, err);
}

bool kw_stun_verify(const kw_stun *stun, kw_str password)
{
    uint8_t right[INTEGRITY_LEN];
    return integrity(stun->whole.data, stun->integrity_at, password, right, NULL) == KW_OK &&
           kw_crypto_equal(right, stun->whole.data + stun->integrity_at + ATTRIBUTE, sizeof right);
}

/* ---- writing ------------------------------------------------------------------------------- */

static void begin(uint8_t *out, unsigned type, const uint8_t *id, size_t *len)
{
    put_u16(out, type);
    put_u16(out + 2, 0);
    memcpy(out + 4, cookie, sizeof cookie);
    memcpy(out + 8, id, ID_LEN);
    *len = KW_STUN_HEADER;
}

static void add(uint8_t *out, size_t *len, unsigned type, const void *value, size_t n)
{
    put_u16(out + *len, type);
    put_u16(out + *len + 2, n);
    memset(out + *len + ATTRIBUTE, 0, (n + 3) / 4 * 4);
    if (n > 0)
        memcpy(out + *len + ATTRIBUTE, value, n);
    *len += ATTRIBUTE + (n + 3) / 4 * 4;
    put_u16(out + 2, *len - KW_STUN_HEADER);
}

static kw_status end(uint8_t *out, size_t *len, kw_str password, kw_error *err)
{
    uint8_t hash[INTEGRITY_LEN], crc[FINGERPRINT_LEN];
    KW_TRY(integrity(out, *len, password, hash, err));
    add(out, len, MESSAGE_INTEGRITY, hash, sizeof hash);
    /* The length that it is computed over counts the fingerprint itself. */
    put_u16(out + 2, *len + ATTRIBUTE + FINGERPRINT_LEN - KW_STUN_HEADER);
    put_u32(crc, fingerprint(out, *len));
    add(out, len, FINGERPRINT, crc, sizeof crc);
    return KW_OK;
}

kw_status kw_stun_ask(const uint8_t id[12], kw_str username, kw_str password, uint8_t *out,
                      size_t *len, kw_error *err)
{
    uint8_t tie[8];
    static const uint8_t priority[4] = {0x6e, 0x7f, 0x00, 0xff};
    if (username.len > USERNAME_MAX)
        return kw_fail(err, KW_E_LIMIT, "stun: a user name of %zu bytes (at most %d)", username.len,
                       USERNAME_MAX);
    KW_TRY(kw_crypto_random(tie, sizeof tie, err));
    begin(out, KW_STUN_REQUEST, id, len);
    add(out, len, USERNAME, username.data, username.len);
    add(out, len, PRIORITY, priority, sizeof priority);
    add(out, len, ICE_CONTROLLING, tie, sizeof tie);
    add(out, len, USE_CANDIDATE, NULL, 0);
    return end(out, len, password, err);
}

/* ---- answering ----------------------------------------------------------------------------- */

/* Characters that ICE allows, at least min and at most 256 of them. */
static bool is_ice(kw_str text, size_t min)
{
    if (text.len < min || text.len > 256)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/'))
            return false;
    }
    return true;
}

/* Our half of a user name, which is our password too; false: not one that we answer to. */
static bool our_half(kw_str username, kw_str *out)
{
    static const char v1[] = "libp2p+webrtc+v1/", v2[] = "libp2p+webrtc+v2/";
    const size_t prefix = sizeof v1 - 1;
    const char *colon = username.len ? memchr(username.data, ':', username.len) : NULL;
    if (!colon)
        return false;
    const kw_str ours = {username.data, (size_t)(colon - username.data)};
    const kw_str theirs = {colon + 1, username.len - ours.len - 1};
    if (ours.len <= prefix || !is_ice(ours, 22) || !is_ice(theirs, 4))
        return false;
    *out = ours;
    if (memcmp(ours.data, v1, prefix) == 0)
        return theirs.len == ours.len && memcmp(ours.data, theirs.data, ours.len) == 0;
    return memcmp(ours.data, v2, prefix) == 0 &&
           is_ice((kw_str){ours.data + prefix, ours.len - prefix}, 22);
}

static void put_address(uint8_t *out, size_t *len, const kw_stun_from *from)
{
    uint8_t value[4 + 16] = {0, from->ip6 ? 2 : 1};
    const size_t n = from->ip6 ? 16 : 4;
    put_u16(value + 2, from->port ^ 0x2112u);
    for (size_t i = 0; i < n; i++) /* the cookie, and the request's number behind it */
        value[4 + i] = from->ip[i] ^ out[4 + i];
    add(out, len, XOR_MAPPED_ADDRESS, value, 4 + n);
}

kw_status kw_stun_answer(kw_bytes request, const kw_stun_from *from,
                         uint8_t out[KW_STUN_ANSWER_MAX], size_t *len, kw_error *err)
{
    kw_stun stun;
    kw_str password;
    KW_TRY(kw_stun_read(request, &stun, err));
    if (stun.type != KW_STUN_REQUEST)
        return bad(err, "not a binding request");
    if (!our_half(stun.username, &password))
        return bad(err, "a user name that is of no version that is spoken here");
    if (!kw_stun_verify(&stun, password))
        return bad(err, "the integrity is wrong");
    if (request.len < KW_STUN_ANSWER_MAX)
        return bad(err, "the answer would be longer than the request");
    size_t n;
    begin(out, KW_STUN_SUCCESS, request.data + 8, &n);
    put_address(out, &n, from);
    KW_TRY(end(out, &n, password, err));
    *len = n;
    return KW_OK;
}
