/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* adapter.c - kw_adapter: a file of low-rank pairs beside a model; sessions choose their shares. */
#include "engine/engine.h"

#include "base/check.h"

#include <math.h>
#include <stdlib.h>

static kw_status open_adapter(kw_adapter *adapter, const char *path, kw_error *err)
{
    KW_TRY(kw_model_file_open(path, NULL, &adapter->file, err));
    KW_TRY(kw_engine_reserve(adapter->model->engine, adapter->file->total_bytes, path, err));
    adapter->reserved_bytes = adapter->file->total_bytes;
    return kw_adapter_read(adapter->file, adapter->model->net, &adapter->set, err);
}

kw_status kw_adapter_load(kw_model *model, const char *path, kw_adapter **out, kw_error *err)
{
    kw_adapter *const adapter = calloc(1, sizeof *adapter);
    if (!adapter)
        return kw_fail(err, KW_E_NOMEM, "adapter: no memory for an adapter");
    adapter->model = model;
    const kw_status status = open_adapter(adapter, path, err);
    if (status != KW_OK) {
        kw_adapter_close(adapter);
        return status;
    }
    *out = adapter;
    return KW_OK;
}

void kw_adapter_close(kw_adapter *adapter)
{
    if (!adapter)
        return;
    kw_engine_release(adapter->model->engine, adapter->reserved_bytes);
    kw_adapter_free(adapter->set);
    kw_model_file_close(adapter->file);
    free(adapter);
}

kw_status kw_session_adapt(const kw_model *model, const kw_adapter_use *uses, size_t n_uses,
                           kw_graph **graph, kw_error *err)
{
    if (n_uses == 0)
        return KW_OK;
    kw_adapter_share *const shares = calloc(n_uses, sizeof *shares);
    if (!shares)
        return kw_fail(err, KW_E_NOMEM, "session: no memory for %zu adapters", n_uses);
    kw_status status = KW_OK;
    for (size_t i = 0; i < n_uses && status == KW_OK; i++) {
        if (uses[i].adapter->model != model)
            status = kw_fail(err, KW_E_ARG, "session: adapter %zu was loaded for another model", i);
        else if (!isfinite(uses[i].scale))
            status = kw_fail(err, KW_E_ARG, "session: adapter %zu has no finite scale", i);
        else
            shares[i] = (kw_adapter_share){uses[i].adapter->set, uses[i].scale};
    }
    if (status == KW_OK)
        status = kw_adapters_apply(model->net, shares, n_uses, graph, err);
    free(shares);
    return status;
}
