import type { Arch } from '../single/node.ts';

/** As Debian calls them. */
export const debianArchs: Record<Arch, string> = { x64: 'amd64', arm64: 'arm64' };

/** The project has no mail address (SECURITY.md), and a control file needs one: a name that can never be one (RFC 2606). */
const maintainer = 'kata-sysext maintainers <kata-sysext@maintainers.invalid>';

/** '1.0.0-rc.1' comes before '1.0.0', which Debian writes with a '~'. */
export function debianVersion(version: string): string {
  return `${version.replace('-', '~')}-1`;
}

export function controlText({ version, arch, installedBytes }: { version: string; arch: Arch; installedBytes: number }): string {
  return `Package: kata-sysext
Version: ${debianVersion(version)}
Section: admin
Priority: optional
Architecture: ${debianArchs[arch]}
Installed-Size: ${Math.ceil(installedBytes / 1024)}
Maintainer: ${maintainer}
Depends: libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 5)
Recommends: zstd, xz-utils
Description: installs Kata Containers as a transaction
 kata-sysext turns a release of Kata Containers into an immutable payload,
 adds the smallest possible edit to the configuration of the container
 engine, proves that the engine works, and otherwise puts every byte back.
 .
 The package has the program only. It changes no configuration and starts
 nothing; "kata-sysext check" says what a host needs.
`;
}

/** Debian's own changelog; what users read is CHANGELOG.md beside it. */
export function debianChangelog(version: string, seconds: number): string {
  const date = new Date(seconds * 1000).toUTCString().replace('GMT', '+0000');
  return `kata-sysext (${debianVersion(version)}) unstable; urgency=medium

  * Release ${version}: see changelog.gz.

 -- ${maintainer}  ${date}
`;
}

/** Debian's machine-readable form (copyright-format 1.0). */
export function copyrightText(): string {
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: kata-sysext

Files: *
Copyright: the kata-sysext authors
License: Apache-2.0
Comment: The program has Node.js and npm packages inside. Their licences are in
 THIRD-PARTY-LICENSES beside this file.

License: Apache-2.0
 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.
`;
}
