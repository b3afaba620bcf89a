/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* alloc_fail.c - the wrapped allocators (see alloc_fail.h). Global state on purpose: the linker
 * gives the wrappers no other place, and this is linked into tests only. */
#include "alloc_fail.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
int __real_posix_memalign(void **block, size_t align, size_t size);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
char *__real_strdup(const char *text);
char *__real_realpath(const char *restrict path, char *restrict out);
void __real_free(void *block);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
int __wrap_posix_memalign(void **block, size_t align, size_t size);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
char *__wrap_strdup(const char *text);
char *__wrap_realpath(const char *restrict path, char *restrict out);
void __wrap_free(void *block);

static atomic_long count, live, first = LONG_MAX, last = 0;
static atomic_bool hit;

void kw_alloc_fail_at(long n)
{
    count = 0;
    hit = false;
    first = n;
    last = n;
}

void kw_alloc_fail_from(long n)
{
    kw_alloc_fail_at(n);
    last = LONG_MAX;
}

void kw_alloc_start(void)
{
    kw_alloc_fail_at(LONG_MAX);
}

long kw_alloc_count(void)
{
    return count;
}

bool kw_alloc_hit(void)
{
    return hit;
}

bool kw_alloc_stop(void)
{
    first = LONG_MAX;
    last = 0;
    return hit;
}

long kw_alloc_live(void)
{
    return live;
}

/* Counts one allocation; true when it is to fail. */
static bool refused(void)
{
    const long n = ++count;
    if (n < first || n > last)
        return false;
    hit = true;
    errno = ENOMEM;
    return true;
}

static void *counted(void *block)
{
    live += block != NULL;
    return block;
}

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refused() ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *block, size_t size)
{
    if (refused())
        return NULL;
    void *grown = __real_realloc(block, size);
    if (!block)
        counted(grown);
    return grown;
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    return refused() ? NULL : counted(__real_aligned_alloc(align, size));
}

int __wrap_posix_memalign(void **block, size_t align, size_t size)
{
    if (refused())
        return ENOMEM;
    const int status = __real_posix_memalign(block, align, size);
    if (status == 0)
        counted(*block);
    return status;
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    return refused() ? MAP_FAILED : __real_mmap(at, size, protection, flags, fd, offset);
}

char *__wrap_strdup(const char *text)
{
    return refused() ? NULL : counted(__real_strdup(text));
}

/* Its result is a block only when it gets no room for it. */
char *__wrap_realpath(const char *restrict path, char *restrict out)
{
    if (out)
        return __real_realpath(path, out);
    return refused() ? NULL : counted(__real_realpath(path, NULL));
}

void __wrap_free(void *block)
{
    live -= block != NULL;
    __real_free(block);
}
