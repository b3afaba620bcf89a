/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arrival.h - a file that is used while it is being fetched: who fetches it says what has come. */
#ifndef KWAAI_ARRIVAL_H
#define KWAAI_ARRIVAL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum kw_arrival {
    KW_ARRIVED,
    KW_ARRIVES_LATER,
    KW_ARRIVES_NEVER /* the fetch has failed, or nobody wants to wait any longer */
} kw_arrival;

/* Whether bytes [offset, offset + len) of the file have come. May wait for them, up to wait_ms, and
 * then see to it that they come before others. What has arrived once stays. Called from any thread,
 * several at once. */
typedef kw_arrival (*kw_arrival_fn)(void *user, uint64_t offset, uint64_t len, uint32_t wait_ms);

#ifdef __cplusplus
}
#endif
#endif
