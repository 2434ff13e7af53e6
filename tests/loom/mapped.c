/* mapped.c - the memory of the workers, which the runtime maps anew for each scheduler; see loom.h.   SPDX-License-Identifier: MIT
 *
 * Here it is the same again, for over that the system would take longer than all else in a short schedule.  Between one
 * scheduler and the next it is gone: who looks at it nonetheless fails (races.c sees plain accesses, machine.c atomics), and so
 * does who has written to it in some other way. */
#include "tests/loom/races.h"

#include "runtime/state.h"

#include <string.h>
#include <sys/mman.h>

#define NOISE 0xdb

/* clang-format off */
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size);
/* clang-format on */

static struct {
    char *at;
    size_t size, used; /* what is behind the latter was never touched */
    bool gone;
} workers;

static bool is_noise(char byte)
{
    return byte == (char)NOISE;
}

static bool all_are(const char *at, size_t size)
{
    return size == 0 || memcmp(at, at + 1, size - 1) == 0;
}

void loom_mapped_check(void)
{
    if (workers.gone && !(is_noise(workers.at[0]) && all_are(workers.at, workers.used)))
        loom_fail("a worker was written to that is gone");
}

void loom_mapped_forget(void)
{
    if (!workers.gone)
        return;
    if (workers.at[workers.used] != 0 ||
        !all_are(workers.at + workers.used, workers.size - workers.used))
        loom_fail("more workers were written to than there are");
    loom_races_gone(NULL, 0);
    __real_munmap(workers.at, workers.size);
    workers.at = NULL;
    workers.gone = false;
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    bool anew = workers.at == NULL || (workers.gone && workers.size != size);

    if (loom_self < 0 || !(flags & MAP_NORESERVE) || (!workers.gone && !anew))
        return __real_mmap(at, size, protection, flags, fd, offset);
    if (anew) {
        loom_mapped_forget();
        workers.at = __real_mmap(at, size, protection, flags, fd, offset);
        workers.size = size;
    } else {
        memset(workers.at, 0, workers.used);
    }
    workers.gone = false;
    loom_races_gone(NULL, 0);
    return workers.at;
}

int __wrap_munmap(void *at, size_t size)
{
    if (at != workers.at || size != workers.size)
        return __real_munmap(at, size);
    workers.used = rn__sched.n_workers * sizeof *rn__sched.workers;
    memset(at, NOISE, workers.used);
    workers.gone = true;
    loom_races_gone(at, size);
    return 0;
}
