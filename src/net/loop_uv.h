/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* loop_uv.h - the libuv loop inside a kw_loop, for the transports; protocols do not see it. */
#ifndef KW_NET_LOOP_UV_H
#define KW_NET_LOOP_UV_H

#include "net/loop.h"

#include <uv.h>

uv_loop_t *kw_loop_uv(kw_loop *loop);
/* KW_E_IO, with libuv's words for the code. */
kw_status kw_uv_fail(kw_error *err, const char *what, int code);

#endif
