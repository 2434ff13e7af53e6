/* mutate.h - changes of protobuf messages after which their lengths still agree.   SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_MUTATE_H
#define TESTS_FUZZ_MUTATE_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

/* libFuzzer's own: changes bytes without knowing what they are. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* Changes one thing somewhere in the message of that type and corrects every length around it.  Gives the new size, at most
 * max; max is at most 61440.  What is no message of that kind is changed as bytes. */
size_t mutate_message(const ProtobufCMessageDescriptor *type, uint8_t *data, size_t size,
                      size_t max, unsigned seed);

#endif
