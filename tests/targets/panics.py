#!/usr/bin/env python3
"""Says where the code that may panic is: calls of panicking functions in an ELF file, with the lines they were inlined from.

usage: panics.py FILE [llvm-objdump [llvm-symbolizer]]
"""

import re
import subprocess
import sys
from collections import Counter

binary = sys.argv[1]
objdump = sys.argv[2] if len(sys.argv) > 2 else "llvm-objdump"
symbolizer = sys.argv[3] if len(sys.argv) > 3 else "llvm-symbolizer"

listing = subprocess.run([objdump, "-d", "-C", "--no-show-raw-insn", binary], capture_output=True, text=True, check=True)
function, calls = "", []
panicking = re.compile(r"panick|panic_|slice_index_fail|slice_error_fail|unwrap_failed|expect_failed|len_mismatch_fail|rust_begin_unwind")
for line in listing.stdout.splitlines():
    if head := re.match(r"^[0-9a-f]+ <(.*)>:$", line):
        function = head[1]
    elif call := re.match(r"^\s*([0-9a-f]+):\s+(bl|b|b\.\w+|b\w\w|jal|j|call|tail|bl\.w|b\.w)\s.*<(.*?)(\+0x[0-9a-f]+)?>", line):
        if panicking.search(call[3]) and not panicking.search(function) and not call[4]:
            calls.append((call[1], function, call[3]))
query = "".join(f"0x{address}\n" for address, _, _ in calls)
lines = subprocess.run([symbolizer, "--obj", binary, "--inlines", "--functions=none"], input=query, capture_output=True, text=True, check=True)
found = Counter()
for (_, function, what), places in zip(calls, lines.stdout.strip().split("\n\n")):
    ours = [p for p in places.splitlines() if "/library/core/" not in p]
    found[(function, what, " < ".join(p.rsplit(":", 1)[0] for p in ours[:3]))] += 1
for (function, what, place), count in sorted(found.items()):
    print(f"{count:3} {function}\n      calls {what}\n      at {place}")
print(f"{sum(found.values())} calls of panicking functions")
sys.exit(bool(found))
