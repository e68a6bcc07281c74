/** How long a daemon may take to say what it is (`EngineDaemon.probe`): once before or after a change, and where it is asked again and again. */
export const probeTimeouts = { onceMs: 10_000, repeatedMs: 5_000 };
