# Written by kata-sysext and recorded by its exact text; "kata-sysext uninstall" removes it.
# systemd runs it before each start of k0s. k0s up to 1.35 takes the handlers' tables in schema 2 only, and k0s from 1.36 on does not start
# beside such a file: the text for the installed k0s is put in place. Where the version cannot be read, a file of schema 3 stays, because
# every k0s starts beside it, and one of schema 2 stays while the program is the one that it was chosen for; else there is none. A file that
# another program or user changed is left alone.
own=/etc/k0s/kata-sysext
file=/etc/k0s/containerd.d/kata-sysext.toml
if command -v timeout >/dev/null 2>&1; then
  version=$(timeout 60 {{program}} version 2>/dev/null)
else
  version=$({{program}} version 2>/dev/null)
fi
version=${version#v}
major=${version%%.*}
minor=${version#"$major"}
minor=${minor#.}
minor=${minor%%[!0-9]*}
case $major.$minor in
  *[!0-9.]* | .* | *.) wanted= ;;
  0.* | 1.? | 1.[12]? | 1.3[0-5]) wanted=$own/schema-2.toml ;;
  *) wanted=$own/schema-3.toml ;;
esac
now=
# What is no file, such as a pipe, is not read: that could keep the node from starting.
if { [ -L "$file" ] || [ -e "$file" ]; } && [ ! -f "$file" ]; then exit 0; fi
# An empty file is what a loss of power can leave of one that was put in place.
if [ -L "$file" ] || [ -s "$file" ]; then
  now=$(cat "$file")
  [ "$now" = "$(cat "$own/schema-2.toml")" ] || [ "$now" = "$(cat "$own/schema-3.toml")" ] || exit 0
fi
# When the program came, in seconds. A text keeps it as its own time: that is the program that the text was chosen for.
came=$(stat -L -c %Z {{program}} 2>/dev/null)
if [ -n "$wanted" ]; then
  [ -z "$came" ] || touch -d "@$came" "$wanted" 2>/dev/null
  [ "$now" != "$(cat "$wanted")" ] || exit 0
  cp "$wanted" "$own/chosen.tmp" && chmod 644 "$own/chosen.tmp" && { sync "$own/chosen.tmp" 2>/dev/null || :; } &&
    mv -f "$own/chosen.tmp" "$file" && exit 0
else
  echo "kata-sysext: the version of k0s cannot be read" >&2
  if [ -n "$now" ]; then
    [ "$now" != "$(cat "$own/schema-3.toml")" ] || exit 0
    # Trees of images give all their files a time near 0: there it says nothing.
    chosen=$(stat -c %Y "$own/schema-2.toml" 2>/dev/null)
    [ "${came:-0}" -lt 86400 ] || [ "$came" -gt "${chosen:-0}" ] || exit 0
  fi
  echo "kata-sysext: k0s starts without the handlers of Kata" >&2
fi
rm -f "$own/chosen.tmp" "$file"
