/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* families.c - the table of model families: one row each. */
#include "model/families/families.h"

const kw_family *const kw_families[] = {&kw_family_llama, &kw_family_bert, NULL};
