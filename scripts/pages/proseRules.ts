import { docPages } from './list.ts';

/** A word that pages do not use: a pattern between two ends of words, and what to write instead. */
export interface ForbiddenWord {
  pattern: string;
  use: string;
  /** Pages that may have it. */
  except?: string[];
}

/** Pages of figures that were measured in the lab. */
const withFigures = ['docs/benchmarks.md', 'docs/testing.md'];

/** The dictionary: one word for one thing, and words that Linux hosts, engines and Kubernetes use themselves. */
export const forbiddenWords: ForbiddenWord[] = [
  { pattern: 'anew', use: '“again” or “new”' },
  { pattern: 'somebody|someone|nobody|somebody’s', use: 'who it is: “another program”, “another user”, “the administrator”' },
  { pattern: 'of ours|ours|our', use: '“kata-sysext’s”, or the name of the thing' },
  { pattern: 'theirs', use: 'the name of the thing' },
  { pattern: 'is told|are told|was told|were told', use: '“is reported”, “is warned about”, or who reads what' },
  { pattern: 'stands?(?!-)|stood', use: '“is present”, “is”, “means”' },
  { pattern: 'speaks? against', use: '“prevents”' },
  { pattern: 'has (?:nothing|what|something) against', use: '“refuses”, “prevents”' },
  { pattern: '(?:takes?|took|in) the place of', use: '“replaces”, “instead of”' },
  { pattern: 'upon (?:yourself|oneself|himself)', use: '“override the check with --allow”' },
  { pattern: 'further names?', use: '“alias”' },
  { pattern: 'giv(?:es?|en|ing) up|gave up', use: '“rolled back at boot”, “marked failed”' },
  { pattern: 'let go|lets go|letting go', use: '“remove”' },
  { pattern: 'brings? about', use: '“causes”' },
  { pattern: 'ballast', use: '“reserved room”' },
  { pattern: 'led|leads? to', use: '“points at”, “means”' },
  { pattern: 'settles?|settled|settling', use: '“recovers”, “undoes or finishes”' },
  { pattern: 'springs?', use: '“fails”, “applies”' },
  { pattern: 'bless(?:es|ing|ings)?', use: '“confirm”; *blessed* is the name of the state' },
  { pattern: 'no matter of', use: 'who does it' },
  { pattern: 'heeds?', use: '“respects”, “waits for”' },
  { pattern: 'besides', use: '“also”' },
  { pattern: 'mend(?:s|ed|ing)?', use: '“repair”' },
  { pattern: 'stor(?:y|ies)', use: '“history”' },
  { pattern: 'strangers?', use: '“foreign”' },
  { pattern: 'tid(?:y|ies|ied)', use: '“clean-up”' },
  { pattern: 'wish(?:es|ed)?', use: '“request”, “settings”' },
  {
    pattern: '^Seen|seen in the lab|the lab’s|in the lab|(?:a|the) lab|lab hosts?',
    use: 'no figures of a lab',
    except: [...withFigures, 'CONTRIBUTING.md'],
  },
];

/** Pages whose prose is checked, as paths from the repository's root. */
export function prosePages(): string[] {
  return [
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    'RELEASE.md',
    'SECURITY.md',
    'man/kata-sysext.8',
    'examples/README.md',
    'examples/selinux/README.md',
    ...docPages(),
  ];
}
