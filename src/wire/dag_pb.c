/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* dag_pb.c - PBNode {2 links*, 1 data}: links come first. PBLink {1 hash, 2 name, 3 total}. */
#include "wire/dag_pb.h"

enum { NODE_DATA = 1, NODE_LINKS = 2 };
enum { LINK_HASH = 1, LINK_NAME = 2, LINK_TOTAL = 3 };

static kw_status read_link(kw_bytes bytes, kw_dag_link *out, kw_error *err)
{
    kw_pb message = kw_pb_read(bytes);
    kw_pb_field f;
    kw_bytes hash = {0}, name = {0};
    uint32_t last = 0;
    uint64_t total = 0;
    while (kw_pb_next(&message, &f)) {
        const bool ok = f.number > last && f.number <= LINK_TOTAL;
        last = f.number;
        if (!ok || !(f.number == LINK_TOTAL
                         ? kw_pb_u64(&message, &f, &total)
                         : kw_pb_bytes(&message, &f, f.number == LINK_HASH ? &hash : &name)))
            return kw_fail(err, KW_E_FORMAT, "dag-pb: a link with field %u out of its order",
                           f.number);
    }
    if (message.bad || hash.len == 0)
        return kw_fail(err, KW_E_FORMAT, "dag-pb: a link of %zu bytes without a hash", bytes.len);
    KW_TRY(kw_cid_get(hash, &out->cid, NULL, err));
    out->name = (kw_str){(const char *)name.data, name.len};
    out->total = total;
    return KW_OK;
}

kw_status kw_dag_read(kw_bytes block, kw_dag_node *out, kw_error *err)
{
    kw_dag_node node = {.links = block};
    kw_pb message = kw_pb_read(block);
    kw_pb_field f;
    while (kw_pb_next(&message, &f)) {
        kw_dag_link link;
        if (node.has_data || f.type != KW_PB_BYTES || f.number > NODE_LINKS)
            return kw_fail(err, KW_E_FORMAT, "dag-pb: field %u of %zu bytes is out of its order",
                           f.number, block.len);
        if (f.number == NODE_DATA) {
            node.has_data = true;
            node.data = f.bytes;
            continue;
        }
        if (node.n_links == KW_DAG_LINKS_MAX)
            return kw_fail(err, KW_E_LIMIT, "dag-pb: a node of more than %d links",
                           KW_DAG_LINKS_MAX);
        KW_TRY(read_link(f.bytes, &link, err));
        node.n_links++;
        node.links.len = (size_t)(message.left.data - block.data);
    }
    if (message.bad)
        return kw_fail(err, KW_E_FORMAT, "dag-pb: %zu bytes that are no protobuf", block.len);
    if (node.n_links == 0)
        node.links.len = 0;
    *out = node;
    return KW_OK;
}

kw_pb kw_dag_links(const kw_dag_node *node)
{
    return kw_pb_read(node->links);
}

bool kw_dag_next(kw_pb *at, kw_dag_link *out)
{
    kw_pb_field f;
    return kw_pb_next(at, &f) && read_link(f.bytes, out, NULL) == KW_OK;
}

void kw_dag_put_link(kw_buf *out, const kw_cid *cid, kw_str name, uint64_t total)
{
    uint8_t hash[KW_CID_MAX];
    const size_t begin = kw_pb_begin(out);
    kw_pb_put_bytes(out, LINK_HASH, (kw_bytes){hash, kw_cid_put(cid, hash)});
    kw_pb_put_text(out, LINK_NAME, name); /* written when it is empty too */
    kw_pb_put_u64(out, LINK_TOTAL, total);
    kw_pb_end(out, NODE_LINKS, begin);
}

void kw_dag_put_data(kw_buf *out, kw_bytes data)
{
    kw_pb_put_bytes(out, NODE_DATA, data);
}
