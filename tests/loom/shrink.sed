# Constants of the runtime that are as small as can be in the build of tests/loom, so that what comes after so many is seen.
s/^(#define SPINS +)[0-9]+/\12/
s/^(#define PAUSES +)[0-9]+/\12/
s/^(#define HOT_NS +)[0-9]+/\10/
s/^(#define SPIN_ROUNDS +)[0-9]+/\12/
s/^(#define YIELDS_MAX +)[0-9]+u/\1UINT32_MAX/
s/^(#define CALM_MAX +)UINT64_C\([0-9]+\)/\1UINT64_C(1)/
s/^(#define SEARCH_ROUNDS +)[0-9]+/\11/
s/^(#define RN__RUNQ_SIZE +)[0-9]+u/\14u/
s/^(#define RN__NEWBORNS_FIRST +)[0-9]+u/\12u/
s/^(#define HANDED_ON_MAX +)[0-9]+u/\14u/
s/^(#define LOOK_EVERY +)[0-9]+u/\14u/
s/^(#define STEAL_NS +)[0-9]+u/\12u/
s/^(#define CLOSE_MAX +)[0-9]+/\12/
s/^(#define TINY_CROWD +)RN__NEWBORNS_CROWD/\12/
s/^(#define BUCKET_BITS +)[0-9]+/\14/
# (HOT_NS, YIELDS_MAX: time stands still while threads run, so nobody may wait for it.  STEAL_NS: and a pick takes 1.)
# Atomics that are read as if they were none: `_Atomic` means nothing there, and the look at races would take them for plain words.
s/([^&])(rn__sched\.n_workers)([^ ]| [^=]| ==)/\1LOOM_GLANCE(\2)\3/g
