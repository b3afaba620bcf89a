/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* commands.c - the table of commands. */
#include "cli/commands.h"

#include "base/check.h"

#include <string.h>

const kw_command *const kw_commands[] = {
    &kw_command_run,        &kw_command_inspect, &kw_command_tensors,    &kw_command_tokenize,
    &kw_command_detokenize, &kw_command_logits,  &kw_command_embed,      &kw_command_bench,
    &kw_command_quantize,   &kw_command_imatrix, &kw_command_perplexity, &kw_command_merge,
    &kw_command_convert,    &kw_command_doctor,  &kw_command_help,       &kw_command_completion,
    &kw_command_man,        &kw_command_version,
#ifdef KW_NETWORK
    &kw_command_list,       &kw_command_verify,  &kw_command_pull,       &kw_command_show,
    &kw_command_rm,         &kw_command_du,      &kw_command_prune,      &kw_command_sign,
    &kw_command_publish,    &kw_command_node,    &kw_command_export,     &kw_command_import,
#endif
};
const size_t kw_n_commands = KW_COUNT(kw_commands);

const kw_command *kw_command_find(const char *name)
{
    for (size_t i = 0; i < kw_n_commands; i++) {
        if (strcmp(kw_commands[i]->name, name) == 0)
            return kw_commands[i];
    }
    return NULL;
}

uint64_t kw_command_bit(const kw_command *command)
{
    for (size_t i = 0; i < kw_n_commands; i++) {
        if (kw_commands[i] == command)
            return UINT64_C(1) << i;
    }
    return 0;
}
