/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* webrtc.h - the host's UDP ports that take WebRTC-direct, which browsers speak without a
 * certificate of an authority. */
#ifndef KW_NET_WEBRTC_H
#define KW_NET_WEBRTC_H

#include "net/host_internal.h"

/* /ip{4,6}/A/udp/P/webrtc-direct, perhaps with a certhash (which is not looked at) behind it. */
bool kw_webrtc_is(const kw_multiaddr *addr);
kw_status kw_webrtc_listen(kw_host *host, const kw_multiaddr *addr, kw_error *err);
/* Whether an address is one that can be dialed: with one certhash of SHA-256, and no name. */
bool kw_webrtc_dialable(const kw_multiaddr *addr);
/* Begins an outbound link to where addr says. */
kw_status kw_webrtc_dial(kw_host *host, const kw_multiaddr *addr, kw_link **out, kw_error *err);
/* After the links were closed, which say goodbye through them. */
void kw_webrtc_close_all(kw_host *host);
/* The next port (NULL: the first one), or NULL. */
const kw_webrtc *kw_webrtc_next(const kw_host *host, const kw_webrtc *after);
const kw_multiaddr *kw_webrtc_bound(const kw_webrtc *port); /* /ip/udp, as the socket is bound */
/* Appends /webrtc-direct/certhash/H. */
kw_status kw_webrtc_complete(const kw_webrtc *port, kw_multiaddr *addr, kw_error *err);

#endif
