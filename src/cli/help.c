/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* help.c - --help of each command, `kwaai help`. */
#include "cli/help.h"

#include "base/check.h"

#include <kwaai/kwaai.h>

#include <string.h>
#include <unistd.h>

#define HEAD_COLUMNS 30 /* what an option's head may take before its text starts on a new line */

int kw_help_width(void)
{
    if (isatty(STDOUT_FILENO) != 1)
        return 80;
    return KW_MAX(60, KW_MIN(kw_terminal_columns(STDOUT_FILENO) - 1, 100));
}

static void spaces(kw_out *out, int n)
{
    for (int i = 0; i < n; i++)
        kw_out_puts(out, " ");
}

/* One paragraph text[0..len). */
static void fill_paragraph(kw_out *out, const char *text, size_t len, int indent, int width)
{
    int column = indent;
    for (size_t i = 0; i < len;) {
        size_t n = 0;
        while (i + n < len && text[i + n] != ' ' && text[i + n] != '\n')
            n++;
        if (column > indent && column + 1 + (int)n > width) {
            kw_out_puts(out, "\n");
            spaces(out, indent);
            column = indent;
        }
        if (column > indent) {
            kw_out_puts(out, " ");
            column++;
        }
        kw_out_write(out, text + i, n);
        column += (int)n;
        i += n;
        while (i < len && (text[i] == ' ' || text[i] == '\n'))
            i++;
    }
    kw_out_puts(out, "\n");
}

/* Writes paragraphs filled to width, every line indented; one that starts with a space stays as it
 * is. The first line is assumed to be indented already. */
static void fill(kw_out *out, const char *text, int indent, int width)
{
    bool first = true;
    while (*text) {
        const char *end = strstr(text, "\n\n");
        const size_t len = end ? (size_t)(end - text) : strlen(text);
        if (!first) {
            kw_out_puts(out, "\n");
            spaces(out, indent);
        }
        if (text[0] == ' ') {
            kw_out_write(out, text, len);
            kw_out_puts(out, "\n");
        } else {
            fill_paragraph(out, text, len, indent, width);
        }
        first = false;
        text += len;
        text += strspn(text, "\n");
    }
}

/* "-m, --model MODEL" into out. */
static void option_head(const kw_option *option, char *out, size_t size)
{
    const char letter[5] = {'-', option->letter, ',', ' ', '\0'};
    (void)snprintf(out, size, "%s--%s%s%s%s", option->letter ? letter : "",
                   kw_option_shown_negated(option) ? "no-" : "", option->name,
                   option->meta ? " " : "", option->meta ? option->meta : "");
}

void kw_help_default(const kw_option *option, char *out, size_t size)
{
    out[0] = '\0';
    if (option->initial && option->kind != KW_OPT_FLAG)
        (void)snprintf(out, size, "default %s", option->initial);
}

static void print_option(kw_out *out, const kw_option *option, int width)
{
    char head[64], text[512], initial[64];
    option_head(option, head, sizeof head);
    kw_help_default(option, initial, sizeof initial);
    (void)snprintf(text, sizeof text, "%s%s%s%s", option->help, initial[0] ? " (" : "", initial,
                   initial[0] ? ")" : "");
    const int indent = option->letter ? 2 : 6;
    const int used = indent + (int)strlen(head);
    spaces(out, indent);
    kw_out_puts(out, head);
    if (used > HEAD_COLUMNS - 2) {
        kw_out_puts(out, "\n");
        spaces(out, HEAD_COLUMNS);
    } else {
        spaces(out, HEAD_COLUMNS - used);
    }
    fill(out, text, HEAD_COLUMNS, width);
}

static void print_section(kw_out *out, uint64_t command, int section, int width)
{
    bool titled = false;
    for (size_t i = 0; i < kw_n_options; i++) {
        const kw_option *option = &kw_option_table[i];
        if ((option->commands & command) == 0 || option->section != section ||
            !kw_option_listed(option))
            continue;
        if (!titled)
            kw_out_printf(out, "\n%s:\n", kw_section_title(section));
        titled = true;
        print_option(out, option, width);
    }
}

void kw_help_command(kw_out *out, const kw_command *command, int width)
{
    kw_out_printf(out, "kwaai %s - %s\n\nUsage: kwaai %s [options]%s%s\n\n", command->name,
                  command->summary, command->name, command->usage[0] ? " " : "", command->usage);
    fill(out, command->description, 0, width);
    for (int section = 0; section < KW_N_SECTIONS; section++)
        print_section(out, kw_command_bit(command), section, width);
    if (command->examples) {
        kw_out_puts(out, "\nExamples:\n");
        kw_out_puts(out, command->examples);
    }
}

void kw_help_overview(kw_out *out, int width)
{
    kw_out_printf(out,
                  "kwaai %s - run open models from the files people download\n\n"
                  "Usage: kwaai COMMAND [options] [arguments]\n\nCommands:\n",
                  kw_version());
    for (size_t i = 0; i < kw_n_commands; i++)
        kw_out_printf(out, "  %-12s %s\n", kw_commands[i]->name, kw_commands[i]->summary);
    kw_out_puts(out, "\n");
    fill(out,
         "A MODEL is a .gguf, .safetensors, .pth or llama2.c file, or a directory with "
         "config.json, weights and a tokenizer. Without one, the built-in model is used. Every "
         "option can also be set in the environment: KWAAI_TEMP=0.5 for --temp 0.5.",
         0, width);
    kw_out_puts(out, "\nExamples:\n"
                     "  kwaai run                                    the built-in model tells a "
                     "story\n"
                     "  kwaai run model.gguf \"Once upon a time\"      continue a text\n"
                     "  kwaai run model.gguf                         type, and read the answers\n"
                     "  kwaai bench model.gguf                       how fast is it here?\n"
                     "\nkwaai help COMMAND tells about one of them.\n");
}

static int run_help(kw_cli *cli)
{
    if (cli->parsed.n_args == 0) {
        kw_help_overview(&cli->out, kw_help_width());
        return KW_EXIT_OK;
    }
    const kw_command *command = kw_command_find(cli->parsed.args[0]);
    if (!command)
        return kw_cli_usage(cli, "there is no command \"%s\"", cli->parsed.args[0]);
    kw_help_command(&cli->out, command, kw_help_width());
    return KW_EXIT_OK;
}

const kw_command kw_command_help = {
    .name = "help",
    .summary = "tell about kwaai or one of its commands",
    .usage = "[COMMAND]",
    .description = "Without COMMAND: what there is. With one: its arguments and options, as kwaai "
                   "COMMAND --help shows them.",
    .takes_command = true,
    .max_args = 1,
    .run = run_help,
};
