/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ip_text.c - IP addresses as text (RFC 4291, RFC 5952). */
#include "wire/ip_text.h"

#include <stdio.h>

bool kw_ip4_parse(kw_str text, uint8_t out[4])
{
    uint8_t bytes[4];
    size_t at = 0;
    for (size_t i = 0; i < 4; i++) {
        if (i > 0 && (at >= text.len || text.data[at] != '.'))
            return false;
        at += i > 0;
        unsigned value = 0;
        const size_t begin = at;
        while (at < text.len && text.data[at] >= '0' && text.data[at] <= '9' && at - begin < 3)
            value = value * 10 + (unsigned)(text.data[at++] - '0');
        if (at == begin || value > 255 || (text.data[begin] == '0' && at - begin > 1))
            return false;
        bytes[i] = (uint8_t)value;
    }
    if (at != text.len)
        return false;
    memcpy(out, bytes, 4);
    return true;
}

void kw_ip4_text(const uint8_t address[4], char out[KW_IP_TEXT_MAX])
{
    (void)snprintf(out, KW_IP_TEXT_MAX, "%u.%u.%u.%u", address[0], address[1], address[2],
                   address[3]);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Hex groups between colons into bytes, of which there are at most cap (even); the last may be an
 * IPv4 address. Returns the bytes written, or -1. */
static int parse_groups(kw_str text, uint8_t *bytes, size_t cap)
{
    size_t at = 0, n = 0;
    while (at < text.len) {
        const size_t begin = at;
        unsigned value = 0;
        for (; at < text.len && at - begin < 4 && hex_digit(text.data[at]) >= 0; at++)
            value = value << 4 | (unsigned)hex_digit(text.data[at]);
        if (at < text.len && text.data[at] == '.') {
            const kw_str rest = {text.data + begin, text.len - begin};
            return n + 4 <= cap && kw_ip4_parse(rest, bytes + n) ? (int)n + 4 : -1;
        }
        if (at == begin || n + 2 > cap)
            return -1;
        bytes[n++] = (uint8_t)(value >> 8);
        bytes[n++] = (uint8_t)value;
        if (at == text.len)
            break;
        if (text.data[at] != ':' || at + 1 == text.len)
            return -1;
        at++;
    }
    return (int)n;
}

bool kw_ip6_parse(kw_str text, uint8_t out[16])
{
    uint8_t front[16], back[16];
    size_t gap = 0;
    while (gap + 1 < text.len && (text.data[gap] != ':' || text.data[gap + 1] != ':'))
        gap++;
    if (gap + 1 >= text.len) {
        if (parse_groups(text, front, 16) != 16)
            return false;
        memcpy(out, front, 16);
        return true;
    }
    const kw_str rest = {text.data + gap + 2, text.len - gap - 2};
    const int n_front = parse_groups((kw_str){text.data, gap}, front, 14);
    const int n_back = n_front < 0 ? -1 : parse_groups(rest, back, 14 - (size_t)n_front);
    if (n_back < 0 || memchr(text.data, '.', gap))
        return false;
    memset(out, 0, 16);
    memcpy(out, front, (size_t)n_front);
    memcpy(out + 16 - n_back, back, (size_t)n_back);
    return true;
}

/* The longest run of at least two zero groups, the first of equals. */
static size_t longest_gap(const unsigned group[8], size_t *begin)
{
    size_t best = 1;
    *begin = 8;
    for (size_t i = 0; i < 8; i++) {
        size_t n = 0;
        while (i + n < 8 && group[i + n] == 0)
            n++;
        if (n > best) {
            best = n;
            *begin = i;
        }
    }
    return *begin == 8 ? 0 : best;
}

void kw_ip6_text(const uint8_t address[16], char out[KW_IP_TEXT_MAX])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    unsigned group[8];
    size_t begin, n = 0;
    if (memcmp(address, mapped, sizeof(mapped)) == 0) {
        memcpy(out, "::ffff:", 7);
        (void)snprintf(out + 7, KW_IP_TEXT_MAX - 7, "%u.%u.%u.%u", address[12], address[13],
                       address[14], address[15]);
        return;
    }
    for (size_t i = 0; i < 8; i++)
        group[i] = (unsigned)address[2 * i] << 8 | address[2 * i + 1];
    const size_t gap = longest_gap(group, &begin);
    for (size_t i = 0; i < 8;) {
        if (gap > 0 && i == begin) {
            memcpy(out + n, "::", 2);
            n += 2;
            i += gap;
            continue;
        }
        const bool colon = i > 0 && !(gap > 0 && i == begin + gap);
        n += (size_t)snprintf(out + n, KW_IP_TEXT_MAX - n, colon ? ":%x" : "%x", group[i]);
        i++;
    }
    out[n] = '\0';
}
