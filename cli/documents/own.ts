/** The own properties of an object in one without a prototype: what is read of it later is what the caller wrote, and nothing inherited. */
export function ownProperties<T extends object>(options: T): T {
  return Object.assign(Object.create(null), options);
}
