#!/bin/sh
# {{title}}
# Runs at boot until it has worked once: {{unit}}. The boot waits for nothing of it; it is tried again while
# a server is away. Nothing runs or is unpacked before its digest is right, and what installs proves the result or puts every byte back.
set -eu
umask 022

work={{work}}
stamp={{stamp}}
mark={{mark}}
count={{count}}

{{fetch}}
{{fetches}}
# From here on what this /etc has may be another installation than any earlier one of it: who goes back to that one has it installed again.
for other in "$(dirname "$mark")"/????????????????; do [ "$other" = "$mark" ] || rm -f "$other"; done
status=0
"$work/kata-sysext" install {{arguments}} --progress plain || status=$?
if [ "$status" -ne 0 ]; then
  # Only what passes by itself is tried again: every other try could mean another restart of the container engine.
  case $status in
    3 | 75) later "not installed (exit status $status)" "$status" ;;
    *)
      say "not installed (exit status $status), the node runs without Kata; the next try is at the next boot"
      # The unit knows these; whatever else it was, such as a death by a signal, is one of them.
      case $status in 1 | 2 | 4 | 5) ;; *) status=1 ;; esac
      ;;
  esac
  exit "$status"
fi
worked
{{clean}}
say "Kata Containers is installed"
