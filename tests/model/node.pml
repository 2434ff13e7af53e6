/* node.pml - goroutines with their claim words, and the link goroutine.   SPDX-License-Identifier: MIT */

/* ---- the claim word (runtime/wait.c) ---- */

byte word[OPS];
byte by_case[OPS]; /* TENTATIVE, or FIRED with DONE or UNKNOWN */
byte knocks[OPS];
byte result[OPS];
bool left[OPS]; /* it has returned */

/* ---- parcels and sides (node/pairing.h, node/handle.h) ---- */

#define UNSAID  1 /* an offer that has not left */
#define SAID    2
#define CLAIMED_BY 3

bool queued[OPS * CASES];
byte talk[OPS * CASES]; /* not 0: the operation is tentative by this case, or (orphan) was */
bool patient[OPS * CASES], asks[OPS * CASES], since[OPS * CASES], muted[OPS * CASES], shy[OPS * CASES];
bool withdrawn[OPS * CASES], withdraw_due[OPS * CASES], orphan[OPS * CASES];
byte claim_of[OPS * CASES];

byte asked[HANDLES * 2];
bool restate[HANDLES * 2];
byte calls[HANDLES];
byte taken[HANDLES]; /* element + 1 that is to be reported; 0: none */
bool look[HANDLES];
bool dirty[LINKS], knocked[LINKS];

bool held[HANDLES * CLAIMS], held_since[HANDLES * CLAIMS];
byte held_for[HANDLES * CLAIMS]; /* operation + 1, 0: nobody's */

chan answers[HANDLES] = [4] of { mtype, byte, byte };

inline mark(h_) { dirty[LINK_OF(h_)] = true }

/* The case that is negotiated learns of it. */
inline knock(o_, kind_)
{
    if
    :: (knocks[o_] & kind_) == 0 ->
        knocks[o_] = knocks[o_] | kind_;
        knocked[LINK(node_of[o_], channel_of[PARCEL(o_, by_case[o_])])] = true
    :: else
    fi
}

/* ok: the case x is negotiated from now on. */
inline become_tentative(x_)
{
    o = (x_) / CASES;
    ok = false;
    if
    :: word[o] == OPEN -> word[o] = TENTATIVE; by_case[o] = (x_) % CASES; ok = true
    :: word[o] == TENTATIVE -> knock(o, KNOCK_TALKS)
    :: else
    fi
}

inline join(x_, how_)
{
    assert(talk[x_] == 0);
    talk[x_] = how_;
    muted[x_] = false;
    since[x_] = false;
    withdrawn[x_] = false
}

/* The case x fires. */
inline fire(x_, result_)
{
    o = (x_) / CASES;
    assert(word[o] == TENTATIVE && by_case[o] == (x_) % CASES && result[o] == NOTHING);
    if :: shy[x_] -> restate[SIDE(HANDLE(node_of[o], channel_of[x_]), dir_of[x_])] = true :: else fi;
    word[o] = FIRED;
    result[o] = result_;
    queued[x_] = false;
    mark(HANDLE(node_of[o], channel_of[x_]))
}

/* ---- claims that come ---- */

#define ACCEPT(h_, x_, claim_) \
    join(x_, CLAIMED_BY); claim_of[x_] = claim_; found = 1; answers[h_]!CLAIMED, claim_, x_ / CASES

/* Looks for a receive of h that takes the offer `for_` (operation + 1).  found: 0 refused, 1 accepted, 2 held. */
inline decide(h_, claim_, for_)
{
    found = 0;
    own = 0;
    lower = false;
    if
    :: over[NODE_OF(h_)] -> skip
    :: else ->
        for (i1 : 0 .. OPS * CASES - 1) {
            if
            :: found == 0 && queued[i1] && ON(i1, h_, IN) ->
                if
                :: i1 / CASES + 1 == for_ ->
                    own++;
                    if
                    :: MUTANT == MEETS_ITSELF && talk[i1] == 0 -> by_case[i1 / CASES] = i1 % CASES; ACCEPT(h_, i1, claim_)
                    :: MUTANT != MEETS_ITSELF && word[i1 / CASES] == TENTATIVE ->
                        shy[PARCEL(i1 / CASES, by_case[i1 / CASES])] = true
                    :: else
                    fi
                :: else ->
                    ok = false;
                    if :: talk[i1] == 0 -> become_tentative(i1) :: else fi;
                    if
                    :: ok -> ACCEPT(h_, i1, claim_)
                    :: !ok && word[i1 / CASES] == TENTATIVE && for_ < i1 / CASES + 1 -> lower = true
                    :: else
                    fi
                fi
            :: else
            fi
        }
    fi;
    if
    :: found == 0 && lower && MUTANT != NEVER_HELD -> found = 2
    :: found == 0 && MUTANT == ALWAYS_HELD && own == 0 && for_ > 0 ->
        for (i1 : 0 .. OPS * CASES - 1) {
            if :: queued[i1] && ON(i1, h_, IN) && word[i1 / CASES] == TENTATIVE -> found = 2 :: else fi
        }
    :: else
    fi
}

inline settle_claim(h_, claim_, for_)
{
    decide(h_, claim_, for_);
    if
    :: found == 0 ->
        for (i1 : 0 .. OPS * CASES - 1) {
            if
            :: queued[i1] && talk[i1] == 0 && ON(i1, h_, IN) && word[i1 / CASES] == TENTATIVE && i1 / CASES + 1 != for_ ->
                muted[i1] = true
            :: else
            fi
        }
        if :: own > 0 -> asked[SIDE(h_, IN)]++; restate[SIDE(h_, IN)] = true :: else fi;
        answers[h_]!REFUSE, claim_, own
    :: else
    fi;
    if :: found != 2 -> mark(h_) :: else fi
}

inline serve_held(h_)
{
    for (i2 : 1 .. CLAIMS) {
        if
        :: held[CLAIM_AT(h_, i2)] ->
            settle_claim(h_, i2, held_for[CLAIM_AT(h_, i2)]);
            if
            :: found != 2 -> held[CLAIM_AT(h_, i2)] = false; held_since[CLAIM_AT(h_, i2)] = false; held_for[CLAIM_AT(h_, i2)] = 0
            :: else
            fi
        :: else
        fi
    }
}

/* What was passed over and is not tentative any more counts again.  Who is tentative again learns that it is waited for. */
inline take_a_look(h_)
{
    look[h_] = false;
    for (i3 : 0 .. OPS * CASES - 1) {
        if
        :: !muted[i3] || node_of[i3 / CASES] != NODE_OF(h_) || channel_of[i3] != CHANNEL_OF(h_) -> skip
        :: else ->
            if
            :: word[i3 / CASES] != TENTATIVE -> muted[i3] = false
            :: word[i3 / CASES] == TENTATIVE && MUTANT != NOT_KNOCKED -> knock(i3 / CASES, KNOCK_TALKS)
            :: else
            fi
        fi
    }
    serve_held(h_)
}

/* ---- how a negotiation ends ---- */

inline offer_ends(h_, x_)
{
    if :: talk[x_] == UNSAID && !patient[x_] -> calls[h_]++ :: else fi;
    talk[x_] = 0;
    patient[x_] = false;
    since[x_] = false;
    withdrawn[x_] = false;
    withdraw_due[x_] = false
}

inline claim_ends(x_)
{
    talk[x_] = 0;
    claim_of[x_] = 0;
    since[x_] = false
}

/* It came to nothing: the operation waits again, or ends by what knocked. */
inline release(h_, x_, asks_, since_)
{
    v1 = (x_) / CASES;
    if :: asks_ && !since_ -> asked[SIDE(h_, dir_of[x_])]++ :: else fi;
    if
    :: (knocks[v1] & KNOCK_TALKS) != 0 && MUTANT != NOT_LOOKED ->
        for (i4 : 0 .. CASES - 1) {
            if
            :: channel_of[PARCEL(v1, i4)] != NO_CHANNEL && channel_of[PARCEL(v1, i4)] != CHANNEL_OF(h_) ->
                look[HANDLE(NODE_OF(h_), channel_of[PARCEL(v1, i4)])] = true;
                mark(HANDLE(NODE_OF(h_), channel_of[PARCEL(v1, i4)]))
            :: else
            fi
        }
    :: else
    fi;
    if
    :: (knocks[v1] & KNOCK_END) != 0 -> word[v1] = FIRED; result[v1] = TIMEOUT
    :: (knocks[v1] & KNOCK_END) == 0 && (knocks[v1] & KNOCK_PEER) != 0 -> word[v1] = FIRED; result[v1] = AGAIN
    :: else -> word[v1] = OPEN
    fi;
    knocks[v1] = 0;
    by_case[v1] = 0;
    take_a_look(h_);
    mark(h_)
}

/* ---- offering ---- */

inline offer(h_, x_, patient_)
{
    become_tentative(x_);
    if
    :: ok ->
        join(x_, UNSAID);
        patient[x_] = patient_;
        if :: !patient_ -> calls[h_]-- :: else fi;
        mark(h_)
    :: else -> muted[x_] = true
    fi
}

inline serve_calls(h_, shy_)
{
    for (i4 : 0 .. OPS * CASES - 1) {
        if
        :: calls[h_] > 0 && queued[i4] && talk[i4] == 0 && shy[i4] == shy_ && ON(i4, h_, OUT) -> offer(h_, i4, false)
        :: else
        fi
    }
}

inline serve_offers(h_)
{
    serve_calls(h_, false);
    serve_calls(h_, true);
    for (i4 : 0 .. OPS * CASES - 1) {
        if
        :: queued[i4] && talk[i4] == 0 && !asks[i4] && ON(i4, h_, OUT) && SINGLE(i4 / CASES) -> offer(h_, i4, true)
        :: else
        fi
    }
}

/* ---- goroutines ---- */

inline queue_up(o_)
{
    word[o_] = OPEN;
    for (i5 : 0 .. CASES - 1) {
        v2 = PARCEL(o_, i5);
        if
        :: channel_of[v2] != NO_CHANNEL ->
            h = HANDLE(node_of[o_], channel_of[v2]);
            queued[v2] = true;
            mark(h);
            if
            :: dir_of[v2] == IN -> serve_held(h)
            :: dir_of[v2] == OUT && calls[h] > 0 -> serve_offers(h)
            :: dir_of[v2] == OUT && calls[h] == 0 && SINGLE(o_) -> offer(h, v2, true)
            :: else
            fi
        :: else
        fi
    }
}

/* It has been woken, and takes its cases out of the queues. */
inline leave(o_)
{
    for (i5 : 0 .. CASES - 1) {
        v2 = PARCEL(o_, i5);
        if
        :: channel_of[v2] != NO_CHANNEL ->
            h = HANDLE(node_of[o_], channel_of[v2]);
            if
            :: queued[v2] ->
                if :: shy[v2] -> restate[SIDE(h, dir_of[v2])] = true :: else fi;
                queued[v2] = false;
                if :: !over[node_of[o_]] -> serve_held(h); mark(h) :: else fi
            :: else
            fi;
            muted[v2] = false;
            asks[v2] = false;
            shy[v2] = false
        :: else
        fi
    }
    knocks[o_] = 0;
    /* A receive is over: its element is taken. */
    v2 = PARCEL(o_, by_case[o_]);
    if
    :: result[o_] == DONE && dir_of[v2] == IN && !over[node_of[o_]] ->
        h = HANDLE(node_of[o_], channel_of[v2]);
        taken[h] = got[o_];
        mark(h)
    :: else
    fi
}

proctype goroutine(byte me)
{
    bool is_ready; /* the local case */

end:
    do
    :: d_step { word[me] == IDLE && !over[node_of[me]] -> queue_up(me); skip }
    :: d_step { word[me] == IDLE && over[node_of[me]] -> word[me] = FIRED; result[me] = FAILED; skip }
    :: d_step { word[me] == IDLE && is_ready -> word[me] = FIRED; result[me] = PEER; skip } /* tried anew, it is there still */
    :: d_step {
        word[me] == FIRED && !left[me] ->
            leave(me);
            if
            :: result[me] == AGAIN -> result[me] = NOTHING; by_case[me] = 0; word[me] = IDLE
            :: else -> left[me] = true
            fi;
            skip
        }
    :: d_step { HAS(DEADLINE | CANCEL, me) && word[me] == OPEN -> word[me] = FIRED; result[me] = TIMEOUT; skip }
    :: d_step {
        HAS(DEADLINE | CANCEL, me) && word[me] == TENTATIVE && (knocks[me] & KNOCK_END) == 0 ->
            knock(me, KNOCK_END);
            skip
        }
    :: d_step { HAS(LOCAL, me) && !is_ready && word[me] == OPEN -> is_ready = true; word[me] = FIRED; result[me] = PEER; skip }
    :: d_step { HAS(LOCAL, me) && !is_ready && word[me] == TENTATIVE -> is_ready = true; knock(me, KNOCK_PEER); skip }
    od
}

/* ---- the link goroutine ---- */

inline on_claim(h_, claim_, for_)
{
    if :: asked[SIDE(h_, IN)] > 0 -> asked[SIDE(h_, IN)]-- :: else fi;
    settle_claim(h_, claim_, for_);
    if :: found == 2 -> held[CLAIM_AT(h_, claim_)] = true; held_for[CLAIM_AT(h_, claim_)] = for_ :: else fi
}

/* best: the parcel that is claimed by that number, or OPS * CASES. */
inline find_claim(h_, claim_)
{
    best = OPS * CASES;
    for (i6 : 0 .. OPS * CASES - 1) {
        if :: talk[i6] == CLAIMED_BY && claim_of[i6] == claim_ && ON(i6, h_, IN) -> best = i6 :: else fi
    }
}

/* Committed, and the element is here. */
inline on_element(h_, claim_, element_)
{
    find_claim(h_, claim_);
    if
    :: best < OPS * CASES ->
        claim_ends(best);
        fire(best, DONE);
        got[best / CASES] = element_ + 1;
        see_received(best / CASES, element_)
    :: else /* it has yielded */
    fi
}

/* released: what comes to nothing. */
inline on_claim_aborted(h_, claim_, asks_)
{
    if
    :: held[CLAIM_AT(h_, claim_)] ->
        if :: asks_ && !held_since[CLAIM_AT(h_, claim_)] -> asked[SIDE(h_, IN)]++ :: else fi;
        held[CLAIM_AT(h_, claim_)] = false;
        held_since[CLAIM_AT(h_, claim_)] = false;
        held_for[CLAIM_AT(h_, claim_)] = 0;
        mark(h_)
    :: else ->
        find_claim(h_, claim_);
        if
        :: best < OPS * CASES ->
            again = since[best];
            claim_ends(best);
            if :: MUTANT != CLAIM_KEPT -> released = best :: else fi
        :: else
        fi
    fi
}

inline find_offer(h_, operation_)
{
    best = OPS * CASES;
    for (i6 : PARCEL(operation_, 0) .. PARCEL(operation_, CASES - 1)) {
        if :: talk[i6] == SAID && ON(i6, h_, OUT) -> best = i6 :: else fi
    }
    assert(best < OPS * CASES)
}

inline on_offer_committed(h_, operation_)
{
    find_offer(h_, operation_);
    offer_ends(h_, best);
    if
    :: orphan[best] -> orphan[best] = false
    :: else -> fire(best, DONE); see_sent(operation_)
    fi
}

inline on_offer_aborted(h_, operation_, asks_)
{
    find_offer(h_, operation_);
    again = since[best];
    offer_ends(h_, best);
    if
    :: orphan[best] -> orphan[best] = false
    :: else -> asks[best] = asks_; if :: MUTANT != OFFER_KEPT -> released = best :: else fi
    fi
}

inline on_call(h_)
{
    calls[h_]++;
    if :: asked[SIDE(h_, OUT)] > 0 -> asked[SIDE(h_, OUT)]-- :: else fi;
    serve_offers(h_)
}

/* Where somebody has knocked.  late_: the link has not been up for so long that who cannot wait gives up. */
inline see_knocks(l_, late_)
{
    for (i6 : 0 .. OPS * CASES - 1) {
        o = i6 / CASES;
        if
        :: channel_of[i6] == NO_CHANNEL || talk[i6] == 0 || orphan[i6] || knocks[o] == 0 ||
                LINK(node_of[o], channel_of[i6]) != l_ -> skip
        :: else ->
            h = HANDLE(node_of[o], channel_of[i6]);
            released = OPS * CASES;
            if
            :: talk[i6] == UNSAID && (knocks[o] != KNOCK_TALKS || late_) -> offer_ends(h, i6); released = i6
            :: talk[i6] == SAID && late_ ->
                orphan[i6] = true;
                withdraw_due[i6] = withdraw_due[i6] || !withdrawn[i6];
                withdrawn[i6] = true;
                fire(i6, (MUTANT == DOUBT_DENIED -> TIMEOUT : UNKNOWN))
            :: talk[i6] == SAID && !late_ && patient[i6] && !withdrawn[i6] && MUTANT != NOT_WITHDRAWN ->
                withdrawn[i6] = true;
                withdraw_due[i6] = true;
                mark(h)
            :: talk[i6] == CLAIMED_BY && late_ ->
                if :: MUTANT != YIELD_UNTOLD -> answers[h]!REFUSE, claim_of[i6], 0 :: else fi;
                yielded[o] = true;
                claim_ends(i6);
                released = i6
            :: else
            fi;
            if :: released < OPS * CASES -> release(h, released, false, false) :: else fi
        fi
    }
}

/* The home looks at nothing before it has heard a frame to its end. */
inline end_frame(l_)
{
    if :: begun -> up[l_]!FRAME, 0, 0, 0; begun = false :: else fi
}

inline tell(h_, what_, x_, y_)
{
    up[LINK_OF(h_)]!what_, CHANNEL_OF(h_), x_, y_;
    begun = true
}

/* Tells the home how many wait, unless it knows. */
inline tell_waiting(h_, d_)
{
    v1 = 0;
    for (i7 : 0 .. OPS * CASES - 1) {
        if :: queued[i7] && !muted[i7] && talk[i7] == 0 && ON(i7, h_, d_) -> v1++ :: else fi
    }
    if
    :: restate[SIDE(h_, d_)] || v1 != asked[SIDE(h_, d_)] ->
        tell(h_, ASK, d_, v1);
        asked[SIDE(h_, d_)] = v1;
        restate[SIDE(h_, d_)] = false;
        for (i7 : 0 .. OPS * CASES - 1) {
            if :: talk[i7] != 0 && ON(i7, h_, d_) -> since[i7] = true :: else fi
        }
        if
        :: d_ == IN ->
            for (i7 : 1 .. CLAIMS) {
                if :: held[CLAIM_AT(h_, i7)] -> held_since[CLAIM_AT(h_, i7)] = true :: else fi
            }
        :: else
        fi
    :: else
    fi
}

inline tell_taken(h_)
{
    if
    :: taken[h_] > 0 -> tell(h_, TAKEN, taken[h_] - 1, 0); taken[h_] = 0
    :: else
    fi
}

inline tell_answers(h_)
{
    do
    :: nempty(answers[h_]) -> answers[h_]?m, x, y; tell(h_, m, x, y)
    :: empty(answers[h_]) -> break
    od
}

inline tell_offers(h_)
{
    if :: calls[h_] > 0 -> tell(h_, RETURNED, calls[h_], 0); calls[h_] = 0 :: else fi;
    for (i7 : 0 .. OPS * CASES - 1) {
        if
        :: withdraw_due[i7] && ON(i7, h_, OUT) -> tell(h_, WITHDRAW, i7 / CASES, 0); withdraw_due[i7] = false
        :: else
        fi
    }
    tell_waiting(h_, OUT)
}

/* All that is to be said. */
inline collect(l_)
{
    dirty[l_] = false;
    for (i8 : 0 .. HANDLES - 1) {
        if
        :: LINK_OF(i8) == l_ ->
            if :: look[i8] -> take_a_look(i8) :: else fi;
            if :: MUTANT == TAKEN_FIRST -> tell_taken(i8) :: else fi;
            tell_answers(i8); /* before what was taken, which covers all deliveries before it that were not given back by then */
            tell_taken(i8);
            tell_waiting(i8, IN);
            tell_offers(i8)
        :: else
        fi
    }
    end_frame(l_);
    for (i8 : 0 .. OPS * CASES - 1) {
        if
        :: talk[i8] == UNSAID && LINK(node_of[i8 / CASES], channel_of[i8]) == l_ ->
            talk[i8] = SAID;
            tell(HANDLE(node_of[i8 / CASES], channel_of[i8]), OFFER, i8 / CASES, patient[i8]);
            end_frame(l_)
        :: else
        fi
    }
}

/* The session is over. */
inline node_over(n_)
{
    over[n_] = true;
    for (i6 : 0 .. OPS * CASES - 1) {
        o = i6 / CASES;
        if
        :: channel_of[i6] == NO_CHANNEL || node_of[o] != n_ -> skip
        :: else ->
            queued[i6] = false;
            muted[i6] = false;
            if
            :: talk[i6] != 0 && !orphan[i6] ->
                fire(i6, (talk[i6] == SAID -> UNKNOWN : FAILED))
            :: else
            fi;
            talk[i6] = 0;
            orphan[i6] = false;
            patient[i6] = false;
            since[i6] = false;
            asks[i6] = false;
            shy[i6] = false;
            withdrawn[i6] = false;
            withdraw_due[i6] = false;
            claim_of[i6] = 0
        fi
    }
    for (o : 0 .. OPS - 1) {
        if :: node_of[o] == n_ && word[o] == OPEN -> word[o] = FIRED; result[o] = FAILED :: else fi
    }
    for (i6 : 0 .. HANDLES - 1) {
        if
        :: NODE_OF(i6) == n_ ->
            for (i7 : 1 .. CLAIMS) {
                held[CLAIM_AT(i6, i7)] = false;
                held_since[CLAIM_AT(i6, i7)] = false;
                held_for[CLAIM_AT(i6, i7)] = 0
            }
            do :: nempty(answers[i6]) -> answers[i6]?m, x, y :: empty(answers[i6]) -> break od;
            calls[i6] = 0;
            taken[i6] = 0;
            look[i6] = false;
            asked[SIDE(i6, IN)] = 0;
            asked[SIDE(i6, OUT)] = 0;
            restate[SIDE(i6, IN)] = false;
            restate[SIDE(i6, OUT)] = false;
            dirty[LINK_OF(i6)] = false;
            knocked[LINK_OF(i6)] = false
        :: else
        fi
    }
}

inline node_hears()
{
    h = HANDLE(n, c);
    released = OPS * CASES;
    if
    :: m == CLAIM -> on_claim(h, x, y)
    :: m == COMMIT_CLAIM -> on_element(h, x, y)
    :: m == ABORT_CLAIM -> on_claim_aborted(h, x, y)
    :: m == CALL -> on_call(h)
    :: m == COMMIT_OFFER -> on_offer_committed(h, x)
    :: m == ABORT_OFFER -> on_offer_aborted(h, x, y)
    fi;
    if
    :: released < OPS * CASES -> release(h, released, y, again)
    :: (m == COMMIT_CLAIM && best < OPS * CASES) || m == CALL -> serve_held(h)
    :: else
    fi;
    mark(h)
}

#define KNOCKED(x, l) (channel_of[x] != NO_CHANNEL && talk[x] != 0 && !orphan[x] && knocks[(x) / CASES] != 0 && \
                       LINK(node_of[(x) / CASES], channel_of[x]) == (l))
#if OPS == 2
#define ANY_KNOCKED(l) (KNOCKED(0, l) || KNOCKED(1, l) || KNOCKED(2, l) || KNOCKED(3, l))
#elif OPS == 3
#define ANY_KNOCKED(l) (KNOCKED(0, l) || KNOCKED(1, l) || KNOCKED(2, l) || KNOCKED(3, l) || KNOCKED(4, l) || KNOCKED(5, l))
#elif OPS == 4
#define ANY_KNOCKED(l) (KNOCKED(0, l) || KNOCKED(1, l) || KNOCKED(2, l) || KNOCKED(3, l) || KNOCKED(4, l) || KNOCKED(5, l) || \
                        KNOCKED(6, l) || KNOCKED(7, l))
#endif

/* PROMPT: who was woken runs before its node says anything.  Else the home, which may think that it waits still, claims it again
 * and again until it has run. */
#ifdef PROMPT
#define WOKEN(o, n) (node_of[o] == (n) && word[o] == FIRED && !left[o])
#if OPS == 2
#define AWAKE(n) (!WOKEN(0, n) && !WOKEN(1, n))
#elif OPS == 3
#define AWAKE(n) (!WOKEN(0, n) && !WOKEN(1, n) && !WOKEN(2, n))
#elif OPS == 4
#define AWAKE(n) (!WOKEN(0, n) && !WOKEN(1, n) && !WOKEN(2, n) && !WOKEN(3, n))
#endif
#else
#define AWAKE(n) true
#endif

proctype link(byte at; byte l)
{
end:
    do
    :: d_step { !broken[l] && !over[at] && nempty(down[l]) -> down[l]?m, c, x, y; n = at; node_hears(); skip }
    :: d_step { dirty[l] && !over[at] && AWAKE(at) -> collect(l); skip }
    :: d_step { knocked[l] && !over[at] -> knocked[l] = false; see_knocks(l, false); skip }
#if CUTS > 0
    :: d_step { broken[l] && !over[at] && ANY_KNOCKED(l) -> see_knocks(l, true); skip }
#endif
    od
}
