/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* engine.c - the machine: a device, a log, one memory budget that refuses before it allocates. */
#include "engine/engine.h"

#include "base/check.h"
#include "os/system.h"

#include <stdlib.h>
#include <string.h>

const char *kw_version(void)
{
    return KW_VERSION;
}

void kw_engine_config_init(kw_engine_config *config, kw_preset preset)
{
    kw_system system = {0};
    *config = (kw_engine_config){.struct_size = sizeof *config};
    if (preset == KW_PRESET_MOBILE || preset == KW_PRESET_SERVER)
        kw_system_query(&system);
    if (preset == KW_PRESET_BROWSER)
        config->memory_bytes = (uint64_t)1 << 30;
    if (preset == KW_PRESET_MOBILE)
        config->memory_bytes = system.available_bytes / 4;
    if (preset == KW_PRESET_SERVER)
        config->memory_bytes = system.memory_bytes / 2;
}

kw_status kw_engine_open(const kw_engine_config *config, kw_engine **out, kw_error *err)
{
    kw_engine_config defaults;
    kw_engine_config_init(&defaults, KW_PRESET_DEFAULT);
    if (!config)
        config = &defaults;
    if (config->struct_size != sizeof *config)
        return kw_fail(err, KW_E_ARG, "engine: config of %zu bytes, this library has %zu",
                       config->struct_size, sizeof *config);
    if (config->n_threads < 0)
        return kw_fail(err, KW_E_ARG, "engine: %d threads", config->n_threads);
    kw_engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return kw_fail(err, KW_E_NOMEM, "engine: no memory for an engine");
    engine->backend = kw_backends[0];
    engine->budget_bytes = config->memory_bytes;
    engine->log = (kw_log){config->log, config->log_user, (kw_log_level)config->log_level};
    const kw_device_config device = {config->n_threads, config->isa, config->fast};
    const kw_status status = engine->backend->open(&device, &engine->device, err);
    if (status != KW_OK) {
        free(engine);
        return status;
    }
    int n_workers;
    const char *isa = engine->backend->describe(engine->device, &n_workers);
    kw_log_print(&engine->log, KW_LOG_DEBUG, "engine: %s, %s, %d threads", engine->backend->name,
                 isa, n_workers);
    *out = engine;
    return KW_OK;
}

void kw_engine_close(kw_engine *engine)
{
    if (!engine)
        return;
    engine->backend->close(engine->device);
    free(engine);
}

void kw_engine_get_info(const kw_engine *engine, kw_engine_info *out)
{
    kw_engine_info info = {.struct_size = out->struct_size};
    info.isa = engine->backend->describe(engine->device, &info.n_threads);
    info.memory_bytes = engine->budget_bytes;
    info.memory_used_bytes = atomic_load(&engine->used_bytes);
    memcpy(out, &info, KW_MIN(out->struct_size, sizeof info));
}

kw_status kw_engine_reserve(kw_engine *engine, uint64_t bytes, const char *what, kw_error *err)
{
    uint64_t used = atomic_load(&engine->used_bytes);
    do {
        const uint64_t budget = engine->budget_bytes ? engine->budget_bytes : UINT64_MAX;
        if (bytes > budget || used > budget - bytes)
            return kw_fail(err, KW_E_LIMIT,
                           "memory: %s needs %llu MiB, %llu of the budget's %llu MiB are in use",
                           what, (unsigned long long)(bytes >> 20),
                           (unsigned long long)(used >> 20),
                           (unsigned long long)(engine->budget_bytes >> 20));
    } while (!atomic_compare_exchange_weak(&engine->used_bytes, &used, used + bytes));
    return KW_OK;
}

void kw_engine_release(kw_engine *engine, uint64_t bytes)
{
    atomic_fetch_sub(&engine->used_bytes, bytes);
}

void kw_free(void *pointer)
{
    free(pointer);
}
