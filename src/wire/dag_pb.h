/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dag_pb.h - nodes of codec dag-pb: links to other blocks, and bytes.
 *
 * A node is a view into its block, checked whole when it is read: whoever holds one may walk its
 * links without failing. Source: ipld.io, "DAG-PB specification". */
#ifndef KW_WIRE_DAG_PB_H
#define KW_WIRE_DAG_PB_H

#include "base/protobuf.h"
#include "wire/cid.h"

#define KW_DAG_LINKS_MAX 16384

typedef struct kw_dag_link {
    kw_cid cid;
    kw_str name;    /* a view; may be empty */
    uint64_t total; /* bytes of all blocks below, as the writer says */
} kw_dag_link;

typedef struct kw_dag_node {
    kw_bytes links; /* the part of the block before its data */
    kw_bytes data;
    bool has_data;
    size_t n_links;
} kw_dag_node;

kw_status kw_dag_read(kw_bytes block, kw_dag_node *out, kw_error *err);
/* Walks the links: *at is a reader of node->links. */
kw_pb kw_dag_links(const kw_dag_node *node);
bool kw_dag_next(kw_pb *at, kw_dag_link *out);

/* Writes a node: its links first, its data last, as the canonical form wants. */
void kw_dag_put_link(kw_buf *out, const kw_cid *cid, kw_str name, uint64_t total);
void kw_dag_put_data(kw_buf *out, kw_bytes data);

#endif
