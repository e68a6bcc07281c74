# {{heading}}

# Prints the verb and the words after it, one a line; --root prints the tree that the line names.
function __kata_sysext_line
    set -l want ''
    set -l verb ''
    set -l root ''
    set -l found
    for word in (commandline -opc)[2..-1]
        if test -n "$want"
            test "$want" = --root; and set root $word
            set want ''
        else if string match -q -- '--root=*' $word
            set root (string replace -- '--root=' '' $word)
        else if string match -q -- '-*' $word
            if contains -- "$verb $word" {{valued}}
                set want $word
            end
        else
            test -z "$verb"; and set verb $word
            set -a found $word
        end
    end
    if test "$argv[1]" = --root
        string replace -r -- '^~/' "$HOME/" $root | string replace -r -- '/$' ''
    else if set -q found[1]
        printf '%s\n' $found
    end
end

function __kata_sysext_no_verb
    test (count (__kata_sysext_line)) -eq 0
end

# $argv: a verb; then, for one of its words, the first place and the last.
function __kata_sysext_in
    set -l line (__kata_sysext_line)
    test (count $line) -ge 1; and test "$line[1]" = $argv[1]; or return 1
    test (count $argv) -eq 1; and return 0
    test (count $line) -ge $argv[2]; and test (count $line) -le $argv[3]
end

# $argv: a folder of the host, what its names must look like.
function __kata_sysext_disk
    set -l root (__kata_sysext_line --root)
    for path in $root$argv[1]/*
        string replace -r '.*/' '' -- $path | string replace -r '\.json$' '' | string match -r -- $argv[2]
    end
end

function __kata_sysext_generation
    __kata_sysext_disk {{generations}} '^\d+$'
end

function __kata_sysext_change
    __kata_sysext_disk {{history}} '^\d+$' | string replace -r '^0+' ''
end

function __kata_sysext_installed-handler
    __kata_sysext_disk {{pointer}}/config '^[a-z0-9-]+$'
end

function __kata_sysext_handler
    printf '%s\n' {{short}}
    # The long names as well, for a word that begins with k.
    string match -q -- 'k*' (commandline -ct | string replace -r '^--[^=]*=' ''); and printf '%s\n' {{full}}
    return 0
end

complete -c kata-sysext -f
{{top}}
{{verbs}}
{{lines}}
