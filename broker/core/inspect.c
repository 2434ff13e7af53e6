/* inspect.c - looking inside: the answers to Query, and who is bound to what.   SPDX-License-Identifier: MIT */
#include "broker/core/inspect.h"

#include "broker/core/fold.h"
#include "broker/core/state.h"
#include "broker/core/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How much one Answer may take of an envelope, and what its parts take at most beside their strings. */
#define ANSWER_BYTES  (WIRE_ENVELOPE_MAX / 2)
#define CHANNEL_BYTES 400
#define BINDING_BYTES 176
#define TAP_BYTES     48
#define MS_NS         INT64_C(1000000)
#define CHANNELS_MAX  (ANSWER_BYTES / CHANNEL_BYTES + 1)
#define BINDINGS_MAX  (ANSWER_BYTES / BINDING_BYTES + 1)

/* An Answer that is being filled. */
struct answer {
    struct core_session *to;
    uint32_t id;
    struct wire_channel_info *channels;
    struct wire_binding_info *bindings;
    struct wire_tap_info *taps;
    uint32_t n_channels, n_bindings, n_taps;
    size_t bytes;
};

static void say(struct answer *a, bool last)
{
    struct wire_control c = {
        .what = WIRE_ANSWER,
        .bind = a->id,
        .answer = { .channels = a->channels, .n_channels = a->n_channels, .last = last },
    };

    (void)a->to->core->opts.out.control(a->to->owner, &c);
    a->n_channels = a->n_bindings = a->n_taps = 0;
    a->bytes = 0;
}

static void make_room(struct answer *a, size_t bytes)
{
    if (a->n_channels > 0 && a->bytes + bytes > ANSWER_BYTES)
        say(a, false);
    a->bytes += bytes;
}

static void add_channel(struct answer *a, const struct channel *ch)
{
    make_room(a, CHANNEL_BYTES + strlen(ch->name) + strlen(ch->attributes.type));
    a->channels[a->n_channels++] = (struct wire_channel_info){
        .name = ch->name,
        .incarnation = ch->incarnation,
        .epoch = ch->epoch,
        .attributes = ch->attributes,
        .senders = ch->out.n_bindings,
        .receivers = ch->in.n_bindings,
        .closed = ch->closed,
        .accepted = ch->ledger.accepted,
        .taken = ch->ledger.taken,
        .buffered = channel_buffered(ch),
        .delivered = ch->in.held,
        .delayed = ch->delayed,
        .expired = ch->ledger.expired,
        .dropped_cancelled = ch->ledger.dropped_cancelled,
        .copied = ch->ledger.copied,
        .dropped_slow = ch->ledger.dropped_slow,
        .dropped_nobody = ch->ledger.dropped_nobody,
        .dropped_left = ch->ledger.left,
        .parked = ch->fan.come.count,
        .dropped_purged = ch->ledger.dropped_purged,
        .dead = ch->ledger.dead,
        .redelivered = ch->ledger.redelivered,
        .lent = ch->out.held,
        .bytes = channel_used_bytes(ch) - ch->out.held_bytes + ch->line.bytes + ch->line.back_bytes,
        .age_ms = (uint64_t)(ch->core->now_ns - ch->made_ns) / MS_NS,
        .taps = a->taps + a->n_taps,
        .bindings = a->bindings + a->n_bindings,
    };
}

static struct wire_binding_info info_of(const struct binding *b)
{
    bool out = b->direction == WIRE_OUT, window = !out && channel_fans(b->channel);

    return (struct wire_binding_info){
        .node = b->session->node,
        .direction = b->direction,
        .accepted = window ? fan_due(b) : b->accepted,
        .buffered = fan_behind(b),
        .delayed = b->window.napping,
        .lost = b->window.lost,
        .dead = b->window.dead,
        .expired = window ? b->window.expired : 0,
        .counts = b->counts,
        .lent = out ? b->held : 0,
        .delivered = out ? 0 : b->held,
        .taken = b->taken,
        .waiting = b->waiting + HASH_COUNT(b->offers),
    };
}

static void add_bindings(struct answer *a, const struct channel *ch, const struct side *side)
{
    list_each(&side->bindings, at)
    {
        const struct binding *b = list_entry(at, struct binding, of_side);
        size_t bytes = BINDING_BYTES + strlen(b->session->node);
        if (a->bytes + bytes > ANSWER_BYTES) {
            say(a, false);
            add_channel(a, ch);
        }
        a->bytes += bytes;
        a->bindings[a->n_bindings++] = info_of(b);
        a->channels[a->n_channels - 1].n_bindings++;
    }
}

/* They always fit: a channel has few. */
static void add_taps(struct answer *a, const struct channel *ch)
{
    list_each(&ch->taps, at)
    {
        const struct tap *tap = list_entry(at, struct tap, of_channel);
        a->taps[a->n_taps++] = (struct wire_tap_info){ .node = tap->session->node,
                                                       .rate = tap->rate,
                                                       .tapped = tap->tapped,
                                                       .skipped = tap->skipped };
        a->channels[a->n_channels - 1].n_taps++;
    }
}

static size_t taps_bytes(const struct channel *ch)
{
    size_t bytes = 0;

    list_each(&ch->taps, at)
        bytes += TAP_BYTES + strlen(list_entry(at, struct tap, of_channel)->session->node);
    return bytes;
}

static void add(struct answer *a, const struct channel *ch)
{
    size_t bytes = taps_bytes(ch);

    if (bytes > 0 && a->n_channels > 0 && a->bytes + bytes > ANSWER_BYTES / 2)
        say(a, false);
    add_channel(a, ch);
    add_taps(a, ch);
    a->bytes += bytes;
    add_bindings(a, ch, &ch->out);
    add_bindings(a, ch, &ch->in);
}

int inspect_answer(struct core *core, struct core_session *s, const struct wire_control *query)
{
    struct answer a = { .to = s, .id = query->bind };
    struct unfolded at;
    int rc = -ENOMEM;

    a.channels = malloc(CHANNELS_MAX * sizeof *a.channels);
    a.bindings = malloc(BINDINGS_MAX * sizeof *a.bindings);
    a.taps = malloc(CHANNELS_MAX * TAPS_MAX * sizeof *a.taps);
    if (a.channels == NULL || a.bindings == NULL || a.taps == NULL)
        goto free;
    if (query->query_name[0] == '\0') {
        uint32_t next = 0;
        for (const void *thing; (thing = keyed_each(&core->channels, &next)) != NULL;)
            add(&a, fold_of(thing) != NULL ? fold_look(core, fold_of(thing), &at) : thing);
    } else {
        const struct channel *ch = channel_look(core, query->query_name, &at);
        if (ch != NULL)
            add(&a, ch);
    }
    say(&a, true);
    rc = 0;

free:
    free(a.channels);
    free(a.bindings);
    free(a.taps);
    return rc;
}

/* ---- who is bound to what ---- */

const char *core_session_node(const struct core_session *s)
{
    return s->node;
}

bool core_each_binding(struct core *core, const char *name,
                       void (*fn)(void *arg, void *owner, enum wire_direction direction), void *arg)
{
    struct unfolded room;
    const struct channel *ch = channel_look(core, name, &room);

    if (ch == NULL)
        return false;
    for (int i = 0; i < 2; i++) {
        const struct side *side = i == 0 ? &ch->out : &ch->in;

        list_each(&side->bindings, at)
        {
            const struct binding *b = list_entry(at, struct binding, of_side);
            fn(arg, b->session->owner, b->direction);
        }
    }
    return true;
}
