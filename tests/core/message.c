/* message.c - what is in the pipes of the harness.   SPDX-License-Identifier: MIT */
#include "tests/core/message.h"

#include "runtime/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void message_free(struct message *m)
{
    if (m->frame != NULL)
        frame_unref(m->frame);
    free(m->elements);
    free(m);
}

const char *message_text(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text != NULL ? text : "");
    return to;
}

static void keep_elements(struct message *m)
{
    uint32_t n = m->control.answer.n_elements;
    size_t bytes = 0;

    for (uint32_t i = 0; i < n; i++)
        bytes += m->control.answer.elements[i].len;
    m->elements = malloc(n * sizeof *m->elements + bytes);
    rn_assert(m->elements != NULL);
    uint8_t *to = (uint8_t *)(m->elements + n);
    for (uint32_t i = 0; i < n; i++) {
        struct wire_element *e = &m->elements[i];
        *e = m->control.answer.elements[i];
        memcpy(to, e->bytes, e->len);
        e->bytes = to;
        to += e->len;
    }
    m->control.answer.elements = m->elements;
}

struct message *message_new(const struct wire_control *c)
{
    struct message *m = calloc(1, sizeof *m);

    rn_assert(m != NULL);
    m->control = *c;
    m->bind = c->bind;
    if (c->what == WIRE_BIND) {
        m->control.bind_.name = message_text(m->text, sizeof m->text, c->bind_.name);
        m->control.bind_.attributes.type = message_text(m->type, sizeof m->type,
                                                        c->bind_.attributes.type);
    } else if (c->what == WIRE_BOUND || c->what == WIRE_OPENED) {
        m->control.bound.attributes.type = message_text(m->type, sizeof m->type,
                                                        c->bound.attributes.type);
    } else if (c->what == WIRE_REFUSED || c->what == WIRE_FAILED_) {
        m->control.refused.sentence = message_text(m->text, sizeof m->text, c->refused.sentence);
    } else if (c->what == WIRE_QUERY) {
        m->control.query_name = message_text(m->text, sizeof m->text, c->query_name);
    } else if (c->what >= WIRE_PEEK && c->what <= WIRE_TAP) {
        m->control.peek.name = message_text(m->text, sizeof m->text, c->peek.name);
    } else if (c->what == WIRE_ANSWER && c->answer.n_channels > 0) {
        m->info = c->answer.channels[0];
        m->info.name = message_text(m->text, sizeof m->text, m->info.name);
        m->info.bindings = NULL;
        if (m->info.n_taps > 0)
            m->tap = m->info.taps[0];
        m->info.taps = NULL;
    } else if (c->what == WIRE_ANSWER) {
        m->control.answer.sentence = message_text(m->text, sizeof m->text, c->answer.sentence);
        keep_elements(m);
    } else if (c->what == WIRE_SETTLE) {
        rn_assert(c->settle.n_ranges <= RANGES_MAX);
        m->control.settle.why = message_text(m->text, sizeof m->text, c->settle.why);
        memcpy(m->ranges, c->settle.ranges, c->settle.n_ranges * sizeof *m->ranges);
        m->control.settle.ranges = m->ranges;
    }
    return m;
}
