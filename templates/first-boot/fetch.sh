say() { echo "$*" >&2; }

has() { [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status; }

# later WHAT STATUS: ends this try. What still fails after the tenth is no matter of a moment, and a server has many nodes: the pauses grow then,
# up to half an hour, and are not the same on each.
later() {
  tries=$(($(cat "$count" 2>/dev/null || echo 0) + 1))
  echo "$tries" >"$count"
  more=0
  if [ "$tries" -gt 10 ]; then
    doubled=$((tries < 16 ? tries - 10 : 6))
    more=$(({{pause}} << doubled))
    more=$((more - {{pause}} - $(od -An -N2 -tu2 /dev/urandom) % (more / 2)))
  fi
  say "$1; the next try is in $(({{pause}} + more)) s"
  [ "$more" -eq 0 ] || sleep "$more"
  exit "$2"
}

# room BYTES: whether so much fits on the disk.
room() {
  free=$(df -Pk "$work" | tail -n 1 | tr -s ' ' | cut -d ' ' -f 4)
  [ "$free" -ge $(($1 / 1024 + 1)) ] || later "$work has $free KiB free, and $(($1 / 1024 + 1)) KiB are needed; the node runs without Kata" 69
}

# online: waits for the network, for so long and not longer. Ordered after it the unit would make every later boot wait as well.
online() {
  systemctl start --no-block network-online.target || return 0
  waited=0
  until [ "$waited" -ge {{online}} ] || systemctl is-active --quiet network-online.target; do
    sleep 1
    waited=$((waited + 1))
  done
}

# fetch NAME SHA256 [URL [BYTES]]: goes on where an earlier try broke off.
fetch() {
  has "$work/$1" "$2" && return 0
  if [ -z "${3:-}" ]; then
    say "$work/$1 is not the file that this image was made with: sha256 $2 was expected"
    exit 4
  fi
  if ! has "$work/$1.part" "$2"; then
    most=${4:-{{most}}}
    had=$(wc -c 2>/dev/null <"$work/$1.part" || echo 0)
    [ -z "${4:-}" ] || [ "$had" -ge "$4" ] || room $(($4 - had))
    online
    status=0
    answer=$(
      # A server that sends without end must not fill the disk. In blocks of 512 bytes.
      ulimit -f $((most / 512 + 1))
      exec curl --fail --globoff --silent --show-error --location --proto '=http,https' --connect-timeout 20 --speed-limit 1024 \
        --speed-time 60 --continue-at - --write-out '%{http_code}' --output "$work/$1.part" "$3"
    ) || status=$?
    if [ "$status" -ne 0 ]; then
      # What came so far is of use unless the server has no such file any more, it cannot be gone on with, or it is too much.
      case $status:$answer in 22:404 | 22:410 | 22:416 | 23:* | 33:* | 36:* | 153:*) rm -f "$work/$1.part" ;; esac
      case $status in
        153) later "$3 could not be fetched: it is larger than $most bytes; the node runs without Kata" 69 ;;
        *) later "$3 could not be fetched (curl: $status); the node runs without Kata" 69 ;;
      esac
    fi
    if ! has "$work/$1.part" "$2"; then
      found=$(sha256sum <"$work/$1.part" | cut -d ' ' -f 1)
      rm -f "$work/$1.part"
      later "$3 has the wrong digest: found sha256 $found, needed $2; nothing of it was used" 69
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
  rm -f "$count"
}
