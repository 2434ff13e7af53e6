/* locks.c - sync.h from the installed library, in C and C++.   SPDX-License-Identifier: MIT
 * What main() returns says whether it works. */
#include <runnel/sync.h>
static struct {
    rn_mutex m;
    rn_rwmutex rw;
    rn_cond full;
    rn_waitgroup all;
    rn_sem few;
    rn_once first;
    int begun, n;
} s;
static void begin(void *arg)
{
    (void)arg;
    s.begun++;
}
static void work(void *arg)
{
    (void)arg;
    rn_once_do(&s.first, begin, NULL);
    if (rn_sem_acquire(&s.few, 1, RN_FOREVER) < 0)
        return;
    rn_rwmutex_rlock(&s.rw);
    rn_mutex_lock(&s.m);
    s.n++;
    rn_cond_signal(&s.full);
    rn_mutex_unlock(&s.m);
    rn_rwmutex_runlock(&s.rw);
    rn_sem_release(&s.few, 1);
    rn_waitgroup_done(&s.all);
}
static int run(void *arg)
{
    (void)arg;
    rn_sem_release(&s.few, 2);
    rn_waitgroup_add(&s.all, 10);
    for (int i = 0; i < 10; i++)
        rn_go(work, NULL);
    rn_mutex_lock(&s.m);
    while (s.n < 10)
        rn_cond_wait(&s.full, &s.m, RN_FOREVER);
    rn_mutex_unlock(&s.m);
    rn_rwmutex_lock(&s.rw);
    rn_rwmutex_unlock(&s.rw);
    return rn_waitgroup_wait(&s.all, RN_FOREVER) == 0 && s.begun == 1 ? 0 : 1;
}
int main(void)
{
    return rn_main(0, run, NULL);
}
