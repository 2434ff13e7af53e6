/* test_session.c - two sessions, joined by connections that break.   SPDX-License-Identifier: MIT
 *
 * Method: each side says numbered things (an Accepted whose number counts, or a section whose number counts) and notes
 * what the other hands on.  A connection is an array of frames in each direction; when it breaks a random tail of each
 * is lost.  Whatever happens, each stream must arrive in order, once, complete. */
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/link/session.h"
#include "tests/proto/alloc.h"
#include "tests/proto/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define WIRE_FRAMES 4096 /* of a connection, in a direction */

struct end {
    struct session *session;
    uint64_t controls_said, data_said; /* numbers count from 1 */
    uint64_t controls_heard, data_heard;
    struct frame *wire[WIRE_FRAMES]; /* what this end has sent and the other has not got */
    size_t wire_first, wire_end;
};

static struct wire_control accepted(uint64_t number)
{
    return (struct wire_control){ .what = WIRE_ACCEPTED, .bind = 7, .number = number };
}

static void add_section(struct frame_writer *w, uint64_t number, size_t len)
{
    struct wire_section s = { .bind = 1, .number = number, .bytes = len };
    uint8_t *body = malloc(len + 5 * (1 + len / WIRE_WHOLE_MAX));

    s.body = body;
    for (size_t left = len; s.count == 0 || left > 0; s.count++) { /* what is longer is not whole */
        size_t some = left < WIRE_WHOLE_MAX ? left : WIRE_WHOLE_MAX;
        s.size += (uint32_t)element_prefix(body + s.size, some);
        memset(body + s.size, (int)number, some);
        s.size += (uint32_t)some;
        left -= some;
    }
    assert_int_equal(frame_writer_section(w, &s), 0);
    free(body);
}

static void say_control(struct end *e)
{
    struct wire_control c = accepted(e->controls_said + 1);

    assert_int_equal(session_control(e->session, &c), 0);
    e->controls_said++;
}

static void say_data(struct end *e, size_t len)
{
    struct frame_writer w = { 0 };

    add_section(&w, e->data_said + 1, len);
    assert_int_equal(session_data(e->session, &w), 0);
    assert_null(w.frame);
    e->data_said++;
}

/* A Returned that must be heard when all data and controls said before it have been heard. */
static void say_barrier(struct end *e)
{
    struct wire_control c = { .what = WIRE_RETURNED,
                              .bind = 3,
                              .credit = { .bytes = e->data_said, .first = e->controls_said } };
    struct wire_control unbind = { .what = WIRE_UNBIND, .bind = 3 };

    assert_int_equal(session_control(e->session, &unbind), 0);
    assert_int_equal(session_control(e->session, &c),
                     0); /* stays behind it, as every later control */
}

static void hear(struct end *e, const struct frame_view *v)
{
    for (uint32_t i = 0; i < v->n_controls; i++) {
        const struct wire_control *c = &v->controls[i];
        if (c->what == WIRE_ACCEPTED) {
            assert_int_equal(c->number, e->controls_heard + 1);
            e->controls_heard++;
        } else if (c->what == WIRE_RETURNED) {
            assert_true(e->data_heard >= c->credit.bytes);
            assert_int_equal(e->controls_heard, c->credit.first);
        }
    }
    for (uint32_t i = 0; i < v->n_sections; i++) {
        assert_int_equal(v->sections[i].number, e->data_heard + 1);
        e->data_heard++;
    }
}

/* Hands a frame in; gives the verdict. */
static int arrive(struct end *e, struct frame *f, int64_t now)
{
    struct frame_view v;
    const char *why = "";
    int rc = frame_read(&v, f->data, f->len, &why);

    if (rc != 0)
        fail_msg("frame_read: %s", why);
    rc = session_input(e->session, &v, now, &why);
    if (rc < 0)
        fail_msg("session_input: %s", why);
    if (rc == SESSION_HAND_ON)
        hear(e, &v);
    frame_view_fini(&v);
    return rc;
}

/* Moves what the session has to say on its wire. */
static void flush(struct end *e, int64_t now)
{
    struct frame *f;
    int rc;

    while (e->wire_end < WIRE_FRAMES && (f = session_next(e->session, now, &rc)) != NULL)
        e->wire[e->wire_end++] = frame_ref(f);
}

static bool deliver_one(struct end *from, struct end *to, int64_t now)
{
    if (from->wire_first == from->wire_end)
        return false;
    struct frame *f = from->wire[from->wire_first++];
    int verdict = arrive(to, f, now);
    frame_unref(f);
    assert_int_not_equal(verdict, SESSION_GAP);
    if (from->wire_first == from->wire_end)
        from->wire_first = from->wire_end = 0;
    return true;
}

static void lose(struct end *e)
{
    while (e->wire_first < e->wire_end)
        frame_unref(e->wire[e->wire_first++]);
    e->wire_first = e->wire_end = 0;
}

/* Data frames that were sent and are not covered by what the other side has said about them are at most a window. */
static void check_window(const struct end *from, const struct end *to)
{
    size_t frames = 0, bytes = 0;

    for (size_t i = from->wire_first; i < from->wire_end; i++) {
        struct frame_view v;
        const char *why;

        assert_int_equal(frame_read(&v, from->wire[i]->data, from->wire[i]->len, &why), 0);
        if (v.n_sections > 0 && v.seq > session_received(to->session)) {
            frames++;
            bytes += v.len;
        }
        frame_view_fini(&v);
    }
    assert_in_range(frames, 0, WIRE_WINDOW_FRAMES);
    if (frames > 1)
        assert_in_range(bytes, 0, WIRE_WINDOW_BYTES + frames * 512);
}

static void break_and_resume(struct end *a, struct end *b, int64_t now)
{
    const char *why;

    for (uint64_t n = random_below(a->wire_end - a->wire_first + 1); n > 0; n--)
        deliver_one(a, b, now);
    for (uint64_t n = random_below(b->wire_end - b->wire_first + 1); n > 0; n--)
        deliver_one(b, a, now);
    lose(a);
    lose(b);
    session_suspend(a->session);
    session_suspend(b->session);
    for (uint64_t n = random_below(3); n > 0; n--)
        say_control(a);
    if (session_window_open(a->session))
        say_data(a, random_below(3000));
    int rc;
    assert_null(session_next(a->session, now, &rc));
    assert_int_equal(session_resume(b->session, session_received(a->session), &why), 0);
    assert_int_equal(session_resume(a->session, session_received(b->session), &why), 0);
}

static size_t random_length(void)
{
    if (random_below(400) == 0)
        return (size_t)random_below(500 << 10);
    return (size_t)random_below(random_chance(10) ? 100000 : 200);
}

static void step(struct end *a, struct end *b, int64_t now)
{
    switch (random_below(10)) {
    case 0:
    case 1:
        say_control(a);
        break;
    case 2:
    case 3:
        if (session_window_open(a->session))
            say_data(a, random_length());
        break;
    case 4:
        say_barrier(a);
        break;
    case 5:
        flush(a, now);
        check_window(a, b);
        break;
    case 6:
        if (random_chance(50))
            session_ack_now(a->session);
        else
            session_ack_others(a->session);
        break;
    case 7:
        assert_int_equal(session_probe(a->session), 0);
        break;
    default:
        deliver_one(a, b, now);
    }
}

static void settle(struct end *a, struct end *b, int64_t now)
{
    bool moved;

    do {
        session_ack_now(a->session);
        session_ack_now(b->session);
        flush(a, now);
        flush(b, now);
        moved = false;
        while (deliver_one(a, b, now))
            moved = true;
        while (deliver_one(b, a, now))
            moved = true;
    } while (moved);
}

static void open_ends(struct end *a, struct end *b)
{
    memset(a, 0, sizeof *a);
    memset(b, 0, sizeof *b);
    a->session = session_new(0);
    b->session = session_new(42);
    assert_non_null(a->session);
    assert_non_null(b->session);
    session_start(a->session, 42);
}

static void close_ends(struct end *a, struct end *b)
{
    lose(a);
    lose(b);
    session_free(a->session);
    session_free(b->session);
}

static struct end left, right;

static void streams_arrive_in_order_once_and_complete_over_any_breaks(void **state)
{
    (void)state;
    for (random_begin(10000); random_more();) {
        unsigned breaks = (unsigned)random_below(8);
        int64_t now = 1;

        open_ends(&left, &right);
        for (uint64_t n = random_below(200); n > 0; n--, now++) {
            bool swap = random_chance(50);
            step(swap ? &right : &left, swap ? &left : &right, now);
            if (random_chance(breaks))
                break_and_resume(swap ? &right : &left, swap ? &left : &right, now);
        }
        settle(&left, &right, now);
        assert_int_equal(left.controls_said, right.controls_heard);
        assert_int_equal(left.data_said, right.data_heard);
        assert_int_equal(right.controls_said, left.controls_heard);
        assert_int_equal(right.data_said, left.data_heard);
        assert_true(session_idle(left.session));
        assert_true(session_idle(right.session));
        assert_int_equal(session_queued_bytes(left.session), 0);
        assert_int_equal(session_unacked_ns(left.session), 0);
        close_ends(&left, &right);
    }
}

static void the_window_closes_after_16_data_frames_and_opens_by_acknowledgement(void **state)
{
    (void)state;
    open_ends(&left, &right);
    for (int i = 0; i < WIRE_WINDOW_FRAMES; i++) {
        assert_true(session_window_open(left.session));
        say_data(&left, 10);
    }
    assert_false(session_window_open(left.session));
    flush(&left, 1);
    assert_int_equal(left.wire_end, WIRE_WINDOW_FRAMES);
    session_ack_now(right.session); /* nothing has come: nothing to remember */
    for (int i = 0; i < WIRE_WINDOW_FRAMES / 2; i++) {
        flush(&right, 1);
        assert_int_equal(right.wire_end, 0); /* nothing is due before half a window */
        deliver_one(&left, &right, 1);
    }
    flush(&right, 1);
    assert_int_equal(right.wire_end, 1);
    assert_false(session_window_open(left.session));
    deliver_one(&right, &left, 2);
    assert_true(session_window_open(left.session));
    close_ends(&left, &right);
}

static void half_a_window_of_bytes_is_acknowledged_too(void **state)
{
    (void)state;
    open_ends(&left, &right);
    for (int i = 0; i < 4; i++) {
        say_data(&left, WIRE_WINDOW_BYTES / 8);
        flush(&left, 1);
        flush(&right, 1);
        assert_int_equal(right.wire_end, 0);
        deliver_one(&left, &right, 1);
    }
    flush(&right, 1);
    assert_int_equal(right.wire_end, 1);
    close_ends(&left, &right);
}

/* So many frames of one Accepted come, each at a time when there is nothing else to do. */
static void hear_answers(int n)
{
    for (; n > 0; n--) {
        say_control(&left);
        flush(&left, 1);
        deliver_one(&left, &right, 1);
        session_ack_others(right.session);
        flush(&right, 1);
    }
}

static void the_eighth_answer_is_acknowledged(void **state)
{
    (void)state;
    open_ends(&left, &right);
    for (int i = 0; i < 3; i++) {
        hear_answers(WIRE_ANSWERS_MAX - 1);
        assert_int_equal(right.wire_end, 0);
        assert_int_not_equal(session_unacked_ns(left.session), 0);
        hear_answers(1);
        assert_int_equal(right.wire_end, 1);
        deliver_one(&right, &left, 1);
        assert_int_equal(session_unacked_ns(left.session), 0);
    }
    close_ends(&left, &right);
}

static void answers_are_acknowledged_by_the_next_frame(void **state)
{
    (void)state;
    open_ends(&left, &right);
    for (int i = 0; i < 3; i++) {
        hear_answers(WIRE_ANSWERS_MAX - 1);
        say_control(&right);
        flush(&right, 1);
        assert_int_equal(right.wire_end, 1);
        deliver_one(&right, &left, 1);
        assert_int_equal(session_unacked_ns(left.session), 0);
    }
    close_ends(&left, &right);
}

/* By that a Hello that was overtaken is known. */
static void the_first_answer_after_a_resume_is_acknowledged(void **state)
{
    const char *why;

    (void)state;
    open_ends(&left, &right);
    session_suspend(left.session);
    session_suspend(right.session);
    assert_int_equal(session_resume(left.session, session_received(right.session), &why), 0);
    assert_int_equal(session_resume(right.session, session_received(left.session), &why), 0);
    hear_answers(1);
    assert_int_equal(right.wire_end, 1);
    deliver_one(&right, &left, 1);
    hear_answers(WIRE_ANSWERS_MAX - 1);
    assert_int_equal(right.wire_end, 0);
    close_ends(&left, &right);
}

static void what_is_more_than_an_answer_is_acknowledged_at_once(void **state)
{
    struct wire_control credit = { .what = WIRE_CREDIT, .bind = 7, .credit = { .elements = 1 } };

    (void)state;
    open_ends(&left, &right);
    for (int i = 0; i < 4; i++) {
        hear_answers(2);
        assert_int_equal(right.wire_end, 0);
        if (i == 0)
            say_data(&left, 10);
        else if (i == 1)
            assert_int_equal(session_control(left.session, &credit), 0);
        else
            say_control(&left);
        if (i == 2)
            assert_int_equal(session_control(left.session, &credit), 0);
        else if (i == 3)
            say_data(&left, 10);
        flush(&left, 1);
        deliver_one(&left, &right, 1);
        session_ack_others(right.session);
        flush(&right, 1);
        assert_int_equal(right.wire_end, 1);
        deliver_one(&right, &left, 1);
        assert_true(session_idle(left.session));
    }
    assert_int_equal(session_probe(left.session), 0);
    flush(&left, 1);
    deliver_one(&left, &right, 1);
    session_ack_others(right.session);
    flush(&right, 1);
    assert_int_equal(right.wire_end, 1);
    close_ends(&left, &right);
}

static void a_frame_that_the_window_cannot_hold_beside_others_waits(void **state)
{
    (void)state;
    open_ends(&left, &right);
    say_data(&left, 450 << 10);
    say_data(&left, 450 << 10);
    say_data(&left, 200 << 10);
    assert_false(session_window_open(left.session));
    flush(&left, 1);
    assert_int_equal(left.wire_end, 2); /* the last waits for the first */
    say_control(&left);
    flush(&left, 1);
    assert_int_equal(left.wire_end, 3); /* and control waits for neither */
    deliver_one(&left, &right, 1);
    session_ack_now(right.session);
    flush(&right, 1);
    deliver_one(&right, &left, 1);
    flush(&left, 1);
    assert_int_equal(left.wire_end - left.wire_first, 3);
    settle(&left, &right, 2);
    assert_int_equal(right.data_heard, 3);
    close_ends(&left, &right);
}

/* Reads the next frame that the session gives. */
static void next_view(struct session *s, struct frame_view *v)
{
    const char *why;
    int rc;
    struct frame *f = session_next(s, 1, &rc);

    assert_non_null(f);
    assert_int_equal(frame_read(v, f->data, f->len, &why), 0);
}

/* Of an element of so many bytes. */
static void say_piece_of(struct end *e, uint64_t bytes)
{
    static uint8_t body[WIRE_PIECE_BYTES];
    struct wire_section s = { .bind = 1,
                              .flags = WIRE_PIECE,
                              .count = 1,
                              .number = e->data_said + 1,
                              .bytes = bytes,
                              .size = sizeof body,
                              .body = body };
    struct frame_writer w = { 0 };

    assert_int_equal(frame_writer_section(&w, &s), 0);
    assert_int_equal(session_data(e->session, &w), 0);
    e->data_said++;
}

static void say_piece(struct end *e)
{
    say_piece_of(e, 1 << 20);
}

/* How many of our pieces leave before one would have to wait, once an answer has taken trip_ns. */
static int pieces_under_way(struct end *a, struct end *b, int64_t *now, int64_t trip_ns)
{
    int n = 0;

    say_data(a, 1);
    flush(a, *now);
    deliver_one(a, b, *now += trip_ns);
    session_ack_now(b->session);
    flush(b, *now);
    deliver_one(b, a, *now);
    for (; session_window_ample(a->session); n++)
        say_piece(a);
    flush(a, *now);
    while (deliver_one(a, b, *now += trip_ns))
        continue;
    session_ack_now(b->session);
    flush(b, *now);
    deliver_one(b, a, *now);
    return n;
}

static void the_sooner_answers_come_the_less_of_the_window_is_for_pieces(void **state)
{
    int64_t now = 1;
    const char *why;

    (void)state;
    open_ends(&left, &right);
    assert_int_equal(pieces_under_way(&left, &right, &now, 10000000), 4);
    assert_int_equal(pieces_under_way(&left, &right, &now, 550000), 3);
    assert_int_equal(pieces_under_way(&left, &right, &now, 20000), 3);
    assert_int_equal(pieces_under_way(&left, &right, &now, 10000000),
                     3); /* that was others' fault */
    lose(&left);
    lose(&right);
    session_suspend(left.session);
    assert_int_equal(session_resume(left.session, session_received(right.session), &why), 0);
    assert_int_equal(pieces_under_way(&left, &right, &now, 10000000), 4);
    close_ends(&left, &right);
}

static void other_data_leaves_pieces_three_quarters_of_the_window(void **state)
{
    int64_t now = 1;

    (void)state;
    open_ends(&left, &right);
    assert_int_equal(pieces_under_way(&left, &right, &now, 20000), 3);
    say_data(&left, 400 << 10);
    for (int i = 0; i < 2; i++) {
        assert_true(session_window_ample(left.session));
        say_piece(&left);
    }
    assert_false(session_window_ample(left.session));
    flush(&left, now);
    while (deliver_one(&left, &right, now))
        continue;
    session_ack_now(right.session);
    flush(&right, now);
    deliver_one(&right, &left, now);
    assert_true(session_window_ample(left.session));
    close_ends(&left, &right);
}

static void a_very_large_element_goes_piece_by_piece(void **state)
{
    int64_t now = 1;

    (void)state;
    open_ends(&left, &right);
    assert_int_equal(pieces_under_way(&left, &right, &now, 20000), 3);
    say_piece_of(&left, 1 << 30);
    assert_false(session_window_ample(left.session));
    flush(&left, now);
    deliver_one(&left, &right, now);
    session_ack_now(right.session);
    flush(&right, now);
    deliver_one(&right, &left, now);
    assert_true(session_window_ample(left.session));
    close_ends(&left, &right);
}

static void control_overtakes_queued_data(void **state)
{
    struct frame_view v;

    (void)state;
    open_ends(&left, &right);
    say_data(&left, 100);
    for (int i = 0; i < 100; i++) /* more than rides in a data frame */
        say_control(&left);
    next_view(left.session, &v);
    assert_int_equal(v.n_controls, 100);
    assert_int_equal(v.n_sections, 0);
    frame_view_fini(&v);
    next_view(left.session, &v);
    assert_int_equal(v.n_sections, 1);
    frame_view_fini(&v);
    close_ends(&left, &right);
}

static void few_controls_ride_in_front_of_the_data(void **state)
{
    struct frame_view v;

    (void)state;
    open_ends(&left, &right);
    say_data(&left, 100);
    say_control(&left);
    next_view(left.session, &v);
    assert_int_equal(v.n_controls, 1);
    assert_int_equal(v.n_sections, 1);
    frame_view_fini(&v);
    close_ends(&left, &right);
}

static void an_unbind_stays_behind_the_data_before_it_and_later_controls_behind_it(void **state)
{
    struct wire_control unbind = { .what = WIRE_UNBIND, .bind = 1 };
    struct frame_view v;

    (void)state;
    open_ends(&left, &right);
    say_data(&left, 100);
    assert_int_equal(session_control(left.session, &unbind), 0);
    say_control(&left);
    say_data(&left, 100);
    next_view(left.session, &v);
    assert_int_equal(v.n_controls, 0);
    assert_int_equal(v.sections[0].number, 1);
    frame_view_fini(&v);
    next_view(left.session, &v);
    assert_int_equal(v.n_controls, 2);
    assert_int_equal(v.controls[0].what, WIRE_UNBIND);
    assert_int_equal(v.controls[1].what, WIRE_ACCEPTED);
    assert_int_equal(v.sections[0].number, 2);
    frame_view_fini(&v);
    close_ends(&left, &right);
}

static void controls_fill_frames_up_to_the_bound_of_an_envelope(void **state)
{
    (void)state;
    open_ends(&left, &right);
    for (int i = 0; i < 50000; i++)
        say_control(&left);
    flush(&left, 1);
    assert_in_range(left.wire_end, 2, 20);
    for (size_t i = 0; i < left.wire_end; i++)
        assert_in_range(left.wire[i]->len, 1, WIRE_ENVELOPE_MAX + 4);
    settle(&left, &right, 1);
    assert_int_equal(right.controls_heard, 50000);
    close_ends(&left, &right);
}

static void a_missing_frame_is_a_gap_and_a_repeated_one_is_nothing(void **state)
{
    struct frame *frames[3];
    int rc;

    (void)state;
    open_ends(&left, &right);
    for (int i = 0; i < 3; i++) {
        say_control(&left);
        frames[i] = frame_ref(session_next(left.session, 1, &rc));
    }
    assert_int_equal(arrive(&right, frames[0], 1), SESSION_HAND_ON);
    assert_int_equal(arrive(&right, frames[2], 1), SESSION_GAP);
    assert_int_equal(session_received(right.session), 1);
    assert_int_equal(arrive(&right, frames[0], 1), SESSION_NOTHING);
    assert_int_equal(arrive(&right, frames[1], 1), SESSION_HAND_ON);
    assert_int_equal(arrive(&right, frames[2], 1), SESSION_HAND_ON);
    for (int i = 0; i < 3; i++)
        frame_unref(frames[i]);
    close_ends(&left, &right);
}

static void a_resume_with_numbers_that_cannot_be_is_refused(void **state)
{
    const char *why = NULL;
    int rc;

    (void)state;
    open_ends(&left, &right);
    say_control(&left);
    say_control(&left);
    settle(&left, &right, 1);
    say_control(&left);
    flush(&left, 1);
    session_suspend(left.session);
    assert_int_equal(session_resume(left.session, 0, &why), -EPROTO);
    assert_non_null(strstr(why, "forgotten"));
    assert_int_equal(session_resume(left.session, 99, &why), -EPROTO);
    assert_non_null(strstr(why, "never sent"));
    assert_null(session_next(left.session, 1, &rc)); /* still suspended */
    assert_int_equal(session_resume(left.session, session_received(right.session), &why), 0);
    assert_non_null(session_next(left.session, 1, &rc));
    close_ends(&left, &right);
}

/* Such a peer lies about what it has received, in one of two places; it must not harm us. */
static void an_acknowledgement_of_what_is_about_to_be_sent_again_spares_it(void **state)
{
    struct frame_view v = { .session = 42, .ack = 2 };
    const char *why = NULL;
    int rc;

    (void)state;
    open_ends(&left, &right);
    for (int i = 0; i < 3; i++) {
        say_control(&left);
        flush(&left, 1);
    }
    lose(&left);
    session_suspend(left.session);
    assert_int_equal(session_resume(left.session, 0, &why), 0);
    assert_int_equal(session_input(left.session, &v, 1, &why), SESSION_NOTHING);
    next_view(left.session, &v);
    assert_int_equal(v.seq, 3);
    frame_view_fini(&v);
    assert_null(session_next(left.session, 1, &rc));
    close_ends(&left, &right);
}

static void frames_of_another_session_and_false_acknowledgements_are_refused(void **state)
{
    struct frame_view v = { .session = 41, .seq = 1 };
    const char *why = NULL;

    (void)state;
    open_ends(&left, &right);
    assert_int_equal(session_input(left.session, &v, 5, &why), -EPROTO);
    assert_non_null(why);
    v = (struct frame_view){ .session = 42, .seq = 1, .ack = 1 };
    assert_int_equal(session_input(left.session, &v, 5, &why), -EPROTO);
    assert_non_null(strstr(why, "never sent"));
    assert_int_equal(session_received(left.session), 0);
    assert_int_equal(session_heard_ns(left.session), 0);
    close_ends(&left, &right);
}

static void times_tell_when_frames_were_first_sent_and_last_heard(void **state)
{
    const char *why;
    int rc;

    (void)state;
    open_ends(&left, &right);
    assert_int_equal(session_confirmed_ns(left.session), 0);
    say_control(&left);
    flush(&left, 100);
    say_control(&left);
    flush(&left, 200);
    assert_int_equal(session_unacked_ns(left.session), 100);
    lose(&left);
    session_suspend(left.session);
    session_suspend(right.session);
    assert_int_equal(session_resume(left.session, 0, &why), 0);
    assert_int_equal(session_resume(right.session, 0, &why), 0);
    flush(&left, 300); /* sent again: the first time counts */
    deliver_one(&left, &right, 400);
    assert_int_equal(session_heard_ns(right.session), 400);
    session_ack_now(right.session);
    flush(&right, 410);
    deliver_one(&right, &left, 500);
    assert_int_equal(session_confirmed_ns(left.session), 100);
    assert_int_equal(session_unacked_ns(left.session), 200);
    assert_int_equal(session_heard_ns(left.session), 500);
    assert_null(session_next(left.session, 510, &rc));
    close_ends(&left, &right);
}

static void a_probe_is_a_numbered_frame_only_when_nothing_else_will_be_answered(void **state)
{
    struct frame_view v;
    int rc;

    (void)state;
    open_ends(&left, &right);
    assert_int_equal(session_probe(left.session), 0);
    assert_false(session_idle(left.session));
    next_view(left.session, &v);
    assert_int_equal(v.seq, 1);
    assert_int_equal(v.n_controls + v.n_sections, 0);
    frame_view_fini(&v);
    assert_int_equal(session_probe(left.session), 0);
    assert_null(session_next(left.session, 1, &rc)); /* one is on its way */
    close_ends(&left, &right);
}

static void acknowledgements_are_not_acknowledged(void **state)
{
    (void)state;
    open_ends(&left, &right);
    say_control(&left);
    flush(&left, 1);
    deliver_one(&left, &right, 1);
    session_ack_now(right.session);
    flush(&right, 1);
    deliver_one(&right, &left, 1);
    session_ack_now(left.session);
    flush(&left, 1);
    assert_int_equal(left.wire_end, 0);
    session_ack_now(right.session);
    flush(&right, 1);
    assert_int_equal(right.wire_end, 0);
    close_ends(&left, &right);
}

static void a_session_without_a_number_says_nothing(void **state)
{
    struct session *s = session_new(0);
    int rc;

    (void)state;
    assert_int_equal(session_control(s, &(struct wire_control){ .what = WIRE_GOODBYE }), 0);
    assert_null(session_next(s, 1, &rc));
    assert_int_equal(rc, 0);
    session_start(s, 9);
    assert_non_null(session_next(s, 1, &rc));
    session_free(s);
}

/* Each call is made again while memory fails at its n-th request, until it succeeds. */
static void nothing_is_lost_when_memory_fails_anywhere(void **state)
{
    (void)state;
    if (!ALLOC_HOOKED)
        skip();
    for (random_begin(300); random_more();) {
        open_ends(&left, &right);
        for (uint64_t n = 1 + random_below(40); n > 0; n--) {
            struct wire_control c = accepted(left.controls_said + 1);
            long at = 0;
            int rc;

            do {
                alloc_fail_in = at++;
                rc = session_control(left.session, &c);
                alloc_fail_in = -1;
                assert_true(rc == 0 || rc == -ENOMEM);
            } while (rc != 0);
            left.controls_said++;

            if (session_window_open(left.session)) {
                struct frame_writer w = { 0 };
                add_section(&w, left.data_said + 1, 300);
                for (rc = -1, at = 0; rc != 0; at++) {
                    alloc_fail_in = at;
                    rc = session_data(left.session, &w);
                    alloc_fail_in = -1;
                    assert_true(rc == 0 || (rc == -ENOMEM && w.n_sections == 1));
                }
                left.data_said++;
            }
            if (random_chance(50))
                continue;
            for (rc = -1, at = 0; rc != 0 || at == 0; at++) {
                struct frame *f;
                alloc_fail_in = at;
                f = session_next(left.session, 1, &rc);
                alloc_fail_in = -1;
                assert_true(f != NULL || rc == 0 || rc == -ENOMEM);
                if (f != NULL)
                    left.wire[left.wire_end++] = frame_ref(f);
            }
            while (deliver_one(&left, &right, 1))
                continue;
            session_ack_now(right.session);
            for (rc = -1, at = 0; rc != 0; at++) {
                alloc_fail_in = at;
                struct frame *f = session_next(right.session, 1, &rc);
                alloc_fail_in = -1;
                if (f != NULL)
                    right.wire[right.wire_end++] = frame_ref(f);
            }
            while (deliver_one(&right, &left, 1))
                continue;
        }
        settle(&left, &right, 2);
        assert_int_equal(right.controls_heard, left.controls_said);
        assert_int_equal(right.data_heard, left.data_said);
        close_ends(&left, &right);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_arrive_in_order_once_and_complete_over_any_breaks),
        cmocka_unit_test(the_window_closes_after_16_data_frames_and_opens_by_acknowledgement),
        cmocka_unit_test(half_a_window_of_bytes_is_acknowledged_too),
        cmocka_unit_test(the_eighth_answer_is_acknowledged),
        cmocka_unit_test(answers_are_acknowledged_by_the_next_frame),
        cmocka_unit_test(the_first_answer_after_a_resume_is_acknowledged),
        cmocka_unit_test(what_is_more_than_an_answer_is_acknowledged_at_once),
        cmocka_unit_test(a_frame_that_the_window_cannot_hold_beside_others_waits),
        cmocka_unit_test(the_sooner_answers_come_the_less_of_the_window_is_for_pieces),
        cmocka_unit_test(other_data_leaves_pieces_three_quarters_of_the_window),
        cmocka_unit_test(a_very_large_element_goes_piece_by_piece),
        cmocka_unit_test(control_overtakes_queued_data),
        cmocka_unit_test(few_controls_ride_in_front_of_the_data),
        cmocka_unit_test(an_unbind_stays_behind_the_data_before_it_and_later_controls_behind_it),
        cmocka_unit_test(controls_fill_frames_up_to_the_bound_of_an_envelope),
        cmocka_unit_test(a_missing_frame_is_a_gap_and_a_repeated_one_is_nothing),
        cmocka_unit_test(a_resume_with_numbers_that_cannot_be_is_refused),
        cmocka_unit_test(an_acknowledgement_of_what_is_about_to_be_sent_again_spares_it),
        cmocka_unit_test(frames_of_another_session_and_false_acknowledgements_are_refused),
        cmocka_unit_test(times_tell_when_frames_were_first_sent_and_last_heard),
        cmocka_unit_test(a_probe_is_a_numbered_frame_only_when_nothing_else_will_be_answered),
        cmocka_unit_test(acknowledgements_are_not_acknowledged),
        cmocka_unit_test(a_session_without_a_number_says_nothing),
        cmocka_unit_test(nothing_is_lost_when_memory_fails_anywhere),
    };

    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
