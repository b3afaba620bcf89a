/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* cli.h - what every command of kwaai shares: its description, its values, its messages.
 *
 * Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage,
 * 130 interrupted. One file per command; adding one is a file and a row in commands.c. */
#ifndef KW_CLI_CLI_H
#define KW_CLI_CLI_H

#include "cli/options.h"
#include "cli/output.h"

enum kw_exit { KW_EXIT_OK = 0, KW_EXIT_FAILED = 1, KW_EXIT_USAGE = 2, KW_EXIT_INTERRUPTED = 130 };

typedef struct kw_cli kw_cli;

typedef struct kw_command {
    const char *name;
    const char *summary;     /* one line */
    const char *usage;       /* the arguments: "[MODEL] [PROMPT]" */
    const char *description; /* paragraphs, separated by empty lines */
    const char *examples;    /* lines of "command  # remark"; NULL: none */
    const char *choices;     /* what completion offers as argument; NULL: files */
    bool takes_command;      /* the argument is the name of a command */
    size_t max_args;
    int (*run)(kw_cli *cli); /* returns the exit code */
} kw_command;

/* The model that is part of the command: a GGUF image; len 0: none. */
typedef struct kw_builtin {
    const void *data;
    size_t len;
} kw_builtin;

struct kw_cli {
    const kw_command *command; /* NULL while there is none */
    kw_builtin builtin;
    kw_parsed parsed;
    kw_out out;
    kw_env_fn env;
    bool err_tty;
    bool progress_shown; /* a progress line stands on stderr */
};

/* All commands, in the order of the bits in options.h. */
extern const kw_command *const kw_commands[];
extern const size_t kw_n_commands;
/* NULL when there is none of this name. */
const kw_command *kw_command_find(const char *name);
uint64_t kw_command_bit(const kw_command *command);

/* The whole program: returns the exit code. */
int kw_cli_main(int argc, char *const *argv, kw_env_fn env, kw_builtin builtin);

/* Messages for a person, on stderr, in one line. Text from files in them is made harmless. */
void kw_cli_note(kw_cli *cli, const char *fmt, ...) KW_PRINTF(2, 3);
void kw_cli_hint(kw_cli *cli, const char *fmt, ...) KW_PRINTF(2, 3);
/* Says what is wrong with the command line and where the help is; returns KW_EXIT_USAGE. */
int kw_cli_usage(kw_cli *cli, const char *fmt, ...) KW_PRINTF(2, 3);
/* Says what failed and, where something can be done about it, what; returns the exit code. KW_E_ARG
 * is wrong usage. */
int kw_cli_fail(kw_cli *cli, kw_status status, const kw_error *err);
/* A line on a terminal that the next message or kw_cli_progress_end replaces; nothing elsewhere. */
void kw_cli_progress(kw_cli *cli, const char *fmt, ...) KW_PRINTF(2, 3);
void kw_cli_progress_end(kw_cli *cli);

/* Columns of the terminal behind this descriptor; 80 when it is none. */
int kw_terminal_columns(int fd);

#endif
