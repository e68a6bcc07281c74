# taken WHAT: ours would take a place or a name that is somebody else's.
taken() {
  say "$1; nothing was changed, the node runs without Kata. Take it away, or generate again with another --handler or --alias; the next try is at the next boot"
  exit 3
}

# beside: {{engine}} reads a file of ours beside those of others, where the last one that names a handler has it.
beside() {
{{checks}}
}

