/** Where scanners look for the SPDX document of an extension (docs/facts/hosts.md#bills-of-materials), below the root of a host. */
export function sbomPlace(name: string): string {
  return `usr/share/os-manifests/package-manifest.${name}.spdx.json`;
}

/** The folder of the licences' texts, where distributions have them. */
export function licencePlace(name: string): string {
  return `usr/share/licenses/${name}`;
}
