/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* psk.c - XSalsa20, and the swarm.key file. */
#include "net/psk.h"

#include "base/check.h"
#include "crypto/crypto.h"

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void quarter(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    *b ^= rotate(*a + *d, 7);
    *c ^= rotate(*b + *a, 9);
    *d ^= rotate(*c + *b, 13);
    *a ^= rotate(*d + *c, 18);
}

static void rounds20(uint32_t x[16])
{
    for (int i = 0; i < 10; i++) {
        quarter(&x[0], &x[4], &x[8], &x[12]);
        quarter(&x[5], &x[9], &x[13], &x[1]);
        quarter(&x[10], &x[14], &x[2], &x[6]);
        quarter(&x[15], &x[3], &x[7], &x[11]);
        quarter(&x[0], &x[1], &x[2], &x[3]);
        quarter(&x[5], &x[6], &x[7], &x[4]);
        quarter(&x[10], &x[11], &x[8], &x[9]);
        quarter(&x[15], &x[12], &x[13], &x[14]);
    }
}

/* Key and 16 bytes as Salsa20 lays them out: constants on the diagonal. */
static void layout(uint32_t x[16], const uint8_t key[32], const uint8_t input[16])
{
    static const uint8_t sigma[] = "expand 32-byte k";
    for (size_t i = 0; i < 4; i++) {
        x[5 * i] = get32(sigma + 4 * i);
        x[1 + i] = get32(key + 4 * i);
        x[11 + i] = get32(key + 16 + 4 * i);
        x[6 + i] = get32(input + 4 * i);
    }
}

void kw_xsalsa20_init(kw_xsalsa20 *cipher, const uint8_t key[32], const uint8_t nonce[24])
{
    static const uint8_t picks[8] = {0, 5, 10, 15, 6, 7, 8, 9}; /* HSalsa20's output */
    uint8_t subkey[32], input[16] = {0};
    uint32_t x[16];
    layout(x, key, nonce);
    rounds20(x);
    for (size_t i = 0; i < 32; i++)
        subkey[i] = (uint8_t)(x[picks[i / 4]] >> (8 * (i % 4)));
    memcpy(input, nonce + 16, 8);
    layout(cipher->state, subkey, input);
    cipher->used = sizeof cipher->block;
    kw_crypto_wipe(subkey, sizeof subkey);
    kw_crypto_wipe(x, sizeof x);
}

static void next_block(kw_xsalsa20 *cipher)
{
    uint32_t x[16];
    memcpy(x, cipher->state, sizeof x);
    rounds20(x);
    for (size_t i = 0; i < 16; i++) {
        const uint32_t word = x[i] + cipher->state[i];
        for (size_t j = 0; j < 4; j++)
            cipher->block[4 * i + j] = (uint8_t)(word >> (8 * j));
    }
    if (++cipher->state[8] == 0)
        cipher->state[9]++;
    cipher->used = 0;
}

void kw_xsalsa20_xor(kw_xsalsa20 *cipher, uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len;) {
        if (cipher->used == sizeof cipher->block)
            next_block(cipher);
        const size_t n = KW_MIN(len - i, sizeof cipher->block - cipher->used);
        for (size_t j = 0; j < n; j++)
            bytes[i + j] ^= cipher->block[cipher->used + j];
        cipher->used += n;
        i += n;
    }
}

/* ---- swarm.key ---- */

static kw_str cut_line(kw_str *text)
{
    size_t n = 0;
    while (n < text->len && text->data[n] != '\n')
        n++;
    kw_str line = {text->data, n};
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    n = KW_MIN(n + 1, text->len);
    text->data += n;
    text->len -= n;
    return line;
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

kw_status kw_psk_parse(kw_str file, uint8_t out[32], kw_error *err)
{
    const kw_str kind = cut_line(&file), coding = cut_line(&file), text = cut_line(&file);
    if (!kw_str_is(kind, "/key/swarm/psk/1.0.0/"))
        return kw_fail(err, KW_E_FORMAT, "swarm.key: begins with \"%.*s\"", KW_FMT(kind));
    if (!kw_str_is(coding, "/base16/"))
        return kw_fail(err, KW_E_UNSUPPORTED, "swarm.key: coding \"%.*s\", not /base16/",
                       KW_FMT(coding));
    if (text.len != 64)
        return kw_fail(err, KW_E_FORMAT, "swarm.key: %zu digits, not 64", text.len);
    uint8_t key[32];
    for (size_t i = 0; i < 32; i++) {
        const int high = digit(text.data[2 * i]), low = digit(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return kw_fail(err, KW_E_FORMAT, "swarm.key: no hexadecimal number");
        key[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(out, key, sizeof key);
    kw_crypto_wipe(key, sizeof key);
    return KW_OK;
}
