/* controls.c - see controls.h.   SPDX-License-Identifier: MIT
 *
 * Written member by member, as a second reading of wire.h: a member that the codec forgets in one direction is found
 * here. */
#include "tests/fuzz/controls.h"

#include "proto/limits.h"
#include "tests/fuzz/input.h"

#include <string.h>

#define alike(member) (a->member == b->member)

/* ---- sound ------------------------------------------------------------------------------------------------------- */

static void sound_text(const char *s, size_t max)
{
    must(s != NULL);
    must(strnlen(s, max + 1) <= max);
}

static void sound_attributes(const struct wire_attributes *a)
{
    must((unsigned)a->kind <= WIRE_FANOUT);
    must((unsigned)a->keep <= WIRE_QUORUM);
    must((unsigned)a->slow <= WIRE_SLOW_CUT);
    sound_text(a->type, WIRE_TYPE_MAX);
}

static void sound_channel(const struct wire_channel_info *c)
{
    sound_text(c->name, WIRE_NAME_MAX);
    sound_attributes(&c->attributes);
    must((c->n_taps == 0) == (c->taps == NULL));
    for (uint32_t i = 0; i < c->n_taps; i++)
        sound_text(c->taps[i].node, WIRE_TEXT_MAX);
    must((c->n_bindings == 0) == (c->bindings == NULL));
    for (uint32_t i = 0; i < c->n_bindings; i++) {
        sound_text(c->bindings[i].node, WIRE_TEXT_MAX);
        must((unsigned)c->bindings[i].direction <= WIRE_OUT);
    }
}

static void sound_goroutine(const struct wire_goroutine *g)
{
    sound_text(g->name, WIRE_TEXT_MAX);
    sound_text(g->why, WIRE_TEXT_MAX);
    sound_text(g->stack, WIRE_STACK_MAX);
    must((unsigned)g->doing <= WIRE_OUTSIDE);
    must(g->n_waits <= WIRE_WAITS_MAX);
    must((g->n_waits == 0) == (g->waits == NULL));
    for (uint32_t i = 0; i < g->n_waits; i++) {
        sound_text(g->waits[i].channel, WIRE_NAME_MAX);
        must((unsigned)g->waits[i].direction <= WIRE_OUT);
    }
}

static void sound_goroutines(const struct wire_goroutine *all, uint32_t n)
{
    must((n == 0) == (all == NULL));
    for (uint32_t i = 0; i < n; i++)
        sound_goroutine(&all[i]);
}

static void sound_node(const struct wire_node_info *n)
{
    sound_text(n->name, WIRE_TEXT_MAX);
    sound_text(n->host, WIRE_TEXT_MAX);
    must((unsigned)n->voice <= WIRE_LEFT);
    sound_goroutines(n->goroutines, n->n_goroutines);
}

static void sound_element(const struct wire_element *e)
{
    must((unsigned)e->place <= WIRE_PLACE_LAST);
    sound_text(e->node, WIRE_TEXT_MAX);
    must(e->offset <= e->size);
    must(e->len <= e->size - e->offset);
    must(e->len == 0 || e->bytes != NULL);
}

static void sound_answer(const struct wire_control *c)
{
    must((unsigned)c->answer.code <= WIRE_CODE_LAST);
    sound_text(c->answer.sentence, WIRE_TEXT_MAX);
    must((c->answer.n_channels == 0) == (c->answer.channels == NULL));
    must((c->answer.n_nodes == 0) == (c->answer.nodes == NULL));
    for (uint32_t i = 0; i < c->answer.n_channels; i++)
        sound_channel(&c->answer.channels[i]);
    for (uint32_t i = 0; i < c->answer.n_nodes; i++)
        sound_node(&c->answer.nodes[i]);
    must((c->answer.n_elements == 0) == (c->answer.elements == NULL));
    for (uint32_t i = 0; i < c->answer.n_elements; i++)
        sound_element(&c->answer.elements[i]);
}

static bool is_ending(enum wire_code code)
{
    return code == WIRE_CLOSED || code == WIRE_FAILED || code == WIRE_CANCELLED;
}

static void sound_ranges(const struct wire_range *r, uint32_t n)
{
    uint64_t end = 0;

    must(n > 0);
    must(n <= WIRE_RANGES_MAX);
    for (uint32_t i = 0; i < n; i++) {
        must(r[i].count > 0);
        must(r[i].first > end);
        must(r[i].count - 1 <= UINT64_MAX - r[i].first);
        end = r[i].first + r[i].count - 1;
    }
}

void control_must_be_sound(const struct wire_control *c)
{
    must((c->what >= WIRE_BIND && c->what <= WIRE_LOST_) ||
         (c->what >= WIRE_CLAIM && c->what <= WIRE_WITHDRAW) ||
         (c->what >= WIRE_PEEK && c->what <= WIRE_TAP));
    switch (c->what) {
    case WIRE_BIND:
        sound_text(c->bind_.name, WIRE_NAME_MAX);
        must((unsigned)c->bind_.direction <= WIRE_OUT);
        sound_attributes(&c->bind_.attributes);
        break;
    case WIRE_BOUND:
    case WIRE_OPENED:
        sound_attributes(&c->bound.attributes);
        break;
    case WIRE_REFUSED:
    case WIRE_FAILED_:
        must((unsigned)c->refused.code <= WIRE_CODE_LAST);
        sound_text(c->refused.sentence, WIRE_TEXT_MAX);
        break;
    case WIRE_RECALL:
        must((unsigned)c->recall.code <= WIRE_CODE_LAST);
        must(!c->recall.closing || is_ending(c->recall.code));
        break;
    case WIRE_CLOSED_:
        must(is_ending(c->recall.code));
        break;
    case WIRE_QUERY:
        must((unsigned)c->query_want <= WIRE_DUMP);
        sound_text(c->query_name, WIRE_NAME_MAX);
        sound_text(c->query_node, WIRE_TEXT_MAX);
        break;
    case WIRE_ANSWER:
        sound_answer(c);
        break;
    case WIRE_INSPECT:
        sound_text(c->inspect.channel, WIRE_NAME_MAX);
        break;
    case WIRE_REPORT:
        sound_text(c->report.host, WIRE_TEXT_MAX);
        sound_goroutines(c->report.goroutines, c->report.n_goroutines);
        break;
    case WIRE_LOST_:
        must(c->lost.code == WIRE_OK || c->lost.code == WIRE_SLOW);
        break;
    case WIRE_SETTLE:
        must((unsigned)c->settle.verdict <= WIRE_LOST);
        sound_text(c->settle.why, WIRE_WHY_MAX);
        sound_ranges(c->settle.ranges, c->settle.n_ranges);
        break;
    case WIRE_PEEK:
    case WIRE_PURGE:
    case WIRE_REMOVE:
    case WIRE_TAP:
        sound_text(c->peek.name, WIRE_NAME_MAX);
        break;
    default: /* any number is one */
        break;
    }
}

/* ---- the same ---------------------------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool same_attributes(const struct wire_attributes *a, const struct wire_attributes *b)
{
    return alike(kind) && alike(keep) && alike(slow) && alike(capacity) && alike(capacity_bytes) &&
           alike(max_deliveries) && alike(ttl_ms) && same_text(a->type, b->type);
}

static bool same_counts(const struct wire_counts *a, const struct wire_counts *b)
{
    return alike(sent) && alike(confirmed) && alike(queued) && alike(unknown);
}

static bool same_binding(const struct wire_binding_info *a, const struct wire_binding_info *b)
{
    return same_text(a->node, b->node) && alike(direction) && alike(accepted) &&
           same_counts(&a->counts, &b->counts) && alike(lent) && alike(delivered) && alike(taken) &&
           alike(waiting) && alike(buffered) && alike(delayed) && alike(lost) && alike(dead);
}

static bool same_tap(const struct wire_tap_info *a, const struct wire_tap_info *b)
{
    return same_text(a->node, b->node) && alike(rate) && alike(tapped) && alike(skipped);
}

static bool same_channel(const struct wire_channel_info *a, const struct wire_channel_info *b)
{
    bool same = same_text(a->name, b->name) && alike(incarnation) && alike(epoch) &&
                same_attributes(&a->attributes, &b->attributes) && alike(senders) &&
                alike(receivers) && alike(closed) && alike(accepted) && alike(taken) &&
                alike(buffered) && alike(delivered) && alike(delayed) && alike(expired) &&
                alike(dropped_cancelled) && alike(dropped_purged) && alike(dropped_slow) &&
                alike(dropped_nobody) && alike(dead) && alike(redelivered) && alike(lent) &&
                alike(bytes) && alike(copied) && alike(dropped_left) && alike(parked) &&
                alike(age_ms) && alike(n_taps) && alike(n_bindings);

    for (uint32_t i = 0; same && i < a->n_taps; i++)
        same = same_tap(&a->taps[i], &b->taps[i]);
    for (uint32_t i = 0; same && i < a->n_bindings; i++)
        same = same_binding(&a->bindings[i], &b->bindings[i]);
    return same;
}

static bool same_goroutine(const struct wire_goroutine *a, const struct wire_goroutine *b)
{
    bool same = alike(id) && same_text(a->name, b->name) && alike(doing) && alike(system) &&
                same_text(a->why, b->why) && alike(waited_ms) && alike(n_waits) && alike(sends) &&
                alike(receives) && same_text(a->stack, b->stack);

    for (uint32_t i = 0; same && i < a->n_waits; i++)
        same = a->waits[i].direction == b->waits[i].direction &&
               same_text(a->waits[i].channel, b->waits[i].channel);
    return same;
}

static bool same_goroutines(const struct wire_goroutine *a, uint32_t n_a,
                            const struct wire_goroutine *b, uint32_t n_b)
{
    bool same = n_a == n_b;

    for (uint32_t i = 0; same && i < n_a; i++)
        same = same_goroutine(&a[i], &b[i]);
    return same;
}

static bool same_node(const struct wire_node_info *a, const struct wire_node_info *b)
{
    return same_text(a->name, b->name) && alike(session) && same_text(a->host, b->host) &&
           alike(pid) && alike(voice) && alike(heard_ms) && alike(connected) && alike(sends) &&
           alike(receives) && alike(last) &&
           same_goroutines(a->goroutines, a->n_goroutines, b->goroutines, b->n_goroutines);
}

static bool same_element(const struct wire_element *a, const struct wire_element *b)
{
    return alike(position) && alike(deliveries) && alike(place) && same_text(a->node, b->node) &&
           alike(age_ms) && alike(due_ms) && alike(flags) && alike(size) && alike(offset) &&
           alike(skipped) && alike(len) && (a->len == 0 || memcmp(a->bytes, b->bytes, a->len) == 0);
}

static bool same_answer(const struct wire_control *a, const struct wire_control *b)
{
    bool same = alike(answer.n_channels) && alike(answer.n_nodes) && alike(answer.last) &&
                alike(answer.code) && same_text(a->answer.sentence, b->answer.sentence) &&
                alike(answer.n_elements) && alike(answer.more) && alike(answer.incarnation) &&
                alike(answer.dropped) && alike(answer.dropped_bytes) && alike(answer.tap) &&
                alike(answer.skipped);

    for (uint32_t i = 0; same && i < a->answer.n_channels; i++)
        same = same_channel(&a->answer.channels[i], &b->answer.channels[i]);
    for (uint32_t i = 0; same && i < a->answer.n_nodes; i++)
        same = same_node(&a->answer.nodes[i], &b->answer.nodes[i]);
    for (uint32_t i = 0; same && i < a->answer.n_elements; i++)
        same = same_element(&a->answer.elements[i], &b->answer.elements[i]);
    return same;
}

static bool same_bind(const struct wire_control *a, const struct wire_control *b)
{
    return same_text(a->bind_.name, b->bind_.name) && alike(bind_.direction) &&
           same_attributes(&a->bind_.attributes, &b->bind_.attributes) && alike(bind_.must_exist) &&
           alike(bind_.prefetch) && alike(bind_.autoclose) && alike(bind_.senders_min) &&
           alike(bind_.manual_ack) && alike(bind_.reply);
}

static bool same_operation(const struct wire_operation *a, const struct wire_operation *b)
{
    return alike(number) && memcmp(a->instance, b->instance, sizeof a->instance) == 0;
}

static bool same_rest(const struct wire_control *a, const struct wire_control *b)
{
    switch (a->what) {
    case WIRE_BIND:
        return same_bind(a, b);
    case WIRE_BOUND:
    case WIRE_OPENED:
        return alike(bound.incarnation) && alike(bound.epoch) &&
               same_attributes(&a->bound.attributes, &b->bound.attributes);
    case WIRE_REFUSED:
    case WIRE_FAILED_:
        return alike(refused.code) && same_text(a->refused.sentence, b->refused.sentence);
    case WIRE_ASK:
        return alike(ask.waiting) && alike(ask.first_bytes) && alike(ask.bytes) &&
               alike(ask.weak) && alike(ask.adjusted) && alike(ask.sole);
    case WIRE_CREDIT:
    case WIRE_RETURNED:
        return alike(credit.elements) && alike(credit.bytes) && alike(credit.first) &&
               alike(credit.but);
    case WIRE_RECALL:
    case WIRE_CLOSE:
    case WIRE_CLOSED_:
        return alike(recall.elements) && alike(recall.closing) && alike(recall.code) &&
               alike(recall.reason);
    case WIRE_ACCEPTED:
    case WIRE_TAKEN:
    case WIRE_WITHDRAW:
        return alike(number);
    case WIRE_COUNTS:
        return same_counts(&a->counts, &b->counts);
    case WIRE_QUERY:
        return same_text(a->query_name, b->query_name) && alike(query_want) &&
               same_text(a->query_node, b->query_node);
    case WIRE_ANSWER:
        return same_answer(a, b);
    case WIRE_INSPECT:
        return same_text(a->inspect.channel, b->inspect.channel) && alike(inspect.end);
    case WIRE_REPORT:
        return same_text(a->report.host, b->report.host) && alike(report.pid) &&
               alike(report.last) &&
               same_goroutines(a->report.goroutines, a->report.n_goroutines, b->report.goroutines,
                               b->report.n_goroutines);
    case WIRE_LOST_:
        return alike(lost.number) && alike(lost.code);
    case WIRE_SETTLE:
        return alike(settle.verdict) && same_text(a->settle.why, b->settle.why) &&
               alike(settle.delay_ms) && alike(settle.n_ranges) &&
               memcmp(a->settle.ranges, b->settle.ranges,
                      a->settle.n_ranges * sizeof *a->settle.ranges) == 0;
    case WIRE_CLAIM:
    case WIRE_CLAIMED:
    case WIRE_REFUSE:
    case WIRE_COMMIT:
    case WIRE_ABORT:
        return alike(meet.claim) && alike(meet.number) &&
               same_operation(&a->meet.offer, &b->meet.offer) && alike(meet.asks);
    case WIRE_PEEK:
    case WIRE_PURGE:
    case WIRE_REMOVE:
    case WIRE_TAP:
        return same_text(a->peek.name, b->peek.name) && alike(peek.from) && alike(peek.offset) &&
               alike(peek.count) && alike(peek.force) && alike(peek.tap) && alike(peek.rate) &&
               alike(peek.end);
    case WIRE_UNBIND:
    case WIRE_UNBOUND:
    case WIRE_GOODBYE:
        return true;
    }
    return false;
}

bool control_same(const struct wire_control *a, const struct wire_control *b)
{
    return alike(what) && alike(bind) && same_rest(a, b);
}
