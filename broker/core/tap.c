/* tap.c - see tap.h.   SPDX-License-Identifier: MIT
 *
 * Positions grow by one with each element that is accepted, so they tell what was skipped: whatever lies between two that
 * are told.  Invariant: the queue's positions ascend, next <= the first of them, and all of them < seen. */
#include "broker/core/tap.h"

#include "broker/core/page.h"
#include "runtime/assert.h"
#include "runtime/reach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)
#define MS_NS     INT64_C(1000000)

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- asked, and with something to say ------------------------------------------------------------------------------ */

static void place(struct tap *tap)
{
    bool says = tap->queue.count > 0 || tap->channel == NULL || tap->overdue;

    if (!tap->asked || !says)
        hook_take(&tap->telling);
    else if (!hook_linked(&tap->telling))
        hook_put(&tap->session->core->telling, &tap->telling);
}

static void skipped_long_ago(struct due *d)
{
    struct tap *tap = due_entry(d, struct tap, due);

    tap->overdue = tap->seen > tap->next;
    place(tap);
}

/* ---- life ------------------------------------------------------------------------------------------------------------ */

static struct tap *tap_find(const struct core_session *s, uint32_t number)
{
    list_each(&s->taps, at)
    {
        struct tap *tap = list_entry(at, struct tap, of_session);
        if (tap->number == number)
            return tap;
    }
    return NULL;
}

static unsigned count(const struct hook *list)
{
    unsigned n = 0;

    list_each(list, at) n++;
    return n;
}

/* Another one than it was in another session, or at a broker before this: who asks on with an old number must not get what
 * another tap of his shows. */
static uint32_t number_of(struct core *core, const struct channel *ch)
{
    uint32_t number = (uint32_t)ch->incarnation + ++core->n_taps;

    return number != 0 ? number : 1;
}

/* NULL: no memory. */
static struct tap *tap_new(struct core_session *s, struct channel *ch, uint32_t rate)
{
    struct tap *tap = calloc(1, sizeof *tap);

    if (tap == NULL)
        return NULL;
    tap->session = s;
    tap->channel = ch;
    strcpy(tap->name, ch->name);
    tap->number = number_of(s->core, ch);
    tap->rate = rate == 0 ? WIRE_TAP_RATE : rate > WIRE_TAP_RATE_MAX ? WIRE_TAP_RATE_MAX : rate;
    tap->allowed_ns = SECOND_NS;
    tap->allowed_at_ns = s->core->now_ns;
    tap->next = tap->seen = ch->next_position;
    run_queue_init(&tap->queue);
    due_init(&tap->due, skipped_long_ago);
    hook_init(&tap->telling);
    hook_init(&tap->of_channel);
    hook_init(&tap->of_session);
    hook_put(&ch->taps, &tap->of_channel);
    hook_put(&s->taps, &tap->of_session);
    return tap;
}

static void tap_free(struct tap *tap)
{
    run_queue_free(&tap->queue);
    due_take(&tap->due);
    hook_take(&tap->telling);
    hook_take(&tap->of_channel);
    hook_take(&tap->of_session);
    free(tap);
}

void tap_leave(struct core_session *s)
{
    struct tap *tap;

    while ((tap = list_first(&s->taps, struct tap, of_session)) != NULL)
        tap_free(tap);
}

void tap_end_all(struct channel *ch, enum wire_code code)
{
    struct tap *tap;

    while ((tap = list_first(&ch->taps, struct tap, of_channel)) != NULL) {
        rn_reached_if(tap->queue.count > 0, "tap: its channel ends before all is told");
        hook_take(&tap->of_channel);
        tap->channel = NULL;
        tap->end = code;
        place(tap);
    }
}

/* ---- what is accepted -------------------------------------------------------------------------------------------------- */

/* How many elements may come now; that is used up as they come. */
static uint64_t allowed(struct tap *tap)
{
    int64_t now_ns = tap->session->core->now_ns, passed_ns = now_ns - tap->allowed_at_ns;

    tap->allowed_at_ns = now_ns;
    tap->allowed_ns = passed_ns >= SECOND_NS - tap->allowed_ns ? SECOND_NS
                                                               : tap->allowed_ns + passed_ns;
    return (uint64_t)(tap->allowed_ns / (SECOND_NS / tap->rate));
}

/* Keeps those of the section, which lies in r.  false: no memory. */
static bool keep(struct tap *tap, const struct wire_section *s, const struct run *r)
{
    struct run *copy = run_new(s, r->frame);

    if (copy == NULL)
        return false;
    copy->accepted_ns = r->accepted_ns;
    run_queue_push(&tap->queue, copy);
    tap->allowed_ns -= s->count * (SECOND_NS / tap->rate);
    return true;
}

/* How many elements may be kept now, if they are not too large. */
static uint64_t room(struct tap *tap)
{
    return least(allowed(tap), TAP_ELEMENTS_MAX - tap->queue.count);
}

/* Keeps of r what may be kept; one that is too large does not stand in the way of those behind it.  Gives how many. */
static uint32_t keep_some(struct tap *tap, const struct run *r)
{
    struct wire_section rest = r->s, head;
    uint64_t most;
    uint32_t kept = 0;

    while (rest.count > 0 && (most = room(tap)) > 0) {
        uint32_t fit = section_fit(&rest, TAP_BYTES_MAX - tap->queue.bytes);
        uint32_t n = (uint32_t)least(most, fit), cut = n > 0 ? n : 1;

        head = rest;
        if (cut < rest.count)
            section_split(&rest, &head, cut);
        else
            rest.count = 0;
        if (n > 0 && keep(tap, &head, r))
            kept += n;
    }
    return kept;
}

static void see(struct tap *tap, const struct run *r)
{
    uint32_t n = keep_some(tap, r);

    rn_reached_if(n < r->s.count, "tap: it cannot follow");
    tap->tapped += n;
    tap->skipped += r->s.count - n;
    tap->seen = r->s.position + r->s.count;
    if (n < r->s.count && !due_pending(&tap->due) && !tap->overdue)
        due_put(&tap->session->core->dues, &tap->due, tap->session->core->now_ns + TAP_TELL_NS);
    place(tap);
}

void tap_see(struct channel *ch, const struct run *r)
{
    list_each(&ch->taps, at) see(list_entry(at, struct tap, of_channel), r);
}

/* ---- what is told ------------------------------------------------------------------------------------------------------ */

static struct wire_element info_of(const struct tap *tap, const struct run *r, uint64_t position,
                                   const uint8_t *bytes, size_t len)
{
    int64_t age_ns = tap->session->core->now_ns - r->accepted_ns;
    bool begun = position == tap->next; /* perhaps on the page before */
    size_t offset = begun ? (size_t)tap->offset : 0;

    return (struct wire_element){
        .position = position,
        .node = "",
        .age_ms = age_ns > 0 ? (uint64_t)(age_ns / MS_NS) : 0,
        .flags = r->s.flags & ~(WIRE_OFFER | WIRE_PATIENT),
        .size = len,
        .offset = offset,
        .bytes = bytes + offset,
        .len = len - offset,
    };
}

/* false: the page is full, or there is no memory to go on. */
static bool fill_of(const struct tap *tap, struct page *page, struct run *r)
{
    size_t at = 0;

    if (!run_gather(r))
        return false;

    for (uint32_t i = 0; i < r->s.count; i++) {
        size_t len;
        const uint8_t *bytes = section_element(&r->s, &at, &len);
        struct wire_element e = info_of(tap, r, r->s.position + i, bytes, len);
        uint64_t expected = page->n > 0 ? page->elements[page->n - 1].position + 1 : tap->next;

        e.skipped = e.position - expected;
        if (!page_add(page, e))
            return false;
    }
    return true;
}

static void fill(const struct tap *tap, struct page *page)
{
    list_each(&tap->queue.head, at)
    {
        if (!fill_of(tap, page, list_entry(at, struct run, hook)))
            return;
    }
}

/* What stands on the page has been told. */
static void move_on(struct tap *tap, const struct page *page)
{
    const struct wire_element *last = page->n > 0 ? &page->elements[page->n - 1] : NULL;
    bool cut = page_is_cut(page);
    uint32_t n = page->n - cut;

    if (last != NULL) {
        tap->next = last->position + !cut;
        tap->offset = cut ? last->offset + last->len : 0;
    }
    while (n > 0) {
        const struct run *r = run_queue_first(&tap->queue);
        uint32_t here = (uint32_t)least(n, r->s.count);
        run_queue_drop(&tap->queue, here);
        n -= here;
    }
}

/* What is behind the last that is told, if nothing else waits: gives how many. */
static uint64_t skip_the_rest(struct tap *tap)
{
    uint64_t n = tap->seen - tap->next;

    if (tap->queue.count > 0)
        return 0;
    tap->next = tap->seen;
    tap->overdue = false;
    due_take(&tap->due);
    return n;
}

static const char *why_over(enum wire_code code)
{
    switch (code) {
    case WIRE_CLOSED:
        return "it was closed";
    case WIRE_FAILED:
        return "it was ended by a failure";
    case WIRE_CANCELLED:
        return "a receiver has cancelled it";
    case WIRE_REMOVED:
        return "it was removed";
    default:
        return "nobody has used it for a while, and it was forgotten";
    }
}

static void tell(struct tap *tap)
{
    char sentence[WIRE_TEXT_MAX];
    struct wire_control c = { .answer = { .tap = tap->number, .sentence = sentence } };
    struct page page;

    tap->asked = false;
    if (!page_init(&page)) {
        page_refuse(tap->session, tap->id, WIRE_NO_MEMORY, tap->name, "the broker has no memory");
        place(tap);
        return;
    }
    fill(tap, &page);
    uint64_t whole = page.n - page_is_cut(&page);
    if (whole == tap->queue.count) {
        uint64_t last = page.n > 0 ? page.elements[page.n - 1].position + 1 : tap->next;
        c.answer.skipped = tap->seen - last;
        c.answer.code = tap->channel == NULL ? tap->end : WIRE_OK;
    }
    sentence[0] = '\0';
    if (c.answer.code != WIRE_OK)
        snprintf(sentence, sizeof sentence, "channel \"%s\": %s", tap->name, why_over(tap->end));
    page_say(&page, tap->session, tap->id, c);
    move_on(tap, &page);
    page_fini(&page);
    (void)skip_the_rest(tap);
    if (c.answer.code != WIRE_OK)
        tap_free(tap);
    else
        place(tap);
}

void tap_tell_all(struct core *core)
{
    struct tap *tap;

    while ((tap = list_first(&core->telling, struct tap, telling)) != NULL)
        tell(tap);
}

/* ---- what is asked ----------------------------------------------------------------------------------------------------- */

/* The open question is answered, with nothing. */
static void let_go(struct tap *tap)
{
    if (tap->asked)
        page_say(NULL, tap->session, tap->id,
                 (struct wire_control){ .answer = { .tap = tap->number, .sentence = "" } });
    tap->asked = false;
    place(tap);
}

static int begin(struct core_session *s, const struct wire_control *c)
{
    struct channel *ch = page_channel(s, c);
    struct tap *tap;

    if (ch == NULL)
        return 0;
    if (count(&s->taps) >= WIRE_TAPS_MAX || count(&ch->taps) >= TAPS_MAX) {
        page_refuse(s, c->bind, WIRE_NO_MEMORY, ch->name,
                    "this node, or the channel, has as many taps as it may");
        return 0;
    }
    tap = tap_new(s, ch, c->peek.rate);
    if (tap == NULL)
        return -ENOMEM;
    page_say(
        NULL, s, c->bind,
        (struct wire_control){
            .answer = { .tap = tap->number, .incarnation = ch->incarnation, .sentence = "" } });
    channel_after(ch); /* if it is closed already, that is the end */
    return 0;
}

int tap_answer(struct core_session *s, const struct wire_control *c)
{
    struct tap *tap;

    if (c->peek.tap == 0)
        return begin(s, c);
    tap = tap_find(s, c->peek.tap);
    if (tap == NULL) {
        page_refuse(s, c->bind, WIRE_NOT_FOUND, c->peek.name, "this node has no such tap");
        return 0;
    }
    rn_reached_if(tap->asked, "tap: asked again before it has answered");
    let_go(tap);
    tap->asked = true;
    tap->id = c->bind;
    if (c->peek.end) {
        let_go(tap);
        tap_free(tap);
    } else {
        place(tap);
    }
    return 0;
}

/* ---- checking ---------------------------------------------------------------------------------------------------------- */

void tap_check(const struct channel *ch)
{
    list_each(&ch->taps, at)
    {
        const struct tap *tap = list_entry(at, struct tap, of_channel);
        uint64_t position = tap->next;
        rn_assert(tap->channel == ch);
        rn_assert(tap->queue.count <= TAP_ELEMENTS_MAX);
        rn_assert(tap->queue.bytes <= TAP_BYTES_MAX);
        rn_assert(tap->seen <= ch->next_position);
        run_queue_check(&tap->queue);
        list_each(&tap->queue.head, r)
        {
            const struct run *run = list_entry(r, struct run, hook);
            rn_assert(run->s.position >= position);
            position = run->s.position + run->s.count;
        }
        rn_assert(position <= tap->seen);
    }
}
