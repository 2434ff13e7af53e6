/* limits.h - the bounds of the protocol, in one place.   SPDX-License-Identifier: MIT
 *
 * They are part of proto/runnel.proto: changing one is changing the protocol. */
#ifndef PROTO_LIMITS_H
#define PROTO_LIMITS_H

#include <stdint.h>

#define WIRE_NAME_MAX        255                   /* bytes of a channel's name, ... */
#define WIRE_NAME_GIVEN_MAX  250                   /* ... without the .dead of its dead letters */
#define WIRE_TYPE_MAX        250                   /* bytes of a type's name */
#define WIRE_TEXT_MAX        1024                  /* bytes of a sentence or a node's name */
#define WIRE_SECTION_HEADER  56                    /* bytes, and ... */
#define WIRE_SECTION_TIMES   16                    /* ... so many more with TIMED */
#define WIRE_ELEMENT_MAX     (UINT32_C(1) << 30)   /* bytes of an element */
#define WIRE_WHOLE_MAX       (UINT32_C(256) << 10) /* a larger one crosses in pieces */
#define WIRE_PIECE_BYTES     (UINT32_C(192) << 10) /* of a piece, as we cut them */
#define WIRE_PIECE_HEADER    8                     /* bytes: the piece's offset in its element */
#define WIRE_FRAME_MAX       (UINT32_C(512) << 10)
#define WIRE_FRAME_TARGET    (UINT32_C(200) << 10) /* of a frame of several elements */
#define WIRE_PATIENT_MAX     (UINT32_C(64) << 10)  /* bytes of an offer that waits at the home */
#define WIRE_SECTIONS_MAX    4096                  /* in a frame */
#define WIRE_ENVELOPE_MAX    (UINT32_C(60) << 10)  /* bytes of an envelope with its controls */
#define WIRE_REPORT_MAX      (UINT32_C(48) << 10)  /* bytes of a packed Report */
#define WIRE_STACK_MAX       4096                  /* bytes of a goroutine's stack, as text */
#define WIRE_WAITS_MAX       64                    /* cases of a select */
#define WIRE_WHY_MAX         255                   /* bytes of the reason of a rejection */
#define WIRE_DEAD_MAX        2048 /* bytes that a dead letter has before its element */
#define WIRE_LENGTH_MAX      (WIRE_ELEMENT_MAX + WIRE_DEAD_MAX) /* bytes, of a dead letter */
#define WIRE_HEADER_MAX      1024 /* bytes of the Header of an element */
#define WIRE_TRACEPARENT_MAX 55
#define WIRE_RANGES_MAX      256  /* of a Settle */
#define WIRE_INQUIRIES_MAX   4    /* unanswered WHYs and DUMPs of a node */
#define WIRE_TAPS_MAX        4    /* of a node */
#define WIRE_TAP_RATE        1000 /* elements in a second, unless stated */
#define WIRE_TAP_RATE_MAX    100000
#define WIRE_WINDOW_FRAMES   16                  /* unacknowledged data frames in a direction ... */
#define WIRE_WINDOW_BYTES    (UINT32_C(1) << 20) /* ... and their bytes */
#define WIRE_ANSWERS_MAX     8 /* so many frames of nothing but Accepted are acknowledged at once */
#define WIRE_WINDOW_PIECES   (WIRE_WINDOW_BYTES / 4 * 3) /* we add no piece to more than that, ... */
#define WIRE_WINDOW_NEAR     (WIRE_WINDOW_BYTES / 2) /* ... nor to so many, if answers come soon */

#define WIRE_REASON_SESSION (-4116) /* of a close by itself: a sender's session has ended */
#define WIRE_REASON_GONE    (-32)   /* of a reply channel: who made it has gone (EPIPE) */

#define WIRE_CAPACITY_DEFAULT 16384 /* elements */
#define WIRE_CAPACITY_MAX     (INT64_C(1) << 31)
#define WIRE_BYTES_DEFAULT    (UINT64_C(64) << 20)
#define WIRE_LEASE_DEFAULT_MS 10000
#define WIRE_LEASE_MIN_MS     200
#define WIRE_LEASE_MAX_MS     30000

/* A sign of life that comes when nothing was said for an eighth of the lease may be acknowledged a 32nd later. */
#define WIRE_REST_PART 8
#define WIRE_ACK_PART  32

#endif
