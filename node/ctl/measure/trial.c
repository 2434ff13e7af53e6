/* trial.c - see trial.h.   SPDX-License-Identifier: MIT */
#include "node/ctl/measure/trial.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#define LOOK_NS     INT64_C(2000000)   /* between two looks at the members */
#define PROGRESS_NS INT64_C(250000000) /* between two words about it */
#define WARMING_MAX 1.0 /* s before what counts; a quarter of that, when it is less */

/* What is known at one moment. */
struct mark {
    int64_t ns, cpu_ns[CREW_SIDES];
    uint64_t elements, rss_kib;
};

static struct mark mark_now(const struct trial *t)
{
    struct mark m = {
        .ns = measure_now_ns(),
        .elements = t->pings ? atomic_load(&board_producer(t->board, 0)->count)
                             : board_received(t->board),
        .rss_kib = crew_memory_kib(&t->crew, CREW_SERVER, "VmRSS"),
    };

    for (int side = 0; side < CREW_SIDES; side++)
        m.cpu_ns[side] = crew_cpu_ns(&t->crew, (enum crew_side)side);
    return m;
}

static void nap(void)
{
    const struct timespec ts = { .tv_nsec = LOOK_NS };

    nanosleep(&ts, NULL);
}

/* Has anybody ended who should not have? */
static enum trial_result look(struct trial *t, char *why, size_t why_size)
{
    static const char *const names[CREW_SIDES] = { "a producer", "the broker", "a consumer",
                                                   "an idle process" };
    const struct crew_member *m = crew_look(&t->crew);
    char how[128];

    if (m == NULL)
        return TRIAL_DONE;
    if (m->side != CREW_SERVER && atomic_load(&t->board->said))
        return TRIAL_SAID;
    if (!board_may_say(t->board) && m->side != CREW_SERVER)
        return TRIAL_SAID;
    crew_how_ended(m, how, sizeof how);
    snprintf(why, why_size, "%s ended before the run did: %s", names[m->side], how);
    return TRIAL_FAILED;
}

static void stage(struct trial *t, enum board_stage s)
{
    board_set_stage(t->board, s);
}

static enum trial_result late(char *why, size_t why_size, double patience_s, const char *what)
{
    snprintf(why, why_size, "%s after %.3g s", what, patience_s);
    return TRIAL_FAILED;
}

static void tell_there(struct trial *t, int there, int n, int64_t *told_ns)
{
    char text[96];

    if (t->progress == NULL || measure_now_ns() - *told_ns < PROGRESS_NS)
        return;
    snprintf(text, sizeof text, "%d of %d are there", there, n);
    t->progress(t->progress_arg, text);
    *told_ns = measure_now_ns();
}

enum trial_result trial_wait(struct trial *t, const struct board_line *line, int n,
                             enum line_state state, char *why, size_t why_size)
{
    int64_t told_ns = measure_now_ns();
    int64_t until_ns = told_ns + (int64_t)(t->patience_s * 1e9);

    for (int i = 0; i < n;) {
        if (atomic_load(&line[i].state) >= (int)state) {
            i++;
            continue;
        }
        enum trial_result r = look(t, why, why_size);
        if (r != TRIAL_DONE)
            return r;
        if (measure_now_ns() > until_ns)
            return late(why, why_size, t->patience_s, "not everybody is there");
        tell_there(t, i, n, &told_ns);
        nap();
    }
    return TRIAL_DONE;
}

static enum trial_result wait_all(struct trial *t, enum line_state state, char *why,
                                  size_t why_size)
{
    const struct board *b = t->board;

    return trial_wait(t, b->lines, b->producers + b->consumers + b->others, state, why, why_size);
}

static void tell(struct trial *t, const struct mark *from, const struct mark *now)
{
    double s = (double)(now->ns - from->ns) / 1e9;
    char text[96];

    snprintf(text, sizeof text, "%.1f s, %.0f elements/s", s,
             (double)(now->elements - from->elements) / s);
    t->progress(t->progress_arg, text);
}

/* Lets so much time pass, with an eye on the members. */
static enum trial_result pass(struct trial *t, double seconds, char *why, size_t why_size)
{
    struct mark from = mark_now(t);
    int64_t until_ns = from.ns + (int64_t)(seconds * 1e9), told_ns = from.ns;

    for (int64_t now_ns = from.ns; now_ns < until_ns; now_ns = measure_now_ns()) {
        enum trial_result r = look(t, why, why_size);
        if (r != TRIAL_DONE)
            return r;
        if (t->progress != NULL && now_ns - told_ns > PROGRESS_NS) {
            struct mark now = mark_now(t);
            tell(t, &from, &now);
            told_ns = now_ns;
        }
        nap();
    }
    return TRIAL_DONE;
}

static enum trial_result wait_end(struct trial *t, char *why, size_t why_size)
{
    int64_t until_ns = measure_now_ns() + (int64_t)(t->patience_s * 1e9);

    for (;;) {
        enum trial_result r = look(t, why, why_size);
        if (r != TRIAL_DONE)
            return r;
        if (!crew_runs(&t->crew, CREW_PRODUCER) && !crew_runs(&t->crew, CREW_CONSUMER) &&
            !crew_runs(&t->crew, CREW_OTHER))
            return TRIAL_DONE;
        if (measure_now_ns() > until_ns)
            return late(why, why_size, t->patience_s, "what was sent has not all been received");
        nap();
    }
}

/* ---- figures ---- */

static double kib_each(double kib, int n)
{
    return n > 0 ? kib / n : NAN;
}

static void fill_cpu(const struct trial *t, double (*v)[RUNS_MAX], int run, const struct mark *from,
                     const struct mark *to, double elements)
{
    static const enum figure of[CREW_SIDES] = { FIGURE_CPU_PRODUCERS, FIGURE_CPU_BROKER,
                                                FIGURE_CPU_CONSUMERS, FIGURES };
    double all = 0;

    for (int side = 0; side < CREW_SIDES; side++) {
        double s = (double)(to->cpu_ns[side] - from->cpu_ns[side]) / 1e9;

        if (of[side] == FIGURES)
            continue;
        all += s;
        v[of[side]][run] = s / elements * 1e6;
    }
    v[FIGURE_CPU][run] = t->server_is_ours ? all / elements * 1e6 : NAN;
    if (!t->server_is_ours)
        v[FIGURE_CPU_BROKER][run] = NAN;
}

static void fill_latency(const struct trial *t, double (*v)[RUNS_MAX], int run)
{
    static const double percent[] = { 50, 90, 99, 99.9, 99.99 };
    const struct histogram *h = t->board->histogram;

    for (int i = 0; i < 5; i++)
        v[FIGURE_P50 + i][run] = atomic_load(&h->total) == 0
                                     ? NAN
                                     : (double)histogram_percentile(h, percent[i]) / 1e3;
}

struct marks {
    struct mark open, bound, idle, from, to;
};

static void fill_memory(const struct trial *t, double (*v)[RUNS_MAX], int run,
                        const struct marks *m)
{
    double bound_kib = (double)m->bound.rss_kib - (double)m->open.rss_kib;
    double idle_s = (double)(m->idle.ns - m->bound.ns) / 1e9;

    v[FIGURE_RSS][run] = (double)crew_memory_kib(&t->crew, CREW_SERVER, "VmHWM") * 1024 / 1e6;
    v[FIGURE_GROWTH][run] = ((double)m->to.rss_kib - (double)m->from.rss_kib) * 1024 / 1e6;
    v[FIGURE_PER_CHANNEL][run] = t->channels > 1 ? kib_each(bound_kib * 1024, t->channels) : NAN;
    v[FIGURE_PER_CONNECTION][run] = kib_each(bound_kib, t->connections);
    v[FIGURE_IDLE][run] = t->idle_s > 0 ? (double)(m->idle.cpu_ns[CREW_SERVER] -
                                                   m->bound.cpu_ns[CREW_SERVER]) /
                                              1e7 / idle_s
                                        : NAN;
    if (t->server_is_ours)
        return;
    v[FIGURE_RSS][run] = v[FIGURE_GROWTH][run] = NAN;
    v[FIGURE_PER_CHANNEL][run] = v[FIGURE_PER_CONNECTION][run] = v[FIGURE_IDLE][run] = NAN;
}

static void fill(const struct trial *t, struct figures *out, int run, const struct marks *m)
{
    double(*v)[RUNS_MAX] = out->value;
    double s = (double)(m->to.ns - m->from.ns) / 1e9;
    double elements = (double)(m->to.elements - m->from.elements);

    v[FIGURE_RATE][run] = elements / s;
    v[FIGURE_MB][run] = elements / s * (double)t->size / 1e6;
    fill_cpu(t, v, run, &m->from, &m->to, elements > 0 && !t->load ? elements : NAN);
    fill_latency(t, v, run);
    fill_memory(t, v, run, m);
    out->runs = run + 1;
}

static enum trial_result judge(const struct trial *t, struct figures *out, int run, char *why,
                               size_t why_size)
{
    struct tally_verdict v = tally_judge(t->board->log, t->board->sent, t->board->streams);

    if (!v.complete || v.alien > 0) {
        snprintf(why, why_size,
                 v.complete ? "elements came that nobody has sent"
                            : "the elements came so mixed that they could not be checked");
        return TRIAL_FAILED;
    }
    out->value[FIGURE_LOST][run] = (double)v.lost;
    out->value[FIGURE_DOUBLED][run] = (double)v.doubled;
    out->value[FIGURE_DISORDERED][run] = (double)v.disordered;
    return TRIAL_DONE;
}

enum trial_result trial_run(struct trial *t, struct figures *out, int run, char *why,
                            size_t why_size)
{
    double warming_s = t->seconds / 4 < WARMING_MAX ? t->seconds / 4 : WARMING_MAX;
    struct board *b = t->board;
    struct marks m;
    enum trial_result r = wait_all(t, LINE_OPEN, why, why_size);

    m.open = mark_now(t);
    stage(t, BOARD_BINDING_IN);
    if (r == TRIAL_DONE)
        r = trial_wait(t, board_consumer(b, 0), b->consumers, LINE_BOUND, why, why_size);
    stage(t, BOARD_BINDING_OUT);
    if (r == TRIAL_DONE)
        r = trial_wait(t, board_producer(b, 0), b->producers, LINE_BOUND, why, why_size);
    if (b->others > 0)
        m.open = mark_now(t);
    stage(t, BOARD_CONNECTING);
    if (r == TRIAL_DONE)
        r = trial_wait(t, board_other(b, 0), b->others, LINE_BOUND, why, why_size);
    stage(t, BOARD_IDLE);
    m.bound = mark_now(t);
    if (r == TRIAL_DONE && t->idle_s > 0)
        r = pass(t, t->idle_s, why, why_size);
    m.idle = mark_now(t);
    stage(t, BOARD_WARMING);
    if (r == TRIAL_DONE)
        r = pass(t, warming_s, why, why_size);
    stage(t, BOARD_COUNTING);
    m.from = mark_now(t);
    if (r == TRIAL_DONE)
        r = pass(t, t->seconds, why, why_size);
    m.to = mark_now(t);
    stage(t, BOARD_ENDING);
    if (r == TRIAL_DONE)
        r = wait_end(t, why, why_size);
    if (r != TRIAL_DONE)
        return r;
    fill(t, out, run, &m);
    return judge(t, out, run, why, why_size);
}
