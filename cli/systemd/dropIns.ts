/** Of a unit, by the administrator, as an engine's wiring has it. */
export function isDropIn(path: string): boolean {
  return /^\/etc\/systemd\/system\/[^/]+\.d\//.test(path);
}
