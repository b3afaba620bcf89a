/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* interrupt.h - Ctrl-C and a closed pipe. */
#ifndef KW_CLI_INTERRUPT_H
#define KW_CLI_INTERRUPT_H

#include <kwaai/kwaai.h>

#include <stdbool.h>

/* A pipe whose reader left, and a file that would pass the limit on its size, become failing writes
 * instead of signals. */
void kw_interrupt_ignore_pipe(void);
/* From now on the first SIGINT cancels the target and is remembered; a second one before
 * kw_interrupt_clear ends the process with 130. A SIGINT that the parent ignores stays ignored. */
void kw_interrupt_watch(void);
/* The same, and SIGTERM likewise: for what runs until it is told to end. */
void kw_interrupt_watch_service(void);
/* The session that SIGINT cancels; NULL: none. */
void kw_interrupt_target(kw_session *session);
bool kw_interrupt_seen(void);
void kw_interrupt_clear(void);

#endif
