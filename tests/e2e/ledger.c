/* ledger.c - see ledger.h.   SPDX-License-Identifier: MIT */
#include "tests/e2e/ledger.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define LEDGER_BYTES (sizeof(struct ledger) + LEDGER_ENTRIES * sizeof(struct entry))

struct ledger *ledger_open(const char *path)
{
    struct ledger *l = NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return NULL;
    if (ftruncate(fd, (off_t)LEDGER_BYTES) == 0)
        l = mmap(NULL, LEDGER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    close(fd);
    return l == MAP_FAILED ? NULL : l;
}

void ledger_close(struct ledger *l)
{
    if (l != NULL)
        munmap(l, LEDGER_BYTES);
}

int64_t ledger_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}
