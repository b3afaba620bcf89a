/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* decimal.h - decimal text to double, correctly rounded, whatever the locale. */
#ifndef KW_BASE_DECIMAL_H
#define KW_BASE_DECIMAL_H

#include "base/str.h"

#include <stdbool.h>

/* The nearest double (ties to even) of a whole text of the form [+-] digits [. digits] [e [+-]
 * digits], digits on at least one side of the point. False when the text has another form or its
 * value is too large for a double; one too small gives zero. */
bool kw_decimal_f64(kw_str text, double *out);

#endif
