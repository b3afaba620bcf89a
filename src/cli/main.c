/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* main.c - where the process starts; everything is in cli.c. */
#include "cli/builtin_model.h"
#include "cli/cli.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    const kw_builtin builtin = {kw_builtin_model, (size_t)kw_builtin_model_size};
    return kw_cli_main(argc, argv, getenv, builtin);
}
