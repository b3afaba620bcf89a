/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_adapter.c - any bytes as a low-rank adapter for the built-in model; one that is taken is
 * added to the model's graph, which must then be whole. */
#include "model/adapter.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Opened once and kept. */
static const kw_net *model(void)
{
    static kw_net *net;
    kw_model_file *file = NULL;
    if (!net && (kw_model_file_open(KW_SOURCE_DIR "/models/builtin/stories.gguf", NULL, &file,
                                    NULL) != KW_OK ||
                 kw_net_open(file, &net, NULL) != KW_OK))
        abort();
    return net;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_model_file *file = NULL;
    kw_adapter_set *set = NULL;
    kw_graph *graph = NULL;
    if (kw_model_file_from_memory(data, size, "fuzz", &file, NULL) != KW_OK)
        return 0;
    if (kw_adapter_read(file, model(), &set, NULL) == KW_OK) {
        const kw_adapter_share share = {set, 0.5f};
        if (kw_net_build(model(), &(kw_net_options){.positions = 16, .cache = KW_F16}, &graph,
                         NULL) != KW_OK ||
            kw_adapters_apply(model(), &share, 1, &graph, NULL) != KW_OK)
            abort();
        kw_graph_free(graph);
    }
    kw_adapter_free(set);
    kw_model_file_close(file);
    return 0;
}
