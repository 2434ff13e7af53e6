/* message.h - what is in the pipes of the harness.   SPDX-License-Identifier: MIT */
#ifndef TESTS_CORE_MESSAGE_H
#define TESTS_CORE_MESSAGE_H

#include "tests/core/harness.h"

/* A copy of the control, with all that it points to. */
struct message *message_new(const struct wire_control *c);
void message_free(struct message *m);

/* Copies the text (NULL: "") to where it stays; gives that. */
const char *message_text(char *to, size_t size, const char *text);

#endif
