#!/bin/sh
# {{title}}
# Runs at boot until it has worked once: {{unit}}. All was put together before, on another machine: this
# fetches, verifies and copies, and needs no program of kata-sysext.
set -eu
umask 022

work={{work}}
stamp={{stamp}}
mark={{mark}}
count={{count}}

{{fetch}}
{{like}}{{beside}}{{merge}}# place PATH: copies it from the archive, with the label of its place where SELinux is on. No file is written over: somebody may have it open
# or mounted. A single one, such as a drop-in, is there whole or not at all.
place() {
  mkdir -p "$(dirname "$1")"
  if [ -d "$work/.new$1" ] && [ ! -L "$work/.new$1" ]; then
    cp -a --remove-destination "$work/.new$1" "$(dirname "$1")/"
  else
    cp -a --remove-destination "$work/.new$1" {{placed}}
    sync {{placed}} 2>/dev/null || sync
    mv -T {{placed}} "$1"
  fi
  if command -v restorecon >/dev/null; then restorecon -RF "$1" || true; fi
}

# Started or starting: at a boot it waits for this, and is neither.
engine_up() {
  case $(systemctl show --value --property=ActiveState {{engine}}) in active | activating | reloading) return 0 ;; esac
  return 1
}

# late: the engine came up without Kata, because the archive could not be had in time. Where a restart would end what runs in its own group,
# such as pods, that is for somebody to decide.
late() {
  case $(systemctl show --value --property=KillMode {{engine}}) in
    process | none) ;;
    *)
      group=$(systemctl show --value --property=ControlGroup {{engine}})
      for processes in "/sys/fs/cgroup$group/cgroup.procs" "/sys/fs/cgroup/systemd$group/cgroup.procs"; do
        [ -n "$group" ] && [ -e "$processes" ] && [ "$(wc -l <"$processes")" -gt 1 ] || continue
        say "a restart of {{engine}} would end all processes of its group: it has Kata once you restart it, or at the next boot"
        return 0
      done
      ;;
  esac
  systemctl --no-block restart {{engine}}
}

if [ -n "${NOTIFY_SOCKET:-}" ] && engine_up; then
  # Nobody waits any more: what takes longer than the unit's bound would be broken off and begun anew for ever.
  systemd-notify EXTEND_TIMEOUT_USEC=3600000000 || true
fi
mkdir -p "$work" "$(dirname "$stamp")"
if [ -L {{pointer}} ] && [ ! -e "$stamp.begun" ]; then
  say "Kata is installed here already and stays as it is; kata-sysext install upgrades it"
  rm -rf "$work"
  worked
  exit 0
fi
{{check}}{{fetches}}
rm -rf "$work/.new"
{{room}}
# Unpacked files of a try that failed would take the place that the next one needs.
trap 'rm -rf "$work/.new"' EXIT
mkdir "$work/.new"
tar -xzf "$work/{{archive}}" -C "$work/.new"
{{image}}{{check}}old={{generation}}
if [ ! -e "$stamp.begun" ] && [ -e "$old" ] && ! cmp -s "$old" "$work/.new$old"; then
  say "$old is of another installation, which another deployment may still use; nothing was changed, the node runs without Kata. kata-sysext install puts a release beside it; the next try is at the next boot"
  exit 3
fi
: >"$stamp.begun"
# After a loss of power the pointer must not be there without this: /etc and /var can be two file systems.
sync
# A node that had Kata before keeps its history, with the number that it gave last. Elsewhere the history comes whole or not at all.
history={{history}}
if [ -z "$(ls -A "$history" 2>/dev/null)" ]; then
  rm -rf "$history.new"
  mkdir -p "$(dirname "$history")"
  cp -a "$work/.new$history" "$history.new"
  sync
  mv -T "$history.new" "$history"
fi
rm -rf "$work/.new$history"
# First the files, then the pointer, the wiring last: the engine never names what is not there.
{{places}}
sync
if engine_up; then late; fi
# From here on a loss of power finds an installation like any other.
rm -f "$stamp.begun"
rm -rf "$work"
worked
say "Kata Containers is in place"
