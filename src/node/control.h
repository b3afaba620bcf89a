/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* control.h - how the owner of a running node talks to it: a Unix socket that only the owner can
 * open.
 *
 * A client writes lines of words ("ping ADDR") and gets one line of JSON for each, in order. */
#ifndef KW_NODE_CONTROL_H
#define KW_NODE_CONTROL_H

#include "base/buf.h"
#include "net/loop.h"

typedef struct kw_control kw_control;
typedef struct kw_control_call kw_control_call;

#define KW_CONTROL_LINE_MAX 8192
#define KW_CONTROL_WORDS_MAX 40

/* words[0..n) are terminated and live until the call is answered. Each call is answered exactly
 * once, now or later. */
typedef void (*kw_control_fn)(void *user, kw_control_call *call, char *const *words, size_t n);

/* Nothing may lie at path. */
kw_status kw_control_open(kw_loop *loop, const char *path, kw_control_fn handle, void *user,
                          kw_control **out, kw_error *err);
/* Removes the socket; calls that are answered afterwards go nowhere. */
void kw_control_close(kw_control *control);
/* json: one line without its end. */
void kw_control_answer(kw_control_call *call, kw_str json);
/* {"error": text} */
void kw_control_refuse(kw_control_call *call, const char *text);

#endif
