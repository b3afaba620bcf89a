/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gateway_request.h - what a request to a trustless gateway asks for.
 * Source: specs.ipfs.tech, "Trustless Gateway Specification". */
#ifndef KW_NODE_GATEWAY_REQUEST_H
#define KW_NODE_GATEWAY_REQUEST_H

#include "base/str.h"
#include "wire/car_walk.h"

#define KW_GATEWAY_NAME_MAX 255

/* As HTTP has it: percent-encoded, empty where it is not given. */
typedef struct kw_gateway_fields {
    kw_str path, format, accept, dag_scope, entity_bytes;
} kw_gateway_fields;

typedef struct kw_gateway_request {
    bool car;         /* else one raw block */
    kw_str names;     /* below the root, without the first slash; encoded; a view */
    kw_car_part part; /* path[0] is the root */
} kw_gateway_request;

/* 200, or the status that refuses it and why (static). */
unsigned kw_gateway_request_get(const kw_gateway_fields *fields, kw_gateway_request *out,
                                const char **why);
/* Follows the names from directory to directory, filling part.path: 200, 404 when a block or name
 * is not here, 400 for a name that is none. */
unsigned kw_gateway_request_follow(kw_gateway_request *request, const kw_block_store *store,
                                   const char **why);

#endif
