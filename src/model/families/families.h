/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* families.h - every family's row; families.c lists them. */
#ifndef KW_MODEL_FAMILIES_FAMILIES_H
#define KW_MODEL_FAMILIES_FAMILIES_H

#include "model/family.h"

extern const kw_family kw_family_llama;
extern const kw_family kw_family_bert;
extern const kw_family kw_family_roberta;
extern const kw_family kw_family_t5;
extern const kw_family kw_family_falcon;
extern const kw_family kw_family_gemma;
extern const kw_family kw_family_gemma2;
extern const kw_family kw_family_gemma3;
extern const kw_family kw_family_gpt2;
extern const kw_family kw_family_phi3;
extern const kw_family kw_family_qwen2;
extern const kw_family kw_family_qwen3;
extern const kw_family kw_family_qwen3_moe;

#endif
