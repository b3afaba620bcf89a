/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* answer.h - one answer of a session, streamed to stdout as text or as JSON lines. */
#ifndef KW_CLI_ANSWER_H
#define KW_CLI_ANSWER_H

#include "cli/conversation.h"
#include "cli/load.h"

typedef struct kw_runner {
    kw_cli *cli;
    kw_loaded loaded;
    kw_session *session;
    kw_constraints constraints;
    const char **stop_texts;   /* owned array of owned texts, behind constraints.stop */
    kw_logit_bias *biases;     /* owned, behind constraints.logit_bias */
    const char **breakers;     /* owned array of owned texts, behind constraints.dry_breakers */
    kw_sampler_step steps[32]; /* behind constraints.samplers */
    kw_buf grammar;            /* of a file, behind constraints.grammar or json_schema */
    const char *shown;         /* borrowed: written before the first text of the answer; NULL */
    size_t shown_len;
    int batch;
    kw_conversation talk; /* active: every text is a message, and so is its answer */
    kw_buf said;          /* the answer that is being written, for the conversation */
    bool ended_line;      /* the last answer ended with a line end of its own */
} kw_runner;

/* The options of `run` as constraints; a seed of -1 becomes a new one each time. */
kw_status kw_runner_constrain(kw_runner *runner, kw_error *err);
void kw_runner_free(kw_runner *runner);
/* Announces the model as the JSON event "start". */
void kw_runner_start(kw_runner *runner);
/* Reads text after what the session holds, or as the user's message, and writes the answer. The
 * result's struct_size need not be set. Ends with a line end on stdout; a full context is told on
 * stderr. */
kw_status kw_runner_answer(kw_runner *runner, kw_str text, kw_result *result, kw_error *err);
/* After an error of kw_runner_answer: what else could be done about it. */
void kw_runner_advise(const kw_runner *runner, kw_status status);
/* The block of --verbose. */
void kw_runner_report(kw_runner *runner, const kw_result *result);

#endif
