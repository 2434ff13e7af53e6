/* sample_same.c - is a control that was read the one that was written?   SPDX-License-Identifier: MIT */
#include "tests/proto/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void same_attributes(const struct wire_attributes *a, const struct wire_attributes *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->keep, b->keep);
    assert_int_equal(a->slow, b->slow);
    assert_int_equal(a->capacity, b->capacity);
    assert_int_equal(a->capacity_bytes, b->capacity_bytes);
    assert_int_equal(a->max_deliveries, b->max_deliveries);
    assert_int_equal(a->ttl_ms, b->ttl_ms);
    assert_string_equal(a->type, b->type);
}

static void same_counts(const struct wire_counts *a, const struct wire_counts *b)
{
    assert_memory_equal(a, b, sizeof *a);
}

static void same_binding(const struct wire_binding_info *a, const struct wire_binding_info *b)
{
    assert_string_equal(a->node, b->node);
    assert_int_equal(a->direction, b->direction);
    assert_int_equal(a->accepted, b->accepted);
    same_counts(&a->counts, &b->counts);
    assert_int_equal(a->lent, b->lent);
    assert_int_equal(a->delivered, b->delivered);
    assert_int_equal(a->taken, b->taken);
    assert_int_equal(a->waiting, b->waiting);
}

static void same_channel(const struct wire_channel_info *a, const struct wire_channel_info *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->incarnation, b->incarnation);
    assert_int_equal(a->epoch, b->epoch);
    same_attributes(&a->attributes, &b->attributes);
    assert_int_equal(a->senders, b->senders);
    assert_int_equal(a->receivers, b->receivers);
    assert_int_equal(a->closed, b->closed);
    assert_int_equal(a->accepted, b->accepted);
    assert_int_equal(a->taken, b->taken);
    assert_int_equal(a->buffered, b->buffered);
    assert_int_equal(a->delivered, b->delivered);
    assert_int_equal(a->delayed, b->delayed);
    assert_int_equal(a->expired, b->expired);
    assert_int_equal(a->dropped_cancelled, b->dropped_cancelled);
    assert_int_equal(a->dropped_purged, b->dropped_purged);
    assert_int_equal(a->dropped_slow, b->dropped_slow);
    assert_int_equal(a->dropped_nobody, b->dropped_nobody);
    assert_int_equal(a->dead, b->dead);
    assert_int_equal(a->redelivered, b->redelivered);
    assert_int_equal(a->lent, b->lent);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->age_ms, b->age_ms);
    assert_int_equal(a->n_bindings, b->n_bindings);
    assert_int_equal(a->n_taps, b->n_taps);
    for (uint32_t i = 0; i < a->n_taps; i++) {
        assert_string_equal(a->taps[i].node, b->taps[i].node);
        assert_int_equal(a->taps[i].rate, b->taps[i].rate);
        assert_int_equal(a->taps[i].tapped, b->taps[i].tapped);
        assert_int_equal(a->taps[i].skipped, b->taps[i].skipped);
    }
    for (uint32_t i = 0; i < a->n_bindings; i++)
        same_binding(&a->bindings[i], &b->bindings[i]);
}

static void same_goroutines(const struct wire_goroutine *a, const struct wire_goroutine *b,
                            uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(a[i].id, b[i].id);
        assert_string_equal(a[i].name, b[i].name);
        assert_int_equal(a[i].doing, b[i].doing);
        assert_int_equal(a[i].system, b[i].system);
        assert_string_equal(a[i].why, b[i].why);
        assert_int_equal(a[i].waited_ms, b[i].waited_ms);
        assert_int_equal(a[i].sends, b[i].sends);
        assert_int_equal(a[i].receives, b[i].receives);
        assert_string_equal(a[i].stack, b[i].stack);
        assert_int_equal(a[i].n_waits, b[i].n_waits);
        for (uint32_t k = 0; k < a[i].n_waits; k++) {
            assert_string_equal(a[i].waits[k].channel, b[i].waits[k].channel);
            assert_int_equal(a[i].waits[k].direction, b[i].waits[k].direction);
        }
    }
}

static void same_node(const struct wire_node_info *a, const struct wire_node_info *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->session, b->session);
    assert_string_equal(a->host, b->host);
    assert_int_equal(a->pid, b->pid);
    assert_int_equal(a->voice, b->voice);
    assert_int_equal(a->heard_ms, b->heard_ms);
    assert_int_equal(a->connected, b->connected);
    assert_int_equal(a->sends, b->sends);
    assert_int_equal(a->receives, b->receives);
    assert_int_equal(a->last, b->last);
    assert_int_equal(a->n_goroutines, b->n_goroutines);
    same_goroutines(a->goroutines, b->goroutines, a->n_goroutines);
}

static void same_element(const struct wire_element *a, const struct wire_element *b)
{
    assert_int_equal(a->position, b->position);
    assert_int_equal(a->deliveries, b->deliveries);
    assert_int_equal(a->place, b->place);
    assert_string_equal(a->node, b->node);
    assert_int_equal(a->age_ms, b->age_ms);
    assert_int_equal(a->due_ms, b->due_ms);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->offset, b->offset);
    assert_int_equal(a->skipped, b->skipped);
    assert_int_equal(a->len, b->len);
    if (a->len > 0)
        assert_memory_equal(a->bytes, b->bytes, a->len);
}

void sample_same(const struct wire_control *a, const struct wire_control *b)
{
    assert_int_equal(a->what, b->what);
    assert_int_equal(a->bind, b->bind);
    switch (a->what) {
    case WIRE_BIND:
        assert_string_equal(a->bind_.name, b->bind_.name);
        assert_int_equal(a->bind_.direction, b->bind_.direction);
        same_attributes(&a->bind_.attributes, &b->bind_.attributes);
        assert_int_equal(a->bind_.must_exist, b->bind_.must_exist);
        assert_int_equal(a->bind_.prefetch, b->bind_.prefetch);
        assert_int_equal(a->bind_.autoclose, b->bind_.autoclose);
        assert_int_equal(a->bind_.senders_min, b->bind_.senders_min);
        assert_int_equal(a->bind_.manual_ack, b->bind_.manual_ack);
        assert_int_equal(a->bind_.reply, b->bind_.reply);
        break;
    case WIRE_BOUND:
    case WIRE_OPENED:
        assert_int_equal(a->bound.incarnation, b->bound.incarnation);
        assert_int_equal(a->bound.epoch, b->bound.epoch);
        same_attributes(&a->bound.attributes, &b->bound.attributes);
        break;
    case WIRE_REFUSED:
    case WIRE_FAILED_:
        assert_int_equal(a->refused.code, b->refused.code);
        assert_string_equal(a->refused.sentence, b->refused.sentence);
        break;
    case WIRE_ASK:
        assert_int_equal(a->ask.waiting, b->ask.waiting);
        assert_int_equal(a->ask.first_bytes, b->ask.first_bytes);
        assert_int_equal(a->ask.bytes, b->ask.bytes);
        assert_int_equal(a->ask.weak, b->ask.weak);
        assert_int_equal(a->ask.adjusted, b->ask.adjusted);
        assert_int_equal(a->ask.sole, b->ask.sole);
        break;
    case WIRE_CREDIT:
    case WIRE_RETURNED:
        assert_int_equal(a->credit.elements, b->credit.elements);
        assert_int_equal(a->credit.bytes, b->credit.bytes);
        assert_int_equal(a->credit.first, b->credit.first);
        break;
    case WIRE_RECALL:
    case WIRE_CLOSE:
    case WIRE_CLOSED_:
        assert_int_equal(a->recall.elements, b->recall.elements);
        assert_int_equal(a->recall.closing, b->recall.closing);
        assert_int_equal(a->recall.code, b->recall.code);
        assert_int_equal(a->recall.reason, b->recall.reason);
        break;
    case WIRE_ACCEPTED:
    case WIRE_TAKEN:
    case WIRE_WITHDRAW:
        assert_int_equal(a->number, b->number);
        break;
    case WIRE_LOST_:
        assert_int_equal(a->lost.number, b->lost.number);
        assert_int_equal(a->lost.code, b->lost.code);
        break;
    case WIRE_SETTLE:
        assert_int_equal(a->settle.verdict, b->settle.verdict);
        assert_int_equal(a->settle.delay_ms, b->settle.delay_ms);
        assert_string_equal(a->settle.why, b->settle.why);
        assert_int_equal(a->settle.n_ranges, b->settle.n_ranges);
        assert_memory_equal(a->settle.ranges, b->settle.ranges,
                            a->settle.n_ranges * sizeof *a->settle.ranges);
        break;
    case WIRE_CLAIM:
    case WIRE_CLAIMED:
    case WIRE_REFUSE:
    case WIRE_COMMIT:
    case WIRE_ABORT:
        assert_int_equal(a->meet.claim, b->meet.claim);
        assert_int_equal(a->meet.number, b->meet.number);
        assert_int_equal(a->meet.offer.number, b->meet.offer.number);
        assert_memory_equal(a->meet.offer.instance, b->meet.offer.instance,
                            sizeof a->meet.offer.instance);
        assert_int_equal(a->meet.asks, b->meet.asks);
        break;
    case WIRE_COUNTS:
        same_counts(&a->counts, &b->counts);
        break;
    case WIRE_QUERY:
        assert_string_equal(a->query_name, b->query_name);
        assert_int_equal(a->query_want, b->query_want);
        assert_string_equal(a->query_node, b->query_node);
        break;
    case WIRE_INSPECT:
        assert_string_equal(a->inspect.channel, b->inspect.channel);
        assert_int_equal(a->inspect.end, b->inspect.end);
        break;
    case WIRE_REPORT:
        assert_string_equal(a->report.host, b->report.host);
        assert_int_equal(a->report.pid, b->report.pid);
        assert_int_equal(a->report.last, b->report.last);
        assert_int_equal(a->report.n_goroutines, b->report.n_goroutines);
        same_goroutines(a->report.goroutines, b->report.goroutines, a->report.n_goroutines);
        break;
    case WIRE_ANSWER:
        assert_int_equal(a->answer.last, b->answer.last);
        assert_int_equal(a->answer.n_channels, b->answer.n_channels);
        for (uint32_t i = 0; i < a->answer.n_channels; i++)
            same_channel(&a->answer.channels[i], &b->answer.channels[i]);
        assert_int_equal(a->answer.n_nodes, b->answer.n_nodes);
        for (uint32_t i = 0; i < a->answer.n_nodes; i++)
            same_node(&a->answer.nodes[i], &b->answer.nodes[i]);
        assert_int_equal(a->answer.code, b->answer.code);
        assert_string_equal(a->answer.sentence, b->answer.sentence);
        assert_int_equal(a->answer.n_elements, b->answer.n_elements);
        for (uint32_t i = 0; i < a->answer.n_elements; i++)
            same_element(&a->answer.elements[i], &b->answer.elements[i]);
        assert_int_equal(a->answer.more, b->answer.more);
        assert_int_equal(a->answer.incarnation, b->answer.incarnation);
        assert_int_equal(a->answer.dropped, b->answer.dropped);
        assert_int_equal(a->answer.dropped_bytes, b->answer.dropped_bytes);
        assert_int_equal(a->answer.tap, b->answer.tap);
        assert_int_equal(a->answer.skipped, b->answer.skipped);
        break;
    case WIRE_PEEK:
    case WIRE_PURGE:
    case WIRE_REMOVE:
    case WIRE_TAP:
        assert_int_equal(a->peek.tap, b->peek.tap);
        assert_int_equal(a->peek.rate, b->peek.rate);
        assert_int_equal(a->peek.end, b->peek.end);
        assert_int_equal(a->peek.force, b->peek.force);
        assert_string_equal(a->peek.name, b->peek.name);
        assert_int_equal(a->peek.from, b->peek.from);
        assert_int_equal(a->peek.offset, b->peek.offset);
        assert_int_equal(a->peek.count, b->peek.count);
        break;
    case WIRE_UNBIND:
        assert_int_equal(a->unbind.abandoned, b->unbind.abandoned);
        break;
    case WIRE_GOODBYE:
        assert_int_equal(a->goodbye.unsent, b->goodbye.unsent);
        break;
    default:
        break;
    }
}
