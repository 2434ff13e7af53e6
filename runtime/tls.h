/* tls.h - which worker this thread is.   SPDX-License-Identifier: MIT */
#ifndef RN__TLS_H
#define RN__TLS_H

struct rn__worker;

/* NULL on a plain thread.  Never keep it across a call that may park. */
struct rn__worker *rn__worker(void);
void rn__worker_set(struct rn__worker *w);

/* Of a plain thread: how deep it is between rn__outside_enter and leave.  Threads do not park, so it may be kept. */
unsigned *rn__visits(void);

#endif
