/* hog.c - see hog.h.   SPDX-License-Identifier: MIT
 *
 * Only the thread itself can say where a goroutine is that runs.  So it is interrupted: a handler, on the thread's alternate
 * stack, notes who runs and follows the frame pointers, and copies what lies between the stack's end and the first frame:
 * that is the business of a function without a frame, most often a system call's, in which the address is that its caller
 * goes on at.  Where calls leave that address in a register (aarch64), it copies the register.  Looking up names is left to
 * the monitor.
 *
 * A thread that is asked and does not answer - signals are blocked in it, or held back by a sanitizer - is reported without its
 * place; a late answer finds that nobody asks. */
#include "runtime/hog.h"

#include "runtime/dump.h"
#include "runtime/frames.h"
#include "runtime/print.h"
#include "runtime/state.h"
#include "runtime/symbol.h"

#include <errno.h>
#include <link.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REPORTS_MAX 16
#define ANSWER_NS   (100 * RN_MS)
#define WORDS       64

enum { NOBODY_ASKS, ASKED, ANSWERING, ANSWERED };

/* Written by the handler between ANSWERING and ANSWERED, else the monitor's. */
static struct {
    _Atomic uint32_t state;
    const struct rn__worker *_Atomic whom;
    uint64_t id; /* 0: no goroutine */
    bool system;
    char name[RN__NAME_MAX];
    struct rn__frames frames;
    unsigned n_words;
    uintptr_t words[WORDS]; /* from the stack's end up to the first frame; or that register */
} answer;

static struct {
    unsigned told;             /* in the life of the program */
    uint64_t ids[REPORTS_MAX]; /* of those of this scheduler */
    unsigned n_ids;
    bool caught;
    struct sigaction before; /* of SIGURG, if it is caught */
} reports;

/* ---- on the thread that is asked --------------------------------------------------------------------- */

/* The stack may contain what ASan has fenced off. */
__attribute__((no_sanitize("address", "thread", "undefined"), noinline)) static void words_copy(
    uintptr_t from, uintptr_t to)
{
    answer.n_words = 0;
    for (; from + sizeof from <= to && answer.n_words < WORDS; from += sizeof from)
        answer.words[answer.n_words++] = *(const volatile uintptr_t *)from;
}

static void describe(const struct rn__g *g, const void *context)
{
    uintptr_t low = (uintptr_t)g->stack->low, high = low + g->stack->size;
    struct rn__where at = rn__frames_where(context);

    answer.id = g->id;
    answer.system = g->system;
    memcpy(answer.name, g->name, sizeof answer.name);
    rn__frames_walk(&answer.frames, at.pc, at.fp, low, high);
    answer.n_words = 0;
    if (at.link != NULL)
        answer.words[answer.n_words++] = (uintptr_t)at.link;
    else if (at.sp % sizeof at.sp == 0 && at.sp >= low && at.sp < high)
        words_copy(at.sp, at.fp > at.sp && at.fp < high ? at.fp : high);
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
    uint32_t asked = ASKED;
    int saved = errno;
    const struct rn__g *g = rn__self();

    (void)signo;
    (void)info;
    if (atomic_load(&answer.whom) != rn__worker() ||
        !atomic_compare_exchange_strong(&answer.state, &asked, ANSWERING))
        return;
    answer.id = 0;
    if (g != NULL)
        describe(g, context);
    atomic_store(&answer.state, ANSWERED);
    rn__futex_wake(&answer.state, 1);
    errno = saved;
}

/* ---- asking -------------------------------------------------------------------------------------------- */

/* false: the program uses the signal. */
static bool catch_signal(void)
{
    struct sigaction now,
        ours = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK };

    if (sigaction(SIGURG, NULL, &now) != 0)
        return false;
    if (now.sa_flags & SA_SIGINFO)
        return now.sa_sigaction == on_signal;
    if (now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN)
        return false;
    sigemptyset(&ours.sa_mask);
    reports.caught = sigaction(SIGURG, &ours, &reports.before) == 0;
    return reports.caught;
}

/* true: the answer is there, and ours until the next question. */
static bool ask(const struct rn__worker *w)
{
    rn_time until = rn_after(ANSWER_NS);
    uint32_t state = ASKED;

    if (!catch_signal())
        return false;
    atomic_store(&answer.whom, w);
    atomic_store(&answer.state, ASKED);
    if (syscall(SYS_tgkill, getpid(), atomic_load(&w->tid), SIGURG) != 0)
        until = RN_NOWAIT;
    while ((state = atomic_load(&answer.state)) != ANSWERED) {
        if (state == ASKED && rn_now() >= until &&
            atomic_compare_exchange_strong(&answer.state, &state, NOBODY_ASKS))
            return false;
        rn__futex_wait(&answer.state, state, state == ASKED ? until : INT64_MAX);
    }
    return answer.id != 0;
}

/* Without its help: a goroutine does not end while its registry is locked, so it has a name if it is found there. */
static void find_it(struct rn__g *g, void *current)
{
    if (g != current)
        return;
    answer.id = g->id;
    answer.system = g->system;
    memcpy(answer.name, g->name, sizeof answer.name);
}

static bool look_it_up(const struct rn__worker *w)
{
    answer.id = 0;
    answer.frames.n = answer.n_words = 0;
    rn__each_g(find_it, (void *)(uintptr_t)rn__worker_current(w));
    return answer.id != 0;
}

/* ---- telling -------------------------------------------------------------------------------------------- */

struct code {
    uintptr_t first, last; /* bytes that are asked about */
    bool is_code;
};

static int look_into_object(struct dl_phdr_info *object, size_t size, void *arg)
{
    struct code *c = arg;

    (void)size;
    for (int i = 0; i < object->dlpi_phnum && !c->is_code; i++) {
        uintptr_t low = object->dlpi_addr + object->dlpi_phdr[i].p_vaddr;

        c->is_code = object->dlpi_phdr[i].p_type == PT_LOAD &&
                     (object->dlpi_phdr[i].p_flags & (PF_R | PF_X)) == (PF_R | PF_X) &&
                     c->first >= low && c->last - low < object->dlpi_phdr[i].p_filesz;
    }
    return c->is_code;
}

/* Does a call stand before that address? */
static bool is_return_address(uintptr_t address)
{
    const unsigned char *at = (const unsigned char *)address;
    struct code code = { address - 7, address, false };

    dl_iterate_phdr(look_into_object, &code);
#if defined(__x86_64__)
    return code.is_code && (at[-5] == 0xe8 || (at[-2] == 0xff && (at[-1] & 0x38) == 0x10) ||
                            (at[-3] == 0xff && (at[-2] & 0x38) == 0x10) ||
                            (at[-6] == 0xff && (at[-5] & 0x38) == 0x10));
#elif defined(__aarch64__)
    return code.is_code && ((at[-1] & 0xfc) == 0x94 || (at[-1] == 0xd6 && (at[-2] & 0xf0) == 0x30));
#else
    return false;
#endif
}

/* As far as their names tell; `to` is where a call returns to. */
static bool in_one_function(const void *at, uintptr_t to)
{
    char one[160], other[sizeof one];

    rn__symbol_name(at, one, sizeof one);
    rn__symbol_name((const void *)(to - 1), other, sizeof other);
    return strncmp(one, other, strcspn(one, "+") + 1) == 0;
}

/* Puts the caller of a function without a frame, which is the innermost, where it belongs: it is found among the first words
 * of the stack.  The register may be what the function's own last call has left there, or be in its frame as well. */
static void complete(struct rn__frames *f, unsigned words)
{
    unsigned i = 0;

    if (words > answer.n_words)
        words = answer.n_words;
    while (i < words && !is_return_address(answer.words[i]))
        i++;
    if (i == words || f->n == 0 || (f->n > 1 && (uintptr_t)f->pc[1] == answer.words[i]) ||
        in_one_function(f->pc[0], answer.words[i]))
        return;
    if (f->n < RN__FRAMES)
        f->n++;
    memmove(&f->pc[2], &f->pc[1], (f->n - 2) * sizeof f->pc[0]);
    f->pc[1] = (const void *)answer.words[i];
}

static bool is_known(uint64_t id)
{
    for (unsigned i = 0; i < reports.n_ids; i++)
        if (reports.ids[i] == id)
            return true;
    return false;
}

void rn__hog_report(struct rn__worker *w, int64_t stuck_ns, bool blocked)
{
    struct rn__print p;
    bool answered;

    if (reports.told == REPORTS_MAX)
        return;
    answered = ask(w);
    if ((!answered && !look_it_up(w)) || is_known(answer.id))
        return; /* the first: it has just given way */
    reports.ids[reports.n_ids++] = answer.id;
    rn__print_init(&p, STDERR_FILENO);
    rn__dump_who(&p, answer.id, answer.name, answer.system);
    rn__print_text(&p, " has not given way for ");
    rn__print_time(&p, stuck_ns);
    rn__print_text(&p, blocked ? ": it is in a call that blocks its thread, see rn_block\n"
                               : ": it computes\n");
    if (answered) {
        /* A leaf of ours has pushed nothing; what calls the system may have. */
        complete(&answer.frames, blocked ? WORDS : 1);
        rn__frames_print(&answer.frames, &p);
    }
    if (++reports.told == REPORTS_MAX)
        rn__print_text(&p, "(more of these will not be reported)\n");
    rn__print_flush(&p);
}

void rn__hog_fini(void)
{
    if (reports.caught)
        sigaction(SIGURG, &reports.before, NULL);
    reports.caught = false;
    reports.n_ids = 0;
}
