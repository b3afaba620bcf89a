/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* families.c - the table of model families: one row each. */
#include "model/families/families.h"

const kw_family *const kw_families[] = {
    &kw_family_llama,     &kw_family_bert,
    &kw_family_roberta,   &kw_family_t5,
    &kw_family_falcon,    &kw_family_gemma,
    &kw_family_gemma2,    &kw_family_gemma3,
    &kw_family_gpt2,      &kw_family_phi3,
    &kw_family_qwen2,     &kw_family_qwen3,
    &kw_family_qwen3_moe, NULL,
};
