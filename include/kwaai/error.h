/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* error.h - status codes and the error record that every fallible call fills.
 *
 * Every fallible function returns kw_status and takes a kw_error * last (NULL is allowed).
 * Outputs are written on success only. A message names the subject, the value and the limit. */
#ifndef KWAAI_ERROR_H
#define KWAAI_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(KW_BUILD_SHARED) && defined(__GNUC__)
#define KW_API __attribute__((visibility("default")))
#else
#define KW_API
#endif

typedef enum kw_status {
    KW_OK = 0,
    KW_E_ARG,         /* the caller passed something unusable */
    KW_E_NOMEM,       /* an allocation failed */
    KW_E_IO,          /* the operating system refused a file or device */
    KW_E_NOTFOUND,    /* no such file, tensor, key or name */
    KW_E_FORMAT,      /* bytes from outside break the rules of their format */
    KW_E_UNSUPPORTED, /* well formed, and not something this build can do */
    KW_E_LIMIT,       /* a stated limit (context, budget, size) would be passed */
    KW_E_CANCELLED,   /* the caller asked to stop */
    KW_E_INTERNAL     /* a promise inside the library was broken: please report */
} kw_status;

typedef struct kw_error {
    kw_status code;
    int line;          /* where in the library, for reports */
    const char *file;  /* static string */
    char message[240]; /* always terminated */
} kw_error;

/* Short name of a status ("format", "out of memory"), static string. */
KW_API const char *kw_status_name(kw_status status);

#ifdef __cplusplus
}
#endif
#endif
