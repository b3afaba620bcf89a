/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* isa_list.c - asks the engine, which is the only one that knows. */
#include "cli/isa_list.h"

#include <kwaai/kwaai.h>

size_t kw_isas_usable(const char *names[KW_MAX_ISAS])
{
    static const char *const known[] = {"scalar",     "avx2", "avxvnni", "avx512",
                                        "avx512bf16", "amx",  "neon",    "i8mm"};
    size_t n = 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        kw_engine_config config;
        kw_engine *engine;
        kw_engine_config_init(&config, KW_PRESET_DEFAULT);
        config.n_threads = 1;
        config.isa = known[i];
        if (kw_engine_open(&config, &engine, NULL) != KW_OK)
            continue;
        names[n++] = known[i];
        kw_engine_close(engine);
    }
    return n;
}
