/* hog.h - the report about a goroutine that does not give way.   SPDX-License-Identifier: MIT */
#ifndef RN__HOG_H
#define RN__HOG_H

#include <stdbool.h>
#include <stdint.h>

struct rn__worker;

/* Says on standard error who has been running on w for so long, and where it is.  Its thread is interrupted for that, by
 * SIGURG, which does nothing else; if the program has a use for that signal itself, the place is not told.  Only a few in the
 * life of the program.  The monitor's. */
void rn__hog_report(struct rn__worker *w, int64_t stuck_ns, bool blocked);
/* Puts back what SIGURG was before; no worker runs a goroutine any more that could be asked about. */
void rn__hog_fini(void);

#endif
