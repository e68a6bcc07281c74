/**
 * Object.prototype as no document may change it: nothing can be added to it, and no key reaches it. Loaded before every other module, and
 * by the build put in front of each file that it makes, because a bundler evaluates shared parts first. Safe to repeat.
 *
 * Object.prototype is not frozen: protobufjs and long assign `toString` to objects that inherit it, which a frozen one refuses. Its methods
 * are frozen, for they are objects themselves: a parser that takes the key `toString` for a table would write into that function.
 */
Reflect.deleteProperty(Object.prototype, '__proto__');
for (const name of Object.getOwnPropertyNames(Object.prototype)) Object.freeze(Reflect.get(Object.prototype, name));
Object.preventExtensions(Object.prototype);
