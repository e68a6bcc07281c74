import { generationsFolder, historyFolder, pointer } from '../../store/paths.ts';
import { handlerNames, type Offer, type SurfaceOption, type SurfaceVerb, topOptions } from './surface.ts';

/** For fish 3. Names from the disk are offered only if they look like a number or a handler's name. */
export function fishScript(surface: SurfaceVerb[], heading: string): string {
  const { short, full } = handlerNames();
  return `# ${heading}

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
            if contains -- "$verb $word" ${valued(surface)}
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
        printf '%s\\n' $found
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
        string replace -r '.*/' '' -- $path | string replace -r '\\.json$' '' | string match -r -- $argv[2]
    end
end

function __kata_sysext_generation
    __kata_sysext_disk ${generationsFolder} '^\\d+$'
end

function __kata_sysext_change
    __kata_sysext_disk ${historyFolder} '^\\d+$' | string replace -r '^0+' ''
end

function __kata_sysext_installed-handler
    __kata_sysext_disk ${pointer}/config '^[a-z0-9-]+$'
end

function __kata_sysext_handler
    printf '%s\\n' ${short.join(' ')}
    # The long names as well, for a word that begins with k.
    string match -q -- 'k*' (commandline -ct | string replace -r '^--[^=]*=' ''); and printf '%s\\n' ${full.join(' ')}
    return 0
end

complete -c kata-sysext -f
${topOptions.map((option) => optionLine('__kata_sysext_no_verb', option)).join('\n')}
${surface.map(({ name, summary }) => `complete -c kata-sysext -n __kata_sysext_no_verb -a ${name} -d ${quoted(summary)}`).join('\n')}
${surface.flatMap(verbLines).join('\n')}
`;
}

function verbLines({ name, options, words, repeats }: SurfaceVerb): string[] {
  const places = words.flatMap(({ offer }, index) => {
    const last = repeats && index === words.length - 1 ? 999 : index + 1;
    return values(offer).map((value) => `complete -c kata-sysext -n '__kata_sysext_in ${name} ${index + 1} ${last}' ${value}`);
  });
  return [...options.map((option) => optionLine(`__kata_sysext_in ${name}`, option)), ...places];
}

function optionLine(condition: string, { flags, describe, value }: SurfaceOption): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const taken = value === undefined ? [] : ['-r', ...(values(value.offer).length === 0 ? ['-f'] : values(value.offer))];
  return ['complete -c kata-sysext -n', quoted(condition), ...names, ...taken, '-d', quoted(describe)].join(' ');
}

function values(offer: Offer): string[] {
  if (offer.kind === 'nothing') return [];
  if (offer.kind === 'file') return ['-F'];
  if (offer.kind === 'words') return [`-f -a ${quoted(offer.words.join(' '))}`];
  return [`-f -a '(${offer.kind === 'folder' ? '__fish_complete_directories (commandline -ct)' : `__kata_sysext_${offer.kind}`})'`];
}

function valued(surface: SurfaceVerb[]): string {
  return surface
    .flatMap(({ name, options }) =>
      options.filter(({ value }) => value !== undefined).flatMap(({ flags }) => flags.map((flag) => quoted(`${name} ${flag}`))),
    )
    .join(' ');
}

/** In fish's single quotes only the backslash and the quote itself mean something. */
function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
