/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* run.c - kwaai run: where the prompt comes from, and one answer to it. */
#include "cli/commands.h"

#include "cli/answer.h"
#include "cli/chat.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "os/file.h"

#include <string.h>
#include <unistd.h>

#define DEFAULT_PROMPT "Once upon a time"

/* What the arguments say. */
typedef struct request {
    const char *model;  /* NULL: built-in */
    bool model_named;   /* by an argument, -m or KWAAI_MODEL */
    const char *prompt; /* NULL: see file */
    const char *file;   /* NULL: see whether there is a terminal */
} request;

static bool exists(const char *path)
{
    return kw_file_exists(path) || kw_file_is_dir(path);
}

/* Is an only argument, which is no file, a text to continue? A word alone is taken for a model that
 * is not there, since a mistyped name would otherwise start a story about itself. */
static bool is_prompt(const char *word)
{
    static const char *const endings[] = {".gguf", ".safetensors", ".json", ".bin"};
    const size_t len = strlen(word);
    if (strcmp(word, "-") == 0)
        return true;
    if (word[0] == '/' || word[0] == '~' || strncmp(word, "./", 2) == 0 ||
        strncmp(word, "../", 3) == 0)
        return false;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const size_t n = strlen(endings[i]);
        if (len >= n && strcmp(word + len - n, endings[i]) == 0)
            return false;
    }
    return strpbrk(word, " \t\n") != NULL;
}

/* The prompt of -p or -f: a flag goes before the environment. */
static bool take_prompt_options(kw_cli *cli, request *r, int *code)
{
    const kw_option_source p = kw_options_source(&cli->parsed, "prompt");
    const kw_option_source f = kw_options_source(&cli->parsed, "file");
    if (p == KW_FROM_FLAG && f == KW_FROM_FLAG) {
        *code = kw_cli_usage(cli, "the prompt is given twice: by -p and by -f");
        return false;
    }
    if (p != KW_FROM_DEFAULT && p >= f)
        r->prompt = cli->parsed.options.prompt;
    else
        r->file = cli->parsed.options.file;
    return true;
}

static bool read_arguments(kw_cli *cli, request *r, int *code)
{
    const char **args = cli->parsed.args;
    size_t n = cli->parsed.n_args;
    *r = (request){.model = cli->parsed.options.model};
    if (!take_prompt_options(cli, r, code))
        return false;
    const bool given = kw_options_source(&cli->parsed, "prompt") == KW_FROM_FLAG ||
                       kw_options_source(&cli->parsed, "file") == KW_FROM_FLAG;
    const bool flagged = kw_options_source(&cli->parsed, "model") == KW_FROM_FLAG;
    if (!flagged && n > 0 &&
        (n == 2 || given || exists(args[0]) || kw_cli_is_builtin(args[0]) || !is_prompt(args[0]))) {
        r->model = args[0];
        args++;
        n--;
    }
    r->model_named = r->model != NULL;
    if (n > 1 || (n == 1 && given)) {
        *code = n > 1
                    ? kw_cli_usage(cli, "the model is given twice: %s and %s", r->model, args[0])
                    : kw_cli_usage(cli, "the prompt is given twice: \"%s\" and an option", args[0]);
        return false;
    }
    if (n == 1 && strcmp(args[0], "-") == 0) {
        r->file = "-";
        r->prompt = NULL;
    } else if (n == 1) {
        r->prompt = args[0];
    }
    return true;
}

/* The text of the prompt. *have is false when the user is to be asked instead. */
static kw_status read_prompt(kw_cli *cli, request *r, kw_buf *out, bool *have, kw_error *err)
{
    const bool piped = isatty(STDIN_FILENO) != 1;
    *have = true;
    if (!r->prompt && !r->file && cli->parsed.options.interactive) {
        *have = false;
        return KW_OK;
    }
    if (!r->prompt && !r->file && piped) {
        kw_buf text = {0};
        kw_status status = kw_input_read(cli, "-", &text, err);
        kw_input_chomp(&text);
        if (status == KW_OK && text.len == 0 && r->model_named)
            status = kw_fail(err, KW_E_ARG,
                             "no prompt: standard input is empty (-p \"\" starts "
                             "from nothing)");
        if (status == KW_OK)
            kw_buf_add(out, text.len ? text.data : DEFAULT_PROMPT,
                       text.len ? text.len : strlen(DEFAULT_PROMPT));
        kw_buf_free(&text);
        return status == KW_OK ? kw_buf_status(out, err) : status;
    }
    if (r->file) {
        KW_TRY(kw_input_read(cli, r->file, out, err));
        kw_input_chomp(out);
    } else if (r->prompt) {
        kw_buf_add(out, r->prompt, strlen(r->prompt));
    } else if (!r->model_named) {
        kw_buf_add(out, DEFAULT_PROMPT, strlen(DEFAULT_PROMPT));
    } else {
        *have = false;
    }
    return kw_buf_status(out, err);
}

static kw_status unescape(const kw_cli *cli, kw_buf *text, kw_error *err)
{
    kw_buf plain = {0};
    if (!cli->parsed.options.escape)
        return KW_OK;
    kw_input_unescape(text->data ? text->data : "", text->len, &plain);
    kw_buf_free(text);
    *text = plain;
    return kw_buf_status(text, err);
}

static kw_status open_session(kw_runner *runner, const char *model, kw_error *err)
{
    kw_cli *cli = runner->cli;
    kw_session_config config;
    int n_threads;
    KW_TRY(kw_cli_threads(cli, &n_threads, err));
    KW_TRY(kw_runner_constrain(runner, err));
    KW_TRY(kw_cli_load(cli, model, n_threads, &runner->loaded, err));
    if (!runner->loaded.info.has_tokenizer)
        return kw_fail(err, KW_E_NOTFOUND, "%s: no tokenizer is with it (--tokenizer names one)",
                       kw_cli_model_name(model));
    kw_cli_session_config(cli, &runner->loaded, &config);
    config.context = (int)cli->parsed.options.context;
    runner->batch = config.batch > 0 ? config.batch : 512;
    KW_TRY(kw_session_open(runner->loaded.model, &config, &runner->session, err));
    if (!cli->parsed.options.raw)
        KW_TRY(kw_conversation_open(&runner->talk, runner->loaded.model,
                                    cli->parsed.options.template_file, cli->parsed.options.system,
                                    err));
    kw_interrupt_target(runner->session);
    kw_interrupt_watch();
    return KW_OK;
}

static int answer_once(kw_runner *runner, kw_str prompt, kw_error *err)
{
    kw_cli *cli = runner->cli;
    kw_result result;
    if (cli->parsed.options.display_prompt && !runner->talk.active &&
        !runner->loaded.info.has_encoder) {
        runner->shown = prompt.data;
        runner->shown_len = prompt.len;
    }
    kw_runner_start(runner);
    kw_status status = kw_runner_answer(runner, prompt, &result, err);
    status = kw_cli_blame_fetch(&runner->loaded, status, err);
    if (status != KW_OK) {
        const int code = kw_cli_fail(cli, status, err);
        kw_runner_advise(runner, status);
        return code;
    }
    if (cli->parsed.options.verbose)
        kw_runner_report(runner, &result);
    return kw_interrupt_seen() ? KW_EXIT_INTERRUPTED : KW_EXIT_OK;
}

/* The model is opened first: a wrong path shows before anybody types a prompt. */
static kw_status prepare(kw_runner *runner, request *r, kw_buf *prompt, bool *have, kw_error *err)
{
    KW_TRY(open_session(runner, r->model, err));
    KW_TRY(read_prompt(runner->cli, r, prompt, have, err));
    return unescape(runner->cli, prompt, err);
}

static int run(kw_cli *cli)
{
    request r;
    int code = KW_EXIT_OK;
    if (!read_arguments(cli, &r, &code))
        return code;
    kw_error err = {0};
    kw_buf prompt = {0};
    kw_runner runner = {.cli = cli};
    bool have = false;
    const kw_status status = prepare(&runner, &r, &prompt, &have, &err);
    const kw_str text = {prompt.data ? prompt.data : "", prompt.len};
    if (status != KW_OK)
        code = kw_cli_fail(cli, status, &err);
    else if (have && !cli->parsed.options.interactive)
        code = answer_once(&runner, text, &err);
    else
        code = kw_chat_loop(&runner, text, have);
    if (status == KW_E_NOTFOUND && r.model && cli->parsed.n_args == 1 && !exists(r.model) &&
        !strpbrk(r.model, "./"))
        kw_cli_hint(cli, "to continue that word with the built-in model: kwaai run -p '%s'",
                    r.model);
    kw_interrupt_target(NULL);
    code = kw_cli_end_fetch(cli, &runner.loaded, code);
    kw_runner_free(&runner);
    kw_buf_free(&prompt);
    return code;
}

const kw_command kw_command_run = {
    .name = "run",
    .summary = "continue a text, or talk, with a model",
    .usage = "[MODEL] [PROMPT]",
    .description =
        "Writes the continuation of PROMPT, or the answer to it when the model has a chat "
        "template, to standard output, as it comes. MODEL is a .gguf, .safetensors, .pth or "
        "llama2.c file, or a directory with config.json, weights and a tokenizer. Without PROMPT, "
        "on a terminal, it asks for one text after another; the text is read from standard "
        "input when that is no terminal.\n\n"
        "Without MODEL the built-in model is used, which writes small stories, and begins one when "
        "nothing is given. An only argument is the MODEL, unless it holds a space and no such file "
        "is there: then it is the PROMPT for the built-in model.\n\n"
        "With --pull, MODEL may be any name that kwaai pull takes: what no store of this machine "
        "has is "
        "fetched. Where a CID or a signed list says what each block must be, the model runs while "
        "it "
        "comes: layer by layer, nothing unverified.\n\n"
        "A chat template is the model's own, or that of --template; --system begins the "
        "conversation, and --raw continues the text as it is.\n\n"
        "Ctrl-C stops the answer. Where it asks, Ctrl-D leaves, and /help lists more.",
    .examples = "  kwaai run\n"
                "  kwaai run \"The little dog\" -n 50\n"
                "  kwaai run model.gguf \"Once upon a time\" --temp 0\n"
                "  kwaai run -m model.gguf -f prompt.txt -n 200 --seed 1 > story.txt\n"
                "  kwaai run model.gguf\n"
                "  kwaai run --pull org/name:Q4_K_M \"Hello\"\n"
                "  kwaai run model.gguf \"1, 2, 3,\" --json | jq -j 'select(.text).text'\n",
    .max_args = 2,
    .run = run,
};
