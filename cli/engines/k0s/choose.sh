# Written by kata-sysext and recorded by its exact text; "kata-sysext uninstall" removes it.
# systemd runs it before each start of k0s. k0s up to 1.35 takes the handlers' tables in schema 2 only, and k0s from 1.36 on does not start
# beside such a file: the text for the installed k0s is put in place. Where the version cannot be read there is none, because k0s starts
# without it on every version. A file that another program or user changed is left alone.
own=/etc/k0s/kata-sysext
file=/etc/k0s/containerd.d/kata-sysext.toml
version=$(timeout 60 {{program}} version 2>/dev/null)
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
if [ -e "$file" ] || [ -L "$file" ]; then
  now=$(cat "$file")
  [ "$now" = "$(cat "$own/schema-2.toml")" ] || [ "$now" = "$(cat "$own/schema-3.toml")" ] || exit 0
fi
if [ -n "$wanted" ]; then
  [ "$now" != "$(cat "$wanted")" ] || exit 0
  cp "$wanted" "$own/chosen.tmp" && chmod 644 "$own/chosen.tmp" && mv -f "$own/chosen.tmp" "$file" && exit 0
else
  echo "kata-sysext: the version of k0s cannot be read, so that k0s starts without the handlers of Kata" >&2
fi
rm -f "$own/chosen.tmp" "$file"
