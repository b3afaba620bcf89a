/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* steps.c - a tensor that is being written: as a line, as JSON, as progress. */
#include "cli/steps.h"

#include "base/check.h"

#include <string.h>

void kw_cli_print_step(kw_cli *cli, const kw_quantize_step *s)
{
    char shape[96], in[16], out[16];
    kw_out *const o = &cli->out;
    kw_out_foreign(o, s->name.data, s->name.len);
    kw_out_printf(o, "%*s %-18s %-6s", (int)KW_MAX(1, 32 - (int)KW_MIN(s->name.len, (size_t)32)),
                  "", kw_shape_print(s->shape, shape, sizeof shape), s->from);
    if (strcmp(s->from, s->to) != 0)
        kw_out_printf(o, " -> %-6s %s -> %s", s->to, kw_print_bytes(s->bytes_in, in),
                      kw_print_bytes(s->bytes_out, out));
    if (s->wanted)
        kw_out_printf(o, " (rows are no whole %s blocks)", s->wanted);
    kw_out_puts(o, "\n");
}

void kw_cli_json_step(kw_json_writer *w, const kw_quantize_step *s)
{
    kw_json_open(w, NULL, '{');
    kw_json_text(w, "name", s->name.data, s->name.len);
    kw_json_open(w, "shape", '[');
    for (int d = 0; d < s->shape.rank; d++)
        kw_json_int(w, NULL, s->shape.dim[d]);
    kw_json_close(w, ']');
    kw_json_puts(w, "from", s->from);
    kw_json_puts(w, "to", s->to);
    kw_json_puts(w, "fallback_from", s->wanted);
    kw_json_bool(w, "importance", s->importance);
    kw_json_int(w, "bytes_in", (int64_t)s->bytes_in);
    kw_json_int(w, "bytes_out", (int64_t)s->bytes_out);
    kw_json_close(w, '}');
}

void kw_cli_step_progress(kw_cli *cli, const kw_quantize_step *s, double share)
{
    kw_cli_progress(cli, "[%zu/%zu] %.*s: %s -> %s, %d %%", s->index + 1, s->n, KW_FMT(s->name),
                    s->from, s->to, (int)(share * 100.0));
}
