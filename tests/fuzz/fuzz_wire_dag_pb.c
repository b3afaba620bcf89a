/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_wire_dag_pb.c - any bytes are a node that walks, whose file adds up, or are refused. */
#include "promise.h"
#include "wire/unixfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_dag_node dag;
    kw_dag_link link;
    kw_unixfs_node node;
    kw_unixfs_child child;
    kw_error err = {0};
    size_t n = 0;
    uint64_t sum = 0;
    kw_status status = kw_dag_read((kw_bytes){data, size}, &dag, &err);
    promise(status == KW_OK || (err.code == status && err.message[0]));
    if (status != KW_OK)
        return 0;
    for (kw_pb at = kw_dag_links(&dag); kw_dag_next(&at, &link); n++)
        promise(link.name.len <= size);
    promise(n == dag.n_links);
    status = kw_unixfs_read((kw_bytes){data, size}, &node, &err);
    if (status != KW_OK)
        return 0;
    n = 0;
    for (kw_unixfs_walk walk = kw_unixfs_children(&node); kw_unixfs_next(&walk, &child); n++)
        sum += child.size;
    promise(n == dag.n_links);
    promise(node.type != KW_UNIXFS_FILE || sum + node.data.len == node.file_size);
    return 0;
}
