/* core.c - sessions, the dispatch of controls, and the flush.   SPDX-License-Identifier: MIT
 *
 * Read core.h first, then channel.h; credit.c is the senders' side, match.c the receivers'.  All that costs more than
 * the binding it is about - who gets what - happens in the flush, once per channel that was touched. */
#include "broker/core/core.h"

#include "broker/core/bind.h"
#include "broker/core/credit.h"
#include "broker/core/fold.h"
#include "broker/core/inspect.h"
#include "broker/core/match.h"
#include "broker/core/meet.h"
#include "broker/core/nap.h"
#include "broker/core/peek.h"
#include "broker/core/purge.h"
#include "broker/core/pieces.h"
#include "broker/core/reply.h"
#include "broker/core/settle.h"
#include "broker/core/tap.h"
#include "proto/fetch.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_NS_DEFAULT    INT64_C(60000000000)
#define FOLD_NS_DEFAULT    INT64_C(1000000000)
#define NO_MEMORY_RETRY_NS INT64_C(50000000)
#define EXPECT_BODY        256 /* bytes; what is longer the processor fetches by itself */

struct core *core_new(const struct core_opts *opts)
{
    struct core *core = calloc(1, sizeof *core);

    if (core == NULL)
        return NULL;
    core->opts = *opts;
    if (core->opts.idle_ns == 0)
        core->opts.idle_ns = IDLE_NS_DEFAULT;
    if (core->opts.fold_ns == 0)
        core->opts.fold_ns = FOLD_NS_DEFAULT;
    core->whole_max = core->opts.piece_bytes == 0 ? WIRE_WHOLE_MAX : 4 * core->opts.piece_bytes;
    if (core->opts.piece_bytes == 0)
        core->opts.piece_bytes = WIRE_PIECE_BYTES;
    core->starved_at = INT64_MAX;
    core->seed = core->opts.random(core->opts.random_arg);
    keyed_init(&core->channels, core->seed);
    hook_init(&core->calm);
    hook_init(&core->restless);
    hook_init(&core->sessions);
    hook_init(&core->ending);
    hook_init(&core->dirty);
    hook_init(&core->later);
    hook_init(&core->speakers);
    hook_init(&core->telling);
    hook_init(&core->eager);
    hook_init(&core->idle);
    hook_init(&core->doubtful);
    hook_init(&core->weak_due);
    return core;
}

static void see_time(struct core *core, int64_t now_ns)
{
    if (now_ns > core->now_ns)
        core->now_ns = now_ns;
}

static void check_slowly(const struct core *core)
{
#ifdef RN_SLOW_CHECKS
    core_check(core);
#else
    (void)core;
#endif
}

/* ---- sessions ------------------------------------------------------------------------------------------------------ */

struct core_session *core_session_new(struct core *core, const char *node,
                                      const uint8_t instance[16], void *owner)
{
    struct core_session *s = calloc(1, sizeof *s);

    if (s == NULL)
        return NULL;
    s->node = strdup(node);
    if (s->node == NULL) {
        free(s);
        return NULL;
    }
    s->core = core;
    s->owner = owner;
    s->heard_ns = core->now_ns;
    memcpy(s->instance, instance, sizeof s->instance);
    keyed_init(&s->bindings, core->seed);
    hook_init(&s->mute);
    hook_init(&s->taps);
    hook_init(&s->turn);
    hook_init(&s->heavy);
    hook_init(&s->eager);
    hook_init(&s->of_core);
    hook_put(&core->sessions, &s->of_core);
    return s;
}

void core_heard(struct core *core, struct core_session *s, int64_t now_ns)
{
    struct binding *b;

    see_time(core, now_ns);
    s->heard_ns = core->now_ns;
    while ((b = list_first(&s->mute, struct binding, mute)) != NULL)
        meet_heard(b);
}

/* From now on nothing is said about its bindings.  So what one of them gives back is not given to, nor a close told to,
 * another that is over too. */
static void hush(struct core_session *s)
{
    uint32_t at = 0;

    s->over = true;
    for (void *thing; (thing = keyed_each(&s->bindings, &at)) != NULL;)
        if (fold_of(thing) == NULL)
            ((struct binding *)thing)->ended = true;
}

/* The binding goes, and what it holds comes back.  Gives its channel. */
static struct channel *leave(struct binding *b, enum match_end how, enum parting parting)
{
    struct channel *ch = b->channel;
    enum wire_direction direction = b->direction;
    bool maker = b->maker;

    meet_leave(b);
    if (b->direction == WIRE_OUT)
        credit_leave(b);
    else
        match_leave(b, how);
    autoclose_leave(b, parting);
    binding_free(b);
    if (maker)
        reply_orphaned(ch, direction, parting);
    return ch;
}

/* Some binding of the session, as long as there is one; all in one walk over the table, though what is taken out moves others.
 * NULL: none is left, or it is folded, and there is no memory to open it. */
static struct binding *next_binding(const struct core_session *s, uint32_t *at)
{
    void *thing = keyed_each(&s->bindings, at);

    if (thing == NULL) {
        *at = 0;
        thing = keyed_each(&s->bindings, at);
    }
    if (thing == NULL)
        return NULL;
    --*at; /* what moves up comes to where it was, and so does what is opened */
    if (fold_of(thing) == NULL)
        return thing;
    if (fold_open(s->core, fold_of(thing), FOLD_TO_END) == NULL)
        return NULL;
    thing = keyed_each(&s->bindings, at);
    --*at;
    return thing;
}

static void session_free(struct core_session *s)
{
    tap_leave(s);
    keyed_fini(&s->bindings);
    hook_take(&s->eager);
    hook_take(&s->of_core);
    free(s->node);
    free(s);
}

/* All that it has goes, and so does it.  What there is no memory for goes later. */
static void part(struct core_session *s)
{
    struct core *core = s->core;
    struct binding *b;
    uint32_t at = 0;

    while ((b = next_binding(s, &at)) != NULL)
        channel_after(leave(b, MATCH_SESSION_OVER, s->parting));
    if (s->bindings.count == 0) {
        session_free(s);
        return;
    }
    tap_leave(s);
    hook_take(&s->eager);
    hook_put(&core->ending, &s->of_core);
    core->starved_at = core->now_ns + NO_MEMORY_RETRY_NS;
}

static void session_over(struct core *core, struct core_session *s, enum parting how,
                         int64_t now_ns)
{
    see_time(core, now_ns);
    s->parting = how;
    hush(s);
    part(s);
    check_slowly(core);
}

void core_session_end(struct core *core, struct core_session *s, int64_t now_ns)
{
    session_over(core, s, PARTING_DEATH, now_ns);
}

void core_session_leave(struct core *core, struct core_session *s, int64_t now_ns)
{
    session_over(core, s, PARTING_IN_ORDER, now_ns);
}

void core_free(struct core *core)
{
    void *thing;
    uint32_t next = 0;

    if (core == NULL)
        return;
    while ((thing = keyed_each(&core->channels, &next)) != NULL)
        if (fold_of(thing) != NULL) {
            fold_drop(core, fold_of(thing));
            --next; /* what moves up comes to where it was */
        }
    while (!list_empty(&core->ending)) {
        struct core_session *s = list_first(&core->ending, struct core_session, of_core);
        hook_put(&core->sessions, &s->of_core);
    }
    list_each(&core->sessions, at) hush(list_entry(at, struct core_session, of_core));
    while (!list_empty(&core->sessions)) {
        struct core_session *s = list_first(&core->sessions, struct core_session, of_core);
        struct binding *b;
        next = 0;
        while ((b = next_binding(s, &next)) != NULL)
            (void)leave(b, MATCH_SESSION_OVER, PARTING_DEATH);
        session_free(s);
    }
    while (core->channels.count > 0) {
        next = 0;
        while ((thing = keyed_each(&core->channels, &next)) != NULL) {
            channel_free(thing);
            --next; /* as above */
        }
    }
    keyed_fini(&core->channels);
    free(core);
}

/* ---- controls ------------------------------------------------------------------------------------------------------- */

static int broken(const char **why, const char *rule)
{
    *why = rule;
    return -EPROTO;
}

static int handle_unbind(struct binding *b, bool abandoned)
{
    struct core_session *s = b->session;
    struct wire_control c = { .what = WIRE_UNBOUND, .bind = b->number };

    if (channel_fans(b->channel))
        fan_accept(b->channel);
    binding_speak(b); /* what was accepted of it, before the last word */
    struct channel *ch = leave(b, MATCH_UNBOUND, abandoned ? PARTING_ABANDONED : PARTING_IN_ORDER);
    (void)s->core->opts.out.control(s->owner, &c);
    channel_after(ch);
    return 0;
}

static int handle_close(struct binding *b, int32_t reason)
{
    struct channel *ch = b->channel;

    if (b->ended)
        return 0;
    if (b->direction == WIRE_IN && reason < 0)
        channel_cancel(ch, reason);
    else
        channel_close(ch, reason == 0 ? WIRE_CLOSED : WIRE_FAILED, reason);
    return 0;
}

static int handle_meeting(struct binding *b, const struct wire_control *c, const char **why)
{
    if (!channel_meets(b->channel))
        return broken(why, "a control of a rendezvous on a channel that is none");
    if ((c->what == WIRE_WITHDRAW) != (b->direction == WIRE_OUT))
        return broken(why, "a control of a rendezvous on a binding of the other direction");
    if (c->what == WIRE_WITHDRAW)
        return meet_withdraw(b, c->number, why);
    if (c->what == WIRE_CLAIMED)
        return meet_claimed(b, c->meet.claim, why);
    return meet_refuse(b, c->meet.claim, why);
}

static int handle(struct binding *b, const struct wire_control *c, const char **why)
{
    bool out = b->direction == WIRE_OUT;

    switch (c->what) {
    case WIRE_ASK:
        b->sole = c->ask.sole; /* perhaps it will be a rendezvous when all is fixed */
        if (channel_meets(b->channel))
            return meet_ask(b, c, why);
        return out ? credit_ask(b, c, why) : match_ask(b, c, why);
    case WIRE_RETURNED:
        if (channel_meets(b->channel))
            return meet_returned(b, c, why);
        return out ? credit_returned(b, c, why) : match_returned(b, c, why);
    case WIRE_CLAIMED:
    case WIRE_REFUSE:
    case WIRE_WITHDRAW:
        return handle_meeting(b, c, why);
    case WIRE_TAKEN:
        return out ? broken(why, "an element was taken by a binding that sends")
                   : match_taken(b, c->number, why);
    case WIRE_SETTLE:
        return out ? broken(why, "an element was settled by a binding that sends")
                   : settle_say(b, c, why);
    case WIRE_CLOSE:
        return handle_close(b, c->recall.reason);
    case WIRE_COUNTS:
        b->counts = c->counts;
        return 0;
    default:
        return broken(why, "a control that only a broker may send");
    }
}

/* A control of a binding.  One that is not there may have been refused when this was under way; one that never was
 * breaks the rules. */
static int dispatch(struct core_session *s, const struct wire_control *c, const char **why)
{
    struct binding *b;

    if (!binding_find(s, c->bind, &b))
        return -ENOMEM;
    if (b == NULL)
        return c->bind <= s->last_bind ? 0 : broken(why, "a control for a binding that never was");
    if (c->what == WIRE_UNBIND)
        return handle_unbind(b, c->unbind.abandoned);
    int rc = handle(b, c, why);
    channel_after(b->channel);
    return rc;
}

/* What later versions may say is ignored, and a Goodbye is the driver's. */
static bool is_known(enum wire_what what)
{
    return what < WIRE_GOODBYE || what == WIRE_SETTLE ||
           (what >= WIRE_CLAIM && what <= WIRE_WITHDRAW);
}

int core_control(struct core *core, struct core_session *s, const struct wire_control *c,
                 int64_t now_ns, const char **why)
{
    int rc;

    core_heard(core, s, now_ns);
    switch (c->what) {
    case WIRE_BIND:
        rc = bind_answer(s, c, why);
        break;
    case WIRE_QUERY:
        rc = inspect_answer(core, s, c);
        break;
    case WIRE_PEEK:
        rc = peek_answer(s, c);
        break;
    case WIRE_PURGE:
        purge_answer(s, c);
        rc = 0;
        break;
    case WIRE_REMOVE:
        remove_answer(s, c);
        rc = 0;
        break;
    case WIRE_TAP:
        rc = tap_answer(s, c);
        break;
    default:
        rc = is_known(c->what) ? dispatch(s, c, why) : 0;
    }
    check_slowly(core);
    return rc;
}

static int handle_section(struct binding *b, const struct wire_section *section,
                          struct frame *frame, const char **why)
{
    return channel_meets(b->channel) ? meet_offer(b, section, frame, why)
                                     : credit_accept(b, section, frame, why);
}

static int handle_piece(struct binding *b, const struct wire_section *piece, struct frame *in,
                        const char **why)
{
    struct wire_section whole;
    struct frame *frame;
    int rc = pieces_come(b, piece, in, &whole, &frame, why);

    if (rc <= 0)
        return rc;
    rc = handle_section(b, &whole, frame, why);
    frame_unref(frame);
    return rc;
}

int core_section(struct core *core, struct core_session *s, const struct wire_section *section,
                 struct frame *frame, int64_t now_ns, const char **why)
{
    struct binding *b;

    core_heard(core, s, now_ns);
    if (!binding_find(s, section->bind, &b))
        return -ENOMEM;
    if (b == NULL && s->bereft && section->bind <= s->last_bind)
        return 0; /* it crosses the removal of its channel */
    if (b == NULL)
        return broken(why, "a section for a binding that is not there");
    int rc = section->flags & WIRE_PIECE ? handle_piece(b, section, frame, why)
                                         : handle_section(b, section, frame, why);
    channel_after(b->channel);
    check_slowly(core);
    return rc;
}

/* ---- what will come ------------------------------------------------------------------------------------------------------
 *
 * Of thousands of channels hardly one is in the processor's cache when something comes for it, and to fetch all that is looked at
 * takes as long as the rest.  Lines are 64 bytes; how many are fetched follows from the order in the structs. */

static void expect_binding(const struct binding *b)
{
    fetch_lines(b, offsetof(struct binding, of_side));
}

static void expect_channel(const struct channel *ch)
{
    fetch_lines(ch, offsetof(struct channel, name));
}

void core_expect_soon(const struct core_session *s, uint32_t bind)
{
    void *thing = keyed_find(&s->bindings, bind);

    if (thing != NULL && fold_of(thing) == NULL)
        expect_binding(thing);
}

void core_expect_next(const struct core_session *s, uint32_t bind)
{
    void *thing = keyed_find(&s->bindings, bind);

    if (thing != NULL && fold_of(thing) == NULL)
        expect_channel(((const struct binding *)thing)->channel);
}

/* ---- what follows ----------------------------------------------------------------------------------------------------- */

/* ch is the first of those that are to be settled; what its followers need is on its way. */
static void expect_settled(const struct hook *list, const struct channel *ch)
{
    const struct hook *next = ch->dirty.next;

    if (next == list)
        return;
    const struct channel *following = list_entry(next, struct channel, dirty);
    expect_binding(list_entry(following->in.bindings.next, struct binding, of_side));
    expect_binding(list_entry(following->out.bindings.next, struct binding, of_side));
    if (next->next != list)
        expect_channel(list_entry(next->next, struct channel, dirty));
}

static void expect_spoken(const struct hook *list, const struct binding *b)
{
    const struct hook *next = b->speaking.next;

    if (next != list && next->next != list)
        expect_binding(list_entry(next->next, struct binding, speaking));
}

void core_flush(struct core *core)
{
    struct channel *ch;
    struct binding *b;
    struct core_session *s;

    due_fall(&core->dues, core->now_ns); /* before it is given to anybody */
    while ((ch = list_first(&core->dirty, struct channel, dirty)) != NULL) {
        expect_settled(&core->dirty, ch);
        channel_settle(ch);
    }
    while ((b = list_first(&core->speakers, struct binding, speaking)) != NULL) {
        expect_spoken(&core->speakers, b);
        binding_speak(b);
    }
    tap_tell_all(core);
    while ((s = list_first(&core->eager, struct core_session, eager)) != NULL) {
        hook_take(&s->eager);
        if (!list_empty(&s->turn) || !list_empty(&s->heavy))
            core->opts.out.ready(s->owner);
    }
    while ((ch = list_first(&core->later, struct channel, dirty)) != NULL)
        hook_put(&core->dirty, &ch->dirty);
    core->round++;
    check_slowly(core);
}

bool core_unsettled(const struct core *core)
{
    return !list_empty(&core->dirty);
}

void core_again(struct channel *ch)
{
    hook_put(&ch->core->later, &ch->dirty);
}

/* b has the turn; those behind it, and what they have, are on their way. */
static void expect_pulled(const struct hook *list, const struct binding *b)
{
    const struct hook *at = b->turn.next;
    const struct run *r;

    if (at == list)
        return;
    r = run_queue_first(&list_entry(at, struct binding, turn)->outbox);
    if (r != NULL)
        fetch_lines(r->s.body, r->s.size < EXPECT_BODY ? r->s.size : EXPECT_BODY);
    at = at->next;
    if (at == list)
        return;
    r = run_queue_first(&list_entry(at, struct binding, turn)->outbox);
    if (r != NULL)
        fetch_lines(r, sizeof *r);
    at = at->next;
    if (at != list)
        expect_binding(list_entry(at, struct binding, turn));
}

/* The next section is b's, who has the turn; NULL: nobody has. */
static bool pull(struct core *core, struct binding *b, uint64_t max_bytes,
                 struct wire_section *section)
{
    if (b == NULL)
        return false;
    expect_pulled(&b->session->turn, b);
    if (!match_pull(b, max_bytes, section)) {
        core->starved_at = core->now_ns + NO_MEMORY_RETRY_NS;
        return false;
    }
    section->incarnation = b->channel->incarnation;
    section->epoch = b->channel->epoch;
    hook_take(&b->turn);
    if (binding_has_sections(b) || (channel_fans(b->channel) && fan_sendable(b)))
        hook_put(&b->session->turn, &b->turn);
    check_slowly(core);
    return true;
}

bool core_pull(struct core *core, struct core_session *s, uint64_t max_bytes,
               struct wire_section *section)
{
    struct binding *b;

    while ((b = list_first(&s->heavy, struct binding, turn)) != NULL)
        hook_put(&s->turn, &b->turn);
    return pull(core, list_first(&s->turn, struct binding, turn), max_bytes, section);
}

bool core_pull_small(struct core *core, struct core_session *s, uint64_t max_bytes,
                     struct wire_section *section)
{
    struct binding *b;

    while ((b = list_first(&s->turn, struct binding, turn)) != NULL && pieces_next(b)) {
        rn_reached("core: a piece is passed over");
        hook_put(&s->heavy, &b->turn);
    }
    return pull(core, b, max_bytes, section);
}

bool core_has_pieces(const struct core_session *s)
{
    return !list_empty(&s->heavy);
}

/* ---- time ---------------------------------------------------------------------------------------------------------------- */

static void void_weak_asks(struct core *core)
{
    struct binding *b;

    while ((b = list_first(&core->weak_due, struct binding, weak_due)) != NULL &&
           b->weak_until <= core->now_ns) {
        rn_reached("core: a weak ask is void");
        hook_take(&b->weak_due);
        side_unask(b);
        side_wait(b, 0);
        b->weak = false;
        side_place(b);
    }
}

static void forget_idle(struct core *core)
{
    struct channel *ch;

    while ((ch = list_first(&core->idle, struct channel, idle)) != NULL &&
           ch->idle_until <= core->now_ns)
        channel_forget(ch);
}

static void look_again(struct core *core)
{
    struct channel *ch;

    while ((ch = list_first(&core->doubtful, struct channel, doubtful)) != NULL &&
           ch->doubt_at <= core->now_ns)
        channel_undoubt(ch);
    if (core->starved_at > core->now_ns)
        return;
    core->starved_at = INT64_MAX;
    list_each(&core->sessions, at)
    {
        struct core_session *s = list_entry(at, struct core_session, of_core);
        hook_put(&core->eager, &s->eager);
    }
    for (struct hook *at = core->ending.next, *next; at != &core->ending; at = next) {
        next = at->next;
        part(list_entry(at, struct core_session, of_core));
    }
}

void core_tick(struct core *core, int64_t now_ns)
{
    see_time(core, now_ns);
    void_weak_asks(core);
    due_fall(&core->dues, core->now_ns);
    forget_idle(core);
    look_again(core);
    fold_cold(core);
    check_slowly(core);
}

int64_t core_deadline(const struct core *core)
{
    int64_t at = due_next(&core->dues);
    const struct channel *idle = list_first(&core->idle, struct channel, idle);
    const struct channel *doubtful = list_first(&core->doubtful, struct channel, doubtful);
    const struct binding *weak = list_first(&core->weak_due, struct binding, weak_due);

    if (fold_deadline(core) < at)
        at = fold_deadline(core);
    if (core->starved_at < at)
        at = core->starved_at;
    if (idle != NULL && idle->idle_until < at)
        at = idle->idle_until;
    if (doubtful != NULL && doubtful->doubt_at < at)
        at = doubtful->doubt_at;
    if (weak != NULL && weak->weak_until < at)
        at = weak->weak_until;
    return at;
}

/* ---- looking ------------------------------------------------------------------------------------------------------------- */

void core_check(const struct core *core)
{
    uint32_t next = 0;
    uint64_t n_folds = 0;

    for (const void *thing; (thing = keyed_each(&core->channels, &next)) != NULL;) {
        const struct fold *f = fold_of(thing);
        struct unfolded at;
        n_folds += f != NULL;
        channel_check(f != NULL ? fold_look((struct core *)core, f, &at) : thing);
    }
    rn_assert(n_folds == core->n_folds);
    due_check(&core->dues);
}

uint64_t core_used(const struct core *core, const char *name)
{
    struct unfolded room;
    const struct channel *ch = channel_look((struct core *)core, name, &room);

    return ch != NULL ? channel_used(ch) : (uint64_t)-1;
}

uint64_t core_memory(const struct core *core, const char *name)
{
    struct unfolded room;
    const struct channel *ch = channel_look((struct core *)core, name, &room);
    uint64_t bytes = 0;

    if (ch == NULL)
        return 0;
    list_each(&ch->in.bindings, at)
    {
        const struct binding *b = list_entry(at, struct binding, of_side);
        bytes += run_queue_memory(&b->outbox) + run_queue_memory(&b->delivered) +
                 run_queue_memory(&b->hand);
    }
    list_each(&ch->out.bindings, at)
    {
        const struct frame *coming = list_entry(at, struct binding, of_side)->coming.frame;
        bytes += coming != NULL ? sizeof *coming + coming->len : 0;
    }
    return bytes + run_queue_memory(&ch->queue) + run_queue_memory(&ch->dying) + nap_memory(ch) +
           fan_memory(ch);
}

void core_totals(const struct core *core, struct core_totals *out)
{
    *out = (struct core_totals){
        .channels = core->n_forgotten,
        .accepted = core->totals.accepted,
        .taken = core->totals.taken,
        .copied = core->totals.copied,
        .dropped = core->totals.dropped_cancelled + core->totals.dropped_purged +
                   core->totals.dropped_slow + core->totals.dropped_nobody + core->totals.left,
        .purged = core->totals.dropped_purged,
        .redelivered = core->totals.redelivered,
        .expired = core->totals.expired,
        .dead = core->totals.dead,
        .returned = core->totals.returned,
    };
}
