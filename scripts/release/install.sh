#!/bin/sh
# kata-sysext {{version}}: fetches the program for this machine, verifies its sha256, and puts it into a folder.
#
#   sh install.sh [--to FOLDER] [--allow-loopback-http] [ADDRESS]
#
# ADDRESS is the https address of the folder that has the files of this release; KATA_SYSEXT_URL is used where it is missing.
# Without --to the folder is /usr/local/bin, or /opt/bin where /usr/local/bin is read-only.
# The digests are in this file: nothing of what a server sends is unpacked, run or made executable before it has its digest.
#
# All commands are inside one pair of braces, so that the shell runs nothing of a script that has not arrived whole.
{
set -eu
umask 022
LC_ALL=C
export LC_ALL

version={{version}}

# known NAME: sets sha256 and bytes of a file of this release.
known() {
  case $1 in
{{files}}
  esac
}

say() { printf '%s\n' "$*" >&2; }

# refuse STATUS FOUND NEEDED NEXT
refuse() {
  say "error: $2"
  say "  needed: $3"
  say "  next:   $4"
  exit "$1"
}

usage() { refuse 2 "$1" "$2" 'sh install.sh [--to FOLDER] https://HOST/FOLDER'; }

# Exit statuses: 1 the download failed, 2 wrong usage, 3 this machine lacks something, 4 other bytes than those of the release.
main() {
  address=${KATA_SYSEXT_URL:-} given='' to='' loopback=''
  while [ $# -gt 0 ]; do
    case $1 in
      --to)
        to=${2:-}
        [ -n "$to" ] || usage '--to without a folder' '--to FOLDER'
        shift
        ;;
      --allow-loopback-http) loopback=yes ;;
      -*) usage "the option $1" '--to FOLDER, --allow-loopback-http, or an address' ;;
      *)
        [ -z "$given" ] || usage "two addresses: $given and $1" 'one address'
        given=$1 address=$1
        ;;
    esac
    shift
  done
  check_address
  check_machine
  choose_folder
  work=$(mktemp -d "$to/.kata-sysext-install.XXXXXX") || refuse 3 "no folder can be made in $to" 'a folder that you may write to' "ls -ld $to"
  trap 'rm -rf "$work"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  if command -v zstd >/dev/null 2>&1; then
    fetch "$file.zst"
    zstd -d -q -f -o "$work/$file" "$work/$file.zst" || refuse 3 "zstd could not unpack $file.zst" "room for the program in $to" "df -h $to"
    verify "$file"
  else
    fetch "$file"
  fi
  put
}

# The host of an address decides what is fetched: only signs that no shell, no curl and no wget gives a meaning of its own.
check_address() {
  [ -n "$address" ] || usage 'no address' 'the address of the folder that has the files of this release, or KATA_SYSEXT_URL'
  case $address in
    *[!]A-Za-z0-9._~:/%+,=[-]*) usage "the address $address" 'an address without user name, password, ? and #' ;;
  esac
  while [ "${address%/}" != "$address" ]; do address=${address%/}; done
  rest=${address#*://}
  authority=${rest%%/*}
  case $address in
    https://[!/]*) protocol='=https' ;;
    http://[!/]*) loopback_only ;;
    *) usage "the address $address" 'an address that begins with https://' ;;
  esac
}

loopback_only() {
  [ -n "$loopback" ] || usage "the address $address" 'https (--allow-loopback-http takes http from this machine itself)'
  case $authority in
    127.0.0.1 | localhost | '[::1]') ;;
    127.0.0.1:?* | localhost:?* | '[::1]':?*)
      case ${authority##*:} in *[!0-9]*) usage "the address $address" 'a port of digits' ;; esac
      ;;
    *) usage "the address $address" 'https: http is taken from 127.0.0.1, localhost and [::1] only' ;;
  esac
  protocol='=http'
}

check_machine() {
  case $(uname -s):$(uname -m) in
    Linux:x86_64) file=kata-sysext-linux-x64 ;;
    Linux:aarch64) file=kata-sysext-linux-arm64 ;;
    *) refuse 3 "this machine is $(uname -s) on $(uname -m)" 'Linux on x86_64 or aarch64' 'uname -sm' ;;
  esac
  for program in sha256sum mktemp wc; do
    command -v "$program" >/dev/null 2>&1 || refuse 3 "$program is not on this machine" "$program, of coreutils or BusyBox" "command -v $program"
  done
  if command -v curl >/dev/null 2>&1; then
    client=curl
  elif command -v wget >/dev/null 2>&1 && wget --version 2>/dev/null | grep -q '^GNU Wget'; then
    client=wget
  else
    refuse 3 'neither curl nor GNU wget is on this machine' 'one that verifies certificates (BusyBox does not)' 'command -v curl wget'
  fi
}

# As Fedora CoreOS, RHCOS and MicroOS have it, /usr/local/bin can be written to. Flatcar has /opt/bin in its place.
choose_folder() {
  if [ -z "$to" ]; then
    for folder in /usr/local/bin /opt/bin; do
      mkdir -p "$folder" 2>/dev/null || true
      if [ -d "$folder" ] && [ -w "$folder" ]; then
        to=$folder
        break
      fi
    done
    [ -n "$to" ] || refuse 3 'neither /usr/local/bin nor /opt/bin can be written to' 'root, or a folder of your own' 'add --to FOLDER to the command'
  else
    case $to in /*) ;; *) to=$PWD/$to ;; esac
    mkdir -p "$to" || refuse 3 "$to cannot be made" 'a folder that you may write to' "ls -ld $to"
  fi
  [ ! -d "$to/kata-sysext" ] || refuse 3 "$to/kata-sysext is a folder" 'no folder of that name' "ls -ld $to/kata-sysext"
}

# fetch NAME: into the working folder, verified.
fetch() {
  known "$1"
  say "fetching $address/$1 ($((bytes / 1000000)) MB)"
  status=0
  (
    # A server that sends without end must not fill the disk. In blocks of 512 bytes.
    ulimit -f $((bytes / 512 + 1)) 2>/dev/null || true
    case $client in
      curl) with_curl "$address/$1" "$work/$1" ;;
      wget) with_wget "$address/$1" "$work/$1" ;;
    esac
  ) || status=$?
  [ "$status" -ne 153 ] || refuse 4 "$address/$1 is larger than $bytes bytes" "the file of kata-sysext $version" 'ask whoever runs this server'
  [ "$status" -eq 0 ] || refuse 1 "$address/$1 could not be fetched ($client ended with $status)" 'a server that has it' 'run the same command again'
  verify "$1"
}

# --proto counts for redirects as well. Neither program reads a configuration file of the user, which could switch verification off.
with_curl() {
  exec curl -q --fail --globoff --silent --show-error --location --max-redirs 10 --proto "$protocol" \
    --connect-timeout 20 --speed-limit 1024 --speed-time 60 --retry 2 --output "$2" "$1"
}

# wget follows a redirect to http as well, so it follows none.
with_wget() { exec wget --no-config --no-hsts --no-verbose --max-redirect=0 --tries=2 --timeout=60 --output-document="$2" "$1"; }

# verify NAME: of the working folder.
verify() {
  known "$1"
  size=$(wc -c <"$work/$1")
  [ "$size" -eq "$bytes" ] || refuse 4 "$1 has $size bytes" "the $bytes bytes of kata-sysext $version" 'run the same command again'
  found=$(sha256sum <"$work/$1" | cut -d ' ' -f 1)
  [ "$found" = "$sha256" ] || refuse 4 "$1 has the sha256 $found" "$sha256, of kata-sysext $version" 'ask whoever runs this server'
}

# The program that was there before stays until the new one has started.
put() {
  chmod 0755 "$work/$file"
  said=$("$work/$file" --version) || said="nothing (it ended with $?)"
  [ "$said" = "$version" ] || refuse 3 "the program says $said" 'glibc 2.28, libstdc++ and libgcc, /proc, and a folder that programs may run from' "ldd --version"
  mv -f "$work/$file" "$to/kata-sysext"
  # Where SELinux is on, the program needs the label of its place.
  if command -v restorecon >/dev/null 2>&1; then restorecon -F "$to/kata-sysext" || true; fi
  say "kata-sysext $version is $to/kata-sysext"
  say "next: $to/kata-sysext check"
}

main "$@"
exit 0
}
