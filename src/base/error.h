/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* error.h - filling kw_error, and the two macros that pass failures on. */
#ifndef KW_BASE_ERROR_H
#define KW_BASE_ERROR_H

#include <kwaai/error.h>

#if defined(__GNUC__)
#define KW_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define KW_PRINTF(fmt, first)
#endif

/* Fills err (when not NULL) and returns status, so that callers write `return kw_fail(...)`. */
kw_status kw_error_set(kw_error *err, const char *file, int line, kw_status status, const char *fmt,
                       ...) KW_PRINTF(5, 6);

/* The comma shows the compiler that a constant status is not KW_OK. status has no side effects. */
#define kw_fail(err, status, ...)                                                                  \
    ((void)kw_error_set((err), __FILE__, __LINE__, (status), __VA_ARGS__), (kw_status)(status))

/* Returns the status of a failing call from the enclosing function. */
#define KW_TRY(call)                                                                               \
    do {                                                                                           \
        const kw_status kw_try_status = (call);                                                    \
        if (kw_try_status != KW_OK)                                                                \
            return kw_try_status;                                                                  \
    } while (0)

/* Stores the status of a failing call in `status` and goes to `fail`. */
#define KW_GOTO(status, call)                                                                      \
    do {                                                                                           \
        (status) = (call);                                                                         \
        if ((status) != KW_OK)                                                                     \
            goto fail;                                                                             \
    } while (0)

#endif
