say() { echo "$*" >&2; }

has() { [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status; }

# fetch NAME SHA256 [URL]: goes on where an earlier try broke off.
fetch() {
  has "$work/$1" "$2" && return 0
  if [ -z "${3:-}" ]; then
    say "$work/$1 is not the file that this image was made with: sha256 $2 was expected"
    exit 4
  fi
  if ! has "$work/$1.part" "$2"; then
    status=0
    curl --fail --globoff --silent --show-error --location --proto '=http,https' --connect-timeout 20 --speed-limit 1024 --speed-time 60 \
      --continue-at - --output "$work/$1.part" "$3" || status=$?
    if [ "$status" -ne 0 ]; then
      # What came so far is of use only where the transfer itself broke off.
      case $status in 18 | 28 | 55 | 56 | 92) ;; *) rm -f "$work/$1.part" ;; esac
      say "$3 could not be fetched (curl: $status); the node runs without Kata, the next try is in {{pause}} s"
      exit 69
    fi
    if ! has "$work/$1.part" "$2"; then
      found=$(sha256sum <"$work/$1.part" | cut -d ' ' -f 1)
      rm -f "$work/$1.part"
      say "$3 has the wrong digest: found sha256 $found, needed $2; nothing of it was used, the next try is in {{pause}} s"
      exit 69
    fi
  fi
  mv "$work/$1.part" "$work/$1"
  say "$3 fetched, digest right"
}

# worked: notes it in /var and in /etc, where a file that a service makes may get another label than its place has.
worked() {
  mkdir -p "$(dirname "$stamp")" "$(dirname "$mark")"
  : >"$mark"
  if command -v restorecon >/dev/null; then restorecon -F "$mark" || true; fi
  : >"$stamp"
}
