/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* loop_uv.h - the libuv loop inside a kw_loop, for the transports; protocols do not see it. */
#ifndef KW_NET_LOOP_UV_H
#define KW_NET_LOOP_UV_H

#include "net/loop.h"

#include <uv.h>

uv_loop_t *kw_loop_uv(kw_loop *loop);
/* uv_try_write and uv_write of one buffer, from within the loop or not: nobody gets a SIGPIPE. */
int kw_loop_try_write(kw_loop *loop, uv_stream_t *stream, const uv_buf_t *buf);
int kw_loop_write(kw_loop *loop, uv_write_t *request, uv_stream_t *stream, const uv_buf_t *buf,
                  uv_write_cb done);
/* A place for what the WebRTC ports of a loop share. */
void **kw_loop_place(kw_loop *loop);
/* KW_E_IO, with libuv's words for the code. */
kw_status kw_uv_fail(kw_error *err, const char *what, int code);

#endif
