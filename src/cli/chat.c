/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* chat.c - one text after another. A turn is a line, several lines between """ and """, or lines
 * that end with a backslash; a line that begins with / is a command. Every turn and every answer
 * stays until /clear: as messages where there is a chat template, else as one text that the model
 * continues. */
#include "cli/chat.h"

#include "base/check.h"
#include "cli/interrupt.h"
#include "cli/line_reader.h"
#include "cli/suggest.h"

#include <string.h>

#define PROMPT "> "
#define MORE_PROMPT "... "
#define FENCE "\"\"\""

typedef struct chat {
    kw_runner *runner;
    kw_cli *cli;
    kw_line_reader reader;
    kw_buf line;
    bool interrupted; /* the last thing that happened was a Ctrl-C */
    bool ended_line;  /* the conversation so far ends with a line end */
    bool done;
    int code;
} chat;

typedef struct chat_command {
    const char *name;
    void (*run)(chat *c, const char *argument);
    const char *help;
} chat_command;

/* ---- commands ---- */

static void command_help(chat *c, const char *argument);

static void command_bye(chat *c, const char *argument)
{
    (void)argument;
    c->done = true;
}

static void command_clear(chat *c, const char *argument)
{
    (void)argument;
    kw_error err = {0};
    kw_conversation_clear(&c->runner->talk);
    const kw_status status = kw_session_rewind(c->runner->session, 0, &err);
    if (status != KW_OK)
        (void)kw_cli_fail(c->cli, status, &err);
    else
        kw_cli_note(c->cli, "the conversation is forgotten");
}

static void command_verbose(chat *c, const char *argument)
{
    (void)argument;
    c->cli->parsed.options.verbose = !c->cli->parsed.options.verbose;
    kw_cli_note(c->cli, "timings are %s", c->cli->parsed.options.verbose ? "shown" : "not shown");
}

static void show_settings(chat *c)
{
    const kw_options *o = &c->cli->parsed.options;
    kw_cli_note(c->cli,
                "temp %g, top-k %lld, top-p %g, min-p %g, repeat-penalty %g, repeat-last-n %lld, "
                "presence-penalty %g, frequency-penalty %g, predict %lld, seed %lld",
                o->temp, (long long)o->top_k, o->top_p, o->min_p, o->repeat_penalty,
                (long long)o->repeat_last_n, o->presence_penalty, o->frequency_penalty,
                (long long)o->predict, (long long)o->seed);
}

/* Values that are fixed once a session is open. */
static bool is_fixed(const char *name)
{
    static const char *const fixed[] = {"ctx-size",   "context",     "n-ctx", "c",
                                        "batch-size", "ubatch-size", "b"};
    for (size_t i = 0; i < KW_COUNT(fixed); i++) {
        if (strcmp(name, fixed[i]) == 0)
            return true;
    }
    return false;
}

static void command_set(chat *c, const char *argument)
{
    char name[32];
    const size_t n = strcspn(argument, " =");
    const char *value = argument + n + strspn(argument + n, " =");
    if (argument[0] == '\0') {
        show_settings(c);
        return;
    }
    if (n >= sizeof name || value[0] == '\0') {
        kw_cli_note(c->cli, "/set NAME VALUE, for example /set temp 0.5; /set shows the values");
        return;
    }
    memcpy(name, argument, n);
    name[n] = '\0';
    if (is_fixed(name)) {
        kw_cli_note(c->cli, "%s cannot change while the model runs", name);
        return;
    }
    kw_error err = {0};
    kw_status status =
        kw_options_set(kw_command_bit(c->cli->command), name, value, &c->cli->parsed, &err);
    if (status == KW_OK)
        status = kw_runner_constrain(c->runner, &err);
    if (status != KW_OK)
        kw_cli_note(c->cli, "%s", err.message);
}

static const chat_command commands[] = {
    {"/help", command_help, "this list"},
    {"/set", command_set, "NAME VALUE: change an option, such as temp, top-p, predict or seed"},
    {"/clear", command_clear, "forget the conversation"},
    {"/verbose", command_verbose, "show timings after each answer, or do not"},
    {"/bye", command_bye, "leave (also Ctrl-D, /exit, /quit)"},
    {"/exit", command_bye, NULL},
    {"/quit", command_bye, NULL},
    {"/?", command_help, NULL},
};

static void command_help(chat *c, const char *argument)
{
    (void)argument;
    for (size_t i = 0; i < KW_COUNT(commands); i++) {
        if (commands[i].help)
            (void)fprintf(stderr, "  %-10s %s\n", commands[i].name, commands[i].help);
    }
    (void)fprintf(stderr, "  %-10s a text of several lines, until the next %s\n", FENCE, FENCE);
    (void)fprintf(stderr, "  %-10s at the end of a line: the text goes on in the next one\n", "\\");
    (void)fprintf(stderr, "  %-10s stops the answer\n", "Ctrl-C");
    (void)c;
}

static void run_command(chat *c, const char *line)
{
    char word[32];
    const size_t n = strcspn(line, " ");
    const char *argument = line + n + strspn(line + n, " ");
    (void)snprintf(word, sizeof word, "%.*s", (int)KW_MIN(n, sizeof word), line);
    kw_suggestion s;
    kw_suggest_init(&s, word);
    for (size_t i = 0; i < KW_COUNT(commands); i++) {
        if (strcmp(word, commands[i].name) == 0) {
            commands[i].run(c, argument);
            return;
        }
        (void)kw_suggest_consider(&s, commands[i].name);
    }
    kw_cli_note(c->cli, "there is no command %s; %s%s", word,
                s.best ? "did you mean " : "see /help", s.best ? s.best : "");
}

/* ---- turns ---- */

static bool ends_with(const kw_buf *text, const char *end)
{
    const size_t n = strlen(end);
    return text->len >= n && memcmp(text->data + text->len - n, end, n) == 0;
}

static void cut(kw_buf *text, size_t n)
{
    text->len -= n;
    text->data[text->len] = '\0';
}

/* The lines of a turn after its first, in c->line. */
static kw_line_status read_more(chat *c, kw_buf *turn)
{
    const size_t fence = strlen(FENCE);
    const bool fenced = c->line.len >= fence && memcmp(c->line.data, FENCE, fence) == 0;
    kw_line_status status = KW_LINE_READ;
    kw_buf_add(turn, c->line.data + (fenced ? fence : 0), c->line.len - (fenced ? fence : 0));
    while (!turn->failed && (fenced ? !ends_with(turn, FENCE) : ends_with(turn, "\\"))) {
        if (!fenced)
            cut(turn, 1);
        status = kw_line_read(&c->reader, MORE_PROMPT, &c->line);
        if (status != KW_LINE_READ)
            return status == KW_LINE_END ? KW_LINE_READ : status; /* what is there counts */
        kw_buf_add(turn, "\n", 1);
        kw_buf_add(turn, c->line.data, c->line.len);
    }
    if (fenced)
        cut(turn, fence);
    return status;
}

static void answer(chat *c, kw_str text)
{
    kw_error err = {0};
    kw_result result;
    kw_status status = kw_runner_answer(c->runner, text, &result, &err);
    status = kw_cli_blame_fetch(&c->runner->loaded, status, &err);
    c->interrupted = kw_interrupt_seen();
    kw_interrupt_clear();
    if (status == KW_OK) {
        c->ended_line = c->runner->ended_line;
        if (c->cli->parsed.options.verbose)
            kw_runner_report(c->runner, &result);
        return;
    }
    if (status == KW_E_CANCELLED && c->interrupted)
        return;
    c->code = kw_cli_fail(c->cli, status, &err);
    kw_runner_advise(c->runner, status);
    if (status == KW_E_LIMIT)
        kw_cli_hint(c->cli, "/clear forgets the conversation");
}

/* Without a template, a turn follows the last answer on a line of its own. */
static void answer_turn(chat *c, const kw_buf *turn)
{
    kw_buf text = {0};
    if (!c->runner->talk.active && kw_session_position(c->runner->session) > 0 && !c->ended_line &&
        !c->runner->loaded.info.has_encoder)
        kw_buf_add(&text, "\n", 1);
    kw_buf_add(&text, turn->data ? turn->data : "", turn->len);
    if (!text.failed)
        answer(c, (kw_str){text.data, text.len});
    kw_buf_free(&text);
}

static void leave_or_warn(chat *c)
{
    if (c->interrupted || c->reader.draw_fd < 0) {
        c->done = true;
        c->code = KW_EXIT_INTERRUPTED;
        return;
    }
    c->interrupted = true;
    kw_cli_note(c->cli, "Ctrl-C again, or Ctrl-D, leaves");
}

static void one_turn(chat *c)
{
    kw_buf turn = {0};
    kw_line_status status = kw_line_read(&c->reader, PROMPT, &c->line);
    if (status == KW_LINE_READ && c->line.len > 0 && c->line.data[0] == '/') {
        c->interrupted = false;
        run_command(c, c->line.data);
        return;
    }
    if (status == KW_LINE_READ)
        status = read_more(c, &turn);
    if (status == KW_LINE_END) {
        c->done = true;
    } else if (status == KW_LINE_INTERRUPTED) {
        leave_or_warn(c);
    } else if (turn.len > 0 && !turn.failed) {
        c->interrupted = false;
        c->code = KW_EXIT_OK;
        answer_turn(c, &turn);
    }
    kw_buf_free(&turn);
}

static void greet(chat *c)
{
    if (c->reader.draw_fd < 0)
        return;
    kw_cli_note(c->cli,
                "%s, %s, context of %d tokens. Ctrl-C stops an answer, Ctrl-D leaves, "
                "/help tells more.",
                c->runner->loaded.info.name, c->runner->loaded.info.description,
                kw_session_context(c->runner->session));
}

int kw_chat_loop(kw_runner *runner, kw_str first, bool have_first)
{
    chat c = {.runner = runner, .cli = runner->cli, .code = KW_EXIT_OK};
    kw_line_reader_open(&c.reader, runner->cli->env, runner->cli->parsed.options.history != 0);
    greet(&c);
    kw_runner_start(runner);
    if (have_first) {
        if (runner->cli->parsed.options.display_prompt && !runner->talk.active) {
            runner->shown = first.data;
            runner->shown_len = first.len;
        }
        answer(&c, first);
    }
    while (!c.done && !runner->cli->out.error)
        one_turn(&c);
    kw_line_reader_close(&c.reader);
    kw_buf_free(&c.line);
    return c.code;
}
