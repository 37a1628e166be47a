/* What is said on every machine (tests/targets/boards.sh; `cargo test -p ebt --test boards` makes the checksum anew). */

#ifndef EXPECTED_H
#define EXPECTED_H

#define SPEAK_PROMPT "Türkiye'nin"
#define SPEAK_TOKENS 24
#define SPEAK_MEMORY (80u << 10)
#define SPEAK_CHECKSUM 0xa3f66a55u

#endif
