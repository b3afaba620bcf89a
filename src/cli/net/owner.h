/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* owner.h - this user's node: its key file, and the socket by which it is told what to do. */
#ifndef KW_CLI_NET_OWNER_H
#define KW_CLI_NET_OWNER_H

#include "base/buf.h"
#include "cli/net/home.h"
#include "crypto/dtls.h"
#include "net/identity.h"
#include "wire/multiaddr.h"

/* The key in DIR/identity.key; make: a new one is written there, for its owner's eyes only, when
 * there is none. */
kw_status kw_owner_identity(const char *dir, bool make, kw_identity *out, kw_error *err);

/* The certificate in DIR/webrtc.pem, likewise made and kept: its hash is part of the node's
 * address.
 */
kw_status kw_owner_certificate(const char *dir, kw_certificate **out, kw_error *err);

/* The key of a private network in DIR/swarm.key, a file that other programs of libp2p have too,
 * into key. *out is key, or NULL when there is no such file. */
kw_status kw_owner_network(const char *dir, uint8_t key[32], const uint8_t **out, kw_error *err);

/* An address from the command line: one that is none is KW_E_ARG, for no file is to blame. */
kw_status kw_cli_parse_addr(const char *text, kw_multiaddr *out, kw_error *err);

/* A connection to the node that runs with this home. KW_E_NOTFOUND: none does. */
kw_status kw_owner_connect(const char *dir, int *out, kw_error *err);
/* Writes a line of words, and adds the line of JSON that answers it to reply (without its end).
 * Waits at most timeout_ms. */
kw_status kw_owner_ask(int node, const char *words, int timeout_ms, kw_buf *reply, kw_error *err);
void kw_owner_disconnect(int node);
/* Waits, or less when a signal comes. */
void kw_owner_pause(int ms);
/* DIR/node.sock, malloc'ed; where no node answers, what a dead one left is removed. */
kw_status kw_owner_socket(const char *dir, char **out, kw_error *err);

#endif
