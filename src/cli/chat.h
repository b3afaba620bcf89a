/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* chat.h - kwaai run without a prompt: text after text, each continued by the model. */
#ifndef KW_CLI_CHAT_H
#define KW_CLI_CHAT_H

#include "cli/answer.h"

/* Asks and answers until the user leaves; first is answered before anything is asked when
 * have_first is set. Returns the exit code. */
int kw_chat_loop(kw_runner *runner, kw_str first, bool have_first);

#endif
