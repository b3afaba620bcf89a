/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cli.c - finds the command, reads its options, runs it, and makes sure that what it wrote arrived.
 */
#include "cli/cli.h"

#include "base/check.h"
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/suggest.h"

#include <kwaai/kwaai.h>

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- messages ---- */

int kw_terminal_columns(int fd)
{
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

static void say(kw_cli *cli, const char *prefix, const char *fmt, va_list args) KW_PRINTF(3, 0);

static void say(kw_cli *cli, const char *prefix, const char *fmt, va_list args)
{
    char text[1024];
    (void)vsnprintf(text, sizeof text, fmt, args);
    kw_buf buf = {0};
    kw_buf_printf(&buf, "%s: ", prefix);
    kw_text_clean(&buf, text, strlen(text));
    kw_buf_add(&buf, "\n", 1);
    kw_cli_progress_end(cli);
    (void)fflush(stdout); /* keeps the order where both are one terminal */
    if (!buf.failed)
        (void)fputs(buf.data, stderr);
    kw_buf_free(&buf);
}

void kw_cli_note(kw_cli *cli, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(cli, "kwaai", fmt, args);
    va_end(args);
}

void kw_cli_hint(kw_cli *cli, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(cli, "hint", fmt, args);
    va_end(args);
}

int kw_cli_usage(kw_cli *cli, const char *fmt, ...)
{
    char prefix[40] = "kwaai";
    if (cli->command)
        (void)snprintf(prefix, sizeof prefix, "kwaai %s", cli->command->name);
    va_list args;
    va_start(args, fmt);
    say(cli, prefix, fmt, args);
    va_end(args);
    (void)fprintf(stderr, "Try: %s --help\n", prefix);
    return KW_EXIT_USAGE;
}

/* Whether a command's arguments begin with the file of a model; most hints are about that. */
static bool reads_model(const kw_command *command)
{
    return !command || strstr(command->usage, "MODEL") || strncmp(command->usage, "IN ", 3) == 0;
}

/* What a person can do about a failure of this kind; NULL: nothing general. */
static const char *remedy(const kw_command *command, kw_status status)
{
    if (!reads_model(command) && status != KW_E_INTERNAL)
        return NULL;
    switch (status) {
    case KW_E_NOTFOUND:
        return "a MODEL is a .gguf, .safetensors, .pth or llama2.c file, or a directory with "
               "config.json, weights and a tokenizer"
#ifdef KW_NETWORK
               ", or a name that kwaai list shows"
#endif
            ;
    case KW_E_FORMAT:
        return "the file is damaged or incomplete: compare its size with the original and fetch it "
               "again";
    case KW_E_NOMEM:
        return "a smaller context (-c N) or batch (-b N) needs less memory";
    case KW_E_UNSUPPORTED:
        return "kwaai inspect MODEL shows what the file holds";
    case KW_E_INTERNAL:
        return "this is a mistake in kwaai: please report it together with the message";
    case KW_OK:
    case KW_E_ARG:
    case KW_E_IO:
    case KW_E_LIMIT:
    case KW_E_CANCELLED:
        break;
    }
    return NULL;
}

int kw_cli_fail(kw_cli *cli, kw_status status, const kw_error *err)
{
    if (status == KW_E_CANCELLED && kw_interrupt_seen())
        return KW_EXIT_INTERRUPTED;
    if (status == KW_E_ARG && err)
        return kw_cli_usage(cli, "%s", err->message);
    if (err && err->message[0] != '\0')
        kw_cli_note(cli, "%s", err->message);
    else
        kw_cli_note(cli, "%s", kw_status_name(status));
    if (status == KW_E_INTERNAL && err && err->file)
        kw_cli_note(cli, "at %s:%d of version %s", err->file, err->line, kw_version());
    const char *text = remedy(cli->command, status);
    if (text)
        kw_cli_hint(cli, "%s", text);
    return KW_EXIT_FAILED;
}

void kw_cli_progress(kw_cli *cli, const char *fmt, ...)
{
    if (!cli->err_tty)
        return;
    char text[256];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const int columns = kw_terminal_columns(STDERR_FILENO);
    (void)fprintf(stderr, "\r\033[K%.*s", KW_MAX(columns - 1, 1), text);
    (void)fflush(stderr);
    cli->progress_shown = true;
}

void kw_cli_progress_end(kw_cli *cli)
{
    if (!cli->progress_shown)
        return;
    (void)fputs("\r\033[K", stderr);
    (void)fflush(stderr);
    cli->progress_shown = false;
}

/* ---- dispatch ---- */

static int unknown_command(kw_cli *cli, const char *word)
{
    kw_suggestion s;
    kw_suggest_init(&s, word);
    for (size_t i = 0; i < kw_n_commands; i++)
        (void)kw_suggest_consider(&s, kw_commands[i]->name);
    struct stat info;
    if (word[0] == '-')
        return kw_cli_usage(cli, "unknown option %s before the command", word);
    if (s.best)
        return kw_cli_usage(cli, "unknown command \"%s\"; did you mean %s?", word, s.best);
    if (stat(word, &info) == 0)
        return kw_cli_usage(cli, "\"%s\" is no command; did you mean kwaai run %s?", word, word);
    return kw_cli_usage(cli, "unknown command \"%s\"", word);
}

/* Options that have no effect here are named, with the reason, instead of being dropped silently.
 */
static void note_ignored(kw_cli *cli)
{
    for (size_t i = 0; i < kw_n_options; i++) {
        const kw_option *option = &kw_option_table[i];
        if (!kw_option_listed(option) && cli->parsed.source[i] != KW_FROM_DEFAULT)
            kw_cli_note(cli, "--%s has no effect: %s", option->name, option->help);
    }
}

/* What was written to stdout must have arrived; a reader that left early wanted no more. */
static int finish_output(kw_cli *cli, int code)
{
    if (kw_out_flush(&cli->out) || cli->out.error == EPIPE)
        return code;
    kw_cli_note(cli, "cannot write to standard output: %s", strerror(cli->out.error));
    return code == KW_EXIT_OK ? KW_EXIT_FAILED : code;
}

static int run_command(kw_cli *cli, int argc, char *const *argv)
{
    kw_error err = {0};
    const uint64_t bit = kw_command_bit(cli->command);
    const kw_status status = kw_options_parse(bit, argc, argv, cli->env, &cli->parsed, &err);
    if (status != KW_OK)
        return kw_cli_fail(cli, status, &err);
    if (cli->parsed.options.help) {
        kw_help_command(&cli->out, cli->command, kw_help_width());
        return KW_EXIT_OK;
    }
    if (cli->parsed.n_args > cli->command->max_args)
        return kw_cli_usage(cli, "one argument too many: \"%s\"",
                            cli->parsed.args[cli->command->max_args]);
    note_ignored(cli);
    return cli->command->run(cli);
}

/* The forms without a command: --help, --version, nothing. */
static const char *implied_command(const char *word)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return "help";
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        return "version";
    return word;
}

int kw_cli_main(int argc, char *const *argv, kw_env_fn env, kw_builtin builtin)
{
    kw_cli cli = {.env = env, .builtin = builtin, .err_tty = isatty(STDERR_FILENO) == 1};
    const char *term = env("TERM");
    if (term && strcmp(term, "dumb") == 0)
        cli.err_tty = false;
    kw_out_init(&cli.out, stdout);
    kw_interrupt_ignore_pipe();
    if (argc < 2) {
        kw_out err;
        kw_out_init(&err, stderr);
        kw_help_overview(&err, kw_help_width());
        return KW_EXIT_USAGE;
    }
    const char *name = implied_command(argv[1]);
    const kw_command *command = kw_command_find(name);
    if (!command)
        return unknown_command(&cli, name);
    cli.command = command;
    const int code = run_command(&cli, argc - 2, argv + 2);
    kw_cli_progress_end(&cli);
    kw_parsed_free(&cli.parsed);
    return finish_output(&cli, code);
}
