/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* reputation_show.c - scores and bans as text, and the names that an owner types. */
#include "node/reputation_internal.h"

#include "base/check.h"
#include "wire/ip_text.h"

#include <math.h>
#include <string.h>

#define WORTH_SHOWING 0.5 /* points, where nobody is banned */

kw_status kw_reputation_parse(kw_str text, kw_peer_id *peer, kw_multiaddr *addr, kw_error *err)
{
    uint8_t ip[16];
    reputation_key key;
    *peer = (kw_peer_id){.len = 0};
    *addr = (kw_multiaddr){.len = 0};
    if (text.len > 0 && text.data[0] == '/') {
        KW_TRY(kw_multiaddr_parse(text, addr, err));
        return kw_reputation_key_of_addr(addr, &key) ? KW_OK
                                                     : kw_fail(err, KW_E_ARG,
                                                               "\"%.*s\" does not begin with an IP "
                                                               "address",
                                                               KW_FMT(text));
    }
    if (text.len > 3 && memcmp(text.data + text.len - 3, "/64", 3) == 0)
        text.len -= 3;
    if (kw_ip4_parse(text, ip))
        *addr = kw_multiaddr_of_ip(false, ip, 0, false);
    else if (kw_ip6_parse(text, ip))
        *addr = kw_multiaddr_of_ip(true, ip, 0, false);
    else if (kw_peer_id_parse(text, peer, NULL) != KW_OK)
        return kw_fail(err, KW_E_ARG, "\"%.*s\" is neither a peer id nor an IP address",
                       KW_FMT(text));
    return KW_OK;
}

static void name_entry(const reputation_entry *e, char out[KW_PEER_ID_TEXT_MAX])
{
    kw_peer_id peer = {.len = 0};
    uint8_t six[16] = {0};
    out[0] = 0;
    if (e->key.bytes[0] == 'p') {
        peer.len = (uint8_t)(e->key.len - 1);
        memcpy(peer.bytes, e->key.bytes + 1, peer.len);
        kw_peer_id_text(&peer, out);
    } else if (e->key.bytes[0] == '4') {
        kw_ip4_text(e->key.bytes + 1, out);
    } else {
        memcpy(six, e->key.bytes + 1, 8);
        kw_ip6_text(six, out);
        memcpy(out + strlen(out), "/64", 4);
    }
}

static kw_reputation_row row_of(const reputation_entry *e, int64_t now)
{
    kw_reputation_row row = {.is_peer = e->key.bytes[0] == 'p',
                             .score = kw_reputation_decay(e->score, e->at_ms, now),
                             .n_bans = e->n_bans,
                             .why = e->by_hand ? "by the owner"
                                    : e->why   ? kw_conduct_name((kw_conduct)(e->why - 1))
                                               : ""};
    if (e->until_ms == INT64_MAX)
        row.ban_s = KW_REPUTATION_FOREVER;
    else if (e->until_ms > now)
        row.ban_s = (e->until_ms - now + 999) / 1000;
    name_entry(e, row.who);
    return row;
}

void kw_reputation_each(kw_reputation *r, kw_reputation_fn fn, void *user)
{
    const int64_t now = kw_reputation_now(r);
    for (size_t kind = 0; kind < REPUTATION_KINDS; kind++)
        for (size_t i = 0; i < REPUTATION_BUCKETS; i++)
            for (const reputation_entry *e = r->tables[kind].buckets[i]; e; e = e->next) {
                const kw_reputation_row row = row_of(e, now);
                if (!e->forgotten)
                    fn(user, &row);
            }
}

static void add_row(void *user, const kw_reputation_row *row)
{
    kw_buf *const out = user;
    if (row->ban_s == 0 && fabs(row->score) < WORTH_SHOWING)
        return;
    kw_buf_printf(out, out->data[out->len - 1] == '[' ? "{" : ", {");
    kw_buf_printf(out, "\"%s\": \"%s\", \"score\": %.1f, \"banned\": %s",
                  row->is_peer ? "peer" : "addr", row->who, row->score,
                  row->ban_s ? "true" : "false");
    if (row->ban_s && row->ban_s != KW_REPUTATION_FOREVER)
        kw_buf_printf(out, ", \"seconds\": %lld", (long long)row->ban_s);
    kw_buf_printf(out, ", \"bans\": %u, \"why\": \"%s\"}", row->n_bans, row->why);
}

void kw_reputation_json(kw_reputation *r, kw_buf *out)
{
    kw_buf_printf(out, "[");
    if (!out->failed)
        kw_reputation_each(r, add_row, out);
    kw_buf_printf(out, "]");
}
