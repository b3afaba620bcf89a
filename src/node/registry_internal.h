/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* registry_internal.h - what the files of the registry share. */
#ifndef KW_NODE_REGISTRY_INTERNAL_H
#define KW_NODE_REGISTRY_INTERNAL_H

#include "node/registry.h"

#include "net/frame.h"

/* A manifest that is offered; its body stays in the index. */
typedef struct registry_offer {
    kw_registry_entry entry;
    uint8_t publisher[KW_KEY_ID_LEN];
    bool is_signed;
} registry_offer;

typedef struct registry_answering registry_answering;

struct kw_registry {
    kw_registry_config config;
    kw_registry_ask *asks;
    kw_registry_search *searches;
    registry_answering *answering;
    size_t n_answering, answering_bytes;
    registry_offer *offers; /* in order of name */
    size_t n_offers, cap_offers;
    uint64_t loaded_ms, bucket_ms;
    int64_t bucket; /* questions that may be answered now */
    kw_registry_info info;
};

/* By the order of the index, which knows no case. */
int kw_registry_compare(const char *a, const char *b);

/* registry_server.c */
kw_status kw_registry_serve(kw_registry *registry, kw_error *err);
void kw_registry_unserve(kw_registry *registry);
/* Reads the index when what was read is old. */
void kw_registry_reload(kw_registry *registry);

#endif
