/* control_read.c - from a control's message to its struct.   SPDX-License-Identifier: MIT
 *
 * Trusts nothing: enums, the lengths of strings and the codes that a control may carry are checked here, so that the
 * rooms above only meet values that the .proto knows.  What needs state (is there such a binding?) is theirs. */
#include "proto/codec.h"
#include "proto/limits.h"

#include <errno.h>
#include <string.h>

_Static_assert(WIRE_GOODBYE == (int)RUNNEL__CONTROL__WHAT_GOODBYE, "wire.h and runnel.proto agree");
_Static_assert(WIRE_OPENED == (int)RUNNEL__CONTROL__WHAT_OPENED, "wire.h and runnel.proto agree");
_Static_assert(WIRE_REPORT == (int)RUNNEL__CONTROL__WHAT_REPORT, "wire.h and runnel.proto agree");
_Static_assert(WIRE_SETTLE == (int)RUNNEL__CONTROL__WHAT_SETTLE, "wire.h and runnel.proto agree");
_Static_assert(WIRE_LOST_ == (int)RUNNEL__CONTROL__WHAT_LOST, "wire.h and runnel.proto agree");
_Static_assert(WIRE_LOST == (int)RUNNEL__VERDICT__LOST, "wire.h and runnel.proto agree");
_Static_assert(WIRE_DUMP == (int)RUNNEL__WANT__DUMP, "wire.h and runnel.proto agree");
_Static_assert(WIRE_WITHDRAW == (int)RUNNEL__CONTROL__WHAT_WITHDRAW,
               "wire.h and runnel.proto agree");
_Static_assert(WIRE_SLOW == (int)RUNNEL__CODE__SLOW, "wire.h and runnel.proto agree");
_Static_assert(WIRE_BUSY == (int)RUNNEL__CODE__BUSY, "wire.h and runnel.proto agree");
_Static_assert(WIRE_TAP == (int)RUNNEL__CONTROL__WHAT_TAP, "wire.h and runnel.proto agree");
_Static_assert(WIRE_DYING == (int)RUNNEL__PLACE__DYING, "wire.h and runnel.proto agree");
_Static_assert(WIRE_OUT == (int)RUNNEL__DIRECTION__OUT, "wire.h and runnel.proto agree");
_Static_assert(WIRE_FANOUT == (int)RUNNEL__KIND__FANOUT, "wire.h and runnel.proto agree");
_Static_assert(WIRE_QUORUM == (int)RUNNEL__KEEP__QUORUM, "wire.h and runnel.proto agree");
_Static_assert(WIRE_SLOW_CUT == (int)RUNNEL__SLOW__SLOW_CUT, "wire.h and runnel.proto agree");

int text_read(const char **to, const char *pb, size_t max)
{
    if (pb == NULL || pb == (const char *)protobuf_c_empty_string) {
        *to = "";
        return 0;
    }
    /* The piece was made for the length that was on the wire and a NUL: a shorter string has one inside. */
    size_t len = strlen(pb);
    if (len > max || len + 1 != arena_size(pb))
        return -EPROTO;
    *to = pb;
    return 0;
}

bool code_valid(int code)
{
    return code >= WIRE_OK && code <= WIRE_CODE_LAST;
}

bool direction_valid(int direction)
{
    return direction == WIRE_IN || direction == WIRE_OUT;
}

/* May code be how a channel was closed? */
static bool ending_valid(int code)
{
    return code == WIRE_CLOSED || code == WIRE_FAILED || code == WIRE_CANCELLED;
}

static int attributes_read(struct wire_attributes *to, const Runnel__Attributes *pb)
{
    *to = (struct wire_attributes){ .type = "" };
    if (pb == NULL)
        return 0;
    if ((int)pb->kind < WIRE_KIND_ANY || (int)pb->kind > WIRE_FANOUT)
        return -EPROTO;
    if ((int)pb->keep < WIRE_KEEP_ANY || (int)pb->keep > WIRE_QUORUM)
        return -EPROTO;
    if ((int)pb->slow < WIRE_SLOW_ANY || (int)pb->slow > WIRE_SLOW_CUT)
        return -EPROTO;
    to->kind = (enum wire_kind)pb->kind;
    to->keep = (enum wire_keep)pb->keep;
    to->slow = (enum wire_slow)pb->slow;
    to->capacity = pb->capacity;
    to->capacity_bytes = pb->capacity_bytes;
    to->max_deliveries = pb->max_deliveries;
    to->ttl_ms = pb->ttl_ms;
    return text_read(&to->type, pb->type, WIRE_TYPE_MAX);
}

static void counts_read(struct wire_counts *to, const Runnel__Counts *pb)
{
    *to = (struct wire_counts){ 0 };
    if (pb != NULL)
        *to = (struct wire_counts){ pb->sent, pb->confirmed, pb->queued, pb->unknown };
}

static int binding_info_read(struct wire_binding_info *to, const Runnel__BindingInfo *pb)
{
    *to = (struct wire_binding_info){
        .direction = (enum wire_direction)pb->direction,
        .accepted = pb->accepted,
        .lent = pb->lent,
        .delivered = pb->delivered,
        .taken = pb->taken,
        .waiting = pb->waiting,
        .buffered = pb->buffered,
        .delayed = pb->delayed,
        .lost = pb->lost,
        .dead = pb->dead,
        .expired = pb->expired,
    };
    counts_read(&to->counts, pb->counts);
    if (!direction_valid((int)pb->direction))
        return -EPROTO;
    return text_read(&to->node, pb->node, WIRE_TEXT_MAX);
}

static int channel_info_read(struct wire_channel_info *to, const Runnel__ChannelInfo *pb,
                             struct arena *a)
{
    int rc;

    *to = (struct wire_channel_info){
        .incarnation = pb->incarnation,
        .epoch = pb->epoch,
        .senders = pb->senders,
        .receivers = pb->receivers,
        .closed = pb->closed,
        .accepted = pb->accepted,
        .taken = pb->taken,
        .buffered = pb->buffered,
        .delivered = pb->delivered,
        .delayed = pb->delayed,
        .expired = pb->expired,
        .dropped_cancelled = pb->dropped_cancelled,
        .dropped_purged = pb->dropped_purged,
        .dropped_slow = pb->dropped_slow,
        .dropped_nobody = pb->dropped_nobody,
        .dead = pb->dead,
        .redelivered = pb->redelivered,
        .lent = pb->lent,
        .bytes = pb->bytes,
        .copied = pb->copied,
        .dropped_left = pb->dropped_left,
        .parked = pb->parked,
        .age_ms = pb->age_ms,
    };
    rc = text_read(&to->name, pb->name, WIRE_NAME_MAX);
    if (rc == 0)
        rc = attributes_read(&to->attributes, pb->attributes);
    if (rc == 0)
        rc = taps_read(to, pb, a);
    if (rc < 0 || pb->n_binding == 0)
        return rc;

    struct wire_binding_info *bindings = arena_alloc(a, pb->n_binding * sizeof *bindings);
    if (bindings == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < pb->n_binding && rc == 0; i++)
        rc = binding_info_read(&bindings[i], pb->binding[i]);
    to->bindings = bindings;
    to->n_bindings = (uint32_t)pb->n_binding;
    return rc;
}

static int answer_read(struct wire_control *c, const Runnel__Answer *pb, struct arena *a)
{
    struct wire_channel_info *channels;
    int rc = 0;

    c->bind = pb->id;
    c->answer.last = pb->last;
    c->answer.code = (enum wire_code)pb->code;
    if (!code_valid((int)pb->code))
        return -EPROTO;
    rc = text_read(&c->answer.sentence, pb->sentence, WIRE_TEXT_MAX);
    if (rc == 0)
        rc = nodes_read(c, pb, a);
    if (rc == 0)
        rc = elements_read(c, pb, a);
    if (rc < 0 || pb->n_channel == 0)
        return rc;
    channels = arena_alloc(a, pb->n_channel * sizeof *channels);
    if (channels == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < pb->n_channel && rc == 0; i++)
        rc = channel_info_read(&channels[i], pb->channel[i], a);
    c->answer.channels = channels;
    c->answer.n_channels = (uint32_t)pb->n_channel;
    return rc;
}

static int bind_read(struct wire_control *c, const Runnel__Bind *pb)
{
    int rc;

    c->bind = pb->bind;
    c->bind_.direction = (enum wire_direction)pb->direction;
    c->bind_.must_exist = pb->must_exist;
    c->bind_.prefetch = pb->prefetch;
    c->bind_.autoclose = pb->autoclose;
    c->bind_.senders_min = pb->senders_min;
    c->bind_.manual_ack = pb->manual_ack;
    c->bind_.reply = pb->reply;
    if (!direction_valid((int)pb->direction))
        return -EPROTO;
    rc = text_read(&c->bind_.name, pb->name, WIRE_NAME_MAX);
    return rc < 0 ? rc : attributes_read(&c->bind_.attributes, pb->attributes);
}

/* Refused, Failed */
static int refused_read(struct wire_control *c, uint32_t bind, int code, const char *sentence)
{
    c->bind = bind;
    c->refused.code = (enum wire_code)code;
    return code_valid(code) ? text_read(&c->refused.sentence, sentence, WIRE_TEXT_MAX) : -EPROTO;
}

static int recall_read(struct wire_control *c, const Runnel__Recall *pb)
{
    c->bind = pb->bind;
    c->recall.elements = pb->elements;
    c->recall.closing = pb->closing;
    c->recall.code = (enum wire_code)pb->code;
    c->recall.reason = pb->reason;
    if (pb->closing)
        return ending_valid((int)pb->code) ? 0 : -EPROTO;
    return code_valid((int)pb->code) ? 0 : -EPROTO;
}

static int closed_read(struct wire_control *c, const Runnel__Closed *pb)
{
    c->bind = pb->bind;
    c->recall.code = (enum wire_code)pb->code;
    c->recall.reason = pb->reason;
    return ending_valid((int)pb->code) ? 0 : -EPROTO;
}

static int claim_read(struct wire_control *c, const Runnel__Claim *pb)
{
    c->bind = pb->bind;
    c->meet.claim = pb->claim;
    c->meet.offer.number = pb->operation;
    if (pb->instance.len != sizeof c->meet.offer.instance)
        return -EPROTO;
    memcpy(c->meet.offer.instance, pb->instance.data, sizeof c->meet.offer.instance);
    return 0;
}

static int meet_read(struct wire_control *c, uint32_t bind, uint64_t claim, uint64_t number)
{
    c->bind = bind;
    c->meet.claim = claim;
    c->meet.number = number;
    return 0;
}

static int number_read(struct wire_control *c, uint32_t bind, uint64_t number)
{
    c->bind = bind;
    c->number = number;
    return 0;
}

static int lost_read(struct wire_control *c, const Runnel__Lost *pb)
{
    c->bind = pb->bind;
    c->lost.number = pb->number;
    c->lost.code = (enum wire_code)pb->code;
    return (int)pb->code == WIRE_OK || (int)pb->code == WIRE_SLOW ? 0 : -EPROTO;
}

/* From gaps and lengths to numbers that lie apart: what does not fit into 64 bits is no range. */
static int settle_read(struct wire_control *c, const Runnel__Settle *pb, struct arena *a)
{
    size_t n = pb->n_range / 2;
    struct wire_range *ranges;
    uint64_t end = 0; /* the last number of the range before */

    c->bind = pb->bind;
    c->settle.verdict = (enum wire_verdict)pb->verdict;
    c->settle.delay_ms = pb->delay_ms;
    if ((int)pb->verdict < WIRE_DONE || (int)pb->verdict > WIRE_LOST)
        return -EPROTO;
    if (text_read(&c->settle.why, pb->why, WIRE_WHY_MAX) < 0)
        return -EPROTO;
    if (n == 0 || pb->n_range % 2 != 0 || n > WIRE_RANGES_MAX)
        return -EPROTO;
    ranges = arena_alloc(a, n * sizeof *ranges);
    if (ranges == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        uint64_t gap = pb->range[2 * i], count = pb->range[2 * i + 1];
        if (count == 0 || gap >= UINT64_MAX - end || count > UINT64_MAX - end - gap)
            return -EPROTO;
        ranges[i] = (struct wire_range){ .first = end + gap + 1, .count = count };
        end += gap + count;
    }
    c->settle.ranges = ranges;
    c->settle.n_ranges = (uint32_t)n;
    return 0;
}

static int query_read(struct wire_control *c, const Runnel__Query *pb)
{
    int rc = text_read(&c->query_name, pb->name, WIRE_NAME_MAX);

    c->bind = pb->id;
    c->query_want = (enum wire_want)pb->want;
    if ((int)pb->want < WIRE_CHANNELS || (int)pb->want > WIRE_DUMP)
        return -EPROTO;
    return rc < 0 ? rc : text_read(&c->query_node, pb->node, WIRE_TEXT_MAX);
}

static int what_read(struct wire_control *c, const Runnel__Control *pb, struct arena *a)
{
    switch (c->what) {
    case WIRE_BIND:
        return bind_read(c, pb->bind);
    case WIRE_UNBIND:
        c->bind = pb->unbind->bind;
        c->unbind.abandoned = pb->unbind->abandoned;
        return 0;
    case WIRE_BOUND:
        c->bind = pb->bound->bind;
        c->bound.incarnation = pb->bound->incarnation;
        c->bound.epoch = pb->bound->epoch;
        return attributes_read(&c->bound.attributes, pb->bound->attributes);
    case WIRE_REFUSED:
        return refused_read(c, pb->refused->bind, (int)pb->refused->code, pb->refused->sentence);
    case WIRE_UNBOUND:
        c->bind = pb->unbound->bind;
        return 0;
    case WIRE_ASK:
        c->bind = pb->ask->bind;
        c->ask.waiting = pb->ask->waiting;
        c->ask.first_bytes = pb->ask->first_bytes;
        c->ask.bytes = pb->ask->bytes;
        c->ask.weak = pb->ask->weak;
        c->ask.adjusted = pb->ask->adjusted;
        c->ask.sole = pb->ask->sole;
        return 0;
    case WIRE_CREDIT:
        c->bind = pb->credit->bind;
        c->credit.elements = pb->credit->elements;
        c->credit.bytes = pb->credit->bytes;
        c->credit.but = pb->credit->but;
        return 0;
    case WIRE_RECALL:
        return recall_read(c, pb->recall);
    case WIRE_RETURNED:
        c->bind = pb->returned->bind;
        c->credit.elements = pb->returned->elements;
        c->credit.bytes = pb->returned->bytes;
        c->credit.first = pb->returned->first;
        return 0;
    case WIRE_ACCEPTED:
        return number_read(c, pb->accepted->bind, pb->accepted->number);
    case WIRE_TAKEN:
        return number_read(c, pb->taken->bind, pb->taken->number);
    case WIRE_CLOSE:
        c->bind = pb->close->bind;
        c->recall.reason = pb->close->reason;
        return 0;
    case WIRE_CLOSED_:
        return closed_read(c, pb->closed);
    case WIRE_FAILED_:
        return refused_read(c, pb->failed->bind, (int)pb->failed->code, pb->failed->sentence);
    case WIRE_COUNTS:
        c->bind = pb->counts->bind;
        counts_read(&c->counts, pb->counts);
        return 0;
    case WIRE_QUERY:
        return query_read(c, pb->query);
    case WIRE_ANSWER:
        return answer_read(c, pb->answer, a);
    case WIRE_OPENED:
        c->bind = pb->opened->bind;
        return attributes_read(&c->bound.attributes, pb->opened->attributes);
    case WIRE_GOODBYE:
        c->goodbye.unsent = pb->goodbye->unsent;
        return 0;
    case WIRE_INSPECT:
        c->bind = pb->inspect->id;
        c->inspect.end = pb->inspect->end;
        return text_read(&c->inspect.channel, pb->inspect->channel, WIRE_NAME_MAX);
    case WIRE_REPORT:
        return report_read(c, pb->report, a);
    case WIRE_SETTLE:
        return settle_read(c, pb->settle, a);
    case WIRE_LOST_:
        return lost_read(c, pb->lost);
    case WIRE_CLAIM:
        return claim_read(c, pb->claim);
    case WIRE_CLAIMED:
        return meet_read(c, pb->claimed->bind, pb->claimed->claim, 0);
    case WIRE_REFUSE:
        return meet_read(c, pb->refuse->bind, pb->refuse->claim, 0);
    case WIRE_COMMIT:
        return meet_read(c, pb->commit->bind, pb->commit->claim, pb->commit->number);
    case WIRE_ABORT:
        c->meet.asks = pb->abort->asks;
        return meet_read(c, pb->abort->bind, pb->abort->claim, pb->abort->number);
    case WIRE_WITHDRAW:
        return number_read(c, pb->withdraw->bind, pb->withdraw->number);
    case WIRE_PEEK:
    case WIRE_PURGE:
    case WIRE_REMOVE:
    case WIRE_TAP:
        return browse_read(c, pb);
    }
    return -EPROTO;
}

int control_read(struct wire_control *c, const Runnel__Control *pb, struct arena *a,
                 const char **why)
{
    int rc;

    if (pb->what_case == RUNNEL__CONTROL__WHAT__NOT_SET)
        return 0;
    memset(c, 0, sizeof *c);
    c->what = (enum wire_what)pb->what_case;
    rc = what_read(c, pb, a);
    if (rc == -EPROTO)
        *why =
            "a control has a value out of its range, or is too long, or a string in it is or has a NUL inside";
    return rc < 0 ? rc : 1;
}
