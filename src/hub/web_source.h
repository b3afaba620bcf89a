/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* web_source.h - a file at a URL, by ranges where the server has them. */
#ifndef KW_HUB_WEB_SOURCE_H
#define KW_HUB_WEB_SOURCE_H

#include "hub/web.h"

/* Opens wants that have a URL. web is borrowed; token: NULL, or sent to the origin of the URL
 * alone (borrowed). */
typedef struct kw_web_source {
    kw_web *web;
    const char *token;
} kw_web_source;

/* state is borrowed for the life of the source. */
kw_source kw_web_source_make(kw_web_source *state);

#endif
