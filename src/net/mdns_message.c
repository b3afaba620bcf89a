/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* mdns_message.c - PTR _p2p._udp.local -> <label>._p2p._udp.local, whose TXT holds
 * "dnsaddr=<multiaddr with /p2p>", one string for each address.
 *
 * Only private addresses are told and believed: what is said to a local network is for it, and
 * nobody on it can send us elsewhere. Source: libp2p specification, discovery/mdns. */
#include "net/mdns_message.h"

#include "base/check.h"
#include "net/ip_scope.h"

#include <stdio.h>

#define TTL_S 120
#define PREFIX "dnsaddr="
#define TEXT_MAX 255

kw_status kw_mdns_put_query(kw_buf *out, kw_error *err)
{
    kw_dns_put_header(out, &(kw_dns_header){.n_questions = 1});
    KW_TRY(kw_dns_put_question(out, KW_MDNS_SERVICE, KW_DNS_PTR, err));
    return kw_buf_status(out, err);
}

/* "dnsaddr=..." of an address; false when it is not for a local network, or too long. */
static bool put_text(const kw_multiaddr *addr, const kw_peer_id *self, char out[TEXT_MAX + 1])
{
    kw_multiaddr without = *addr;
    kw_peer_id named;
    char text[KW_MULTIADDR_TEXT_MAX];
    (void)kw_multiaddr_split(addr, &without, &named);
    if (kw_ip_public(&without) ||
        kw_multiaddr_add(&without, KW_MA_P2P, (kw_bytes){self->bytes, self->len}, NULL) != KW_OK)
        return false;
    kw_multiaddr_text(&without, text);
    return snprintf(out, TEXT_MAX + 1, PREFIX "%s", text) <= TEXT_MAX;
}

kw_status kw_mdns_put_answer(kw_buf *out, const char *label, const kw_peer_id *self,
                             const kw_multiaddr *addrs, size_t n, kw_error *err)
{
    char texts[KW_MDNS_ADDRS][TEXT_MAX + 1], name[KW_DNS_NAME_MAX];
    kw_str views[KW_MDNS_ADDRS];
    size_t n_texts = 0, room = KW_MDNS_DATAGRAM - 200; /* header, names and lengths */
    for (size_t i = 0; i < n && n_texts < KW_MDNS_ADDRS; i++) {
        if (!put_text(&addrs[i], self, texts[n_texts]))
            continue;
        const size_t len = strlen(texts[n_texts]);
        if (len + 1 > room)
            break;
        room -= len + 1;
        views[n_texts] = (kw_str){texts[n_texts], len};
        n_texts++;
    }
    if (n_texts == 0)
        return kw_fail(err, KW_E_NOTFOUND, "mdns: no address is for a local network");
    (void)snprintf(name, sizeof name, "%.63s." KW_MDNS_SERVICE, label);
    kw_dns_put_header(out, &(kw_dns_header){.response = true, .n_answers = 1, .n_additional = 1});
    KW_TRY(kw_dns_put_ptr(out, KW_MDNS_SERVICE, TTL_S, name, err));
    KW_TRY(kw_dns_put_txt(out, name, TTL_S, views, n_texts, err));
    return kw_buf_status(out, err);
}

/* An address of the peer that the answer is about (the first one names it). */
static void take(kw_mdns_answer *answer, kw_str text)
{
    kw_multiaddr addr, without;
    kw_peer_id peer;
    if (answer->n_addrs == KW_MDNS_ADDRS || !kw_str_starts(text, KW_STR(PREFIX)))
        return;
    const kw_str rest = {text.data + sizeof PREFIX - 1, text.len - (sizeof PREFIX - 1)};
    if (kw_multiaddr_parse(rest, &addr, NULL) != KW_OK ||
        !kw_multiaddr_split(&addr, &without, &peer) || kw_ip_public(&without))
        return;
    if (answer->n_addrs == 0)
        answer->peer = peer;
    if (kw_peer_id_equal(&answer->peer, &peer))
        answer->addrs[answer->n_addrs++] = without;
}

kw_mdns_kind kw_mdns_read(kw_bytes datagram, kw_mdns_answer *answer)
{
    kw_dns_message message;
    kw_dns_record record;
    if (kw_dns_get(datagram, &message, NULL) != KW_OK)
        return KW_MDNS_NOTHING;
    if (!message.response) {
        while (kw_dns_question(&message, &record)) {
            if (kw_dns_name_is(&record.name, KW_MDNS_SERVICE) &&
                (record.type == KW_DNS_PTR || record.type == KW_DNS_ANY))
                return KW_MDNS_QUERY;
        }
        return KW_MDNS_NOTHING;
    }
    bool ours = false;
    answer->n_addrs = 0;
    answer->ttl_s = TTL_S;
    while (kw_dns_record_next(&message, &record)) {
        kw_str text;
        if (record.type == KW_DNS_PTR)
            ours = ours || kw_dns_name_is(&record.name, KW_MDNS_SERVICE);
        if (record.type != KW_DNS_TXT)
            continue;
        answer->ttl_s = KW_MIN(answer->ttl_s, record.ttl_s);
        for (size_t at = 0; kw_dns_text(&record, &at, &text);)
            take(answer, text);
    }
    return ours && answer->n_addrs > 0 ? KW_MDNS_ANSWER : KW_MDNS_NOTHING;
}
