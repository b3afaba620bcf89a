/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* completion.c - kwaai completion: scripts for bash, zsh and fish, from the command and option
 * tables. */
#include "cli/commands.h"

#include "cli/help.h"

#include <string.h>

/* Every row of a command that a person may be offered. */
static const kw_option *row_of(uint64_t command, size_t i)
{
    const kw_option *option = &kw_option_table[i];
    return (option->commands & command) != 0 && kw_option_listed(option) ? option : NULL;
}

/* The long spelling that is offered. */
static void print_long(kw_out *out, const kw_option *option)
{
    kw_out_printf(out, "--%s%s", kw_option_shown_negated(option) ? "no-" : "", option->name);
}

static bool has_choices(const kw_command *command)
{
    return command->choices || command->takes_command;
}

/* What an argument may be, separated by spaces. */
static void print_choices(kw_out *out, const kw_command *command)
{
    kw_out_puts(out, command->choices ? command->choices : "");
    for (size_t i = 0; command->takes_command && i < kw_n_commands; i++)
        kw_out_printf(out, "%s%s", i > 0 ? " " : "", kw_commands[i]->name);
}

/* ---- bash ---- */

static void bash_options(kw_out *out, uint64_t bit)
{
    for (size_t i = 0; i < kw_n_options; i++) {
        const kw_option *option = row_of(bit, i);
        if (!option)
            continue;
        if (option->letter)
            kw_out_printf(out, " -%c", option->letter);
        kw_out_puts(out, " ");
        print_long(out, option);
    }
}

/* case arms "command:-x|command:--name) COMPREPLY..." for options that take a value. */
static void bash_values(kw_out *out, const kw_command *command)
{
    for (size_t i = 0; i < kw_n_options; i++) {
        const kw_option *option = row_of(kw_command_bit(command), i);
        if (!option || !kw_option_takes_value(option))
            continue;
        kw_out_puts(out, "        ");
        if (option->letter)
            kw_out_printf(out, "%s:-%c|", command->name, option->letter);
        kw_out_printf(out, "%s:--%s)\n", command->name, option->name);
        if (option->choices)
            kw_out_printf(out, "            COMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n",
                          option->choices);
        else if (option->kind == KW_OPT_PATH)
            kw_out_puts(out, "            COMPREPLY=($(compgen -f -- \"$cur\"))\n");
        kw_out_puts(out, "            return ;;\n");
    }
}

static void bash(kw_out *out)
{
    kw_out_puts(out, "# bash completion for kwaai; made by: kwaai completion bash\n"
                     "_kwaai()\n{\n"
                     "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                     "    local cmd=${COMP_WORDS[1]} words=\n"
                     "    COMPREPLY=()\n"
                     "    if ((COMP_CWORD == 1)); then\n"
                     "        COMPREPLY=($(compgen -W '");
    for (size_t i = 0; i < kw_n_commands; i++)
        kw_out_printf(out, "%s ", kw_commands[i]->name);
    kw_out_puts(out, "--help --version' -- \"$cur\"))\n"
                     "        return\n    fi\n"
                     "    case $cmd:$prev in\n");
    for (size_t i = 0; i < kw_n_commands; i++)
        bash_values(out, kw_commands[i]);
    kw_out_puts(out, "    esac\n    if [[ $cur == -* ]]; then\n        case $cmd in\n");
    for (size_t i = 0; i < kw_n_commands; i++) {
        kw_out_printf(out, "        %s) words='", kw_commands[i]->name);
        bash_options(out, kw_command_bit(kw_commands[i]));
        kw_out_puts(out, "' ;;\n");
    }
    kw_out_puts(out, "        esac\n    else\n        case $cmd in\n");
    for (size_t i = 0; i < kw_n_commands; i++) {
        if (!has_choices(kw_commands[i]))
            continue;
        kw_out_printf(out, "        %s) words='", kw_commands[i]->name);
        print_choices(out, kw_commands[i]);
        kw_out_puts(out, "' ;;\n");
    }
    kw_out_puts(out, "        *) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
                     "        esac\n    fi\n"
                     "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                     "}\n"
                     "complete -o filenames -F _kwaai kwaai\n");
}

/* ---- zsh ---- */

/* Text inside '...[text]...': quotes and brackets are escaped. */
static void zsh_text(kw_out *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '\'')
            kw_out_puts(out, "'\\''");
        else if (strchr("[]:\\", *c))
            kw_out_printf(out, "\\%c", *c);
        else
            kw_out_write(out, c, 1);
    }
}

static void zsh_value(kw_out *out, const kw_option *option)
{
    if (!kw_option_takes_value(option))
        return;
    kw_out_puts(out, ":");
    zsh_text(out, option->meta);
    if (option->choices)
        kw_out_printf(out, ":(%s)", option->choices);
    else if (option->kind == KW_OPT_PATH)
        kw_out_puts(out, ":_files");
    else
        kw_out_puts(out, ": ");
}

static void zsh_command(kw_out *out, const kw_command *command)
{
    kw_out_printf(out, "    %s)\n        _arguments -s -S", command->name);
    for (size_t i = 0; i < kw_n_options; i++) {
        const kw_option *option = row_of(kw_command_bit(command), i);
        if (!option)
            continue;
        const char *repeat = option->kind == KW_OPT_TEXTS ? "*" : "";
        if (option->letter)
            kw_out_printf(out, " \\\n            '%s-%c[", repeat, option->letter);
        if (option->letter) {
            zsh_text(out, option->help);
            kw_out_puts(out, "]");
            zsh_value(out, option);
            kw_out_puts(out, "'");
        }
        kw_out_printf(out, " \\\n            '%s", repeat);
        print_long(out, option);
        kw_out_puts(out, kw_option_takes_value(option) ? "=[" : "[");
        zsh_text(out, option->help);
        kw_out_puts(out, "]");
        zsh_value(out, option);
        kw_out_puts(out, "'");
    }
    if (!has_choices(command)) {
        kw_out_puts(out, " \\\n            '*:file:_files' ;;\n");
        return;
    }
    kw_out_puts(out, " \\\n            '*:argument:(");
    print_choices(out, command);
    kw_out_puts(out, ")' ;;\n");
}

static void zsh(kw_out *out)
{
    kw_out_puts(out, "#compdef kwaai\n# zsh completion for kwaai; made by: kwaai completion zsh\n"
                     "_kwaai() {\n"
                     "    if (( CURRENT == 2 )); then\n"
                     "        local -a commands=(\n");
    for (size_t i = 0; i < kw_n_commands; i++) {
        kw_out_printf(out, "            '%s:", kw_commands[i]->name);
        zsh_text(out, kw_commands[i]->summary);
        kw_out_puts(out, "'\n");
    }
    kw_out_puts(out, "        )\n        _describe command commands\n        return\n    fi\n"
                     "    local cmd=$words[2]\n    shift words\n    (( CURRENT-- ))\n"
                     "    case $cmd in\n");
    for (size_t i = 0; i < kw_n_commands; i++)
        zsh_command(out, kw_commands[i]);
    kw_out_puts(out, "    esac\n}\n"
                     "if [[ $funcstack[1] == _kwaai ]]; then\n    _kwaai \"$@\"\n"
                     "else\n    compdef _kwaai kwaai\nfi\n");
}

/* ---- fish ---- */

static void fish_text(kw_out *out, const char *text)
{
    kw_out_puts(out, "'");
    for (const char *c = text; *c; c++) {
        if (*c == '\'' || *c == '\\')
            kw_out_puts(out, "\\");
        kw_out_write(out, c, 1);
    }
    kw_out_puts(out, "'");
}

static void fish_command(kw_out *out, const kw_command *command)
{
    for (size_t i = 0; i < kw_n_options; i++) {
        const kw_option *option = row_of(kw_command_bit(command), i);
        if (!option)
            continue;
        kw_out_printf(out, "complete -c kwaai -n '__fish_seen_subcommand_from %s'", command->name);
        if (option->letter)
            kw_out_printf(out, " -s %c", option->letter);
        kw_out_printf(out, " -l %s%s", kw_option_shown_negated(option) ? "no-" : "", option->name);
        if (option->choices)
            kw_out_printf(out, " -x -a '%s'", option->choices);
        else if (option->kind == KW_OPT_PATH)
            kw_out_puts(out, " -r -F");
        else if (kw_option_takes_value(option))
            kw_out_puts(out, " -x");
        kw_out_puts(out, " -d ");
        fish_text(out, option->help);
        kw_out_puts(out, "\n");
    }
    if (!has_choices(command))
        return;
    kw_out_printf(out, "complete -c kwaai -n '__fish_seen_subcommand_from %s' -f -a '",
                  command->name);
    print_choices(out, command);
    kw_out_puts(out, "'\n");
}

static void fish(kw_out *out)
{
    kw_out_puts(out, "# fish completion for kwaai; made by: kwaai completion fish\n");
    for (size_t i = 0; i < kw_n_commands; i++) {
        kw_out_printf(out, "complete -c kwaai -n __fish_use_subcommand -f -a %s -d ",
                      kw_commands[i]->name);
        fish_text(out, kw_commands[i]->summary);
        kw_out_puts(out, "\n");
    }
    for (size_t i = 0; i < kw_n_commands; i++)
        fish_command(out, kw_commands[i]);
}

static int run_completion(kw_cli *cli)
{
    if (cli->parsed.n_args == 0)
        return kw_cli_usage(cli, "for which shell? bash, zsh or fish");
    const char *shell = cli->parsed.args[0];
    if (strcmp(shell, "bash") == 0)
        bash(&cli->out);
    else if (strcmp(shell, "zsh") == 0)
        zsh(&cli->out);
    else if (strcmp(shell, "fish") == 0)
        fish(&cli->out);
    else
        return kw_cli_usage(cli, "there is no completion for \"%s\": bash, zsh or fish", shell);
    return KW_EXIT_OK;
}

const kw_command kw_command_completion = {
    .name = "completion",
    .summary = "print the completion script of a shell",
    .usage = "bash|zsh|fish",
    .description = "Prints a script that completes commands, options and their values.",
    .examples = "  source <(kwaai completion bash)\n"
                "  kwaai completion zsh > ~/.zfunc/_kwaai\n"
                "  kwaai completion fish > ~/.config/fish/completions/kwaai.fish\n",
    .choices = "bash zsh fish",
    .max_args = 1,
    .run = run_completion,
};
