/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bench_busy.c - threads that do nothing useful, for as long as they are wanted. */
#include "cli/bench_busy.h"

#include "os/thread.h"

#include <stdbool.h>
#include <stdlib.h>

struct kw_busy {
    atomic_bool stop;
    int n;
    kw_thread *threads[];
};

static void spin(void *arg)
{
    const kw_busy *busy = arg;
    volatile unsigned x = 1;
    while (!atomic_load_explicit(&busy->stop, memory_order_relaxed))
        for (int i = 0; i < 1000; i++)
            x = x * 1664525u + 1013904223u;
}

void kw_busy_stop(kw_busy *busy)
{
    if (!busy)
        return;
    atomic_store(&busy->stop, true);
    for (int i = 0; i < busy->n; i++)
        kw_thread_join(busy->threads[i]);
    free(busy);
}

kw_status kw_busy_start(int n, kw_busy **out, kw_error *err)
{
    *out = NULL;
    if (n == 0)
        return KW_OK;
    kw_busy *busy = calloc(1, sizeof *busy + (size_t)n * sizeof busy->threads[0]);
    if (!busy)
        return kw_fail(err, KW_E_NOMEM, "no memory for %d busy loops", n);
    for (; busy->n < n; busy->n++) {
        const kw_status status = kw_thread_start(&busy->threads[busy->n], spin, busy, err);
        if (status != KW_OK) {
            kw_busy_stop(busy);
            return status;
        }
    }
    *out = busy;
    return KW_OK;
}
