/* truth.pml - what is true of every run, seen by nobody in it.   SPDX-License-Identifier: MIT */

byte accepted[OPS];    /* how often the element was accepted */
byte accepted_for[OPS]; /* the receive that was claimed then */
byte received[OPS];    /* how often it was taken ... */
byte receiver[OPS];    /* ... last by this operation */
byte got[OPS];         /* receives: element + 1 */
bool yielded[OPS];     /* receives: gave up a claim with the link down */

/* Committed: a receive is waiting for it, of another operation. */
inline see_accepted(o_, receive_, c_)
{
    assert(accepted[o_] == 0);
    assert(receive_ != o_);
    accepted[o_]++;
    accepted_for[o_] = receive_
}

/* The send is about to return 0. */
inline see_sent(o_)
{
    assert(accepted[o_] == 1);
    assert(accepted_for[o_] < OPS);
    assert(word[accepted_for[o_]] != IDLE)
}

/* The receive is about to return the element. */
inline see_received(o_, element_)
{
    assert(element_ != (o_));
    assert(accepted[element_] == 1);
    assert(received[element_] == 0 || over[node_of[receiver[element_]]]);
    assert(accepted_for[element_] == (o_) || yielded[accepted_for[element_]] || over[node_of[accepted_for[element_]]]);
    received[element_]++;
    receiver[element_] = (o_)
}

/* Nothing moves any more. */
inline see_end()
{
    for (i1 : 0 .. LINKS - 1) {
        assert(over[i1 / HOMES] || (empty(up[i1]) && empty(down[i1])))
    }
    for (i1 : 0 .. HANDLES - 1) {
        assert(called[i1] == 0 && calls[i1] == 0);
        for (i2 : 1 .. CLAIMS) { assert(!held[CLAIM_AT(i1, i2)]) }
    }
    for (i1 : 0 .. OPS - 1) {
        /* It has ended, or waits. */
        assert(left[i1] || word[i1] == OPEN ||
               (word[i1] == TENTATIVE && SINGLE(i1) && at_home[i1] == IN_LINE && knocks[i1] == 0));
        /* A send that returned 0 has sent, and nothing else has, but what is in doubt. */
        assert(!left[i1] || result[i1] == UNKNOWN || over[node_of[i1]] ||
               accepted[i1] == (result[i1] == DONE && dir_of[PARCEL(i1, by_case[i1])] == OUT));
        assert(left[i1] || accepted[i1] == 0);
        /* A receive that was performed has an element, and no other has. */
        assert((got[i1] != 0) == (result[i1] == DONE && dir_of[PARCEL(i1, by_case[i1])] == IN));
        /* Nothing is lost. */
        assert(accepted[i1] == 0 || received[i1] > 0 || at_home[i1] == BACK);
        /* Nobody waits for what is there. */
        for (i2 : 0 .. OPS * CASES - 1) {
            assert(left[i2 / CASES] || channel_of[i2] == NO_CHANNEL || dir_of[i2] == OUT || at_home[i1] != BACK ||
                   e_channel[i1] != channel_of[i2])
        }
    }
    /* Nor two for each other. */
    for (i1 : 0 .. OPS * CASES - 1) {
        for (i2 : 0 .. OPS * CASES - 1) {
            assert(i1 / CASES == i2 / CASES || channel_of[i1] != channel_of[i2] || channel_of[i1] == NO_CHANNEL ||
                   dir_of[i1] == dir_of[i2] || left[i1 / CASES] || left[i2 / CASES])
        }
    }
}
