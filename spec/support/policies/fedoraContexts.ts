import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { repo } from '../program.ts';

/** A folder with file_contexts and file_contexts.subs_dist. */
export interface FedoraPolicy {
  name: string;
  folder: string;
}

const all: FedoraPolicy[] = [
  { name: 'the small targeted policy', folder: join(repo, 'spec/support/policies/targeted') },
  { name: "Fedora's own policy", folder: join(repo, '../shared/real-data/selinux') },
];

/** The small file contexts of this project, and Fedora's own where shared/ lies beside the checkout. */
export function fedoraPolicies(): FedoraPolicy[] {
  const there = all.filter(({ folder }) => existsSync(folder));
  if (there.length < all.length) console.log("      Fedora's own file contexts are not beside this checkout: the small ones alone");
  return there;
}

/** The folder of Fedora's own, else of the small ones: for what takes long with either. */
export function fedoraContexts(): string {
  return all.findLast(({ folder }) => existsSync(folder))!.folder;
}
