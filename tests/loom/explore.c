/* explore.c - which schedules of a unit are tried; see loom.h.   SPDX-License-Identifier: MIT
 *
 *   loom [--unit NAME]... [--schedules N] [--seconds S] [--floor N]     explores; all units if none is named
 *   loom --unit NAME (--schedule LIST | --seed N) [--trace]             replays one schedule
 *   loom --list
 *
 * A schedule is told by its decisions that are not the usual ones: STEP:CHOICE,..., where the usual one is to go on, and to
 * go around when that cannot be.  Depth first means: first all that have one such decision, then two, and so on, in an order
 * that begins everywhere, as there may not be time for all.  One half of the schedules is found so, the other by seeds. */
#include "tests/loom/machine.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LEVELS_MAX      7
#define CANDIDATES_MAX  32768
#define PREEMPTIONS     2 /* at most; more when all schedules with so few were tried */
#define PREEMPTIONS_MAX 4
#define DELAYS_MAX      1
#define RACES_EVERY     3u
#define LATE_MAX        40 /* times as long as was asked for, until there are as many as the floor */
#define STUCK_SECONDS   20 /* of the processor, for one schedule */

struct decision {
    uint16_t step;
    uint8_t choice;
    uint8_t kind;
};

struct option {
    uint8_t kind;
    uint8_t alternatives;
};

enum mode { USUAL, LISTED, PRIORITIES, WALK };

static struct {
    const struct loom_unit *unit;
    enum mode mode;
    bool recording;
    struct option options[LOOM_STEPS_MAX];
    struct decision made[LEVELS_MAX]; /* that are not the usual ones */
    unsigned n_made, at, preemptions;
    uint64_t seed, random;
    unsigned priority[LOOM_THREADS_MAX], lowest;
    unsigned above[LOOM_THREADS_MAX]; /* who has a higher priority, as bits */
    unsigned changes[4], n_changes, delays;
    unsigned usual_steps;
    uint64_t leaves; /* schedules with as many decisions as were asked for */
} e;

/* What is asked for, and what has been done. */
static struct {
    uint64_t schedules;       /* 0: as many as there is time for, */
    int64_t until_ns, end_ns; /* the latter while there are fewer than the floor */
    uint64_t done, depth_first;
    volatile uint64_t runs;
} budget;

struct loom_path loom_path;

static struct decision candidates[LEVELS_MAX][CANDIDATES_MAX];

extern const struct loom_unit *const __start_loom_units[], *const __stop_loom_units[];

int __real_clock_gettime(clockid_t clock, struct timespec *t);

static int64_t wall_ns(void)
{
    struct timespec t;

    __real_clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- decisions ------------------------------------------------------------------------------------ */

static uint64_t random_next(void)
{
    uint64_t z = (e.random += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static bool one_in(unsigned n)
{
    return random_next() % n == 0;
}

/* Among equals, which are rare, the first comes first. */
static bool is_above(int a, int b)
{
    return e.priority[a] > e.priority[b] || (e.priority[a] == e.priority[b] && a < b);
}

static void rank_all(void)
{
    memset(e.above, 0, sizeof e.above);
    for (int i = 0; i < LOOM_THREADS_MAX; i++)
        for (int j = 0; j < i; j++)
            if (is_above(i, j))
                e.above[j] |= 1u << i;
            else
                e.above[i] |= 1u << j;
}

void loom_lower(int thread)
{
    if (e.lowest == 0)
        return;
    e.priority[thread] = --e.lowest;
    for (int i = 0; i < LOOM_THREADS_MAX; i++)
        e.above[i] &= ~(1u << thread);
    e.above[thread] = ((1u << LOOM_THREADS_MAX) - 1) & ~(1u << thread);
}

static int highest(unsigned set)
{
    int best = __builtin_ctz(set);

    while ((e.above[best] & set) != 0)
        best = __builtin_ctz(e.above[best] & set);
    return best;
}

static int any_of(unsigned set)
{
    unsigned k = (unsigned)(random_next() % (unsigned)__builtin_popcount(set));

    while (k-- > 0)
        set &= set - 1;
    return __builtin_ctz(set);
}

static int decide_random(enum loom_kind kind, unsigned alternatives, int current, unsigned step)
{
    if (kind == LOOM_DELAY)
        return e.delays > 0 && one_in(8) ? (e.delays--, 1) : -1;
    if (kind == LOOM_BURN)
        return one_in(2) ? 1 : -1;
    if (e.mode == WALK)
        return kind == LOOM_SWITCH || one_in(8) ? any_of(alternatives | 1u << current) : -1;
    if (kind == LOOM_PREEMPT)
        for (unsigned i = 0; i < e.n_changes; i++)
            if (e.changes[i] == step)
                loom_lower(current);
    return (e.above[current] & alternatives) == 0 ? current : highest(alternatives | 1u << current);
}

/* No step before the next decision that is not the usual one need ask; unless it is to be recorded. */
static void usual_from_here(void)
{
    loom_path.usual_until = LOOM_STEPS_MAX - 1;
    if (e.at < e.n_made && e.made[e.at].step < loom_path.usual_until)
        loom_path.usual_until = e.made[e.at].step;
    if (e.recording || e.mode >= PRIORITIES)
        loom_path.usual_until = 0;
}

int loom_decide_asked(enum loom_kind kind, unsigned alternatives, int current)
{
    unsigned step = loom_path.step++, choice;

    if (step >= LOOM_STEPS_MAX - 1)
        loom_fail("it does not end");
    if (e.recording)
        e.options[step] = (struct option){ (uint8_t)kind, (uint8_t)alternatives };
    if (e.mode >= PRIORITIES)
        return decide_random(kind, alternatives, current, step);
    if (e.at == e.n_made || e.made[e.at].step != step)
        return -1;
    if (!(alternatives & 1u << e.made[e.at].choice))
        loom_fail("step %u has no choice %u: it is not this schedule's", step, e.made[e.at].choice);
    choice = e.made[e.at++].choice;
    usual_from_here();
    return (int)choice;
}

/* ---- one schedule ------------------------------------------------------------------------------------ */

static void run_one(uint64_t random, bool races)
{
    loom_path.step = 0;
    e.at = 0;
    usual_from_here();
    budget.runs++;
    loom_run(e.unit, random, races);
}

static void run_listed(bool recording)
{
    e.mode = LISTED;
    e.recording = recording;
    e.lowest = 0;
    run_one(0, e.n_made <= 1);
}

static void run_seed(uint64_t seed)
{
    e.mode = seed % 4 == 0 ? WALK : PRIORITIES;
    e.recording = false;
    e.seed = seed;
    e.random = seed * UINT64_C(0x2545f4914f6cdd1d);
    e.lowest = 1u << 20;
    for (int i = 0; i < LOOM_THREADS_MAX; i++)
        e.priority[i] = (1u << 20) + (unsigned)(random_next() % (1u << 20));
    rank_all();
    e.n_changes = (unsigned)(seed % 4);
    for (unsigned i = 0; i < e.n_changes; i++)
        e.changes[i] = (unsigned)(random_next() % (e.usual_steps + 1));
    e.delays = (unsigned)(random_next() % 3);
    run_one(seed, seed % RACES_EVERY == 0);
}

void loom_say_replay(void)
{
    printf("replay with: build/release/tests/loom --unit %s ", e.unit->name);
    if (e.mode >= PRIORITIES) {
        printf("--seed %llu --trace\n", (unsigned long long)e.seed);
        return;
    }
    printf("--schedule ");
    for (unsigned i = 0; i < e.n_made; i++)
        printf("%s%u:%u", i > 0 ? "," : "", e.made[i].step, e.made[i].choice);
    printf("%s --trace\n", e.n_made > 0 ? "" : "0");
}

/* The first runs fill what the runtime keeps from one scheduler to the next; from then on all begin alike. */
static void prepare(const struct loom_unit *unit)
{
    e.unit = unit;
    e.n_made = 0;
    loom_arena_end();
    for (int i = 0; i < 3; i++)
        run_listed(false);
    loom_arena_begin();
    run_listed(false);
    e.usual_steps = loom_path.step;
}

/* ---- all schedules ------------------------------------------------------------------------------------- */

static bool over(uint64_t most)
{
    if (budget.schedules > 0)
        return budget.done >= most;
    if ((budget.done & 63) != 0)
        return false;
    return wall_ns() >= (budget.done < most ? budget.end_ns : budget.until_ns);
}

static unsigned made_of_kind(enum loom_kind kind)
{
    unsigned n = 0;

    for (unsigned i = 0; i < e.n_made; i++)
        n += e.made[i].kind == kind;
    return n;
}

/* The decisions that can follow those made, in the run that was just recorded. */
static unsigned list_candidates(struct decision *list)
{
    bool preempt = made_of_kind(LOOM_PREEMPT) < e.preemptions;
    bool delay = made_of_kind(LOOM_DELAY) < DELAYS_MAX;
    unsigned n = 0, first = e.n_made > 0 ? e.made[e.n_made - 1].step + 1u : 0;

    for (unsigned step = first; step < loom_path.step; step++) {
        struct option o = e.options[step];

        if ((o.kind == LOOM_PREEMPT && !preempt) || (o.kind == LOOM_DELAY && !delay))
            continue;
        for (unsigned choice = 0; choice < 8; choice++)
            if ((o.alternatives & 1u << choice) && n < CANDIDATES_MAX)
                list[n++] = (struct decision){ (uint16_t)step, (uint8_t)choice, o.kind };
    }
    return n;
}

static unsigned common_divisor(unsigned a, unsigned b)
{
    return b == 0 ? a : common_divisor(b, a % b);
}

/* Steps of that size visit all of n, and soon some of everywhere. */
static unsigned stride_of(unsigned n)
{
    unsigned stride = (unsigned)((double)n * 0.618) | 1;

    while (common_divisor(n, stride) != 1)
        stride++;
    return stride;
}

/* All schedules with `depth` decisions that begin with those made.  false: the budget is used up. */
static bool descend(unsigned depth, uint64_t most)
{
    struct decision *list = candidates[e.n_made];
    unsigned n, stride, k = 0;

    if (over(most))
        return false;
    run_listed(e.n_made < depth);
    if (e.n_made == depth) {
        e.leaves++;
        if (e.preemptions == PREEMPTIONS || made_of_kind(LOOM_PREEMPT) == e.preemptions)
            budget.done++; /* else it has been counted */
        return true;
    }
    n = list_candidates(list);
    if (n == 0)
        return true;
    stride = stride_of(n);
    for (unsigned i = 0; i < n; i++, k = (k + stride) % n) {
        bool go_on;

        e.made[e.n_made++] = list[k];
        go_on = descend(depth, most);
        e.n_made--;
        if (!go_on)
            return false;
    }
    return true;
}

/* Says of which schedules all were tried. */
static void depth_first(uint64_t most, char *all, size_t size)
{
    for (e.preemptions = PREEMPTIONS; e.preemptions <= PREEMPTIONS_MAX; e.preemptions++) {
        for (unsigned depth = 0; depth < LEVELS_MAX; depth++) {
            uint64_t before = e.leaves;

            e.n_made = 0;
            if (!descend(depth, most)) {
                if (e.preemptions == PREEMPTIONS && depth > 0)
                    snprintf(all, size, "all of %u decisions", depth - 1);
                return;
            }
            if (e.leaves == before)
                break; /* none has so many */
        }
        snprintf(all, size, "all of %u preemptions", e.preemptions);
    }
}

static void explore(const struct loom_unit *unit, uint64_t schedules, double seconds,
                    uint64_t floor)
{
    int64_t begin = wall_ns();
    char all[64] = "not all of any";

    prepare(unit);
    budget.schedules = schedules;
    budget.done = 0;
    budget.until_ns = begin + (int64_t)(seconds * 0.5e9);
    budget.end_ns = begin + (int64_t)(seconds * 0.5e9 * LATE_MAX);
    depth_first((schedules > 0 ? schedules : floor) / 2, all, sizeof all);
    budget.depth_first = budget.done;
    budget.until_ns = begin + (int64_t)(seconds * 1e9);
    budget.end_ns = begin + (int64_t)(seconds * 1e9 * LATE_MAX);
    for (uint64_t seed = 1; !over(schedules > 0 ? schedules : floor); seed++, budget.done++)
        run_seed(seed);
    printf("loom: %-20s %8llu schedules of about %u steps in %.1f s: %llu depth first, %s\n",
           unit->name, (unsigned long long)budget.done, e.usual_steps,
           (double)(wall_ns() - begin) / 1e9, (unsigned long long)budget.depth_first, all);
    loom_mapped_forget();
    if (budget.done < floor) {
        printf("loom: FAILED: %s: fewer schedules than the floor, %llu\n", unit->name,
               (unsigned long long)floor);
        loom_exit(1);
    }
    fflush(stdout);
}

static void replay(const struct loom_unit *unit, const char *schedule, uint64_t seed, bool trace)
{
    prepare(unit);
    loom_tracing = trace;
    if (schedule == NULL) {
        run_seed(seed);
    } else {
        for (const char *at = schedule; at != NULL && strchr(at, ':') != NULL;) {
            unsigned step, choice;

            if (e.n_made == LEVELS_MAX || sscanf(at, "%u:%u", &step, &choice) != 2) {
                fprintf(stderr, "loom: not a schedule: %s\n", schedule);
                loom_exit(2);
            }
            e.made[e.n_made++] = (struct decision){ (uint16_t)step, (uint8_t)choice, 0 };
            at = strchr(at, ',');
            at = at != NULL ? at + 1 : NULL;
        }
        run_listed(false);
    }
    printf("loom: %s: this schedule is well, %u steps\n", unit->name, loom_path.step);
}

/* ---- what ends it ------------------------------------------------------------------------------------------- */

static void on_crash(int signo)
{
    loom_fail("signal %d (%s)", signo, strsignal(signo));
}

static void on_alarm(int signo)
{
    static uint64_t last;

    (void)signo;
    if (budget.runs == last)
        loom_fail("one schedule runs on and on");
    last = budget.runs;
}

static void handlers(void)
{
    static char stack[65536];
    static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
    stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };
    struct sigaction action = { .sa_handler = on_crash, .sa_flags = SA_ONSTACK | SA_RESETHAND };
    struct itimerval often = { { STUCK_SECONDS, 0 }, { STUCK_SECONDS, 0 } };

    sigaltstack(&alternate, NULL);
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        sigaction(crashes[i], &action, NULL);
    action.sa_handler = on_alarm;
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGVTALRM, &action, NULL);
    setitimer(ITIMER_VIRTUAL, &often, NULL);
}

/* Addresses decide in which order a select locks: they must be those of the run that is replayed. */
static void fix_addresses(char **argv)
{
    int now = personality(0xffffffff);

    if (now < 0 || (now & ADDR_NO_RANDOMIZE) ||
        personality((unsigned long)now | ADDR_NO_RANDOMIZE) < 0)
        return;
    execv("/proc/self/exe", argv);
}

static const struct loom_unit *unit_named(const char *name)
{
    for (const struct loom_unit *const *u = __start_loom_units; u < __stop_loom_units; u++)
        if (strcmp((*u)->name, name) == 0)
            return *u;
    fprintf(stderr, "loom: no unit '%s', see --list\n", name);
    exit(2);
}

static _Noreturn void wrong_use(void)
{
    fputs("usage: loom [--unit NAME]... [--schedules N] [--seconds S] [--floor N]\n"
          "       loom --unit NAME (--schedule LIST | --seed N) [--trace]\n"
          "       loom --list\n",
          stderr);
    exit(2);
}

int main(int argc, char **argv)
{
    size_t room = (size_t)(__stop_loom_units - __start_loom_units) + (size_t)argc;
    const struct loom_unit **units = calloc(room, sizeof *units);
    const char *schedule = NULL, *seed = NULL;
    uint64_t schedules = 0, floor = 0;
    double seconds = 60;
    bool trace = false;
    unsigned n = 0;

    if (units == NULL)
        abort();
    fix_addresses(argv);
    for (int i = 1; i < argc; i++) {
        const char *option = argv[i], *value = argv[i + 1];

        if (strcmp(option, "--list") == 0) {
            for (const struct loom_unit *const *u = __start_loom_units; u < __stop_loom_units; u++)
                printf("%-20s %s\n", (*u)->name, (*u)->says);
            return 0;
        }
        if (strcmp(option, "--trace") == 0) {
            trace = true;
            continue;
        }
        if (value == NULL)
            wrong_use();
        i++;
        if (strcmp(option, "--unit") == 0)
            units[n++] = unit_named(value);
        else if (strcmp(option, "--schedules") == 0)
            schedules = strtoull(value, NULL, 10);
        else if (strcmp(option, "--seconds") == 0)
            seconds = strtod(value, NULL);
        else if (strcmp(option, "--floor") == 0)
            floor = strtoull(value, NULL, 10);
        else if (strcmp(option, "--schedule") == 0)
            schedule = value;
        else if (strcmp(option, "--seed") == 0)
            seed = value;
        else
            wrong_use();
    }
    handlers();
    if (schedule != NULL || seed != NULL) {
        if (n != 1)
            wrong_use();
        replay(units[0], schedule, seed != NULL ? strtoull(seed, NULL, 10) : 0, trace);
        return 0;
    }
    if (n == 0)
        for (const struct loom_unit *const *u = __start_loom_units; u < __stop_loom_units; u++)
            units[n++] = *u;
    for (unsigned i = 0; i < n; i++)
        explore(units[i], schedules, seconds / n, floor);
    return 0;
}
