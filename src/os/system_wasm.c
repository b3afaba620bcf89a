/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* system_wasm.c - the machine as WebAssembly shows it: a linear memory that grows, and a clock that
 * the host provides. Which instructions exist was decided when the module was compiled: an engine
 * refuses a module that it cannot run whole. */
#include "os/system.h"

#include <stdlib.h>
#include <string.h>

#define WASM_PAGE 65536u /* of the linear memory */
#define ALIGN 4096u

/* Host function: monotonic milliseconds with a fraction, as performance.now() answers. */
__attribute__((import_module("kwaai"), import_name("clock_ms"))) double kw_host_clock_ms(void);

uint64_t kw_clock_ns(void)
{
    return (uint64_t)(kw_host_clock_ms() * 1e6);
}

void kw_system_query(kw_system *out)
{
    memset(out, 0, sizeof(*out));
#if defined(__wasm_simd128__)
    out->features = KW_CPU_WASM_SIMD;
#endif
    out->n_cpus = 1;
    out->n_cores = 1;
    out->n_fast = 1;
    out->memory_bytes = UINT64_C(1) << 32;
    out->available_bytes = out->memory_bytes - kw_peak_rss_bytes();
}

/* The linear memory never shrinks. */
uint64_t kw_peak_rss_bytes(void)
{
    return (uint64_t)__builtin_wasm_memory_size(0) * WASM_PAGE;
}

void *kw_pages_alloc(size_t bytes)
{
    if (bytes == 0 || bytes > SIZE_MAX - ALIGN)
        return NULL;
    const size_t rounded = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    void *pages = aligned_alloc(ALIGN, rounded);
    if (pages)
        memset(pages, 0, rounded);
    return pages;
}

void kw_pages_free(void *pages, size_t bytes)
{
    (void)bytes;
    free(pages);
}
