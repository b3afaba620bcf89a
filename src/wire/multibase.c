/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* multibase.c - bytes as text.
 *
 * Bases of a power of two write groups of bits; base36 and base58 write one large number, each zero
 * byte in front as one zero digit. Source: multiformats multibase; RFC 4648. */
#include "wire/multibase.h"

#include "base/check.h"

typedef struct base_info {
    char letter;
    uint8_t bits; /* of a digit; 0: digits of one large number */
    uint8_t radix;
    const char *digits;
} base_info;

#define LETTERS_AND_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
static const base_info bases[] = {
    [KW_BASE16] = {'f', 4, 16, "0123456789abcdef"},
    [KW_BASE32] = {'b', 5, 32, "abcdefghijklmnopqrstuvwxyz234567"},
    [KW_BASE36] = {'k', 0, 36, "0123456789abcdefghijklmnopqrstuvwxyz"},
    [KW_BASE58] = {'z', 0, 58, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"},
    [KW_BASE64] = {'m', 6, 64, LETTERS_AND_DIGITS "+/"},
    [KW_BASE64_URL] = {'u', 6, 64, LETTERS_AND_DIGITS "-_"},
};

/* Whole digits of 4, 5 and 6 bits, so that pieces of this size join without a seam. */
enum { PIECE_BYTES = 240, PIECE_DIGITS = 480 };

static size_t write_bits(const base_info *base, kw_bytes data, char *out)
{
    uint32_t held = 0;
    unsigned n_held = 0;
    size_t n = 0;
    for (size_t i = 0; i < data.len; i++) {
        held = (held << 8 | data.data[i]) & 0xffff;
        for (n_held += 8; n_held >= base->bits; n_held -= base->bits)
            out[n++] = base->digits[held >> (n_held - base->bits) & (base->radix - 1u)];
    }
    if (n_held > 0)
        out[n++] = base->digits[held << (base->bits - n_held) & (base->radix - 1u)];
    return n;
}

/* out holds the number's digits, the lowest first, until they are turned into text. */
static size_t write_number(const base_info *base, kw_bytes data, char *out)
{
    size_t zeros = 0, n = 0;
    while (zeros < data.len && data.data[zeros] == 0)
        zeros++;
    uint8_t *const digits = (uint8_t *)out + zeros;
    for (size_t i = zeros; i < data.len; i++) {
        uint32_t carry = data.data[i];
        for (size_t j = 0; j < n; j++) {
            carry += (uint32_t)digits[j] << 8;
            digits[j] = (uint8_t)(carry % base->radix);
            carry /= base->radix;
        }
        for (; carry > 0; carry /= base->radix)
            digits[n++] = (uint8_t)(carry % base->radix);
    }
    for (size_t i = 0, j = n; i < j; i++) {
        const uint8_t high = digits[--j];
        digits[j] = (uint8_t)base->digits[digits[i]];
        digits[i] = (uint8_t)base->digits[high];
    }
    memset(out, base->digits[0], zeros);
    return zeros + n;
}

size_t kw_base_text(kw_base base, kw_bytes data, char *out)
{
    const base_info *const info = &bases[base];
    kw_assert(info->bits > 0 || data.len <= KW_BASE_MAX_BYTES);
    const size_t n = info->bits > 0 ? write_bits(info, data, out) : write_number(info, data, out);
    out[n] = '\0';
    return n;
}

void kw_base_put(kw_buf *out, kw_base base, kw_bytes data)
{
    char text[KW_BASE_ROOM(KW_BASE_MAX_BYTES)];
    kw_assert(bases[base].bits > 0 || data.len <= KW_BASE_MAX_BYTES);
    const size_t piece = bases[base].bits > 0 ? PIECE_BYTES : KW_BASE_MAX_BYTES;
    for (size_t at = 0; at < data.len; at += piece) {
        const kw_bytes part = {data.data + at, KW_MIN(piece, data.len - at)};
        kw_buf_add(out, text, kw_base_text(base, part, text));
    }
}

void kw_multibase_put(kw_buf *out, kw_base base, kw_bytes data)
{
    kw_buf_add(out, &bases[base].letter, 1);
    kw_base_put(out, base, data);
}

static int digit_of(const base_info *base, char c)
{
    const char *const at = c ? strchr(base->digits, c) : NULL;
    return at ? (int)(at - base->digits) : -1;
}

/* Bits that are left over are fewer than a digit and zero, or the text has another spelling. */
static bool read_bits(const base_info *base, kw_str text, uint8_t *out, size_t cap, size_t *len)
{
    uint32_t held = 0;
    unsigned n_held = 0;
    *len = 0;
    for (size_t i = 0; i < text.len; i++) {
        const int digit = digit_of(base, text.data[i]);
        if (digit < 0)
            return false;
        held = (held << base->bits | (uint32_t)digit) & 0xffff;
        n_held += base->bits;
        if (n_held < 8)
            continue;
        if (*len == cap)
            return false;
        n_held -= 8;
        out[(*len)++] = (uint8_t)(held >> n_held);
    }
    return n_held < base->bits && (held & ((1u << n_held) - 1)) == 0;
}

/* out holds the number's bytes, the lowest first, until all digits are in. */
static bool read_number(const base_info *base, kw_str text, uint8_t *out, size_t cap, size_t *len)
{
    size_t zeros = 0, n = 0;
    while (zeros < text.len && text.data[zeros] == base->digits[0])
        zeros++;
    if (zeros > cap)
        return false;
    uint8_t *const bytes = out + zeros;
    for (size_t i = zeros; i < text.len; i++) {
        const int digit = digit_of(base, text.data[i]);
        if (digit < 0)
            return false;
        uint32_t carry = (uint32_t)digit;
        for (size_t j = 0; j < n; j++) {
            carry += (uint32_t)bytes[j] * base->radix;
            bytes[j] = (uint8_t)carry;
            carry >>= 8;
        }
        if (carry > 0) {
            if (zeros + n == cap)
                return false;
            bytes[n++] = (uint8_t)carry;
        }
    }
    for (size_t i = 0, j = n; i < j; i++) {
        const uint8_t high = bytes[--j];
        bytes[j] = bytes[i];
        bytes[i] = high;
    }
    memset(out, 0, zeros);
    *len = zeros + n;
    return true;
}

bool kw_base_bytes(kw_base base, kw_str text, uint8_t *out, size_t cap, size_t *len)
{
    const base_info *const info = &bases[base];
    return info->bits > 0 ? read_bits(info, text, out, cap, len)
                          : read_number(info, text, out, KW_MIN(cap, KW_BASE_MAX_BYTES), len);
}

bool kw_multibase_letter(char letter, kw_base *out)
{
    for (size_t i = 0; i < KW_COUNT(bases); i++)
        if (bases[i].letter == letter) {
            *out = (kw_base)i;
            return true;
        }
    return false;
}

kw_status kw_base_get(kw_base base, kw_str text, kw_buf *out, kw_error *err)
{
    const base_info *const info = &bases[base];
    uint8_t bytes[KW_BASE_MAX_BYTES];
    const size_t piece = info->bits > 0 ? PIECE_DIGITS : text.len;
    if (info->bits == 0 && text.len > 2 * (size_t)KW_BASE_MAX_BYTES)
        return kw_fail(err, KW_E_LIMIT, "base%u: a text of %zu letters; at most %d bytes are read",
                       info->radix, text.len, KW_BASE_MAX_BYTES);
    for (size_t at = 0; at < text.len; at += piece) {
        const kw_str part = {text.data + at, KW_MIN(piece, text.len - at)};
        size_t len;
        if (!kw_base_bytes(base, part, bytes, sizeof(bytes), &len))
            return kw_fail(err, KW_E_FORMAT, "base%u: \"%.*s\" is no text of this base",
                           info->radix, KW_FMT(text));
        kw_buf_add(out, (const char *)bytes, len);
    }
    return kw_buf_status(out, err);
}

kw_status kw_multibase_get(kw_str text, kw_buf *out, kw_error *err)
{
    kw_base base;
    if (text.len == 0 || !kw_multibase_letter(text.data[0], &base))
        return kw_fail(err, KW_E_FORMAT,
                       "multibase: \"%.*s\" begins with none of the letters f b k z m u",
                       KW_FMT(text));
    return kw_base_get(base, (kw_str){text.data + 1, text.len - 1}, out, err);
}
