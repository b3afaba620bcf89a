/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* log.h - messages for a person, handed to the application; the library itself prints nothing. */
#ifndef KW_BASE_LOG_H
#define KW_BASE_LOG_H

#include "base/error.h"

typedef enum kw_log_level { KW_LOG_ERROR, KW_LOG_WARN, KW_LOG_INFO, KW_LOG_DEBUG } kw_log_level;

typedef struct kw_log {
    void (*write)(void *user, int level, const char *message); /* NULL: silent */
    void *user;
    kw_log_level level; /* messages above it are not formatted */
} kw_log;

/* log may be NULL. */
void kw_log_print(const kw_log *log, kw_log_level level, const char *fmt, ...) KW_PRINTF(3, 4);

#endif
