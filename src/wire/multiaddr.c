/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* multiaddr.c - a table of parts, and both forms of an address by it.
 *
 * Binary: varint code, then the value: of a fixed length, or with its length as a varint in front.
 * Source: multiformats multiaddr and its protocols.csv. */
#include "wire/multiaddr.h"

#include "base/check.h"
#include "base/uvarint.h"
#include "wire/cid.h"
#include "wire/ip_text.h"
#include "wire/multibase.h"

#include <stdio.h>

typedef enum kind { NOTHING, IP4, IP6, PORT, NAME, PATH, PEER, HASH } kind;

typedef struct part_info {
    uint32_t code;
    kind kind;
    const char *name;
} part_info;

static const part_info parts[] = {
    {KW_MA_IP4, IP4, "ip4"},
    {KW_MA_TCP, PORT, "tcp"},
    {KW_MA_IP6, IP6, "ip6"},
    {KW_MA_IP6ZONE, NAME, "ip6zone"},
    {KW_MA_DNS, NAME, "dns"},
    {KW_MA_DNS4, NAME, "dns4"},
    {KW_MA_DNS6, NAME, "dns6"},
    {KW_MA_DNSADDR, NAME, "dnsaddr"},
    {KW_MA_UDP, PORT, "udp"},
    {KW_MA_WEBRTC_DIRECT, NOTHING, "webrtc-direct"},
    {KW_MA_WEBRTC, NOTHING, "webrtc"},
    {KW_MA_P2P_CIRCUIT, NOTHING, "p2p-circuit"},
    {KW_MA_P2P, PEER, "p2p"},
    {KW_MA_P2P, PEER, "ipfs"}, /* the old name, read only */
    {KW_MA_HTTPS, NOTHING, "https"},
    {KW_MA_TLS, NOTHING, "tls"},
    {KW_MA_SNI, NAME, "sni"},
    {KW_MA_NOISE, NOTHING, "noise"},
    {KW_MA_QUIC, NOTHING, "quic"},
    {KW_MA_QUIC_V1, NOTHING, "quic-v1"},
    {KW_MA_WEBTRANSPORT, NOTHING, "webtransport"},
    {KW_MA_CERTHASH, HASH, "certhash"},
    {KW_MA_WS, NOTHING, "ws"},
    {KW_MA_WSS, NOTHING, "wss"},
    {KW_MA_HTTP, NOTHING, "http"},
    {KW_MA_HTTP_PATH, PATH, "http-path"},
};

static const part_info *info_of(uint64_t code)
{
    for (size_t i = 0; i < KW_COUNT(parts); i++)
        if (parts[i].code == code)
            return &parts[i];
    return NULL;
}

/* The length of the value, or -1 where the value says it. */
static int fixed_len(kind k)
{
    switch (k) {
    case NOTHING:
        return 0;
    case IP4:
        return 4;
    case IP6:
        return 16;
    case PORT:
        return 2;
    default:
        return -1;
    }
}

/* ---- values ---- */

/* Visible ASCII without a slash: what names of hosts and interfaces are made of. */
static bool is_name(kw_bytes value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] <= ' ' || value.data[i] > '~' || value.data[i] == '/')
            return false;
    return value.len > 0;
}

static bool is_multihash(kw_bytes value)
{
    uint64_t code, len;
    size_t used, more;
    if (kw_uvarint_get(value, 9, true, &code, &used) != KW_UVARINT_OK)
        return false;
    const kw_bytes rest = {value.data + used, value.len - used};
    return kw_uvarint_get(rest, 9, true, &len, &more) == KW_UVARINT_OK && len > 0 &&
           len == rest.len - more;
}

static bool value_fits(kind k, kw_bytes value)
{
    kw_peer_id peer;
    switch (k) {
    case NAME:
        return is_name(value);
    case PATH:
        return value.len > 0;
    case PEER:
        return kw_peer_id_get(value, &peer, NULL) == KW_OK;
    case HASH:
        return is_multihash(value);
    default:
        return (int)value.len == fixed_len(k);
    }
}

/* The part at the front of `in`; false when there is none that is whole, known and in order. */
static bool read_part(kw_bytes in, kw_multiaddr_part *out, size_t *used)
{
    uint64_t code, len;
    size_t n, more;
    if (kw_uvarint_get(in, 9, true, &code, &n) != KW_UVARINT_OK)
        return false;
    const part_info *const info = info_of(code);
    if (!info)
        return false;
    len = (uint64_t)fixed_len(info->kind);
    if (fixed_len(info->kind) < 0) {
        const kw_bytes rest = {in.data + n, in.len - n};
        if (kw_uvarint_get(rest, 9, true, &len, &more) != KW_UVARINT_OK)
            return false;
        n += more;
    }
    if (len > in.len - n)
        return false;
    *out = (kw_multiaddr_part){info->code, {in.data + n, (size_t)len}};
    *used = n + (size_t)len;
    return value_fits(info->kind, out->value);
}

/* ---- to text ---- */

static bool is_plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* A value of at most KW_MULTIADDR_MAX bytes; a path with % grows three times. */
#define VALUE_TEXT_MAX (3 * KW_MULTIADDR_MAX + 1)

static void value_text(kind k, kw_bytes value, char out[VALUE_TEXT_MAX])
{
    size_t n = 0;
    switch (k) {
    case IP4:
        kw_ip4_text(value.data, out);
        return;
    case IP6:
        kw_ip6_text(value.data, out);
        return;
    case PORT:
        (void)snprintf(out, VALUE_TEXT_MAX, "%u", (unsigned)value.data[0] << 8 | value.data[1]);
        return;
    case PEER:
        (void)kw_base_text(KW_BASE58, value, out);
        return;
    case HASH:
        out[0] = 'u';
        (void)kw_base_text(KW_BASE64_URL, value, out + 1);
        return;
    case PATH:
        for (size_t i = 0; i < value.len; i++)
            n += (size_t)snprintf(out + n, VALUE_TEXT_MAX - n,
                                  is_plain(value.data[i]) ? "%c" : "%%%02X", value.data[i]);
        return;
    default:
        if (value.len > 0)
            memcpy(out, value.data, value.len);
        out[value.len] = '\0';
        return;
    }
}

/* Writes the text; false when it does not fit. */
static bool write_text(const kw_multiaddr *addr, char out[KW_MULTIADDR_TEXT_MAX])
{
    char value[VALUE_TEXT_MAX];
    kw_multiaddr_part part;
    size_t at = 0, n = 0;
    out[0] = '\0';
    while (kw_multiaddr_next(addr, &at, &part)) {
        const part_info *const info = info_of(part.code);
        value_text(info->kind, part.value, value);
        const int more = snprintf(out + n, KW_MULTIADDR_TEXT_MAX - n, "/%s%s%s", info->name,
                                  info->kind == NOTHING ? "" : "/", value);
        if (more < 0 || (size_t)more >= KW_MULTIADDR_TEXT_MAX - n)
            return false;
        n += (size_t)more;
    }
    return true;
}

void kw_multiaddr_text(const kw_multiaddr *addr, char out[KW_MULTIADDR_TEXT_MAX])
{
    const bool fits = write_text(addr, out);
    kw_assert(fits); /* checked when it was made */
    (void)fits;
}

/* ---- from text ---- */

static bool parse_port(kw_str text, uint8_t out[2])
{
    unsigned value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || i == 5)
            return false;
        value = value * 10 + (unsigned)(text.data[i] - '0');
    }
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
    return text.len > 0 && value <= 65535 && (text.data[0] != '0' || text.len == 1);
}

static bool parse_path(kw_str text, uint8_t *out, size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (*len == KW_MULTIADDR_MAX)
            return false;
        if (text.data[i] != '%') {
            out[(*len)++] = (uint8_t)text.data[i];
            continue;
        }
        char digits[2];
        size_t n;
        for (size_t j = 0; j < 2; j++) {
            const char c = i + 1 + j < text.len ? text.data[i + 1 + j] : '\0';
            digits[j] = (char)(c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c);
        }
        if (!kw_base_bytes(KW_BASE16, (kw_str){digits, 2}, out + *len, 1, &n))
            return false;
        (*len)++;
        i += 2;
    }
    return true;
}

/* The value that a text stands for; out has KW_MULTIADDR_MAX bytes. */
static bool parse_value(kind k, kw_str text, uint8_t *out, size_t *len)
{
    kw_peer_id peer;
    kw_base base;
    switch (k) {
    case IP4:
        *len = 4;
        return kw_ip4_parse(text, out);
    case IP6:
        *len = 16;
        return kw_ip6_parse(text, out);
    case PORT:
        *len = 2;
        return parse_port(text, out);
    case PEER:
        if (kw_peer_id_parse(text, &peer, NULL) != KW_OK)
            return false;
        *len = peer.len;
        memcpy(out, peer.bytes, peer.len);
        return true;
    case HASH:
        return text.len > 1 && text.len < KW_MULTIADDR_TEXT_MAX &&
               kw_multibase_letter(text.data[0], &base) &&
               kw_base_bytes(base, (kw_str){text.data + 1, text.len - 1}, out, KW_MULTIADDR_MAX,
                             len);
    case PATH:
        return parse_path(text, out, len);
    default:
        *len = text.len;
        if (text.len == 0 || text.len > KW_MULTIADDR_MAX)
            return false;
        memcpy(out, text.data, text.len);
        return true;
    }
}

/* The text up to the next slash, which is taken too. */
static kw_str take_word(kw_str *left)
{
    const char *const slash = left->len > 0 ? memchr(left->data, '/', left->len) : NULL;
    const kw_str word = {left->data, slash ? (size_t)(slash - left->data) : left->len};
    const size_t n = word.len + (slash != NULL);
    left->data += n;
    left->len -= n;
    return word;
}

static const part_info *info_named(kw_str name)
{
    for (size_t i = 0; i < KW_COUNT(parts); i++)
        if (kw_str_is(name, parts[i].name))
            return &parts[i];
    return NULL;
}

kw_status kw_multiaddr_parse(kw_str text, kw_multiaddr *out, kw_error *err)
{
    kw_multiaddr addr = {0};
    kw_str left = text;
    uint8_t value[KW_MULTIADDR_MAX];
    if (text.len < 2 || text.data[0] != '/')
        return kw_fail(err, KW_E_FORMAT, "address \"%.*s\" does not begin with a slash and a name",
                       KW_FMT(text));
    left.data++;
    left.len--;
    while (left.len > 0) {
        const kw_str name = take_word(&left);
        const part_info *const info = info_named(name);
        if (!info)
            return kw_fail(err, KW_E_UNSUPPORTED, "address \"%.*s\": \"%.*s\" is unknown",
                           KW_FMT(text), KW_FMT(name));
        size_t len = 0;
        if (info->kind != NOTHING) {
            const kw_str word = take_word(&left);
            if (!parse_value(info->kind, word, value, &len))
                return kw_fail(err, KW_E_FORMAT, "address \"%.*s\": \"%.*s\" is no value for /%s",
                               KW_FMT(text), KW_FMT(word), info->name);
        }
        KW_TRY(kw_multiaddr_add(&addr, info->code, (kw_bytes){value, len}, err));
    }
    if (text.data[text.len - 1] == '/')
        return kw_fail(err, KW_E_FORMAT, "address \"%.*s\" ends in a slash", KW_FMT(text));
    *out = addr;
    return KW_OK;
}

/* ---- binary ---- */

kw_status kw_multiaddr_get(kw_bytes binary, kw_multiaddr *out, kw_error *err)
{
    char text[KW_MULTIADDR_TEXT_MAX];
    kw_multiaddr addr = {0};
    kw_multiaddr_part part;
    if (binary.len > KW_MULTIADDR_MAX)
        return kw_fail(err, KW_E_LIMIT, "address of %zu bytes; at most %d are read", binary.len,
                       KW_MULTIADDR_MAX);
    if (binary.len == 0)
        return kw_fail(err, KW_E_FORMAT, "address without a part");
    for (size_t at = 0, used; at < binary.len; at += used)
        if (!read_part((kw_bytes){binary.data + at, binary.len - at}, &part, &used))
            return kw_fail(err, KW_E_FORMAT,
                           "address of %zu bytes: its part at %zu is cut, unknown or of a wrong "
                           "value",
                           binary.len, at);
    addr.len = (uint8_t)binary.len;
    memcpy(addr.bytes, binary.data, binary.len);
    if (!write_text(&addr, text))
        return kw_fail(err, KW_E_LIMIT, "address of %zu bytes: its text has more than %d letters",
                       binary.len, KW_MULTIADDR_TEXT_MAX - 1);
    *out = addr;
    return KW_OK;
}

bool kw_multiaddr_equal(const kw_multiaddr *a, const kw_multiaddr *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

bool kw_multiaddr_next(const kw_multiaddr *addr, size_t *at, kw_multiaddr_part *out)
{
    size_t used;
    if (*at >= addr->len || !read_part((kw_bytes){addr->bytes + *at, addr->len - *at}, out, &used))
        return false;
    *at += used;
    return true;
}

bool kw_multiaddr_find(const kw_multiaddr *addr, uint32_t code, kw_multiaddr_part *out)
{
    size_t at = 0;
    while (kw_multiaddr_next(addr, &at, out))
        if (out->code == code)
            return true;
    return false;
}

kw_status kw_multiaddr_add(kw_multiaddr *addr, uint32_t code, kw_bytes value, kw_error *err)
{
    const part_info *const info = info_of(code);
    char text[KW_MULTIADDR_TEXT_MAX];
    uint8_t head[2 * KW_UVARINT_MAX];
    if (!info)
        return kw_fail(err, KW_E_UNSUPPORTED, "address: a part of code %u is unknown", code);
    if (!value_fits(info->kind, value))
        return kw_fail(err, KW_E_FORMAT, "address: %zu bytes are no value for /%s", value.len,
                       info->name);
    size_t n = kw_uvarint_put(head, code);
    if (fixed_len(info->kind) < 0)
        n += kw_uvarint_put(head + n, value.len);
    if (value.len > KW_MULTIADDR_MAX || addr->len + n + value.len > KW_MULTIADDR_MAX)
        return kw_fail(err, KW_E_LIMIT, "address: %zu bytes with /%s; at most %d are held",
                       addr->len + n + value.len, info->name, KW_MULTIADDR_MAX);
    kw_multiaddr longer = *addr;
    memcpy(longer.bytes + longer.len, head, n);
    if (value.len > 0)
        memcpy(longer.bytes + longer.len + n, value.data, value.len);
    longer.len = (uint8_t)(longer.len + n + value.len);
    if (!write_text(&longer, text))
        return kw_fail(err, KW_E_LIMIT, "address: its text has more than %d letters",
                       KW_MULTIADDR_TEXT_MAX - 1);
    *addr = longer;
    return KW_OK;
}

bool kw_multiaddr_split(const kw_multiaddr *addr, kw_multiaddr *without, kw_peer_id *peer)
{
    kw_multiaddr_part part = {0};
    size_t begin = 0, at = 0;
    while (at < addr->len) {
        begin = at;
        if (!kw_multiaddr_next(addr, &at, &part))
            return false;
    }
    if (part.code != KW_MA_P2P || kw_peer_id_get(part.value, peer, NULL) != KW_OK)
        return false;
    kw_multiaddr shorter = {.len = (uint8_t)begin};
    memcpy(shorter.bytes, addr->bytes, begin);
    *without = shorter;
    return true;
}

kw_multiaddr kw_multiaddr_of_ip(bool ip6, const uint8_t *address, uint16_t port, bool udp)
{
    const uint8_t be[2] = {(uint8_t)(port >> 8), (uint8_t)port};
    kw_multiaddr addr = {0};
    (void)kw_multiaddr_add(&addr, ip6 ? KW_MA_IP6 : KW_MA_IP4, (kw_bytes){address, ip6 ? 16 : 4},
                           NULL);
    (void)kw_multiaddr_add(&addr, udp ? KW_MA_UDP : KW_MA_TCP, (kw_bytes){be, 2}, NULL);
    return addr;
}
