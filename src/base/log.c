/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* log.c - formats a message and hands it over. Messages longer than the buffer are cut. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void kw_log_print(const kw_log *log, kw_log_level level, const char *fmt, ...)
{
    if (!log || !log->write || level > log->level)
        return;
    char message[1024];
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    if (n >= 0)
        log->write(log->user, (int)level, message);
}
