/* signal.h - signals become elements of channels, and SIGQUIT a look inside.   SPDX-License-Identifier: MIT */
#ifndef RN__SIGNAL_H
#define RN__SIGNAL_H

/* Starts the thread that hands signals on, ignores SIGPIPE, catches SIGQUIT (each only if the program had not said
 * otherwise) and stack overflows.  0 or -errno.  Before the workers start. */
int rn__signal_init(void);

/* Ends it and puts everything back, after the workers have ended.  Channels that still expect signals get no more. */
void rn__signal_fini(void);

#endif
