/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* error.c - filling the error record. A message is always terminated, whatever its arguments. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

const char *kw_status_name(kw_status status)
{
    switch (status) {
    case KW_OK:
        return "ok";
    case KW_E_ARG:
        return "bad argument";
    case KW_E_NOMEM:
        return "out of memory";
    case KW_E_IO:
        return "input/output";
    case KW_E_NOTFOUND:
        return "not found";
    case KW_E_FORMAT:
        return "format";
    case KW_E_UNSUPPORTED:
        return "unsupported";
    case KW_E_LIMIT:
        return "limit";
    case KW_E_CANCELLED:
        return "cancelled";
    case KW_E_INTERNAL:
        return "internal";
    }
    return "unknown";
}

kw_status kw_error_set(kw_error *err, const char *file, int line, kw_status status, const char *fmt,
                       ...)
{
    if (!err)
        return status;
    err->code = status;
    err->file = file;
    err->line = line;
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(err->message, sizeof(err->message), fmt, args) < 0)
        err->message[0] = '\0';
    va_end(args);
    return status;
}
