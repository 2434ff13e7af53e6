/* fold.c - see fold.h.   SPDX-License-Identifier: MIT */
#include "broker/core/fold.h"

#include "broker/core/match.h"
#include "broker/core/state.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <stdlib.h>
#include <string.h>

#define COLD_AT_ONCE 256 /* so that nobody waits for it for long */
#define CALM_PART    32
#define REOPENED_MAX \
    4 /* a bind, another, and the first elements do not make a channel a busy one */

struct fold {
    struct core_session *session[2]; /* by direction; NULL: no binding */
    int64_t since_ns;                /* it is folded */
    uint8_t reopened;                /* so often in succession soon after it had been folded */
    uint8_t bytes[];                 /* name and type, each with its NUL, and the numbers */
};

/* ---- numbers in bytes --------------------------------------------------------------------------------------------- */

/* Writes, counts or reads, so that what is written and what is read are one list. */
struct pen {
    enum { PEN_COUNTS, PEN_WRITES, PEN_READS } does;
    uint8_t *to;
    const uint8_t *from;
    size_t n;
};

static void pen_byte(struct pen *p, uint8_t byte)
{
    if (p->does == PEN_WRITES)
        p->to[p->n] = byte;
    p->n++;
}

static uint64_t pen_number(struct pen *p, uint64_t v)
{
    unsigned shift = 0;

    if (p->does == PEN_READS) {
        for (v = 0;; shift += 7) {
            uint8_t byte = p->from[p->n++];
            v |= (uint64_t)(byte & 0x7f) << shift;
            if (byte < 0x80)
                return v;
        }
    }
    for (uint64_t left = v; left >= 0x80; left >>= 7, v = left)
        pen_byte(p, (uint8_t)left | 0x80);
    pen_byte(p, (uint8_t)v);
    return v;
}

static const char *pen_text(struct pen *p, const char *text)
{
    size_t size;

    if (p->does == PEN_READS)
        text = (const char *)p->from + p->n;
    size = strlen(text) + 1;
    if (p->does == PEN_WRITES)
        memcpy(p->to + p->n, text, size);
    p->n += size;
    return text;
}

/* A number or a bool of any type that stands in x. */
#define pen_field(p, x)                                   \
    do {                                                  \
        uint64_t field_ = pen_number((p), (uint64_t)(x)); \
        if ((p)->does == PEN_READS)                       \
            (x) = (__typeof__(x))field_;                  \
    } while (0)

/* Random ones would take ten bytes. */
static void pen_eight(struct pen *p, uint64_t *v)
{
    if (p->does == PEN_WRITES)
        memcpy(p->to + p->n, v, sizeof *v);
    if (p->does == PEN_READS)
        memcpy(v, p->from + p->n, sizeof *v);
    p->n += sizeof *v;
}

/* ---- what is written ------------------------------------------------------------------------------------------------ */

static void pen_attributes(struct pen *p, struct wire_attributes *a)
{
    a->type = pen_text(p, a->type);
    pen_field(p, a->kind);
    pen_field(p, a->keep);
    pen_field(p, a->slow);
    pen_field(p, a->capacity);
    pen_field(p, a->capacity_bytes);
    pen_field(p, a->max_deliveries);
    pen_field(p, a->ttl_ms);
}

static void pen_ledger(struct pen *p, struct ledger *l)
{
    pen_field(p, l->accepted);
    pen_field(p, l->taken);
    pen_field(p, l->dropped_cancelled);
    pen_field(p, l->dropped_purged);
    pen_field(p, l->expired);
    pen_field(p, l->dead);
    pen_field(p, l->redelivered);
}

static void pen_channel(struct pen *p, struct channel *ch)
{
    ch->name = pen_text(p, ch->name);
    pen_attributes(p, &ch->attributes);
    pen_eight(p, &ch->incarnation);
    pen_field(p, ch->epoch);
    pen_field(p, ch->made_ns);
    pen_field(p, ch->complete);
    pen_field(p, ch->at_least_one);
    pen_field(p, ch->next_position);
    pen_field(p, ch->autoclose.present);
    pen_field(p, ch->autoclose.least);
    pen_field(p, ch->autoclose.parted);
    pen_field(p, ch->autoclose.died);
    pen_ledger(p, &ch->ledger);
}

static void pen_sender(struct pen *p, struct binding *b)
{
    bool active = hook_linked(&b->active), hungry = hook_linked(&b->hungry);

    pen_field(p, active);
    pen_field(p, hungry);
    if (p->does == PEN_READS && active) {
        hook_put(&b->channel->active, &b->active);
        b->channel->n_active++;
    }
    if (p->does == PEN_READS && hungry)
        hook_put(&b->channel->hungry, &b->hungry);
    pen_field(p, b->autoclose);
    pen_field(p, b->senders_min);
    pen_field(p, b->next_number);
    pen_field(p, b->accepted);
    pen_field(p, b->accepted_said);
    pen_field(p, b->in_line);
    pen_field(p, b->first_bytes);
    pen_field(p, b->ask_bytes);
    pen_field(p, b->used_ns);
    pen_field(p, b->together);
    pen_field(p, b->together_ns);
    pen_field(p, b->held);
    pen_field(p, b->held_bytes);
    pen_field(p, b->claimed);
    pen_field(p, b->counts.sent);
    pen_field(p, b->counts.confirmed);
    pen_field(p, b->counts.queued);
    pen_field(p, b->counts.unknown);
}

static void pen_receiver(struct pen *p, struct binding *b)
{
    bool asks = hook_linked(&b->asking), ready = hook_linked(&b->ready);

    pen_field(p, asks);
    pen_field(p, ready);
    if (p->does == PEN_READS && asks)
        side_ask(b);
    if (p->does == PEN_READS && ready) {
        hook_put(&b->channel->ready, &b->ready);
        b->channel->n_ready++;
    }
    pen_field(p, b->prefetch);
    pen_field(p, b->by_hand);
    pen_field(p, b->last_delivery);
    pen_field(p, b->taken_number);
    pen_field(p, b->taken);
    pen_field(p, b->ask_waiting);
    pen_field(p, b->ask_seen);
}

static void pen_binding(struct pen *p, struct binding *b)
{
    pen_field(p, b->number);
    pen_field(p, b->sole);
    pen_field(p, b->fresh);
    pen_field(p, b->unsure);
    pen_field(p, b->waiting);
    if (b->direction == WIRE_OUT)
        pen_sender(p, b);
    else
        pen_receiver(p, b);
}

static void pen_all(struct pen *p, struct channel *ch, struct binding *const of[2])
{
    pen_channel(p, ch);
    for (int d = 0; d < 2; d++)
        if (of[d] != NULL)
            pen_binding(p, of[d]);
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

/* Into memory that is there; name and type are the fold's. */
static void expand(struct core *core, const struct fold *f, struct channel *ch,
                   struct binding *const of[2])
{
    struct pen p = { .does = PEN_READS, .from = f->bytes };

    memset(ch, 0, sizeof *ch);
    channel_init(ch, core);
    for (int d = 0; d < 2; d++)
        if (of[d] != NULL)
            binding_init(of[d], f->session[d], ch, 0, (enum wire_direction)d);
    pen_all(&p, ch, of);
    for (int d = 0; d < 2; d++)
        if (of[d] != NULL) {
            of[d]->side->held += of[d]->held;
            of[d]->side->held_bytes += of[d]->held_bytes;
            side_place(of[d]);
        }
}

const struct channel *fold_look(struct core *core, const struct fold *f, struct unfolded *at)
{
    struct binding *of[2];

    for (int d = 0; d < 2; d++)
        of[d] = f->session[d] != NULL ? &at->of[d] : NULL;
    expand(core, f, &at->channel, of);
    return &at->channel;
}

const char *fold_name(const struct fold *f)
{
    return (const char *)f->bytes;
}

static void *mark(const struct fold *f)
{
    return (char *)f + 1;
}

/* A session that is over, and whose bindings could not all be opened, has none that others may see. */
static bool is_haunted(const struct fold *f)
{
    return (f->session[0] != NULL && f->session[0]->over) ||
           (f->session[1] != NULL && f->session[1]->over);
}

/* As hush() in core.c does. */
static void hush(struct binding *b)
{
    b->ended = true;
    side_unask(b);
    side_place(b);
    match_place(b);
}

struct channel *fold_open(struct core *core, struct fold *f, enum fold_purpose purpose)
{
    struct binding *of[2] = { NULL, NULL };
    const char *name = fold_name(f), *type = name + strlen(name) + 1;
    uint32_t hash = channel_hash(core, name);

    if (is_haunted(f) && purpose == FOLD_TO_USE)
        return NULL;
    struct channel *ch = channel_alloc(name);
    type = type[0] != '\0' ? strdup(type) : "";
    if (ch == NULL || type == NULL)
        goto fail;
    for (int d = 0; d < 2; d++)
        if (f->session[d] != NULL && (of[d] = malloc(sizeof *of[d])) == NULL)
            goto fail;

    name = ch->name; /* the one beside it */
    expand(core, f, ch, of);
    ch->name = name;
    ch->hash = hash;
    ch->attributes.type = type;
    if (core->now_ns - f->since_ns < core->opts.fold_ns)
        ch->reopened = f->reopened + (f->reopened < REOPENED_MAX);
    ch->restless = ch->reopened == REOPENED_MAX;
    keyed_swap(&core->channels, hash, mark(f), ch);
    for (int d = 0; d < 2; d++)
        if (of[d] != NULL) {
            keyed_swap(&of[d]->session->bindings, of[d]->number, mark(f), of[d]);
            if (of[d]->session->over)
                hush(of[d]);
        }
    free(f);
    core->n_folds--;
    fold_later(ch);
    return ch;

fail:
    free(of[0]);
    free(of[1]);
    if (type != NULL && type[0] != '\0')
        free((char *)type);
    free(ch);
    return NULL;
}

void fold_drop(struct core *core, struct fold *f)
{
    struct unfolded at;
    const struct channel *ch = fold_look(core, f, &at);

    keyed_take(&core->channels, channel_hash(core, ch->name), mark(f));
    for (int d = 0; d < 2; d++)
        if (f->session[d] != NULL)
            keyed_take(&f->session[d]->bindings, at.of[d].number, mark(f));
    free(f);
    core->n_folds--;
}

/* ---- is it at rest? --------------------------------------------------------------------------------------------- */

/* Makes what is the same in all respects but where it lies the same in all bytes: a hook that is on no list, of `copy`, which
 * was copied from `at`. */
#define blank_hook(copy, at, member)             \
    do {                                         \
        if (!hook_linked(&(at)->member))         \
            (copy)->member = (struct hook){ 0 }; \
    } while (0)

/* What is written, or follows from what is written. */
#define blank(copy, member) memset(&(copy)->member, 0, sizeof(copy)->member)

static void blank_side(struct side *copy, const struct side *at)
{
    blank(copy, bindings);
    blank(copy, askers);
    blank_hook(copy, at, weak);
    blank(copy, spare);
    blank(copy, claimed);
}

static void channel_blank(struct channel *copy, const struct channel *at)
{
    memcpy(copy, at, sizeof *copy);
    blank(copy, name);
    blank(copy, hash);
    blank(copy, attributes.type);
    blank_side(&copy->in, &at->in);
    blank_side(&copy->out, &at->out);
    blank_hook(copy, at, line.places);
    blank_hook(copy, at, line.hasty);
    blank_hook(copy, at, queue.head);
    blank_hook(copy, at, dying.head);
    blank(copy, fan.channel);
    blank_hook(copy, at, fan.log);
    blank_hook(copy, at, fan.come.head);
    blank_hook(copy, at, fan.due.head);
    blank_hook(copy, at, fan.caught);
    blank_hook(copy, at, naps);
    blank_hook(copy, at, taps);
    blank(copy, active);
    blank(copy, hungry);
    blank(copy, ready);
    blank_hook(copy, at, dirty);
    blank_hook(copy, at, idle);
    blank_hook(copy, at, doubtful);
    blank(copy, warm);
    blank(copy, restless);
    blank(copy, reopened);
    blank(copy, idle_until);
    blank(copy, doubt_at);
    blank(copy, settled_ns);
    blank(copy, warm_at);
}

static void binding_blank(struct binding *copy, const struct binding *at)
{
    memcpy(copy, at, sizeof *copy);
    blank(copy, channel);
    blank(copy, side);
    blank(copy, of_side);
    blank_hook(copy, at, speaking);
    if (at->direction == WIRE_IN)
        blank(copy, asking);
    else
        blank_hook(copy, at, asking);
    blank_hook(copy, at, weak_due);
    blank(copy, weak_until);
    blank(copy, holding);
    blank(copy, holding_in);
    blank(copy, active);
    blank(copy, hungry);
    blank_hook(copy, at, outbox.head);
    blank_hook(copy, at, delivered.head);
    blank_hook(copy, at, hand.head);
    blank(copy, leaving_at);
    blank_hook(copy, at, window.caught);
    blank(copy, ready);
    blank_hook(copy, at, turn);
    blank_hook(copy, at, mute);
    blank_hook(copy, at, place.hook);
}

static bool binding_same(const struct binding *a, const struct binding *b)
{
    struct binding x, y;

    binding_blank(&x, a);
    binding_blank(&y, b);
    return memcmp(&x, &y, sizeof x) == 0;
}

static bool channel_same(const struct channel *a, const struct channel *b)
{
    struct channel x, y;

    channel_blank(&x, a);
    channel_blank(&y, b);
    return memcmp(&x, &y, sizeof x) == 0;
}

/* ---- folding ---------------------------------------------------------------------------------------------------- */

static bool is_faithful(struct core *core, const struct fold *f, const struct channel *ch,
                        struct binding *const of[2])
{
    struct unfolded at;

    if (!channel_same(fold_look(core, f, &at), ch))
        return false;
    for (int d = 0; d < 2; d++)
        if (of[d] != NULL && !binding_same(&at.of[d], of[d]))
            return false;
    return true;
}

static struct fold *fold_write(struct channel *ch, struct binding *const of[2])
{
    struct pen counts = { .does = PEN_COUNTS };

    pen_all(&counts, ch, of);
    struct fold *f = malloc(sizeof *f + counts.n);
    if (f == NULL)
        return NULL;
    struct pen writes = { .does = PEN_WRITES, .to = f->bytes };
    pen_all(&writes, ch, of);
    rn_assert(writes.n == counts.n);
    for (int d = 0; d < 2; d++)
        f->session[d] = of[d] != NULL ? of[d]->session : NULL;
    return f;
}

/* Folds it if it is at rest; it is on no list of those that are warm. */
static void fold(struct channel *ch)
{
    struct core *core = ch->core;
    struct binding *of[2] = { list_first(&ch->in.bindings, struct binding, of_side),
                              list_first(&ch->out.bindings, struct binding, of_side) };

    _Static_assert(WIRE_IN == 0 && WIRE_OUT == 1, "bindings by direction");
    if (ch->in.n_bindings > 1 || ch->out.n_bindings > 1 || channel_fans(ch) || channel_meets(ch))
        return;
    struct fold *f = fold_write(ch, of);
    if (f == NULL)
        return;
    if (!is_faithful(core, f, ch, of)) {
        free(f);
        return;
    }
    rn_reached("fold: a channel is folded");
    f->since_ns = core->now_ns;
    f->reopened = ch->reopened;
    keyed_swap(&core->channels, ch->hash, ch, mark(f));
    for (int d = 0; d < 2; d++)
        if (of[d] != NULL) {
            keyed_swap(&of[d]->session->bindings, of[d]->number, of[d], mark(f));
            free(of[d]);
        }
    if (ch->attributes.type[0] != '\0')
        free((char *)ch->attributes.type);
    free(ch);
    core->n_folds++;
}

/* What is not used again soon after it was folded is folded soon: so who binds very many, and sends into one after the other, does
 * not need the memory for all at once; and what is used every second is not folded and opened all the time. */
static int64_t rest_ns(const struct channel *ch)
{
    return ch->restless ? ch->core->opts.fold_ns : ch->core->opts.fold_ns / CALM_PART;
}

static void warm(struct channel *ch)
{
    struct core *core = ch->core;

    ch->warm_at = core->now_ns + rest_ns(ch);
    hook_put(ch->restless ? &core->restless : &core->calm, &ch->warm);
}

void fold_later(struct channel *ch)
{
    ch->settled_ns = ch->core->now_ns;
    if (!hook_linked(&ch->warm))
        warm(ch);
}

static void fold_cold_of(struct core *core, struct hook *list)
{
    struct channel *ch;

    for (int i = 0; i < COLD_AT_ONCE; i++) {
        ch = list_first(list, struct channel, warm);
        if (ch == NULL || ch->warm_at > core->now_ns)
            return;
        hook_take(&ch->warm);
        int64_t quiet_ns = core->now_ns - ch->settled_ns;
        ch->restless |= quiet_ns < rest_ns(ch) / 2;
        if (quiet_ns < rest_ns(ch))
            warm(ch);
        else
            fold(ch);
    }
}

void fold_cold(struct core *core)
{
    fold_cold_of(core, &core->calm);
    fold_cold_of(core, &core->restless);
}

int64_t fold_deadline(const struct core *core)
{
    const struct channel *calm = list_first(&core->calm, struct channel, warm);
    const struct channel *restless = list_first(&core->restless, struct channel, warm);
    int64_t at = restless != NULL ? restless->warm_at : INT64_MAX;

    return calm != NULL && calm->warm_at < at ? calm->warm_at : at;
}
