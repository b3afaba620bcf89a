/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* loop.h - the event loop (libuv) as the protocols see it: time, timers, and work from other
 * threads.
 *
 * One thread runs a loop, and everything of net/ and node/ that hangs on it is called on that
 * thread alone; kw_loop_post is the one call for others. */
#ifndef KW_NET_LOOP_H
#define KW_NET_LOOP_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct kw_loop kw_loop;
typedef struct kw_timer kw_timer;

kw_status kw_loop_open(kw_loop **out, kw_error *err);
/* Runs until kw_loop_stop. */
void kw_loop_run(kw_loop *loop);
/* Runs what is ready, waiting at most this long for something. */
void kw_loop_step(kw_loop *loop, uint64_t wait_ms);
void kw_loop_stop(kw_loop *loop);
/* Every host, timer and handle of the loop has been closed before. */
void kw_loop_close(kw_loop *loop);
/* Calls work(user) on the loop's thread soon; from any thread. */
kw_status kw_loop_post(kw_loop *loop, void (*work)(void *user), void *user, kw_error *err);
/* Milliseconds of a monotonic clock, as of this turn of the loop. */
uint64_t kw_loop_now(const kw_loop *loop);

kw_status kw_timer_open(kw_loop *loop, void (*fire)(void *user), void *user, kw_timer **out,
                        kw_error *err);
/* Fires once after this long; and again each repeat_ms when that is not 0. Setting it again
 * replaces it. */
void kw_timer_set(kw_timer *timer, uint64_t after_ms, uint64_t repeat_ms);
void kw_timer_clear(kw_timer *timer);
void kw_timer_close(kw_timer *timer); /* may be called from within fire */

#endif
