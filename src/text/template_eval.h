/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template_eval.h - expressions, and the names they see. */
#ifndef KW_TEXT_TEMPLATE_EVAL_H
#define KW_TEXT_TEMPLATE_EVAL_H

#include "text/template_value.h"

/* The value of an expression. */
kw_status kw_tpl_eval(kw_tpl_state *s, const kw_tpl_node *node, kw_tval *out);
/* A chain of filters over a text instead of an expression. */
kw_status kw_tpl_eval_filters(kw_tpl_state *s, const kw_tpl_node *node, const kw_tval *text,
                              kw_tval *out);
/* The arguments of a call. */
kw_status kw_tpl_eval_args(kw_tpl_state *s, const kw_tpl_node *first, kw_tpl_args *out);
/* One level deeper, unless that is too deep; left by s->depth--. */
kw_status kw_tpl_enter(kw_tpl_state *s);

/* A new innermost scope. */
kw_status kw_tpl_push(kw_tpl_state *s, kw_tpl_scope *parent);
/* Names a value in the innermost scope. */
kw_status kw_tpl_set(kw_tpl_state *s, kw_str name, const kw_tval *value);

/* What a macro's or call block's body writes, as a string. */
kw_status kw_tpl_call_macro(kw_tpl_state *s, const kw_tpl_macro *macro, const kw_tpl_args *args,
                            kw_tval *out);
/* loop(values) of a recursive loop: what its body writes over those, as a string. */
kw_status kw_tpl_call_loop(kw_tpl_state *s, const kw_tpl_loop *loop, const kw_tpl_args *args,
                           kw_tval *out);

#endif
