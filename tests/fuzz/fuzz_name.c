/* fuzz_name.c - the grammar of names against a second reading of it.   SPDX-License-Identifier: MIT */
#include "proto/limits.h"
#include "proto/name.h"
#include "tests/fuzz/standalone.h"

#include <regex.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The grammar as the documentation has it. */
static bool reference(const char *name)
{
    static regex_t grammar;
    static bool compiled;
    size_t len = strlen(name);

    if (!compiled &&
        regcomp(&grammar, "^([A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*|reply:[A-Za-z0-9_-]+)$",
                REG_EXTENDED | REG_NOSUB) != 0)
        abort();
    compiled = true;
    if (len > WIRE_NAME_GIVEN_MAX || regexec(&grammar, name, 0, NULL, 0) != 0)
        return false;
    return len < 5 || strcmp(name + len - 5, ".dead") != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *name = malloc(size + 1);

    memcpy(name, data, size);
    name[size] = '\0';
    if ((name_fault(name) == NULL) != reference(name))
        abort();
    free(name);
    return 0;
}
