/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* man.c - kwaai man: the manual page kwaai(1), from the command and option tables.
 *
 * Source: groff_man(7); only macros that mandoc and old man programs know, too. */
#include "cli/commands.h"

#include "cli/help.h"

#include <kwaai/kwaai.h>

#include <string.h>

/* Text as roff: backslashes, dashes, and what would be a request at the start of a line. */
static void roff(kw_out *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const bool line_start = i == 0 || text[i - 1] == '\n';
        if (line_start && (text[i] == '.' || text[i] == '\''))
            kw_out_puts(out, "\\&");
        if (text[i] == '\\')
            kw_out_puts(out, "\\e");
        else if (text[i] == '-')
            kw_out_puts(out, "\\-");
        else if (text[i] == '\'')
            kw_out_puts(out, "\\(aq");
        else if (text[i] == '~')
            kw_out_puts(out, "\\(ti");
        else
            kw_out_write(out, text + i, 1);
    }
}

static void roff_text(kw_out *out, const char *text)
{
    roff(out, text, strlen(text));
}

static void paragraphs(kw_out *out, const char *text)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        const size_t len = end ? (size_t)(end - text) : strlen(text);
        roff(out, text, len);
        kw_out_puts(out, "\n");
        text += len;
        text += strspn(text, "\n");
        if (*text)
            kw_out_puts(out, ".PP\n");
    }
}

static void print_option(kw_out *out, const kw_option *option)
{
    char initial[64];
    kw_out_puts(out, ".TP\n\\fB");
    if (option->letter)
        kw_out_printf(out, "\\-%c\\fR, \\fB", option->letter);
    roff_text(out, kw_option_shown_negated(option) ? "--no-" : "--");
    roff_text(out, option->name);
    kw_out_puts(out, "\\fR");
    if (option->meta) {
        kw_out_puts(out, " \\fI");
        roff_text(out, option->meta);
        kw_out_puts(out, "\\fR");
    }
    kw_out_puts(out, "\n");
    roff_text(out, option->help);
    kw_help_default(option, initial, sizeof initial);
    if (initial[0]) {
        kw_out_puts(out, " (");
        roff_text(out, initial);
        kw_out_puts(out, ")");
    }
    if (option->aliases && strchr(option->aliases, '!') == NULL) {
        kw_out_puts(out, "; also ");
        roff_text(out, option->aliases);
    }
    kw_out_puts(out, ".\n");
}

static void literal(kw_out *out, const char *lines)
{
    kw_out_puts(out, ".PP\n.nf\n");
    roff_text(out, lines);
    kw_out_puts(out, ".fi\n");
}

static void print_command(kw_out *out, const kw_command *command)
{
    kw_out_printf(out, ".SS \"kwaai %s\"\n", command->name);
    kw_out_printf(out, "\\fBkwaai %s\\fR [\\fIoptions\\fR] ", command->name);
    roff_text(out, command->usage);
    kw_out_puts(out, "\n.PP\n");
    paragraphs(out, command->description);
    for (int section = 0; section < KW_N_SECTIONS; section++) {
        for (size_t i = 0; i < kw_n_options; i++) {
            const kw_option *option = &kw_option_table[i];
            if ((option->commands & kw_command_bit(command)) != 0 && option->section == section &&
                kw_option_listed(option) && strcmp(option->name, "help") != 0)
                print_option(out, option);
        }
    }
    if (command->examples)
        literal(out, command->examples);
}

static void ignored_options(kw_out *out)
{
    kw_out_puts(out, ".SH COMPATIBILITY\nThese options of llama.cpp are accepted and have no "
                     "effect; a note on standard error says so.\n");
    for (size_t i = 0; i < kw_n_options; i++) {
        if (!kw_option_listed(&kw_option_table[i]))
            print_option(out, &kw_option_table[i]);
    }
}

static const char tail[] =
    ".SH ENVIRONMENT\n"
    "Every option can be set by a variable: KWAAI_ and its long name in capitals, dashes as\n"
    "underscores: KWAAI_THREADS, KWAAI_TEMP, KWAAI_ISA, KWAAI_NO_MMAP is KWAAI_MMAP=false.\n"
    "A flag goes before the variable, the variable before the default.\n"
    "Flags take 1, true, on, yes or enabled, and 0, false, off, no or disabled.\n"
    ".TP\n\\fBTERM\\fR\n\"dumb\": no line editing and no progress line.\n"
    ".TP\n\\fBXDG_STATE_HOME\\fR\nWhere the history is kept (default ~/.local/state).\n"
    ".SH FILES\n"
    ".TP\n\\fI$XDG_STATE_HOME/kwaai/history\\fR\n"
    "What was typed at the prompt of \\fBkwaai run\\fR, the newest 1000 entries and more.\n"
    ".TP\n\\fI~/.kwaai\\fR\n"
    "What pull, publish and node keep; KWAAI_HOME names another place: store/ (models),\n"
    "identity.key (of the node), publisher.key (of kwaai publish), trust.conf (whose models are\n"
    "accepted), following.conf, index.db and node.db (can be made again), node.sock (while a node\n"
    "runs), and swarm.key, which is put there by hand: with it, a node and pulls from peers are "
    "in\n"
    "the private network of those who have the same file, and talk to no other peers.\n"
    ".SH \"EXIT STATUS\"\n"
    ".TP\n\\fB0\\fR\nDone.\n"
    ".TP\n\\fB1\\fR\nFailed; standard error says why.\n"
    ".TP\n\\fB2\\fR\nThe command line is wrong.\n"
    ".TP\n\\fB130\\fR\nInterrupted (Ctrl\\-C).\n";

static int run_man(kw_cli *cli)
{
    kw_out *out = &cli->out;
    kw_out_printf(out, ".TH KWAAI 1 \"\" \"kwaai %s\" \"User Commands\"\n", kw_version());
    kw_out_puts(out, ".ad l\n"); /* long lists of words cannot be adjusted on both sides */
    kw_out_puts(out, ".SH NAME\nkwaai \\- run open models from the files people download\n"
                     ".SH SYNOPSIS\n\\fBkwaai\\fR \\fICOMMAND\\fR [\\fIoptions\\fR] "
                     "[\\fIarguments\\fR]\n"
                     ".SH DESCRIPTION\n");
    paragraphs(out, "kwaai runs language models on the processor, straight from GGUF and "
                    "safetensors files, without converting them. The same seed gives the same "
                    "text, whatever the number of threads or the instruction set.\n\n"
                    "Results go to standard output, everything else to standard error. Options and "
                    "arguments may be mixed; -- ends the options; - is standard input where a file "
                    "to read is named. Values may be joined by an equals sign (--temp=0.5). "
                    "Flags that are on are switched off by --no- before their name.");
    kw_out_puts(out, ".SH COMMANDS\n");
    for (size_t i = 0; i < kw_n_commands; i++)
        print_command(out, kw_commands[i]);
    ignored_options(out);
    kw_out_puts(out, tail);
    return KW_EXIT_OK;
}

const kw_command kw_command_man = {
    .name = "man",
    .summary = "print the manual page",
    .usage = "",
    .description = "Prints kwaai(1) as roff, made from the same tables as --help.",
    .examples = "  kwaai man | man -l -\n"
                "  kwaai man > /usr/local/share/man/man1/kwaai.1\n",
    .max_args = 0,
    .run = run_man,
};
