# unlike WHAT: what is added to a configuration that is another one by now could mean something else there, or break it.
unlike() {
  say "$1; nothing was changed, the node runs without Kata. Generate again with --engine-config, or with --form hook; the next try is at the next boot"
  exit 3
}

# Whether {{engine}} is configured as it was when all was put together.
like() {
  started=$(systemctl show --value --property=ExecStart {{engine}})
  config=$(printf '%s\n' "$started" | sed -nE 's/.*argv\[\]=[^;]* (-c|--config)[ =]([^ ;]+).*/\2/p')
  case $config in
    '') config={{usual}} ;;
    *'$'*) config=$(systemctl show --value --property=Environment {{engine}} | tr ' ' '\n' | sed -n 's/^{{variable}}=//p') ;;
  esac
  [ "$config" = {{config}} ] || unlike "{{engine}} reads ${config:-an unknown file}, not "{{config}}
{{checks}}
}

# edit PATH DIGEST AT PART: puts a text of ours behind the first AT bytes of a file of the node. All else of it stays, as do mode, owner and label.
edit() {
  has "$1" "$2" && return 0
  cp -a "$1" {{edited}}
  { head -c "$3" "$1" && cat "$work/.new/$4" && tail -c "+$(($3 + 1))" "$1"; } >{{edited}}
  if ! has {{edited}} "$2"; then
    rm -f {{edited}}
    unlike "$1 has changed meanwhile"
  fi
  sync {{edited}}
  mv {{edited}} "$1"
}

