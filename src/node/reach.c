/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* reach.c - how others reach a node: whether they can dial it, places at relays, and being a relay
 * for others. */
#include "node/node_internal.h"

#include "base/check.h"

static kw_reach reach_of(void *user)
{
    kw_autonat_info seen;
    kw_autonat_get_info(((const kw_node *)user)->autonat, &seen);
    return seen.reach;
}

kw_status kw_node_open_reach(kw_node *node, kw_error *err)
{
    const kw_node_config *const config = &node->config;
    KW_TRY(kw_relay_open(node->host, &node->relay, err));
    KW_TRY(kw_dcutr_open(node->host, &node->dcutr, err));
    const kw_autonat_config autonat = {.host = node->host};
    KW_TRY(kw_autonat_open(&autonat, &node->autonat, err));
    for (size_t i = 0; i < config->n_through; i++)
        KW_TRY(kw_relay_reserve(node->relay, &config->through[i], err));
    if (config->be_relay)
        return kw_hop_open(node->host, NULL, &node->hop, err);
    const kw_relay_finder_config finder = {.host = node->host,
                                           .relay = node->relay,
                                           .kad = node->kad,
                                           .reach = reach_of,
                                           .user = node};
    return kw_relay_finder_open(&finder, &node->finder, err);
}

void kw_node_close_reach(kw_node *node)
{
    if (node->finder)
        kw_relay_finder_close(node->finder);
    if (node->autonat)
        kw_autonat_close(node->autonat);
    if (node->dcutr)
        kw_dcutr_close(node->dcutr);
    if (node->relay)
        kw_relay_close(node->relay);
    if (node->hop)
        kw_hop_close(node->hop);
}

static void put_reservation(kw_buf *out, const kw_reservation *r)
{
    char id[KW_PEER_ID_TEXT_MAX];
    kw_peer_id_text(&r->relay, id);
    kw_buf_printf(out, "{\"relay\": \"%s\", \"held\": %s, \"%s\": %llu", id,
                  r->held ? "true" : "false", r->held ? "left_s" : "next_try_s",
                  (unsigned long long)(r->left_ms / 1000));
    if (r->held) {
        kw_buf_printf(out, ", \"limit_s\": %lu, \"limit_bytes\": %llu",
                      (unsigned long)r->duration_s, (unsigned long long)r->data_bytes);
    } else {
        kw_buf_printf(out, ", \"why\": ");
        kw_buf_json(out, kw_str_from(r->why));
    }
    kw_buf_printf(out, "}");
}

void kw_node_put_reach(const kw_node *node, kw_buf *out)
{
    kw_reservation places[KW_RELAYS_MAX];
    const size_t n = kw_relay_reservations(node->relay, places, KW_COUNT(places));
    static const char *const words[] = {"unknown", "public", "private"};
    kw_autonat_info seen;
    kw_autonat_get_info(node->autonat, &seen);
    kw_buf_printf(out, ", \"reach\": \"%s\", \"reached_by\": %zu, \"not_reached_by\": %zu",
                  words[seen.reach], seen.n_yes, seen.n_no);
    kw_buf_printf(out, ", \"reservations\": [");
    for (size_t i = 0; i < n && i < KW_COUNT(places); i++) {
        kw_buf_printf(out, i ? ", " : "");
        put_reservation(out, &places[i]);
    }
    kw_dcutr_info punched;
    kw_dcutr_get_info(node->dcutr, &punched);
    kw_buf_printf(out, "], \"punch_tried\": %llu, \"punch_direct\": %llu",
                  (unsigned long long)punched.n_tried, (unsigned long long)punched.n_direct);
    if (!node->hop)
        return;
    kw_hop_info info;
    kw_hop_get_info(node->hop, &info);
    kw_buf_printf(out,
                  ", \"relay_for\": %zu, \"relay_circuits\": %zu, \"relay_opened\": %llu, "
                  "\"relay_bytes\": %llu",
                  info.n_reservations, info.n_circuits, (unsigned long long)info.n_relayed,
                  (unsigned long long)info.bytes);
}
