/** The version of the program; a spec compares it with package.json. */
export const version = '0.1.0';
