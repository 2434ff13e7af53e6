/* guard.c - see guard.h.   SPDX-License-Identifier: MIT */
#include "runtime/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define GUARD_INSTALL    102    /* MADV_GUARD_INSTALL */
#define PIDFD_OURSELVES  -10000 /* PIDFD_SELF (Linux 6.14) */
#define VECTOR           64     /* pages a call */
#define MAPPINGS_EACH    2 /* the guard's own, and that of the stack which it parts from the others */
#define MAPPINGS_DEFAULT 65530 /* vm.max_map_count, if it cannot be read */

static struct {
    _Atomic int
        first; /* enum rn__guard, 1 added: the way that is tried first; 0: not known yet.  Only grows; relaxed,
                           each thread may find out itself */
    _Atomic long left;  /* pages that mprotect may still guard; 0 before `first` is known */
    _Atomic bool vexed; /* process_madvise() does not do it here; relaxed, as `first` */
    _Atomic bool told;
} guards;

size_t rn__page_size(void)
{
    static _Atomic size_t known; /* relaxed: each thread may find out itself */
    size_t size = atomic_load_explicit(&known, memory_order_relaxed);

    if (size == 0) {
        size = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&known, size, memory_order_relaxed);
    }
    return size;
}

/* The rest is for others: threads, libraries, large blocks of malloc. */
static long pages_to_protect(void)
{
    char text[32] = { 0 };
    int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    long count = 0;

    if (fd >= 0) {
        if (read(fd, text, sizeof text - 1) > 0)
            count = atol(text);
        close(fd);
    }
    if (count <= 0)
        count = MAPPINGS_DEFAULT;
    return (count - count / 16) / MAPPINGS_EACH;
}

static enum rn__guard first_way(void)
{
    int known = atomic_load_explicit(&guards.first, memory_order_relaxed), none = 0;
    const char *wish;
    long empty = 0;

    if (known != 0)
        return (enum rn__guard)(known - 1);
    wish = secure_getenv("RN_STACK_GUARD");
    known = RN__GUARD_MADVISE;
    if (wish != NULL && strcmp(wish, "mprotect") == 0)
        known = RN__GUARD_PROTECT;
    if (wish != NULL && strcmp(wish, "canary") == 0)
        known = RN__GUARD_CANARY;
    atomic_compare_exchange_strong(&guards.left, &empty, pages_to_protect());
    atomic_compare_exchange_strong(&guards.first, &none, known + 1);
    return (enum rn__guard)(none != 0 ? none - 1 : known);
}

/* Many in one call, where the kernel does that for one's own process: the whole number, or fewer.  Not inlined, as the next:
 * errno is to be looked up on the thread that made the call. */
static __attribute__((noinline)) unsigned advise_vector(char *page, size_t stride, unsigned n)
{
    struct iovec v[VECTOR];
    long bytes;

    if (n == 1 || atomic_load_explicit(&guards.vexed, memory_order_relaxed))
        return 0;
    if (n > VECTOR)
        n = VECTOR;
    for (unsigned i = 0; i < n; i++)
        v[i] = (struct iovec){ .iov_base = page + i * stride, .iov_len = rn__page_size() };
    bytes = syscall(SYS_process_madvise, PIDFD_OURSELVES, v, n, GUARD_INSTALL, 0);
    if (bytes > 0)
        return (unsigned)((size_t)bytes / rn__page_size());
    if (bytes < 0 && errno != EAGAIN && errno != ENOMEM && errno != EINTR)
        atomic_store_explicit(&guards.vexed, true, memory_order_relaxed);
    return 0;
}

/* Emulators (qemu-user) answer 0 to an advice that they do not know.  So a system call that reads the first such page must
 * fail: relaxed, each thread may find out itself. */
static bool guard_holds(const char *page)
{
    static _Atomic bool known;

    if (!atomic_load_explicit(&known, memory_order_relaxed)) {
        if (access(page, F_OK) == 0 || errno != EFAULT)
            return false;
        atomic_store_explicit(&known, true, memory_order_relaxed);
    }
    return true;
}

static __attribute__((noinline)) bool advise_one(char *page)
{
    int first = RN__GUARD_MADVISE + 1;

    if (madvise(page, rn__page_size(), GUARD_INSTALL) == 0) {
        if (guard_holds(page))
            return true;
        errno = EINVAL;
    }
    if (errno == EINVAL) /* this kernel does not have it; all else may pass */
        atomic_compare_exchange_strong(&guards.first, &first, RN__GUARD_PROTECT + 1);
    return false;
}

static bool advise(char *page, size_t stride, unsigned n)
{
    unsigned done = 0, more;

    while (done < n) {
        more = advise_vector(page + done * stride, stride, n - done);
        if (more == 0 && advise_one(page + done * stride))
            more = 1;
        if (more == 0)
            return false;
        done += more;
    }
    return true;
}

static bool protect(char *page, size_t stride, unsigned n)
{
    if (atomic_fetch_sub(&guards.left, n) < (long)n) {
        atomic_fetch_add(&guards.left, n);
        return false;
    }
    for (unsigned i = 0; i < n; i++)
        if (mprotect(page + i * stride, rn__page_size(), PROT_NONE) != 0)
            return false; /* what was taken stays taken: somebody else has the mappings */
    return true;
}

static void tell_once(void)
{
    if (!atomic_exchange(&guards.told, true))
        dprintf(
            STDERR_FILENO,
            "runnel: no more guard pages for stacks (vm.max_map_count): from here on an overflow is noticed only "
            "when its goroutine waits or ends\n");
}

enum rn__guard rn__guard_install(char *page, size_t stride, unsigned n)
{
    enum rn__guard first = first_way();

    if (first == RN__GUARD_MADVISE && advise(page, stride, n))
        return RN__GUARD_MADVISE;
    if (first <= RN__GUARD_PROTECT && protect(page, stride, n))
        return RN__GUARD_PROTECT;
    tell_once();
    return RN__GUARD_CANARY;
}

void rn__guard_border(char *page)
{
    if (first_way() != RN__GUARD_MADVISE)
        (void)!mprotect(page, rn__page_size(), PROT_NONE);
}

void rn__guard_forget(enum rn__guard kind, unsigned n)
{
    if (kind == RN__GUARD_PROTECT)
        atomic_fetch_add(&guards.left, n);
}

/* ---- canaries ------------------------------------------------------------------------------------------ */

/* No address, no small number, no text. */
#define CANARY UINT64_C(0xa5f00dd1e5c0ffee)

void rn__canary_write(char *low)
{
    for (size_t i = 0; i < RN__CANARY_SIZE / sizeof(uint64_t); i++)
        ((uint64_t *)low)[i] = CANARY;
}

__attribute__((no_sanitize("address"))) bool rn__canary_whole(const char *low)
{
    uint64_t differs = 0;

    for (size_t i = 0; i < RN__CANARY_SIZE / sizeof(uint64_t); i++)
        differs |= ((const uint64_t *)low)[i] ^ CANARY;
    return differs == 0;
}
