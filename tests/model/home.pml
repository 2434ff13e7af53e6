/* home.pml - offer, claim, commit (broker/core/meet.c, broker/core/offer.h).   SPDX-License-Identifier: MIT
 *
 * The line is kept by stamps: a lower one began earlier.  After each step they are counted anew from 1. */

/* The element of each operation, or its offer. */
byte at_home[OPS];
byte e_channel[OPS];
bool e_patient[OPS], e_withdrawn[OPS];
byte e_stamp[OPS];
byte e_receiver[OPS]; /* handle */
byte e_claim[OPS];
byte e_delivery[OPS]; /* its place in the order of deliveries to that handle */
bool e_late[OPS];     /* its deadline has passed here, once */

/* The bindings. */
byte waiting[HANDLES * 2];
bool mute[HANDLES * 2];
byte asking[HANDLES]; /* IN: place among the askers, from 1; 0: none */
byte called[HANDLES]; /* OUT: unanswered calls */
bool stands[HANDLES];
byte stamp[HANDLES], call_stamp[HANDLES];
byte known[HANDLES], tries[HANDLES];     /* OUT: operation + 1 */
byte not_for[HANDLES], not_for_waiting[HANDLES]; /* IN */
bool silent[HANDLES * CLAIMS]; /* a claim that was aborted for its node's silence */
bool touched[CHANNELS];

#define STAMPS (2 * NODES + OPS)

/* ---- order ---- */

inline new_stamp(v_) { stamp_now++; v_ = stamp_now }

inline tidy(c_)
{
    best = 0;
    for (i7 : 1 .. stamp_now) {
        found = 0;
        for (i8 : 0 .. OPS - 1) {
            if
            :: e_stamp[i8] == i7 && e_channel[i8] == c_ && (at_home[i8] == IN_LINE || at_home[i8] == SPOKEN) -> found = 1
            :: else
            fi
        }
        for (i8 : 0 .. NODES - 1) {
            h = HANDLE(i8, c_);
            if
            :: (stamp[h] == i7 && (stands[h] || mute[SIDE(h, OUT)])) || (call_stamp[h] == i7 && called[h] > 0) -> found = 1
            :: else
            fi
        }
        if
        :: found == 1 ->
            best++;
            for (i8 : 0 .. OPS - 1) {
                if :: e_stamp[i8] == i7 && e_channel[i8] == c_ -> e_stamp[i8] = best :: else fi
            }
            for (i8 : 0 .. NODES - 1) {
                h = HANDLE(i8, c_);
                if :: stamp[h] == i7 -> stamp[h] = best :: else fi;
                if :: call_stamp[h] == i7 -> call_stamp[h] = best :: else fi
            }
        :: else
        fi
    }
    assert(best <= STAMPS);
    for (i8 : 0 .. NODES - 1) {
        h = HANDLE(i8, c_);
        if :: !stands[h] && !mute[SIDE(h, OUT)] -> stamp[h] = 0 :: else fi;
        if :: called[h] == 0 -> call_stamp[h] = 0 :: else fi
    }
    /* The same for those who ask. */
    best = 0;
    for (i7 : 1 .. 20) {
        for (i8 : 0 .. NODES - 1) {
            h = HANDLE(i8, c_);
            if :: asking[h] == i7 && best < i7 -> best++; asking[h] = best :: else fi
        }
    }
}

inline ask_last(h_)
{
    asking[h_] = 1;
    for (i4 : 0 .. NODES - 1) {
        v1 = HANDLE(i4, CHANNEL_OF(h_));
        if :: v1 != h_ && asking[v1] >= asking[h_] -> asking[h_] = asking[v1] + 1 :: else fi
    }
}

inline ask_first(h_)
{
    if
    :: asking[h_] > 0 ->
        for (i4 : 0 .. NODES - 1) {
            v1 = HANDLE(i4, CHANNEL_OF(h_));
            if :: asking[v1] > 0 -> asking[v1]++ :: else fi
        }
        asking[h_] = 1
    :: else
    fi
}

inline place(h_)
{
    if
    :: waiting[SIDE(h_, IN)] > 0 && !gone[NODE_OF(h_)] && !mute[SIDE(h_, IN)] -> if :: asking[h_] == 0 -> ask_last(h_) :: else fi
    :: else -> asking[h_] = 0
    fi
}

inline receive_again(h_)
{
    waiting[SIDE(h_, IN)]++;
    place(h_);
    ask_first(h_)
}

inline line_up(h_, stamp_)
{
    if
    :: stands[h_] && stamp[h_] <= stamp_ -> skip
    :: else -> stamp[h_] = stamp_; stands[h_] = waiting[SIDE(h_, OUT)] > 0 && !mute[SIDE(h_, OUT)]
    fi
}

inline say(h_, what_, x_, y_)
{
    if :: !gone[NODE_OF(h_)] -> down[LINK_OF(h_)]!what_, CHANNEL_OF(h_), x_, y_ :: else fi
}

/* ---- how an offer ends ---- */

inline offer_is_over(o_, again_)
{
    h = HANDLE(node_of[o_], e_channel[o_]);
    at_home[o_] = NOWHERE;
    say(h, ABORT_OFFER, o_, again_);
    if
    :: again_ ->
        waiting[SIDE(h, OUT)]++;
        if :: known[h] != o_ + 1 -> known[h] = o_ + 1; tries[h] = waiting[SIDE(h, OUT)] - 1 :: else fi;
        line_up(h, e_stamp[o_])
    :: else
    fi;
    e_stamp[o_] = 0;
    e_patient[o_] = false;
    e_withdrawn[o_] = false
}

inline unclaim(o_)
{
    e_receiver[o_] = 0;
    e_claim[o_] = 0
}

inline goes_on(o_)
{
    touched[e_channel[o_]] = true;
    if
    :: at_home[o_] == BACK_SPOKEN -> at_home[o_] = BACK
    :: at_home[o_] != BACK_SPOKEN && e_withdrawn[o_] -> offer_is_over(o_, false)
    :: else -> at_home[o_] = IN_LINE
    fi
}

inline withdraw(o_)
{
    e_withdrawn[o_] = true;
    if :: at_home[o_] == IN_LINE -> offer_is_over(o_, false) :: else fi
}

/* ---- what nodes say ---- */

inline on_ask(h_, d_, waiting_)
{
    waiting[SIDE(h_, d_)] = waiting_;
    if
    :: d_ == IN ->
        if :: waiting_ > not_for_waiting[h_] -> not_for[h_] = 0; not_for_waiting[h_] = 0 :: else fi;
        place(h_)
    :: else ->
        known[h_] = 0;
        tries[h_] = 0;
        if
        :: waiting_ == 0 -> stands[h_] = false
        :: else -> new_stamp(v2); line_up(h_, v2)
        fi
    fi
}

inline on_offer(h_, operation_, patient_)
{
    assert(at_home[operation_] == NOWHERE);
    e_channel[operation_] = CHANNEL_OF(h_);
    e_patient[operation_] = patient_;
    if
    :: patient_ -> new_stamp(e_stamp[operation_])
    :: else -> assert(called[h_] > 0); e_stamp[operation_] = call_stamp[h_]; called[h_]--
    fi;
    goes_on(operation_)
}

/* best: the operation whose offer or element has that claim, in one of two states; or OPS. */
inline find_claimed(h_, claim_, this_, that_)
{
    best = OPS;
    for (i6 : 0 .. OPS - 1) {
        if
        :: (at_home[i6] == this_ || at_home[i6] == that_) && e_receiver[i6] == h_ && e_claim[i6] == claim_ -> best = i6
        :: else
        fi
    }
}

inline hand_over(o_, h_, claim_)
{
    at_home[o_] = DELIVERED;
    e_delivery[o_] = 1;
    for (i6 : 0 .. OPS - 1) {
        if
        :: i6 != o_ && at_home[i6] == DELIVERED && e_receiver[i6] == h_ && e_delivery[i6] >= e_delivery[o_] ->
            e_delivery[o_] = e_delivery[i6] + 1
        :: else
        fi
    }
    say(h_, COMMIT_CLAIM, claim_, o_)
}

inline accept(o_, receive_)
{
    see_accepted(o_, receive_, e_channel[o_]);
    h = HANDLE(node_of[o_], e_channel[o_]);
    say(h, COMMIT_OFFER, o_, 0);
    e_stamp[o_] = 0;
    e_patient[o_] = false;
    e_withdrawn[o_] = false
}

inline on_claimed(h_, claim_, receive_)
{
    find_claimed(h_, claim_, SPOKEN, BACK_SPOKEN);
    if
    :: best < OPS ->
        if :: at_home[best] == SPOKEN -> r = h_; accept(best, receive_); h = r :: else fi;
        hand_over(best, h_, claim_)
    :: else -> /* the Abort crossed on the way */
#if MUTANT == ABORT_COMMITS
        for (i7 : 0 .. OPS - 1) {
            if
            :: at_home[i7] == SPOKEN && silent[CLAIM_AT(h_, claim_)] ->
                r = h_;
                accept(i7, receive_);
                h = r;
                hand_over(i7, h_, claim_)
            :: else
            fi
        }
#else
        skip
#endif
    fi
}

inline give_back(h_, claim_)
{
    find_claimed(h_, claim_, DELIVERED, DELIVERED);
    if :: best < OPS -> at_home[best] = BACK; unclaim(best); e_delivery[best] = 0 :: else fi
}

inline on_refuse(h_, claim_, own_)
{
    find_claimed(h_, claim_, SPOKEN, BACK_SPOKEN);
    if
    :: best == OPS && own_ > 0 && silent[CLAIM_AT(h_, claim_)] -> receive_again(h_)
    :: best == OPS && !(own_ > 0 && silent[CLAIM_AT(h_, claim_)]) ->
        if :: MUTANT != REFUSE_IGNORED -> give_back(h_, claim_) :: else fi
    :: best < OPS ->
        if
        :: own_ > 0 ->
            assert(at_home[best] == SPOKEN);
            if :: MUTANT != OWN_FORGOTTEN -> not_for[h_] = best + 1 :: else fi;
            receive_again(h_);
            not_for_waiting[h_] = own_
        :: else
        fi;
        unclaim(best);
        goes_on(best)
    fi
}

inline on_taken(h_, element_)
{
    assert(at_home[element_] != DELIVERED || e_receiver[element_] == h_);
    if
    :: at_home[element_] == DELIVERED ->
        v1 = e_delivery[element_];
        for (i6 : 0 .. OPS - 1) {
            if
            :: at_home[i6] == DELIVERED && e_receiver[i6] == h_ && e_delivery[i6] <= v1 ->
                at_home[i6] = NOWHERE;
                unclaim(i6);
                e_delivery[i6] = 0
            :: else
            fi
        }
    :: else
    fi
}

/* ---- bringing together ---- */

/* claim_no: a number that nothing refers to any more. */
inline free_claim(h_)
{
    claim_no = 0;
    for (i6 : 1 .. CLAIMS) {
        found = 0;
        for (i7 : 0 .. OPS - 1) {
            if :: at_home[i7] >= SPOKEN && e_receiver[i7] == h_ && e_claim[i7] == i6 -> found = 1 :: else fi
        }
        for (i7 : 0 .. OPS * CASES - 1) {
            if :: talk[i7] == CLAIMED_BY && claim_of[i7] == i6 && ON(i7, h_, IN) -> found = 1 :: else fi
        }
        if
        :: held[CLAIM_AT(h_, i6)] || answers[h_]??[_, eval(i6), _] ||
                up[LINK_OF(h_)]??[CLAIMED, eval(CHANNEL_OF(h_)), eval(i6), _] ||
                up[LINK_OF(h_)]??[REFUSE, eval(CHANNEL_OF(h_)), eval(i6), _] ||
                down[LINK_OF(h_)]??[CLAIM, eval(CHANNEL_OF(h_)), eval(i6), _] ||
                down[LINK_OF(h_)]??[ABORT_CLAIM, eval(CHANNEL_OF(h_)), eval(i6), _] ||
                down[LINK_OF(h_)]??[COMMIT_CLAIM, eval(CHANNEL_OF(h_)), eval(i6), _] -> found = 1
        :: else
        fi;
        if :: found == 0 && claim_no == 0 -> claim_no = i6 :: else fi;
        if :: found == 0 -> silent[CLAIM_AT(h_, i6)] = false :: else fi
    }
    assert(claim_no > 0)
}

inline claim(o_, h_)
{
    free_claim(h_);
    at_home[o_] = (at_home[o_] == BACK -> BACK_SPOKEN : SPOKEN);
    e_receiver[o_] = h_;
    e_claim[o_] = claim_no;
    asking[h_] = 0;
    waiting[SIDE(h_, IN)]--;
    place(h_);
    say(h_, CLAIM, claim_no, (at_home[o_] == BACK_SPOKEN -> 0 : o_ + 1));
    if
    :: MUTANT == COMMIT_EARLY && at_home[o_] == SPOKEN -> at_home[o_] = NOWHERE; accept(o_, OPS); at_home[o_] = BACK_SPOKEN
    :: else
    fi
}

/* n: the handle that asks before the others but behind place v1; or HANDLES. */
inline next_asker(c_, v_)
{
    n = HANDLES;
    for (i6 : 0 .. NODES - 1) {
        v2 = HANDLE(i6, c_);
        if
        :: asking[v2] > v_ && (n == HANDLES || asking[v2] < asking[n]) -> n = v2
        :: else
        fi
    }
}

#define SHUNS(h_) (not_for[h_] != 0 && waiting[SIDE(h_, IN)] <= not_for_waiting[h_])

/* Who in the line is the first for the receiver h_.  r: an operation that offers, or OPS + a handle that is to be called; or
 * 99. */
inline first_for(h_)
{
    r = 99;
    v2 = 255;
    for (i6 : 0 .. OPS - 1) { /* those who were called and have come go first */
        if
        :: at_home[i6] == IN_LINE && e_channel[i6] == CHANNEL_OF(h_) && !(SHUNS(h_) && not_for[h_] == i6 + 1) &&
                (e_patient[i6] -> 100 : 0) + e_stamp[i6] < v2 -> r = i6; v2 = (e_patient[i6] -> 100 : 0) + e_stamp[i6]
        :: else
        fi
    }
    for (i6 : 0 .. NODES - 1) {
        v1 = HANDLE(i6, CHANNEL_OF(h_));
        if
        :: stands[v1] && !(SHUNS(h_) && known[v1] == not_for[h_] && !(waiting[SIDE(v1, OUT)] > 1 && tries[v1] > 0)) &&
                100 + stamp[v1] < v2 -> r = OPS + v1; v2 = 100 + stamp[v1]
        :: else
        fi
    }
}

inline call(h_)
{
    if :: called[h_] == 0 -> call_stamp[h_] = stamp[h_] :: else fi;
    if :: waiting[SIDE(h_, OUT)] > 0 -> waiting[SIDE(h_, OUT)]-- :: else fi;
    called[h_]++;
    say(h_, CALL, 0, 0);
    stands[h_] = false;
    new_stamp(v2);
    line_up(h_, v2)
}

/* v1: how many receives wait that nobody is called for; ok: there are some. */
inline count_free(c_)
{
    v1 = 0;
    v2 = 0;
    for (i6 : 0 .. NODES - 1) {
        n = HANDLE(i6, c_);
        if :: asking[n] > 0 -> v1 = v1 + waiting[SIDE(n, IN)] :: else fi;
        if :: !mute[SIDE(n, OUT)] -> v2 = v2 + called[n] :: else fi
    }
    ok = v1 > v2
}

inline settle_back(c_)
{
    for (i5 : 0 .. OPS - 1) {
        if
        :: at_home[i5] == BACK && e_channel[i5] == c_ ->
            next_asker(c_, 0);
            h = n;
            if :: h < HANDLES -> claim(i5, h) :: else fi
        :: else
        fi
    }
}

inline settle_line(c_)
{
    own = 0; /* the place of the receiver that was looked at last */
    do
    :: true ->
        count_free(c_);
        next_asker(c_, own);
        if :: !ok || n == HANDLES -> break :: else fi;
        h = n;
        first_for(h);
        if
        :: r == 99 -> own = asking[h]
        :: r < OPS -> o = r; claim(o, h); own = 0
        :: r >= OPS && r < 99 ->
            o = r - OPS;
            if :: tries[o] > 0 && known[o] == not_for[h] -> tries[o]-- :: else fi;
            call(o)
        fi
    od
}

inline settle(c_)
{
    touched[c_] = false;
    do
    :: true ->
        settle_back(c_);
        settle_line(c_);
        again = false;
        for (i5 : 0 .. OPS - 1) {
            if
            :: at_home[i5] == IN_LINE && !e_patient[i5] && e_channel[i5] == c_ -> offer_is_over(i5, true); again = true
            :: else
            fi
        }
        if :: !again -> break :: else fi
    od
}

#if CHANNELS == 1
#define ANY_TOUCHED(home) touched[0]
#else
#define ANY_TOUCHED(home) ((HOME(0) == home && touched[0]) || (HOME(1) == home && touched[1]))
#endif

inline settle_all(home_)
{
    for (c : 0 .. CHANNELS - 1) {
        if :: HOME(c) == home_ && touched[c] -> settle(c) :: else fi
    }
    tidy_all()
}

/* ---- silence, and ends ---- */

inline heard(n_, home_)
{
    for (i5 : 0 .. CHANNELS - 1) {
        v2 = HANDLE(n_, i5);
        if
        :: HOME(i5) == home_ && mute[SIDE(v2, IN)] -> mute[SIDE(v2, IN)] = false; place(v2); touched[i5] = true
        :: else
        fi;
        if
        :: HOME(i5) == home_ && mute[SIDE(v2, OUT)] -> mute[SIDE(v2, OUT)] = false; line_up(v2, stamp[v2]); touched[i5] = true
        :: else
        fi
    }
}

/* The claim on o_, whose node is silent. */
inline claim_unanswered(o_)
{
    r = e_receiver[o_];
    if :: MUTANT != SILENCE_UNTOLD -> say(r, ABORT_CLAIM, e_claim[o_], 0) :: else fi;
    silent[CLAIM_AT(r, e_claim[o_])] = true;
    unclaim(o_);
    mute[SIDE(r, IN)] = true;
    asking[r] = 0;
    goes_on(o_)
}

#define UNANSWERED(h_) (called[h_] > 0 && !mute[SIDE(h_, OUT)])
#define MUTE(h_)       (mute[SIDE(h_, IN)] || mute[SIDE(h_, OUT)])
#if CHANNELS == 1
#define ANY_UNANSWERED(n, home) UNANSWERED(HANDLE(n, 0))
#define ANY_MUTE(n, home)       MUTE(HANDLE(n, 0))
#else
#define ANY_UNANSWERED(n, home) \
    ((HOME(0) == home && UNANSWERED(HANDLE(n, 0))) || (HOME(1) == home && UNANSWERED(HANDLE(n, 1))))
#define ANY_MUTE(n, home) ((HOME(0) == home && MUTE(HANDLE(n, 0))) || (HOME(1) == home && MUTE(HANDLE(n, 1))))
#endif

inline calls_unanswered(n_, home_)
{
    for (i5 : 0 .. CHANNELS - 1) {
        v2 = HANDLE(n_, i5);
        if
        :: HOME(i5) == home_ && UNANSWERED(v2) -> mute[SIDE(v2, OUT)] = true; stands[v2] = false; touched[i5] = true
        :: else
        fi
    }
}

inline home_over(n_)
{
    gone[n_] = true;
    for (i5 : 0 .. HANDLES - 1) {
        if
        :: NODE_OF(i5) == n_ ->
            touched[CHANNEL_OF(i5)] = true;
            mute[SIDE(i5, IN)] = false;
            mute[SIDE(i5, OUT)] = false;
            waiting[SIDE(i5, IN)] = 0;
            waiting[SIDE(i5, OUT)] = 0;
            asking[i5] = 0;
            called[i5] = 0;
            stands[i5] = false;
            known[i5] = 0;
            tries[i5] = 0;
            not_for[i5] = 0;
            not_for_waiting[i5] = 0
        :: else
        fi
    }
    for (i5 : 0 .. OPS - 1) {
        if
        :: node_of[i5] == n_ && at_home[i5] == SPOKEN ->
            r = e_receiver[i5];
            say(r, ABORT_CLAIM, e_claim[i5], 1);
            unclaim(i5);
            receive_again(r);
            offer_is_over(i5, false)
        :: node_of[i5] == n_ && at_home[i5] == IN_LINE -> offer_is_over(i5, false)
        :: else
        fi
    }
    for (i5 : 0 .. OPS - 1) {
        if
        :: at_home[i5] >= SPOKEN && at_home[i5] != BACK && NODE_OF(e_receiver[i5]) == n_ ->
            e_delivery[i5] = 0;
            unclaim(i5);
            if
            :: at_home[i5] == DELIVERED -> at_home[i5] = (MUTANT == DEATH_UNHEALED -> NOWHERE : BACK)
            :: else -> goes_on(i5)
            fi
        :: else
        fi
    }
    for (i5 : 0 .. LINKS - 1) {
        if
        :: i5 / HOMES == n_ ->
            do :: nempty(up[i5]) -> up[i5]?m, c, x, y :: empty(up[i5]) -> break od;
            do :: nempty(down[i5]) -> down[i5]?m, c, x, y :: empty(down[i5]) -> break od
        :: else
        fi
    }
}

inline begin() { stamp_now = STAMPS }

inline tidy_all()
{
    for (i5 : 0 .. CHANNELS - 1) { tidy(i5) }
}

inline home_hears_one()
{
    h = HANDLE(n, c);
    touched[c] = true;
    if
    :: m == ASK -> on_ask(h, x, y)
    :: m == RETURNED -> assert(called[h] >= x); called[h] = called[h] - x
    :: m == OFFER -> on_offer(h, x, y)
    :: m == WITHDRAW -> if :: at_home[x] == IN_LINE || at_home[x] == SPOKEN -> assert(e_channel[x] == c); withdraw(x) :: else fi
    :: m == CLAIMED -> on_claimed(h, x, y)
    :: m == REFUSE -> on_refuse(h, x, y)
    :: m == TAKEN -> on_taken(h, x)
    fi
}

/* A frame. */
inline home_hears(l_)
{
    begin();
    n = (l_) / HOMES;
    heard(n, (l_) % HOMES);
    do
    :: true ->
        up[l_]?m, c, x, y;
        if :: m == FRAME -> break :: else -> home_hears_one() fi
    od;
    tidy_all()
}

#define LIVE(n) (!broken[(n) * HOMES + me] && !over[n])

proctype home(byte me)
{
end:
    do
    :: d_step { LIVE(0) && nempty(up[me]) -> home_hears(me); skip }
    :: d_step { LIVE(1) && nempty(up[HOMES + me]) -> home_hears(HOMES + me); skip }
#if NODES > 2
    :: d_step { LIVE(2) && nempty(up[2 * HOMES + me]) -> home_hears(2 * HOMES + me); skip }
#endif
    :: d_step { ANY_TOUCHED(me) -> begin(); settle_all(me); skip }
    od
}
