/* call.c - senders that wait to be called, and silent nodes, which are not waited for.   SPDX-License-Identifier: MIT
 *
 * Invariant: line.calls = the calls that are out to nodes that are heard from. */
#include "broker/core/call.h"

#include "broker/core/meet.h"
#include "broker/core/state.h"
#include "runtime/reach.h"

void call_say(struct binding *b, struct wire_control c)
{
    if (!b->ended)
        binding_control(b, &c);
}

struct wire_control call_aborted(uint64_t number, bool asks)
{
    return (struct wire_control){ .what = WIRE_ABORT, .meet = { .number = number, .asks = asks } };
}

/* ---- waiting ------------------------------------------------------------------------------------------------------ */

void call_adjust(struct binding *b, int change)
{
    b->adjusted += change;
    b->sole = 0;
    if (change < 0)
        (void)side_answer(b, 1);
    else if (b->lacking > 0)
        b->lacking--;
    else if (b->waiting < UINT32_MAX)
        side_wait(b, b->waiting + 1);
}

void call_line_up(struct binding *b, int64_t stamp)
{
    struct channel *ch = b->channel;

    if (hook_linked(&b->place.hook) && b->place.stamp <= stamp)
        return;
    line_leave(&b->place);
    b->place.stamp = stamp;
    if (b->waiting > 0 && !ch->closed && !call_is_mute(b))
        line_join(&ch->line, &b->place);
}

void call_again(struct binding *b, const struct wire_operation *operation, int64_t stamp)
{
    call_adjust(b, +1);
    if (b->waiting == 1)
        b->sole = operation->number;
    call_line_up(b, stamp);
}

/* ---- silence ------------------------------------------------------------------------------------------------------ */

int64_t call_silent_until(const struct binding *b, int64_t said_ns)
{
    const struct core_session *s = b->session;

    return (s->heard_ns > said_ns ? s->heard_ns : said_ns) + MEET_SILENCE_NS;
}

void call_mute(struct binding *b)
{
    if (call_is_mute(b))
        return;
    hook_put(&b->session->mute, &b->mute);
    if (b->direction == WIRE_IN) {
        side_unask(b);
        return;
    }
    rn_reached("call: a silent sender is not waited for");
    b->channel->line.calls -= b->held;
    line_leave(&b->place);
}

/* The calls to b wait for answers from now on. */
static void call_await(struct binding *b)
{
    struct core *core = b->session->core;

    b->called_ns = core->now_ns;
    due_put(&core->dues, &b->silence, core->now_ns + MEET_SILENCE_NS);
}

void meet_heard(struct binding *b)
{
    hook_take(&b->mute);
    if (b->direction == WIRE_IN) {
        meet_place(b);
    } else {
        b->channel->line.calls += b->held;
        if (b->held > 0)
            call_await(b);
        call_line_up(b, b->place.stamp);
    }
    channel_after(b->channel);
}

static void call_unanswered(struct due *d)
{
    struct binding *b = due_entry(d, struct binding, silence);
    struct core *core = b->session->core;
    int64_t until = call_silent_until(b, b->called_ns);

    if (until > core->now_ns) {
        due_put(&core->dues, d, until);
        return;
    }
    call_mute(b);
    channel_after(b->channel);
}

/* ---- calls -------------------------------------------------------------------------------------------------------- */

void call_sender(struct binding *b, uint64_t but)
{
    struct line *line = &b->channel->line;

    if (b->grant > 0 && b->grant_but != but)
        binding_speak(b);
    b->grant_but = but;
    if (b->held == 0) {
        b->call_stamp = b->place.stamp;
        call_await(b);
    }
    call_adjust(b, -1);
    side_hold(b, 1, 0, 0);
    line->calls++;
    b->grant++;
    binding_will_speak(b);
    line_leave(&b->place);
    call_line_up(b, line_stamp(line));
}

void call_answered(struct binding *b, uint64_t n)
{
    side_release(b, n, 0);
    if (!call_is_mute(b))
        b->channel->line.calls -= n;
    if (b->held == 0)
        due_take(&b->silence);
}

void meet_join(struct binding *b)
{
    hook_init(&b->mute);
    place_init(&b->place, /* is_offer= */ false);
    due_init(&b->silence, call_unanswered);
}
