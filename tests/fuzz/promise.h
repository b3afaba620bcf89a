/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* promise.h - what a fuzzer asserts. */
#ifndef KW_TEST_FUZZ_PROMISE_H
#define KW_TEST_FUZZ_PROMISE_H

#include <stdbool.h>
#include <stdlib.h>

/* A broken promise ends the run, so that the fuzzer keeps the input. */
static inline void promise(bool kept)
{
    if (!kept)
        abort();
}

#endif
