/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_filters.h - the filters of sequences, for the table of all. */
#ifndef KW_TEXT_TEMPLATE_FILTERS_H
#define KW_TEXT_TEMPLATE_FILTERS_H

#include "text/template_value.h"

/* NULL when there is none of this name. */
const kw_tpl_function *kw_tpl_sequence_filter(kw_str name);

#endif
