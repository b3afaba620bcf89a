/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* template.h - chat templates: the part of Jinja that models' templates are written in.
 *
 * A template is parsed once and rendered over variables that come as JSON. It reaches nothing else:
 * no files, no other templates, no attributes of the implementation. What it does is Jinja2's
 * immutable sandbox with the settings of the transformers package (trim_blocks, lstrip_blocks,
 * loop controls), byte for byte; what is not supported is refused by its name. Steps, memory, depth
 * and output are limited, and an error names the line.
 * Source: the Jinja 3.1 template designer documentation, https://jinja.palletsprojects.com. */
#ifndef KW_TEXT_TEMPLATE_H
#define KW_TEXT_TEMPLATE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#include <stdint.h>

/* Longest template. */
#define KW_TEMPLATE_MAX_BYTES ((size_t)1 << 19)

typedef struct kw_template kw_template;

typedef struct kw_template_limits {
    uint64_t steps;      /* nodes evaluated, and every 16 bytes of text made */
    size_t memory_bytes; /* of one rendering */
    size_t output_bytes;
    int depth; /* of expressions, statements and macros within each other */
} kw_template_limits;

/* 20 million steps, 256 MiB, 64 MiB, 240 levels. */
kw_template_limits kw_template_default_limits(void);

/* Copies what it needs; subject names the template in errors. */
kw_status kw_template_parse(kw_str source, const char *subject, kw_template **out, kw_error *err);
void kw_template_free(kw_template *t);

/* Appends the text to out. variables: a JSON object whose members the template sees by name. now:
 * seconds since 1970 of the local clock, for strftime_now. limits: NULL for the defaults. */
kw_status kw_template_render(const kw_template *t, kw_str variables, int64_t now,
                             const kw_template_limits *limits, kw_buf *out, kw_error *err);

#endif
